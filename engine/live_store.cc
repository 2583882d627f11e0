// Snapshots for searches, one writer, and compaction beside both.
#include "engine/live_store.h"

#include <algorithm>
#include <exception>
#include <unordered_set>
#include <utility>

#include <spdlog/fmt/fmt.h>
#include <spdlog/spdlog.h>

#include "encoders/encoder.h"
#include "engine/compaction.h"
#include "engine/demo_bank.h"
#include "engine/device_search.h"
#include "engine/live_change.h"
#include "engine/offline.h"
#include "storage/crash_point.h"
#include "storage/error.h"
#include "storage/file_io.h"

namespace dexter {
namespace {

// What a change leaves free at least: room for the log and for tables that are written meanwhile.
constexpr std::uint64_t kSpareBytes = 8u << 20;

std::uint64_t bytes_of(const Label& label) {
  return label.key.size() + label.name.size() + label.text.size();
}

}  // namespace

// One call of put_labels on its way to disk.
struct LiveStore::Put {
  std::vector<Label> labels;
  EmbeddingMatrix vectors;
  Written written;
  std::exception_ptr error;
  bool done = false;
};

// While it lives, changes are kept for the generation that is being written.
class LiveStore::Recording {
 public:
  explicit Recording(LiveStore& store) : store_(store) {
    const std::lock_guard lock(store_.writing_);
    store_.require_open();
    base_ = store_.engine();
    opening_ = store_.openings_;
    store_.meanwhile_.emplace();
  }
  ~Recording() {
    const std::lock_guard lock(store_.writing_);
    store_.meanwhile_.reset();
    store_.changed_meanwhile_.clear();
    store_.documents_meanwhile_.clear();
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  const RetrievalEngine& base() const { return *base_; }
  std::uint64_t opening() const { return opening_; }
  // Needs `writing_`. What was written of a generation went with the catalog it was written to.
  void require_same_opening() const {
    ensure(opening_ == store_.openings_ && !store_.failed_, ErrorKind::kUnavailable,
           "compacting: a write failed meanwhile; compact again");
  }

 private:
  LiveStore& store_;
  std::shared_ptr<const RetrievalEngine> base_;
  std::uint64_t opening_ = 0;
};

LiveStore::LiveStore(Catalog catalog, RetrievalEngine engine, DeviceOptions device)
    : path_(catalog.path()),
      device_(std::move(device)),
      catalog_(std::move(catalog)),
      opened_changes_(engine.last_changes().size()),
      engine_(std::make_shared<const RetrievalEngine>(std::move(engine))) {}

std::unique_ptr<LiveStore> LiveStore::open(const std::filesystem::path& store,
                                           const DeviceOptions& device) {
  Catalog catalog = Catalog::open(store, OpenMode::kWrite);
  return std::unique_ptr<LiveStore>(
      new LiveStore(std::move(catalog), RetrievalEngine::open(store, device), device));
}

std::shared_ptr<const RetrievalEngine> LiveStore::engine() const {
  const std::lock_guard lock(showing_);
  return engine_;
}

void LiveStore::require_room(std::uint64_t bytes) const {
  const std::uint64_t wanted = kSpareBytes + 4 * bytes, free = free_bytes(path_);
  if (free < wanted)
    throw Error(ErrorKind::kIo, fmt::format("changing {}: the disk has {} KiB left, {} KiB are "
                                            "needed; free some space and try again",
                                            path_.string(), free >> 10, wanted >> 10));
}

// Needs `writing_`. After a failed write only what a new opening reads is known to be on disk.
void LiveStore::require_open() {
  if (!failed_) return;
  catalog_.reset();
  catalog_.emplace(Catalog::open(path_, OpenMode::kWrite));
  auto opened =
      std::make_shared<const RetrievalEngine>(RetrievalEngine::open(path_, to_open_again(device_)));
  const std::size_t changes = opened->last_changes().size();
  replace(std::move(opened), {}, changes);
  ++openings_;
  failed_ = false;
  spdlog::info("opened {} again after a failed write; it takes changes", path_.string());
}

LiveStore::Written LiveStore::put_labels(std::span<const Label> labels) {
  Put put;
  put.labels = completed_labels(labels);
  if (put.labels.empty()) return {};
  put.vectors = encode_added(engine()->encoder(), put.labels);
  std::unique_lock lock(queueing_);
  queue_.push_back(&put);
  written_.wait(lock, [&] { return put.done || queue_.front() == &put; });
  if (!put.done) {
    const std::vector<Put*> puts = next_puts();
    lock.unlock();
    write(puts);
    lock.lock();
    for (Put* each : puts) each->done = true;
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(puts.size()));
    written_.notify_all();
  }
  lock.unlock();
  if (put.error) std::rethrow_exception(put.error);
  return put.written;
}

// The first of the queue and those after it that can share its write, for which no label may occur
// twice.
std::vector<LiveStore::Put*> LiveStore::next_puts() {
  std::unordered_set<std::string_view> keys;
  std::vector<Put*> puts;
  for (Put* put : queue_) {
    const auto taken = [&](const Label& label) { return keys.contains(label.key); };
    if (std::any_of(put->labels.begin(), put->labels.end(), taken)) break;
    for (const Label& label : put->labels) keys.insert(label.key);
    puts.push_back(put);
  }
  return puts;
}

// Where they fail together for what they hold, each fails or succeeds alone.
void LiveStore::write(std::span<Put* const> puts) {
  const std::lock_guard lock(writing_);
  bool apart = false;
  try {
    write_together(puts);
  } catch (const Error& error) {
    apart = puts.size() > 1 && error.kind() == ErrorKind::kInvalidInput;
    for (Put* put : puts) put->error = std::current_exception();
  } catch (...) {
    for (Put* put : puts) put->error = std::current_exception();
  }
  for (std::size_t i = 0; i < puts.size() && apart; ++i) {
    puts[i]->error = nullptr;
    try {
      write_together(puts.subspan(i, 1));
    } catch (...) {
      puts[i]->error = std::current_exception();
    }
  }
}

void LiveStore::write_together(std::span<Put* const> puts) {
  std::vector<Label> labels;
  std::vector<float> values;
  for (const Put* put : puts) {
    labels.insert(labels.end(), put->labels.begin(), put->labels.end());
    const EmbeddingView view = put->vectors;
    for (std::size_t i = 0; i < view.rows(); ++i)
      values.insert(values.end(), view.row(i).begin(), view.row(i).end());
  }
  std::uint64_t bytes = values.size() * sizeof(float);
  for (const Label& label : labels) bytes += bytes_of(label);
  require_room(bytes);
  require_open();
  const EmbeddingView vectors(values.data(), labels.size(), puts[0]->vectors.dim());
  const std::uint32_t first_new = catalog_->manifest().next_label;
  const std::vector<LabelId> ids =
      change([&](Catalog& catalog) { return catalog.put_labels(labels, vectors); });
  std::vector<ChangedLabel> changes(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i].id = ids[i];
    changes[i].change = {ids[i], false, {vectors.row(i).begin(), vectors.row(i).end()}};
    note(labels[i].key, labels[i]);
    changes[i].label = std::move(labels[i]);
  }
  show(std::move(changes));
  auto id = ids.begin();
  for (Put* put : puts) {
    const auto end = id + static_cast<std::ptrdiff_t>(put->labels.size());
    put->written.created = static_cast<std::uint64_t>(
        std::count_if(id, end, [&](LabelId each) { return value(each) >= first_new; }));
    put->written.replaced = put->labels.size() - put->written.created;
    id = end;
  }
}

