// Encoder options inside an encoder file.
#include "encoders/options_text.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>

#include "encoders/teacher.h"

namespace dexter {
namespace {

template <class T>
T number(std::string_view key, const std::string& text) {
  T out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  ensure(error == std::errc() && end == text.data() + text.size(), ErrorKind::kCorrupt,
         fmt::format("reading an encoder's options: {} is \"{}\", not a number; train again", key,
                     text));
  return out;
}

}  // namespace

void OptionsWriter::operator()(std::string_view key, const std::string& value, std::string_view) {
  text_ += fmt::format("{}={}\n", key, value);
}
void OptionsWriter::operator()(std::string_view key, const char* value, std::string_view) {
  text_ += fmt::format("{}={}\n", key, value);
}
void OptionsWriter::operator()(std::string_view key, bool value, std::string_view) {
  text_ += fmt::format("{}={}\n", key, value);
}
void OptionsWriter::operator()(std::string_view key, int value, std::string_view) {
  text_ += fmt::format("{}={}\n", key, value);
}
void OptionsWriter::operator()(std::string_view key, std::uint64_t value, std::string_view) {
  text_ += fmt::format("{}={}\n", key, value);
}
void OptionsWriter::operator()(std::string_view key, double value, std::string_view) {
  text_ += fmt::format("{}={}\n", key, value);
}

OptionsReader::OptionsReader(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    const std::size_t equals = line.find('=');
    ensure(equals != std::string_view::npos, ErrorKind::kCorrupt,
           "reading an encoder's options: a line without '='; train again");
    values_.emplace(line.substr(0, equals), line.substr(equals + 1));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

const std::string& OptionsReader::value(std::string_view key) const {
  const auto found = values_.find(key);
  ensure(found != values_.end(), ErrorKind::kCorrupt,
         fmt::format("reading an encoder's options: {} is missing; train again", key));
  return found->second;
}

void OptionsReader::operator()(std::string_view key, std::string& out, std::string_view) const {
  if (has(key)) out = value(key);
}
void OptionsReader::operator()(std::string_view key, bool& out, std::string_view) const {
  if (has(key)) out = value(key) == "true";
}
void OptionsReader::operator()(std::string_view key, int& out, std::string_view) const {
  if (has(key)) out = number<int>(key, value(key));
}
void OptionsReader::operator()(std::string_view key, double& out, std::string_view) const {
  if (has(key)) out = number<double>(key, value(key));
}

void add_teacher(const Teacher& teacher, OptionsWriter& fields) {
  TeacherOptions options = teacher.options;
  visit(fields, options);
  fields("teacher", teacher.fingerprint, "");
}

std::string options_text(const EncoderOptions& options, TextKind text_kind) {
  OptionsWriter writer;
  EncoderOptions copy = options;
  visit(writer, copy);
  writer("text_kind", text_kind == TextKind::kSparse ? "sparse" : "natural", "");
  return writer.text();
}

void read_options_text(std::string_view text, EncoderOptions& options, TextKind& text_kind) {
  const OptionsReader reader(text);
  visit(reader, options);
  try {
    options.validate();
  } catch (const Error& error) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("reading an encoder's options: {}; train again", error.what()));
  }
  text_kind = reader.value("text_kind") == "sparse" ? TextKind::kSparse : TextKind::kNatural;
}

}  // namespace dexter
