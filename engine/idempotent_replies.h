#pragma once

#include <cstddef>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>

#include "engine/http_message.h"

namespace dexter {

// What changes with an Idempotency-Key were answered, so that one that is sent again is not made
// again. Kept in memory, the newest `capacity` of them. Safe from many threads.
class IdempotentReplies {
 public:
  explicit IdempotentReplies(std::size_t capacity);

  // Nullopt: the request is new; call `end` with its reply. Else the reply to give: the former one
  // with Idempotency-Replayed; 409 where that one is not there yet; 422 where the key came with
  // another request.
  std::optional<HttpReply> begin(const std::string& key, const HttpRequest& request);
  // A reply that asks to try again, or tells of our own failure, is not kept.
  void end(const std::string& key, const HttpReply& reply);

 private:
  struct Entry {
    std::string key;
    std::size_t request = 0;  // a hash of it
    std::optional<HttpReply> reply;
  };
  using Place = std::list<Entry>::iterator;

  const std::size_t capacity_;
  std::mutex mutex_;          // guards those below
  std::list<Entry> entries_;  // newest first
  std::unordered_map<std::string, Place> by_key_;
};

}  // namespace dexter
