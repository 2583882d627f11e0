// The transformer encoder on a model of two layers. The expected numbers are those that
// transformer_reference.py --tiny prints.
#include "encoders/transformer_encoder.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "encoders/wordpiece.h"
#include "storage/file_io.h"
#include "tests/encoders/tiny_training.h"
#include "tests/encoders/tiny_transformer.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;
using testing::TempDir;
using testing::write_bytes;

const std::vector<std::string> kTexts{"unaffable", "cafe", "abb,i!", "中ΣΊΣΥΦΟΣ"};

struct Adopted {
  TempDir folder;
  TrainReport report;
  std::unique_ptr<Encoder> encoder;

  explicit Adopted(TransformerOptions options = {}, Family family = Family::kBert,
                   Pooling learnt = Pooling::kMean) {
    testing::write_tiny_checkpoint(folder / "weights", family, learnt, options.projection);
    adopt(std::move(options));
  }
  void adopt(TransformerOptions options) {
    options.weights = (folder / "weights").string();
    report = adopt_transformer(options, folder.path(), "encoder");
    encoder = load_encoder(folder.path(), report.encoder.file);
  }
};

// Of a checkpoint that never learnt to project.
struct Begun : Adopted {
  explicit Begun(TransformerOptions options) { adopt(std::move(options)); }
};

using Row = std::vector<float>;

void expect_near(std::span<const float> row, const Row& expected, float tolerance) {
  for (std::size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(row[i], expected[i], tolerance) << "dimension " << i;
}

TEST(TransformerEncoder, GivesTheVectorsOfTheReference) {
  const std::vector<Row> bert{{-0.068398F, -0.043203F, -0.037271F, 0.361098F},
                              {-0.112329F, 0.006210F, -0.214445F, 0.498374F},
                              {-0.116885F, -0.047220F, -0.005304F, 0.299910F},
                              {-0.197238F, 0.020437F, -0.035961F, 0.458527F}};
  const std::vector<Row> distilbert{{-0.174696F, -0.021387F, -0.171810F, 0.375507F},
                                    {-0.116774F, 0.003076F, -0.243805F, 0.410235F},
                                    {-0.195240F, 0.010285F, -0.142584F, 0.362203F},
                                    {-0.158216F, 0.020386F, -0.161308F, 0.393246F}};
  for (const Family family : {Family::kBert, Family::kDistilBert}) {
    const EmbeddingMatrix rows = Adopted({}, family).encoder->encode(kTexts);
    for (std::size_t i = 0; i < kTexts.size(); ++i) {
      SCOPED_TRACE(kTexts[i]);
      expect_near(rows.row(i), (family == Family::kBert ? bert : distilbert)[i], 1e-5F);
      EXPECT_NEAR(testing::dot(rows.row(i), rows.row(i)), 1, 1e-5);
    }
  }
}

TEST(TransformerEncoder, PoolsAsItIsTold) {
  const auto first = [](const char* pooling) {
    const EmbeddingMatrix rows = Adopted({.pooling = pooling}).encoder->encode(kTexts);
    return Row(rows.row(0).begin(), rows.row(0).end());
  };
  expect_near(first("cls"), {-0.075732F, -0.070904F, -0.031061F, 0.288221F}, 1e-5F);
  expect_near(first("last"), {-0.138666F, -0.088892F, 0.011424F, 0.335707F}, 1e-5F);
  expect_near(first("max"), {0.236317F, 0.147497F, 0.071005F, 0.434817F}, 1e-5F);
  EXPECT_EQ(first("auto"), first("mean"));
}

TEST(TransformerEncoder, PoolsLayersAsTheWeightsSay) {
  const auto first = [](const char* pooling, Family family) {
    const Adopted adopted({.pooling = pooling}, family, pooling_named(pooling));
    const EmbeddingMatrix rows = adopted.encoder->encode(kTexts);
    return Row(rows.row(0).begin(), rows.row(0).end());
  };
  expect_near(first("layers", Family::kBert), {-0.151383F, -0.101212F, -0.031000F, 0.314762F},
              1e-5F);
  expect_near(first("attention", Family::kBert), {-0.111953F, -0.109780F, -0.059557F, 0.405214F},
              1e-5F);
  expect_near(first("attention", Family::kDistilBert),
              {-0.309583F, -0.208772F, -0.187620F, 0.446290F}, 1e-5F);
}

TEST(TransformerEncoder, ProjectsAsTheWeightsSay) {
  const auto first = [](const TransformerOptions& options, Family family) {
    const Adopted adopted(options, family, pooling_named(options.pooling));
    EXPECT_EQ(adopted.encoder->dim(), options.projection);
    const EmbeddingMatrix rows = adopted.encoder->encode(kTexts);
    return Row(rows.row(0).begin(), rows.row(0).end());
  };
  expect_near(first({.pooling = "mean", .projection = 6}, Family::kBert),
              {0.727006F, 0.164873F, -0.486197F, -0.361967F}, 1e-5F);
  expect_near(first({.pooling = "attention", .projection = 3}, Family::kDistilBert),
              {0.779342F, -0.584723F, -0.225223F}, 1e-5F);
}

TEST(TransformerEncoder, ProjectionBeginsAsTheLeadingDimensions) {
  for (const int dim : {16, 6}) {
    const EmbeddingMatrix cut = Begun({.dim = dim}).encoder->encode(kTexts);
    const Begun projected({.projection = dim});
    ASSERT_EQ(projected.encoder->dim(), dim);
    const EmbeddingMatrix same = projected.encoder->encode(kTexts);
    for (std::size_t i = 0; i < kTexts.size(); ++i)
      expect_near(same.row(i), Row(cut.row(i).begin(), cut.row(i).end()), 1e-6F);
  }
}

TEST(TransformerEncoder, KeepsLeadingDimensionsOfAProjection) {
  const Adopted whole({.projection = 10}), cut({.projection = 10, .dim = 4});
  const EmbeddingMatrix all = whole.encoder->encode(kTexts), part = cut.encoder->encode(kTexts);
  ASSERT_EQ(part.dim(), 4);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    Row expected(all.row(i).begin(), all.row(i).begin() + 4);
    const float norm = std::sqrt(testing::dot(expected, expected));
    for (float& value : expected) value /= norm;
    expect_near(part.row(i), expected, 1e-5F);
  }
}

