#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace dexter {

struct CacheFigures {
  std::uint64_t hits = 0, misses = 0;
  std::size_t replies = 0, bytes = 0;  // now
};

// Replies by the very bytes of their requests, the most recently used of them, each for as long as
// what it was made from is what answers: an engine and the options of its time. A change of either
// makes every reply before it unfindable at once. Safe from many threads.
class ReplyCache {
 public:
  // What a reply is made from. Kept replies do not keep it alive.
  using Basis = std::array<std::shared_ptr<const void>, 2>;

  // Holds about `capacity` bytes at most; 0: nothing.
  explicit ReplyCache(std::size_t capacity);

  std::optional<std::string> find(std::string_view request, const Basis& basis);
  // A reply that is large beside the capacity is not kept.
  void keep(std::string_view request, const Basis& basis, std::string_view reply);
  CacheFigures figures() const;

 private:
  struct Entry {
    std::string request, reply;
    std::array<std::weak_ptr<const void>, 2> basis;
  };
  using Place = std::list<Entry>::iterator;

  static std::size_t bytes_of(const Entry& entry);
  void drop(Place place);

  const std::size_t capacity_;
  mutable std::mutex mutex_;                                // guards those below
  std::list<Entry> entries_;                                // most recently used first
  std::unordered_map<std::string_view, Place> by_request_;  // views into the entries
  std::size_t bytes_ = 0;
  std::uint64_t hits_ = 0, misses_ = 0;
};

}  // namespace dexter
