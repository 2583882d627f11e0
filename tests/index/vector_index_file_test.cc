#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "index/vector_index.h"
#include "tests/index/vectors.h"
#include "tests/support/expect_error.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::kind_names;
using testing::quick_options;
using testing::TempDir;
using testing::Vectors;

constexpr std::uint32_t kVersion = 3;

class IndexFile : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<VectorIndex> build(std::size_t rows = 500) const {
    const Vectors vectors(rows, 12, 4);
    return build_index(quick_options(GetParam()), vectors.matrix, vectors.ids, vectors.queries);
  }
  FileRef save(const VectorIndex& index, const std::string& name = "labels.index") const {
    return index.save(folder_ / name, folder_.path());
  }
  std::unique_ptr<VectorIndex> load(const FileRef& ref) const {
    return load_index(folder_.path(), ref);
  }

  // A file of correct checksums with the sections of `ref`, as `change` leaves them.
  using Sections = std::map<std::string, std::string>;
  FileRef rewritten(const FileRef& ref, const std::function<void(Sections&)>& change,
                    std::uint32_t version = kVersion) const {
    Sections sections;
    {
      const SectionFileReader reader(folder_.path(), ref, "index", kVersion);
      for (const std::string name :
           {"about", "reason", "ids", "rows", "codes", "bounds", "slots", "begins", "centroids",
            "links", "upper_begins", "upper_links", "entry"})
        if (reader.has(name)) sections[name] = reader.text(name);
    }
    change(sections);
    SectionFileWriter writer(folder_ / "rewritten.index", "index", version);
    for (const auto& [name, bytes] : sections) writer.add(name, bytes);
    return writer.commit(folder_.path());
  }

  TempDir folder_;
  const EmbeddingMatrix queries_ = Vectors(1, 12, 9).queries;
};
INSTANTIATE_TEST_SUITE_P(Kinds, IndexFile, ::testing::ValuesIn(kind_names()),
                         [](const auto& row) { return row.param; });

TEST_P(IndexFile, LoadedAnswersAndDescribesItselfAsSaved) {
  const auto built = build();
  const FileRef ref = save(*built);
  EXPECT_EQ(ref.name, "labels.index");
  EXPECT_EQ(ref.bytes, std::filesystem::file_size(folder_ / "labels.index"));
  const auto loaded = load(ref);
  for (const SearchOptions& options : {SearchOptions{}, SearchOptions{.probes = 1, .ef = 17}}) {
    const auto expected = built->search(queries_, 10, options);
    const auto found = loaded->search(queries_, 10, options);
    EXPECT_EQ(found.ids, expected.ids);
    EXPECT_EQ(found.scores, expected.scores);
  }
  const auto before = built->describe();
  const auto after = loaded->describe();
  EXPECT_EQ(after.kind, before.kind);
  EXPECT_EQ(after.reason, before.reason);
  EXPECT_EQ(after.dim, before.dim);
  EXPECT_EQ(after.size, before.size);
  EXPECT_EQ(after.bytes, before.bytes);
}

TEST_P(IndexFile, KeepsTheSettingsThatSearchesUse) {
  IndexOptions options = quick_options(GetParam());
  options.recall = 0.875;
  options.seed = 11;
  const Vectors vectors(800, 12, 4);
  const auto built =
      build_index(options, vectors.matrix, vectors.ids, vectors.queries)->describe().options;
  const auto index = build_index(options, vectors.matrix, vectors.ids, vectors.queries);
  const auto loaded = load(save(*index))->describe().options;
  EXPECT_EQ(loaded.kind, GetParam());
  EXPECT_EQ(loaded.recall, 0.875);
  EXPECT_EQ(loaded.seed, 11);
  EXPECT_EQ(loaded.links, 16);
  EXPECT_EQ(loaded.ef_construction, 64);
  EXPECT_EQ(loaded.lists, index->describe().options.lists);
  EXPECT_EQ(loaded.probes, index->describe().options.probes);
  EXPECT_EQ(loaded.ef, index->describe().options.ef);
  if (GetParam() == "ivf") {
    EXPECT_GT(loaded.probes, 0);
  }
  if (GetParam() == "hnsw") {
    EXPECT_GT(loaded.ef, 0);
  }
}

TEST_P(IndexFile, SavesAgainWhatItLoaded) {
  const auto built = build();
  const FileRef first = save(*built);
  const FileRef second = save(*load(first), "again.index");
  EXPECT_EQ(second.checksum, first.checksum);
  EXPECT_EQ(load(second)->search(queries_, 5).ids, built->search(queries_, 5).ids);
}

TEST_P(IndexFile, AnEmptyIndexSurvives) {
  const auto empty = build_index(quick_options(GetParam()), EmbeddingMatrix(0, 12), {});
  const auto loaded = load(save(*empty));
  EXPECT_EQ(loaded->describe().size, 0U);
  EXPECT_THAT(loaded->search(queries_, 3).ids, ::testing::Each(kNoId));
}

TEST_P(IndexFile, AFlippedByteIsFoundWhereverItLies) {
  const FileRef ref = save(*build());
  const auto file = folder_ / "labels.index";
  const std::string whole = testing::read_bytes(file);
  // Padding between sections carries no meaning, but is covered as well.
  for (std::size_t i = 0; i < 101; ++i) {
    const std::size_t offset = i * (whole.size() - 1) / 100;
    SCOPED_TRACE(offset);
    testing::flip_byte(file, offset);
    expect_error(
        ErrorKind::kCorrupt, [&] { load(ref); }, "labels.index");
    testing::flip_byte(file, offset);
  }
  EXPECT_NO_THROW(load(ref));
}

