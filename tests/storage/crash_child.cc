// One change to a store in a process of its own, which the crash tests kill: crash_child STORE
// SCENARIO. Exit code 0, or 10 and more for an Error of that kind.
#include <sched.h>
#include <sys/mount.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include "tests/storage/store_fixtures.h"

namespace dexter {
namespace {

using namespace dexter::testing;  // NOLINT

void create(const std::filesystem::path& store) {
  Catalog catalog = Catalog::open(store, OpenMode::kCreate);
}

void import(const std::filesystem::path& store) {
  Catalog catalog = Catalog::open(store, OpenMode::kCreate);
  CorpusWriter corpus(catalog);
  add_tiny_corpus(corpus);
  corpus.add_example(Split::kTrain, "large", std::string(5 << 20, 'x'), {}, {});  // a batch
  corpus.add_example(Split::kTrain, "last", "the last one", {}, {});
  corpus.commit({});
}

void build_generation(const std::filesystem::path& store) {
  Catalog catalog = Catalog::open(store, OpenMode::kWrite);
  commit_generation(catalog, catalog.manifest().generation->number + 1);
}

void add_labels(const std::filesystem::path& store) {
  Catalog catalog = Catalog::open(store, OpenMode::kWrite);
  const std::vector<Label> labels = {{LabelId{}, "chess", "Chess", "chess"},
                                     {LabelId{}, "music", "Music!", "all music"}};
  catalog.put_labels(labels, tiny_vectors(2));
}

void remove_label(const std::filesystem::path& store) {
  Catalog catalog = Catalog::open(store, OpenMode::kWrite);
  catalog.remove_label("weather");
}

void add_documents(const std::filesystem::path& store) {
  Catalog catalog = Catalog::open(store, OpenMode::kWrite);
  const std::vector<Example> documents = {{{}, "owl", "an owl", {LabelId{0}}, {}},
                                          {{}, "train-3", "a lark", {LabelId{0}}, {}}};
  catalog.put_documents(documents, tiny_vectors(2));
}

void put_note(const std::filesystem::path& store) {
  Catalog catalog = Catalog::open(store, OpenMode::kWrite);
  catalog.put_note("history", "[1,2]");
}

// On a disk of 64 MiB, visible to this process alone; exits with 77 where there is none to be had.
void import_onto_small_disk(const std::filesystem::path& store) {
  std::filesystem::create_directories(store);
  const bool mounted =
      (::unshare(CLONE_NEWNS) == 0 || ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0) &&
      ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
      ::mount("tmpfs", store.c_str(), "tmpfs", 0, "size=64m") == 0;
  if (!mounted) std::exit(77);
  import(store);
}

int run(const std::filesystem::path& store, const std::string& scenario) {
  static const std::map<std::string, void (*)(const std::filesystem::path&)> kScenarios = {
      {"create", &create},         {"import_onto_small_disk", &import_onto_small_disk},
      {"import", &import},         {"add_documents", &add_documents},
      {"add_labels", &add_labels}, {"build_generation", &build_generation},
      {"put_note", &put_note},     {"remove_label", &remove_label}};
  try {
    kScenarios.at(scenario)(store);
    return 0;
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 10 + static_cast<int>(error.kind());
  }
}

}  // namespace
}  // namespace dexter

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  return dexter::run(argv[1], argv[2]);
}
