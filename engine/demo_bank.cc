// Demonstrations in a store of their own, beside the labels.
#include "engine/demo_bank.h"

#include <set>
#include <unordered_map>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_index.h"
#include "engine/demo_pseudo.h"
#include "engine/nearest_name.h"
#include "storage/checksum.h"
#include "storage/corpus_writer.h"
#include "storage/error.h"
#include "storage/file_io.h"
#include "storage/json_row.h"
#include "storage/line_reader.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;
constexpr std::uint64_t kLongestLine = 16u << 20;
constexpr std::uint64_t kRowsPerReport = 1024;
constexpr const char* kDefaultTask = "default";
constexpr const char* kInstructionsNote = "instructions";

std::string content_hash(std::initializer_list<std::string_view> parts) {
  std::string bytes;
  for (const std::string_view part : parts) {
    bytes += std::to_string(part.size());
    bytes += ':';
    bytes += part;
  }
  return to_hex(checksum64(bytes));
}

// A label stands for one output of one task; its name is the task. A label cannot be without text,
// so that of an empty output is the task's name, and the key tells the two apart.
Label label_of(const Demonstration& demo) {
  const bool empty = demo.output.empty();
  return {.id = {},
          .key = (empty ? "task:" : "output:") + content_hash({demo.task, demo.output}),
          .name = demo.task,
          .text = empty ? demo.task : demo.output};
}

Demonstration demo_of(Example&& example, const Label& label) {
  return {.id = std::move(example.key),
          .task = label.name,
          .input = std::move(example.text),
          .output = label.key.starts_with("task:") ? "" : label.text};
}

enum class Outputs { kNeeded, kOptional };

class DemoReader {
 public:
  DemoReader(const fs::path& file, Outputs outputs)
      : lines_(file, kLongestLine), row_(lines_), outputs_(outputs) {}

  bool next(Demonstration& demo) {
    std::string_view line;
    if (!lines_.next(line)) return false;
    row_.parse(line);
    demo.input = input();
    if (is_blank(demo.input)) lines_.fail("\"input\" is empty; remove the line or fill it");
    if (outputs_ == Outputs::kNeeded && row_.has("input") && !row_.has("output"))
      lines_.fail("\"output\" is missing; give the solution of the input, which may be \"\"");
    demo.output = row_.text("output");
    demo.task = row_.has("task") ? row_.key("task") : kDefaultTask;
    const char* id = row_.has("_id") ? "_id" : "id";
    demo.id = row_.has(id) ? row_.key(id) : content_id(demo);
    return true;
  }
  std::uint64_t bytes_read() const { return lines_.bytes_read(); }
  std::uint64_t bytes_total() const { return lines_.bytes_total(); }

 private:
  // A BEIR row has a title, which may be empty, and a text.
  std::string input() const {
    if (row_.has("input")) return std::string(row_.text("input"));
    if (!row_.has("text"))
      lines_.fail("\"input\" is missing; write {\"input\": ..., \"output\": ..., \"task\": ...}");
    const std::string text(row_.text("text"));
    const std::string_view title = row_.text("title");
    return title.empty() ? text : fmt::format("{} {}", title, text);
  }

  LineReader lines_;
  JsonRow row_;
  Outputs outputs_;
};

template <class Visit>
void read_file(const fs::path& file, Outputs outputs, const Progress& progress,
               const Visit& visit) {
  DemoReader reader(file, outputs);
  Demonstration demo;
  std::uint64_t rows = 0;
  const auto report = [&] {
    progress.update({.stage = fmt::format("reading {}", file.filename().string()),
                     .done = reader.bytes_read(),
                     .total = reader.bytes_total(),
                     .unit = "bytes",
                     .note = fmt::format("{} demonstrations", rows)});
  };
  while (reader.next(demo)) {
    visit(std::move(demo));
    if (++rows % kRowsPerReport == 0) {
      progress.check("reading demonstrations");
      report();
    }
  }
  report();
  ensure(rows > 0, ErrorKind::kInvalidInput,
         fmt::format("{}: there is no demonstration in it; write one JSON object a line",
                     file.string()));
}

