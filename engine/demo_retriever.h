#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/bm25.h"
#include "engine/demo_bank.h"
#include "engine/demo_strategies.h"

namespace dexter {

enum class Exclude {
  kNone,
  kSame,  // demonstrations whose input has the query's words in the query's order
  kNear,  // and those that share nine tenths of their words with it
};

// none, same or near. kInvalidInput for another name.
Exclude find_exclude(std::string_view name);

struct DemoQuery {
  std::string text;
  std::string task = {};  // empty: of all tasks
  int k = 8;
  std::string strategy = {};  // a row of demo_strategies(); empty: dense with an encoder, else bm25
  int pool = 100;             // candidates that a strategy chooses from
  Exclude exclude = Exclude::kNone;
  std::vector<std::string> without = {};  // ids left out
  bool pseudo = true;                     // pseudo-labelled demonstrations too
  bool balanced = false;                  // outputs take turns, each by its best choice
  int words = 0;  // of inputs and outputs together; a longer choice is passed over. 0: any number
  StrategyOptions options = {};
};

struct FoundDemo {
  const Demonstration* demo = nullptr;  // lives with the retriever
  float score = 0;                      // of the strategy's pool: a cosine, or BM25's sum
  float probability = 0;                // softmax over the scores returned
};

// Demonstrations for in-context learning out of a store's bank. Immutable, safe from many threads.
// Memory: the bank, its vectors and its word index.
class DemoRetriever {
 public:
  // The encoder is that of `dexter demos train`, else the one of the store's labels, else there is
  // none. Vectors and words are read from the bank's files when first needed; they are made then
  // where the files are of another encoder, or of other words than `words` asks for. Errors:
  // kNotFound without a bank; else as Catalog::open.
  static DemoRetriever open(const std::filesystem::path& store,
                            const std::optional<Bm25Options>& words = std::nullopt);
  ~DemoRetriever();
  DemoRetriever(DemoRetriever&&) noexcept;
  DemoRetriever& operator=(DemoRetriever&&) noexcept;

  static constexpr int kMost = 4096;  // of k and pool

  // The best choice first; fewer than k where there are fewer. What is left out is replaced by the
  // next. kNotFound for an empty bank; kInvalidInput for an unknown task or strategy, k or pool out
  // of [1, kMost], and a strategy that needs an encoder where there is none.
  std::vector<FoundDemo> retrieve(const DemoQuery& query) const;

  // Reads or makes what the first query of a kind does else.
  void prepare() const;
  std::size_t size() const;
  std::vector<std::string> tasks() const;
  bool has_encoder() const;
  std::string_view default_strategy() const;

 private:
  struct Impl;
  explicit DemoRetriever(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace dexter
