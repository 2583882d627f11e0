#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

namespace dexter {

// A key of what is scored: texts in their order, behind the `identity` of who scores and how.
std::uint64_t score_key(std::uint64_t identity, std::initializer_list<std::string_view> texts);

// Scores that were paid for, by a key of 64 bits, in a file that only grows: a line each, with a
// checksum. What a kill cut short, or what is damaged, is not there and is asked again. One
// process, one caller.
class ScoreLog {
 public:
  // Reads what is there; an absent file is an empty log.
  explicit ScoreLog(std::filesystem::path file);

  std::optional<double> find(std::uint64_t key) const;
  void add(std::uint64_t key, double score);
  // Puts what was added on disk. kIo with the system's reason.
  void flush();
  std::size_t size() const { return scores_.size(); }

 private:
  std::filesystem::path file_;
  std::unordered_map<std::uint64_t, double> scores_;
  std::string waiting_;  // lines not yet written
};

}  // namespace dexter
