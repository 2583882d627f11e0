// JSON objects, one a line.
#include "storage/json_row.h"

#include <array>
#include <boost/json.hpp>
#include <limits>
#include <optional>

#include <spdlog/fmt/fmt.h>

namespace dexter {
namespace json = boost::json;
namespace {

std::string_view kind_name(const json::value& value) {
  if (value.is_number()) return "a number";
  switch (value.kind()) {
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "a list";
    case json::kind::object:
      return "an object";
    case json::kind::bool_:
      return "a truth value";
    default:
      return "null";
  }
}

}  // namespace

struct JsonRow::Impl {
  explicit Impl(const LineReader& reader) : lines(reader) {}

  const json::value* find(std::string_view member) const {
    const json::value* const found = row->if_object()->if_contains(member);
    return found == nullptr || found->is_null() ? nullptr : found;
  }
  [[noreturn]] void fail_type(std::string_view member, const json::value& found,
                              std::string_view wanted) const {
    lines.fail(fmt::format("\"{}\" has {} where {} is expected", member, kind_name(found), wanted));
  }
  std::string_view text_of(std::string_view member, const json::value& value) const {
    const json::string* const text = value.if_string();
    if (!text) fail_type(member, value, "a string");
    const std::string_view view(text->data(), text->size());
    if (view.find('\0') != std::string_view::npos)
      lines.fail(fmt::format("\"{}\" has a NUL character; remove it", member));
    return view;
  }
  std::string key_of(std::string_view member, const json::value& value) const {
    if (const auto* const number = value.if_int64()) return std::to_string(*number);
    if (const auto* const number = value.if_uint64()) return std::to_string(*number);
    if (!value.is_string()) fail_type(member, value, "a string or an integer");
    const std::string_view key = text_of(member, value);
    if (is_blank(key)) lines.fail(fmt::format("\"{}\" has an empty key; give it a name", member));
    return std::string(key);
  }
  const json::array& list_of(std::string_view member) const {
    const json::value* const found = find(member);
    if (!found)
      lines.fail(fmt::format("\"{0}\" is missing; write \"{0}\": [] for a document without labels",
                             member));
    if (!found->is_array()) fail_type(member, *found, "a list");
    return *found->if_array();
  }

  const LineReader& lines;
  // Values of one row live in `memory`, whose first bytes are `buffer`; released by the next parse.
  std::array<unsigned char, 64 << 10> buffer;
  json::monotonic_resource memory{buffer.data(), buffer.size()};
  json::parser parser{json::storage_ptr(),
                      {.allow_invalid_utf8 = true}};  // lines are checked UTF-8
  std::optional<json::value> row;
};

JsonRow::JsonRow(const LineReader& lines) : impl_(std::make_unique<Impl>(lines)) {}
JsonRow::~JsonRow() = default;

void JsonRow::parse(std::string_view line) {
  impl_->row.reset();
  impl_->parser.reset();
  impl_->memory.release();
  impl_->parser.reset(&impl_->memory);
  json::error_code error;
  const std::size_t read = impl_->parser.write_some(line.data(), line.size(), error);
  if (error)
    impl_->lines.fail(fmt::format("not a JSON object: {} at byte {}; write one object per line",
                                  error.message(), read + 1));
  if (!is_blank(line.substr(read)))
    impl_->lines.fail(fmt::format(
        "more text behind the JSON object, from byte {}; write one object per line", read + 1));
  impl_->row.emplace(impl_->parser.release());
  if (!impl_->row->is_object())
    impl_->lines.fail(
        fmt::format("the line has {} where a JSON object is expected", kind_name(*impl_->row)));
}

bool JsonRow::has(std::string_view member) const { return impl_->find(member) != nullptr; }

std::string_view JsonRow::text(std::string_view member) const {
  const json::value* const found = impl_->find(member);
  return found ? impl_->text_of(member, *found) : std::string_view();
}

std::string JsonRow::key(std::string_view member) const {
  const json::value* const found = impl_->find(member);
  return found ? impl_->key_of(member, *found) : std::string();
}

double JsonRow::number(std::string_view member) const {
  const json::value* const found = impl_->find(member);
  if (!found) impl_->lines.fail(fmt::format("\"{0}\" is missing; write \"{0}\": 0.5", member));
  if (!found->is_number()) impl_->fail_type(member, *found, "a number");
  return found->to_number<double>();
}

void JsonRow::keys(std::string_view member, std::vector<std::string>& out) const {
  out.clear();
  for (const json::value& value : impl_->list_of(member))
    out.push_back(impl_->key_of(member, value));
}

void JsonRow::rows(std::string_view member, std::vector<std::uint32_t>& out) const {
  out.clear();
  for (const json::value& value : impl_->list_of(member)) {
    const auto* const number = value.if_int64();
    if (!value.is_int64() && !value.is_uint64()) impl_->fail_type(member, value, "an integer");
    if (!number || *number < 0 || *number > std::numeric_limits<std::uint32_t>::max())
      impl_->lines.fail(fmt::format("\"{}\" has {}, which is no label row; rows count from 0",
                                    member, json::serialize(value)));
    out.push_back(static_cast<std::uint32_t>(*number));
  }
}

}  // namespace dexter
