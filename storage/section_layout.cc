// The bytes of a section file's header and table.
#include "storage/section_layout.h"

#include <utility>

#include "storage/checksum.h"

namespace dexter::section_layout {

std::string header_of(std::string_view type, std::uint32_t version) {
  std::string header(kMagic);
  put(header, kContainerVersion);
  put(header, version);
  header.append(type);
  header.resize(kHeaderBytes - sizeof(std::uint64_t));
  put(header, checksum64(header));
  return header;
}

std::uint64_t checksum_in_header(std::string_view header) {
  auto tail = header.substr(kHeaderBytes - sizeof(std::uint64_t));
  return get<std::uint64_t>(tail);
}

std::string table_of(const std::vector<Section>& sections) {
  std::string table;
  put(table, static_cast<std::uint32_t>(sections.size()));
  for (const Section& section : sections) {
    put(table, section.offset);
    put(table, section.bytes);
    put(table, section.checksum);
    put(table, static_cast<std::uint32_t>(section.name.size()));
    table.append(section.name);
  }
  return table;
}

// The table's bytes have passed their checksum; the bounds are checked all the same, since a file
// may be made up with a fitting checksum.
std::optional<std::vector<Section>> parse_table(std::string_view table, std::uint64_t data_end) {
  if (table.size() < sizeof(std::uint32_t)) return std::nullopt;
  const auto count = get<std::uint32_t>(table);
  std::vector<Section> sections;
  std::uint64_t end = kHeaderBytes;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (table.size() < 28) return std::nullopt;
    Section section;
    section.offset = get<std::uint64_t>(table);
    section.bytes = get<std::uint64_t>(table);
    section.checksum = get<std::uint64_t>(table);
    const auto name_bytes = get<std::uint32_t>(table);
    if (name_bytes > table.size()) return std::nullopt;
    section.name = table.substr(0, name_bytes);
    table.remove_prefix(name_bytes);
    const bool fits = section.offset >= end && section.offset % kAlignment == 0 &&
                      section.offset <= data_end && section.bytes <= data_end - section.offset;
    if (!fits) return std::nullopt;
    end = section.offset + section.bytes;
    sections.push_back(std::move(section));
  }
  if (!table.empty()) return std::nullopt;
  return sections;
}

}  // namespace dexter::section_layout
