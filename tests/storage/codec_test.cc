#include "storage/codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "storage/checksum.h"
#include "tests/storage/store_fixtures.h"

namespace dexter {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::HasSubstr;

struct Record {
  Family family;
  std::string key;
  std::string value;
};

Label a_label() { return {LabelId{5}, "k", "Name", "a longer text"}; }

Example an_example() {
  return {DocumentId{77},
          "doc",
          "text",
          {LabelId{1}, LabelId{300}, LabelId{4294967295u}},
          {LabelId{0}}};
}

// One record of each type.
std::vector<Record> records() {
  std::vector<Record> all;
  const auto add = [&](Family family, std::string key, auto&& encode) {
    Record record{family, std::move(key), {}};
    encode(record.value, record.key);
    all.push_back(std::move(record));
  };
  const std::vector<std::uint32_t> numbers = {3, 0, 4294967295u};
  const std::vector<std::int64_t> ids = {7, 9};
  const EmbeddingMatrix rows = testing::tiny_vectors(2);
  add(Family::kLabels, codec::label_key(2, LabelId{5}),
      [](auto& out, auto& key) { codec::encode(out, key, a_label()); });
  add(Family::kDocuments, codec::document_key(2, Split::kTest, DocumentId{77}),
      [](auto& out, auto& key) { codec::encode(out, key, an_example()); });
  add(Family::kChanges, codec::label_key(2, LabelId{5}), [](auto& out, auto& key) {
    codec::encode(out, key, LabelChange{LabelId{5}, false, {1.0f, -2.5f}});
  });
  add(Family::kLabelKeys, codec::label_name_key(2, "k"),
      [](auto& out, auto& key) { codec::encode_id(out, key, 5); });
  add(Family::kDocumentKeys, codec::document_name_key(2, Split::kTrain, "doc"),
      [](auto& out, auto& key) { codec::encode_id(out, key, 1ull << 40); });
  add(Family::kMeta, codec::note_key("history"),
      [](auto& out, auto& key) { codec::encode_text(out, key, "[1]"); });
  add(Family::kMeta, std::string(codec::kCountsKey), [](auto& out, auto& key) {
    codec::encode(out, key, codec::Counts{.labels = 12, .vectors = {{{3, 12}, {0, 0}}}});
  });
  add(Family::kMeta, codec::frequencies_key(0),
      [&](auto& out, auto& key) { codec::encode_numbers(out, key, numbers); });
  add(Family::kVectors, codec::vector_key(2, Space::kLabels, 3, 0),
      [&](auto& out, auto& key) { codec::encode_vectors(out, key, ids, rows); });
  return all;
}

// Puts a fitting checksum under `value`, as an attacker would.
void forge(const std::string& key, std::string& value) {
  if (value.size() < 8) return;
  const std::size_t covered = value.size() - 8;
  const std::uint64_t sum =
      checksum64(std::string_view(value).substr(0, covered), checksum64(std::string_view(key)));
  std::memcpy(value.data() + covered, &sum, 8);
}

TEST(Codec, GivesBackEveryRecord) {
  const auto all = records();
  EXPECT_EQ(codec::decode_label(all[0].key, all[0].value), a_label());
  EXPECT_EQ(codec::decode_example(all[1].key, all[1].value), an_example());
  const LabelChange change = codec::decode_change(all[2].key, all[2].value);
  EXPECT_EQ(change.id, LabelId{5});
  EXPECT_FALSE(change.removed);
  EXPECT_THAT(change.vector, ElementsAre(1.0f, -2.5f));
  EXPECT_EQ(codec::decode_id(all[3].family, all[3].key, all[3].value), 5u);
  EXPECT_EQ(codec::decode_id(all[4].family, all[4].key, all[4].value), 1ull << 40);
  EXPECT_EQ(codec::decode_text(all[5].key, all[5].value), "[1]");
  const codec::Counts counts{.labels = 12, .vectors = {{{3, 12}, {0, 0}}}};
  EXPECT_EQ(codec::decode_counts(all[6].key, all[6].value), counts);
  EXPECT_THAT(codec::decode_numbers(all[7].key, all[7].value), ElementsAre(3, 0, 4294967295u));
  const auto chunk = codec::decode_vectors(all[8].key, all[8].value);
  EXPECT_THAT(chunk.ids, ElementsAre(7, 9));
  EXPECT_THAT(chunk.rows.row(1), ElementsAre(1.0f, 0.5f, -1.0f));
}

TEST(Codec, OrdersKeysAsTheirNumbers) {
  EXPECT_LT(codec::label_key(1, LabelId{255}), codec::label_key(1, LabelId{256}));
  EXPECT_LT(codec::label_key(1, LabelId{0xffffffff}), codec::label_key(2, LabelId{0}));
  EXPECT_LT(codec::document_key(1, Split::kTrain, DocumentId{9}),
            codec::document_key(1, Split::kTrain, DocumentId{1u << 20}));
  const KeyRange test = codec::document_range(1, Split::kTest);
  EXPECT_LT(codec::document_key(1, Split::kTrain, DocumentId{~0ull}), test.begin);
  EXPECT_GE(codec::document_key(1, Split::kTest, DocumentId{0}), test.begin);
  EXPECT_LT(codec::document_key(1, Split::kTest, DocumentId{~0ull}), test.end);
}

TEST(Codec, RefusesEveryFlippedByteAndTruncationByName) {
  for (const Record& record : records()) {
    for (std::size_t at = 0; at < record.value.size(); ++at) {
      std::string damaged = record.value;
      damaged[at] = static_cast<char>(~damaged[at]);
      const auto flipped = error_of([&] { codec::verify(record.family, record.key, damaged); });
      ASSERT_TRUE(flipped) << codec::describe(record.family, record.key) << " byte " << at;
      EXPECT_EQ(flipped->kind(), ErrorKind::kCorrupt);
      EXPECT_THAT(flipped->what(), HasSubstr(codec::describe(record.family, record.key)));
      const auto cut = error_of([&] {
        codec::verify(record.family, record.key, std::string_view(record.value).substr(0, at));
      });
      ASSERT_TRUE(cut);
      EXPECT_EQ(cut->kind(), ErrorKind::kCorrupt);
    }
  }
}

TEST(Codec, RefusesAValueUnderAnotherKey) {
  const auto all = records();
  const std::string other = codec::label_key(2, LabelId{6});
  const auto error = error_of([&] { codec::decode_label(other, all[0].value); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kCorrupt);
  EXPECT_THAT(error->what(), HasSubstr("label 6"));
}

TEST(Codec, RefusesANewerRecordByItsNumber) {
  Record label = records()[0];
  label.value[1] = 2;
  forge(label.key, label.value);
  const auto error = error_of([&] { codec::decode_label(label.key, label.value); });
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind(), ErrorKind::kIncompatible);
  EXPECT_THAT(error->what(), HasSubstr("format is 2"));
}

// Payloads of any bytes under a fitting checksum decode or are refused; they reach no byte beyond.
TEST(Codec, SurvivesForgedPayloads) {
  std::mt19937 random(5);
  for (const Record& record : records()) {
    for (int round = 0; round < 3000; ++round) {
      std::string forged = record.value;
      const std::size_t changes = 1 + random() % 3;
      for (std::size_t i = 0; i < changes; ++i)
        forged[2 + random() % (forged.size() - 2)] = static_cast<char>(random());
      if (random() % 4 == 0) forged.resize(2 + random() % (forged.size() - 2));
      forge(record.key, forged);
      const auto error = error_of([&] { codec::verify(record.family, record.key, forged); });
      if (error) {
        EXPECT_EQ(error->kind(), ErrorKind::kCorrupt);
      }
    }
  }
}

TEST(Codec, SurvivesKeysOfAnyLength) {
  for (const Record& record : records()) {
    if (record.family == Family::kMeta) continue;
    for (std::size_t length = 0; length < record.key.size() + 3; ++length) {
      std::string key = record.key;
      key.resize(length);
      std::string value = record.value;
      forge(key, value);
      const auto error = error_of([&] { codec::verify(record.family, key, value); });
      if (error) {
        EXPECT_EQ(error->kind(), ErrorKind::kCorrupt);
      }
      EXPECT_FALSE(codec::describe(record.family, key).empty());
    }
  }
}

}  // namespace
}  // namespace dexter
