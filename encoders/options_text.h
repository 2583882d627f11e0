#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "encoders/trainer.h"

namespace dexter {

struct Teacher;

// Options as "key=value" lines inside an encoder file. Both are visitors of an options struct.
class OptionsWriter {
 public:
  void operator()(std::string_view key, const std::string& value, std::string_view description);
  void operator()(std::string_view key, const char* value, std::string_view description);
  void operator()(std::string_view key, bool value, std::string_view description);
  void operator()(std::string_view key, int value, std::string_view description);
  void operator()(std::string_view key, std::uint64_t value, std::string_view description);
  void operator()(std::string_view key, double value, std::string_view description);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// A field whose key the text lacks keeps its value: the option is younger than the file. kCorrupt
// for a line without '=', for `value` of a missing key, and for a value of another type.
class OptionsReader {
 public:
  explicit OptionsReader(std::string_view text);
  const std::string& value(std::string_view key) const;
  void operator()(std::string_view key, std::string& out, std::string_view description) const;
  void operator()(std::string_view key, bool& out, std::string_view description) const;
  void operator()(std::string_view key, int& out, std::string_view description) const;
  void operator()(std::string_view key, double& out, std::string_view description) const;

 private:
  bool has(std::string_view key) const { return values_.find(key) != values_.end(); }

  std::map<std::string, std::string, std::less<>> values_;
};

// What a checkpoint tells of the teacher of its run.
void add_teacher(const Teacher& teacher, OptionsWriter& fields);

// EncoderOptions and a text kind.
std::string options_text(const EncoderOptions& options, TextKind text_kind);
// kCorrupt for anything unreadable or out of its range.
void read_options_text(std::string_view text, EncoderOptions& options, TextKind& text_kind);

}  // namespace dexter