// Makes the store of the labels where there is none, so that a corpus may come later.
Catalog create_bank(const fs::path& store) {
  if (!fs::exists(store / "catalog")) Catalog::open(store, OpenMode::kCreate);
  return Catalog::open(bank_folder(store), OpenMode::kCreate);
}

std::string note_of(const Instructions& instructions) {
  boost::json::object object;
  for (const auto& [task, text] : instructions) object[task] = text;
  return boost::json::serialize(object);
}

// Those of `former` with `given` in their place; of tasks of `demos` alone.
Instructions joined(Instructions former, const Instructions& given,
                    std::span<const Demonstration> demos) {
  std::set<std::string> names;
  for (const Demonstration& demo : demos) names.insert(demo.task);
  const std::vector<std::string> tasks(names.begin(), names.end());
  for (const auto& [task, text] : given) {
    ensure(names.contains(task), ErrorKind::kInvalidInput,
           fmt::format("importing demonstrations: the instruction \"{}\" is of the task '{}', of "
                       "which there is none; the nearest is '{}'",
                       text, task, nearest_name(task, tasks)));
    former[task] = text;
  }
  std::erase_if(
      former, [&](const auto& each) { return each.second.empty() || !names.contains(each.first); });
  return former;
}

void write_bank(Catalog& bank, std::span<const Demonstration> demos,
                const Instructions& instructions, const Progress& progress) {
  CorpusWriter writer(bank);
  for (std::size_t i = 0; i < demos.size(); ++i) {
    const Label label = label_of(demos[i]);
    const std::optional<LabelId> known = writer.find_label(label.key);
    const LabelId id = known ? *known : writer.add_label(label.key, label.name, label.text);
    writer.add_example(Split::kTrain, demos[i].id, demos[i].input, std::span(&id, 1), {});
    if (i % kRowsPerReport == 0) {
      progress.check("importing demonstrations");
      progress.update({.stage = "writing demonstrations",
                       .done = i,
                       .total = demos.size(),
                       .unit = "demonstrations"});
    }
  }
  CorpusInfo info;
  info.format = "demonstrations";
  progress.check("importing demonstrations");
  writer.commit(info, {{kInstructionsNote, note_of(instructions)}});
}

[[noreturn]] void throw_empty(const fs::path& store) {
  throw Error(ErrorKind::kNotFound,
              fmt::format("opening the demonstrations of {0}: there are none; run `dexter demos "
                          "import --store {0} FILE.jsonl`",
                          store.string()));
}

}  // namespace

std::string content_id(const Demonstration& demo) {
  return content_hash({demo.task, demo.input, demo.output});
}

std::string instructed(const Instructions& instructions, const std::string& task,
                       std::string_view input) {
  const auto found = instructions.find(task);
  return found == instructions.end() ? std::string(input)
                                     : fmt::format("{} {}", found->second, input);
}

fs::path bank_folder(const fs::path& store) { return store / "demos"; }

Catalog open_bank(const fs::path& store, OpenMode mode) {
  if (!fs::exists(bank_folder(store))) throw_empty(store);
  return Catalog::open(bank_folder(store), mode);
}

void require_demonstrations(const Catalog& bank) {
  if (!bank.manifest().corpus) throw_empty(bank.path().parent_path());
}

void copy_bank(const fs::path& store, const fs::path& to) {
  constexpr int kTries = 5;
  const fs::path from = bank_folder(store), copy = bank_folder(to);
  if (!fs::exists(from)) return;
  for (int tries = 1;; ++tries) {
    std::vector<Damage> damage;
    try {
      open_bank(store, OpenMode::kRead).copy_to(copy);
      damage = verify_store(copy);  // a writer may have come between two of its files
      if (damage.empty()) break;
    } catch (const Error&) {
      if (tries == kTries) throw;
    }
    ensure(tries < kTries, ErrorKind::kUnavailable,
           fmt::format("copying {}: {} of the copy: {}; run `dexter verify`, or try again when "
                       "nobody writes to it",
                       from.string(), damage.front().file, damage.front().what));
    std::error_code failed;
    fs::remove_all(copy, failed);
  }
  const fs::path scores = from / kScoresFile;
  if (!fs::exists(scores)) return;
  std::error_code failed;
  fs::copy_file(scores, copy / kScoresFile, failed);
  ensure(!failed, ErrorKind::kIo, fmt::format("copying {}: {}", scores.string(), failed.message()));
  File::open_for_reading(copy / kScoresFile).sync();
  sync_folder(copy);
}

