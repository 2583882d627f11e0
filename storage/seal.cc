// The seal of a store that was closed in order.
#include "storage/seal.h"

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <string_view>

#include "storage/checksum.h"
#include "storage/crash_point.h"
#include "storage/error.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

constexpr std::string_view kFirstLine = "dexter seal 1 ";

std::filesystem::path seal_path(const std::filesystem::path& store) { return store / "SEAL"; }

// Every regular file of the store's own folders, by name.
std::vector<std::string> files_below(const std::filesystem::path& store) {
  std::vector<std::string> names;
  for (const char* folder : {"catalog", "encoders", "index", "train"}) {
    std::error_code absent;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(store / folder, absent)) {
      std::string name = entry.path().lexically_relative(store).generic_string();
      if (entry.is_regular_file() && name.find('\n') == std::string::npos)
        names.push_back(std::move(name));
    }
  }
  std::ranges::sort(names);
  return names;
}

// Size and identity of a file; nothing where it is absent.
std::optional<SealedFile> look_at(const std::filesystem::path& store, const std::string& name) {
  struct stat status {};
  if (::stat((store / name).c_str(), &status) != 0) return std::nullopt;
  SealedFile file;
  file.name = name;
  file.bytes = static_cast<std::uint64_t>(status.st_size);
  file.modified_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  file.inode = status.st_ino;
  return file;
}

bool is_immutable(std::string_view name) {
  return name.ends_with(".sst") || name.ends_with(".enc") || name.ends_with(".idx");
}

std::string lines_of(const Seal& seal) {
  std::string lines;
  for (const SealedFile& file : seal)
    lines += fmt::format("{:016x} {} {} {} {}\n", file.checksum, file.bytes, file.modified_ns,
                         file.inode, file.name);
  return lines;
}

template <class Number>
bool take_number(std::string_view& line, Number& number, int base = 10) {
  const auto [end, failed] = std::from_chars(line.data(), line.data() + line.size(), number, base);
  const auto used = static_cast<std::size_t>(end - line.data());
  if (failed != std::errc() || used >= line.size() || line[used] != ' ') return false;
  line.remove_prefix(used + 1);
  return true;
}

bool parse_line(std::string_view line, SealedFile& file) {
  if (!take_number(line, file.checksum, 16) || !take_number(line, file.bytes) ||
      !take_number(line, file.modified_ns) || !take_number(line, file.inode))
    return false;
  file.name = line;
  return !file.name.empty();
}

[[noreturn]] void throw_damaged(const std::filesystem::path& store, const std::string& file,
                                const std::string& what) {
  throw Error(
      ErrorKind::kCorrupt,
      fmt::format("opening the store {}: {}: {}; `dexter verify` lists all damage; import again or "
                  "restore a copy",
                  store.string(), file, what));
}

std::string length_problem(const SealedFile& sealed, std::uint64_t found) {
  return fmt::format("it has {} bytes, {} when the store was closed", found, sealed.bytes);
}

constexpr const char* kMissing = "it is missing, it was there when the store was closed";
constexpr const char* kChanged = "its checksum is not the one it had when the store was closed";

}  // namespace

std::optional<Seal> read_seal(const std::filesystem::path& store) {
  std::string bytes;
  try {
    bytes = read_file(seal_path(store));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) return std::nullopt;
    throw;
  }
  const std::size_t first_end = kFirstLine.size() + 16;
  const std::string_view all(bytes);
  if (!all.starts_with(kFirstLine) || all.size() <= first_end || all[first_end] != '\n')
    throw_damaged(store, "SEAL", "it does not begin as a seal does");
  std::string_view lines = all.substr(first_end + 1);
  if (all.substr(kFirstLine.size(), 16) != to_hex(checksum64(lines)))
    throw_damaged(store, "SEAL", "its checksum does not match");
  Seal seal;
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find('\n'), lines.size() - 1);
    if (!parse_line(lines.substr(0, end), seal.emplace_back()))
      throw_damaged(store, "SEAL", "a line of it cannot be read");
    lines.remove_prefix(end + 1);
  }
  return seal;
}

void remove_seal(const std::filesystem::path& store) {
  if (::unlink(seal_path(store).c_str()) != 0) {
    ensure(errno == ENOENT, ErrorKind::kIo,
           fmt::format("removing {}: {}", seal_path(store).string(), reason_of(errno)));
    return;
  }
  sync_folder(store);
}

void write_seal(const std::filesystem::path& store, const Seal& former) {
  std::map<std::string_view, const SealedFile*> known;
  for (const SealedFile& file : former) known[file.name] = &file;
  Seal seal;
  for (const std::string& name : files_below(store)) {
    auto file = look_at(store, name);
    if (!file) continue;
    const auto before = known.find(name);
    const bool same =
        before != known.end() && is_immutable(name) && before->second->bytes == file->bytes &&
        before->second->modified_ns == file->modified_ns && before->second->inode == file->inode;
    file->checksum = same ? before->second->checksum : checksum_of_file(store / name);
    seal.push_back(std::move(*file));
  }
  const std::string lines = lines_of(seal);
  crash_point("seal.before_write");
  write_file_atomically(seal_path(store),
                        fmt::format("{}{}\n{}", kFirstLine, to_hex(checksum64(lines)), lines));
  crash_point("seal.written");
}

void check_seal(const std::filesystem::path& store, const Seal& seal) {
  for (const SealedFile& sealed : seal) {
    const auto file = look_at(store, sealed.name);
    if (!file) throw_damaged(store, sealed.name, kMissing);
    if (file->bytes != sealed.bytes)
      throw_damaged(store, sealed.name, length_problem(sealed, file->bytes));
    if (!is_immutable(sealed.name) && sealed.name.starts_with("catalog/") &&
        checksum_of_file(store / sealed.name) != sealed.checksum)
      throw_damaged(store, sealed.name, kChanged);
  }
}

void verify_seal(
    const std::filesystem::path& store, const Seal& seal,
    const std::function<void(const std::string& file, const std::string& what)>& damaged,
    const std::function<void(const std::string& file)>& visit) {
  std::vector<std::string> names = files_below(store);
  for (const SealedFile& sealed : seal) {
    std::erase(names, sealed.name);
    if (visit) visit(sealed.name);
    const auto file = look_at(store, sealed.name);
    if (!file) {
      damaged(sealed.name, kMissing);
    } else if (file->bytes != sealed.bytes) {
      damaged(sealed.name, length_problem(sealed, file->bytes));
    } else if (checksum_of_file(store / sealed.name) != sealed.checksum) {
      damaged(sealed.name, kChanged);
    }
  }
  for (const std::string& name : names) damaged(name, "it was not there when the store was closed");
}

}  // namespace dexter
