// Packed labels, found by binary search over their ids.
#include "engine/label_table.h"

#include <algorithm>

namespace dexter {
namespace {

std::uint32_t length_of(const std::string& text) { return static_cast<std::uint32_t>(text.size()); }

}  // namespace

void LabelTable::add(const Label& label) {
  const bool text_is_name = label.text == label.name;
  rows_.push_back({label.id, length_of(label.key), length_of(label.name), length_of(label.text),
                   bytes_.size(), text_is_name});
  bytes_ += label.key;
  bytes_ += label.name;
  if (!text_is_name) bytes_ += label.text;
}

void LabelTable::shrink_to_fit() {
  rows_.shrink_to_fit();
  bytes_.shrink_to_fit();
}

const LabelTable::Row* LabelTable::row_of(LabelId id) const {
  const auto row = std::lower_bound(rows_.begin(), rows_.end(), id,
                                    [](const Row& r, LabelId wanted) { return r.id < wanted; });
  return row == rows_.end() || row->id != id ? nullptr : &*row;
}

bool LabelTable::has(LabelId id) const { return row_of(id) != nullptr; }

std::optional<Label> LabelTable::find(LabelId id) const {
  const Row* row = row_of(id);
  return row == nullptr ? std::nullopt : std::optional(label_of(*row));
}

void LabelTable::scan(std::optional<LabelId> after,
                      const std::function<bool(Label&&)>& visit) const {
  auto row = rows_.begin();
  if (after)
    row = std::upper_bound(row, rows_.end(), *after,
                           [](LabelId wanted, const Row& r) { return wanted < r.id; });
  while (row != rows_.end() && visit(label_of(*row))) ++row;
}

Label LabelTable::label_of(const Row& row) const {
  const std::uint64_t name = row.offset + row.key;
  const std::uint64_t text = row.text_is_name ? name : name + row.name;
  return Label{row.id, bytes_.substr(row.offset, row.key), bytes_.substr(name, row.name),
               bytes_.substr(text, row.text)};
}

}  // namespace dexter
