// Matrices that others wrote.
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/memory_file.h"
#include "tools/npy.h"

namespace dexter::fuzz {
namespace {

std::string file_of(std::string dictionary, std::size_t data_bytes) {
  std::string file = std::string("\x93NUMPY\x01", 7) + std::string(1, '\0');
  dictionary += '\n';
  file += static_cast<char>(dictionary.size() & 255);
  file += static_cast<char>(dictionary.size() >> 8);
  return file + dictionary + std::string(data_bytes, '\1');
}

}  // namespace

std::vector<std::string> seeds() {
  return {
      file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24),
      file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }", 0),
      file_of("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999999999, 99999), }", 8),
      file_of("{'descr': '<f8', 'fortran_order': True, 'shape': (2,), }", 16),
  };
}

void run(std::string_view input) {
  static testing::MemoryFile file;
  file.write(input);
  const EmbeddingMatrix matrix = read_npy(file.path());
  require(matrix.rows() * static_cast<std::size_t>(matrix.dim()) * sizeof(float) <= input.size(),
          "a matrix is no larger than its file");
}

}  // namespace dexter::fuzz
