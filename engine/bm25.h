#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/section_file.h"

namespace dexter {

struct Bm25Options {
  double k1 = 0.9;
  double b = 0.4;
  // A Snowball stemmer ("english", "finnish", ...), or none.
  std::string stemmer = "english";
  bool operator==(const Bm25Options&) const = default;
};

// Texts ranked by the words they share with a query: Robertson and Zaragoza, "The Probabilistic
// Relevance Framework: BM25 and Beyond", 2009, with Lucene's idf = log(1 + (N - n + 0.5) / (n +
// 0.5)). Words are folded as the bag encoder's and stemmed. Immutable, safe from many threads.
class Bm25Index {
 public:
  struct Hit {
    std::uint32_t row = 0;
    float score = 0;
    bool operator==(const Hit&) const = default;
  };
  using Filter = std::function<bool(std::uint32_t row)>;

  // Row i is texts[i]. kInvalidInput for a stemmer that Snowball does not have.
  Bm25Index(std::span<const std::string_view> texts, const Bm25Options& options);
  ~Bm25Index();
  Bm25Index(Bm25Index&&) noexcept;
  Bm25Index& operator=(Bm25Index&&) noexcept;

  // The k best rows that `filter` takes (an empty one takes all) and that share a word with
  // `query`, best first, ties by ascending row.
  std::vector<Hit> search(std::string_view query, std::size_t k, const Filter& filter = {}) const;
  std::size_t size() const;
  const Bm25Options& options() const;

  // Writes a section file of type "words" and returns its reference, relative to `root`.
  FileRef save(const std::filesystem::path& file, const std::filesystem::path& root) const;
  // The file is read where it lies. Errors: as SectionFileReader; kCorrupt where its parts
  // contradict each other.
  static Bm25Index load(const std::filesystem::path& root, const FileRef& ref);

 private:
  struct Impl;
  explicit Bm25Index(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
