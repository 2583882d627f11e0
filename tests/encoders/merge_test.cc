// Encoders between two others.
#include "encoders/merge.h"

#include <gtest/gtest.h>

#include <cmath>

#include "encoders/bag_model.h"
#include "encoders/training_state.h"
#include "encoders/transformer_encoder.h"
#include "storage/file_io.h"
#include "tests/encoders/tiny_training.h"
#include "tests/encoders/tiny_transformer.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::TempDir;
using testing::TinyTraining;

// Of two encoders, and the share of the second.
struct Mix {
  std::string method = "slerp";
  double weight = 0.5;
};

struct Merging {
  TempDir folder;
  int merges = 0;

  SectionFileReader file(const std::string& name) const {
    return {folder / name, "encoder", kEncoderFileVersion};
  }
  std::unique_ptr<EncoderMerge> read(const std::vector<std::string>& names,
                                     const std::string& method) const {
    std::vector<SectionFileReader> files;
    for (const std::string& name : names) files.push_back(file(name));
    return make_merge(files, method);
  }
  EncoderInfo merge_all(const std::vector<std::string>& names, const std::string& method,
                        const std::vector<double>& weights) {
    return read(names, method)->save(weights, folder.path(), "merged" + std::to_string(merges++));
  }
  EncoderInfo merge(const std::string& a, const std::string& b, const Mix& mix) {
    return merge_all({a, b}, mix.method, {1 - mix.weight, mix.weight});
  }
  std::unique_ptr<Encoder> merged(const std::string& a, const std::string& b, const Mix& mix) {
    return load_encoder(folder.path(), merge(a, b, mix).file);
  }
  std::unique_ptr<Encoder> encoder(const std::string& name) const {
    return load_encoder(folder.path(), file(name).reference(folder.path()));
  }
};

// Two trainings of the tiny corpus from different seeds.
struct BagMerging : Merging {
  TinyTraining training;

  BagMerging() {
    training.encoder.hidden = 0;
    training.encoder.dim = 32;
    training.encoder.blocks = 2;
    training.run(folder.path(), "a");
    training.options.seed = 2;
    training.run(folder.path(), "b");
  }
  // The largest difference of any cosine of a document and a label.
  double distance(const Encoder& one, const Encoder& other) const {
    std::vector<std::string> texts;
    for (const Example& example : training.set.train) texts.push_back(example.text);
    const EmbeddingMatrix x = one.encode(texts), y = one.encode_labels(training.set.labels);
    const EmbeddingMatrix u = other.encode(texts), v = other.encode_labels(training.set.labels);
    float most = 0;
    for (std::size_t i = 0; i < x.rows(); ++i)
      for (std::size_t j = 0; j < y.rows(); ++j)
        most = std::max(
            most, std::abs(testing::dot(x.row(i), y.row(j)) - testing::dot(u.row(i), v.row(j))));
    return most;
  }
};

TEST(Merge, OfBagsIsAtItsEndsTheOneOrTheOther) {
  for (const char* method : {"lerp", "slerp"}) {
    BagMerging m;
    EXPECT_GT(m.distance(*m.encoder("a"), *m.encoder("b")), 0.05);
    EXPECT_EQ(m.merge("a", "b", {method, 0}).fingerprint, m.encoder("a")->fingerprint());
    EXPECT_EQ(m.merge("a", "b", {method, 1}).fingerprint, m.encoder("b")->fingerprint());
  }
}

// As the second is turned onto the first, near either end the answers are near that one's, and in
// the middle those of both.
TEST(Merge, OfBagsFromTwoSeedsAnswersAsBoth) {
  BagMerging m;
  const auto near_b = m.merged("a", "b", {"lerp", 0.999});
  EXPECT_LT(m.distance(*near_b, *m.encoder("b")), 0.01);
  for (const char* method : {"lerp", "slerp"}) {
    const auto half = m.merged("a", "b", {method, 0.5});
    EXPECT_EQ(half->kind(), "bag");
    EXPECT_EQ(half->dim(), 32);
    EXPECT_GE(testing::precision_at_1(*half, m.training.set.labels, m.training.set.train), 95);
  }
}

