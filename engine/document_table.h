#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "storage/section_file.h"
#include "storage/types.h"

namespace dexter {

// The documents of a generation and the labels of each, as a section file that is read where it
// lies. Immutable, safe from many threads.
class DocumentTable {
 public:
  // Gathers what a file is written of.
  class Writer {
   public:
    void add(DocumentId id, std::span<const LabelId> labels);  // ids ascend; the labels too
    std::size_t size() const { return ids_.size(); }
    // Writes a section file of type "documents" and returns its reference, relative to `root`.
    FileRef save(const std::filesystem::path& file, const std::filesystem::path& root) const;

   private:
    std::vector<std::uint64_t> ids_;
    std::vector<std::uint64_t> ends_;
    std::vector<LabelId> labels_;
  };

  // Errors: as SectionFileReader; kCorrupt where its parts contradict each other.
  DocumentTable(const std::filesystem::path& root, const FileRef& ref);

  std::size_t size() const { return ids_.size(); }
  DocumentId id(std::size_t row) const { return DocumentId{ids_[row]}; }
  // Empty for a document that is not there.
  std::span<const LabelId> labels(DocumentId id) const;

 private:
  SectionFileReader file_;
  std::span<const std::uint64_t> ids_;   // ascending
  std::span<const std::uint64_t> ends_;  // of the labels of each
  std::span<const LabelId> labels_;
};

}  // namespace dexter
