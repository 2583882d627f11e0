// Snapshots for searches, one writer, and compaction beside both.
#include "engine/live_store.h"

#include <algorithm>
#include <exception>
#include <unordered_set>
#include <utility>

#include "encoders/encoder.h"
#include "engine/compaction.h"
#include "engine/offline.h"
#include "storage/crash_point.h"
#include "storage/error.h"

namespace dexter {

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
    base_ = store_.engine();
    store_.meanwhile_.emplace();
  }
  ~Recording() {
    const std::lock_guard lock(store_.writing_);
    store_.meanwhile_.reset();
  }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  const RetrievalEngine& base() const { return *base_; }

 private:
  LiveStore& store_;
  std::shared_ptr<const RetrievalEngine> base_;
};

LiveStore::LiveStore(Catalog catalog, RetrievalEngine engine)
    : catalog_(std::move(catalog)),
      engine_(std::make_shared<const RetrievalEngine>(std::move(engine))) {}

std::unique_ptr<LiveStore> LiveStore::open(const std::filesystem::path& store) {
  Catalog catalog = Catalog::open(store, OpenMode::kWrite);
  return std::unique_ptr<LiveStore>(
      new LiveStore(std::move(catalog), RetrievalEngine::open(store)));
}

std::shared_ptr<const RetrievalEngine> LiveStore::engine() const {
  const std::lock_guard lock(showing_);
  return engine_;
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

// Where they fail together, each fails or succeeds alone.
void LiveStore::write(std::span<Put* const> puts) {
  const std::lock_guard lock(writing_);
  try {
    write_together(puts);
  } catch (...) {
    if (puts.size() == 1) puts[0]->error = std::current_exception();
    for (std::size_t i = 0; i < puts.size() && puts.size() > 1; ++i) {
      try {
        write_together(puts.subspan(i, 1));
      } catch (...) {
        puts[i]->error = std::current_exception();
      }
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
  const EmbeddingView vectors(values.data(), labels.size(), puts[0]->vectors.dim());
  const std::uint32_t first_new = catalog_.manifest().next_label;
  const std::vector<LabelId> ids = catalog_.put_labels(labels, vectors);
  std::vector<ChangedLabel> changes(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    labels[i].id = ids[i];
    changes[i].change = {ids[i], false, {vectors.row(i).begin(), vectors.row(i).end()}};
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
  std::vector<ChangedLabel> changes;
  for (const LabelId id : catalog_.remove_labels(keys)) changes.push_back({{id, true, {}}, {}});
  const std::uint64_t removed = changes.size();
  if (removed > 0) show(std::move(changes));
  return removed;
}

std::optional<Label> LiveStore::find_label(std::string_view key) const {
  const std::lock_guard lock(writing_);
  return catalog_.find_label(key);
}

// Needs `writing_`.
void LiveStore::show(std::vector<ChangedLabel> changes) {
  if (meanwhile_) meanwhile_->insert(meanwhile_->end(), changes.begin(), changes.end());
  auto next = std::make_shared<const RetrievalEngine>(
      engine()->with(std::move(changes), catalog_.label_count()));
  const std::lock_guard lock(showing_);
  engine_.swap(next);
}

GenerationInfo LiveStore::write_generation(const RetrievalEngine& base, const Progress& progress) {
  bool first = true;
  return compacted_generation(
      base,
      [&](std::span<const std::int64_t> ids, EmbeddingView vectors) {
        const std::lock_guard lock(writing_);
        catalog_.put_vectors(Space::kLabels, ids, vectors, std::exchange(first, false));
      },
      progress);
}

void LiveStore::compact(const Progress& progress) {
  const std::lock_guard one(compacting_);
  const Recording recording(*this);
  if (recording.base().last_changes().empty()) return;
  const GenerationInfo generation = write_generation(recording.base(), progress);
  progress.check("compacting");
  crash_point("compact.before_commit");
  {
    const std::lock_guard lock(writing_);
    Manifest manifest = catalog_.manifest();
    manifest.generation = generation;
    std::vector<LabelChange> kept;
    for (const ChangedLabel& changed : *meanwhile_) kept.push_back(changed.change);
    catalog_.commit(manifest, /*clear_changes=*/true, kept);
  }
  crash_point("compact.committed");
  const RetrievalEngine opened = RetrievalEngine::open(catalog_.path());
  const std::lock_guard lock(writing_);
  auto next =
      std::make_shared<const RetrievalEngine>(opened.with(*meanwhile_, catalog_.label_count()));
  const std::lock_guard showing(showing_);
  engine_.swap(next);
}

}  // namespace dexter
