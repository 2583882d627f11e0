#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "storage/embedding_matrix.h"

namespace dexter {

// Inner header of the HTTP interface: a request's JSON object, read field by field. Every reader
// throws kInvalidInput that names the field, what it holds and what is possible; nullopt or false:
// the field is absent (null counts as absent).
class JsonFields {
 public:
  explicit JsonFields(std::string_view text);  // kInvalidInput for what is no JSON object
  explicit JsonFields(boost::json::object object);

  bool has(std::string_view name) const;
  std::optional<std::string> text(std::string_view name, std::size_t most_bytes);
  std::optional<std::int64_t> whole(std::string_view name, std::int64_t least, std::int64_t most);
  std::optional<double> number(std::string_view name);
  bool flag(std::string_view name);
  // 1 to `most` texts of at most `most_bytes` each.
  std::optional<std::vector<std::string>> texts(std::string_view name, std::size_t most,
                                                std::size_t most_bytes);
  // The same, or one text alone.
  std::optional<std::vector<std::string>> text_or_texts(std::string_view name, std::size_t most,
                                                        std::size_t most_bytes);
  // What either 'text' or 'texts' holds; kInvalidInput unless exactly one of them is given.
  std::vector<std::string> one_or_many(std::size_t most, std::size_t most_bytes);
  // 1 to `most` rows of `dim` numbers.
  std::optional<EmbeddingMatrix> vectors(std::string_view name, std::size_t most, int dim);
  std::optional<JsonFields> object(std::string_view name);
  // 1 to `most` objects.
  std::optional<std::vector<JsonFields>> objects(std::string_view name, std::size_t most);
  // kInvalidInput for a field that no reader asked for; names the nearest that was.
  void end() const;

 private:
  const boost::json::value* find(std::string_view name);
  const boost::json::array& list(std::string_view name, const boost::json::value& found,
                                 std::size_t most) const;

  boost::json::object object_;
  std::vector<std::string> asked_;
};

}  // namespace dexter
