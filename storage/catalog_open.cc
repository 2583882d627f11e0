// Opening, creating and closing a store.
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <limits>
#include <set>
#include <system_error>
#include <utility>

#include "storage/catalog_impl.h"
#include "storage/crash_point.h"
#include "storage/error.h"
#include "storage/noted_files.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kLowWaterBytes = 256u << 20;
constexpr Family kCorpusFamilies[] = {Family::kDocuments, Family::kDocumentKeys, Family::kLabels,
                                      Family::kLabelKeys, Family::kVectors,      Family::kChanges};

fs::path catalog_folder(const fs::path& store) { return store / "catalog"; }

// Made aside and renamed, so that a catalog is there with its manifest or not at all.
void create_store(const fs::path& store) {
  const fs::path temporary = store / "catalog.tmp";
  fs::remove_all(temporary);
  {
    RecordStore records(temporary, RecordStore::Access::kCreate);
    RecordBatch batch(records);
    std::string value;
    codec::encode_text(value, codec::kManifestKey, to_json(Manifest{}));
    batch.put(Family::kMeta, codec::kManifestKey, value);
    codec::encode(value, codec::kCountsKey, codec::Counts{});
    batch.put(Family::kMeta, codec::kCountsKey, value);
    records.write(batch);
    ensure(records.close(), ErrorKind::kIo,
           fmt::format("creating the store {}: closing its catalog failed; see to the disk and try "
                       "again",
                       store.string()));
  }
  crash_point("catalog.before_create");
  fs::rename(temporary, catalog_folder(store));
  sync_folder(store);
  crash_point("catalog.created");
}

// A folder may be turned into a store where it is empty or holds what an interrupted creation left.
void prepare_folder(const fs::path& store) {
  static const std::set<std::string> kOurs = {"LOCK", "catalog.tmp", "encoders", "index", "train"};
  fs::create_directories(store);
  for (const auto& entry : fs::directory_iterator(store)) {
    const std::string name = entry.path().filename().string();
    ensure(kOurs.contains(name), ErrorKind::kInvalidInput,
           fmt::format(
               "creating a store in {}: the folder is no dexter store but holds \"{}\"; name an "
               "empty or a new folder",
               store.string(), name));
  }
}

std::string required(const RecordStore& records, std::string_view key) {
  auto value = records.get(Family::kMeta, key);
  ensure(value.has_value(), ErrorKind::kCorrupt,
         fmt::format(
             "opening the catalog: {} is missing; the store is damaged, import again or restore a "
             "copy",
             codec::describe(Family::kMeta, key)));
  return *std::move(value);
}

// Where a seal contradicts the files, they are damaged, or a writer has meanwhile removed or
// renewed it.
std::optional<Seal> checked_seal(const fs::path& store) {
  auto seal = read_seal(store);
  while (seal) {
    try {
      check_seal(store, *seal);
      break;
    } catch (const Error&) {
      auto renewed = read_seal(store);
      if (renewed == seal) throw;
      seal = std::move(renewed);
    }
  }
  return seal;
}

}  // namespace

CatalogState::CatalogState(fs::path store, OpenMode mode) : path(std::move(store)) {
  try {
    open(mode);
  } catch (const fs::filesystem_error& error) {
    throw Error(ErrorKind::kIo,
                fmt::format("opening the store {}: {}; see to the folder and try again",
                            path.string(), error.what()));
  }
}

void CatalogState::open(OpenMode mode) {
  const bool exists = fs::exists(catalog_folder(path));
  ensure(
      exists || mode == OpenMode::kCreate, ErrorKind::kNotFound,
      fmt::format("opening the store {}: there is none; make one with `dexter import --store {}`",
                  path.string(), path.string()));
  if (mode != OpenMode::kRead) {
    if (!exists) prepare_folder(path);
    lock = std::make_unique<FileLock>(path / "LOCK");
    if (!fs::exists(catalog_folder(path))) create_store(path);
  }
  const auto seal = checked_seal(path);
  load(RecordStore::Access::kRead);
  if (mode == OpenMode::kRead) return;
  // What cannot be read, or is of a newer format, has been refused before anything of it changed.
  records.reset();
  former_seal = seal.value_or(Seal{});
  remove_seal(path);
  crash_point("catalog.seal_removed");
  load(RecordStore::Access::kWrite);
  remove_stale_records();
  remove_unnamed_files(/*temporaries=*/true);
  crash_point("catalog.opened");
  writable = true;
}

