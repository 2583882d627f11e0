#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "engine/demo_bank.h"
#include "engine/language_model.h"
#include "storage/progress.h"

namespace dexter {

// An output that nobody gave.
struct PseudoLabel {
  std::string output;
  double confidence = 0;  // in [0, 1]
  bool agreed = true;     // both views say the same, where there are two
};

// Tells the output of an input from given demonstrations of its task; pseudo-labelled ones have no
// say, so that no label depends on another. One caller.
class InputLabeller {
 public:
  virtual ~InputLabeller() = default;
  virtual PseudoLabel label(const Demonstration& input, const Progress& progress) = 0;
};

// By the votes of the k demonstrations nearest by vector, and of those nearest by words: the views.
// Without an encoder the words alone. A vote counts by its softmax over the scores of its view; the
// confidence is the output's share of both views' votes. kNotFound where `store` has no
// demonstrations.
std::unique_ptr<InputLabeller> make_vote_labeller(const std::filesystem::path& store, int k);

// By a language model behind the k nearest demonstrations, as `demos eval --by http` asks it; the
// confidence is the output's share of the probability of its task's outputs, and the second view is
// the vote of these demonstrations. What the model says is kept in `ScoreLog` BANK/scores.log, so
// that no prompt is asked for twice: label under the bank's lock. `model` must outlive it. Errors:
// as above.
std::unique_ptr<InputLabeller> make_model_labeller(const std::filesystem::path& store,
                                                   LanguageModel& model, int k);

}  // namespace dexter
