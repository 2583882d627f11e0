#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "engine/demo_bank.h"
#include "engine/demo_labeller.h"

namespace dexter {

// The best mean vote on held-out rows of the training parts of three tasks with a tenth of their
// labels; agreement refuses most of what is wrong (bench/demos_labels.py).
inline constexpr double kMinConfidence = 0.4;

struct Labelling {
  std::uint64_t inputs = 0;
  std::uint64_t given = 0;   // of them demonstrations already, with an output that was given
  std::uint64_t unsure = 0;  // whose label the gate refused
  std::uint64_t added = 0;   // pseudo-labelled now and not before
  std::uint64_t replaced = 0;
  std::uint64_t pseudo = 0;                    // in the bank afterwards
  std::map<std::string, std::uint64_t> tasks;  // kept labels of each
  // Of the inputs that came with an output, which no labeller sees: how many had their label kept,
  // and of these how many rightly; how many labels were right at all.
  std::uint64_t judged = 0, judged_kept = 0, right = 0, right_kept = 0;
};

// Labels the inputs of JSON-lines files {"input", "task", "id"}, keeps what the gate lets through
// (a confidence of at least `min_confidence`, and agreement of the views), and puts that into the
// bank as pseudo-labelled demonstrations: "On Unsupervised Prompt Learning for Classification with
// Black-box Language Models" (Zhang et al., 2024), whose prompts are made of such. An input that
// is there keeps the output that was given; one that was labelled before is labelled anew, so that
// the same inputs give the same bank. Errors: kNotFound without a bank; kInvalidInput for files as
// import_demonstrations, and for a task that the bank does not have.
Labelling label_inputs(const std::filesystem::path& store,
                       std::span<const std::filesystem::path> files, InputLabeller& labeller,
                       double min_confidence, const Progress& progress);

}  // namespace dexter
