#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "storage/line_reader.h"

namespace dexter {

// One line of a file as a JSON object, for the formats made of such lines. Members are asked for by
// name; a member of another type than asked for is a failure of the line, an unknown member is not.
// `lines` must outlive it and stand at the line that was parsed. Every failure is LineReader::fail.
class JsonRow {
 public:
  explicit JsonRow(const LineReader& lines);
  ~JsonRow();

  void parse(std::string_view line);
  bool has(std::string_view member) const;  // present and not null
  // A string, without NUL; empty where absent. Valid until the next `parse`.
  std::string_view text(std::string_view member) const;
  // A non-empty string, or an integer in decimal; empty where absent.
  std::string key(std::string_view member) const;
  // A finite number; fails where absent.
  double number(std::string_view member) const;
  // A list of keys, as above; fails where absent.
  void keys(std::string_view member, std::vector<std::string>& out) const;
  // A list of integers in [0, 2^32); fails where absent.
  void rows(std::string_view member, std::vector<std::uint32_t>& out) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