std::uint64_t LiveStore::remove_labels(std::span<const std::string> keys) {
  const std::lock_guard lock(writing_);
  require_room(0);
  require_open();
  std::vector<ChangedLabel> changes;
  for (const LabelId id : change([&](Catalog& catalog) { return catalog.remove_labels(keys); }))
    changes.push_back({{id, true, {}}, {}});
  const std::uint64_t removed = changes.size();
  if (removed == 0) return 0;
  for (const std::string& key : keys) note(key, std::nullopt);
  show(std::move(changes));
  return removed;
}

std::optional<Label> LiveStore::find_label(std::string_view key) const {
  std::shared_ptr<const RetrievalEngine> opened;
  {
    const std::shared_lock lock(finding_);
    const auto changed = changed_.find(std::string(key));
    if (changed != changed_.end()) return changed->second;
    opened = engine();
  }
  return opened->catalog().find_label(key);
}

// Needs `writing_`.
void LiveStore::note(const std::string& key, const std::optional<Label>& label) {
  if (meanwhile_) changed_meanwhile_[key] = label;
  const std::lock_guard lock(finding_);
  changed_[key] = label;
}

// Needs `writing_`.
void LiveStore::replace(std::shared_ptr<const RetrievalEngine> next, LabelsByKey changed,
                        std::size_t opened_changes) {
  const std::lock_guard finding(finding_);
  changed_.swap(changed);
  opened_changes_ = opened_changes;
  const std::lock_guard lock(showing_);
  engine_.swap(next);
}

