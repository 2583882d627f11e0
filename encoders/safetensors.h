#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dexter {

// The safetensors container of weights: eight bytes of length, a JSON table, the tensors' bytes.

struct SafeTensor {
  std::string dtype;                // "F32", "BF16", ...
  std::vector<std::int64_t> shape;  // empty for a scalar
  std::span<const std::byte> bytes;
  std::size_t count() const;  // values
};

// The tensors of a file in memory, which must outlive it. The whole table is checked before a byte
// of a tensor is read: every offset, that sizes follow from shape and type, and that tensors lie
// side by side without overlap or hole. Errors: kCorrupt naming `source` and the tensor. Immutable,
// safe from many threads.
class SafetensorsReader {
 public:
  SafetensorsReader(std::span<const std::byte> file, std::string source);

  const std::map<std::string, SafeTensor, std::less<>>& tensors() const { return tensors_; }
  // Null where there is none.
  const SafeTensor* find(std::string_view name) const;
  // A tensor of type F32, F16 or BF16 and this shape as float32. kIncompatible where it is absent
  // or of another type or shape.
  std::vector<float> floats(std::string_view name, std::span<const std::int64_t> shape) const;

 private:
  void read_table(std::string_view json, std::span<const std::byte> data);
  void check_layout(std::size_t data_bytes) const;

  std::string source_;
  std::map<std::string, SafeTensor, std::less<>> tensors_;
  std::vector<std::pair<std::size_t, std::size_t>> extents_;  // [begin, end) in the data
};

struct FloatTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

// The bytes of a file with these tensors as F32, in their order; names are distinct. The format is
// marked "pt", as the Python libraries expect.
std::string write_safetensors(std::span<const FloatTensor> tensors);

}  // namespace dexter
