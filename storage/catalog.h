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

#include "storage/changes.h"
#include "storage/corpus_writer.h"
#include "storage/embedding_matrix.h"
#include "storage/manifest.h"
#include "storage/types.h"

namespace dexter {

enum class OpenMode {
  kRead,    // many processes; sees the state at opening; kNotFound where there is no store
  kWrite,   // one process; kUnavailable while another writes; kNotFound where there is no store
  kCreate,  // as kWrite, and makes an empty store where the folder is absent or empty
};

// The RocksDB store of one dexter folder: documents, labels, label vectors, and the manifest that
// names the files beside it (encoders/, index/, train/). Bytes on disk: storage/FORMAT.md.
// Const methods are safe from many threads; others need one caller at a time and none reading.
// Every write but a CorpusWriter's and put_vectors' is synchronous: when it returns it is on disk.
// Errors: kCorrupt names the file or record; kIo for a full disk (close the catalog, free space,
// open it again: it is whole); kInvalidInput for writing where the store is open for reading.
class Catalog {
 public:
  static Catalog open(const std::filesystem::path& store, OpenMode mode);
  ~Catalog();  // a writer leaves its log empty and seals the store (see verify_store)
  Catalog(Catalog&&) noexcept;
  Catalog& operator=(Catalog&&) noexcept;

  const std::filesystem::path& path() const;
  const Manifest& manifest() const;
  // The one commit point: after it the store is what `manifest` says, before it what it was. With
  // `clear_changes` the label changes but for `kept`, the last of each label counting, are dropped
  // in the same write (a new generation holds them), as are vectors of added documents with another
  // index of documents; files that no manifest names any more are removed afterwards.
  void commit(const Manifest& manifest, bool clear_changes = false,
              std::span<const LabelChange> kept = {});

  // Labels. Ascending id; removed ones are absent.
  std::optional<Label> find_label(LabelId id) const;
  std::optional<Label> find_label(std::string_view key) const;
  std::vector<Label> labels(std::span<const LabelId> ids) const;  // kCorrupt on a hole
  void scan_labels(const std::function<void(Label&&)>& visit) const;
  std::uint64_t label_count() const;
  // Adds labels or replaces those of the same keys (ids are kept), in one atomic write with their
  // vectors, changes and next_label. No `vectors` where the store has no generation yet.
  std::vector<LabelId> put_labels(std::span<const Label> labels, EmbeddingView vectors);
  // False where there is no such label.
  bool remove_label(std::string_view key);
  // In one atomic write; a key without a label is passed over. Returns the ids removed.
  std::vector<LabelId> remove_labels(std::span<const std::string> keys);
  std::vector<LabelChange> label_changes() const;

  // Documents, in import order.
  void scan_examples(Split split, const std::function<void(Example&&)>& visit) const;
  std::optional<Example> find_example(Split split, std::string_view key) const;
  // Remembered documents: the training part but for hidden ones, and added ones. Ascending id.
  void scan_documents(const std::function<void(Example&&)>& visit) const;
  std::optional<Example> find_document(std::string_view key) const;
  std::vector<Example> documents(std::span<const DocumentId> ids) const;  // kCorrupt on a hole
  // Adds documents, each under a new id, and hides those of their keys; `vectors` [n x dim] fit the
  // generation's. Atomic, as removing (an unknown key is passed over). Returns what changed.
  std::vector<DocumentChange> put_documents(std::span<const Example> documents,
                                            EmbeddingView vectors);
  std::vector<DocumentChange> remove_documents(std::span<const std::string> keys);
  // Added since the documents were indexed; hidden since the import.
  std::vector<DocumentChange> document_changes() const;

  // Training documents of each imported label, by LabelId; N_l of the propensity model.
  // [CorpusInfo::labels]; labels added later have none.
  std::vector<std::uint32_t> label_frequencies() const;

  // Vectors by rows of one space, in chunks of any size with one dim. The first chunk begins a new
  // set, which `scan_vectors` sees, whole, once `commit` has named another generation; never
  // committed, it is dropped.
  void put_vectors(Space space, std::span<const std::int64_t> ids, EmbeddingView vectors,
                   bool first_chunk);
  void scan_vectors(
      Space space, std::size_t rows_per_chunk,
      const std::function<void(std::span<const std::int64_t>, EmbeddingView)>& visit) const;

  // The store as it is now as another one in `folder`, which must not exist; on disk and whole when
  // it returns. Files are linked where they can be. kInvalidInput where the folder exists.
  void copy_to(const std::filesystem::path& folder) const;

  // Small named JSON documents beside the manifest: "history", "evaluation".
  void put_note(std::string_view name, std::string_view json);
  std::optional<std::string> note(std::string_view name) const;

 private:
  friend class CorpusWriter;
  struct Impl;
  explicit Catalog(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// One damaged thing found by verify_store.
struct Damage {
  std::string file;  // relative to the store, or the record's name
  std::string what;
};

// Reads everything: RocksDB's blocks and whole-file checksums, every record's own checksum, the
// manifest, every section of every file it names, and, where the last writer closed the store in
// order, the seal, which covers every byte of every file. Returns what is damaged; empty means
// whole. Throws only kNotFound (no store there) and kIncompatible (newer format).
std::vector<Damage> verify_store(const std::filesystem::path& store,
                                 const std::function<void(const std::string& file)>& visit = {});

}  // namespace dexter