// A checkpoint that never learnt to pool layers begins with what it was: its last layer's mean.
TEST(TransformerEncoder, PoolingOfLayersBeginsAsTheMean) {
  const EmbeddingMatrix mean = Adopted().encoder->encode(kTexts);
  const Adopted attending({.pooling = "attention"}), weighing({.pooling = "layers"});
  const EmbeddingMatrix same = attending.encoder->encode(kTexts);
  const EmbeddingMatrix near = weighing.encoder->encode(kTexts);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    expect_near(same.row(i), Row(mean.row(i).begin(), mean.row(i).end()), 1e-6F);
    EXPECT_GT(testing::dot(near.row(i), mean.row(i)), 0.99F);
    EXPECT_LT(testing::dot(near.row(i), mean.row(i)), 0.999999F);
  }
  expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        export_transformer(weighing.folder.path(), weighing.report.encoder.file,
                           weighing.folder / "out");
      },
      "pooling is layers", "export its vectors");
  EXPECT_FALSE(std::filesystem::exists(weighing.folder / "out"));
}

TEST(TransformerEncoder, ABatchOfOneIsAlikeToABatchOfMany) {
  const Adopted adopted;
  const EmbeddingMatrix rows = adopted.encoder->encode(kTexts);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    const EmbeddingMatrix one = adopted.encoder->encode({&kTexts[i], 1});
    expect_near(one.row(0), Row(rows.row(i).begin(), rows.row(i).end()), 1e-6F);
    const Label label{LabelId{3}, "key", "name", kTexts[i]};
    const EmbeddingMatrix labels = adopted.encoder->encode_labels({&label, 1});
    expect_near(labels.row(0), Row(rows.row(i).begin(), rows.row(i).end()), 1e-6F);
  }
  EXPECT_EQ(adopted.encoder->encode({}).rows(), 0u);
}

TEST(TransformerEncoder, ManyTextsAreTakenInBatchesAndKeepTheirOrder) {
  const Adopted adopted;
  std::vector<std::string> texts;  // about 6,000 tokens
  for (std::size_t i = 0; i < 1200; ++i) texts.push_back(kTexts[i * 7 % 4]);
  const EmbeddingMatrix rows = adopted.encoder->encode(texts),
                        four = adopted.encoder->encode(kTexts);
  for (std::size_t i = 0; i < texts.size(); ++i)
    EXPECT_NEAR(testing::dot(rows.row(i), four.row(i * 7 % 4)), 1, 1e-5) << i;
}

TEST(TransformerEncoder, ServesSeveralThreadsAtOnce) {
  const Adopted adopted;
  const EmbeddingMatrix expected = adopted.encoder->encode(kTexts);
  std::vector<int> wrong(4);
  {
    std::vector<std::jthread> threads;
    for (int& count : wrong)
      threads.emplace_back([&] {
        for (int i = 0; i < 5; ++i) {
          const EmbeddingMatrix rows = adopted.encoder->encode(kTexts);
          for (std::size_t row = 0; row < kTexts.size(); ++row)
            count += testing::dot(rows.row(row), expected.row(row)) < 0.9999F;
        }
      });
  }
  EXPECT_EQ(wrong, std::vector<int>(4, 0));
}

