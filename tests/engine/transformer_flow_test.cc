// A pretrained transformer through the offline and online flow.
#include <gtest/gtest.h>

#include "engine/offline.h"
#include "engine/retrieval_engine.h"
#include "tests/encoders/tiny_transformer.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/expect_error.h"

namespace dexter {
namespace {

using testing::expect_error;

class TransformerFlow : public ::testing::Test {
 protected:
  TransformerFlow() {
    testing::write_tiny_checkpoint(folder_ / "weights");
    config_.encoder.kind = "transformer";
    config_.transformer.weights = (folder_ / "weights").string();
    config_.train.epochs = 0;
  }
  TrainReport run(const std::filesystem::path& store) const {
    Catalog catalog = Catalog::open(store, OpenMode::kWrite);
    return train(catalog, config_, /*resume=*/false, {}, {});
  }

  testing::TempDir folder_;
  Config config_ = tiny::config();
};

TEST_F(TransformerFlow, IsAdoptedIndexedAndAsked) {
  const std::filesystem::path store = tiny::import_store(folder_.path());
  const TrainReport report = run(store);
  EXPECT_EQ(report.encoder.kind, "transformer");
  EXPECT_EQ(report.encoder.dim, 16);
  EXPECT_TRUE(report.history.empty());
  config_.train.epochs = 2;
  config_.transformer.learning_rate = 1e-6;
  EXPECT_EQ(run(store).history.size(), 2u);
  {
    Catalog catalog = Catalog::open(store, OpenMode::kWrite);
    EXPECT_EQ(build_generation(catalog, config_, {}).generation.labels, tiny::kLabels);
    const Label added{LabelId{0}, "cafe", "Cafe", "cafe"};
    add_labels(catalog, {&added, 1});
  }
  const auto engine = RetrievalEngine::open(store);
  const std::vector<std::string> text{"Caf\xC3\xA9"};  // the same tokens, so the same vector
  const auto rankings = engine.rank(text, 3);
  ASSERT_EQ(rankings[0].size(), 3u);
  EXPECT_EQ(engine.labels(rankings[0])[0].key, "cafe");
  EXPECT_NEAR(rankings[0][0].score, 1, 1e-5);
}

TEST_F(TransformerFlow, NeedsACorpusOfTextAndItsWeights) {
  const std::filesystem::path store = tiny::import_store(folder_.path());
  config_.transformer.weights = (folder_ / "absent").string();
  expect_error(
      ErrorKind::kNotFound, [&] { run(store); }, "absent");
  Catalog::open(folder_ / "empty", OpenMode::kCreate);
  expect_error(
      ErrorKind::kNotFound, [&] { run(folder_ / "empty"); }, "no corpus");
}

TEST_F(TransformerFlow, TeachesABagEncoder) {
  const std::filesystem::path store = tiny::import_store(folder_.path());
  const std::string teacher = run(store).encoder.fingerprint;
  config_.encoder.kind = "bag";
  config_.train.epochs = 3;
  const std::string alone = run(store).encoder.fingerprint;
  config_.encoder.kind = "transformer";
  config_.train.epochs = 0;
  EXPECT_EQ(run(store).encoder.fingerprint, teacher);
  config_.teacher.store = store.string();  // the same store's encoder may teach its successor
  expect_error(
      ErrorKind::kInvalidInput, [&] { run(store); }, "learns from nobody");
  config_.train.free_cluster = 8;
  expect_error(
      ErrorKind::kInvalidInput, [&] { run(store); }, "only the bag encoder has free vectors");
  config_.train.free_cluster = 0;
  config_.encoder.kind = "bag";
  config_.train.epochs = 3;
  const TrainReport taught = run(store);
  EXPECT_EQ(taught.encoder.kind, "bag");
  EXPECT_NE(taught.encoder.fingerprint, alone);
  config_.teacher.store = (folder_ / "absent").string();
  expect_error(
      ErrorKind::kNotFound, [&] { run(store); }, "absent");
}

TEST_F(TransformerFlow, ABagEncoderOfNoEpochsIsAsItWasDrawn) {
  config_.encoder.kind = "bag";
  const std::filesystem::path store = tiny::import_store(folder_.path());
  const TrainReport drawn = run(store);
  EXPECT_EQ(drawn.best_epoch, 0);
  {
    Catalog catalog = Catalog::open(store, OpenMode::kWrite);
    build_generation(catalog, config_, {});
  }
  const std::vector<std::string> text{"chess"};
  EXPECT_EQ(RetrievalEngine::open(store).rank(text, 3)[0].size(), 3u);
  config_.train.epochs = 1;
  EXPECT_NE(run(store).encoder.fingerprint, drawn.encoder.fingerprint);
}

}  // namespace
}  // namespace dexter
