#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "storage/catalog.h"
#include "storage/codec.h"
#include "storage/file_io.h"
#include "storage/record_store.h"
#include "storage/seal.h"

namespace dexter {

// Inner header of the catalog: what Catalog and CorpusWriter share.

// kInvalidInput for an empty key or one too long to look up; `what` is "label" or "document".
void require_valid_key(std::string_view what, std::string_view key);

struct CatalogState {
  std::filesystem::path path;
  bool writable = false;
  std::unique_ptr<FileLock> lock;  // of a writer
  std::unique_ptr<RecordStore> records;
  Manifest manifest;
  codec::Counts counts;
  Seal former_seal;  // of the writer before this one
  // Vectors written since opening, seen once a generation is committed.
  struct StagedVectors {
    codec::VectorSet set;  // number 0: none
    std::uint64_t chunks = 0;
    int dim = 0;
  };
  std::array<StagedVectors, 2> staged;
  std::optional<std::uint64_t> next_document;  // the id the next added document gets, once known

  CatalogState(std::filesystem::path store, OpenMode mode);
  ~CatalogState();
  CatalogState(const CatalogState&) = delete;
  CatalogState& operator=(const CatalogState&) = delete;

  std::uint32_t corpus() const { return manifest.corpus ? manifest.corpus->number : 0; }
  // kInvalidInput where the store is open for reading; `doing` begins the message.
  void require_writable(std::string_view doing) const;
  // kIo where a bulk write could meet the end of the disk.
  void require_free_space() const;
  // Puts both into `batch`, writes it, and makes them current: the commit point.
  void commit(RecordBatch& batch, const Manifest& next, const codec::Counts& next_counts);
  void put_change(RecordBatch& batch, const LabelChange& change) const;
  static void put_note(RecordBatch& batch, std::string_view name, std::string_view json);
  // Removes records that no manifest names: former and uncommitted corpora, uncommitted vectors.
  void remove_stale_records();
  // The files outside the catalog that the manifest names, relative to the store.
  std::set<std::filesystem::path> named_files() const;
  // Removes files of encoders/ and index/ that the manifest does not name, and with `temporaries`
  // also unfinished ones there and in train/. What cannot be removed now is tried again by the next
  // writer.
  void remove_unnamed_files(bool temporaries) const;

 private:
  void open(OpenMode mode);
  void load(RecordStore::Access access);
};

struct Catalog::Impl : CatalogState {
  using CatalogState::CatalogState;
};

}  // namespace dexter
