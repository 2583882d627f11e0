#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dexter {

enum class KeyRole : std::uint8_t { kRead, kReadWrite };

// The keys that a server takes, from a file of one key a line:
//
//   # comments and empty lines are passed over
//   KEY                          may read and write
//   KEY read                     or: KEY read-write
//   sha256:HEX read              the key's SHA-256 in hexadecimal instead of the key
//
// A key is printable ASCII without a space. In memory there are hashes only. Safe from many
// threads.
class ApiKeys {
 public:
  ApiKeys() = default;  // none: everyone may do everything
  // None where `file` is empty. kNotFound, kIo; kInvalidInput naming the line for what is no key,
  // and for a file without any.
  explicit ApiKeys(std::filesystem::path file);

  // Reads the file again; where that fails the keys stay as they were. Errors as above.
  void reload();
  bool wanted() const { return !file_.empty(); }
  std::size_t count() const;
  // What a key may do; nullopt for one that is not known. Takes the same time for each.
  std::optional<KeyRole> role_of(std::string_view key) const;

 private:
  struct Entry {
    std::array<std::uint8_t, 32> hash{};
    KeyRole role = KeyRole::kReadWrite;
  };
  using Entries = std::vector<Entry>;

  static Entry parse(std::string_view line, const std::string& where);
  std::shared_ptr<const Entries> entries() const;

  std::filesystem::path file_;
  mutable std::mutex mutex_;
  std::shared_ptr<const Entries> entries_;  // guarded by mutex_
};

}  // namespace dexter
