// dexter info: what a store holds.
#include <algorithm>
#include <map>
#include <optional>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_bank.h"
#include "engine/demo_index.h"
#include "engine/demo_pseudo.h"
#include "engine/history.h"
#include "storage/catalog.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct Sizes {
  std::vector<std::pair<std::string, std::uint64_t>> folders;  // sorted by name
  std::uint64_t total = 0;
};

std::uint64_t bytes_under(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return std::filesystem::file_size(path);
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path))
    if (entry.is_regular_file()) bytes += entry.file_size();
  return bytes;
}

Sizes sizes_of(const std::filesystem::path& store) {
  Sizes sizes;
  for (const auto& entry : std::filesystem::directory_iterator(store)) {
    const std::uint64_t bytes = bytes_under(entry.path());
    sizes.total += bytes;
    if (entry.is_directory()) sizes.folders.emplace_back(entry.path().filename().string(), bytes);
  }
  std::sort(sizes.folders.begin(), sizes.folders.end());
  return sizes;
}

boost::json::value parsed(const std::optional<std::string>& text) {
  return text ? boost::json::parse(*text) : boost::json::value(nullptr);
}

// The bank of demonstrations beside the labels.
struct BankFacts {
  std::map<std::string, std::uint64_t> tasks;
  Manifest manifest;
  std::optional<BankIndexInfo> index;
  std::uint64_t pseudo = 0;
  Instructions instructions;
  std::uint64_t demonstrations() const {
    return manifest.corpus ? manifest.corpus->train_documents : 0;
  }
};

std::optional<BankFacts> bank_facts(const std::filesystem::path& store) {
  if (!std::filesystem::exists(bank_folder(store))) return std::nullopt;
  const Catalog bank = open_bank(store, OpenMode::kRead);
  BankFacts facts{.tasks = {},
                  .manifest = bank.manifest(),
                  .index = bank_index(bank),
                  .pseudo = load_pseudo(bank).size(),
                  .instructions = load_instructions(bank)};
  const std::vector<std::uint32_t> counts = bank.label_frequencies();
  bank.scan_labels([&](Label&& label) { facts.tasks[label.name] += counts.at(value(label.id)); });
  return facts;
}

boost::json::value json_of(const std::optional<BankFacts>& bank) {
  if (!bank) return nullptr;
  boost::json::object tasks;
  for (const auto& [task, count] : bank->tasks) tasks[task] = count;
  boost::json::object facts = boost::json::parse(to_json(bank->manifest)).as_object();
  boost::json::object instructions;
  for (const auto& [task, text] : bank->instructions) instructions[task] = text;
  return {{"demonstrations", bank->demonstrations()},
          {"pseudo", bank->pseudo},
          {"tasks", std::move(tasks)},
          {"instructions", std::move(instructions)},
          {"encoder", facts.contains("trained") ? facts["trained"] : nullptr},
          {"stemmer", bank->index ? boost::json::value(bank->index->stemmer) : nullptr},
          {"index", bank->index && bank->index->vectors
                        ? boost::json::value(bank->index->vectors->index_kind)
                        : nullptr}};
}

void print_json(Context& context, const Catalog& catalog, const Sizes& sizes) {
  boost::json::object folders;
  for (const auto& [name, bytes] : sizes.folders) folders[name] = bytes;
  boost::json::object facts = boost::json::parse(to_json(catalog.manifest())).as_object();
  if (auto* config = facts.if_contains("config");
      config && config->is_string() && !config->as_string().empty())
    *config = boost::json::parse(config->as_string());
  facts["labels"] = catalog.label_count();
  facts["labels_changed_since_index"] = catalog.label_changes().size();
  facts["demonstrations"] = json_of(bank_facts(context.store));
  facts["bytes"] = sizes.total;
  facts["bytes_by_folder"] = std::move(folders);
  facts["history"] = parsed(catalog.note("history"));
  facts["evaluation"] = parsed(catalog.note("evaluation"));
  context.terminal.print(json_line(facts));
}

void add_corpus(Table& table, const Catalog& catalog) {
  const auto& corpus = catalog.manifest().corpus;
  if (!corpus) {
    table.row({"corpus", "none yet: dexter import"});
    return;
  }
  table.row({"corpus", fmt::format("{} training and {} test documents, {}",
                                   thousands(corpus->train_documents),
                                   thousands(corpus->test_documents), corpus->format)});
  if (corpus->sparse_features > 0) table.row({"features", thousands(corpus->sparse_features)});
  const std::uint64_t labels = catalog.label_count();
  table.row({"labels", labels == corpus->labels
                           ? thousands(labels)
                           : fmt::format("{}, {} came with the corpus", thousands(labels),
                                         thousands(corpus->labels))});
}

std::string text_of(const EncoderInfo& encoder) {
  return fmt::format("{}, {} dimensions, {}, fingerprint {}", encoder.kind, encoder.dim,
                     size_of(encoder.file.bytes), encoder.fingerprint);
}

