// Candidates from vectors and words, then a strategy's choice among them.
#include "engine/demo_retriever.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <random>
#include <set>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "encoders/bag_features.h"
#include "encoders/encoder.h"
#include "engine/nearest_name.h"
#include "index/vector_index.h"
#include "storage/checksum.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr float kTemperature = 0.05F;  // of cosines, as in training
constexpr double kNearShare = 0.9;
constexpr int kRankOffset = 60;  // Cormack et al., "Reciprocal Rank Fusion", SIGIR 2009
constexpr std::size_t kEncodedTogether = 4096;
constexpr std::size_t kChosenInTurns = 512;  // a strategy's time grows with the square of it

struct Candidate {
  std::uint32_t row = 0;
  float score = 0;
};
using Candidates = std::vector<Candidate>;

std::unique_ptr<Encoder> find_encoder(const std::filesystem::path& store, const Catalog& bank) {
  if (const auto& trained = bank.manifest().trained)
    return load_encoder(bank.path(), trained->file);
  const Catalog labels = Catalog::open(store, OpenMode::kRead);
  if (const auto& generation = labels.manifest().generation)
    return load_encoder(store, generation->encoder.file);
  return nullptr;
}

EmbeddingMatrix encode_inputs(const Encoder& encoder, const std::vector<Demonstration>& demos) {
  EmbeddingMatrix vectors(demos.size(), encoder.dim());
  std::vector<std::string> texts;
  for (std::size_t first = 0; first < demos.size(); first += kEncodedTogether) {
    const std::size_t count = std::min(kEncodedTogether, demos.size() - first);
    texts.resize(count);
    for (std::size_t i = 0; i < count; ++i) texts[i] = demos[first + i].input;
    const EmbeddingMatrix encoded = encoder.encode(texts);
    std::copy_n(encoded.data(), count * static_cast<std::size_t>(encoder.dim()),
                vectors.row(first).begin());
  }
  return vectors;
}

Candidates fused(const Candidates& a, const Candidates& b, std::size_t most) {
  std::map<std::uint32_t, float> scores;
  for (const Candidates* list : {&a, &b})
    for (std::size_t i = 0; i < list->size(); ++i)
      scores[(*list)[i].row] += 1.0F / static_cast<float>(kRankOffset + i + 1);
  Candidates result;
  for (const auto& [row, score] : scores) result.push_back({row, score});
  std::stable_sort(result.begin(), result.end(),
                   [](const Candidate& x, const Candidate& y) { return x.score > y.score; });
  result.resize(std::min(most, result.size()));
  return result;
}

double shared_part(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const std::set<std::string> x(a.begin(), a.end()), y(b.begin(), b.end());
  const auto shared =
      std::count_if(x.begin(), x.end(), [&](const auto& w) { return y.contains(w); });
  const std::size_t all = x.size() + y.size() - static_cast<std::size_t>(shared);
  return all == 0 ? 1 : static_cast<double>(shared) / static_cast<double>(all);
}

int words_in(const Demonstration& demo) {
  int words = 0;
  for (const std::string* text : {&demo.input, &demo.output}) {
    bool inside = false;
    for (const char c : *text) {
      const bool space = c == ' ' || c == '\n' || c == '\t' || c == '\r';
      words += inside && space;
      inside = !space;
    }
    words += inside;
  }
  return words;
}

}  // namespace

struct DemoRetriever::Impl {
  std::vector<Demonstration> demos;
  std::map<std::string, std::vector<std::uint32_t>> rows_of_task;
  Bm25Options bm25;
  std::unique_ptr<Encoder> encoder;
  // Made when first needed: words alone need no vectors, and the other way round.
  mutable std::once_flag words_made, vectors_made;
  mutable std::unique_ptr<Bm25Index> words;
  mutable EmbeddingMatrix vectors;
  mutable std::map<std::string, std::unique_ptr<VectorIndex>> index_of_task;

  void make_words() const;
  void make_vectors() const;
  Candidates by_words(const DemoQuery& query, std::size_t most) const;
  Candidates by_vectors(const DemoQuery& query, std::size_t most) const;
  Candidates by_chance(const DemoQuery& query, std::size_t most) const;
  Candidates candidates(const DemoQuery& query, const DemoStrategy& strategy,
                        std::size_t most) const;
  Candidates pool_of(const DemoQuery& query, const DemoStrategy& strategy) const;
  void exclude(const DemoQuery& query, Candidates& found) const;
  void take_turns(const CandidatePool& pool, std::vector<std::size_t>& places) const;
  EmbeddingMatrix vectors_of(const Candidates& found) const;
  const DemoStrategy& strategy_of(const DemoQuery& query) const;
};

void DemoRetriever::Impl::make_words() const {
  std::vector<std::string_view> texts;
  for (const Demonstration& demo : demos) texts.push_back(demo.input);
  words = std::make_unique<Bm25Index>(texts, bm25);
}