TEST(TransformerEncoder, ATextWithoutTokensGivesAZeroRow) {
  const Adopted adopted({.document_prefix = "cafe "});
  const std::vector<std::string> texts{"", " \t\n", kTexts[0]};
  const EmbeddingMatrix rows = adopted.encoder->encode(texts);
  EXPECT_EQ(Row(rows.row(0).begin(), rows.row(0).end()), Row(16, 0));
  EXPECT_EQ(Row(rows.row(1).begin(), rows.row(1).end()), Row(16, 0));
  EXPECT_NE(Row(rows.row(2).begin(), rows.row(2).end()), Row(16, 0));
}

TEST(TransformerEncoder, EachSideHasItsPrefix) {
  const Adopted plain;
  const Adopted prefixed({.document_prefix = "i ", .label_prefix = "cafe "});
  const auto row_of = [](const EmbeddingMatrix& m) {
    return Row(m.row(0).begin(), m.row(0).end());
  };
  const std::vector<std::string> own{"un"}, document{"i un"}, label{"cafe un"};
  const Label text{LabelId{0}, "key", "name", "un"};
  EXPECT_EQ(row_of(prefixed.encoder->encode(own)), row_of(plain.encoder->encode(document)));
  EXPECT_EQ(row_of(prefixed.encoder->encode_labels({&text, 1})),
            row_of(plain.encoder->encode(label)));
}

TEST(TransformerEncoder, KeepsLeadingDimensionsAndCutsLongTexts) {
  const Adopted whole, narrow({.max_tokens = 4, .dim = 8});
  ASSERT_EQ(narrow.encoder->dim(), 8);
  EXPECT_EQ(narrow.report.encoder.dim, 8);
  const std::vector<std::string> text{"cafe"}, longer{"cafe i i i i i"}, cut{"cafe i"};
  const EmbeddingMatrix all = whole.encoder->encode(text), first = narrow.encoder->encode(text);
  const float scale = all.row(0)[3] / first.row(0)[3];
  EXPECT_LT(scale, 1);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(all.row(0)[i], scale * first.row(0)[i], 1e-6);
  const EmbeddingMatrix rows = narrow.encoder->encode(longer), same = narrow.encoder->encode(cut);
  EXPECT_EQ(Row(rows.row(0).begin(), rows.row(0).end()),
            Row(same.row(0).begin(), same.row(0).end()));
}

TEST(TransformerEncoder, HalfPrecisionIsNearFullPrecision) {
  const EmbeddingMatrix full = Adopted().encoder->encode(kTexts);
  const EmbeddingMatrix half = Adopted({.precision = "bfloat16"}).encoder->encode(kTexts);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    EXPECT_GT(testing::dot(full.row(i), half.row(i)), 0.999F);
    EXPECT_NE(full.row(i)[0], half.row(i)[0]);
  }
}

TEST(TransformerEncoder, TheSameWeightsMakeTheSameFile) {
  const Adopted one, other;
  EXPECT_EQ(one.encoder->fingerprint(), other.encoder->fingerprint());
  EXPECT_EQ(one.encoder->kind(), "transformer");
  // 17 + 12 + 2 rows of 16, their norm; a layer has 4 16x16, 2 16x32, and 9 biases and norms.
  EXPECT_EQ(one.encoder->parameter_count(), 31u * 16 + 32 + 2 * (4 * 256 + 2 * 512 + 9 * 16 + 32));
  EXPECT_NE(Adopted({.label_prefix = "label: "}).encoder->fingerprint(),
            one.encoder->fingerprint());
}

TEST(TransformerEncoder, AnExportedFolderGivesTheSameEncoder) {
  const Adopted adopted({.pooling = "cls", .max_tokens = 9});
  const std::filesystem::path out = adopted.folder / "out";
  export_transformer(adopted.folder.path(), adopted.report.encoder.file, out);
  const TrainReport again =
      adopt_transformer({.weights = out.string()}, adopted.folder.path(), "b");
  EXPECT_EQ(again.encoder.fingerprint, adopted.encoder->fingerprint());
}