void add_model(Table& table, const Catalog& catalog) {
  const Manifest& manifest = catalog.manifest();
  table.row({"encoder", manifest.trained ? text_of(*manifest.trained) : "none yet: dexter train"});
  const TrainReport history = training_history(catalog);
  if (!history.history.empty()) {
    const EpochRecord& best = history.history.at(static_cast<std::size_t>(
        std::clamp(history.best_epoch, 1, static_cast<int>(history.history.size())) - 1));
    std::string text = fmt::format("{} epoch{} in {}, number {} kept", history.history.size(),
                                   history.history.size() == 1 ? "" : "s",
                                   duration_of(history.seconds), best.epoch);
    if (best.validation_p1 > 0)
      text += fmt::format(": validation P@1 {:.2f}, P@5 {:.2f}", best.validation_p1,
                          best.validation_p5);
    table.row({"training", text});
  }
  if (!manifest.generation) {
    table.row({"index", "none yet: dexter index"});
    return;
  }
  const GenerationInfo& generation = *manifest.generation;
  table.row({"index", fmt::format("generation {}: {} of {} labels", generation.number,
                                  generation.index_kind, thousands(generation.labels))});
  table.row({"", generation.index_reason});
  if (const auto& documents = generation.documents) {
    table.row({"documents", fmt::format("{} of {} documents", documents->index_kind,
                                        thousands(documents->documents))});
    table.row({"", documents->index_reason});
    table.row({"memory", text_of(documents->fusion)});
  }
  if (manifest.trained && manifest.trained->fingerprint != generation.encoder.fingerprint)
    table.row({"", "built by an older encoder; `dexter index` takes the newest"});
  const std::size_t changes = catalog.label_changes().size();
  if (changes > 0)
    table.row(
        {"", fmt::format("{} labels changed since; answered all the same", thousands(changes))});
}

void add_evaluation(Table& table, const Catalog& catalog) {
  const std::optional<std::string> note = catalog.note("evaluation");
  if (!note) return;
  std::string text;
  const boost::json::object evaluation = boost::json::parse(*note).as_object();
  for (const char* key : {"P@1", "P@3", "P@5", "nDCG@5", "PSP@5", "R@10"})
    if (const auto* figure = evaluation.if_contains(key))
      text +=
          fmt::format("{}{} {:.2f}", text.empty() ? "" : ", ", key, figure->to_number<double>());
  const auto* data = evaluation.if_contains("data");
  if (data && data->is_string()) text += fmt::format(" ({})", data->as_string().c_str());
  table.row({"evaluation", text});
}

void add_bank(Table& table, const std::optional<BankFacts>& bank) {
  if (!bank) return;
  std::string text = fmt::format("{} of {} task{}", thousands(bank->demonstrations()),
                                 bank->tasks.size(), bank->tasks.size() == 1 ? "" : "s");
  std::size_t named = 0;
  for (const auto& [task, count] : bank->tasks)
    if (++named <= 5)
      text += fmt::format("{} {} {}", named == 1 ? ":" : ",", task, thousands(count));
  if (bank->pseudo > 0) text += fmt::format("; and {} pseudo-labelled", thousands(bank->pseudo));
  table.row({"demonstrations", text});
  for (const auto& [task, instruction] : bank->instructions)
    table.row({"", fmt::format("{}: {}", task, clipped(instruction, 72))});
  if (bank->manifest.trained) table.row({"", text_of(*bank->manifest.trained)});
  if (const auto& index = bank->index)
    table.row({"", fmt::format("found by words ({}){}", index->stemmer,
                               index->vectors ? " and vectors, " + index->vectors->index_kind
                                              : "; by vectors after `dexter demos train`")});
}

ExitCode run_info(Context& context) {
  const Catalog catalog = Catalog::open(context.store, OpenMode::kRead);
  const Sizes sizes = sizes_of(context.store);
  if (context.json) {
    print_json(context, catalog, sizes);
    return ExitCode::kOk;
  }
  Table table("<<");
  table.row(
      {"store", fmt::format("{}, format {}", context.store.string(), catalog.manifest().format)});
  add_corpus(table, catalog);
  add_model(table, catalog);
  add_evaluation(table, catalog);
  add_bank(table, bank_facts(context.store));
  std::string disk = size_of(sizes.total);
  for (const auto& [name, bytes] : sizes.folders)
    disk += fmt::format(", {} {}", name, size_of(bytes));
  table.row({"on disk", disk});
  context.terminal.print(table.text());
  return ExitCode::kOk;
}

Runner add_info(CLI::App&, Context& context) {
  return [&context] { return run_info(context); };
}

}  // namespace

constinit const Verb kInfoVerb = {
    .name = "info",
    .summary = "show what the store holds: corpus, encoder, index, figures",
    .arguments = "--store DIR",
    .about =
        "Shows the corpus, the newest encoder and how its training went, the index and why it "
        "is of its kind, the newest evaluation, the demonstrations and the sizes on disk. --json "
        "also gives the "
        "whole configuration and history.",
    .examples =
        "dexter info --store my-store\n"
        "dexter info --store my-store --json",
    .next = "dexter verify --store my-store   (checks every byte)",
    .interrupted = "nothing was changed",
    .add = &add_info};

}  // namespace dexter