void DemoRetriever::Impl::make_vectors() const {
  vectors = encode_inputs(*encoder, demos);
  IndexOptions options;
  options.kind = "flat";
  for (const auto& [task, rows] : rows_of_task) {
    EmbeddingMatrix part(rows.size(), vectors.dim());
    for (std::size_t i = 0; i < rows.size(); ++i)
      std::copy_n(vectors.row(rows[i]).begin(), vectors.dim(), part.row(i).begin());
    const std::vector<std::int64_t> ids(rows.begin(), rows.end());
    index_of_task[task] = build_index(options, part, ids);
  }
}

Candidates DemoRetriever::Impl::by_words(const DemoQuery& query, std::size_t most) const {
  std::call_once(words_made, [this] { make_words(); });
  Bm25Index::Filter filter;
  if (!query.task.empty())
    filter = [&](std::uint32_t row) { return demos[row].task == query.task; };
  Candidates found;
  for (const Bm25Index::Hit& hit : words->search(query.text, most, filter))
    found.push_back({hit.row, hit.score});
  return found;
}

Candidates DemoRetriever::Impl::by_vectors(const DemoQuery& query, std::size_t most) const {
  std::call_once(vectors_made, [this] { make_vectors(); });
  const EmbeddingMatrix encoded = encoder->encode(std::span(&query.text, 1));
  Candidates found;
  const auto row = encoded.row(0);
  if (std::all_of(row.begin(), row.end(), [](float x) { return x == 0; })) return found;
  for (const auto& [task, index] : index_of_task) {
    if (!query.task.empty() && task != query.task) continue;
    const auto k = static_cast<int>(std::min(most, rows_of_task.at(task).size()));
    const SearchResult result = index->search(encoded, k);
    for (std::size_t i = 0; i < result.ids.size(); ++i)
      if (result.ids[i] != kNoId)
        found.push_back({static_cast<std::uint32_t>(result.ids[i]), result.scores[i]});
  }
  std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  });
  found.resize(std::min(most, found.size()));
  return found;
}

Candidates DemoRetriever::Impl::by_chance(const DemoQuery& query, std::size_t most) const {
  std::vector<std::uint32_t> rows;
  for (const auto& [task, members] : rows_of_task)
    if (query.task.empty() || task == query.task)
      rows.insert(rows.end(), members.begin(), members.end());
  std::mt19937_64 random(checksum64(query.text, query.options.seed));
  const std::size_t kept = std::min(most, rows.size());
  for (std::size_t i = 0; i < kept; ++i) std::swap(rows[i], rows[i + random() % (rows.size() - i)]);
  Candidates found;
  for (std::size_t i = 0; i < kept; ++i) found.push_back({rows[i], 0});
  return found;
}

Candidates DemoRetriever::Impl::candidates(const DemoQuery& query, const DemoStrategy& strategy,
                                           std::size_t most) const {
  switch (strategy.source) {
    case PoolSource::kVectors:
      return by_vectors(query, most);
    case PoolSource::kWords:
      return by_words(query, most);
    case PoolSource::kBoth:
      return fused(by_vectors(query, most), by_words(query, most), most);
    case PoolSource::kAnywhere:
      break;
  }
  return by_chance(query, most);
}

// Looks further where too much of what was found is excluded.
Candidates DemoRetriever::Impl::pool_of(const DemoQuery& query,
                                        const DemoStrategy& strategy) const {
  const auto k = static_cast<std::size_t>(query.k);
  const std::size_t size = std::max(k, static_cast<std::size_t>(query.pool));
  for (std::size_t most = size;; most *= 4) {
    Candidates found = candidates(query, strategy, most);
    const bool is_all = found.size() < most;
    exclude(query, found);
    if (!is_all && found.size() < k) continue;
    found.resize(std::min(found.size(), size));
    return found;
  }
}

void DemoRetriever::Impl::exclude(const DemoQuery& query, Candidates& found) const {
  const std::set<std::string_view> without(query.without.begin(), query.without.end());
  std::erase_if(found, [&](const Candidate& each) { return without.contains(demos[each.row].id); });
  if (query.exclude == Exclude::kNone) return;
  const std::vector<std::string> asked = folded_words(query.text);
  std::erase_if(found, [&](const Candidate& candidate) {
    const std::vector<std::string> words_of_demo = folded_words(demos[candidate.row].input);
    return words_of_demo == asked ||
           (query.exclude == Exclude::kNear && shared_part(words_of_demo, asked) >= kNearShare);
  });
}

