// Clients take turns, a part at a time.
#include "engine/query_queue.h"

#include <algorithm>
#include <cassert>
#include <iterator>

namespace dexter {

void QueryQueue::push(const std::shared_ptr<PendingQuery>& query, std::size_t part) {
  const std::string& name = query->work.client;
  auto found = by_name_.find(name);
  if (found == by_name_.end()) {
    turns_.push_back({.name = name, .parts = {}, .rows = 0});
    found = by_name_.emplace(name, std::prev(turns_.end())).first;
  }
  Client& client = *found->second;
  const std::size_t rows = query->work.rows();
  for (std::size_t first = 0; first < rows; first += part) {
    client.parts.push_back({query, first, std::min(part, rows - first)});
    ++query->parts_left;
  }
  client.rows += rows;
  rows_ += rows;
}

const QueryPart& QueryQueue::front() const {
  assert(!empty());
  return turns_.front().parts.front();
}

QueryPart QueryQueue::pop() {
  assert(!empty());
  Client& client = turns_.front();
  QueryPart part = std::move(client.parts.front());
  client.parts.pop_front();
  client.rows -= part.count;
  rows_ -= part.count;
  turns_.splice(turns_.end(), turns_, turns_.begin());
  forget_if_empty(std::prev(turns_.end()));
  return part;
}

void QueryQueue::drop_front() {
  assert(!empty());
  Client& client = turns_.front();
  const std::shared_ptr<PendingQuery> query = client.parts.front().query;
  while (!client.parts.empty() && client.parts.front().query == query) {
    client.rows -= client.parts.front().count;
    rows_ -= client.parts.front().count;
    client.parts.pop_front();
  }
  forget_if_empty(turns_.begin());
}

void QueryQueue::forget_if_empty(Turn turn) {
  if (!turn->parts.empty()) return;
  by_name_.erase(turn->name);
  turns_.erase(turn);
}

// The client with most rows waiting, if it may be asked to; else the end.
std::list<QueryQueue::Client>::const_iterator QueryQueue::who_gives_way(const std::string& client,
                                                                        std::size_t rows) const {
  const auto busiest =
      std::max_element(turns_.begin(), turns_.end(),
                       [](const Client& a, const Client& b) { return a.rows < b.rows; });
  if (busiest == turns_.end() || busiest->name == client) return turns_.end();
  const auto own = by_name_.find(client);
  const std::size_t own_rows = own == by_name_.end() ? 0 : own->second->rows;
  // One that was begun is worth finishing.
  const bool may = busiest->rows > own_rows + rows && !busiest->parts.back().query->engine;
  return may ? busiest : turns_.end();
}

bool QueryQueue::would_give_way(const std::string& client, std::size_t rows) const {
  return who_gives_way(client, rows) != turns_.end();
}

std::shared_ptr<PendingQuery> QueryQueue::give_way(const std::string& client, std::size_t rows) {
  const auto found = who_gives_way(client, rows);
  if (found == turns_.end()) return nullptr;
  const Turn busiest = turns_.erase(found, found);  // the same, to change
  const std::shared_ptr<PendingQuery> newest = busiest->parts.back().query;
  while (!busiest->parts.empty() && busiest->parts.back().query == newest) {
    busiest->rows -= busiest->parts.back().count;
    rows_ -= busiest->parts.back().count;
    busiest->parts.pop_back();
  }
  forget_if_empty(busiest);
  return newest;
}

}  // namespace dexter
