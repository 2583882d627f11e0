// What every kind of encoder promises its callers, on an encoder trained on the tiny corpus.
#include "encoders/encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "encoders/options_text.h"
#include "tests/encoders/tiny_training.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::TempDir;
using testing::TinyTraining;

std::vector<std::string> texts_of(const std::vector<Example>& examples) {
  std::vector<std::string> texts;
  for (const Example& example : examples) texts.push_back(example.text);
  return texts;
}

std::vector<float> values(std::span<const float> row) { return {row.begin(), row.end()}; }
std::vector<float> values(const EmbeddingMatrix& m) {
  return {m.data(), m.data() + m.rows() * static_cast<std::size_t>(m.dim())};
}

struct Trained {
  TempDir folder;
  FileRef file;
  std::unique_ptr<Encoder> encoder;

  explicit Trained(const TinyTraining& training)
      : file(training.run(folder.path()).encoder.file),
        encoder(load_encoder(folder.path(), file)) {}
};

// (kind, hidden); transformer_encoder_test has the kind that needs weights.
class EveryEncoder : public ::testing::TestWithParam<std::pair<std::string, int>> {
 protected:
  static TinyTraining training() {
    TinyTraining training;
    training.encoder.kind = GetParam().first;
    training.encoder.dim = 32;
    training.encoder.blocks = GetParam().second == 0 ? 1 : 2;
    training.encoder.hidden = GetParam().second;
    training.options.epochs = 3;
    return training;
  }
  const Trained trained_{training()};
  const Encoder& encoder_ = *trained_.encoder;
  const std::vector<std::string> texts_ = texts_of(tiny::train());
};

std::vector<std::pair<std::string, int>> kinds() {
  std::vector<std::pair<std::string, int>> all;
  for (const EncoderKind& kind : encoder_kinds())
    for (const int hidden : {0, 32})
      if (kind.name != "transformer") all.emplace_back(kind.name, hidden);
  return all;
}

INSTANTIATE_TEST_SUITE_P(Kinds, EveryEncoder, ::testing::ValuesIn(kinds()), [](const auto& param) {
  return param.param.first + "_hidden_" + std::to_string(param.param.second);
});

TEST_P(EveryEncoder, GivesUnitRowsInTheOrderOfTheInput) {
  const EmbeddingMatrix rows = encoder_.encode(texts_);
  ASSERT_EQ(rows.rows(), texts_.size());
  ASSERT_EQ(rows.dim(), encoder_.dim());
  for (std::size_t i = 0; i < rows.rows(); ++i)
    EXPECT_NEAR(testing::dot(rows.row(i), rows.row(i)), 1, 1e-5) << i;
  std::vector<std::string> reversed(texts_.rbegin(), texts_.rend());
  const EmbeddingMatrix back = encoder_.encode(reversed);
  for (std::size_t i = 0; i < rows.rows(); ++i)
    EXPECT_EQ(values(back.row(rows.rows() - 1 - i)), values(rows.row(i))) << i;
}

TEST_P(EveryEncoder, BatchOfOneEqualsBatchOfMany) {
  const EmbeddingMatrix rows = encoder_.encode(texts_);
  const std::vector<Label> labels = tiny::labels();
  const EmbeddingMatrix label_rows = encoder_.encode_labels(labels);
  for (std::size_t i = 0; i < texts_.size(); ++i)
    EXPECT_EQ(values(encoder_.encode({&texts_[i], 1})), values(rows.row(i))) << i;
  for (std::size_t i = 0; i < labels.size(); ++i)
    EXPECT_EQ(values(encoder_.encode_labels({&labels[i], 1})), values(label_rows.row(i))) << i;
  EXPECT_EQ(encoder_.encode({}).rows(), 0u);
  EXPECT_EQ(encoder_.encode_labels({}).rows(), 0u);
}

