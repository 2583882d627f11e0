#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace dexter {

// An open file descriptor. Every function throws kIo with the file, the operation and the operating
// system's reason; open_for_reading throws kNotFound for a file that is not there.
class File {
 public:
  static File open_for_reading(const std::filesystem::path& path);
  // Truncates what is there.
  static File create(const std::filesystem::path& path);
  // Writes behind what is there.
  static File open_for_appending(const std::filesystem::path& path);
  ~File();
  File(File&& other) noexcept;
  File& operator=(File&&) = delete;

  int descriptor() const { return fd_; }
  std::uint64_t size() const;
  void write(std::span<const std::byte> bytes);
  // Bytes read, 0 at the end.
  std::size_t read(std::span<std::byte> bytes);
  void sync();
  // Drops the file from the page cache, so that what is read next comes from the device.
  void forget_cached_pages();
  void close();  // reports the error that the destructor must swallow

 private:
  File(int fd, std::filesystem::path path) : fd_(fd), path_(std::move(path)) {}
  int fd_ = -1;
  std::filesystem::path path_;
};

// Holds the exclusive lock of a file, which it creates where it is absent, until destroyed or until
// the process ends, whatever ends it. kUnavailable where somebody else holds it, in this process or
// another.
class FileLock {
 public:
  explicit FileLock(const std::filesystem::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_ = -1;
};

// Makes renames and removals in `folder` durable.
void sync_folder(const std::filesystem::path& folder);
// PATH.tmp, sync, rename, sync of the folder: PATH holds the old bytes or the new ones.
void write_file_atomically(const std::filesystem::path& path, std::string_view bytes);
std::string read_file(const std::filesystem::path& path);
// XXH3-64 of a whole file, read in pieces.
std::uint64_t checksum_of_file(const std::filesystem::path& path);
// Bytes an ordinary user may still write to the file system of `path`.
std::uint64_t free_bytes(const std::filesystem::path& path);
// "No space left on device".
std::string reason_of(int error_number);

}  // namespace dexter
