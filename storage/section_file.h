#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace dexter {

// The container of every file dexter writes beside the catalog (encoders, index files, training
// checkpoints): named sections of bytes, each with an XXH3-64 checksum, and a checksummed table, so
// that no library parses a byte that was not checked. Layout in storage/FORMAT.md.

// Names a committed file, so that the manifest can tell a swapped or stale one.
struct FileRef {
  std::string name;  // relative to the store's folder
  std::uint64_t bytes = 0;
  std::string
      checksum;  // XXH3-64 of the section table, which covers the sections' own; 16 hex digits
  bool operator==(const FileRef&) const = default;
};

// Writes PATH.tmp and turns it into PATH in `commit`: sync, re-read and check, rename, sync the
// folder. Destroyed without `commit` it removes the .tmp. Errors: kIo with the operating system's
// reason.
class SectionFileWriter {
 public:
  // `type` says what the file is ("encoder", "index", "checkpoint"); `version` is that type's own.
  SectionFileWriter(std::filesystem::path path, std::string_view type, std::uint32_t version);
  ~SectionFileWriter();
  SectionFileWriter(const SectionFileWriter&) = delete;
  SectionFileWriter& operator=(const SectionFileWriter&) = delete;

  // A whole section, 64-byte aligned in the file. Names are unique.
  void add(std::string_view name, std::span<const std::byte> bytes);
  void add(std::string_view name, std::string_view text);
  // A section of unknown length in pieces: begin, append..., end.
  void begin(std::string_view name);
  void append(std::span<const std::byte> bytes);
  void end();

  // Returns the reference of the finished file, its name relative to `root`.
  FileRef commit(const std::filesystem::path& root);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Maps a committed file read-only. Opening checks magic, type, version (<= `newest_version`) and
// the table; `section` checks that section's checksum on its first use. Spans live as long as the
// reader. Errors: kNotFound; kCorrupt naming the file and section; kIncompatible for another type
// or a newer version. Safe to use from many threads.
class SectionFileReader {
 public:
  SectionFileReader(const std::filesystem::path& path, std::string_view type,
                    std::uint32_t newest_version);
  // As above, and the file must be the one `ref` names (kCorrupt otherwise).
  SectionFileReader(const std::filesystem::path& root, const FileRef& ref, std::string_view type,
                    std::uint32_t newest_version);
  ~SectionFileReader();
  SectionFileReader(SectionFileReader&&) noexcept;
  SectionFileReader& operator=(SectionFileReader&&) noexcept;

  bool has(std::string_view name) const;
  std::span<const std::byte> section(std::string_view name) const;  // kCorrupt where absent
  // As numbers; kCorrupt where the section does not hold `count` of them.
  template <class T>
  std::span<const T> values(std::string_view name, std::size_t count) const {
    return {reinterpret_cast<const T*>(section(name, count * sizeof(T)).data()), count};
  }
  std::string_view text(std::string_view name) const;
  std::uint32_t version() const;
  // Checks every section.
  void verify() const;
  // The file as a manifest names it, its name relative to `root`.
  FileRef reference(const std::filesystem::path& root) const;

 private:
  friend void verify_section_file(const std::filesystem::path&);
  friend void verify_section_file(const std::filesystem::path&, const FileRef&);
  std::span<const std::byte> section(std::string_view name, std::size_t bytes) const;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Checks a section file of any type, all of it; throws kCorrupt/kIo naming it. With `ref` it must
// be the file that `ref` names.
void verify_section_file(const std::filesystem::path& path);
void verify_section_file(const std::filesystem::path& root, const FileRef& ref);

}  // namespace dexter
