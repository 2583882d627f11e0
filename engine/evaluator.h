#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "engine/metrics.h"
#include "engine/retrieval_engine.h"
#include "storage/progress.h"
#include "storage/types.h"

namespace dexter {

struct EvaluatorOptions {
  std::vector<int> at = {1, 3, 5};  // ranks of P, nDCG, PSP; R is also given at 10
  PropensityConstants propensity;
  AnswerOptions answer;
  int batch = 256;
  int sample_hits = 12;  // example documents kept for the report, half hits and half misses
  std::uint64_t documents_expected = 0;  // for progress; 0: unknown
  void validate() const;                 // kInvalidInput
};

struct MetricAtK {
  int k = 0;
  double value = 0;       // percent
  double half_width = 0;  // of the 95 % interval over documents, percent
};

// Labels grouped by their number of training documents: none, 1-5, 6-50, more than 50.
struct BandRow {
  std::string name;
  std::uint64_t labels = 0;     // labels of the band that occur in the truth
  std::uint64_t positives = 0;  // (document, label) pairs of the truth
  double recall_at_5 = 0;       // share of those pairs found in the first 5, percent
  double recall_at_10 = 0;
};

struct SampleAnswer {
  std::string text;
  std::vector<std::string> truth;                      // names
  std::vector<std::pair<std::string, float>> answers;  // name, score
  std::vector<bool> correct;                           // of `answers`
};

struct Report {
  std::uint64_t documents = 0;  // evaluated
  std::uint64_t documents_without_labels = 0;
  std::uint64_t labels = 0;  // answerable labels
  std::vector<MetricAtK> precision, ndcg, psp, recall;
  double coverage_at_5 = 0;  // percent of labels with a test positive that are hit at least once
  std::vector<BandRow> bands;
  std::vector<std::uint64_t> score_histogram_hits;  // 40 bins over [-1, 1], first five answers
  std::vector<std::uint64_t> score_histogram_misses;
  std::vector<SampleAnswer> samples;
  double seconds = 0;
  double queries_per_second = 0;
};

// Gives the examples to evaluate one at a time; false at the end. `Example::labels` are ids of the
// engine's store.
using ExampleStream = std::function<bool(Example&)>;

// Streams the examples through `engine.answer` in batches; memory does not grow with their number.
// `Example::excluded` are dropped from the answers before anything is counted. Labels that were
// removed from the store stay in the truth as misses; propensities and bands are by the store's
// training part. `queries_per_second` counts the time inside `answer` alone. kInvalidInput for a
// stream without examples.
Report evaluate(const RetrievalEngine& engine, const ExampleStream& next,
                const EvaluatorOptions& options, const Progress& progress);

// {"P@1": 41.0, "nDCG@5": ..., "PSP@5": ..., "R@10": ..., "coverage@5": ..., "documents": n,
// "labels": n, "queries_per_second": x, "intervals": {"P@1": 0.45, ...}, "bands": {"1-5":
// {"labels": n, "positives": n, "R@5": ..., "R@10": ...}, ...}}; percent, intervals as half widths.
std::string to_json(const Report& report);

}  // namespace dexter
