// RocksDB behind RecordStore: its options, its errors as ours, its lifecycle.
#include "storage/record_store.h"

#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/file_checksum.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>
#include <spdlog/fmt/fmt.h>

#include <array>
#include <chrono>
#include <thread>
#include <utility>

#include "storage/error.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

constexpr std::array<std::string_view, kFamilies> kNames = {
    "default", "documents", "document_keys", "labels", "label_keys", "vectors", "changes"};

[[noreturn]] void throw_status(const rocksdb::Status& status, std::string_view doing) {
  const std::string found = status.ToString();
  if (status.IsNoSpace())
    throw Error(
        ErrorKind::kIo,
        fmt::format("{}: the disk is full ({}); free some space and try again", doing, found));
  // RocksDB calls a missing CURRENT file an invalid argument.
  const bool missing_file =
      status.IsPathNotFound() || status.IsNotFound() || status.IsInvalidArgument();
  if (status.IsCorruption() || missing_file)
    throw Error(
        ErrorKind::kCorrupt,
        fmt::format("{}: {}; the store is damaged, `dexter verify` lists what; import again "
                    "or restore a copy",
                    doing, found));
  if (status.IsIOError())
    throw Error(ErrorKind::kIo, fmt::format("{}: {}; see to the disk and try again", doing, found));
  if (status.IsNotSupported())
    throw Error(ErrorKind::kIncompatible,
                fmt::format("{}: {}; this build cannot read it, use a newer dexter", doing, found));
  throw Error(ErrorKind::kInternal, fmt::format("{}: {}; please report it", doing, found));
}

void check(const rocksdb::Status& status, std::string_view doing) {
  if (!status.ok()) throw_status(status, doing);
}

rocksdb::Slice slice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view view(const rocksdb::Slice& bytes) { return {bytes.data(), bytes.size()}; }

class SilentLogger : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
};

rocksdb::DBOptions database_options(RecordStore::Access access) {
  rocksdb::DBOptions options;
  options.create_if_missing = access == RecordStore::Access::kCreate;
  options.create_missing_column_families = access == RecordStore::Access::kCreate;
  options.paranoid_checks = true;
  options.track_and_verify_wals_in_manifest = true;
  // A log record that fails its checksum is an error, not the end of the log: every acknowledged
  // write was synced before the next began, so only an incomplete last record can come from a
  // crash.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  options.max_open_files = -1;  // a reader keeps what it opened even when a writer removes it
  options.db_write_buffer_size = 64u << 20;
  options.bytes_per_sync = 1u << 20;
  options.allow_fallocate = false;       // it would reserve 39 MB at every opening
  options.max_bgerror_resume_count = 0;  // a full disk ends the writer; opening again recovers
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.info_log = std::make_shared<SilentLogger>();
  return options;
}

rocksdb::ColumnFamilyOptions family_options(Family family) {
  static const auto cache = rocksdb::NewLRUCache(32u << 20);
  rocksdb::ColumnFamilyOptions options;
  options.write_buffer_size = 32u << 20;
  options.compression =
      family == Family::kVectors ? rocksdb::kNoCompression : rocksdb::kLZ4Compression;
  options.memtable_protection_bytes_per_key = 8;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.checksum = rocksdb::kXXH3;
  table.block_size = 16u << 10;
  if (family == Family::kDocumentKeys || family == Family::kLabelKeys)
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// Nothing where a writer has removed the file, which an open store still reads.
std::optional<std::string> find_checksum_of_table(const std::filesystem::path& path) try {
  const auto generator =
      rocksdb::GetFileChecksumGenCrc32cFactory()->CreateFileChecksumGenerator({path.string(), ""});
  File file = File::open_for_reading(path);
  std::vector<std::byte> piece(1u << 20);
  while (const std::size_t got = file.read(piece))
    generator->Update(reinterpret_cast<const char*>(piece.data()), got);
  generator->Finalize();
  return generator->GetChecksum();
} catch (const Error& error) {
  if (error.kind() == ErrorKind::kNotFound) return std::nullopt;
  throw;
}

}  // namespace

std::string_view name_of(Family family) { return kNames[static_cast<std::size_t>(family)]; }

