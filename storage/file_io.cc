#include "storage/file_io.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "storage/checksum.h"
#include "storage/error.h"

namespace dexter {
namespace {

[[noreturn]] void throw_io(const char* doing, const std::filesystem::path& path, int error_number) {
  throw Error(ErrorKind::kIo,
              std::string(doing) + " " + path.string() + ": " + reason_of(error_number));
}

constexpr std::size_t kPieceBytes = 1u << 20;

}  // namespace

std::string reason_of(int error_number) { return std::generic_category().message(error_number); }

File File::open_for_reading(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
    throw Error(ErrorKind::kNotFound, "opening " + path.string() + ": there is no such file");
  if (fd < 0) throw_io("opening", path, errno);
  return File(fd, path);
}

File File::create(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) throw_io("creating", path, errno);
  return File(fd, path);
}

File File::open_for_appending(const std::filesystem::path& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) throw_io("opening", path, errno);
  return File(fd, path);
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

File::File(File&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), path_(std::move(other.path_)) {}

std::uint64_t File::size() const {
  struct stat status {};
  if (::fstat(fd_, &status) != 0) throw_io("measuring", path_, errno);
  if (!S_ISREG(status.st_mode)) throw_io("reading", path_, EISDIR);
  return static_cast<std::uint64_t>(status.st_size);
}

void File::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_io("writing", path_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

std::size_t File::read(std::span<std::byte> bytes) {
  for (;;) {
    const ssize_t got = ::read(fd_, bytes.data(), bytes.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) throw_io("reading", path_, errno);
  }
}

void File::sync() {
  if (::fsync(fd_) != 0) throw_io("syncing", path_, errno);
}

void File::forget_cached_pages() { ::posix_fadvise(fd_, 0, 0, POSIX_FADV_DONTNEED); }

void File::close() {
  if (::close(std::exchange(fd_, -1)) != 0) throw_io("closing", path_, errno);
}

FileLock::FileLock(const std::filesystem::path& path)
    : fd_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
  if (fd_ < 0) throw_io("opening", path, errno);
  if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  const int failed = errno;
  ::close(fd_);
  if (failed != EWOULDBLOCK) throw_io("locking", path, failed);
  throw Error(ErrorKind::kUnavailable,
              "locking " + path.string() +
                  ": another process is writing this store, only one may; wait for it to end");
}

FileLock::~FileLock() { ::close(fd_); }

void sync_folder(const std::filesystem::path& folder) {
  const char* name = folder.empty() ? "." : folder.c_str();  // the parent of a bare file name
  const int fd = ::open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_io("opening", folder, errno);
  const int failed = ::fsync(fd) != 0 ? errno : 0;
  ::close(fd);
  if (failed != 0) throw_io("syncing", folder, failed);
}

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes) {
  auto temporary = path;
  temporary += ".tmp";
  File file = File::create(temporary);
  file.write(std::as_bytes(std::span(bytes)));
  file.sync();
  file.close();
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw_io("renaming", temporary, errno);
  sync_folder(path.parent_path());
}

std::string read_file(const std::filesystem::path& path) {
  File file = File::open_for_reading(path);
  std::string bytes(file.size(), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const auto rest = std::as_writable_bytes(std::span(bytes)).subspan(filled);
    const std::size_t got = file.read(rest);
    if (got == 0) break;
    filled += got;
  }
  bytes.resize(filled);
  return bytes;
}

std::uint64_t checksum_of_file(const std::filesystem::path& path) {
  File file = File::open_for_reading(path);
  std::vector<std::byte> piece(kPieceBytes);
  Checksum64 checksum;
  while (const std::size_t got = file.read(piece)) checksum.update(std::span(piece).first(got));
  return checksum.value();
}

std::uint64_t free_bytes(const std::filesystem::path& path) {
  struct statvfs status {};
  if (::statvfs(path.c_str(), &status) != 0) throw_io("asking for the free space of", path, errno);
  return static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize;
}

}  // namespace dexter
