#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "storage/embedding_matrix.h"

namespace dexter {

// Writes a float32 matrix as NumPy's format 1.0 (`numpy.load` reads and maps it) and the keys of
// its rows, one a line, beside it: vectors.npy and vectors.ids.txt. Rows stream; both files appear
// in `commit`, and destroyed without it nothing is left. Errors: kIo; kInvalidInput for a key with
// a line break.
class NpyWriter {
 public:
  NpyWriter(const std::filesystem::path& file, int dim);
  ~NpyWriter();
  NpyWriter(const NpyWriter&) = delete;
  NpyWriter& operator=(const NpyWriter&) = delete;

  void add_key(std::string_view key);
  void add_rows(EmbeddingView vectors);  // [rows x dim], in the order of the keys
  // Requires as many keys as rows.
  void commit();

  std::uint64_t rows() const;
  std::filesystem::path keys_file() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Reads a C-ordered float32 matrix of NumPy's format 1.0 or 2.0. kNotFound; kInvalidInput names the
// file, what it holds and what is wanted.
EmbeddingMatrix read_npy(const std::filesystem::path& file);

}  // namespace dexter
