// Values of the catalog: type, version, payload, checksum.
#include "storage/codec.h"

#include <spdlog/fmt/fmt.h>

#include <cstring>
#include <limits>

#include "storage/checksum.h"
#include "storage/error.h"

namespace dexter::codec {
namespace {

enum class Type : char {
  kLabel = 'L',
  kExample = 'D',
  kChange = 'C',
  kCounts = '#',
  kId = 'I',
  kText = 'T',
  kNumbers = 'N',
  kVectors = 'V',
};

constexpr char kVersion = 1;
constexpr std::size_t kEnvelopeBytes = 2 + sizeof(std::uint64_t);

[[noreturn]] void throw_corrupt(Family family, std::string_view key, std::string_view what) {
  throw Error(ErrorKind::kCorrupt,
              fmt::format("reading {} from the catalog: {}; the store is damaged, `dexter verify` "
                          "lists what; import again or restore a copy",
                          describe(family, key), what));
}

class Writer {
 public:
  Writer(std::string& out, std::string_view key, Type type) : out_(out), key_(key) {
    out_.clear();
    out_.push_back(static_cast<char>(type));
    out_.push_back(kVersion);
  }

  void number(std::uint64_t number) {
    for (; number >= 0x80; number >>= 7) out_.push_back(static_cast<char>(number | 0x80));
    out_.push_back(static_cast<char>(number));
  }

  void text(std::string_view text) {
    number(text.size());
    out_.append(text);
  }

  void ascending(std::span<const LabelId> ids) {
    number(ids.size());
    std::uint64_t last = 0;
    for (const LabelId id : ids) {
      number(value(id) - last);
      last = value(id);
    }
  }

  template <class T>
  void raw(std::span<const T> numbers) {
    out_.append(reinterpret_cast<const char*>(numbers.data()), numbers.size_bytes());
  }

  void finish() {
    const std::uint64_t checksum = checksum64(out_, checksum64(key_));
    out_.append(reinterpret_cast<const char*>(&checksum), sizeof checksum);
  }

 private:
  std::string& out_;
  std::string_view key_;
};

class Reader {
 public:
  Reader(Family family, std::string_view key, std::string_view bytes, Type type)
      : family_(family), key_(key), rest_(bytes) {
    if (bytes.size() < kEnvelopeBytes) fail(fmt::format("it has {} bytes", bytes.size()));
    const auto covered = bytes.substr(0, bytes.size() - sizeof(std::uint64_t));
    std::uint64_t stored = 0;
    std::memcpy(&stored, bytes.data() + covered.size(), sizeof stored);
    const std::uint64_t found = checksum64(covered, checksum64(key));
    if (found != stored)
      fail(fmt::format("its checksum is {}, stored is {}", to_hex(found), to_hex(stored)));
    if (covered[0] != static_cast<char>(type))
      fail(fmt::format("its type is {}, expected is {}", int{covered[0]}, static_cast<int>(type)));
    if (covered[1] != kVersion)
      throw Error(ErrorKind::kIncompatible,
                  fmt::format("reading {} from the catalog: its format is {}, this build reads {}; "
                              "use a newer dexter",
                              describe(family, key), int{covered[1]}, int{kVersion}));
    rest_ = covered.substr(2);
  }

  std::uint64_t number() {
    std::uint64_t number = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      number |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return number;
    }
    fail("a number in it does not end");
  }

  std::string_view text() {
    const std::uint64_t bytes = number();
    if (bytes > rest_.size()) fail("a text in it is longer than the record");
    const auto text = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return text;
  }

  std::vector<LabelId> ascending() {
    const std::uint64_t count = number();
    if (count > rest_.size()) fail("a list in it is longer than the record");
    std::vector<LabelId> ids;
    ids.reserve(count);
    std::uint64_t last = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
      last += number();
      if (last > std::numeric_limits<std::uint32_t>::max()) fail("a label id in it is too large");
      ids.push_back(LabelId{static_cast<std::uint32_t>(last)});
    }
    return ids;
  }

  template <class T>
  void raw(std::span<T> numbers) {
    if (numbers.size_bytes() != rest_.size()) fail("its length contradicts its counts");
    if (!rest_.empty()) std::memcpy(numbers.data(), rest_.data(), rest_.size());
    rest_ = {};
  }

  std::size_t rest_bytes() const { return rest_.size(); }

  void finish() const {
    if (!rest_.empty()) fail(fmt::format("{} bytes in it are left over", rest_.size()));
  }

  [[noreturn]] void fail(const std::string& what) const { throw_corrupt(family_, key_, what); }

 private:
  Family family_;
  std::string_view key_;
  std::string_view rest_;
};

std::uint64_t id_in(Family family, std::string_view key, std::size_t offset, std::size_t bytes) {
  if (key.size() != offset + bytes) throw_corrupt(family, key, "its key has another length");
  std::uint64_t id = 0;
  for (const char byte : key.substr(offset)) id = id << 8 | static_cast<unsigned char>(byte);
  return id;
}

LabelId label_in(Family family, std::string_view key) {
  return LabelId{static_cast<std::uint32_t>(id_in(family, key, 4, 4))};
}

}  // namespace

void encode(std::string& out, std::string_view key, const Label& label) {
  Writer writer(out, key, Type::kLabel);
  writer.text(label.key);
  writer.text(label.name);
  writer.text(label.text);
  writer.finish();
}

void encode(std::string& out, std::string_view key, const Example& example) {
  Writer writer(out, key, Type::kExample);
  writer.text(example.key);
  writer.text(example.text);
  writer.ascending(example.labels);
  writer.ascending(example.excluded);
  writer.finish();
}

