// Stands between the crash child and the operating system's files, RocksDB's calls included:
// - DEXTER_TEST_SYNCED=FILE: appends {inode, time of birth, bytes} to FILE whenever a file was
// synced, so that the test can
//   drop what was not, as a power cut would.
// - DEXTER_TEST_DISK_FULL=N: from the Nth write on, every write fails as on a full disk.
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

void note_synced(int fd) {
  static const char* const file = std::getenv("DEXTER_TEST_SYNCED");
  struct stat status {};
  if (file == nullptr || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return;
  static const int log = ::open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  struct statx birth {};
  ::statx(fd, "", AT_EMPTY_PATH, STATX_BTIME, &birth);
  const std::uint64_t record[4] = {
      status.st_ino, static_cast<std::uint64_t>(birth.stx_btime.tv_sec), birth.stx_btime.tv_nsec,
      static_cast<std::uint64_t>(status.st_size)};
  if (::syscall(SYS_write, log, record, sizeof record) != sizeof record) std::abort();
}

bool disk_is_full(int fd) {
  static const char* const limit = std::getenv("DEXTER_TEST_DISK_FULL");
  static std::atomic<long> writes = 0;
  struct stat status {};
  if (limit == nullptr || ::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return false;
  return ++writes >= std::atol(limit);
}

}  // namespace

extern "C" {

int fsync(int fd) {
  const auto result = static_cast<int>(::syscall(SYS_fsync, fd));
  if (result == 0) note_synced(fd);
  return result;
}

int fdatasync(int fd) {
  const auto result = static_cast<int>(::syscall(SYS_fdatasync, fd));
  if (result == 0) note_synced(fd);
  return result;
}

ssize_t write(int fd, const void* bytes, size_t count) {
  if (disk_is_full(fd)) return errno = ENOSPC, -1;
  return ::syscall(SYS_write, fd, bytes, count);
}

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  if (disk_is_full(fd)) return errno = ENOSPC, -1;
  return ::syscall(SYS_pwrite64, fd, bytes, count, offset);
}

ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  return pwrite(fd, bytes, count, offset);
}

}  // extern "C"
