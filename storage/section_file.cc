// Reading section files through a mapping, each checksum before the bytes it covers.
#include "storage/section_file.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <span>
#include <utility>

#include "storage/checksum.h"
#include "storage/error.h"
#include "storage/file_io.h"
#include "storage/section_layout.h"

namespace dexter {
namespace {

using section_layout::get;
using section_layout::kFooterBytes;
using section_layout::kHeaderBytes;
using section_layout::Section;

[[noreturn]] void throw_corrupt(const std::filesystem::path& path, const std::string& what) {
  throw Error(
      ErrorKind::kCorrupt,
      "reading " + path.string() + ": " + what +
          "; the file is damaged, make it anew (`dexter train`, `dexter index`) or restore it");
}

}  // namespace

struct SectionFileReader::Impl {
  struct Entry {
    Section section;
    mutable std::atomic<bool> checked = false;
  };

  std::filesystem::path path;
  const char* mapped = nullptr;
  std::size_t bytes = 0;
  std::string type;
  std::uint32_t version = 0;
  std::uint64_t table_checksum = 0;
  std::map<std::string, Entry, std::less<>> entries;

  explicit Impl(const std::filesystem::path& file_path) : path(file_path) {
    File file = File::open_for_reading(path);
    bytes = file.size();
    if (bytes < kHeaderBytes + kFooterBytes)
      throw_corrupt(path, "it has " + std::to_string(bytes) + " bytes, a whole file has more");
    void* address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
    ensure(address != MAP_FAILED, ErrorKind::kIo,
           "mapping " + path.string() + ": " + reason_of(errno));
    mapped = static_cast<const char*>(address);
  }
  Impl(const std::filesystem::path& root, const FileRef& ref) : Impl(root / ref.name) {
    if (bytes != ref.bytes)
      throw_corrupt(path, "it has " + std::to_string(bytes) + " bytes, the store's manifest says " +
                              std::to_string(ref.bytes));
  }
  ~Impl() { ::munmap(const_cast<char*>(mapped), bytes); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  // Checks header and table; done once, after the constructor.
  void open() {
    read_header();
    read_table();
  }

  void expect(const FileRef& ref) const {
    if (to_hex(table_checksum) != ref.checksum)
      throw_corrupt(path, "its checksum is " + to_hex(table_checksum) +
                              ", the store's manifest says " + ref.checksum);
  }

  // By pieces whose pages are given back at once, so that a file of gigabytes is checked in little
  // memory.
  void verify() const {
    constexpr std::uint64_t kPiece = 16u << 20;
    for (const auto& [name, entry] : entries) {
      Checksum64 checksum;
      const std::uint64_t end = entry.section.offset + entry.section.bytes;
      for (std::uint64_t at = entry.section.offset; at < end; at += kPiece) {
        const auto piece = view(at, std::min(kPiece, end - at));
        checksum.update(std::as_bytes(std::span(piece)));
        const std::uint64_t page = at & ~std::uint64_t{4095};
        ::madvise(const_cast<char*>(mapped) + page, piece.size() + (at - page), MADV_DONTNEED);
      }
      if (checksum.value() != entry.section.checksum) throw_section(entry);
    }
  }

  [[noreturn]] void throw_section(const Entry& entry) const {
    throw_corrupt(path, "the checksum of section \"" + entry.section.name + "\" does not match");
  }

  std::string_view view(std::uint64_t offset, std::uint64_t size) const {
    return {mapped + offset, size};
  }

  void read_header() {
    std::string_view header = view(0, kHeaderBytes);
    if (!header.starts_with(section_layout::kMagic))
      throw_corrupt(path, "it does not begin as a dexter file does");
    if (checksum64(view(0, kHeaderBytes - 8)) != section_layout::checksum_in_header(header))
      throw_corrupt(path, "the checksum of its header does not match");
    header.remove_prefix(section_layout::kMagic.size());
    const auto container = get<std::uint32_t>(header);
    ensure(container <= section_layout::kContainerVersion, ErrorKind::kIncompatible,
           "reading " + path.string() + ": its container has version " + std::to_string(container) +
               ", this build reads up to " + std::to_string(section_layout::kContainerVersion) +
               "; use a newer dexter");
    version = get<std::uint32_t>(header);
    type = header.substr(0, section_layout::kTypeBytes);
    type.resize(std::strlen(type.c_str()));
  }

  void read_table() {
    std::string_view footer = view(bytes - kFooterBytes, kFooterBytes);
    const auto offset = get<std::uint64_t>(footer);
    const auto size = get<std::uint64_t>(footer);
    table_checksum = get<std::uint64_t>(footer);
    const std::uint64_t end = bytes - kFooterBytes;
    if (footer != section_layout::kEndMagic || offset < kHeaderBytes || offset > end ||
        size != end - offset)
      throw_corrupt(path, "its end is missing (" + std::to_string(bytes) + " bytes are there)");
    const auto table = view(offset, size);
    if (checksum64(table, section_layout::checksum_in_header(view(0, kHeaderBytes))) !=
        table_checksum)
      throw_corrupt(path, "the checksum of its table of sections does not match");
    auto sections = section_layout::parse_table(table, offset);
    if (!sections) throw_corrupt(path, "its table of sections contradicts itself");
    std::uint64_t position = kHeaderBytes;
    for (Section& section : *sections) {
      check_padding(position, section.offset);
      position = section.offset + section.bytes;
      Entry& entry = entries[section.name];
      if (!entry.section.name.empty()) throw_corrupt(path, "it names a section twice");
      entry.section = std::move(section);
    }
    check_padding(position, offset);
  }

  void check_padding(std::uint64_t from, std::uint64_t to) const {
    const auto padding = view(from, to - from);
    if (padding.size() >= section_layout::kAlignment ||
        padding.find_first_not_of('\0') != std::string_view::npos)
      throw_corrupt(path, "bytes between two sections are not the zeros they should be");
  }

  std::string_view checked(const Entry& entry) const {
    const auto content = view(entry.section.offset, entry.section.bytes);
    if (entry.checked.load(std::memory_order_acquire)) return content;
    if (checksum64(content) != entry.section.checksum) throw_section(entry);
    entry.checked.store(true, std::memory_order_release);
    return content;
  }

  void expect(std::string_view wanted, std::uint32_t newest_version) const {
    ensure(type == wanted, ErrorKind::kIncompatible,
           "reading " + path.string() + ": it is of type \"" + type + "\", wanted is \"" +
               std::string(wanted) + "\"; name another file");
    ensure(version <= newest_version, ErrorKind::kIncompatible,
           "reading " + path.string() + ": its " + type + " format is " + std::to_string(version) +
               ", this build reads up to " + std::to_string(newest_version) +
               "; use a newer dexter");
  }
};

SectionFileReader::SectionFileReader(const std::filesystem::path& path, std::string_view type,
                                     std::uint32_t newest_version)
    : impl_(std::make_unique<Impl>(path)) {
  impl_->open();
  impl_->expect(type, newest_version);
}

SectionFileReader::SectionFileReader(const std::filesystem::path& root, const FileRef& ref,
                                     std::string_view type, std::uint32_t newest_version)
    : impl_(std::make_unique<Impl>(root, ref)) {
  impl_->open();
  impl_->expect(ref);
  impl_->expect(type, newest_version);
}

SectionFileReader::~SectionFileReader() = default;
SectionFileReader::SectionFileReader(SectionFileReader&&) noexcept = default;
SectionFileReader& SectionFileReader::operator=(SectionFileReader&&) noexcept = default;

bool SectionFileReader::has(std::string_view name) const { return impl_->entries.contains(name); }

std::string_view SectionFileReader::text(std::string_view name) const {
  const auto entry = impl_->entries.find(name);
  if (entry == impl_->entries.end())
    throw_corrupt(impl_->path, "it has no section \"" + std::string(name) + "\"");
  return impl_->checked(entry->second);
}

std::span<const std::byte> SectionFileReader::section(std::string_view name) const {
  return std::as_bytes(std::span(text(name)));
}

std::span<const std::byte> SectionFileReader::section(std::string_view name,
                                                      std::size_t bytes) const {
  const std::span<const std::byte> found = section(name);
  if (found.size() != bytes)
    throw_corrupt(impl_->path, "section \"" + std::string(name) + "\" has " +
                                   std::to_string(found.size()) + " bytes where " +
                                   std::to_string(bytes) + " belong");
  return found;
}

std::uint32_t SectionFileReader::version() const { return impl_->version; }

void SectionFileReader::verify() const { impl_->verify(); }

FileRef SectionFileReader::reference(const std::filesystem::path& root) const {
  return {impl_->path.lexically_relative(root).generic_string(), impl_->bytes,
          to_hex(impl_->table_checksum)};
}

void verify_section_file(const std::filesystem::path& path) {
  SectionFileReader::Impl file(path);
  file.open();
  file.verify();
}

void verify_section_file(const std::filesystem::path& root, const FileRef& ref) {
  SectionFileReader::Impl file(root, ref);
  file.open();
  file.expect(ref);
  file.verify();
}

}  // namespace dexter
