#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "encoders/encoder.h"
#include "engine/bm25.h"
#include "engine/demo_scorer.h"
#include "engine/score_log.h"
#include "index/vector_index.h"

namespace dexter {

// Candidates for scoring: the demonstrations of an input's task that are near it, without the input
// itself and others of the same words.
class CandidateMiner {
 public:
  // `bank` must outlive it; of it `rows` take part.
  CandidateMiner(std::span<const Demonstration> bank, std::vector<std::uint32_t> rows);

  // Mines by this encoder from now on, inputs behind their task's instruction; before the first
  // call by BM25 over inputs with their outputs.
  void use(const Encoder& encoder, const Instructions& instructions = {});
  std::vector<std::uint32_t> nearest(std::uint32_t row, std::size_t count) const;

 private:
  std::vector<std::uint32_t> by_words(std::uint32_t row, std::size_t count) const;
  std::vector<std::uint32_t> by_vectors(std::uint32_t row, std::size_t count) const;

  std::span<const Demonstration> bank_;
  std::vector<std::uint32_t> rows_;  // taking part, ascending
  std::unique_ptr<Bm25Index> words_;
  EmbeddingMatrix vectors_;  // [rows_ x dim]
  std::map<std::string, std::unique_ptr<VectorIndex>> index_of_task_;
};

// Adds to the lists of `inputs` the scores of candidates that they lack: out of the log where it
// has them, else from the scorer, input by input into the log. Returns how many the scorer gave.
std::uint64_t score_candidates(std::span<const Demonstration> bank, const CandidateMiner& miner,
                               std::size_t candidates, DemoScorer& scorer, ScoreLog& log,
                               std::vector<ScoredInput>& inputs, const Progress& progress);

}  // namespace dexter
