#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/error.h"

// A fuzz target is one source that defines `seeds` and `run`. With clang's libFuzzer it is guided
// by coverage (CMake preset fuzz); with any compiler driver.cc runs seeds and their mutations.
namespace dexter::fuzz {

// Inputs to begin with, made by code. An input that once broke something stays here.
std::vector<std::string> seeds();

// Any input must come back, at most with an Error that is not kInternal. All else is a finding.
void run(std::string_view input);

// Ends the process where a property of the answer does not hold.
inline void require(bool holds, const char* property) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: it does not hold that %s\n", property);
  std::abort();
}

// Whether `action` came to its end; a refusal of another kind than kInternal is no finding.
template <class Action>
bool succeeds(Action&& action) {
  try {
    std::forward<Action>(action)();
    return true;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kInternal) std::fprintf(stderr, "fuzz: %s\n", error.what());
    require(error.kind() != ErrorKind::kInternal, "a refusal is not our own mistake");
  }
  return false;
}

}  // namespace dexter::fuzz
