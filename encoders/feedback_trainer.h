#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "storage/progress.h"
#include "storage/section_file.h"

namespace dexter {

// How an encoder learns which demonstrations help an input.
struct FeedbackOptions {
  std::string loss = "udr";
  int rounds = 3;
  int epochs = 4;  // of each round
  int candidates = 50;
  int list = 8;
  int extremes = 5;
  int batch = 64;
  double rank_weight = 0.8;
  double temperature = 0.1;
  double task_alpha = 0.5;
  double learning_rate = 0.002;
  double feature_dropout = 0.3;
  int inputs = 0;
  int outputs = 10;
  std::string without_task;
  void validate() const;  // kInvalidInput naming the option, its value and its range
};

template <class Visitor>
void visit(Visitor& v, FeedbackOptions& o) {
  v("loss", o.loss,
    "udr (ranks of a list and the best against the batch) or epr (a good and a bad one against the "
    "batch)");
  v("rounds", o.rounds, "mining, scoring and training, in turn; the first mines by BM25");
  v("epochs", o.epochs, "passes over the scored lists in each round");
  v("candidates", o.candidates, "demonstrations of an input that are scored in a round");
  v("list", o.list, "udr: those drawn of them in a step");
  v("extremes", o.extremes, "epr: how many of the best count as good, of the worst as bad");
  v("batch", o.batch, "inputs per step, all of one task");
  v("rank_weight", o.rank_weight, "udr: weight of the ranks beside that of the batch");
  v("temperature", o.temperature, "divides the cosine of an input and a demonstration");
  v("task_alpha", o.task_alpha,
    "a step is of a task with a chance by its number of inputs to this power");
  v("learning_rate", o.learning_rate, "Adam's, of the embedding tables; falls linearly to 0");
  v("feature_dropout", o.feature_dropout, "share of a text's features left out at each step");
  v("inputs", o.inputs, "inputs of each task that are scored, at most; 0 for all");
  v("outputs", o.outputs,
    "a task with at most so many outputs is scored by the right one's share among them, another by "
    "its mean log-probability");
  v("without_task", o.without_task, "task that nothing is learnt of; empty for none");
}

// A text and others, best first, with their scores: [candidates], descending.
struct RankedList {
  std::uint32_t query = 0;  // rows of FeedbackSet::texts
  std::vector<std::uint32_t> candidates;
  std::vector<double> scores;
  std::uint32_t task = 0;
};

struct FeedbackSet {
  std::vector<std::string> texts;
  std::vector<RankedList> lists;
};

struct FeedbackRun {
  FileRef file;
  std::uint64_t steps = 0;
  double loss = 0;  // mean of the last epoch
};

// Goes on training the bag encoder `start` of `root` on lists, and writes it to `root`/`name`
// (committed when this returns). Every step takes one task's lists; candidates drawn together have
// distinct scores, and none is an input of the batch. The same seed and threads give the same
// encoder. Errors: kInvalidInput for options, an encoder of another kind, or lists none of which
// has two scores; kInterrupted between steps.
FeedbackRun train_on_feedback(const std::filesystem::path& root, const FileRef& start,
                              const std::string& name, const FeedbackSet& set,
                              const FeedbackOptions& options, std::uint64_t seed,
                              const Progress& progress);

}  // namespace dexter
