// An append-only file of scores.
#include "engine/score_log.h"

#include <charconv>
#include <span>
#include <string_view>
#include <utility>

#include <spdlog/fmt/fmt.h>

#include "storage/checksum.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

// "key score checksum", the checksum of what stands before it.
std::string line_of(std::uint64_t key, double score) {
  const std::string text = fmt::format("{:016x} {:.17g}", key, score);
  return fmt::format("{} {:016x}\n", text, checksum64(text));
}

template <class T, class... Base>
bool read(std::string_view text, T& value, Base... base) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base...);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<std::pair<std::uint64_t, double>> parse(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = line.rfind(' ');
  if (first == std::string_view::npos || first == second) return std::nullopt;
  std::uint64_t key = 0, checksum = 0;
  double score = 0;
  const bool good = read(line.substr(0, first), key, 16) &&
                    read(line.substr(first + 1, second - first - 1), score) &&
                    read(line.substr(second + 1), checksum, 16) &&
                    checksum == checksum64(line.substr(0, second));
  return good ? std::optional(std::pair(key, score)) : std::nullopt;
}

}  // namespace

std::uint64_t score_key(std::uint64_t identity, std::initializer_list<std::string_view> texts) {
  for (const std::string_view text : texts) identity = checksum64(text, identity + text.size());
  return identity;
}

ScoreLog::ScoreLog(std::filesystem::path file) : file_(std::move(file)) {
  if (!std::filesystem::exists(file_)) return;
  const std::string bytes = read_file(file_);
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n');
    if (const auto entry = parse(rest.substr(0, end)))
      scores_.insert_or_assign(entry->first, entry->second);
    if (end == std::string_view::npos) {
      waiting_.push_back('\n');  // ends the line that was cut short
      break;
    }
    rest.remove_prefix(end + 1);
  }
}

std::optional<double> ScoreLog::find(std::uint64_t key) const {
  const auto found = scores_.find(key);
  return found == scores_.end() ? std::nullopt : std::optional(found->second);
}

void ScoreLog::add(std::uint64_t key, double score) {
  scores_.insert_or_assign(key, score);
  waiting_ += line_of(key, score);
}

void ScoreLog::flush() {
  if (waiting_.empty()) return;
  File file = File::open_for_appending(file_);
  file.write(std::as_bytes(std::span(waiting_)));
  file.sync();
  file.close();
  waiting_.clear();
}

}  // namespace dexter
