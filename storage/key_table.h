#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/checksum.h"

namespace dexter {

// Inner header of CorpusWriter: sets of millions of keys in a few bytes each. Open addressing, at
// most two thirds full.

// 64-bit hashes; 0 is a hash like any other.
class HashSet {
 public:
  // False where it was there already.
  bool insert(std::uint64_t hash) {
    hash |= hash ==
            0;  // 0 marks a free slot; that 0 and 1 count as equal costs one look into the store
    if (3 * (size_ + 1) > 2 * slots_.size()) grow();
    if (!place(hash)) return false;
    ++size_;
    return true;
  }

 private:
  bool place(std::uint64_t hash) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = hash & mask;
    for (; slots_[at] != 0; at = (at + 1) & mask)
      if (slots_[at] == hash) return false;
    slots_[at] = hash;
    return true;
  }

  void grow() {
    std::vector<std::uint64_t> former(slots_.empty() ? 1024 : 2 * slots_.size());
    former.swap(slots_);
    for (const std::uint64_t hash : former)
      if (hash != 0) place(hash);
  }

  std::vector<std::uint64_t> slots_;
  std::size_t size_ = 0;
};

// Texts numbered in order of arrival.
class KeyTable {
 public:
  std::uint32_t size() const { return static_cast<std::uint32_t>(ends_.size()); }

  std::optional<std::uint32_t> find(std::string_view key) const {
    if (slots_.empty()) return std::nullopt;
    const std::uint32_t number = slots_[slot_of(key)];
    if (number == kFree) return std::nullopt;
    return number;
  }

  // The key must not be there yet.
  std::uint32_t add(std::string_view key) {
    if (3 * (ends_.size() + 1) > 2 * slots_.size()) grow();
    const std::uint32_t number = size();
    slots_[slot_of(key)] = number;
    bytes_.append(key);
    ends_.push_back(bytes_.size());
    return number;
  }

 private:
  static constexpr std::uint32_t kFree = 0xffffffffu;

  std::string_view key(std::uint32_t number) const {
    const std::size_t begin = number == 0 ? 0 : ends_[number - 1];
    return std::string_view(bytes_).substr(begin, ends_[number] - begin);
  }

  // Where `key` is or would be put.
  std::size_t slot_of(std::string_view wanted) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = checksum64(wanted) & mask;
    while (slots_[at] != kFree && key(slots_[at]) != wanted) at = (at + 1) & mask;
    return at;
  }

  void grow() {
    slots_.assign(slots_.empty() ? 1024 : 2 * slots_.size(), kFree);
    for (std::uint32_t number = 0; number < size(); ++number) slots_[slot_of(key(number))] = number;
  }

  std::string bytes_;
  std::vector<std::uint64_t> ends_;
  std::vector<std::uint32_t> slots_;
};

}  // namespace dexter
