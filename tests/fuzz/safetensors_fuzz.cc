// Files of weights.
#include "encoders/safetensors.h"

#include <cstring>

#include "tests/fuzz/fuzz_target.h"

namespace dexter::fuzz {
namespace {

std::string file_of(const std::string& table, std::size_t data_bytes) {
  const std::uint64_t length = table.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + table + std::string(data_bytes, '\1');
}

}  // namespace

std::vector<std::string> seeds() {
  const std::vector<FloatTensor> tensors = {{"a.weight", {2, 3}, {1, 2, 3, 4, 5, 6}},
                                            {"a.bias", {}, {7}}};
  return {
      write_safetensors(tensors),
      file_of(R"({"x":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}})", 4),
      file_of(R"({"x":{"dtype":"BF16","shape":[],"data_offsets":[0,2]},"__metadata__":{"a":"b"}})",
              2),
      file_of(R"({"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0),
      file_of(R"({"x":{"dtype":"I64","shape":[-1],"data_offsets":[4,0]}})", 8),
      file_of("{}", 0),
  };
}

void run(std::string_view input) {
  // Memory of its own, so that a step beyond its end is seen.
  const std::string file(input);
  const SafetensorsReader reader(std::as_bytes(std::span(file)), "the file");
  for (const auto& entry : reader.tensors()) {
    const SafeTensor& tensor = entry.second;
    require(tensor.bytes.data() >= std::as_bytes(std::span(file)).data() &&
                tensor.bytes.size() <= file.size(),
            "a tensor lies within its file");
    succeeds([&] {
      require(reader.floats(entry.first, tensor.shape).size() == tensor.count(),
              "a tensor has as many values as its shape says");
    });
  }
}

}  // namespace dexter::fuzz
