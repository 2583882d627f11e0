#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dexter {

// Inner header of the catalog: RocksDB's column families as plain byte strings. Keys and values are
// storage/codec.h's. Errors: kCorrupt and kIo with RocksDB's text, which names the file.

enum class Family : std::uint8_t {
  kMeta,
  kDocuments,
  kDocumentKeys,
  kLabels,
  kLabelKeys,
  kVectors,
  kChanges,
};
inline constexpr std::size_t kFamilies = 7;
std::string_view name_of(Family family);

// Keys in [begin, end).
struct KeyRange {
  std::string begin;
  std::string end;
};

class RecordStore;

// Changes of one store written together or not at all, in the order given.
class RecordBatch {
 public:
  explicit RecordBatch(const RecordStore& store);
  ~RecordBatch();
  void put(Family family, std::string_view key, std::string_view value);
  void remove(Family family, std::string_view key);
  void remove(Family family, const KeyRange& range);
  std::size_t bytes() const;
  void clear();

 private:
  friend class RecordStore;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class RecordStore {
 public:
  enum class Access { kRead, kWrite, kCreate };
  // Of the state at opening when reading. kUnavailable where a writer changes files faster than a
  // reader can open them.
  RecordStore(const std::filesystem::path& folder, Access access);
  ~RecordStore();

  std::optional<std::string> get(Family family, std::string_view key) const;
  std::vector<std::optional<std::string>> get(Family family,
                                              std::span<const std::string> keys) const;
  // In key order until `visit` returns false. The views live during the call.
  using Visitor = std::function<bool(std::string_view key, std::string_view value)>;
  void scan(Family family, const KeyRange& range, const Visitor& visit) const;
  bool is_empty(Family family, const KeyRange& range) const;

  // On disk when it returns.
  void write(RecordBatch& batch);
  // On disk after `flush`; memory stays bounded in between.
  void write_unlogged(RecordBatch& batch);
  void flush();
  // Removes a range and gives its space back, as far as that goes without rewriting the rest.
  void drop(Family family, const KeyRange& range);
  // The store as it is now in a new folder beside it, for the cost of links where the file system
  // has them.
  void copy_to(const std::filesystem::path& folder) const;
  // Flushes, so that no log is left, and closes; false where something failed (the data is what was
  // acknowledged all the same). Nothing may be called afterwards.
  bool close();

  // Another text whenever a writer has made another set of files current.
  static std::string signature(const std::filesystem::path& folder);
  // Checks whole-file and block checksums of every live table file; calls `damaged` with the file's
  // name in the folder and what is wrong.
  using DamageVisitor = std::function<void(const std::string& file, const std::string& what)>;
  void verify(const DamageVisitor& damaged,
              const std::function<void(const std::string& file)>& visit) const;
  // Checks each table file of a store that does not open by itself, to tell which one is to blame.
  static void verify_tables(const std::filesystem::path& folder, const DamageVisitor& damaged);

 private:
  friend class RecordBatch;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
