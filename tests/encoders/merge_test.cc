// Encoders between two others.
#include "encoders/merge.h"

#include <gtest/gtest.h>

#include <cmath>

#include "encoders/bag_model.h"
#include "encoders/transformer_encoder.h"
#include "tests/encoders/tiny_training.h"
#include "tests/encoders/tiny_transformer.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::TempDir;
using testing::TinyTraining;

struct Merging {
  TempDir folder;
  int merges = 0;

  SectionFileReader file(const std::string& name) const {
    return {folder / name, "encoder", kEncoderFileVersion};
  }
  EncoderInfo merge(const std::string& a, const std::string& b, const MergeOptions& options) {
    return merge_encoders(file(a), file(b), options, folder.path(),
                          "merged" + std::to_string(merges++));
  }
  std::unique_ptr<Encoder> merged(const std::string& a, const std::string& b,
                                  const MergeOptions& options = {}) {
    return load_encoder(folder.path(), merge(a, b, options).file);
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
        ErrorKind::kIncompatible, [&] { m.merge("a", "other", {}); }, "merging", parts...);
  };
  refused([](TinyTraining& t) { t.encoder.dim = 64; }, "encoder.*");
  refused([](TinyTraining& t) { t.set.train.resize(20); }, "vocabularies", "one corpus");
  refused([](TinyTraining& t) { t.set.labels.back().key += "2"; }, "labels", "one corpus");
  m.training.encoder.hidden = 16;
  m.training.run(m.folder.path(), "layers");
  expect_error(
      ErrorKind::kIncompatible, [&] { m.merge("layers", "layers", {}); }, "encoder.hidden is 16");
}

// A checkpoint whose second half of each tensor is `turned`: (x, y) becomes (-y, x).
void write_checkpoint(const std::filesystem::path& folder, bool turned) {
  testing::write_tiny_checkpoint(folder);
  const TransformerShape shape = read_shape(testing::tiny_config(Family::kBert), "tiny");
  const std::string bytes = testing::tiny_weights(Family::kBert);
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
      adopt(name, {});
    }
  }
  void adopt(const std::string& name, TransformerOptions options) {
    options.weights = (folder / ("weights-" + name.substr(0, 1))).string();
    adopt_transformer(options, folder.path(), name);
  }
  std::vector<FloatTensor> parameters(const FileRef& ref) const {
    const SectionFileReader reader(folder.path(), ref, "encoder", kEncoderFileVersion);
    return read_parameters(read_shape(reader.text("config"), "tiny"),
                           SafetensorsReader(reader.section("weights"), "tiny"));
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
    EXPECT_EQ(info.dim, 16);
    const auto found = m.parameters(info.file);
    for (std::size_t t = 0; t < a.size(); ++t) {
      ASSERT_EQ(a[t].values.size() % 2, 0u);
      for (std::size_t i = 0; i < a[t].values.size(); ++i)
        ASSERT_NEAR(found[t].values[i],
                    factor * static_cast<double>(a[t].values[i] + b[t].values[i]), 1e-6);
    }
  }
}

TEST(Merge, OfTransformersNamesWhatDiffers) {
  TransformerMerging m;
  m.adopt("b-max", {.pooling = "max"});
  expect_error(
      ErrorKind::kIncompatible, [&] { m.merge("a", "b-max", {}); }, "pooling mean", "pooling max");
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
  expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        m.merge("a", "b", {"mean", 0.5});
      },
      "mean", "lerp or slerp");
  expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        m.merge("a", "b", {"lerp", 1.5});
      },
      "1.5", "0 to 1");
}

}  // namespace
}  // namespace dexter
