#include "storage/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "storage/noted_files.h"
#include "tests/storage/store_fixtures.h"

namespace dexter {
namespace {

using testing::error_of;
using ::testing::HasSubstr;

Manifest full_manifest() {
  Manifest manifest;
  manifest.next_label = 4'000'000'000u;
  manifest.corpus = CorpusInfo{.number = 3,
                               .format = "xmc",
                               .text_kind = TextKind::kSparse,
                               .train_documents = 9'000'000'000u,
                               .test_documents = 2,
                               .labels = 7,
                               .sparse_features = 11};
  manifest.trained = EncoderInfo{.file = {"encoders/000001.enc", 12, "00ff00ff00ff00ff"},
                                 .kind = "bag",
                                 .fingerprint = "abc",
                                 .dim = 256,
                                 .corpus = 3};
  manifest.generation = GenerationInfo{.number = 5,
                                       .encoder = *manifest.trained,
                                       .label_index = {"index/000005.idx", 34, "1122334455667788"},
                                       .index_kind = "hnsw",
                                       .index_reason = "\"many\" labels\n",
                                       .labels = 7,
                                       .documents = {}};
  manifest.config = R"({"index.kind":"auto"})";
  return manifest;
}

TEST(Manifest, ComesBackFromJsonAsItWas) {
  EXPECT_EQ(manifest_from_json(to_json(full_manifest())), full_manifest());
  EXPECT_EQ(manifest_from_json(to_json(Manifest{})), Manifest{});
}

TEST(Manifest, OfAGenerationWithDocumentsComesBackAsItWas) {
  Manifest manifest = full_manifest();
  DocumentsInfo& documents = manifest.generation->documents.emplace();
  documents.index = {"index/000005.documents.idx", 8, "1122334455667788"};
  documents.table = {"index/000005.table.idx", 9, "1122334455667789"};
  documents.index_kind = "ivf";
  documents.index_reason = "many";
  documents.documents = 6'000'000'000u;
  documents.fusion.helps = true;
  documents.fusion.neighbours = 33;
  documents.fusion.temperature = 0.1;
  documents.fusion.p1 = 42.123456789;
  EXPECT_EQ(manifest_from_json(to_json(manifest)), manifest);
  documents.words = FileRef{"index/000005.words.idx", 10, "112233445566778a"};
  EXPECT_EQ(manifest_from_json(to_json(manifest)), manifest);
}

TEST(Manifest, WithVotesThatNoOneCouldCountIsCorrupt) {
  Manifest manifest = full_manifest();
  for (double VoteFusion::*number : {&VoteFusion::label_weight, &VoteFusion::label_temperature,
                                     &VoteFusion::temperature, &VoteFusion::word_temperature}) {
    DocumentsInfo& documents = manifest.generation->documents.emplace();
    documents.index.name = documents.table.name = "index/x.idx";
    documents.fusion.*number = 0;
    const auto error = error_of([&] { manifest_from_json(to_json(manifest)); });
    ASSERT_TRUE(error);
    EXPECT_EQ(error->kind(), ErrorKind::kCorrupt);
  }
}

TEST(Manifest, OfANewerFormatIsRefusedWithBothNumbers) {
  Manifest manifest;
  manifest.format = kStoreFormat + 1;
  const auto error = error_of([&] { manifest_from_json(to_json(manifest)); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kIncompatible);
  EXPECT_THAT(error->what(), HasSubstr("format is 2"));
  EXPECT_THAT(error->what(), HasSubstr("up to 1"));
}

// A newer format may look in any way beside its number.
TEST(Manifest, OfANewerFormatIsRefusedBeforeAnythingElseIsRead) {
  const auto error = error_of([] { manifest_from_json(R"({"format":9,"next_label":"later"})"); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kIncompatible);
}

TEST(Manifest, OfAnythingUnreadableIsCorrupt) {
  for (const char* json : {"", "{", "[]", "null", "{}", R"({"format":1})", R"({"format":"1"})",
                           R"({"format":1.5})", R"({"format":1,"next_label":-1,"config":""})",
                           R"({"format":1,"next_label":4294967296,"config":""})",
                           R"({"format":1,"next_label":0,"config":1})",
                           R"({"format":1,"next_label":0,"config":"","corpus":[]})",
                           R"({"format":1,"next_label":0,"config":"","corpus":{}})",
                           R"({"format":1,"next_label":0,"config":"","trained":null})"}) {
    const auto error = error_of([&] { manifest_from_json(json); });
    ASSERT_TRUE(error) << json;
    EXPECT_EQ(error->kind(), ErrorKind::kCorrupt) << json;
  }
}

TEST(Manifest, NamesOnlyFilesInsideTheStore) {
  for (const char* name : {"", "/etc/passwd", "../x.enc", "encoders/../../x.enc", "a//b"}) {
    Manifest manifest = full_manifest();
    manifest.trained->file.name = name;
    const auto error = error_of([&] { manifest_from_json(to_json(manifest)); });
    ASSERT_TRUE(error) << name;
    EXPECT_EQ(error->kind(), ErrorKind::kCorrupt) << name;
  }
}

TEST(NotedFiles, ComeBackFromJsonAsTheyWere) {
  const NotedFiles noted{.files = {{"index/000001.words.idx", 5, "2122334455667788"},
                                   {"index/000001.rows.idx", 6, "3122334455667788"}},
                         .about = R"({"stemmer":"english"})"};
  const NotedFiles again = noted_files_from_json(to_json(noted));
  EXPECT_EQ(again.files, noted.files);
  EXPECT_EQ(again.about, noted.about);
}

TEST(NotedFiles, ThatLieElsewhereOrAreNoneAreDamage) {
  for (const char* note :
       {"", "[]", "{}", R"({"files":{},"about":""})", R"({"files":[1],"about":""})",
        R"({"files":[{"name":"../x","bytes":1,"checksum":""}],"about":""})",
        R"({"files":[{"name":"/etc/x","bytes":1,"checksum":""}],"about":""})"}) {
    const auto error = error_of([&] { noted_files_from_json(note); });
    ASSERT_TRUE(error) << note;
    EXPECT_EQ(error->kind(), ErrorKind::kCorrupt);
  }
}

}  // namespace
}  // namespace dexter
