#include <iostream>
#include <vector>

#include "engine/metrics.h"
#include "engine/retrieval_engine.h"
#include "storage/catalog.h"
#include "storage/error.h"

// Makes a store with one label, finds it again, and learns that nothing can be asked of it yet.
int main(int, char** arguments) {
  dexter::Catalog::open(arguments[1], dexter::OpenMode::kCreate)
      .put_labels(std::vector{dexter::Label{.key = "cat", .name = "cats", .text = "grey cats"}},
                  {});
  const auto label = dexter::Catalog::open(arguments[1], dexter::OpenMode::kRead).find_label("cat");
  const std::vector ranked{label.value().id};
  if (dexter::precision_at_k(ranked, ranked, 1) != 1.0) return 1;
  try {
    dexter::RetrievalEngine::open(arguments[1]);
  } catch (const dexter::Error& error) {
    std::cout << error.what() << '\n';
    return error.kind() == dexter::ErrorKind::kNotFound ? 0 : 2;
  }
  return 3;
}