TEST(Merge, OfBagsNamesWhatDiffers) {
  BagMerging m;
  const auto refused = [&](const auto& change, auto... parts) {
    TinyTraining other = m.training;
    change(other);
    other.run(m.folder.path(), "other");
    expect_error(
        ErrorKind::kIncompatible, [&] { m.merge("a", "other", Mix{}); }, "merging", parts...);
  };
  refused([](TinyTraining& t) { t.encoder.dim = 64; }, "encoder.*");
  refused([](TinyTraining& t) { t.set.train.resize(20); }, "vocabularies", "one corpus");
  refused([](TinyTraining& t) { t.set.labels.back().key += "2"; }, "labels", "one corpus");
  m.training.encoder.hidden = 16;
  m.training.run(m.folder.path(), "layers");
  expect_error(
      ErrorKind::kIncompatible, [&] { m.merge("layers", "layers", {}); }, "encoder.hidden is 16");
}

constexpr int kProjection = 8;

TransformerShape projected_shape(std::string_view config) {
  TransformerShape shape = read_shape(config, "tiny");
  shape.projection = kProjection;
  return shape;
}

// A checkpoint whose second half of each tensor is `turned`: (x, y) becomes (-y, x).
void write_checkpoint(const std::filesystem::path& folder, bool turned) {
  testing::write_tiny_checkpoint(folder);
  const TransformerShape shape = projected_shape(testing::tiny_config(Family::kBert));
  const std::string bytes = testing::tiny_weights(Family::kBert, "", Pooling::kMean, kProjection);
  std::vector<FloatTensor> tensors =
      read_parameters(shape, SafetensorsReader(std::as_bytes(std::span(bytes)), "tiny"));
  for (FloatTensor& tensor : tensors)
    for (std::size_t i = 0; turned && i + 1 < tensor.values.size(); i += 2) {
      const float x = tensor.values[i];
      tensor.values[i] = -tensor.values[i + 1];
      tensor.values[i + 1] = x;
    }
  testing::write_bytes(folder / "model.safetensors", write_safetensors(tensors));
}

struct TransformerMerging : Merging {
  TransformerMerging() {
    for (const bool turned : {false, true}) {
      const std::string name = turned ? "b" : "a";
      write_checkpoint(folder / ("weights-" + name), turned);
      adopt(name, {.projection = kProjection});
    }
  }
  void adopt(const std::string& name, TransformerOptions options) {
    options.weights = (folder / ("weights-" + name.substr(0, 1))).string();
    adopt_transformer(options, folder.path(), name);
  }
  // Separate towers: documents' as the one checkpoint, labels' as the other.
  void adopt_towers(const std::string& documents, const std::string& labels) {
    TransformerOptions options{.towers = "separate", .projection = kProjection};
    options.weights = (folder / ("weights-" + documents)).string();
    TransformerCheckpoint checkpoint = read_weights(options);
    checkpoint.label_weights = read_file(folder / ("weights-" + labels) / "model.safetensors");
    save_transformer(resolved(options, checkpoint), checkpoint, folder.path(), documents + labels);
  }
  std::vector<FloatTensor> parameters(const FileRef& ref, const char* section = "weights") const {
    const SectionFileReader reader(folder.path(), ref, "encoder", kEncoderFileVersion);
    return read_parameters(projected_shape(reader.text("config")),
                           SafetensorsReader(reader.section(section), "tiny"));
  }
};

TEST(Merge, OfTransformersIsAtItsEndsTheOneOrTheOther) {
  TransformerMerging m;
  for (const char* method : {"lerp", "slerp"}) {
    EXPECT_EQ(m.merge("a", "b", {method, 0}).fingerprint, m.encoder("a")->fingerprint());
    EXPECT_EQ(m.merge("a", "b", {method, 1}).fingerprint, m.encoder("b")->fingerprint());
  }
}

