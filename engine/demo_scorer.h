#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/demo_bank.h"
#include "engine/language_model.h"

namespace dexter {

class ScoreLog;

// Tells which demonstrations help an input to its output. One caller.
class DemoScorer {
 public:
  virtual ~DemoScorer() = default;
  // How much each of `demos`, alone, helps `query` to its output: more is better. [demos]
  virtual std::vector<double> score(const Demonstration& query,
                                    std::span<const Demonstration* const> demos,
                                    const Progress& progress) = 0;
  // Of everything that a score of `query` depends on but for the two demonstrations.
  virtual std::uint64_t identity(const Demonstration& query) const = 0;
};

// By a language model (UDR: Li et al., ACL 2023): the output's share p(y | z, x) / sum_y' p(y' | z,
// x) among the outputs of its task where `bank` has 2 to `outputs` of them, else the mean
// log-probability of the output's tokens. Prompts are laid out by kPromptPattern. `model` must
// outlive it.
std::unique_ptr<DemoScorer> make_lm_scorer(LanguageModel& model,
                                           std::span<const Demonstration> bank, int outputs);

// The outputs of a task, ascending.
std::vector<std::string> outputs_of(std::span<const Demonstration> bank, std::string_view task);

// What follows a prompt of kPromptPattern when `output` is the answer.
std::string answer_text(std::string_view output);

// The one of `outputs` that the model finds most probable behind `prompt`, and its share among
// them. Of equals the first. Where there is a `log`, log-probabilities are taken out of it, and
// what the model was asked for is on disk in it; models are told apart by their name.
struct ModelAnswer {
  std::string output;
  double share = 0;
};
ModelAnswer ask_model(LanguageModel& model, ScoreLog* log, const std::string& prompt,
                      std::span<const std::string> outputs, const Progress& progress);

// Scored demonstrations of one input. Rows are of the bank.
struct ScoredDemo {
  std::uint32_t row = 0;
  double score = 0;
};
struct ScoredInput {
  std::uint32_t row = 0;
  std::vector<ScoredDemo> demos;
};

// Reads JSON lines {"query": id, "demonstration": id, "score": number}, plain or gzip, in any
// order; of a pair that comes again the last counts. kInvalidInput names file and line, for an id
// too that the bank does not have and for two of different tasks.
std::vector<ScoredInput> read_scores(const std::filesystem::path& file,
                                     std::span<const Demonstration> bank, const Progress& progress);

}  // namespace dexter
