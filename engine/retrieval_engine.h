#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/changed_labels.h"
#include "engine/device_options.h"
#include "index/vector_index.h"
#include "storage/catalog.h"
#include "storage/embedding_matrix.h"
#include "storage/types.h"

namespace dexter {

class DocumentSpace;
class Encoder;

// Whether neighbours' labels vote beside the labels' own scores.
enum class Memory {
  kAuto,  // where they helped on the validation part
  kOn,
  kOff,
};

struct AnswerOptions {
  SearchOptions search = {};
  Memory memory = Memory::kAuto;
  // Documents that do not vote, such as those whose labels are asked for; null: all vote.
  std::shared_ptr<const IdSet> silent = nullptr;
  // Leans to rare labels: ranks by p(l) / propensity(l)^tail.
  double tail = 0;
};

// Answers queries from one generation of a store: encode, search, merge the labels added, replaced
// or removed since the generation was built. Immutable after `open`; safe from many threads; a
// store that another process changes meanwhile is answered from as it was at opening.
class RetrievalEngine {
 public:
  // Errors: kNotFound where the store has no generation yet (says which command
  // to run); kIncompatible, kCorrupt as the parts; kInvalidInput as device_search.h.
  static RetrievalEngine open(const std::filesystem::path& store, const DeviceOptions& device = {});
  // The same generation after further changes, made in this order, which leave `label_count` labels
  // in the store. Shares what did not change; costs as LabelSearch::with. kIncompatible as `open`.
  RetrievalEngine with(std::vector<ChangedLabel> changes, std::uint64_t label_count) const;
  // The same for documents (DocumentSpace::with); the generation has some.
  RetrievalEngine with_documents(std::vector<ChangedLabel> changes) const;
  ~RetrievalEngine();
  RetrievalEngine(RetrievalEngine&&) noexcept;
  RetrievalEngine& operator=(RetrievalEngine&&) noexcept;

  // The k best labels of each text, scores are cosines in [-1, 1]. Fewer than k only where the
  // store has fewer. A text without any known feature gets an empty ranking. kInvalidInput for
  // k < 1 and for vectors of another dimension than the encoder's.
  std::vector<LabelRanking> rank(std::span<const std::string> texts, int k,
                                 const SearchOptions& search = {}) const;
  std::vector<LabelRanking> rank(EmbeddingView queries, int k,
                                 const SearchOptions& search = {}) const;
  // As `rank`, with the votes of documents alike (vote_fusion.h): a label's score is its cosine,
  // raised where neighbours have the label, and moved by `tail`. `texts`, one for each row of
  // `queries` or none at all, are what documents share words with. kInvalidInput for Memory::kOn
  // where the generation has no documents.
  std::vector<LabelRanking> answer(EmbeddingView queries, std::span<const std::string> texts, int k,
                                   const AnswerOptions& options = {}) const;
  std::vector<LabelRanking> answer(std::span<const std::string> texts, int k,
                                   const AnswerOptions& options = {}) const;
  EmbeddingMatrix encode(std::span<const std::string> texts) const;
  EmbeddingMatrix encode_labels(std::span<const Label> labels) const;

  // The k nearest documents of each query row [n x dim], in the space of the labels; kNotFound
  // where the generation has no documents (says what to run), else as `rank`.
  std::vector<DocumentRanking> nearest_documents(EmbeddingView queries, int k,
                                                 const SearchOptions& search = {}) const;
  // Records of ranked documents in their order; labels removed since are left out.
  std::vector<Example> documents(const DocumentRanking& ranking) const;
  // Null where the generation has no documents; lives with the engine.
  const DocumentSpace* document_space() const;

  // The ids of these labels, for SearchOptions::only. kInvalidInput for a key that no label has.
  std::shared_ptr<const IdSet> ids_of(std::span<const std::string> keys) const;
  // Names of ranked labels in their order, from memory up to two million labels. kCorrupt for an id
  // that is no label.
  std::vector<Label> labels(const LabelRanking& ranking) const;
  // Labels as they are now by ascending id, from the first one after `after`; until `visit` returns
  // false. Reads memory up to two million labels, beyond that the whole catalog.
  void scan_labels(std::optional<LabelId> after, const std::function<bool(Label&&)>& visit) const;
  const Catalog& catalog() const;  // as at opening
  const Encoder& encoder() const;
  // Of every label changed since the generation was built its last change; lives with the engine.
  std::map<LabelId, const ChangedLabel*> last_changes() const;
  std::uint64_t generation() const;
  // Answerable labels: those of the store but for labels that no known feature describes.
  std::uint64_t label_count() const;
  IndexDescription index() const;

 private:
  struct Impl;
  explicit RetrievalEngine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
