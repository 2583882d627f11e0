// Documents added, replaced and hidden in a catalog.
#include <gmock/gmock.h>

#include "storage/catalog.h"
#include "tests/storage/store_fixtures.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempDir;

TempDir remembering_store() {
  TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  testing::import_tiny_corpus(catalog);
  testing::commit_documents(catalog, 1);
  return folder;
}

Example document(const std::string& key, const std::string& text, std::vector<LabelId> labels) {
  return {{}, key, text, std::move(labels), {}};
}

std::vector<std::uint64_t> remembered(const Catalog& catalog) {
  std::vector<std::uint64_t> ids;
  catalog.scan_documents([&](Example&& example) { ids.push_back(value(example.id)); });
  return ids;
}

constexpr std::uint64_t kFirstAdded = tiny::kTrainDocuments + tiny::kTestDocuments;

TEST(DocumentChanges, AreThereAfterTheStoreIsOpenedAgain) {
  const TempDir folder = remembering_store();
  {
    Catalog catalog = Catalog::open(folder / "s", OpenMode::kWrite);
    const Example added[] = {document("a", "an owl", {LabelId{0}}),
                             document("train-3", "a lark", {LabelId{0}, LabelId{10}})};
    const auto changes = catalog.put_documents(added, testing::tiny_vectors(2));
    ASSERT_EQ(changes.size(), 3U);
    EXPECT_EQ(changes[0].id, DocumentId{kFirstAdded});
    EXPECT_TRUE(changes[1].removed);
    EXPECT_EQ(changes[1].id, DocumentId{3});
    EXPECT_THAT(changes[2].vector, ElementsAre(1, 0.5F, -1));
  }
  const Catalog catalog = Catalog::open(folder / "s", OpenMode::kRead);
  EXPECT_EQ(catalog.find_document("a")->text, "an owl");
  EXPECT_EQ(catalog.find_document("train-3")->text, "a lark");
  EXPECT_EQ(catalog.find_document("train-4")->text, tiny::train()[4].text);
  EXPECT_EQ(catalog.find_document("test-1"), std::nullopt);
  const std::vector<std::uint64_t> ids = remembered(catalog);
  EXPECT_EQ(ids.size(), tiny::kTrainDocuments + 1);  // one hidden, two added
  EXPECT_EQ(ids.back(), kFirstAdded + 1);
  EXPECT_EQ(catalog.document_changes().size(), 3U);
  EXPECT_EQ(testing::examples_of(catalog, Split::kTrain).size(), tiny::kTrainDocuments);
  EXPECT_THAT(verify_store(folder / "s"), IsEmpty());
}

TEST(DocumentChanges, GiveNoIdTwice) {
  const TempDir folder = remembering_store();
  const Example added[] = {document("a", "an owl", {})};
  const std::string keys[] = {"a", "absent"};
  {
    Catalog catalog = Catalog::open(folder / "s", OpenMode::kWrite);
    catalog.put_documents(added, testing::tiny_vectors(1));
    const auto removed = catalog.remove_documents(keys);
    ASSERT_EQ(removed.size(), 1U);
    EXPECT_EQ(removed[0].id, DocumentId{kFirstAdded});
    EXPECT_EQ(catalog.find_document("a"), std::nullopt);
  }
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kWrite);
  EXPECT_EQ(catalog.put_documents(added, testing::tiny_vectors(1))[0].id,
            DocumentId{kFirstAdded + 1});
}

TEST(DocumentChanges, OfAnIndexThatHoldsThemAreDroppedButForTheHidden) {
  const TempDir folder = remembering_store();
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kWrite);
  const Example added[] = {document("train-3", "a lark", {})};
  catalog.put_documents(added, testing::tiny_vectors(1));
  Manifest same = catalog.manifest();
  same.generation->number = 2;
  catalog.commit(same, true);  // other labels, the same documents
  EXPECT_EQ(catalog.document_changes().size(), 2U);
  testing::commit_documents(catalog, 3);
  const auto changes = catalog.document_changes();
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_TRUE(changes[0].removed);
  EXPECT_EQ(catalog.find_document("train-3")->text, "a lark");
}

TEST(DocumentChanges, NeedAGenerationWithDocumentsAndFittingVectors) {
  TempDir folder;
  Catalog catalog = Catalog::open(folder / "s", OpenMode::kCreate);
  testing::import_tiny_corpus(catalog);
  const Example twice[] = {document("a", "x", {}), document("a", "y", {})};
  const auto put = [&](std::span<const Example> documents, std::size_t rows) {
    const auto error =
        error_of([&] { catalog.put_documents(documents, testing::tiny_vectors(rows)); });
    return error ? error->kind() : ErrorKind::kInternal;
  };
  EXPECT_EQ(put(std::span(twice).first(1), 1), ErrorKind::kInvalidInput);
  testing::commit_documents(catalog, 1);
  EXPECT_EQ(put(std::span(twice).first(1), 2), ErrorKind::kIncompatible);
  EXPECT_EQ(put(twice, 2), ErrorKind::kInvalidInput);
  EXPECT_THAT(catalog.document_changes(), IsEmpty());
}

}  // namespace
}  // namespace dexter
