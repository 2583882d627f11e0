#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "storage/error.h"

namespace dexter::testing {

// Runs `action`, which must throw a dexter::Error of this kind whose message has every one of
// `parts`.
template <class Action, class... Parts>
void expect_error(ErrorKind kind, const Action& action, const Parts&... parts) {
  std::optional<Error> thrown;
  try {
    action();
  } catch (const Error& error) {
    thrown = error;
  }
  ASSERT_TRUE(thrown) << "no error was thrown";
  EXPECT_EQ(thrown->kind(), kind) << thrown->what();
  for (const std::string& part : std::vector<std::string>{std::string(parts)...})
    EXPECT_THAT(thrown->what(), ::testing::HasSubstr(part));
}

}  // namespace dexter::testing
