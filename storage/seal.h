#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace dexter {

// Inner header of the catalog. The file SEAL lists every file of a store that its last writer
// closed in order, with size and XXH3-64, so that any later change of any byte shows. A writer
// removes it before it changes anything; a store without one (a writer is at work, or was killed)
// has the other checksums only.

struct SealedFile {
  std::string name;  // relative to the store
  std::uint64_t bytes = 0;
  std::uint64_t checksum = 0;
  // Of the file when it was hashed: an immutable file with the same ones is not hashed again.
  std::int64_t modified_ns = 0;
  std::uint64_t inode = 0;
  bool operator==(const SealedFile&) const = default;
};
using Seal = std::vector<SealedFile>;

// Nothing where there is none; kCorrupt where its own checksum fails.
std::optional<Seal> read_seal(const std::filesystem::path& store);
void remove_seal(const std::filesystem::path& store);
// Takes checksums of unchanged immutable files from `former`.
void write_seal(const std::filesystem::path& store, const Seal& former);

// The cheap check of every opening: all sizes, and the checksums of RocksDB's small files, which it
// reads before it can check much. kCorrupt names the file.
void check_seal(const std::filesystem::path& store, const Seal& seal);
// Reads every byte; calls `damaged` with each file that is not as sealed, or not sealed at all.
void verify_seal(
    const std::filesystem::path& store, const Seal& seal,
    const std::function<void(const std::string& file, const std::string& what)>& damaged,
    const std::function<void(const std::string& file)>& visit);

}  // namespace dexter
