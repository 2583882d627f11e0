// The gate before pseudo-labels, and the bank behind it.
#include "engine/demo_labelling.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include "engine/demo_index.h"
#include "engine/demo_pseudo.h"
#include "engine/nearest_name.h"
#include "storage/error.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;

// The inputs of the files; of those with the same id or the same words the first.
std::vector<Demonstration> read_inputs(std::span<const fs::path> files,
                                       const std::vector<std::string>& tasks,
                                       const Progress& progress) {
  std::vector<Demonstration> inputs;
  std::set<std::string> ids, read_alike;
  for (const fs::path& file : files) {
    std::size_t row = 0;
    for (Demonstration& demo : read_demonstrations(file, progress)) {
      ++row;
      ensure(std::count(tasks.begin(), tasks.end(), demo.task) > 0, ErrorKind::kInvalidInput,
             fmt::format("labelling {}: its row {} is of the task '{}', of which the bank has no "
                         "demonstration to tell an output by; the nearest is '{}'",
                         file.string(), row, demo.task, nearest_name(demo.task, tasks)));
      // Known by what it asks: another label replaces the former.
      if (demo.id == content_id(demo))
        demo.id = content_id({.id = {}, .task = demo.task, .input = demo.input, .output = {}});
      if (read_alike.insert(same_input_key(demo)).second && ids.insert(demo.id).second)
        inputs.push_back(std::move(demo));
    }
  }
  return inputs;
}

std::vector<std::string> tasks_of(std::span<const Demonstration> bank) {
  std::set<std::string> tasks;
  for (const Demonstration& demo : bank) tasks.insert(demo.task);
  return {tasks.begin(), tasks.end()};
}

// Pseudo-labelled demonstrations by what they ask, in their order.
class PseudoLabels {
 public:
  explicit PseudoLabels(std::vector<Demonstration> former) : demos_(std::move(former)) {
    for (std::size_t i = 0; i < demos_.size(); ++i) place_of_[same_input_key(demos_[i])] = i;
  }

  // Whether there was one of the same input.
  bool put(Demonstration demo) {
    const auto [place, is_new] = place_of_.emplace(same_input_key(demo), demos_.size());
    if (is_new)
      demos_.push_back(std::move(demo));
    else
      demos_[place->second] = std::move(demo);
    return !is_new;
  }
  void remove(const Demonstration& demo) {
    const auto place = place_of_.find(same_input_key(demo));
    if (place != place_of_.end()) demos_[place->second].confidence.reset();
  }
  // Of two with the same id the newer.
  std::vector<Demonstration> take() {
    std::unordered_map<std::string_view, std::size_t> newest;
    for (std::size_t i = 0; i < demos_.size(); ++i) newest[demos_[i].id] = i;
    std::vector<Demonstration> taken;
    for (std::size_t i = 0; i < demos_.size(); ++i)
      if (demos_[i].confidence && newest[demos_[i].id] == i) taken.push_back(demos_[i]);
    return taken;
  }

 private:
  std::vector<Demonstration> demos_;  // a removed one has no confidence
  std::unordered_map<std::string, std::size_t> place_of_;
};

// Counts a label beside the output that its input came with, if any.
void judge(const Demonstration& input, const PseudoLabel& label, bool is_kept, Labelling& report) {
  if (input.output.empty()) return;
  const bool is_right = label.output == input.output;
  ++report.judged;
  report.right += is_right;
  report.judged_kept += is_kept;
  report.right_kept += is_kept && is_right;
}

}  // namespace

Labelling label_inputs(const fs::path& store, std::span<const fs::path> files,
                       InputLabeller& labeller, double min_confidence, const Progress& progress) {
  Catalog bank = open_bank(store, OpenMode::kWrite);
  require_demonstrations(bank);
  const std::vector<Demonstration> given = load_bank(bank);
  std::set<std::string> known;
  for (const Demonstration& demo : given) known.insert(same_input_key(demo));
  const std::vector<Demonstration> inputs = read_inputs(files, tasks_of(given), progress);
  PseudoLabels labels(load_pseudo(bank));
  Labelling report{.inputs = inputs.size(), .tasks = {}};
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    progress.check("labelling inputs");
    progress.update({.stage = "labelling inputs",
                     .done = i,
                     .total = inputs.size(),
                     .unit = "inputs",
                     .note = {}});
    Demonstration demo = inputs[i];
    if (known.contains(same_input_key(demo))) {
      ++report.given;
      continue;
    }
    const PseudoLabel label = labeller.label(demo, progress);
    const bool is_kept = label.agreed && label.confidence >= min_confidence;
    judge(demo, label, is_kept, report);
    if (!is_kept) {
      ++report.unsure;
      labels.remove(demo);
      continue;
    }
    ++report.tasks[demo.task];
    demo.output = label.output;
    demo.confidence = label.confidence;
    ++(labels.put(std::move(demo)) ? report.replaced : report.added);
  }
  const std::vector<Demonstration> pseudo = beside_given(labels.take(), given);
  index_bank(store, bank, {}, {}, progress, &pseudo);
  report.pseudo = pseudo.size();
  return report;
}

}  // namespace dexter
