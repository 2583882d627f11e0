#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/demo_bank.h"
#include "engine/offline.h"
#include "tests/engine/tiny_store.h"
#include "tests/support/temp_dir.h"

// A bank of two tasks: the single-labelled documents of the tiny corpus ("topic"), and questions
// that share words with them ("question").
namespace dexter::tiny {

inline std::string jsonl_of(std::span<const Demonstration> demos) {
  std::string lines;
  for (const Demonstration& demo : demos) {
    lines += "{\"input\":" + detail::quoted(demo.input) +
             ",\"output\":" + detail::quoted(demo.output) +
             ",\"task\":" + detail::quoted(demo.task);
    if (!demo.id.empty()) lines += ",\"id\":" + detail::quoted(demo.id);
    lines += "}\n";
  }
  return lines;
}

inline std::vector<Demonstration> demonstrations() {
  std::vector<Demonstration> demos;
  for (const Example& example : train())
    if (example.labels.size() == 1)
      demos.push_back({.id = example.key,
                       .task = "topic",
                       .input = example.text,
                       .output = labels()[value(example.labels[0])].key});
  int number = 0;
  for (const auto& [input, output] : std::vector<std::pair<const char*, const char*>>{
           {"Who plays the violin ?", "person"},
           {"Who scored two goals ?", "person"},
           {"Where is the railway station ?", "place"},
           {"Where does the cat sleep ?", "place"},
           {"When does the train leave ?", "time"},
           {"When did the storm reach the coast ?", "time"}})
    demos.push_back({.id = "question-" + std::to_string(number++),
                     .task = "question",
                     .input = input,
                     .output = output});
  return demos;
}

// `folder` is an existing one; the bank's store is `folder`/store.
inline std::filesystem::path bank_store(const std::filesystem::path& folder,
                                        std::span<const Demonstration> demos) {
  testing::write_bytes(folder / "demos.jsonl", jsonl_of(demos));
  const std::vector<std::filesystem::path> files = {folder / "demos.jsonl"};
  import_demonstrations(folder / "store", files, {});
  return folder / "store";
}

inline void train_bank(const std::filesystem::path& store) {
  Catalog bank = open_bank(store, OpenMode::kWrite);
  train(bank, config(), /*resume=*/false, {}, {});
}

}  // namespace dexter::tiny
