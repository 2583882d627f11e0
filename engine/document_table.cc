// The documents of a generation as a file.
#include "engine/document_table.h"

#include <algorithm>
#include <functional>
#include <string_view>

#include <spdlog/fmt/fmt.h>

#include "storage/error.h"

namespace dexter {
namespace {

constexpr std::string_view kFileType = "documents";
constexpr std::uint32_t kFileVersion = 1;

template <class T>
std::span<const T> section_of(const SectionFileReader& file, std::string_view name) {
  const std::span<const std::byte> bytes = file.section(name);
  return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
}

}  // namespace

void DocumentTable::Writer::add(DocumentId id, std::span<const LabelId> labels) {
  ids_.push_back(value(id));
  labels_.insert(labels_.end(), labels.begin(), labels.end());
  ends_.push_back(labels_.size());
}

FileRef DocumentTable::Writer::save(const std::filesystem::path& file,
                                    const std::filesystem::path& root) const {
  SectionFileWriter writer(file, kFileType, kFileVersion);
  writer.add("ids", std::as_bytes(std::span(ids_)));
  writer.add("ends", std::as_bytes(std::span(ends_)));
  writer.add("labels", std::as_bytes(std::span(labels_)));
  return writer.commit(root);
}

DocumentTable::DocumentTable(const std::filesystem::path& root, const FileRef& ref)
    : file_(root, ref, kFileType, kFileVersion),
      ids_(section_of<std::uint64_t>(file_, "ids")),
      ends_(section_of<std::uint64_t>(file_, "ends")),
      labels_(section_of<LabelId>(file_, "labels")) {
  const std::uint64_t last = ends_.empty() ? 0 : ends_.back();
  const bool whole =
      ids_.size() == ends_.size() && last == labels_.size() &&
      std::is_sorted(ends_.begin(), ends_.end()) &&
      std::adjacent_find(ids_.begin(), ids_.end(), std::greater_equal<>()) == ids_.end();
  ensure(whole, ErrorKind::kCorrupt,
         fmt::format("loading {}: its {} documents and {} labels contradict each other; run "
                     "`dexter index --documents`",
                     ref.name, ids_.size(), labels_.size()));
}

std::span<const LabelId> DocumentTable::labels(DocumentId id) const {
  const auto found = std::lower_bound(ids_.begin(), ids_.end(), value(id));
  if (found == ids_.end() || *found != value(id)) return {};
  const auto place = static_cast<std::size_t>(found - ids_.begin());
  const std::uint64_t begin = place == 0 ? 0 : ends_[place - 1];
  return labels_.subspan(begin, ends_[place] - begin);
}

}  // namespace dexter
