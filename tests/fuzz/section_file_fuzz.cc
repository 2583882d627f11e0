// Section files. Under its checksums no damage passes, so every input is also tried with checksums
// that fit, as a made-up file may have them.
#include "storage/section_file.h"

#include <cstring>

#include "storage/checksum.h"
#include "storage/section_layout.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/support/memory_file.h"
#include "tests/support/temp_dir.h"

namespace dexter::fuzz {
namespace {

using section_layout::kFooterBytes;
using section_layout::kHeaderBytes;

std::uint64_t number_at(std::string_view bytes, std::size_t at) {
  bytes.remove_prefix(at);
  return section_layout::get<std::uint64_t>(bytes);
}

void put_at(std::string& bytes, std::size_t at, std::uint64_t number) {
  std::memcpy(bytes.data() + at, &number, sizeof number);
}

// The same file with header and table under fitting checksums, where it has room for them.
std::string resealed(std::string file) {
  if (file.size() < kHeaderBytes + kFooterBytes) return file;
  const std::string_view all = file;
  const std::uint64_t header = checksum64(all.substr(0, kHeaderBytes - 8));
  put_at(file, kHeaderBytes - 8, header);
  const std::size_t footer = file.size() - kFooterBytes;
  const std::uint64_t table = number_at(file, footer);
  if (table > footer) return file;
  put_at(file, footer + 8, footer - table);
  put_at(file, footer + 16, checksum64(all.substr(table, footer - table), header));
  return file;
}

void read(const std::filesystem::path& path) {
  const SectionFileReader reader(path, "index", 2);
  for (const char* name : {"config", "vectors", ""})
    if (reader.has(name)) succeeds([&] { reader.text(name); });
  reader.verify();
}

std::string file_of(std::initializer_list<std::pair<const char*, std::string>> sections) {
  const testing::TempDir folder;
  SectionFileWriter writer(folder.path() / "file", "index", 2);
  for (const auto& [name, content] : sections) writer.add(name, content);
  writer.commit(folder.path());
  return testing::read_bytes(folder.path() / "file");
}

}  // namespace

std::vector<std::string> seeds() {
  return {file_of({}), file_of({{"config", R"({"kind": "flat"})"}}),
          file_of({{"config", "{}"}, {"vectors", std::string(100, '\7')}, {"", ""}})};
}

void run(std::string_view input) {
  static testing::MemoryFile file;
  for (const std::string& bytes : {std::string(input), resealed(std::string(input))}) {
    file.write(bytes);
    succeeds([&] { read(file.path()); });
  }
}

}  // namespace dexter::fuzz
