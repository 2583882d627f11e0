// Candidates from vectors and words, then a strategy's choice among them.
#include "engine/demo_retriever.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "encoders/bag_features.h"
#include "engine/demo_index.h"
#include "engine/demo_pseudo.h"
#include "engine/nearest_name.h"
#include "index/vector_index.h"
#include "storage/checksum.h"
#include "storage/error.h"

namespace dexter {
namespace {

constexpr float kTemperature = 0.05F;  // of cosines, as in training
constexpr double kNearShare = 0.9;
constexpr int kRankOffset = 60;              // Cormack et al., "Reciprocal Rank Fusion", SIGIR 2009
constexpr std::size_t kChosenInTurns = 512;  // a strategy's time grows with the square of it

struct Candidate {
  std::uint32_t row = 0;
  float score = 0;
};
using Candidates = std::vector<Candidate>;

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
  std::vector<Demonstration> demos;  // the given ones, then the pseudo-labelled
  std::size_t given = 0;
  RowsOfTask rows_of_task, given_of_task;
  std::shared_ptr<const IdSet> given_rows;
  std::vector<const IdSet*> task_of;  // of each row
  std::filesystem::path folder;       // of the bank
  BankIndexInfo files;
  std::optional<Bm25Options> words_asked;
  BankEncoder encoder;
  // Read, or made, when first needed: words alone need no vectors, and the other way round.
  mutable std::once_flag words_read, vectors_read;
  mutable std::optional<Bm25Index> words;
  mutable std::optional<InputVectors> vectors;

