#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "engine/query_batcher.h"

namespace dexter {

// One request while its parts wait and are answered.
struct PendingQuery {
  // constant after construction
  QueryWork work;
  QueryCompletion done;
  std::chrono::steady_clock::time_point arrival;
  // guarded by the queue's owner
  std::shared_ptr<const RetrievalEngine> engine;  // set when the first part is taken
  std::size_t parts_left = 0;
  QueryAnswer answer;
  // guarded by mutex: parts of one request may be answered by several workers
  std::mutex mutex;
};

// Rows [first, first + count) of a request.
struct QueryPart {
  std::shared_ptr<PendingQuery> query;
  std::size_t first = 0;
  std::size_t count = 0;
};

// What waits, by client, in turns. No threads of its own: its owner guards it.
class QueryQueue {
 public:
  // Cuts a request into parts of at most `part` rows and appends them to its client's.
  void push(const std::shared_ptr<PendingQuery>& query, std::size_t part);
  // The part whose turn it is; the queue is not empty. `pop` takes it and gives the next client its
  // turn.
  const QueryPart& front() const;
  QueryPart pop();
  // Drops every part of the front's request, of which none was taken yet.
  void drop_front();
  // Whether `give_way` would find a request.
  bool would_give_way(const std::string& client, std::size_t rows) const;
  // Takes out every waiting part of the newest request of the client with most rows waiting, if
  // that is another than `client` and has more than `client` would have with `rows` more. None of
  // the request's rows have been taken yet. Null where there is none.
  std::shared_ptr<PendingQuery> give_way(const std::string& client, std::size_t rows);
  bool empty() const { return turns_.empty(); }
  std::size_t rows() const { return rows_; }

 private:
  struct Client {
    std::string name;
    std::deque<QueryPart> parts;
    std::size_t rows = 0;
  };
  using Turn = std::list<Client>::iterator;

  std::list<Client>::const_iterator who_gives_way(const std::string& client,
                                                  std::size_t rows) const;
  void forget_if_empty(Turn turn);

  std::list<Client> turns_;  // clients with parts; the first one's turn it is
  std::unordered_map<std::string, Turn> by_name_;
  std::size_t rows_ = 0;
};

}  // namespace dexter
