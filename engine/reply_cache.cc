// Least recently used replies give way.
#include "engine/reply_cache.h"

#include <algorithm>
#include <iterator>

namespace dexter {
namespace {

// Of an entry beside its two texts: nodes of the list and the map, weak pointers, allocator's rest.
constexpr std::size_t kEntryBytes = 256;
// Of the capacity, what one entry may take: a request of a thousand texts would drive out all else.
constexpr std::size_t kLargestPart = 64;

// Whether both are of one owner; unlike an address, it is never used again while an entry lives.
bool is_same(const std::weak_ptr<const void>& kept, const std::shared_ptr<const void>& now) {
  return !kept.owner_before(now) && !now.owner_before(kept);
}

}  // namespace

ReplyCache::ReplyCache(std::size_t capacity) : capacity_(capacity) {}

std::size_t ReplyCache::bytes_of(const Entry& entry) {
  return entry.request.size() + entry.reply.size() + kEntryBytes;
}

void ReplyCache::drop(Place place) {
  bytes_ -= bytes_of(*place);
  by_request_.erase(place->request);
  entries_.erase(place);
}

std::optional<std::string> ReplyCache::find(std::string_view request, const Basis& basis) {
  if (capacity_ == 0) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto found = by_request_.find(request);
  if (found == by_request_.end()) {
    ++misses_;
    return std::nullopt;
  }
  const Place place = found->second;
  if (!is_same(place->basis[0], basis[0]) || !is_same(place->basis[1], basis[1])) {
    drop(place);
    ++misses_;
    return std::nullopt;
  }
  entries_.splice(entries_.begin(), entries_, place);
  ++hits_;
  return place->reply;
}

void ReplyCache::keep(std::string_view request, const Basis& basis, std::string_view reply) {
  Entry entry{
      .request = std::string(request), .reply = std::string(reply), .basis = {basis[0], basis[1]}};
  const std::size_t bytes = bytes_of(entry);
  if (bytes > capacity_ / kLargestPart) return;
  const std::lock_guard lock(mutex_);
  if (const auto former = by_request_.find(request); former != by_request_.end())
    drop(former->second);
  while (!entries_.empty() && bytes_ + bytes > capacity_) drop(std::prev(entries_.end()));
  entries_.push_front(std::move(entry));
  by_request_.emplace(entries_.front().request, entries_.begin());
  bytes_ += bytes;
}

CacheFigures ReplyCache::figures() const {
  const std::lock_guard lock(mutex_);
  return {.hits = hits_, .misses = misses_, .replies = entries_.size(), .bytes = bytes_};
}

}  // namespace dexter