// Tensors of an even count are at a right angle and of one length, so that half-way the line has
// (a + b) / 2 and the arc (a + b) / sqrt(2).
TEST(Merge, GoesAlongTheLineOrTheArc) {
  TransformerMerging m;
  const auto a = m.parameters(m.file("a").reference(m.folder.path()));
  const auto b = m.parameters(m.file("b").reference(m.folder.path()));
  for (const auto& [method, factor] : {std::pair{"lerp", 0.5}, {"slerp", std::sqrt(0.5)}}) {
    const EncoderInfo info = m.merge("a", "b", {method, 0.5});
    EXPECT_EQ(info.kind, "transformer");
    EXPECT_EQ(info.dim, kProjection);
    const auto found = m.parameters(info.file);
    for (std::size_t t = 0; t < a.size(); ++t) {
      ASSERT_EQ(a[t].values.size() % 2, 0u);
      for (std::size_t i = 0; i < a[t].values.size(); ++i)
        ASSERT_NEAR(found[t].values[i],
                    factor * static_cast<double>(a[t].values[i] + b[t].values[i]), 1e-6);
    }
  }
}

// Each side's tower is merged with that side's.
TEST(Merge, OfSeparateTowers) {
  TransformerMerging m;
  m.adopt_towers("a", "b");
  m.adopt_towers("b", "b");
  EXPECT_EQ(m.merge("ab", "bb", {"lerp", 0}).fingerprint, m.encoder("ab")->fingerprint());
  EXPECT_EQ(m.merge("ab", "bb", {"lerp", 1}).fingerprint, m.encoder("bb")->fingerprint());
  const FileRef half = m.merge("ab", "bb", {"lerp", 0.5}).file;
  const auto shared = m.merge("a", "b", {"lerp", 0.5}).file;
  EXPECT_EQ(write_safetensors(m.parameters(half)), write_safetensors(m.parameters(shared)));
  EXPECT_EQ(write_safetensors(m.parameters(half, "label_weights")),
            write_safetensors(m.parameters(m.file("b").reference(m.folder.path()))));
  expect_error(
      ErrorKind::kIncompatible, [&] { m.merge("a", "ab", {}); }, "shared towers",
      "separate towers");
}

TEST(Merge, OfTransformersNamesWhatDiffers) {
  TransformerMerging m;
  m.adopt("b-max", {.pooling = "max", .projection = kProjection});
  expect_error(
      ErrorKind::kIncompatible, [&] { m.merge("a", "b-max", {}); }, "pooling mean", "pooling max");
  m.adopt("b-pooled", {.projection = 0});
  expect_error(
      ErrorKind::kIncompatible, [&] { m.merge("a", "b-pooled", {}); }, "projection 8",
      "projection 0");
  testing::write_tiny_checkpoint(m.folder / "weights-c", Family::kDistilBert);
  m.adopt("c", {});
  expect_error(
      ErrorKind::kIncompatible, [&] { m.merge("a", "c", {}); }, "architectures");
  TinyTraining().run(m.folder.path(), "bag");
  expect_error(
      ErrorKind::kIncompatible, [&] { m.merge("a", "bag", {}); }, "kinds", "transformer and bag");
}

TEST(Merge, ChecksItsOptions) {
  BagMerging m;
  const auto refused = [&](const std::vector<std::string>& names, const std::string& method,
                           const std::vector<double>& weights, auto... parts) {
    expect_error(
        ErrorKind::kInvalidInput, [&] { m.merge_all(names, method, weights); }, parts...);
  };
  refused({"a", "b"}, "mean", {1, 1}, "mean", "lerp or slerp");
  refused({"a"}, "lerp", {1}, "1 encoders", "two or more");
  refused({"a", "b"}, "lerp", {1, 2, 3}, "2 encoders", "3 weights");
  refused({"a", "b"}, "lerp", {1.5, -0.5}, "-0.5", "0 or more");
  refused({"a", "b"}, "lerp", {0, 0}, "all weights are 0");
}

// Only proportions count, and along a line the order does not.
TEST(Merge, OfThreeTransformersIsTheirMean) {
  TransformerMerging m;
  const auto a = m.parameters(m.file("a").reference(m.folder.path()));
  const auto b = m.parameters(m.file("b").reference(m.folder.path()));
  const auto found = m.parameters(m.merge_all({"a", "b", "a"}, "lerp", {2, 3, 5}).file);
  for (std::size_t t = 0; t < a.size(); ++t)
    for (std::size_t i = 0; i < a[t].values.size(); ++i)
      ASSERT_NEAR(found[t].values[i], 0.7F * a[t].values[i] + 0.3F * b[t].values[i], 1e-5);
}

