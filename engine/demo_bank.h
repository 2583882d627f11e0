#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/bm25.h"
#include "storage/catalog.h"
#include "storage/progress.h"

namespace dexter {

// A solved example of a task.
struct Demonstration {
  std::string id;  // unique in a bank
  std::string task;
  std::string input;
  std::string output;
  // Of the output, in [0, 1], where it is a pseudo-label (demo_pseudo.h).
  std::optional<double> confidence = {};
  bool operator==(const Demonstration&) const = default;
};

struct BankImport {
  std::uint64_t added = 0;
  std::uint64_t replaced = 0;  // same id, or the same in all parts
  std::uint64_t demonstrations = 0;
  std::uint64_t pseudo = 0;                    // pseudo-labelled ones beside them
  std::map<std::string, std::uint64_t> tasks;  // demonstrations of each
};

// What goes before the inputs of a task, demonstrations' and queries' alike, where they are
// encoded: the task's instruction of UDR (Li et al., "Unified Demonstration Retriever for
// In-Context Learning", ACL 2023). Words are matched and prompts made without it.
using Instructions = std::map<std::string, std::string>;  // by task
std::string instructed(const Instructions& instructions, const std::string& task,
                       std::string_view input);

// The demonstrations of a store are a store of their own in its folder `demos`: documents are the
// inputs, their labels the outputs of a task, so that training, checks and crash safety are those
// of any corpus.
inline constexpr const char* kScoresFile = "scores.log";  // of a scorer, in the bank's folder
std::filesystem::path bank_folder(const std::filesystem::path& store);

// Adds the rows of JSON-lines files (plain or gzip) {"input", "output", "task", "id"} to the bank,
// making store and bank where there are none; of BEIR's rows {"_id", "title", "text"} title and
// text are the input. A row without an id is known by its content; one of an id that is there
// replaces it. All files or nothing. An encoder trained on the bank before is dropped, and
// pseudo-labelled demonstrations of what is given now. Then the bank is indexed (demo_index.h), its
// words as `words` says, else as before. `instructions` replace those of their tasks, an empty one
// removes it; others stay. kInvalidInput names file and line, or a task of an instruction that the
// bank does not have.
BankImport import_demonstrations(const std::filesystem::path& store,
                                 std::span<const std::filesystem::path> files,
                                 const Progress& progress,
                                 const std::optional<Bm25Options>& words = std::nullopt,
                                 const Instructions& instructions = {});

// What a row without an id is known by.
std::string content_id(const Demonstration& demo);

// Rows of one such file, in order, for evaluation; one without an output has an empty one.
std::vector<Demonstration> read_demonstrations(const std::filesystem::path& file,
                                               const Progress& progress);

// Those that were given, in the order they came. kNotFound where the store has none (says what to
// run).
std::vector<Demonstration> load_bank(const Catalog& bank);
Instructions load_instructions(const Catalog& bank);
// kNotFound for a bank without a demonstration, as an import that was killed leaves it.
void require_demonstrations(const Catalog& bank);
Catalog open_bank(const std::filesystem::path& store, OpenMode mode);

// The bank as it is now, with the scores that were paid for, as the one of the store `to`; nothing
// where there is none. Another process may write to it meanwhile: kUnavailable where it changes
// faster than it can be copied.
void copy_bank(const std::filesystem::path& store, const std::filesystem::path& to);

}  // namespace dexter
