// Writing section files: aside, synced, re-read and checked, renamed.
#include <stdio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <vector>

#include "storage/checksum.h"
#include "storage/crash_point.h"
#include "storage/error.h"
#include "storage/file_io.h"
#include "storage/section_file.h"
#include "storage/section_layout.h"

namespace dexter {

using section_layout::Section;

struct SectionFileWriter::Impl {
  std::filesystem::path path;
  std::filesystem::path temporary;
  std::string header;
  std::optional<File> file;
  std::string pending;  // bytes not yet handed to the operating system
  std::uint64_t written = 0;
  std::vector<Section> sections;
  std::optional<Checksum64> open_section;
  bool committed = false;

  std::uint64_t position() const { return written + pending.size(); }

  void flush() {
    file->write(std::as_bytes(std::span(pending)));
    written += pending.size();
    pending.clear();
  }

  void append(std::span<const std::byte> bytes) {
    constexpr std::size_t kPendingBytes = 1u << 20;
    if (pending.size() + bytes.size() <= kPendingBytes) {
      pending.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      return;
    }
    flush();
    file->write(bytes);
    written += bytes.size();
  }

  void pad() {
    const std::size_t over = position() % section_layout::kAlignment;
    if (over != 0) pending.append(section_layout::kAlignment - over, '\0');
  }
};

SectionFileWriter::SectionFileWriter(std::filesystem::path path, std::string_view type,
                                     std::uint32_t version)
    : impl_(std::make_unique<Impl>()) {
  ensure(!type.empty() && type.size() <= section_layout::kTypeBytes, ErrorKind::kInternal,
         "writing " + path.string() + ": the type name \"" + std::string(type) +
             "\" must have 1 to 32 bytes");
  std::error_code failed;
  std::filesystem::create_directories(path.parent_path(), failed);
  impl_->temporary = path;
  impl_->temporary += ".tmp";
  impl_->path = std::move(path);
  impl_->file.emplace(File::create(impl_->temporary));
  impl_->header = section_layout::header_of(type, version);
  impl_->pending = impl_->header;
}

SectionFileWriter::~SectionFileWriter() {
  if (!impl_->committed) ::unlink(impl_->temporary.c_str());
}

void SectionFileWriter::add(std::string_view name, std::span<const std::byte> bytes) {
  begin(name);
  append(bytes);
  end();
}

void SectionFileWriter::add(std::string_view name, std::string_view text) {
  add(name, std::as_bytes(std::span(text)));
}

void SectionFileWriter::begin(std::string_view name) {
  const auto same = [&](const Section& section) { return section.name == name; };
  ensure(!impl_->open_section && std::ranges::none_of(impl_->sections, same), ErrorKind::kInternal,
         "writing " + impl_->path.string() + ": section \"" + std::string(name) +
             "\" begins twice or inside another one");
  impl_->pad();
  impl_->sections.push_back({std::string(name), impl_->position(), 0, 0});
  impl_->open_section.emplace();
}

void SectionFileWriter::append(std::span<const std::byte> bytes) {
  ensure(impl_->open_section.has_value(), ErrorKind::kInternal,
         "writing " + impl_->path.string() + ": bytes arrive before a section begins");
  impl_->open_section->update(bytes);
  impl_->append(bytes);
}

void SectionFileWriter::end() {
  ensure(impl_->open_section.has_value(), ErrorKind::kInternal,
         "writing " + impl_->path.string() + ": a section ends that did not begin");
  Section& section = impl_->sections.back();
  section.bytes = impl_->position() - section.offset;
  section.checksum = impl_->open_section->value();
  impl_->open_section.reset();
}

FileRef SectionFileWriter::commit(const std::filesystem::path& root) {
  Impl& file = *impl_;
  ensure(!file.open_section && !file.committed, ErrorKind::kInternal,
         "writing " + file.path.string() + ": committed twice or inside a section");
  file.pad();
  const std::string table = section_layout::table_of(file.sections);
  const std::uint64_t checksum = checksum64(table, section_layout::checksum_in_header(file.header));
  std::string footer;
  section_layout::put(footer, file.position());
  section_layout::put(footer, static_cast<std::uint64_t>(table.size()));
  section_layout::put(footer, checksum);
  footer.append(section_layout::kEndMagic);
  file.append(std::as_bytes(std::span(table)));
  file.append(std::as_bytes(std::span(footer)));
  file.flush();
  crash_point("section_file.before_sync");
  file.file->sync();
  file.file->forget_cached_pages();
  file.file->close();
  crash_point("section_file.before_check");
  verify_section_file(file.temporary);
  crash_point("section_file.before_rename");
  ensure(::rename(file.temporary.c_str(), file.path.c_str()) == 0, ErrorKind::kIo,
         "renaming " + file.temporary.string() + ": " + reason_of(errno));
  file.committed = true;
  crash_point("section_file.after_rename");
  sync_folder(file.path.parent_path());
  crash_point("section_file.committed");
  return {file.path.lexically_relative(root).generic_string(), file.written, to_hex(checksum)};
}

}  // namespace dexter
