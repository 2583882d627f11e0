// Replies by Idempotency-Key.
#include "engine/idempotent_replies.h"

#include <algorithm>
#include <functional>

namespace dexter {
namespace {

std::size_t hash_of(const HttpRequest& request) {
  return std::hash<std::string>()(request.method + ' ' + request.target + '\n' + request.body);
}

}  // namespace

IdempotentReplies::IdempotentReplies(std::size_t capacity)
    : capacity_(std::max<std::size_t>(1, capacity)) {}

std::optional<HttpReply> IdempotentReplies::begin(const std::string& key,
                                                  const HttpRequest& request) {
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    const Entry& entry = *found->second;
    if (entry.request != hash_of(request))
      return problem(422, "the Idempotency-Key came with another request before; make a new one");
    if (!entry.reply) {
      HttpReply reply = problem(409, "the request of this Idempotency-Key is still being done");
      reply.headers.emplace_back("Retry-After", "1");
      return reply;
    }
    HttpReply reply = *entry.reply;
    reply.headers.emplace_back("Idempotency-Replayed", "true");
    return reply;
  }
  entries_.push_front({key, hash_of(request), std::nullopt});
  by_key_[key] = entries_.begin();
  if (entries_.size() > capacity_) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  return std::nullopt;
}

void IdempotentReplies::end(const std::string& key, const HttpReply& reply) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  const bool kept = reply.status < 500 && reply.status != 429;
  if (kept) {
    found->second->reply = reply;
    return;
  }
  entries_.erase(found->second);
  by_key_.erase(found);
}

}  // namespace dexter