TEST_P(IndexFile, ATruncatedFileIsFound) {
  const FileRef ref = save(*build());
  const std::string whole = testing::read_bytes(folder_ / "labels.index");
  for (const std::size_t bytes :
       {std::size_t{0}, std::size_t{10}, whole.size() / 2, whole.size() - 1}) {
    testing::write_bytes(folder_ / "labels.index", std::string_view(whole).substr(0, bytes));
    expect_error(
        ErrorKind::kCorrupt, [&] { load(ref); }, "labels.index");
  }
}

TEST_P(IndexFile, AnotherFileInItsPlaceIsFound) {
  const FileRef ref = save(*build());
  save(*build(501));
  expect_error(
      ErrorKind::kCorrupt, [&] { load(ref); }, "labels.index");
  std::filesystem::remove(folder_ / "labels.index");
  expect_error(
      ErrorKind::kNotFound, [&] { load(ref); }, "labels.index");
}

TEST_P(IndexFile, PartsThatContradictEachOtherAreRefused) {
  const FileRef ref = save(*build());
  const FileRef larger = save(*build(600), "larger.index");
  const auto refuse = [&](const FileRef& base, const std::function<void(Sections&)>& change) {
    expect_error(
        ErrorKind::kCorrupt, [&] { load(rewritten(base, change)); }, "build the index again");
  };
  Sections of_larger;
  rewritten(larger, [&](Sections& s) { of_larger = s; });
  refuse(ref, [&](Sections& s) {
    for (auto& [name, bytes] : s)
      if (name != "about" && name != "ids") bytes = of_larger[name];
  });
  refuse(ref, [&](Sections& s) { s["rows"].resize(s["rows"].size() / 3); });
  refuse(ref, [&](Sections& s) { s["rows"] += "more"; });
  refuse(ref, [&](Sections& s) { s["ids"].resize(s["ids"].size() - 8); });
  refuse(ref, [&](Sections& s) { std::memset(s["ids"].data() + 8, 0xFF, 8); });
  refuse(ref, [&](Sections& s) { s["about"].replace(s["about"].find("dim 12"), 6, "dim 13"); });
  refuse(ref, [&](Sections& s) { s["about"].replace(s["about"].find("dim 12"), 6, "dim xx"); });
  refuse(ref, [&](Sections& s) { s["about"].resize(20); });
  EXPECT_NO_THROW(load(rewritten(ref, [](Sections&) {})));
}

// Of 500 rows with 16 links each some stand in an upper layer, row 499 in the lowest at least.
TEST_P(IndexFile, ALinkThatLeadsNowhereIsRefused) {
  if (GetParam() != "hnsw") GTEST_SKIP() << "only a graph has links";
  const FileRef ref = save(*build());
  const auto put = [](std::string& section, std::size_t place, std::int32_t value) {
    std::memcpy(section.data() + place * sizeof value, &value, sizeof value);
  };
  const std::function<void(Sections&)> changes[] = {
      [&](Sections& s) { put(s["links"], 77, 500); },
      [&](Sections& s) { put(s["links"], 77, -2); },
      [&](Sections& s) { put(s["entry"], 0, 500); },
      [&](Sections& s) { put(s["entry"], 0, -1); },
      [&](Sections& s) { put(s["upper_begins"], 0, 1); },
      [&](Sections& s) { put(s["upper_begins"], 3, 1 << 30); },
      [&](Sections& s) { s["links"].resize(s["links"].size() - 4); },
      [&](Sections& s) { s["upper_links"] += "more"; },
      [&](Sections& s) {  // a row of the lowest layer alone
        std::int32_t begins[501];
        std::memcpy(begins, s["upper_begins"].data(), sizeof begins);
        std::int32_t low = 0;
        while (begins[low] != begins[low + 1]) ++low;
        put(s["upper_links"], 0, low);
      },
  };
  for (const auto& change : changes)
    expect_error(
        ErrorKind::kCorrupt, [&] { load(rewritten(ref, change)); }, "build the index again");
}

TEST_P(IndexFile, AGraphOfAnEarlierVersionIsRefused) {
  if (GetParam() != "hnsw") GTEST_SKIP() << "only the graph was FAISS's";
  const FileRef ref = save(*build());
  const auto earlier = rewritten(ref, [](Sections& s) { s["faiss"] = "a graph"; });
  expect_error(
      ErrorKind::kIncompatible, [&] { load(earlier); }, "earlier version");
}

// The second version had no storage to choose.
TEST_P(IndexFile, AFileOfTheVersionBeforeIsReadAsFloat32) {
  const auto built = build();
  const auto earlier = rewritten(
      save(*built), [](Sections& s) { s["about"].resize(s["about"].find("storage ")); }, 2);
  EXPECT_EQ(load(earlier)->describe().options.storage, "float32");
  EXPECT_EQ(load(earlier)->search(queries_, 5).scores, built->search(queries_, 5).scores);
}

TEST_P(IndexFile, AStorageOfALaterVersionIsRefusedByName) {
  const auto later = rewritten(save(*build()), [](Sections& s) {
    s["about"].replace(s["about"].find("storage float32"), 15, "storage nibbles");
  });
  expect_error(
      ErrorKind::kIncompatible, [&] { load(later); }, "nibbles");
}

TEST_P(IndexFile, AKindOfALaterVersionIsRefusedByName) {
  const FileRef ref = save(*build());
  const auto later = rewritten(ref, [&](Sections& s) {
    const std::string line = "kind " + GetParam();
    s["about"].replace(s["about"].find(line), line.size(), "kind disk");
  });
  expect_error(
      ErrorKind::kIncompatible, [&] { load(later); }, "disk");
}

}  // namespace
}  // namespace dexter
