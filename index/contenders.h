#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "index/row_scan.h"

namespace dexter {

// The second half of an exact search in two looks: the first look gives every score an interval it
// surely lies in, and what these intervals leave open is scored in float32.

// A query in bytes, and its share of every interval:
//   |q.x - scale (sum - offset) scale_i| <= norm error_i + error norm_i + rounding.
struct ByteQuery {
  float scale = 0;
  float norm = 0;           // |q|, rounded up
  float error = 0;          // of its bytes
  float rounding = 0;       // of the float32 sums on either side
  std::int32_t offset = 0;  // what the rows' 128 add
};

// Fills `codes`, from -limit to limit, zero beyond the vector. No row is longer than
// `largest_norm`.
ByteQuery byte_query(std::span<const float> vector, float largest_norm, int limit,
                     std::span<std::int8_t> codes);

struct Interval {
  float lower = 0;
  float upper = 0;
  std::uint32_t row = 0;
};

// What a search wants of the rows it may answer with: the k best of those scored `at_least` or
// more.
struct Wanted {
  std::size_t k = 1;
  float at_least = -std::numeric_limits<float>::infinity();
};

// The rows of one thread that may still be among a query's answers.
class Contenders {
 public:
  explicit Contenders(const Wanted& wanted)
      : k_(wanted.k), limit_(2 * wanted.k + 64), floor_(wanted.at_least) {}

  float floor() const { return floor_; }  // an upper end below it is out
  void offer(const Interval& interval) {
    if (!(interval.upper >= floor_)) return;  // NaN stands for no row
    intervals_.push_back(interval);
    if (intervals_.size() >= limit_) prune();
  }
  const std::vector<Interval>& intervals() const { return intervals_; }

 private:
  void prune();

  std::size_t k_;
  std::size_t limit_;
  std::vector<Interval> intervals_;
  float floor_;
};

// Vectors [places x dim] and the number that answers call each by; empty `slots`: the place.
struct NumberedRows {
  RowSource vectors;
  std::span<const std::uint32_t> slots = {};
};

// The answers among what some searches of one query left, in order; fewer than k only where there
// are no more.
std::vector<Hit> settled(std::span<const float> query, std::span<const Contenders* const> searches,
                         const Wanted& wanted, const NumberedRows& rows);

}  // namespace dexter