struct RecordStore::Impl {
  std::filesystem::path folder;
  Access access = Access::kRead;
  std::unique_ptr<rocksdb::DB> db;
  std::array<rocksdb::ColumnFamilyHandle*, kFamilies> families{};

  rocksdb::ColumnFamilyHandle* operator[](Family family) const {
    return families[static_cast<std::size_t>(family)];
  }

  std::string doing(const char* what) const { return std::string(what) + folder.string(); }

  rocksdb::Status open() {
    std::vector<rocksdb::ColumnFamilyDescriptor> wanted;
    for (std::size_t i = 0; i < kFamilies; ++i)
      wanted.emplace_back(std::string(kNames[i]), family_options(static_cast<Family>(i)));
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* opened = nullptr;
    const auto options = database_options(access);
    const auto status =
        access == Access::kRead
            ? rocksdb::DB::OpenForReadOnly(options, folder.string(), wanted, &handles, &opened)
            : rocksdb::DB::Open(options, folder.string(), wanted, &handles, &opened);
    if (!status.ok()) return status;
    db.reset(opened);
    std::copy(handles.begin(), handles.end(), families.begin());
    return status;
  }

  // RocksDB reads the list of files first and the log afterwards; where a writer flushes its log in
  // between, that would be neither the old state nor the new one, so the opening is repeated.
  void open_for_reading() {
    constexpr int kAttempts = 8;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(attempt));
      const std::string before = signature(folder);
      const rocksdb::Status status = open();
      if (signature(folder) == before) return check(status, doing("opening the catalog in "));
      if (status.ok()) close();
    }
    throw Error(ErrorKind::kUnavailable,
                doing("opening the catalog in ") +
                    ": a writer changed its files during each of 8 attempts; try again");
  }

  bool close() {
    if (db == nullptr) return true;
    for (rocksdb::ColumnFamilyHandle*& family : families) {
      db->DestroyColumnFamilyHandle(family);
      family = nullptr;
    }
    const bool closed = db->Close().ok();
    db.reset();
    return closed;
  }

  rocksdb::Status flush() {
    rocksdb::FlushOptions options;
    options.allow_write_stall = true;
    return db->Flush(options, {families.begin(), families.end()});
  }

  void write(rocksdb::WriteBatch& batch, bool logged) {
    rocksdb::WriteOptions options;
    options.sync = logged;
    options.disableWAL = !logged;
    check(db->Write(options, &batch), doing("writing to the catalog in "));
  }
};

struct RecordBatch::Impl {
  const RecordStore::Impl& store;
  rocksdb::WriteBatch batch{/*reserved_bytes=*/0, /*max_bytes=*/0, /*protection_bytes_per_key=*/8,
                            /*default_cf_ts_sz=*/0};
};

RecordBatch::RecordBatch(const RecordStore& store)
    : impl_(std::make_unique<Impl>(Impl{.store = *store.impl_})) {}
RecordBatch::~RecordBatch() = default;

void RecordBatch::put(Family family, std::string_view key, std::string_view value) {
  check(impl_->batch.Put(impl_->store[family], slice(key), slice(value)), "adding to a batch");
}

void RecordBatch::remove(Family family, std::string_view key) {
  check(impl_->batch.Delete(impl_->store[family], slice(key)), "adding to a batch");
}

void RecordBatch::remove(Family family, const KeyRange& range) {
  check(impl_->batch.DeleteRange(impl_->store[family], slice(range.begin), slice(range.end)),
        "adding to a batch");
}

std::size_t RecordBatch::bytes() const { return impl_->batch.GetDataSize(); }

void RecordBatch::clear() { impl_->batch.Clear(); }

RecordStore::RecordStore(const std::filesystem::path& folder, Access access)
    : impl_(std::make_unique<Impl>()) {
  impl_->folder = folder;
  impl_->access = access;
  if (access == Access::kRead)
    impl_->open_for_reading();
  else
    check(impl_->open(), impl_->doing("opening the catalog in "));
}

RecordStore::~RecordStore() { impl_->close(); }

