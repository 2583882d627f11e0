// One queue, a few workers, batches of what waits.
#include "engine/query_batcher.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <condition_variable>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "encoders/encoder.h"
#include "engine/query_queue.h"
#include "engine/server_metrics.h"
#include "storage/error.h"

namespace dexter {
namespace {

using Clock = std::chrono::steady_clock;

// Rows of a request that are taken at once: few enough that another client's turn comes soon.
constexpr std::size_t kPart = 32;

struct Batch {
  std::shared_ptr<const RetrievalEngine> engine;
  std::vector<QueryPart> parts;
  std::vector<std::shared_ptr<PendingQuery>> expired;
  std::size_t rows = 0;
  std::size_t bytes = 0;
};

std::size_t bytes_of(const QueryPart& part) {
  std::size_t bytes = 0;
  const std::vector<std::string>& texts = part.query->work.texts;
  for (std::size_t i = part.first; i < part.first + part.count && i < texts.size(); ++i)
    bytes += texts[i].size();
  return bytes;
}

void finish(PendingQuery& query, QueryEnd end) {
  query.answer.end = end;
  query.done(std::move(query.answer));
}

// What became of the parts of a batch, row by row in the order of the parts.
struct Computed {
  EmbeddingMatrix vectors;
  std::vector<std::string> texts;  // "" where a vector came
  std::vector<LabelRanking> rankings;
  std::vector<DocumentRanking> documents;
  std::exception_ptr error;
  Clock::time_point taken;
  std::chrono::nanoseconds encoding{}, searching{};
};

// The text of each row, "" for one that came as a vector.
std::vector<std::string> texts_of(const Batch& batch) {
  std::vector<std::string> texts;
  texts.reserve(batch.rows);
  for (const QueryPart& part : batch.parts)
    for (std::size_t i = part.first; i < part.first + part.count; ++i)
      texts.push_back(part.query->work.texts.empty() ? std::string() : part.query->work.texts[i]);
  return texts;
}

// The rows of all parts: encoded where they are texts, copied where they came as vectors. `texts`
// are as of texts_of.
EmbeddingMatrix vectors_of(const Batch& batch, const std::vector<std::string>& texts) {
  const auto is_text = [](const QueryPart& part) { return !part.query->work.texts.empty(); };
  if (std::all_of(batch.parts.begin(), batch.parts.end(), is_text))
    return batch.engine->encode(texts);
  std::vector<std::string> some;
  std::size_t begin = 0;
  for (const QueryPart& part : batch.parts) {
    const auto first = texts.begin() + static_cast<std::ptrdiff_t>(begin);
    if (is_text(part))
      some.insert(some.end(), first, first + static_cast<std::ptrdiff_t>(part.count));
    begin += part.count;
  }
  EmbeddingMatrix encoded;
  if (!some.empty()) encoded = batch.engine->encode(some);
  const int dim = batch.engine->encoder().dim();
  EmbeddingMatrix all(batch.rows, dim);
  std::size_t row = 0, text = 0;
  for (const QueryPart& part : batch.parts) {
    ensure(is_text(part) || part.query->work.vectors.dim() == dim, ErrorKind::kInvalidInput,
           fmt::format("ranking labels: the vectors are {}-d but the store's are {}-d; "
                       "encode them with this store's encoder",
                       part.query->work.vectors.dim(), dim));
    for (std::size_t i = 0; i < part.count; ++i) {
      const std::span<const float> from =
          is_text(part) ? std::as_const(encoded).row(text++)
                        : std::as_const(part.query->work.vectors).row(part.first + i);
      std::copy(from.begin(), from.end(), all.row(row++).begin());
    }
  }
  return all;
}

// Rows that are searched alike are searched together: k rounded up to a power of two, so that one
// request for a thousand does not make a thousand of every other.
using SearchGroup =
    std::tuple<unsigned, int, int, std::shared_ptr<const IdSet>, Space, Memory, double>;

std::map<SearchGroup, std::vector<std::size_t>> groups_of(const Batch& batch) {
  std::map<SearchGroup, std::vector<std::size_t>> groups;
  std::size_t row = 0;
  for (const QueryPart& part : batch.parts) {
    const QueryWork& work = part.query->work;
    std::vector<std::size_t>* rows =
        work.k == 0 ? nullptr
                    : &groups[{std::bit_ceil(std::max(8u, static_cast<unsigned>(work.k))),
                               work.search.probes, work.search.ef, work.search.only, work.space,
                               work.memory, work.tail}];
    for (std::size_t i = 0; i < part.count; ++i, ++row)
      if (rows != nullptr) rows->push_back(row);
  }
  return groups;
}

void search(const Batch& batch, Computed& computed) {
  computed.rankings.resize(batch.rows);
  computed.documents.resize(batch.rows);
  for (const auto& [group, rows] : groups_of(batch)) {
    const auto& [k, probes, ef, only, space, memory, tail] = group;
    const AnswerOptions options{
        .search = {.probes = probes, .ef = ef, .only = only}, .memory = memory, .tail = tail};
    EmbeddingMatrix some(rows.size(), computed.vectors.dim());
    std::vector<std::string> texts(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::span<const float> from = std::as_const(computed.vectors).row(rows[i]);
      std::copy(from.begin(), from.end(), some.row(i).begin());
      texts[i] = std::move(computed.texts[rows[i]]);
    }
    const auto most = static_cast<int>(k);
    const auto put = [&group_rows = rows](auto& all, auto&& found) {
      for (std::size_t i = 0; i < found.size(); ++i) all[group_rows[i]] = std::move(found[i]);
    };
    if (space == Space::kDocuments)
      put(computed.documents, batch.engine->nearest_documents(some, most, options.search));
    else
      put(computed.rankings, batch.engine->answer(some, texts, most, options));
  }
}

Computed compute(const Batch& batch) {
  Computed computed;
  computed.taken = Clock::now();
  try {
    computed.texts = texts_of(batch);
    computed.vectors = vectors_of(batch, computed.texts);
    const Clock::time_point encoded = Clock::now();
    computed.encoding = encoded - computed.taken;
    search(batch, computed);
    computed.searching = Clock::now() - encoded;
  } catch (...) {
    computed.error = std::current_exception();
  }
  return computed;
}

void keep_rows(const QueryPart& part, std::size_t row, Computed& computed) {
  QueryAnswer& answer = part.query->answer;
  const std::size_t rows = part.query->work.rows();
  if (part.query->work.k == 0) {
    if (answer.vectors.rows() == 0) answer.vectors = {rows, computed.vectors.dim()};
    for (std::size_t i = 0; i < part.count; ++i) {
      const std::span<const float> from = std::as_const(computed.vectors).row(row + i);
      std::copy(from.begin(), from.end(), answer.vectors.row(part.first + i).begin());
    }
    return;
  }
  const auto keep = [&](auto& kept, auto& found) {
    kept.resize(rows);
    for (std::size_t i = 0; i < part.count; ++i) {
      auto& ranking = found[row + i];
      if (ranking.size() > static_cast<std::size_t>(part.query->work.k))
        ranking.resize(static_cast<std::size_t>(part.query->work.k));
      kept[part.first + i] = std::move(ranking);
    }
  };
  if (part.query->work.space == Space::kDocuments)
    keep(answer.documents, computed.documents);
  else
    keep(answer.rankings, computed.rankings);
}

// Hands each request its rows, and the answer where they were the last ones.
void deliver(const Batch& batch, Computed computed) {
  std::size_t row = 0;
  for (const QueryPart& part : batch.parts) {
    PendingQuery& query = *part.query;
    bool is_last = false;
    {
      const std::lock_guard lock(query.mutex);
      QueryAnswer& answer = query.answer;
      if (computed.error) answer.error = computed.error;
      if (!answer.error) keep_rows(part, row, computed);
      answer.engine = batch.engine;
      answer.waited =
          std::max<std::chrono::nanoseconds>(answer.waited, computed.taken - query.arrival);
      answer.encoding = std::max(answer.encoding, computed.encoding);
      answer.searching = std::max(answer.searching, computed.searching);
      is_last = --query.parts_left == 0;
    }
    row += part.count;
    if (!is_last) continue;
    finish(query, query.answer.error ? QueryEnd::kFailed : query.answer.end);
  }
}

void count(const Batch& batch, ServerMetrics& metrics) {
  const Clock::time_point now = Clock::now();
  metrics.count_batch(batch.rows);
  for (const QueryPart& part : batch.parts)
    if (part.first == 0) metrics.count_stage(Stage::kWait, now - part.query->arrival);
}

void count(const Computed& computed, ServerMetrics& metrics) {
  if (computed.error) return;
  metrics.count_stage(Stage::kEncode, computed.encoding);
  metrics.count_stage(Stage::kSearch, computed.searching);
}

// A batch that fails is tried again part by part, so that only the one to blame fails.
void answer(const Batch& batch, ServerMetrics* metrics) {
  Computed computed = compute(batch);
  if (metrics != nullptr) count(computed, *metrics);
  if (!computed.error || batch.parts.size() == 1) return deliver(batch, std::move(computed));
  for (const QueryPart& part : batch.parts) {
    Batch alone{.engine = batch.engine, .parts = {part}, .expired = {}, .rows = part.count};
    deliver(alone, compute(alone));
  }
}

}  // namespace

struct QueryBatcher::Impl {
  Impl(const BatcherOptions& chosen, EngineSource engines)
      : options(chosen), source(std::move(engines)) {}