void CatalogState::load(RecordStore::Access access) {
  records = std::make_unique<RecordStore>(catalog_folder(path), access);
  manifest = manifest_from_json(
      codec::decode_text(codec::kManifestKey, required(*records, codec::kManifestKey)));
  counts = codec::decode_counts(codec::kCountsKey, required(*records, codec::kCountsKey));
}

void require_valid_key(std::string_view what, std::string_view key) {
  constexpr std::size_t kLongestKey = 4096;
  if (!key.empty() && key.size() <= kLongestKey) return;
  throw Error(
      ErrorKind::kInvalidInput,
      fmt::format(
          "adding a {}: its key has {} bytes, from 1 to {} are allowed; give it another key", what,
          key.size(), kLongestKey));
}

// A failure here loses nothing that was acknowledged; only the seal is then missing.
CatalogState::~CatalogState() {
  if (records == nullptr || !writable) return;
  try {
    crash_point("catalog.before_close");
    if (!records->close()) return;
    crash_point("catalog.closed");
    write_seal(path, former_seal);
  } catch (const std::exception&) {
    return;
  }
}

void CatalogState::require_writable(std::string_view doing) const {
  ensure(writable, ErrorKind::kInvalidInput,
         fmt::format("{} in {}: the store is open for reading; open it for writing", doing,
                     path.string()));
}

void CatalogState::require_free_space() const {
  const std::uint64_t free = free_bytes(path);
  ensure(free >= kLowWaterBytes, ErrorKind::kIo,
         fmt::format(
             "writing to {}: the disk has {} MiB left, dexter stops below {} MiB so that the store "
             "stays whole; free some space and try again",
             path.string(), free >> 20, kLowWaterBytes >> 20));
}

void CatalogState::commit(RecordBatch& batch, const Manifest& next,
                          const codec::Counts& next_counts) {
  std::string value;
  codec::encode_text(value, codec::kManifestKey, to_json(next));
  batch.put(Family::kMeta, codec::kManifestKey, value);
  codec::encode(value, codec::kCountsKey, next_counts);
  batch.put(Family::kMeta, codec::kCountsKey, value);
  records->write(batch);
  manifest = next;
  counts = next_counts;
}

void CatalogState::remove_stale_records() {
  staged = {};
  const auto drop = [&](Family family, const KeyRange& range) {
    if (range.begin < range.end && !records->is_empty(family, range)) records->drop(family, range);
  };
  for (const Family family : kCorpusFamilies) {
    drop(family, codec::corpora_below(corpus()));
    drop(family, codec::corpora_above(corpus()));
  }
  constexpr auto kLastSet = std::numeric_limits<std::uint64_t>::max();
  for (const Space space : {Space::kLabels, Space::kDocuments}) {
    const auto set = counts.vectors[static_cast<std::size_t>(space)].number;
    const KeyRange current = codec::vector_range(corpus(), space, set);
    drop(Family::kVectors, {codec::vector_range(corpus(), space, 0).begin, current.begin});
    drop(Family::kVectors, {current.end, codec::vector_range(corpus(), space, kLastSet).end});
  }
}

std::set<fs::path> CatalogState::named_files() const {
  std::set<fs::path> named;
  if (manifest.trained) named.insert(manifest.trained->file.name);
  if (manifest.generation) {
    named.insert(manifest.generation->encoder.file.name);
    named.insert(manifest.generation->label_index.name);
    if (const auto& documents = manifest.generation->documents) {
      named.insert(documents->index.name);
      named.insert(documents->table.name);
      if (documents->words) named.insert(documents->words->name);
    }
  }
  const std::string key = codec::note_key(kFilesNote);
  if (const auto note = records->get(Family::kMeta, key))
    for (const FileRef& file : noted_files_from_json(codec::decode_text(key, *note)).files)
      named.insert(file.name);
  return named;
}

void CatalogState::remove_unnamed_files(bool temporaries) const {
  const std::set<fs::path> named = named_files();
  for (const char* folder : {"encoders", "index", "train"}) {
    const bool checkpoints = std::string_view(folder) == "train";
    std::error_code failed;
    std::vector<fs::path> unnamed;
    for (const auto& entry : fs::directory_iterator(path / folder, failed)) {
      const bool temporary = entry.path().extension() == ".tmp";
      if (temporary ? temporaries
                    : !checkpoints && !named.contains(entry.path().lexically_relative(path)))
        unnamed.push_back(entry.path());
    }
    for (const fs::path& file : unnamed) fs::remove(file, failed);
  }
}

}  // namespace dexter
