#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/retrieval_engine.h"
#include "storage/catalog.h"
#include "storage/progress.h"

namespace dexter {

// A store that answers and changes at the same time, in one process. It holds the store's writer
// lock while it lives. All methods are safe from many threads, also together; answers and
// `find_label` are never delayed by writes or by a compaction. A change is refused with kIo before
// the disk is full; where one fails all the same, the next one opens the store again first, so that
// changes go on as soon as the disk takes them.
class LiveStore {
 public:
  struct Written {
    std::uint64_t created = 0;
    std::uint64_t replaced = 0;
  };

  // `device` and errors: as RetrievalEngine::open, and Catalog::open for writing.
  static std::unique_ptr<LiveStore> open(const std::filesystem::path& store,
                                         const DeviceOptions& device = {});

  // The present state, which never changes: keep the pointer for all of one answer.
  std::shared_ptr<const RetrievalEngine> engine() const;

  // Adds or replaces labels as add_labels does, with its errors. All or none; on disk and in the
  // next `engine()` when it returns. Calls that meet share one synchronous write.
  Written put_labels(std::span<const Label> labels);
  // In one write, on disk and out of the next `engine()` when it returns; the number removed.
  std::uint64_t remove_labels(std::span<const std::string> keys);
  // Of the present state.
  std::optional<Label> find_label(std::string_view key) const;

  // A document that is remembered: its labels vote from the next `engine()` on.
  struct Document {
    std::string key, text;
    std::vector<std::string> labels;  // keys
  };
  // Adds or replaces documents by key, all or none; on disk and in the next `engine()` when it
  // returns. kInvalidInput for a key without a label, an empty or repeated key, text that is not
  // UTF-8 or has no feature the encoder knows, and where the generation has no documents.
  Written put_documents(std::span<const Document> documents);
  // As remove_labels. A document of the corpus is forgotten too, but stays in the training part.
  std::uint64_t remove_documents(std::span<const std::string> keys);
  std::optional<Document> find_document(std::string_view key);  // waits for a write in progress
  static std::optional<Document> find_document(const Catalog& catalog, std::string_view key);

  // Writes the next generation, which holds all that changed so far, from the vectors at hand, and
  // answers from it; changes made meanwhile are kept. Does nothing where nothing changed. Of
  // concurrent calls one runs at a time. Where it fails or is stopped, the store is as it was.
  void compact(const Progress& progress = {});
  // About how many labels changed since the generation was built.
  std::size_t changed_labels() const;
  // The present state and the bank of demonstrations as a store of its own, snapshots/NAME below
  // this one: it stays as it is and can be queried, served and copied. Takes links, not copies, of
  // what does not change. The folder; kInvalidInput where there is one of this name or the name is
  // more than letters, digits, '-', '_' and inner '.'.
  std::filesystem::path snapshot(const std::string& name);

 private:
  struct Put;
  class Recording;
  using LabelsByKey = std::unordered_map<std::string, std::optional<Label>>;
  LiveStore(Catalog catalog, RetrievalEngine engine, DeviceOptions device);
  void require_room(std::uint64_t bytes) const;
  void require_open();
  template <class Change>
  auto change(Change made);
  void write(std::span<Put* const> puts);
  void write_together(std::span<Put* const> puts);
  std::vector<Put*> next_puts();
  void show(std::vector<ChangedLabel> changes);
  void show_documents(std::vector<ChangedLabel> changes);
  void note(const std::string& key, const std::optional<Label>& label);
  void replace(std::shared_ptr<const RetrievalEngine> next, LabelsByKey changed,
               std::size_t opened_changes);
  GenerationInfo write_generation(const Recording& recording, const Progress& progress);

  const std::filesystem::path path_;
  const DeviceOptions device_;

  mutable std::mutex writing_;      // guards those below; never held while encoding or indexing
  std::optional<Catalog> catalog_;  // none where it could not be opened again
  bool failed_ = false;             // a write did: the catalog takes no other one
  std::uint64_t openings_ = 0;
  std::optional<std::vector<ChangedLabel>> meanwhile_;  // changes since a compaction began
  LabelsByKey changed_meanwhile_;                       // the same by key
  std::vector<ChangedLabel> documents_meanwhile_;       // of documents

  mutable std::shared_mutex finding_;  // set under `writing_`
  LabelsByKey changed_;                // since the engine's generation was opened; none: removed
  std::size_t opened_changes_ = 0;     // before

  mutable std::mutex showing_;  // held to copy or set the pointer only; set under `writing_`
  std::shared_ptr<const RetrievalEngine> engine_;

  std::mutex queueing_;  // guards the queue
  std::condition_variable written_;
  std::deque<Put*> queue_;  // the first one's caller writes

  std::mutex compacting_;
};

}  // namespace dexter
