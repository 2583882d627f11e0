// An inverted index in memory: for each word the rows that hold it, with their score for it.
#include "engine/bm25.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <unordered_map>
#include <utility>

#include <libstemmer.h>
#include <spdlog/fmt/fmt.h>

#include "encoders/bag_features.h"
#include "engine/nearest_name.h"
#include "storage/error.h"

namespace dexter {
namespace {

// One thread's stemmer; Snowball's are not shared.
class Stemmer {
 public:
  explicit Stemmer(const std::string& name)
      : stemmer_(name == "none" ? nullptr : ::sb_stemmer_new(name.c_str(), "UTF_8")) {
    if (name == "none" || stemmer_) return;
    std::vector<std::string> known = {"none"};
    for (const char** each = ::sb_stemmer_list(); *each != nullptr; ++each) known.push_back(*each);
    throw Error(ErrorKind::kInvalidInput,
                fmt::format("indexing words: there is no stemmer '{}', the nearest is '{}'; known "
                            "are {}",
                            name, nearest_name(name, known), fmt::join(known, ", ")));
  }

  std::string operator()(const std::string& word) {
    if (!stemmer_) return word;
    const auto* stem =
        ::sb_stemmer_stem(stemmer_.get(), reinterpret_cast<const sb_symbol*>(word.data()),
                          static_cast<int>(word.size()));
    if (stem == nullptr) throw std::bad_alloc();
    return {reinterpret_cast<const char*>(stem),
            static_cast<std::size_t>(::sb_stemmer_length(stemmer_.get()))};
  }

 private:
  struct Deleter {
    void operator()(sb_stemmer* stemmer) const { ::sb_stemmer_delete(stemmer); }
  };
  std::unique_ptr<sb_stemmer, Deleter> stemmer_;
};

std::vector<std::string> terms_of(std::string_view text, Stemmer& stem) {
  std::vector<std::string> terms = folded_words(text);
  for (std::string& term : terms) term = stem(term);
  return terms;
}

bool is_better(const Bm25Index::Hit& a, const Bm25Index::Hit& b) {
  return a.score != b.score ? a.score > b.score : a.row < b.row;
}

}  // namespace

struct Bm25Index::Impl {
  Bm25Options options;
  std::size_t rows = 0;
  std::unordered_map<std::string, std::uint32_t> terms;
  std::vector<std::vector<Hit>> postings;  // by term; scores are of one occurrence in the query

  void add(std::uint32_t row, const std::vector<std::string>& words);
  void finish(const std::vector<std::uint32_t>& lengths);
};

// Until `finish` a posting's score is its count.
void Bm25Index::Impl::add(std::uint32_t row, const std::vector<std::string>& words) {
  for (const std::string& word : words) {
    const auto [found, is_new] = terms.emplace(word, static_cast<std::uint32_t>(postings.size()));
    if (is_new) postings.emplace_back();
    std::vector<Hit>& list = postings[found->second];
    if (list.empty() || list.back().row != row) list.push_back({row, 0});
    list.back().score += 1;
  }
}

void Bm25Index::Impl::finish(const std::vector<std::uint32_t>& lengths) {
  double total = 0;
  for (const std::uint32_t length : lengths) total += length;
  const double average = std::max(1.0, total / static_cast<double>(std::max<std::size_t>(1, rows)));
  const double k1 = options.k1, b = options.b;
  for (std::vector<Hit>& list : postings) {
    const auto n = static_cast<double>(list.size());
    const double idf = std::log(1 + (static_cast<double>(rows) - n + 0.5) / (n + 0.5));
    for (Hit& hit : list) {
      const double count = static_cast<double>(hit.score);
      const double norm = k1 * (1 - b + b * lengths[hit.row] / average);
      hit.score = static_cast<float>(idf * count * (k1 + 1) / (count + norm));
    }
  }
}

Bm25Index::Bm25Index(std::span<const std::string_view> texts, const Bm25Options& options)
    : impl_(std::make_unique<Impl>()) {
  impl_->options = options;
  impl_->rows = texts.size();
  Stemmer stem(options.stemmer);
  std::vector<std::uint32_t> lengths;
  for (std::uint32_t row = 0; row < texts.size(); ++row) {
    const std::vector<std::string> words = terms_of(texts[row], stem);
    lengths.push_back(static_cast<std::uint32_t>(words.size()));
    impl_->add(row, words);
  }
  impl_->finish(lengths);
}

Bm25Index::~Bm25Index() = default;
Bm25Index::Bm25Index(Bm25Index&&) noexcept = default;
Bm25Index& Bm25Index::operator=(Bm25Index&&) noexcept = default;

std::size_t Bm25Index::size() const { return impl_->rows; }

std::vector<Bm25Index::Hit> Bm25Index::search(std::string_view query, std::size_t k,
                                              const Filter& filter) const {
  Stemmer stem(impl_->options.stemmer);
  std::map<std::uint32_t, float> counts;  // ordered, so that sums are the same in every run
  for (const std::string& term : terms_of(query, stem))
    if (const auto found = impl_->terms.find(term); found != impl_->terms.end())
      ++counts[found->second];
  // Sums of one thread, zero again when it leaves.
  thread_local std::vector<float> sums;
  sums.resize(std::max(sums.size(), impl_->rows));
  std::vector<std::uint32_t> touched;
  for (const auto& [term, count] : counts)
    for (const Hit& hit : impl_->postings[term]) {
      if (sums[hit.row] == 0) touched.push_back(hit.row);
      sums[hit.row] += count * hit.score;
    }
  std::vector<Hit> hits;
  for (const std::uint32_t row : touched) {
    const float score = std::exchange(sums[row], 0.0F);
    if (!filter || filter(row)) hits.push_back({row, score});
  }
  const auto kept = static_cast<std::ptrdiff_t>(std::min(k, hits.size()));
  std::partial_sort(hits.begin(), hits.begin() + kept, hits.end(), is_better);
  hits.resize(static_cast<std::size_t>(kept));
  return hits;
}

}  // namespace dexter
