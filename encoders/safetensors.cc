// Reading and writing safetensors files.
#include "encoders/safetensors.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <limits>

#include "encoders/row_kernels.h"
#include "storage/error.h"

namespace dexter {
namespace {

namespace json = boost::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::uint64_t kLongestTable = 100'000'000;  // the format's own limit

struct Type {
  std::string_view name;
  std::size_t bytes;
};
constexpr Type kTypes[] = {{"BOOL", 1}, {"U8", 1},   {"I8", 1},  {"I16", 2}, {"U16", 2},
                           {"F16", 2},  {"BF16", 2}, {"I32", 4}, {"U32", 4}, {"F32", 4},
                           {"I64", 8},  {"U64", 8},  {"F64", 8}};

[[noreturn]] void corrupt(const std::string& source, const std::string& what) {
  throw Error(ErrorKind::kCorrupt,
              fmt::format("reading {}: {}; fetch the weights again", source, what));
}

std::uint64_t little_endian(std::span<const std::byte> bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;)
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[i]);
  return value;
}

// A list of whole numbers of at least 0, or nothing.
std::vector<std::int64_t> numbers(const json::object& entry, std::string_view key,
                                  const std::string& source, std::string_view name) {
  const json::value* found = entry.if_contains(key);
  std::vector<std::int64_t> all;
  if (found == nullptr || !found->is_array())
    corrupt(source, fmt::format("tensor '{}' has no list '{}'", name, key));
  for (const json::value& value : found->get_array()) {
    json::error_code error;
    const auto number = value.is_number() ? value.to_number<std::int64_t>(error) : -1;
    if (error.failed() || value.is_double() || number < 0)
      corrupt(source, fmt::format("'{}' of tensor '{}' holds {}, not a count", key, name,
                                  json::serialize(value)));
    all.push_back(number);
  }
  return all;
}

std::size_t bytes_of_value(std::string_view dtype, const std::string& source,
                           std::string_view name) {
  for (const Type& type : kTypes)
    if (type.name == dtype) return type.bytes;
  corrupt(source, fmt::format("tensor '{}' is of the unknown type '{}'", name, dtype));
}