  void find_tasks();
  void read_words() const;
  void read_vectors() const;
  std::shared_ptr<const IdSet> rows_for(const DemoQuery& query) const;
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

void DemoRetriever::Impl::find_tasks() {
  rows_of_task = rows_by_task(demos);
  for (const Demonstration& demo : demos) {
    task_of.push_back(rows_of_task.at(demo.task).get());
    given += !demo.confidence;
  }
  given_of_task =
      given == demos.size() ? rows_of_task : rows_by_task(std::span(demos).first(given));
  std::vector<std::int64_t> ids(given);
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  given_rows = std::make_shared<const IdSet>(std::move(ids));
}

void DemoRetriever::Impl::read_words() const {
  if (!files.words.name.empty()) words.emplace(Bm25Index::load(folder, files.words));
  if (!words || (words_asked && words->options() != *words_asked))
    words.emplace(index_words(demos, words_asked.value_or(Bm25Options{})));
}

void DemoRetriever::Impl::read_vectors() const {
  if (files.vectors && files.vectors->fingerprint == encoder.fingerprint)
    vectors.emplace(folder, *files.vectors, demos.size());
  else
    vectors.emplace(demos, encoder, IndexOptions{.kind = "flat"}, Progress{});
}

// The rows that may be found; none where all may.
std::shared_ptr<const IdSet> DemoRetriever::Impl::rows_for(const DemoQuery& query) const {
  if (query.task.empty()) return query.pseudo || given == demos.size() ? nullptr : given_rows;
  return (query.pseudo ? rows_of_task : given_of_task).at(query.task);
}

Candidates DemoRetriever::Impl::by_words(const DemoQuery& query, std::size_t most) const {
  std::call_once(words_read, [this] { read_words(); });
  Bm25Index::Filter filter;
  const IdSet* task = query.task.empty() ? nullptr : rows_of_task.at(query.task).get();
  const std::size_t end = query.pseudo ? demos.size() : given;
  if (task != nullptr || end < demos.size())
    filter = [this, task, end](std::uint32_t row) {
      return row < end && (task == nullptr || task_of[row] == task);
    };
  Candidates found;
  for (const Bm25Index::Hit& hit : words->search(query.text, most, filter))
    found.push_back({hit.row, hit.score});
  return found;
}

Candidates DemoRetriever::Impl::by_vectors(const DemoQuery& query, std::size_t most) const {
  std::call_once(vectors_read, [this] { read_vectors(); });
  const EmbeddingMatrix encoded = encoder.encode(query.task, query.text);
  Candidates found;
  if (is_zero(encoded.row(0))) return found;
  SearchOptions options;
  options.only = rows_for(query);
  const auto k = static_cast<int>(std::min(most, demos.size()));
  const SearchResult result = vectors->index().search(encoded, k, options);
  for (std::size_t i = 0; i < result.ids.size() && result.ids[i] != kNoId; ++i)
    found.push_back({static_cast<std::uint32_t>(result.ids[i]), result.scores[i]});
  return found;
}

Candidates DemoRetriever::Impl::by_chance(const DemoQuery& query, std::size_t most) const {
  std::vector<std::uint32_t> rows;
  for (const auto& [task, members] : query.pseudo ? rows_of_task : given_of_task)
    if (query.task.empty() || task == query.task)
      rows.insert(rows.end(), members->ids().begin(), members->ids().end());
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
  EmbeddingMatrix result(found.size(), vectors->rows().dim());
  for (std::size_t i = 0; i < found.size(); ++i)
    std::ranges::copy(vectors->rows().row(found[i].row), result.row(i).begin());
  return result;
}

const DemoStrategy& DemoRetriever::Impl::strategy_of(const DemoQuery& query) const {
  const std::string_view name = query.strategy.empty() ? (encoder.encoder ? "dense" : "bm25")
                                                       : std::string_view(query.strategy);
  const DemoStrategy& strategy = find_demo_strategy(name);
  const bool needs =
      strategy.source == PoolSource::kVectors || strategy.source == PoolSource::kBoth;
  ensure(!needs || encoder.encoder, ErrorKind::kInvalidInput,
         fmt::format("choosing demonstrations by {}: the bank has no encoder; run `dexter demos "
                     "train`, or take the strategy bm25",
                     strategy.name));
  return strategy;
}

Exclude find_exclude(std::string_view name) {
  const std::vector<std::string> names = {"none", "same", "near"};
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<Exclude>(found - names.begin());
  throw Error(ErrorKind::kInvalidInput,
              fmt::format("choosing demonstrations: '{}' cannot be left out, the nearest is '{}'; "
                          "known are {}",
                          name, nearest_name(name, names), fmt::join(names, ", ")));
}

DemoRetriever::DemoRetriever(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
DemoRetriever::~DemoRetriever() = default;
DemoRetriever::DemoRetriever(DemoRetriever&&) noexcept = default;
DemoRetriever& DemoRetriever::operator=(DemoRetriever&&) noexcept = default;

DemoRetriever DemoRetriever::open(const std::filesystem::path& store,
                                  const std::optional<Bm25Options>& words) {
  const Catalog bank = open_bank(store, OpenMode::kRead);
  auto impl = std::make_unique<Impl>();
  impl->demos = load_all_demonstrations(bank);
  impl->folder = bank.path();
  if (auto files = bank_index(bank)) impl->files = std::move(*files);
  impl->words_asked = words;
  impl->encoder = find_bank_encoder(store, bank);
  impl->find_tasks();
  return DemoRetriever(std::move(impl));
}

void DemoRetriever::prepare() const {
  std::call_once(impl_->words_read, [this] { impl_->read_words(); });
  if (impl_->encoder.encoder)
    std::call_once(impl_->vectors_read, [this] { impl_->read_vectors(); });
}

std::size_t DemoRetriever::size() const { return impl_->demos.size(); }
bool DemoRetriever::has_encoder() const { return impl_->encoder.encoder != nullptr; }
std::string_view DemoRetriever::default_strategy() const { return impl_->strategy_of({}).name; }

std::vector<std::string> DemoRetriever::tasks() const {
  std::vector<std::string> names;
  for (const auto& [task, rows] : impl_->rows_of_task) names.push_back(task);
  return names;
}

namespace {

void check(const DemoQuery& query, const std::vector<std::string>& tasks) {
  constexpr int kMost = DemoRetriever::kMost;
  ensure(!tasks.empty(), ErrorKind::kNotFound,
         "choosing demonstrations: the bank has none; run `dexter demos import`");
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
