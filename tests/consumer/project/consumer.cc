#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "engine/demo_prompt.h"
#include "engine/demo_retriever.h"
#include "engine/metrics.h"
#include "engine/retrieval_engine.h"
#include "storage/catalog.h"
#include "storage/error.h"

// A demonstration of a file, in the prompt for another input.
bool makes_a_prompt(const std::filesystem::path& store) {
  const std::vector<std::filesystem::path> files = {store.string() + ".jsonl"};
  std::ofstream(files[0]) << R"({"input": "grey cats", "output": "animals"})" << '\n';
  dexter::import_demonstrations(store, files, {});
  const auto retriever = dexter::DemoRetriever::open(store);
  const auto found = retriever.retrieve({.text = "a cat"});
  return dexter::assemble_prompt(found, "a cat", "{input}: {output}\n") ==
         "grey cats: animals\na cat:";
}

// Makes a store with one label, finds it again, and learns that nothing can be asked of it yet.
int main(int, char** arguments) {
  dexter::Catalog::open(arguments[1], dexter::OpenMode::kCreate)
      .put_labels(std::vector{dexter::Label{.key = "cat", .name = "cats", .text = "grey cats"}},
                  {});
  const auto label = dexter::Catalog::open(arguments[1], dexter::OpenMode::kRead).find_label("cat");
  const std::vector ranked{label.value().id};
  if (dexter::precision_at_k(ranked, ranked, 1) != 1.0) return 1;
  if (!makes_a_prompt(arguments[1])) return 4;
  try {
    dexter::RetrievalEngine::open(arguments[1]);
  } catch (const dexter::Error& error) {
    std::cout << error.what() << '\n';
    return error.kind() == dexter::ErrorKind::kNotFound ? 0 : 2;
  }
  return 3;
}
