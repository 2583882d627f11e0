#include "engine/label_table.h"

#include <gtest/gtest.h>

namespace dexter {
namespace {

TEST(LabelTable, GivesBackEveryLabelAsItCame) {
  const Label labels[] = {
      {LabelId{0}, "a", "Alpha", "the first letter"},
      {LabelId{3}, "same", "name and text", "name and text"},
      {LabelId{4}, "key", "", ""},
      {LabelId{900}, "", "no key", "t\xc3\xa4xt"},
  };
  LabelTable table;
  for (const Label& label : labels) table.add(label);
  table.shrink_to_fit();
  EXPECT_EQ(table.size(), 4u);
  for (const Label& label : labels) EXPECT_EQ(table.find(label.id), label);
  for (const Label& label : labels) EXPECT_TRUE(table.has(label.id));
}

TEST(LabelTable, FindsNothingBetweenBeforeAndBehind) {
  LabelTable table;
  EXPECT_EQ(table.find(LabelId{0}), std::nullopt);
  table.add({LabelId{2}, "a", "a", "a"});
  table.add({LabelId{5}, "b", "b", "b"});
  for (const std::uint32_t id : {0u, 3u, 6u}) {
    EXPECT_EQ(table.find(LabelId{id}), std::nullopt);
    EXPECT_FALSE(table.has(LabelId{id}));
  }
}

}  // namespace
}  // namespace dexter