TEST(Merge, OfTransformersMergesWhatTheirPoolingLearnt) {
  TransformerMerging m;
  m.adopt("a-layers", {.pooling = "layers"});
  m.adopt("b-layers", {.pooling = "layers"});
  const EncoderInfo info = m.merge("a-layers", "b-layers", {"lerp", 0.5});
  const SectionFileReader file(m.folder.path(), info.file, "encoder", kEncoderFileVersion);
  EXPECT_NE(SafetensorsReader(file.section("weights"), "merged").find("pooling.scores"), nullptr);
}

MergeSample sample_of(const BagMerging& m) {
  MergeSample sample;
  sample.labels = m.training.set.labels;
  for (const Example& example : m.training.set.train) {
    sample.documents.push_back(example.text);
    sample.positives.push_back(label_rows(example));
  }
  return sample;
}

TEST(Merge, ScoresWhatItWouldWrite) {
  for (const char* method : {"lerp", "slerp"}) {
    BagMerging m;
    m.training.options.epochs = 1;
    m.training.options.learning_rate = 0.003;
    m.training.options.seed = 3;
    m.training.run(m.folder.path(), "c");
    const MergeSample sample = sample_of(m);
    const auto merge = m.read({"a", "b", "c"}, method);
    merge->judge_on(sample);
    const std::vector<double> weights{0.2, 0.3, 0.5};
    const ValidationScore score = merge->score(weights);
    const auto encoder =
        load_encoder(m.folder.path(), merge->save(weights, m.folder.path(), "merged").file);
    const EmbeddingMatrix documents = encoder->encode(sample.documents);
    const EmbeddingMatrix labels = encoder->encode_labels(sample.labels);
    const ValidationScore written = validate(documents.data(), documents.rows(), labels.data(),
                                             labels.rows(), encoder->dim(), sample.positives);
    EXPECT_NEAR(score.ndcg_at_5, written.ndcg_at_5, 0.5) << method;  // saved in half precision
    EXPECT_NEAR(score.precision_at_1, written.precision_at_1, 2.6) << method;  // one document
  }
}

TEST(Merge, LearnsToLeaveOutWhatHelpsNobody) {
  BagMerging m;
  m.training.options.epochs = 1;
  m.training.options.learning_rate = 0;  // the initial values
  m.training.options.seed = 3;
  m.training.run(m.folder.path(), "c");
  const MergeSample sample = sample_of(m);
  const auto merge = m.read({"c", "a", "b"}, "lerp");
  merge->judge_on(sample);
  const std::vector<double> weights = learn_merge_weights(*merge, {});
  EXPECT_NEAR(weights[0] + weights[1] + weights[2], 1, 1e-9);
  const double learnt = merge->score(weights).ndcg_at_5;
  for (const std::vector<double>& other :
       std::vector<std::vector<double>>{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}, {1, 1, 1}})
    EXPECT_GE(learnt, merge->score(other).ndcg_at_5);
  EXPECT_LT(merge->score(std::vector<double>{1, 0, 0}).ndcg_at_5, learnt);
}

// The tower of a transformer is the encoder that is written.
TEST(Merge, ScoresTransformersAsTheyWouldBeWritten) {
  TransformerMerging m;
  MergeSample sample;
  sample.labels = {{LabelId{0}, "un", "un", "un"},
                   {LabelId{1}, "cafe", "cafe", "cafe"},
                   {LabelId{2}, "a", "a", "a"}};
  sample.documents = {"un i", "cafe !", "a", "i a"};
  sample.positives = {{0}, {1}, {2}, {2}};
  const auto merge = m.read({"a", "b"}, "slerp");
  merge->judge_on(sample);
  const std::vector<double> weights = learn_merge_weights(*merge, {});
  const ValidationScore score = merge->score(weights);
  EXPECT_GE(score.ndcg_at_5, merge->score(std::vector<double>{1, 0}).ndcg_at_5);
  const auto encoder =
      load_encoder(m.folder.path(), merge->save(weights, m.folder.path(), "merged").file);
  const EmbeddingMatrix documents = encoder->encode(sample.documents);
  const EmbeddingMatrix labels = encoder->encode_labels(sample.labels);
  EXPECT_NEAR(
      score.ndcg_at_5,
      validate(documents.data(), 4, labels.data(), 3, encoder->dim(), sample.positives).ndcg_at_5,
      1e-6);
}

}  // namespace
}  // namespace dexter
