#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/retrieval_engine.h"

namespace dexter {

class ServerMetrics;

struct BatcherOptions {
  int workers = 1;
  int queue = 1024;         // texts that may wait
  int batch = 128;          // texts of a batch
  int batch_bytes = 65536;  // bytes of its texts
  std::chrono::microseconds window{300};
  std::function<void()> thread_start = {};  // runs first in each worker; may be empty
  ServerMetrics* metrics = nullptr;         // counts batches and their stages; null: nothing does
};

// Texts or vectors to rank, or texts to encode.
struct QueryWork {
  std::string client;  // whose turn it is; clients take turns
  std::vector<std::string> texts;
  EmbeddingMatrix vectors;  // [n x dim]; read where `texts` is empty
  int k = 5;                // 0: encode only
  SearchOptions search;
  Space space = Space::kLabels;
  Memory memory = Memory::kAuto;  // as AnswerOptions
  double tail = 0;
  std::chrono::steady_clock::time_point deadline;

  std::size_t rows() const { return texts.empty() ? vectors.rows() : texts.size(); }
};

enum class QueryEnd {
  kDone,
  kExpired,   // its deadline passed while it waited
  kCrowded,   // it gave way to clients that had less waiting
  kStopping,  // the batcher stops
  kFailed,    // `error` says why
};

struct QueryAnswer {
  QueryEnd end = QueryEnd::kDone;
  std::exception_ptr error;
  // All rows are answered by this one engine.
  std::shared_ptr<const RetrievalEngine> engine;
  std::vector<LabelRanking> rankings;      // [n] where labels are asked for; empty for k = 0
  std::vector<DocumentRanking> documents;  // [n] where documents are
  EmbeddingMatrix vectors;                 // [n x dim] for k = 0
  // Of its slowest part.
  std::chrono::nanoseconds waited{}, encoding{}, searching{};
};

// Called once, on a worker thread or in the caller of `submit`; must not block.
using QueryCompletion = std::function<void(QueryAnswer&&)>;

enum class Admission { kTaken, kFull, kStopping };

struct BatcherFigures {
  std::uint64_t batches = 0, texts = 0, refused = 0, expired = 0;
  std::size_t waiting = 0;  // texts, now
};

// Encodes and searches what many callers ask for in batches: a bounded queue in which clients take
// turns, and the only threads that call the encoder and the index while serving. A batch takes what
// waits; under load it waits a moment for more. Requests of many texts are answered in parts, so
// that a small one beside them is not held up, but from one engine. Safe from many threads.
class QueryBatcher {
 public:
  using EngineSource = std::function<std::shared_ptr<const RetrievalEngine>()>;

  // `source` gives the engine of the moment; it is called between batches and must be quick.
  QueryBatcher(const BatcherOptions& options, EngineSource source);
  ~QueryBatcher();  // as stop
  QueryBatcher(const QueryBatcher&) = delete;
  QueryBatcher& operator=(const QueryBatcher&) = delete;

  // kTaken: `done` will be called; else it is dropped. Full means that neither is there room nor
  // does another client have more waiting.
  Admission submit(QueryWork work, QueryCompletion done);
  // A quick look before a request is even parsed: whether one text of this client finds no room. It
  // counts as refused then.
  bool refuses(const std::string& client);
  BatcherFigures figures() const;
  // Answers what waits with kStopping and joins the workers.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
