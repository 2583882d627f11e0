#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "storage/types.h"

namespace dexter {

// Labels in memory, packed: key, name and text lie one after the other in one buffer, and a text
// equal to the name is kept once. Const methods are safe from many threads.
class LabelTable {
 public:
  // Ids come ascending.
  void add(const Label& label);
  void shrink_to_fit();
  std::optional<Label> find(LabelId id) const;
  bool has(LabelId id) const;
  // By ascending id, from the first one after `after`; until `visit` returns false.
  void scan(std::optional<LabelId> after, const std::function<bool(Label&&)>& visit) const;
  std::size_t size() const { return rows_.size(); }

 private:
  struct Row {
    LabelId id;
    std::uint32_t key, name, text;  // lengths in bytes
    std::uint64_t offset;
    bool text_is_name;
  };
  Label label_of(const Row& row) const;
  const Row* row_of(LabelId id) const;  // null where there is none

  std::vector<Row> rows_;
  std::string bytes_;
};

}  // namespace dexter
