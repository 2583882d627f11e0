#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <vector>

#include "engine/demo_bank.h"

namespace dexter {

struct ChoiceOptions {
  std::size_t count = 100;
  int neighbours = 20;    // inputs that each votes for; bench/demos_choice.py
  void validate() const;  // kInvalidInput
};

struct Choice {
  std::uint64_t inputs = 0;           // of the files, alike ones counted once
  std::uint64_t solved = 0;           // of them demonstrations that were given already
  std::vector<Demonstration> chosen;  // the most useful first, without an output
};

// Which inputs of JSON-lines files {"input", "task", "id"} to solve first, so that the others have
// a demonstration near them: vote_k over the inputs' vectors, where the bank's given demonstrations
// count as chosen. Time and memory are those of an exact search of all inputs among themselves and
// the bank. Errors: kNotFound without a bank or an encoder; kInvalidInput for files as
// import_demonstrations, for more inputs than 32 bits number, and of `options`.
Choice choose_inputs(const std::filesystem::path& store,
                     std::span<const std::filesystem::path> files, const ChoiceOptions& options,
                     const Progress& progress);

}  // namespace dexter