TEST(TransformerEncoder, AnExportedFolderHasTheProjectionAsAModule) {
  const Adopted adopted({.projection = 6});
  const std::filesystem::path out = adopted.folder / "out";
  export_transformer(adopted.folder.path(), adopted.report.encoder.file, out);
  // Other programs find no parameter in the model's file that they do not know.
  EXPECT_EQ(read_file(out / "model.safetensors"), testing::tiny_weights(Family::kBert));
  EXPECT_NE(read_file(out / "modules.json").find("models.Dense"), std::string::npos);
  const TransformerCheckpoint read = read_checkpoint(out);
  EXPECT_EQ(read.projection, 6);
  const TrainReport again =
      adopt_transformer({.weights = out.string()}, adopted.folder.path(), "b");
  EXPECT_EQ(again.encoder.fingerprint, adopted.encoder->fingerprint());
  expect_error(
      ErrorKind::kInvalidInput,
      [&] {
        adopt_transformer({.weights = out.string(), .projection = 4}, adopted.folder.path(), "c");
      },
      "transformer.projection is 4", "6 dimensions");
}

TEST(TransformerEncoder, OptionsThatDoNotFitAreNamed) {
  expect_error(
      ErrorKind::kInvalidInput, [] { adopt_transformer({}, "", "encoder"); }, "--weights");
  expect_error(
      ErrorKind::kInvalidInput, [] { Adopted({.dim = 17}); }, "transformer.dim is 17", "16");
  expect_error(
      ErrorKind::kInvalidInput, [] { Adopted({.projection = 17}); }, "projection is 17", "16");
  expect_error(
      ErrorKind::kInvalidInput, [] { Adopted({.projection = 8, .dim = 9}); }, "dim is 9", "8");
  expect_error(
      ErrorKind::kInvalidInput, [] { Adopted({.max_tokens = 13}); }, "max_tokens is 13", "12");
  const auto refused = [](const TransformerOptions& options, const char* part) {
    expect_error(
        ErrorKind::kInvalidInput, [&] { options.validate(); }, part);
  };
  refused({.pooling = "sum"}, "\"sum\"");
  refused({.towers = "two"}, "\"two\"");
  refused({.max_tokens = -1}, "max_tokens is -1");
  refused({.projection = -1}, "projection is -1");
  refused({.dim = -1}, "dim is -1");
  refused({.label_prefix = "a\nb"}, "one line");
  refused({.precision = "int4"}, "\"int4\"");
}

TEST(TransformerCheckpoint, TakesLimitsAndPoolingFromTheFolder) {
  const TempDir folder;
  testing::write_tiny_checkpoint(folder.path());
  EXPECT_EQ(read_checkpoint(folder.path()).max_tokens, 12);
  write_bytes(folder / "sentence_bert_config.json", R"({"max_seq_length": 7})");
  std::filesystem::create_directory(folder / "1_Pooling");
  write_bytes(folder / "1_Pooling/config.json",
              R"({"pooling_mode_mean_tokens": false, "pooling_mode_cls_token": true})");
  write_bytes(folder / "modules.json",
              R"([{"type": "sentence_transformers.models.Transformer"},
                  {"type": "sentence_transformers.models.Normalize"}])");
  const TransformerCheckpoint read = read_checkpoint(folder.path());
  EXPECT_EQ(read.max_tokens, 7);
  EXPECT_EQ(read.pooling, Pooling::kCls);
  // tokenizer.json comes before vocab.txt.
  write_bytes(folder / "tokenizer.json", testing::tiny_config(Family::kBert));
  EXPECT_EQ(read_checkpoint(folder.path()).tokenizer, testing::tiny_config(Family::kBert));
}