// Needs `writing_`.
void LiveStore::show(std::vector<ChangedLabel> changes) {
  if (meanwhile_) meanwhile_->insert(meanwhile_->end(), changes.begin(), changes.end());
  auto next = std::make_shared<const RetrievalEngine>(
      engine()->with(std::move(changes), catalog_->label_count()));
  const std::lock_guard lock(showing_);
  engine_.swap(next);
}

GenerationInfo LiveStore::write_generation(const Recording& recording, const Progress& progress) {
  bool first = true;
  return compacted_generation(
      recording.base(),
      [&](std::span<const std::int64_t> ids, EmbeddingView vectors) {
        const std::lock_guard lock(writing_);
        recording.require_same_opening();
        require_room(ids.size() * static_cast<std::uint64_t>(vectors.dim()) * sizeof(float));
        change([&](Catalog& catalog) {
          catalog.put_vectors(Space::kLabels, ids, vectors, std::exchange(first, false));
        });
      },
      progress);
}

void LiveStore::compact(const Progress& progress) {
  const std::lock_guard one(compacting_);
  const Recording recording(*this);
  if (recording.base().last_changes().empty()) return;
  const GenerationInfo generation = write_generation(recording, progress);
  progress.check("compacting");
  crash_point("compact.before_commit");
  {
    const std::lock_guard lock(writing_);
    recording.require_same_opening();
    Manifest manifest = catalog_->manifest();
    manifest.generation = generation;
    std::vector<LabelChange> kept;
    for (const ChangedLabel& changed : *meanwhile_) kept.push_back(changed.change);
    change([&](Catalog& catalog) { catalog.commit(manifest, /*clear_changes=*/true, kept); });
  }
  crash_point("compact.committed");
  RetrievalEngine opened = RetrievalEngine::open(path_, to_open_again(device_));
  const std::lock_guard lock(writing_);
  // A store that was opened again since then answers from the new generation already.
  if (failed_ || recording.opening() != openings_) return;
  if (!documents_meanwhile_.empty()) opened = opened.with_documents(documents_meanwhile_);
  replace(
      std::make_shared<const RetrievalEngine>(opened.with(*meanwhile_, catalog_->label_count())),
      std::move(changed_meanwhile_), 0);
}

std::size_t LiveStore::changed_labels() const {
  const std::shared_lock lock(finding_);
  return opened_changes_ + changed_.size();
}

std::filesystem::path LiveStore::snapshot(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  ensure(plain && !name.empty() && name.size() <= 100 && name.front() != '.' &&
             name.back() != '.' && !name.ends_with(".tmp"),
         ErrorKind::kInvalidInput,
         fmt::format("naming a snapshot: '{}' is no name; give 1 to 100 letters, digits, '-', '_' "
                     "and inner '.'",
                     plain ? name : "?"));
  const std::lock_guard lock(writing_);
  require_room(0);
  require_open();
  const std::filesystem::path folder = path_ / "snapshots" / name;
  ensure(!std::filesystem::exists(folder), ErrorKind::kInvalidInput,
         fmt::format("making a snapshot: {} exists already; give another name", folder.string()));
  // Made aside, so that it is there with all its parts or not at all.
  const std::filesystem::path aside = path_ / "snapshots" / ('.' + name);
  std::error_code failed;
  std::filesystem::remove_all(aside, failed);
  change([&](const Catalog& catalog) { catalog.copy_to(aside); });
  copy_bank(path_, aside);
  std::filesystem::rename(aside, folder, failed);
  ensure(!failed, ErrorKind::kIo,
         fmt::format("making the snapshot {}: {}; see to the disk and try again", folder.string(),
                     failed.message()));
  sync_folder(folder.parent_path());
  return folder;
}

}  // namespace dexter