void encode(std::string& out, std::string_view key, const LabelChange& change) {
  Writer writer(out, key, Type::kChange);
  writer.number(change.removed ? 1 : 0);
  writer.number(change.vector.size());
  writer.raw(std::span<const float>(change.vector));
  writer.finish();
}

void encode(std::string& out, std::string_view key, const Counts& counts) {
  Writer writer(out, key, Type::kCounts);
  writer.number(counts.labels);
  for (const VectorSet& set : counts.vectors) {
    writer.number(set.number);
    writer.number(set.rows);
  }
  writer.finish();
}

void encode_id(std::string& out, std::string_view key, std::uint64_t id) {
  Writer writer(out, key, Type::kId);
  writer.number(id);
  writer.finish();
}

void encode_text(std::string& out, std::string_view key, std::string_view text) {
  Writer writer(out, key, Type::kText);
  writer.text(text);
  writer.finish();
}

void encode_numbers(std::string& out, std::string_view key,
                    std::span<const std::uint32_t> numbers) {
  Writer writer(out, key, Type::kNumbers);
  writer.number(numbers.size());
  writer.raw(numbers);
  writer.finish();
}

void encode_vectors(std::string& out, std::string_view key, std::span<const std::int64_t> ids,
                    EmbeddingView rows) {
  Writer writer(out, key, Type::kVectors);
  writer.number(rows.rows());
  writer.number(static_cast<std::uint64_t>(rows.dim()));
  const std::string_view id_bytes(reinterpret_cast<const char*>(ids.data()), ids.size_bytes());
  writer.text(id_bytes);
  writer.raw(std::span(rows.data(), rows.rows() * static_cast<std::size_t>(rows.dim())));
  writer.finish();
}

Label decode_label(std::string_view key, std::string_view value) {
  Reader reader(Family::kLabels, key, value, Type::kLabel);
  Label label;
  label.id = label_in(Family::kLabels, key);
  label.key = reader.text();
  label.name = reader.text();
  label.text = reader.text();
  reader.finish();
  return label;
}

Example decode_example(std::string_view key, std::string_view value) {
  Reader reader(Family::kDocuments, key, value, Type::kExample);
  Example example;
  example.id = DocumentId{id_in(Family::kDocuments, key, 5, 8)};
  example.key = reader.text();
  example.text = reader.text();
  example.labels = reader.ascending();
  example.excluded = reader.ascending();
  reader.finish();
  return example;
}

LabelChange decode_change(std::string_view key, std::string_view value) {
  Reader reader(Family::kChanges, key, value, Type::kChange);
  LabelChange change;
  change.id = label_in(Family::kChanges, key);
  change.removed = reader.number() != 0;
  const std::uint64_t dim = reader.number();
  if (dim != reader.rest_bytes() / sizeof(float)) reader.fail("its vector has another length");
  change.vector.resize(dim);
  reader.raw(std::span(change.vector));
  return change;
}

Counts decode_counts(std::string_view key, std::string_view value) {
  Reader reader(Family::kMeta, key, value, Type::kCounts);
  Counts counts;
  counts.labels = reader.number();
  for (VectorSet& set : counts.vectors) {
    set.number = reader.number();
    set.rows = reader.number();
  }
  reader.finish();
  return counts;
}

std::uint64_t decode_id(Family family, std::string_view key, std::string_view value) {
  Reader reader(family, key, value, Type::kId);
  const std::uint64_t id = reader.number();
  reader.finish();
  return id;
}

std::string decode_text(std::string_view key, std::string_view value) {
  Reader reader(Family::kMeta, key, value, Type::kText);
  std::string text(reader.text());
  reader.finish();
  return text;
}

std::vector<std::uint32_t> decode_numbers(std::string_view key, std::string_view value) {
  Reader reader(Family::kMeta, key, value, Type::kNumbers);
  const std::uint64_t count = reader.number();
  if (count != reader.rest_bytes() / sizeof(std::uint32_t)) reader.fail("its count is wrong");
  std::vector<std::uint32_t> numbers(count);
  reader.raw(std::span(numbers));
  return numbers;
}

VectorChunk decode_vectors(std::string_view key, std::string_view value) {
  Reader reader(Family::kVectors, key, value, Type::kVectors);
  const std::uint64_t rows = reader.number();
  const std::uint64_t dim = reader.number();
  const std::string_view ids = reader.text();
  const std::uint64_t floats = reader.rest_bytes() / sizeof(float);
  const bool fits = ids.size() / sizeof(std::int64_t) == rows &&
                    ids.size() % sizeof(std::int64_t) == 0 &&
                    dim <= std::numeric_limits<int>::max() &&
                    (rows == 0 ? floats == 0 : floats % rows == 0 && floats / rows == dim);
  if (!fits) reader.fail("its counts contradict its length");
  VectorChunk chunk{std::vector<std::int64_t>(rows), EmbeddingMatrix(rows, static_cast<int>(dim))};
  if (rows > 0) std::memcpy(chunk.ids.data(), ids.data(), ids.size());
  reader.raw(std::span(chunk.rows.data(), floats));
  return chunk;
}

void verify(Family family, std::string_view key, std::string_view value) {
  switch (family) {
    case Family::kMeta:
      if (key == kCountsKey) return void(decode_counts(key, value));
      if (key >= frequencies_range().begin && key < frequencies_range().end)
        return void(decode_numbers(key, value));
      return void(decode_text(key, value));
    case Family::kDocuments:
      return void(decode_example(key, value));
    case Family::kLabels:
      return void(decode_label(key, value));
    case Family::kVectors:
      return void(decode_vectors(key, value));
    case Family::kChanges:
      return void(decode_change(key, value));
    case Family::kDocumentKeys:
    case Family::kLabelKeys:
      return void(decode_id(family, key, value));
  }
}

}  // namespace dexter::codec