std::string text_of(std::span<const std::int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace

std::size_t SafeTensor::count() const {
  std::size_t all = 1;
  for (const std::int64_t size : shape) all *= static_cast<std::size_t>(size);
  return all;
}

SafetensorsReader::SafetensorsReader(std::span<const std::byte> file, std::string source)
    : source_(std::move(source)) {
  if (file.size() < kLengthBytes)
    corrupt(source_, fmt::format("it has {} bytes, fewer than its first number", file.size()));
  const std::uint64_t length = little_endian(file.first(kLengthBytes));
  if (length > kLongestTable || length > file.size() - kLengthBytes)
    corrupt(source_, fmt::format("its table has {} bytes, but {} follow", length,
                                 file.size() - kLengthBytes));
  const auto table = file.subspan(kLengthBytes, length);
  const auto data = file.subspan(kLengthBytes + length);
  read_table({reinterpret_cast<const char*>(table.data()), table.size()}, data);
  check_layout(data.size());
}

void SafetensorsReader::read_table(std::string_view text, std::span<const std::byte> data) {
  json::error_code error;
  const json::value parsed = json::parse({text.data(), text.size()}, error);
  if (error.failed() || !parsed.is_object())
    corrupt(source_, fmt::format("its table is no JSON object ({})", error.message()));
  for (const auto& [key, value] : parsed.get_object()) {
    const std::string name(std::string_view(key).data(), key.size());
    if (name == "__metadata__") continue;
    if (!value.is_object()) corrupt(source_, fmt::format("'{}' describes no tensor", name));
    const json::object& entry = value.get_object();
    const json::value* dtype = entry.if_contains("dtype");
    if (dtype == nullptr || !dtype->is_string())
      corrupt(source_, fmt::format("tensor '{}' has no type", name));
    SafeTensor tensor;
    tensor.dtype = std::string_view(dtype->get_string());
    tensor.shape = numbers(entry, "shape", source_, name);
    const auto offsets = numbers(entry, "data_offsets", source_, name);
    std::size_t bytes = bytes_of_value(tensor.dtype, source_, name);
    for (const std::int64_t size : tensor.shape)
      if (__builtin_mul_overflow(bytes, static_cast<std::size_t>(size), &bytes))
        corrupt(source_, fmt::format("the shape {} of tensor '{}' is larger than memory",
                                     text_of(tensor.shape), name));
    if (offsets.size() != 2 || offsets[0] > offsets[1] ||
        static_cast<std::size_t>(offsets[1]) > data.size())
      corrupt(source_, fmt::format("tensor '{}' lies at {} of {} bytes", name, text_of(offsets),
                                   data.size()));
    const auto begin = static_cast<std::size_t>(offsets[0]);
    const auto end = static_cast<std::size_t>(offsets[1]);
    if (end - begin != bytes)
      corrupt(source_, fmt::format("tensor '{}' of type {} and shape {} has {} bytes, not {}", name,
                                   tensor.dtype, text_of(tensor.shape), end - begin, bytes));
    tensor.bytes = data.subspan(begin, bytes);
    extents_.emplace_back(begin, end);
    tensors_.emplace(name, std::move(tensor));
  }
}

void SafetensorsReader::check_layout(std::size_t data_bytes) const {
  auto extents = extents_;
  std::sort(extents.begin(), extents.end());
  std::size_t at = 0;
  for (const auto& [begin, end] : extents) {
    if (begin != at)
      corrupt(source_, fmt::format("a tensor begins at byte {} where the one before ends at {}: "
                                   "they overlap or leave a hole",
                                   begin, at));
    at = end;
  }
  if (at != data_bytes)
    corrupt(source_, fmt::format("its tensors end at byte {} of {}", at, data_bytes));
}

const SafeTensor* SafetensorsReader::find(std::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

std::vector<float> SafetensorsReader::floats(std::string_view name,
                                             std::span<const std::int64_t> shape) const {
  const SafeTensor* tensor = find(name);
  ensure(tensor != nullptr, ErrorKind::kIncompatible,
         fmt::format("reading {}: it has no tensor '{}'; give weights of the model that "
                     "config.json describes",
                     source_, name));
  if (!std::equal(shape.begin(), shape.end(), tensor->shape.begin(), tensor->shape.end()))
    throw Error(ErrorKind::kIncompatible,
                fmt::format("reading {}: tensor '{}' has the shape {} where config.json asks for "
                            "{}; give the two files of one model",
                            source_, name, text_of(tensor->shape), text_of(shape)));
  std::vector<float> values(tensor->count());
  if (tensor->dtype == "F32") {
    if (!values.empty()) std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
    return values;
  }
  ensure(tensor->dtype == "F16" || tensor->dtype == "BF16", ErrorKind::kIncompatible,
         fmt::format("reading {}: tensor '{}' is of type {}, but F32, F16 and BF16 are read; "
                     "convert the weights",
                     source_, name, tensor->dtype));
  std::vector<std::uint16_t> halves(values.size());  // the file's bytes may lie at an odd address
  if (!halves.empty()) std::memcpy(halves.data(), tensor->bytes.data(), tensor->bytes.size());
  const auto convert = tensor->dtype == "F16" ? row_kernels().from_half : row_kernels().from_bf16;
  convert(halves.data(), values.data(), values.size());
  return values;
}

std::string write_safetensors(std::span<const FloatTensor> tensors) {
  json::object table;
  table["__metadata__"] = json::object{{"format", "pt"}};
  std::size_t at = 0;
  for (const FloatTensor& tensor : tensors) {
    const std::size_t bytes = tensor.values.size() * sizeof(float);
    table[tensor.name] =
        json::object{{"dtype", "F32"},
                     {"shape", json::array(tensor.shape.begin(), tensor.shape.end())},
                     {"data_offsets", json::array{at, at + bytes}}};
    at += bytes;
  }
  std::string head = json::serialize(table);
  head.resize((head.size() + kLengthBytes - 1) / kLengthBytes * kLengthBytes, ' ');
  std::string file(kLengthBytes, '\0');
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    file[i] = static_cast<char>(head.size() >> (8 * i) & 0xff);
  file.reserve(kLengthBytes + head.size() + at);
  file += head;
  for (const FloatTensor& tensor : tensors)
    file.append(reinterpret_cast<const char*>(tensor.values.data()),
                tensor.values.size() * sizeof(float));
  return file;
}

}  // namespace dexter
