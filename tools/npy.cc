// float32 matrices for NumPy and everything that reads its format.
#include "tools/npy.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstdio>
#include <span>
#include <string>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

static_assert(std::endian::native == std::endian::little, "rows are written as they lie in memory");

constexpr std::size_t kHeaderBytes = 128;
constexpr std::size_t kLongestHeader = std::size_t{1} << 16;
constexpr std::size_t kBufferBytes = std::size_t{1} << 20;

// Magic, version 1.0, length of the rest, and a dictionary padded with spaces; always kHeaderBytes,
// so that it can be written again once the number of rows is known.
std::string header_of(std::uint64_t rows, int dim) {
  std::string text =
      fmt::format("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}, {}), }}", rows, dim);
  text.resize(kHeaderBytes - 10 - 1, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", 8);
  header += static_cast<char>(text.size() & 0xFFu);
  header += static_cast<char>(text.size() >> 8u);
  return header + text;
}

std::filesystem::path temporary(const std::filesystem::path& path) {
  return path.string() + ".tmp";
}

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Fills `bytes` or says that the file ends before.
void read_whole(File& file, std::span<std::byte> bytes, const std::filesystem::path& path) {
  while (!bytes.empty()) {
    const std::size_t count = file.read(bytes);
    ensure(count > 0, ErrorKind::kInvalidInput,
           fmt::format("reading {}: it ends {} bytes too early; write it again", path.string(),
                       bytes.size()));
    bytes = bytes.subspan(count);
  }
}

// The dictionary that describes the array.
std::string read_header(File& file, const std::filesystem::path& path) {
  std::array<unsigned char, 12> head{};
  read_whole(file, std::as_writable_bytes(std::span(head).first(10)), path);
  const bool known = std::string_view(reinterpret_cast<const char*>(head.data()), 6) ==
                         std::string_view("\x93NUMPY", 6) &&
                     (head[6] == 1 || head[6] == 2);
  ensure(known, ErrorKind::kInvalidInput,
         fmt::format("reading {}: it does not begin as NumPy's format 1.0 or 2.0 does; write it "
                     "with numpy.save",
                     path.string()));
  std::size_t length = head[8] + 256U * head[9];
  if (head[6] == 2) {
    read_whole(file, std::as_writable_bytes(std::span(head).subspan(10)), path);
    length += (std::size_t{head[10]} << 16U) + (std::size_t{head[11]} << 24U);
  }
  ensure(length <= kLongestHeader, ErrorKind::kInvalidInput,
         fmt::format("reading {}: a header of {} bytes, at most {} are read; write it with "
                     "numpy.save",
                     path.string(), length, kLongestHeader));
  std::string header(length, '\0');
  read_whole(file, std::as_writable_bytes(std::span(header)), path);
  return header;
}

}  // namespace

struct NpyWriter::Impl {
  Impl(std::filesystem::path matrix, int columns)
      : path(std::move(matrix)),
        keys_path(std::filesystem::path(path).replace_extension(".ids.txt")),
        dim(columns),
        rows_file(File::create(temporary(path))),
        keys_file(File::create(temporary(keys_path))) {}

  std::filesystem::path path;
  std::filesystem::path keys_path;
  int dim;
  File rows_file;
  File keys_file;
  std::string waiting_keys;
  std::uint64_t rows = 0;
  std::uint64_t keys = 0;
  bool committed = false;
};

NpyWriter::NpyWriter(const std::filesystem::path& file, int dim)
    : impl_(std::make_unique<Impl>(file, dim)) {
  impl_->rows_file.write(bytes_of(header_of(0, dim)));
}

NpyWriter::~NpyWriter() {
  if (impl_->committed) return;
  std::error_code ignored;  // a file that cannot be removed is left under its .tmp name
  std::filesystem::remove(temporary(impl_->path), ignored);
  std::filesystem::remove(temporary(impl_->keys_path), ignored);
}

void NpyWriter::add_key(std::string_view key) {
  ensure(key.find_first_of("\r\n") == std::string_view::npos, ErrorKind::kInvalidInput,
         fmt::format("writing {}: the key '{}' has a line break and does not fit on one line",
                     impl_->keys_path.string(), key));
  impl_->waiting_keys.append(key).append("\n");
  ++impl_->keys;
  if (impl_->waiting_keys.size() < kBufferBytes) return;
  impl_->keys_file.write(bytes_of(impl_->waiting_keys));
  impl_->waiting_keys.clear();
}

void NpyWriter::add_rows(EmbeddingView vectors) {
  ensure(vectors.rows() == 0 || vectors.dim() == impl_->dim, ErrorKind::kInternal,
         fmt::format("writing {}: rows of {} columns after a header of {}", impl_->path.string(),
                     vectors.dim(), impl_->dim));
  const std::size_t values = vectors.rows() * static_cast<std::size_t>(impl_->dim);
  impl_->rows_file.write(std::as_bytes(std::span(vectors.data(), values)));
  impl_->rows += vectors.rows();
}

void NpyWriter::commit() {
  Impl& file = *impl_;
  ensure(file.rows == file.keys, ErrorKind::kInternal,
         fmt::format("writing {}: {} rows but {} keys", file.path.string(), file.rows, file.keys));
  const std::string header = header_of(file.rows, file.dim);
  const ssize_t written = ::pwrite(file.rows_file.descriptor(), header.data(), header.size(), 0);
  ensure(written == static_cast<ssize_t>(header.size()), ErrorKind::kIo,
         fmt::format("writing the head of {}: {}", file.path.string(), reason_of(errno)));
  file.keys_file.write(bytes_of(file.waiting_keys));
  for (File* each : {&file.rows_file, &file.keys_file}) {
    each->sync();
    each->close();
  }
  std::filesystem::rename(temporary(file.keys_path), file.keys_path);
  std::filesystem::rename(temporary(file.path), file.path);
  const std::filesystem::path folder = file.path.parent_path();
  sync_folder(folder.empty() ? "." : folder);
  file.committed = true;
}

std::uint64_t NpyWriter::rows() const { return impl_->rows; }
std::filesystem::path NpyWriter::keys_file() const { return impl_->keys_path; }

EmbeddingMatrix read_npy(const std::filesystem::path& path) {
  File file = File::open_for_reading(path);
  const std::string header = read_header(file, path);
  unsigned long long rows = 0;
  int dim = -1, end = 0;
  std::sscanf(header.c_str(),
              "{'descr': '<f4', 'fortran_order': False, 'shape': (%15llu, %5d), } %n", &rows, &dim,
              &end);
  ensure(end == static_cast<int>(header.size()), ErrorKind::kInvalidInput,
         fmt::format("reading {}: it holds {}, but a C-ordered float32 matrix is needed; write it "
                     "with numpy.save(FILE, numpy.ascontiguousarray(x, numpy.float32))",
                     path.string(), header.substr(0, header.find_last_not_of(" \n") + 1)));
  const auto row_bytes = static_cast<std::uint64_t>(std::max(dim, 0)) * sizeof(float);
  ensure(dim >= 1 && rows <= file.size() / row_bytes, ErrorKind::kInvalidInput,
         fmt::format("reading {}: {} rows of {} columns, but the file has {} bytes; write it again",
                     path.string(), rows, dim, file.size()));
  EmbeddingMatrix matrix(rows, dim);
  read_whole(file,
             std::as_writable_bytes(std::span(matrix.data(), rows * static_cast<std::size_t>(dim))),
             path);
  return matrix;
}

}  // namespace dexter
