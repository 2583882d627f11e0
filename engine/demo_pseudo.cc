// The file of the pseudo-labelled demonstrations.
#include "engine/demo_pseudo.h"

#include <cstddef>
#include <iterator>
#include <set>
#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "encoders/bag_features.h"
#include "engine/demo_index.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::string_view kType = "pseudo";
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kRows = "rows";

Demonstration demo_of(std::string_view line) {
  const boost::json::object row = boost::json::parse(line).as_object();
  const auto text = [&](const char* name) { return std::string(row.at(name).as_string()); };
  return {.id = text("id"),
          .task = text("task"),
          .input = text("input"),
          .output = text("output"),
          .confidence = row.at("confidence").to_number<double>()};
}

}  // namespace

std::vector<Demonstration> load_pseudo(const Catalog& bank) {
  const std::optional<BankIndexInfo> info = bank_index(bank);
  if (!info || !info->pseudo) return {};
  const SectionFileReader file(bank.path(), *info->pseudo, kType, kVersion);
  std::string_view rows = file.text(kRows);
  std::vector<Demonstration> demos;
  try {
    for (std::size_t end = rows.find('\n'); end != rows.npos; end = rows.find('\n')) {
      demos.push_back(demo_of(rows.substr(0, end)));
      rows.remove_prefix(end + 1);
    }
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kCorrupt, fmt::format("reading {}: its row {} is no demonstration: {}",
                                                 (bank.path() / info->pseudo->name).string(),
                                                 demos.size() + 1, error.what()));
  }
  return demos;
}

std::vector<Demonstration> load_all_demonstrations(const Catalog& bank) {
  std::vector<Demonstration> demos = load_bank(bank), pseudo = load_pseudo(bank);
  demos.insert(demos.end(), std::make_move_iterator(pseudo.begin()),
               std::make_move_iterator(pseudo.end()));
  return demos;
}

std::string same_input_key(const Demonstration& demo) {
  const std::vector<std::string> words = folded_words(demo.input);
  return fmt::format("{}\n{}", demo.task,
                     words.empty() ? demo.input : fmt::format("{}", fmt::join(words, " ")));
}

std::vector<Demonstration> beside_given(std::vector<Demonstration> pseudo,
                                        std::span<const Demonstration> given) {
  if (pseudo.empty()) return pseudo;
  std::set<std::string> tasks, ids, inputs;
  for (const Demonstration& demo : given) {
    tasks.insert(demo.task);
    ids.insert(demo.id);
    inputs.insert(same_input_key(demo));
  }
  std::erase_if(pseudo, [&](const Demonstration& demo) {
    return !tasks.contains(demo.task) || ids.contains(demo.id) ||
           inputs.contains(same_input_key(demo));
  });
  return pseudo;
}

FileRef save_pseudo(const std::filesystem::path& bank, const std::string& stem,
                    std::span<const Demonstration> pseudo) {
  std::string rows;
  for (const Demonstration& demo : pseudo) {
    rows += boost::json::serialize(boost::json::object{{"id", demo.id},
                                                       {"task", demo.task},
                                                       {"input", demo.input},
                                                       {"output", demo.output},
                                                       {"confidence", demo.confidence.value()}});
    rows += '\n';
  }
  SectionFileWriter writer(bank / "index" / (stem + ".pseudo.idx"), kType, kVersion);
  writer.add(kRows, rows);
  return writer.commit(bank);
}

}  // namespace dexter
