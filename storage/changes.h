#pragma once

#include <vector>

#include "storage/types.h"

namespace dexter {

// A label added, replaced or removed since the newest generation was built.
struct LabelChange {
  LabelId id{};
  bool removed = false;
  std::vector<float> vector;  // [dim]; empty when removed or when no generation existed
};

// A document added or hidden since the import.
struct DocumentChange {
  DocumentId id{};
  bool removed = false;
  std::vector<float> vector;  // [dim]; empty when removed, or when the generation's index has it
};

}  // namespace dexter
