#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "storage/catalog.h"
#include "storage/progress.h"

namespace dexter {

// A solved example of a task.
struct Demonstration {
  std::string id;  // unique in a bank
  std::string task;
  std::string input;
  std::string output;
  bool operator==(const Demonstration&) const = default;
};

struct BankImport {
  std::uint64_t added = 0;
  std::uint64_t replaced = 0;  // same id, or the same in all parts
  std::uint64_t demonstrations = 0;
  std::map<std::string, std::uint64_t> tasks;  // demonstrations of each
};

// The demonstrations of a store are a store of their own in its folder `demos`: documents are the
// inputs, their labels the outputs of a task, so that training, checks and crash safety are those
// of any corpus.
std::filesystem::path bank_folder(const std::filesystem::path& store);

// Adds the rows of JSON-lines files (plain or gzip) {"input", "output", "task", "id"} to the bank,
// making store and bank where there are none; of BEIR's rows {"_id", "title", "text"} title and
// text are the input. A row without an id is known by its content; one of an id that is there
// replaces it. All files or nothing. An encoder trained on the bank before is dropped.
// kInvalidInput names file and line.
BankImport import_demonstrations(const std::filesystem::path& store,
                                 std::span<const std::filesystem::path> files,
                                 const Progress& progress);

// Rows of one such file, in order, for evaluation; one without an output has an empty one.
std::vector<Demonstration> read_demonstrations(const std::filesystem::path& file,
                                               const Progress& progress);

// All of a bank, in the order they came. kNotFound where the store has none (says what to run).
std::vector<Demonstration> load_bank(const Catalog& bank);
Catalog open_bank(const std::filesystem::path& store, OpenMode mode);

}  // namespace dexter