  // constant after construction
  const BatcherOptions options;
  const EngineSource source;
  mutable std::mutex mutex;  // guards what follows, to `batches`
  std::condition_variable_any changed;
  QueryQueue queue;
  bool stopping = false;
  std::uint64_t batches = 0, texts = 0, refused = 0, expired = 0;
  std::atomic<std::size_t> waiting = 0;  // the queue's size, for those that only look
  // last, so that they stop and join before anything they use is destroyed
  std::vector<std::jthread> workers;

  void work(const std::stop_token& stop);
  Batch take(const std::stop_token& stop, std::size_t wanted);
  bool takes_part(Batch& batch);
};

// Takes the part whose turn it is into the batch; false where it belongs into another one.
bool QueryBatcher::Impl::takes_part(Batch& batch) {
  const std::shared_ptr<PendingQuery> query = queue.front().query;
  if (!query->engine && query->work.deadline < Clock::now()) {
    queue.drop_front();
    batch.expired.push_back(query);
    return true;
  }
  const std::size_t bytes = bytes_of(queue.front());
  const std::size_t rows = queue.front().count;
  if (!batch.parts.empty() && (batch.rows + rows > static_cast<std::size_t>(options.batch) ||
                               batch.bytes + bytes > static_cast<std::size_t>(options.batch_bytes)))
    return false;
  if (!batch.engine) batch.engine = query->engine ? query->engine : source();
  if (query->engine && query->engine != batch.engine) return false;
  query->engine = batch.engine;
  batch.rows += rows;
  batch.bytes += bytes;
  batch.parts.push_back(queue.pop());
  return true;
}

// The next batch; empty where a stop is asked for. `wanted` rows are worth a moment's wait.
Batch QueryBatcher::Impl::take(const std::stop_token& stop, std::size_t wanted) {
  Batch batch;
  std::unique_lock lock(mutex);
  if (!changed.wait(lock, stop, [&] { return !queue.empty(); })) return batch;
  if (queue.rows() < wanted)
    changed.wait_for(lock, stop, options.window, [&] { return queue.rows() >= wanted; });
  while (!queue.empty() && takes_part(batch)) {
  }
  waiting = queue.rows();
  if (!batch.parts.empty()) ++batches;
  texts += batch.rows;
  expired += batch.expired.size();
  return batch;
}

void QueryBatcher::Impl::work(const std::stop_token& stop) {
  if (options.thread_start) options.thread_start();
  std::size_t former = 0;
  while (!stop.stop_requested()) {
    // A batch that found company tells of load: the next one may wait for as many.
    Batch batch = take(stop, former > 1 ? former : 0);
    for (const auto& query : batch.expired) finish(*query, QueryEnd::kExpired);
    former = batch.rows;
    if (batch.parts.empty()) continue;
    if (options.metrics != nullptr) count(batch, *options.metrics);
    answer(batch, options.metrics);
  }
}

QueryBatcher::QueryBatcher(const BatcherOptions& options, EngineSource source)
    : impl_(std::make_unique<Impl>(options, std::move(source))) {
  for (int i = 0; i < std::max(1, options.workers); ++i)
    impl_->workers.emplace_back([this](const std::stop_token& stop) { impl_->work(stop); });
}

QueryBatcher::~QueryBatcher() { stop(); }

Admission QueryBatcher::submit(QueryWork work, QueryCompletion done) {
  const auto query = std::make_shared<PendingQuery>();
  query->work = std::move(work);
  query->done = std::move(done);
  query->arrival = Clock::now();
  const std::size_t rows = query->work.rows();
  if (rows == 0) {
    query->engine = impl_->source();
    query->answer.engine = query->engine;
    finish(*query, QueryEnd::kDone);
    return Admission::kTaken;
  }
  std::vector<std::shared_ptr<PendingQuery>> crowded;
  Admission admission = Admission::kTaken;
  {
    const std::lock_guard lock(impl_->mutex);
    const auto room = static_cast<std::size_t>(impl_->options.queue);
    // A request larger than the whole queue is taken while nothing waits.
    while (!impl_->queue.empty() && impl_->queue.rows() + rows > room) {
      auto other = impl_->queue.give_way(query->work.client, rows);
      if (!other) break;
      crowded.push_back(std::move(other));
    }
    if (impl_->stopping)
      admission = Admission::kStopping;
    else if (!impl_->queue.empty() && impl_->queue.rows() + rows > room)
      admission = Admission::kFull;
    else
      impl_->queue.push(query, kPart);
    impl_->refused += crowded.size() + (admission == Admission::kFull ? 1 : 0);
    impl_->waiting = impl_->queue.rows();
  }
  if (admission == Admission::kTaken) impl_->changed.notify_one();
  for (const auto& other : crowded) finish(*other, QueryEnd::kCrowded);
  return admission;
}

bool QueryBatcher::refuses(const std::string& client) {
  const auto room = static_cast<std::size_t>(impl_->options.queue);
  if (impl_->waiting < room) return false;
  const std::lock_guard lock(impl_->mutex);
  if (impl_->queue.rows() < room || impl_->queue.would_give_way(client, 1)) return false;
  ++impl_->refused;
  return true;
}

BatcherFigures QueryBatcher::figures() const {
  const std::lock_guard lock(impl_->mutex);
  return {.batches = impl_->batches,
          .texts = impl_->texts,
          .refused = impl_->refused,
          .expired = impl_->expired,
          .waiting = impl_->queue.rows()};
}

void QueryBatcher::stop() {
  std::vector<std::shared_ptr<PendingQuery>> left;
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopping = true;
    while (!impl_->queue.empty()) {
      const QueryPart part = impl_->queue.pop();
      // A request that was begun is ended by whoever takes its last part.
      const std::lock_guard answer_lock(part.query->mutex);
      if (--part.query->parts_left == 0) left.push_back(part.query);
      part.query->answer.end = QueryEnd::kStopping;
    }
    impl_->waiting = 0;
  }
  for (auto& worker : impl_->workers) worker.request_stop();
  for (const auto& query : left) finish(*query, QueryEnd::kStopping);
  impl_->workers.clear();
}

}  // namespace dexter
