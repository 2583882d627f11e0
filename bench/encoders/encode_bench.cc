// Texts a second from text to vector, one at a time and in batches, and of reading features alone.
// On titles made from a fixed seed over a list of invented words, with a vocabulary of 200,000
// features and initial values: time does not depend on what was learnt.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <unordered_set>
#include <vector>

#include "encoders/bag_model.h"
#include "encoders/encoder.h"
#include "tests/support/temp_dir.h"

namespace dexter {
namespace {

constexpr int kFeatures = 200'000;
constexpr std::size_t kTitles = 60'000;  // what the vocabulary is counted over
constexpr std::size_t kQueries = 8192;
constexpr std::size_t kWords = 30'000;

const EncoderOptions kOptions{.min_count = 1, .max_features = kFeatures};

// Words of two to five syllables, the short ones first, as a language has them.
std::vector<std::string> word_list(std::mt19937_64& random) {
  constexpr std::array kOnsets{"b", "d", "f",  "g",  "h",  "k",  "l", "m", "n", "p",  "r",  "s",
                               "t", "v", "st", "tr", "pl", "sh", "c", "w", "",  "br", "gr", "ch"};
  constexpr std::array kRimes{"a", "e", "i", "o", "u", "an", "er", "in", "on", "ar", "al", "es"};
  std::vector<std::string> words;
  std::unordered_set<std::string> seen;
  while (words.size() < kWords) {
    std::string word;
    const std::size_t syllables = 2 + 4 * words.size() / kWords;
    for (std::size_t i = 0; i < syllables; ++i)
      word.append(kOnsets[random() % kOnsets.size()]).append(kRimes[random() % kRimes.size()]);
    if (seen.insert(word).second) words.push_back(word);
  }
  return words;
}

// Five to thirteen words, the r-th most frequent one about 1/r times as often as the first.
std::string title(const std::vector<std::string>& words, std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform(0, 1);
  std::string text;
  for (std::size_t left = 5 + random() % 9; left > 0; --left) {
    const double rank = std::exp(uniform(random) * std::log(static_cast<double>(words.size())));
    std::string word = words[static_cast<std::size_t>(rank) - 1];
    if (text.empty()) word.front() = static_cast<char>(word.front() - 'a' + 'A');
    text.append(text.empty() ? "" : " ").append(word);
  }
  return text;
}

class Subject {
 public:
  static const Subject& get() {
    static const Subject subject;
    return subject;
  }
  const Encoder& encoder() const { return *encoder_; }
  const FeatureVocabulary& vocabulary() const { return vocabulary_; }
  std::span<const std::string> queries(std::size_t first, std::size_t count) const {
    return std::span(queries_).subspan(first % (queries_.size() - count + 1), count);
  }

 private:
  Subject() {
    std::mt19937_64 random(11);
    const std::vector<std::string> words = word_list(random);
    TrainingSet set;
    set.train.resize(kTitles);
    for (Example& example : set.train) example.text = title(words, random);
    for (std::size_t i = 0; i < kQueries; ++i) queries_.push_back(title(words, random));
    const BagModel model = BagModel::initial(kOptions, set, 1);
    vocabulary_ = model.vocabulary;
    if (vocabulary_.size() != kFeatures)
      throw std::runtime_error("the titles have only " + std::to_string(vocabulary_.size()) +
                               " features");
    encoder_ = load_encoder(folder_.path(), model.save(folder_.path(), "encoder"));
  }

  testing::TempDir folder_;
  FeatureVocabulary vocabulary_;
  std::unique_ptr<Encoder> encoder_;
  std::vector<std::string> queries_;
};

// `features` are those found in the vocabulary: rows of the table that were read.
void count(benchmark::State& state, std::size_t texts, std::size_t features) {
  state.counters["texts/s"] =
      benchmark::Counter(static_cast<double>(texts), benchmark::Counter::kIsRate);
  state.counters["features/s"] =
      benchmark::Counter(static_cast<double>(features), benchmark::Counter::kIsRate);
}

BagBatch features_of(std::span<const std::string> texts) {
  static const FeatureOptions options = feature_options(kOptions);
  BagBatch bags;
  for (const std::string& text : texts)
    append_text(bags, text, TextKind::kNatural, options, Subject::get().vocabulary());
  return bags;
}

// Text to features of the vocabulary.
void BM_Tokenise(benchmark::State& state) {
  const auto batch = static_cast<std::size_t>(state.range(0));
  Subject::get();
  std::size_t texts = 0, features = 0;
  for (auto _ : state) {
    const BagBatch bags = features_of(Subject::get().queries(texts, batch));
    benchmark::DoNotOptimize(bags.features.data());
    texts += batch;
    features += bags.features.size();
  }
  count(state, texts, features);
}
BENCHMARK(BM_Tokenise)->ArgName("batch")->Arg(256)->Unit(benchmark::kMicrosecond);

// Text to unit vector.
void BM_Encode(benchmark::State& state) {
  const auto batch = static_cast<std::size_t>(state.range(0));
  const Subject& subject = Subject::get();
  std::size_t texts = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(subject.encoder().encode(subject.queries(texts, batch)));
    texts += batch;
  }
  const std::size_t all = features_of(subject.queries(0, kQueries)).features.size();
  count(state, texts, texts * all / kQueries);
}
BENCHMARK(BM_Encode)
    ->ArgName("batch")
    ->Arg(1)
    ->Arg(256)
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime();

}  // namespace
}  // namespace dexter

BENCHMARK_MAIN();
