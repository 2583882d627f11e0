// Encoder options inside an encoder file.
#include "encoders/options_text.h"

#include <spdlog/fmt/fmt.h>

#include <charconv>
#include <map>

namespace dexter {
namespace {

struct Writer {
  std::string text;
  template <class T>
  void operator()(std::string_view key, const T& value, std::string_view) {
    text += fmt::format("{}={}\n", key, value);
  }
};

struct Reader {
  std::map<std::string, std::string, std::less<>> values;

  explicit Reader(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = text.substr(0, end);
      const std::size_t equals = line.find('=');
      ensure(equals != std::string_view::npos, ErrorKind::kCorrupt,
             "reading an encoder's options: a line without '='; train again");
      values.emplace(line.substr(0, equals), line.substr(equals + 1));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  const std::string& value(std::string_view key) const {
    const auto found = values.find(key);
    ensure(found != values.end(), ErrorKind::kCorrupt,
           fmt::format("reading an encoder's options: {} is missing; train again", key));
    return found->second;
  }
  void operator()(std::string_view key, std::string& out, std::string_view) { out = value(key); }
  void operator()(std::string_view key, bool& out, std::string_view) { out = value(key) == "true"; }
  void operator()(std::string_view key, int& out, std::string_view) { number(key, out); }
  void operator()(std::string_view key, double& out, std::string_view) { number(key, out); }

 private:
  template <class T>
  void number(std::string_view key, T& out) const {
    const std::string& text = value(key);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    ensure(error == std::errc() && end == text.data() + text.size(), ErrorKind::kCorrupt,
           fmt::format("reading an encoder's options: {} is \"{}\", not a number; train again", key,
                       text));
  }
};

}  // namespace

std::string options_text(const EncoderOptions& options, TextKind text_kind) {
  Writer writer;
  EncoderOptions copy = options;
  visit(writer, copy);
  writer("text_kind", text_kind == TextKind::kSparse ? "sparse" : "natural", "");
  return writer.text;
}

void read_options_text(std::string_view text, EncoderOptions& options, TextKind& text_kind) {
  Reader reader(text);
  visit(reader, options);
  EncoderOptions ranges = options;
  ranges.kind = EncoderOptions().kind;  // whether a kind is known is for load_encoder to say
  try {
    ranges.validate();
  } catch (const Error& error) {
    throw Error(ErrorKind::kCorrupt,
                fmt::format("reading an encoder's options: {}; train again", error.what()));
  }
  text_kind = reader.value("text_kind") == "sparse" ? TextKind::kSparse : TextKind::kNatural;
}

}  // namespace dexter
