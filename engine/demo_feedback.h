#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/config.h"
#include "engine/demo_scorer.h"
#include "storage/catalog.h"
#include "storage/progress.h"

namespace dexter {

// What one round did. `order` is the share of the held-out inputs' candidate pairs that the encoder
// has in the scorer's order, in percent (50 by chance).
struct FeedbackRound {
  int round = 0;  // 1-based
  std::uint64_t inputs = 0;
  std::uint64_t scores = 0;  // in the lists trained on, held-out ones too
  std::uint64_t asked = 0;   // of them given by the scorer in this round
  double loss = 0;           // mean of the last epoch
  double order_before = 0, order_after = 0;
  double seconds = 0;
};

struct FeedbackReport {
  EncoderInfo encoder;
  std::vector<FeedbackRound> rounds;
  double seconds = 0;
};

// Goes on training the bank's encoder (the one that `train` made of it) from what a scorer says: in
// each of config.demos.rounds, candidates are mined, first by BM25, then by the encoder; scored,
// out of `ScoreLog` BANK/scores.log where it has them; and learnt from. Each round commits its
// encoder, so that a kill loses at most a round of training and one input's scores. The inputs held
// out by train.validation_fraction are scored too and not trained on. `on_round` may be empty.
// Errors: kNotFound for a bank without a trained encoder; as train_on_feedback and the scorer.
FeedbackReport train_by_scorer(Catalog& bank, const Config& config, DemoScorer& scorer,
                               const std::function<void(const FeedbackRound&)>& on_round,
                               const Progress& progress);

// The same in one round from scores that are given.
FeedbackReport train_by_scores(Catalog& bank, const Config& config, std::vector<ScoredInput> scores,
                               const std::function<void(const FeedbackRound&)>& on_round,
                               const Progress& progress);

// Whether the bank has an encoder trained on the demonstrations it has now.
bool has_trained_encoder(const Catalog& bank);

}  // namespace dexter
