// Scores of demonstrations by a language model, and by a file.
#include "engine/demo_scorer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "engine/demo_prompt.h"
#include "engine/score_log.h"
#include "storage/checksum.h"
#include "storage/error.h"
#include "storage/json_row.h"
#include "storage/line_reader.h"

namespace dexter {
namespace {

constexpr std::uint64_t kLongestLine = 1u << 20;
constexpr std::uint64_t kRowsPerReport = 4096;

double log_sum_exp(std::span<const Likelihood> all) {
  double most = -std::numeric_limits<double>::infinity(), sum = 0;
  for (const Likelihood& each : all) most = std::max(most, each.log_probability);
  for (const Likelihood& each : all) sum += std::exp(each.log_probability - most);
  return most + std::log(sum);
}

std::uint64_t answer_key(const std::string& model, const Continuation& asked) {
  return score_key(0, {model, asked.prompt, asked.text});
}

class LmScorer final : public DemoScorer {
 public:
  LmScorer(LanguageModel& model, std::span<const Demonstration> bank, int outputs) : model_(model) {
    std::map<std::string, std::set<std::string>> all;
    for (const Demonstration& demo : bank) all[demo.task].insert(demo.output);
    for (const auto& [task, own] : all)
      if (own.size() >= 2 && own.size() <= static_cast<std::size_t>(outputs))
        outputs_[task].assign(own.begin(), own.end());
  }

  std::vector<double> score(const Demonstration& query, std::span<const Demonstration* const> demos,
                            const Progress& progress) override {
    const std::vector<std::string> outputs = asked_of(query);
    std::vector<Continuation> asked;
    for (const Demonstration* demo : demos)
      for (const std::string& output : outputs)
        asked.push_back({assemble_prompt({{demo, 0, 0}}, query.input), answer_text(output)});
    const std::vector<Likelihood> answers = model_.likelihoods(asked, progress);
    const auto own = static_cast<std::size_t>(
        std::find(outputs.begin(), outputs.end(), query.output) - outputs.begin());
    std::vector<double> scores;
    for (std::size_t i = 0; i < demos.size(); ++i) {
      const auto part = std::span(answers).subspan(i * outputs.size(), outputs.size());
      scores.push_back(outputs.size() == 1
                           ? part[0].mean()
                           : std::exp(part[own].log_probability - log_sum_exp(part)));
    }
    return scores;
  }

  std::uint64_t identity(const Demonstration& query) const override {
    std::uint64_t hash = checksum64(model_.name(), checksum64(kPromptPattern));
    const std::vector<std::string> outputs = asked_of(query);
    if (outputs.size() > 1)
      for (const std::string& output : outputs) hash = checksum64(output, hash);
    return hash;
  }

 private:
  std::vector<std::string> asked_of(const Demonstration& query) const {
    const auto found = outputs_.find(query.task);
    return found == outputs_.end() ? std::vector<std::string>{query.output} : found->second;
  }

  LanguageModel& model_;
  std::map<std::string, std::vector<std::string>> outputs_;  // of the tasks with few of them
};

}  // namespace

std::unique_ptr<DemoScorer> make_lm_scorer(LanguageModel& model,
                                           std::span<const Demonstration> bank, int outputs) {
  return std::make_unique<LmScorer>(model, bank, outputs);
}

std::vector<std::string> outputs_of(std::span<const Demonstration> bank, std::string_view task) {
  std::set<std::string> outputs;
  for (const Demonstration& demo : bank)
    if (demo.task == task) outputs.insert(demo.output);
  return {outputs.begin(), outputs.end()};
}

std::string answer_text(std::string_view output) {
  const std::string_view before = kPromptPattern.substr(0, kPromptPattern.find("{output}"));
  const std::size_t spaces = before.size() - 1 - before.find_last_not_of(' ');
  return std::string(spaces, ' ').append(output);
}

ModelAnswer ask_model(LanguageModel& model, ScoreLog* log, const std::string& prompt,
                      std::span<const std::string> outputs, const Progress& progress) {
  std::vector<Likelihood> answers(outputs.size());
  std::vector<Continuation> asked;
  std::vector<std::size_t> places;  // of those asked for
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    Continuation each{prompt, answer_text(outputs[i])};
    const auto known = log == nullptr ? std::nullopt : log->find(answer_key(model.name(), each));
    if (known) {
      answers[i].log_probability = *known;
    } else {
      asked.push_back(std::move(each));
      places.push_back(i);
    }
  }
  const std::vector<Likelihood> given = model.likelihoods(asked, progress);
  for (std::size_t j = 0; j < given.size(); ++j) {
    answers[places[j]] = given[j];
    if (log != nullptr) log->add(answer_key(model.name(), asked[j]), given[j].log_probability);
  }
  if (log != nullptr) log->flush();
  const auto best = std::max_element(answers.begin(), answers.end(),
                                     [](const Likelihood& a, const Likelihood& b) {
                                       return a.log_probability < b.log_probability;
                                     });
  return {outputs[static_cast<std::size_t>(best - answers.begin())],
          std::exp(best->log_probability - log_sum_exp(answers))};
}

std::vector<ScoredInput> read_scores(const std::filesystem::path& file,
                                     std::span<const Demonstration> bank,
                                     const Progress& progress) {
  std::unordered_map<std::string_view, std::uint32_t> row_of;
  for (std::uint32_t row = 0; row < bank.size(); ++row) row_of.emplace(bank[row].id, row);
  LineReader lines(file, kLongestLine);
  JsonRow row(lines);
  const auto find = [&](std::string_view field) {
    const std::string id = row.key(field);
    if (id.empty())
      lines.fail(
          fmt::format("\"{}\" is missing; write {{\"query\": ID, \"demonstration\": ID, "
                      "\"score\": 0.5}}",
                      field));
    const auto found = row_of.find(id);
    if (found == row_of.end())
      lines.fail(
          fmt::format("the bank has no demonstration \"{}\"; `dexter demos retrieve --json` "
                      "shows ids",
                      id));
    return found->second;
  };
  std::map<std::uint32_t, std::map<std::uint32_t, double>> scores;
  std::string_view line;
  while (lines.next(line)) {
    row.parse(line);
    const std::uint32_t query = find("query"), demo = find("demonstration");
    if (bank[query].task != bank[demo].task)
      lines.fail(fmt::format("\"{}\" is of the task {} and \"{}\" of {}; score within a task",
                             bank[query].id, bank[query].task, bank[demo].id, bank[demo].task));
    const double score = row.number("score");
    if (!std::isfinite(score)) lines.fail("\"score\" is not finite; give a number");
    if (query != demo) scores[query][demo] = score;
    if (lines.line() % kRowsPerReport == 0) {
      progress.check("reading scores");
      progress.update({.stage = "reading scores",
                       .done = lines.bytes_read(),
                       .total = lines.bytes_total(),
                       .unit = "bytes"});
    }
  }
  std::vector<ScoredInput> inputs;
  for (const auto& [query, own] : scores) {
    inputs.push_back({query, {}});
    for (const auto& [demo, score] : own) inputs.back().demos.push_back({demo, score});
  }
  return inputs;
}

}  // namespace dexter