std::optional<std::string> RecordStore::get(Family family, std::string_view key) const {
  std::string value;
  const auto status = impl_->db->Get({}, (*impl_)[family], slice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  check(status, impl_->doing("reading the catalog in "));
  return value;
}

std::vector<std::optional<std::string>> RecordStore::get(Family family,
                                                         std::span<const std::string> keys) const {
  std::vector<rocksdb::Slice> wanted(keys.begin(), keys.end());
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  impl_->db->MultiGet({}, (*impl_)[family], keys.size(), wanted.data(), values.data(),
                      statuses.data());
  std::vector<std::optional<std::string>> found(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    check(statuses[i], impl_->doing("reading the catalog in "));
    found[i] = values[i].ToString();
  }
  return found;
}

void RecordStore::scan(Family family, const KeyRange& range, const Visitor& visit) const {
  const rocksdb::Slice end = slice(range.end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &end;
  options.fill_cache = false;
  options.readahead_size = 1u << 20;
  const std::unique_ptr<rocksdb::Iterator> at(impl_->db->NewIterator(options, (*impl_)[family]));
  for (at->Seek(slice(range.begin)); at->Valid(); at->Next())
    if (!visit(view(at->key()), view(at->value()))) return;
  check(at->status(), impl_->doing("reading the catalog in "));
}

bool RecordStore::is_empty(Family family, const KeyRange& range) const {
  bool empty = true;
  scan(family, range, [&](std::string_view, std::string_view) { return empty = false; });
  return empty;
}

void RecordStore::write(RecordBatch& batch) { impl_->write(batch.impl_->batch, true); }

void RecordStore::write_unlogged(RecordBatch& batch) { impl_->write(batch.impl_->batch, false); }

void RecordStore::flush() { check(impl_->flush(), impl_->doing("flushing the catalog in ")); }

void RecordStore::drop(Family family, const KeyRange& range) {
  RecordBatch batch(*this);
  batch.remove(family, range);
  write(batch);
  const rocksdb::Slice begin = slice(range.begin);
  const rocksdb::Slice end = slice(range.end);
  check(impl_->db->CompactRange({}, (*impl_)[family], &begin, &end),
        impl_->doing("giving back space in "));
}

void RecordStore::copy_to(const std::filesystem::path& folder) const {
  rocksdb::Checkpoint* made = nullptr;
  check(rocksdb::Checkpoint::Create(impl_->db.get(), &made), impl_->doing("copying "));
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  check(checkpoint->CreateCheckpoint(folder.string()), impl_->doing("copying "));
}

// RocksDB's list of files grows before a writer removes any that it no longer names.
std::string RecordStore::signature(const std::filesystem::path& folder) {
  try {
    const std::string current = read_file(folder / "CURRENT");
    const auto list = folder / current.substr(0, current.find('\n'));
    return current + std::to_string(std::filesystem::file_size(list));
  } catch (const std::exception& damaged) {  // RocksDB will name it
    return damaged.what();
  }
}

bool RecordStore::close() {
  const bool flushed = impl_->access == Access::kRead || impl_->flush().ok();
  return impl_->close() && flushed;
}

void RecordStore::verify(const DamageVisitor& damaged,
                         const std::function<void(const std::string& file)>& visit) const {
  std::vector<rocksdb::LiveFileMetaData> tables;
  impl_->db->GetLiveFilesMetaData(&tables);
  bool whole = true;
  for (const auto& table : tables) {
    const std::string name = std::filesystem::path(table.name).filename().string();
    if (visit) visit(name);
    const auto found = find_checksum_of_table(impl_->folder / name);
    if (!found || *found == table.file_checksum) continue;
    whole = false;
    damaged(name, "its whole-file checksum is not the one it was written with");
  }
  if (!whole) return;
  const auto status = impl_->db->VerifyChecksum({});
  if (!status.ok()) damaged("", status.ToString());
}

void RecordStore::verify_tables(const std::filesystem::path& folder, const DamageVisitor& damaged) {
  rocksdb::Options options;
  options.info_log = std::make_shared<SilentLogger>();
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".sst") continue;
    rocksdb::SstFileReader reader(options);
    auto status = reader.Open(entry.path().string());
    if (status.ok()) status = reader.VerifyChecksum();
    if (!status.ok()) damaged(entry.path().filename().string(), status.ToString());
  }
}

}  // namespace dexter
