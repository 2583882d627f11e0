#include "tools/evaluation_source.h"

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/tiny_run.h"

namespace dexter::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// Else they would vote for their own labels.
TEST(EvaluationSource, SaysWhichOfItsDocumentsTheTrainingPartHolds) {
  const TinyRun tiny;
  run_ok({"import", "--store", tiny.store, "--train", tiny.files.train.string(), "--labels",
          tiny.files.labels.string()});
  std::vector<std::string> train = {"train", "--store", tiny.store};
  for (const std::string& word : tiny_settings("1")) train.push_back(word);
  train.insert(train.end(), {"--set", "train.validation_fraction=0.4"});
  run_ok(train);
  const Catalog catalog = Catalog::open(tiny.store, OpenMode::kRead);
  EvaluationSource source(catalog);
  ASSERT_NE(source.training_documents(), nullptr);
  std::vector<std::int64_t> ids;
  for (Example example; source.next(example);)
    ids.push_back(static_cast<std::int64_t>(value(example.id)));
  EXPECT_THAT(ids, Not(IsEmpty()));
  EXPECT_EQ(source.training_documents()->ids().size(), ids.size());
  for (const std::int64_t id : ids) EXPECT_TRUE(source.training_documents()->has(id));

  const TinyRun tested;
  tested.import();
  const Catalog with_test_part = Catalog::open(tested.store, OpenMode::kRead);
  EXPECT_EQ(EvaluationSource(with_test_part).training_documents(), nullptr);
}

}  // namespace
}  // namespace dexter::testing