std::vector<Demonstration> load_bank(const Catalog& bank) {
  std::vector<Label> labels;
  bank.scan_labels([&](Label&& label) {
    labels.resize(value(label.id) + 1);
    labels.back() = std::move(label);
  });
  std::vector<Demonstration> demos;
  bank.scan_examples(Split::kTrain, [&](Example&& example) {
    ensure(example.labels.size() == 1 && value(example.labels[0]) < labels.size(),
           ErrorKind::kCorrupt,
           fmt::format("reading demonstrations of {}: \"{}\" has {} outputs where 1 belongs; "
                       "import them again",
                       bank.path().string(), example.key, example.labels.size()));
    const Label& label = labels[value(example.labels[0])];
    demos.push_back(demo_of(std::move(example), label));
  });
  return demos;
}

Instructions load_instructions(const Catalog& bank) {
  Instructions instructions;
  const auto note = bank.note(kInstructionsNote);
  if (!note) return instructions;
  try {
    const boost::json::object object = boost::json::parse(*note).as_object();
    for (const auto& [task, text] : object) instructions.emplace(task, text.as_string());
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("reading the instructions of {}: {}; import the demonstrations again",
                            bank.path().string(), error.what()));
  }
  return instructions;
}

BankImport import_demonstrations(const fs::path& store, std::span<const fs::path> files,
                                 const Progress& progress, const std::optional<Bm25Options>& words,
                                 const Instructions& given) {
  if (words) index_words({}, *words);  // a mistake in them ends it before anything is made
  std::vector<Demonstration> read;
  for (const fs::path& file : files)
    read_file(file, Outputs::kNeeded, progress,
              [&](Demonstration&& demo) { read.push_back(std::move(demo)); });
  if (!fs::exists(bank_folder(store))) joined({}, given, read);  // as above
  Catalog bank = create_bank(store);
  Bm25Options options;
  if (const auto former = bank_index(bank)) options.stemmer = former->stemmer;
  if (words) options = *words;
  std::vector<Demonstration> demos;
  std::vector<Demonstration> pseudo;
  Instructions instructions;
  if (bank.manifest().corpus) {
    demos = load_bank(bank);
    pseudo = load_pseudo(bank);
    instructions = load_instructions(bank);
  }
  std::unordered_map<std::string, std::size_t> rows;
  for (std::size_t i = 0; i < demos.size(); ++i) rows.emplace(demos[i].id, i);
  BankImport report;
  for (Demonstration& demo : read) {
    const auto [row, is_new] = rows.emplace(demo.id, demos.size());
    ++(is_new ? report.added : report.replaced);
    if (is_new)
      demos.push_back(std::move(demo));
    else
      demos[row->second] = std::move(demo);
  }
  write_bank(bank, demos, joined(std::move(instructions), given, demos), progress);
  pseudo = beside_given(std::move(pseudo), demos);
  index_bank(store, bank, {}, options, progress, &pseudo);
  report.demonstrations = demos.size();
  report.pseudo = pseudo.size();
  for (const Demonstration& demo : demos) ++report.tasks[demo.task];
  return report;
}

std::vector<Demonstration> read_demonstrations(const fs::path& file, const Progress& progress) {
  std::vector<Demonstration> demos;
  read_file(file, Outputs::kOptional, progress,
            [&](Demonstration&& demo) { demos.push_back(std::move(demo)); });
  return demos;
}

}  // namespace dexter