// The best of each output, then the second of each, and so on.
void DemoRetriever::Impl::take_turns(const CandidatePool& pool,
                                     std::vector<std::size_t>& places) const {
  std::map<std::pair<std::string_view, std::string_view>, int> seen;
  std::vector<std::pair<int, std::size_t>> turns;
  for (const std::size_t place : places) {
    const Demonstration& demo = demos[pool.rows[place]];
    turns.emplace_back(seen[{demo.task, demo.output}]++, place);
  }
  std::stable_sort(turns.begin(), turns.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::transform(turns.begin(), turns.end(), places.begin(),
                 [](const auto& turn) { return turn.second; });
}

EmbeddingMatrix DemoRetriever::Impl::vectors_of(const Candidates& found) const {
  EmbeddingMatrix result(found.size(), vectors.dim());
  for (std::size_t i = 0; i < found.size(); ++i)
    std::copy_n(std::as_const(vectors).row(found[i].row).begin(), vectors.dim(),
                result.row(i).begin());
  return result;
}

const DemoStrategy& DemoRetriever::Impl::strategy_of(const DemoQuery& query) const {
  const std::string_view name =
      query.strategy.empty() ? (encoder ? "dense" : "bm25") : std::string_view(query.strategy);
  const DemoStrategy& strategy = find_demo_strategy(name);
  const bool needs =
      strategy.source == PoolSource::kVectors || strategy.source == PoolSource::kBoth;
  ensure(!needs || encoder, ErrorKind::kInvalidInput,
         fmt::format("choosing demonstrations by {}: the bank has no encoder; run `dexter demos "
                     "train`, or take the strategy bm25",
                     strategy.name));
  return strategy;
}

DemoRetriever::DemoRetriever(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DemoRetriever::~DemoRetriever() = default;
DemoRetriever::DemoRetriever(DemoRetriever&&) noexcept = default;
DemoRetriever& DemoRetriever::operator=(DemoRetriever&&) noexcept = default;

DemoRetriever DemoRetriever::open(const std::filesystem::path& store, const Bm25Options& bm25) {
  const Catalog bank = open_bank(store, OpenMode::kRead);
  auto impl = std::make_unique<Impl>();
  impl->demos = load_bank(bank);
  impl->bm25 = bm25;
  impl->encoder = find_encoder(store, bank);
  for (std::uint32_t row = 0; row < impl->demos.size(); ++row)
    impl->rows_of_task[impl->demos[row].task].push_back(row);
  return DemoRetriever(std::move(impl));
}

std::size_t DemoRetriever::size() const { return impl_->demos.size(); }
bool DemoRetriever::has_encoder() const { return impl_->encoder != nullptr; }
std::string_view DemoRetriever::default_strategy() const { return impl_->strategy_of({}).name; }

std::vector<std::string> DemoRetriever::tasks() const {
  std::vector<std::string> names;
  for (const auto& [task, rows] : impl_->rows_of_task) names.push_back(task);
  return names;
}

namespace {

void check(const DemoQuery& query, const std::vector<std::string>& tasks) {
  constexpr int kMost = DemoRetriever::kMost;
  ensure(query.k >= 1 && query.pool >= 1 && query.k <= kMost && query.pool <= kMost,
         ErrorKind::kInvalidInput,
         fmt::format("choosing demonstrations: k is {} and the pool {}; give 1 to {}", query.k,
                     query.pool, kMost));
  const bool known = query.task.empty() || std::count(tasks.begin(), tasks.end(), query.task) > 0;
  if (!known)
    throw Error(
        ErrorKind::kInvalidInput,
        fmt::format("choosing demonstrations: the bank has no task '{}'; the nearest of its "
                    "{} tasks is '{}'",
                    query.task, tasks.size(), nearest_name(query.task, tasks)));
}

void set_probabilities(std::vector<FoundDemo>& found, float temperature) {
  float most = -std::numeric_limits<float>::infinity(), sum = 0;
  for (const FoundDemo& each : found) most = std::max(most, each.score);
  for (FoundDemo& each : found)
    sum += each.probability = std::exp((each.score - most) / temperature);
  for (FoundDemo& each : found) each.probability /= sum;
}

}  // namespace

std::vector<FoundDemo> DemoRetriever::retrieve(const DemoQuery& query) const {
  check(query, tasks());
  const Impl& impl = *impl_;
  const DemoStrategy& strategy = impl.strategy_of(query);
  const auto k = static_cast<std::size_t>(query.k);
  const Candidates found = impl.pool_of(query, strategy);
  CandidatePool pool;
  for (const Candidate& candidate : found) {
    pool.scores.push_back(candidate.score);
    pool.rows.push_back(candidate.row);
  }
  const EmbeddingMatrix vectors =
      strategy.source == PoolSource::kVectors ? impl.vectors_of(found) : EmbeddingMatrix();
  pool.vectors = vectors;
  // For turns and a budget of words the choice beyond the k-th counts.
  const bool further = query.words > 0 || query.balanced;
  std::vector<std::size_t> places =
      strategy.choose(pool, further ? std::max(k, kChosenInTurns) : k, query.options);
  if (query.balanced) impl.take_turns(pool, places);
  std::vector<FoundDemo> result;
  int left = query.words;
  for (const std::size_t place : places) {
    const Demonstration& demo = impl.demos[pool.rows[place]];
    const int words = query.words > 0 ? words_in(demo) : 0;
    if (words > left || result.size() == k) continue;
    left -= words;
    result.push_back({&demo, pool.scores[place], 0});
  }
  set_probabilities(result, strategy.source == PoolSource::kVectors ? kTemperature : 1);
  return result;
}

}  // namespace dexter
