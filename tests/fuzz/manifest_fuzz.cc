// The record that says what a store is.
#include "storage/manifest.h"

#include "tests/fuzz/fuzz_target.h"

namespace dexter::fuzz {

std::vector<std::string> seeds() {
  Manifest imported;
  imported.next_label = 12;
  imported.corpus = CorpusInfo{
      .number = 2, .format = "jsonl", .train_documents = 32, .test_documents = 8, .labels = 12};
  Manifest indexed = imported;
  indexed.trained = EncoderInfo{.file = {"encoder-3.bin", 4096, "0123456789abcdef"},
                                .kind = "bag",
                                .fingerprint = "fedcba9876543210",
                                .dim = 256,
                                .corpus = 2};
  indexed.generation = GenerationInfo{.number = 3,
                                      .encoder = *indexed.trained,
                                      .label_index = {"index-3.bin", 8192, "00112233445566ff"},
                                      .index_kind = "flat",
                                      .index_reason = "asked for",
                                      .labels = 12,
                                      .documents = DocumentsInfo{}};
  indexed.generation->documents->index = indexed.generation->label_index;
  indexed.generation->documents->table = indexed.generation->label_index;
  indexed.config = R"({"encoder": {"dim": 256}})";
  return {to_json(Manifest{}), to_json(imported), to_json(indexed), R"({"format": 99})"};
}

void run(std::string_view input) {
  const Manifest manifest = manifest_from_json(input);
  require(manifest_from_json(to_json(manifest)) == manifest, "a manifest reads back");
}

}  // namespace dexter::fuzz