// As a model without a bias has it.
TEST(TransformerCheckpoint, ReadsAModuleThatProjects) {
  const TempDir folder;
  testing::write_tiny_checkpoint(folder.path());
  std::filesystem::create_directory(folder / "2_Dense");
  const auto modules = [&](const std::string& before, const std::string& path) {
    write_bytes(folder / "modules.json", R"([{"type": ")" + before + R"("}, {"type": "a.Dense",
                "path": ")" + path + "\"}]");
  };
  const auto dense = [&](const std::string& taken, const std::string& activation) {
    write_bytes(folder / "2_Dense/config.json",
                R"({"in_features": )" + taken + R"(, "out_features": 2, "activation_function": ")" +
                    activation + "\"}");
  };
  const auto read = [&] { return read_checkpoint(folder.path()); };
  modules("a.Pooling", "2_Dense");
  dense("16", "torch.nn.modules.linear.Identity");
  expect_error(ErrorKind::kNotFound, read, "2_Dense/model.safetensors");
  FloatTensor weight{"linear.weight", {2, 16}, std::vector<float>(32)};
  weight.values[1] = weight.values[16 + 3] = 1;  // the second dimension and the fourth
  write_bytes(folder / "2_Dense/model.safetensors", write_safetensors({&weight, 1}));
  EXPECT_EQ(read().projection, 2);
  const auto encoded = [&](const std::filesystem::path& weights) {
    const TrainReport report =
        adopt_transformer({.weights = weights.string()}, folder.path(), "encoder");
    return load_encoder(folder.path(), report.encoder.file)->encode(kTexts);
  };
  const EmbeddingMatrix found = encoded(folder.path());
  const EmbeddingMatrix whole = Adopted().encoder->encode(kTexts);
  for (std::size_t i = 0; i < kTexts.size(); ++i) {
    const float norm = std::hypot(whole.row(i)[1], whole.row(i)[3]);
    expect_near(found.row(i), {whole.row(i)[1] / norm, whole.row(i)[3] / norm}, 1e-5F);
  }
  dense("16", "torch.nn.modules.activation.Tanh");
  expect_error(ErrorKind::kIncompatible, read, "2_Dense/config.json", "Tanh", "Identity");
  dense("8", "torch.nn.modules.linear.Identity");
  expect_error(ErrorKind::kCorrupt, read, "in_features", "8", "16 dimensions");
  modules("a.Pooling", "../2_Dense");
  expect_error(ErrorKind::kCorrupt, read, "modules.json", "../2_Dense");
  modules("a.Transformer", "2_Dense");
  expect_error(ErrorKind::kIncompatible, read, "modules.json", "a.Dense");
}

TEST(TransformerCheckpoint, FindsParametersBehindTheModelsPrefix) {
  const TransformerShape shape = read_shape(testing::tiny_config(Family::kDistilBert), "tiny");
  const auto read = [&](const std::string& weights) {
    const auto bytes = std::as_bytes(std::span(weights.data(), weights.size()));
    return read_parameters(shape, SafetensorsReader(bytes, "tiny"));
  };
  const auto plain = read(testing::tiny_weights(Family::kDistilBert));
  const auto prefixed = read(testing::tiny_weights(Family::kDistilBert, "distilbert."));
  ASSERT_EQ(plain.size(), 4u + 2 * 16);
  for (std::size_t i = 0; i < plain.size(); ++i) EXPECT_EQ(plain[i].values, prefixed[i].values);
}

TEST(TransformerCheckpoint, NamesWhatItCannotRead) {
  const TempDir folder;
  const auto read = [&] { read_checkpoint(folder.path()); };
  expect_error(ErrorKind::kNotFound, read, "config.json");
  testing::write_tiny_checkpoint(folder.path());
  read();
  write_bytes(folder / "modules.json", R"([{"type": "sentence_transformers.models.LSTM"}])");
  expect_error(ErrorKind::kIncompatible, read, "modules.json", "LSTM");
  const auto shape_of = [](const std::string& from, const std::string& to) {
    std::string config = testing::tiny_config(Family::kBert);
    config.replace(config.find(from), from.size(), to);
    return [config] { read_shape(config, "a.json"); };
  };
  expect_error(ErrorKind::kIncompatible, shape_of("\"bert\"", "\"t5\""), "a.json", "\"t5\"");
  expect_error(ErrorKind::kIncompatible, shape_of("\"gelu\"", "\"swish\""), "\"swish\"");
  expect_error(ErrorKind::kCorrupt, shape_of("_size\": 16", "_size\": -16"), "hidden_size", "-16");
  expect_error(ErrorKind::kCorrupt, shape_of("heads\": 4", "heads\": 3"), "3 heads");
  expect_error(ErrorKind::kCorrupt, shape_of("heads\": 4", "other\": 3"), "num_attention_heads");
  expect_error(
      ErrorKind::kCorrupt, [] { read_shape("[]", "a.json"); }, "no JSON object");
}

TEST(TransformerCheckpoint, FilesOfTwoModelsAreRefused) {
  const TempDir folder;
  TransformerOptions options{.weights = folder.path().string()};
  testing::write_tiny_checkpoint(folder.path());
  const auto adopt = [&] { adopt_transformer(options, folder.path(), "encoder"); };
  write_bytes(folder / "vocab.txt", std::string(testing::kTinyVocabulary) + "one\nmore\n");
  expect_error(ErrorKind::kIncompatible, adopt, "19 ids", "17 rows");
  testing::write_tiny_checkpoint(folder.path());
  write_bytes(folder / "model.safetensors", testing::tiny_weights(Family::kDistilBert));
  expect_error(ErrorKind::kIncompatible, adopt, "no tensor 'embeddings.token_type");
  EXPECT_FALSE(std::filesystem::exists(folder / "encoder"));
}

}  // namespace
}  // namespace dexter
