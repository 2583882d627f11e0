#pragma once

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <ios>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace dexter::testing {

// Where temporary folders are made: memory where there is plenty, since tests write small files and
// sync often.
inline std::filesystem::path temporary_root() {
  constexpr std::uintmax_t kPlenty = 2u << 30;
  const std::filesystem::path memory = "/dev/shm";
  std::error_code absent;
  const auto space = std::filesystem::space(memory, absent);
  const bool chosen = std::getenv("TMPDIR") != nullptr;
  if (!chosen && !absent && space.available >= kPlenty) return memory;
  return std::filesystem::temp_directory_path();
}

// A fresh empty folder, removed with everything in it at the end of the test.
class TempDir {
 public:
  TempDir() : TempDir(temporary_root()) {}
  explicit TempDir(const std::filesystem::path& root) {
    std::string name = (root / "dexter-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  TempDir(TempDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  TempDir& operator=(TempDir&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(std::string_view name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

inline std::string read_bytes(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_bytes(const std::filesystem::path& file, std::string_view bytes) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) throw std::runtime_error("cannot write " + file.string());
}

// Inverts the bits of one byte.
inline void flip_byte(const std::filesystem::path& file, std::uint64_t offset) {
  std::fstream both(file, std::ios::binary | std::ios::in | std::ios::out);
  both.seekg(static_cast<std::streamoff>(offset));
  const char byte = static_cast<char>(both.get());
  both.seekp(static_cast<std::streamoff>(offset));
  both.put(static_cast<char>(~byte));
  if (!both.flush()) throw std::runtime_error("cannot change " + file.string());
}

}  // namespace dexter::testing
