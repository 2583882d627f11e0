#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Inner header of the section file's writer and reader: the bytes of FORMAT.md, "Section files".
namespace dexter::section_layout {

inline constexpr std::string_view kMagic = "DEXTERSF";
inline constexpr std::string_view kEndMagic = "DEXTERSE";
inline constexpr std::uint32_t kContainerVersion = 1;
inline constexpr std::size_t kAlignment = 64;
inline constexpr std::size_t kTypeBytes = 32;
inline constexpr std::size_t kHeaderBytes = 64;
inline constexpr std::size_t kFooterBytes = 32;

// Integers lie little-endian, as the machines that dexter runs on hold them.
template <class T>
void put(std::string& out, T number) {
  out.append(reinterpret_cast<const char*>(&number), sizeof number);
}

// The caller has checked that `in` is long enough.
template <class T>
T get(std::string_view& in) {
  T number{};
  std::memcpy(&number, in.data(), sizeof number);
  in.remove_prefix(sizeof number);
  return number;
}

struct Section {
  std::string name;
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;
};

std::string header_of(std::string_view type, std::uint32_t version);
// The checksum that `header` [kHeaderBytes] carries; it seeds the table's, so that the table's
// covers both.
std::uint64_t checksum_in_header(std::string_view header);
std::string table_of(const std::vector<Section>& sections);
// Nothing where the table contradicts itself or the sections do not fit before `data_end`. The
// bytes have passed their checksum; bounds are checked all the same, since a file may be made up
// with a fitting one.
std::optional<std::vector<Section>> parse_table(std::string_view table, std::uint64_t data_end);

}  // namespace dexter::section_layout
