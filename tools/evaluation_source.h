#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "index/id_set.h"
#include "storage/catalog.h"

namespace dexter {

// The documents of one evaluation: the store's test part, its validation part where there is no
// test part, or a corpus file whose labels are found in the store by key or row. The catalog must
// outlive it. Not movable: the stream it gives refers to it. One caller.
class EvaluationSource {
 public:
  // kInvalidInput where the store has neither part.
  explicit EvaluationSource(const Catalog& catalog);
  EvaluationSource(const Catalog& catalog, const std::filesystem::path& file,
                   const std::string& format);
  EvaluationSource(const EvaluationSource&) = delete;
  EvaluationSource& operator=(const EvaluationSource&) = delete;

  // False at the end. A bad row of a file throws kInvalidInput with its line.
  bool next(Example& example) { return stream_(example); }

  // The documents of the validation part, which must not vote for their own labels; null with
  // another part or a file. Reads the training part.
  std::shared_ptr<const IdSet> training_documents() const;
  std::string_view name() const { return name_; }  // "test part", or the file's name
  std::string_view remark() const {
    return remark_;
  }  // what the user must know first; may be empty
  // Label mentions read so far, and those that name no label of the store.
  std::uint64_t mentions() const { return mentions_; }
  std::uint64_t unknown_mentions() const { return unknown_mentions_; }
  std::string_view first_unknown() const { return first_unknown_; }

 private:
  void resolve(Example& example, const std::optional<Label>& found, std::string_view mention);

  const Catalog& catalog_;
  std::optional<double> held_out_;  // the share that is the validation part, where it is read
  std::string name_;
  std::string remark_;
  std::uint64_t mentions_ = 0;
  std::uint64_t unknown_mentions_ = 0;
  std::string first_unknown_;
  std::function<bool(Example&)> stream_;
};

}  // namespace dexter