TEST_P(EveryEncoder, IsTheSameWhenOpenedAgain) {
  const auto again = load_encoder(trained_.folder.path(), trained_.file);
  EXPECT_EQ(again->fingerprint(), encoder_.fingerprint());
  EXPECT_EQ(again->kind(), GetParam().first);
  EXPECT_EQ(again->dim(), 32);
  EXPECT_EQ(again->parameter_count(), encoder_.parameter_count());
  EXPECT_EQ(values(again->encode(texts_)), values(encoder_.encode(texts_)));
  EXPECT_EQ(values(again->encode_labels(tiny::labels())),
            values(encoder_.encode_labels(tiny::labels())));
}

TEST_P(EveryEncoder, ServesSeveralThreadsAtOnce) {
  const std::vector<float> expected = values(encoder_.encode(texts_));
  const std::vector<float> expected_labels = values(encoder_.encode_labels(tiny::labels()));
  std::vector<int> wrong(4);
  {
    std::vector<std::jthread> threads;
    for (int& count : wrong)
      threads.emplace_back([&] {
        for (int i = 0; i < 10; ++i) {
          count += values(encoder_.encode(texts_)) != expected;
          count += values(encoder_.encode_labels(tiny::labels())) != expected_labels;
        }
      });
  }
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST_P(EveryEncoder, TextWithoutKnownFeaturesGivesAZeroRow) {
  const std::vector<std::string> texts{"", "  \t\n", "?!...", "\xff\xfe", "一二三", texts_[0]};
  const EmbeddingMatrix rows = encoder_.encode(texts);
  for (std::size_t i = 0; i + 1 < texts.size(); ++i)
    EXPECT_EQ(values(rows.row(i)), std::vector<float>(32, 0)) << i;
  EXPECT_NE(values(rows.row(texts.size() - 1)), std::vector<float>(32, 0));
  const Label empty{LabelId{90}, "new", "New", ""};
  EXPECT_EQ(values(encoder_.encode_labels({&empty, 1})), std::vector<float>(32, 0));
}

TEST_P(EveryEncoder, ALabelIsKnownByItsKeyAndTextAndNotByItsId) {
  Label label = tiny::labels()[3];
  const auto trained = values(encoder_.encode_labels({&label, 1}));
  label.id = LabelId{77};
  label.name = "Another name";
  EXPECT_EQ(values(encoder_.encode_labels({&label, 1})), trained);
  label.key = "unseen";  // the same text without the free vector
  const auto from_text = values(encoder_.encode_labels({&label, 1}));
  EXPECT_NE(from_text, trained);
  EXPECT_GT(testing::dot(from_text, trained), 0.3F);
}

TEST_P(EveryEncoder, ALabelWhoseTextChangedWorksFromItsText) {
  const std::string text = "weather, rain, snow, wind and storms";
  Label renamed = tiny::labels()[3];
  renamed.text = text;
  const Label unseen{LabelId{200}, "unseen", "Unseen", text};
  EXPECT_EQ(values(encoder_.encode_labels({&renamed, 1})),
            values(encoder_.encode_labels({&unseen, 1})));
}

// "astronomy" has no training document, so nothing but its text says what it is.
TEST_P(EveryEncoder, ALabelWithoutTrainingDocumentsHasNoFreeVector) {
  TinyTraining without = training();
  without.options.label_documents = false;
  const Trained other(without);
  Label label = tiny::labels()[11];
  const auto known = values(other.encoder->encode_labels({&label, 1}));
  label.key = "unseen";
  EXPECT_EQ(values(other.encoder->encode_labels({&label, 1})), known);
  EXPECT_NEAR(testing::dot(known, known), 1, 1e-5);
}

TEST_P(EveryEncoder, FindsLabelsAddedAfterTraining) {
  TinyTraining longer = training();
  longer.options.epochs = 8;
  const Trained other(longer);
  const Label added{LabelId{12}, "pets", "Pets", "cats and dogs"};
  const std::vector<std::string> query{"my cat and my dogs", "the music of a piano"};
  const EmbeddingMatrix documents = other.encoder->encode(query);
  const EmbeddingMatrix label = other.encoder->encode_labels({&added, 1});
  EXPECT_GT(testing::dot(documents.row(0), label.row(0)),
            testing::dot(documents.row(1), label.row(0)) + 0.2F);
}

TEST_P(EveryEncoder, RefusesADamagedFile) {
  const auto path = trained_.folder / trained_.file.name;
  const std::string whole = testing::read_bytes(path);
  const auto open = [&] { load_encoder(trained_.folder.path(), trained_.file); };
  open();
  for (std::size_t i = 0; i <= 16; ++i) {
    std::filesystem::remove(path);  // the open encoder keeps its mapping of the sound file
    std::string damaged = whole;
    char& byte = damaged[(whole.size() - 1) * i / 16];
    byte = static_cast<char>(~byte);
    testing::write_bytes(path, damaged);
    expect_error(ErrorKind::kCorrupt, open);
  }
  std::filesystem::remove(path);
  testing::write_bytes(path, std::string_view(whole).substr(0, whole.size() / 2));
  expect_error(ErrorKind::kCorrupt, open);
  std::filesystem::remove(path);
  expect_error(ErrorKind::kNotFound, open, trained_.file.name);
}

TEST(SparseEncoder, ReadsFeaturesAndKnowsLabelsByTheirKey) {
  TinyTraining training;
  training.set = testing::sparse_set();
  const Trained trained(training);
  const auto texts = texts_of(training.set.train);
  const EmbeddingMatrix rows = trained.encoder->encode(texts);
  const EmbeddingMatrix labels = trained.encoder->encode_labels(training.set.labels);
  for (std::size_t i = 0; i < rows.rows(); ++i)
    EXPECT_NEAR(testing::dot(rows.row(i), rows.row(i)), 1, 1e-5);
  for (std::size_t i = 0; i < labels.rows(); ++i)
    EXPECT_NEAR(testing::dot(labels.row(i), labels.row(i)), 1, 1e-5);
  const std::vector<std::string> words{"the grey cat"};
  EXPECT_EQ(values(trained.encoder->encode(words)), std::vector<float>(16, 0));
  const Label added{LabelId{12}, "new", "New", "text that no sparse feature stands for"};
  EXPECT_EQ(values(trained.encoder->encode_labels({&added, 1})), std::vector<float>(16, 0));
}

FileRef file_with_options(const TempDir& folder, const EncoderOptions& options) {
  SectionFileWriter file(folder / "encoder", "encoder", 1);
  file.add("options", options_text(options, TextKind::kNatural));
  return file.commit(folder.path());
}

TEST(Encoder, AFileOfAnotherTypeOrKindIsIncompatible) {
  const TempDir folder;
  SectionFileWriter other(folder / "index", "index", 1);
  other.add("options", "kind=bag\n");
  const FileRef index = other.commit(folder.path());
  expect_error(
      ErrorKind::kIncompatible, [&] { load_encoder(folder.path(), index); }, "index");
  const FileRef newer = file_with_options(folder, {.kind = "oracle"});
  expect_error(
      ErrorKind::kIncompatible, [&] { load_encoder(folder.path(), newer); }, "oracle",
      "newer dexter");
}

TEST(Encoder, AFileWithImpossibleOptionsIsCorrupt) {
  const TempDir folder;
  for (const EncoderOptions& options :
       {EncoderOptions{.dim = -16}, EncoderOptions{.hidden = 5}, EncoderOptions{.ngram = 99}}) {
    const FileRef file = file_with_options(folder, options);
    expect_error(
        ErrorKind::kCorrupt, [&] { load_encoder(folder.path(), file); }, "options");
  }
  SectionFileWriter writer(folder / "encoder", "encoder", 1);
  writer.add("options", "kind=bag\ndim=sixteen\n");
  const FileRef file = writer.commit(folder.path());
  expect_error(
      ErrorKind::kCorrupt, [&] { load_encoder(folder.path(), file); }, "sixteen");
}

}  // namespace
}  // namespace dexter
