// Bodies of requests, read by every kind of reader.
#include "engine/json_fields.h"

#include <cmath>

#include "tests/fuzz/fuzz_target.h"

namespace dexter::fuzz {
namespace {

constexpr std::size_t kMostBytes = 1000;
constexpr std::size_t kMostRows = 16;
constexpr int kDim = 3;

void read_vectors(JsonFields& fields) {
  const auto vectors = fields.vectors("vectors", kMostRows, kDim);
  if (!vectors) return;
  require(vectors->rows() >= 1 && vectors->rows() <= kMostRows, "vectors keep to their number");
  for (std::size_t i = 0; i < vectors->rows(); ++i)
    for (const float value : vectors->row(i)) require(std::isfinite(value), "vectors are finite");
}

void read_objects(JsonFields& fields) {
  auto objects = fields.objects("labels", kMostRows);
  if (!objects) return;
  for (JsonFields& object : *objects) {
    object.text("key", kMostBytes);
    object.text("name", kMostBytes);
    object.end();
  }
}

}  // namespace

std::vector<std::string> seeds() {
  return {
      R"({"text": "a grey cat", "k": 5, "threshold": 0.5, "timing": true})",
      R"({"texts": ["a", "\u00e9\ud83d\ude00"], "k": 1000})",
      R"({"vectors": [[1, 2.5, -3e-2], [0, 0, 1]]})",
      R"({"labels": [{"key": "a", "name": "A"}, {"key": null}]})",
      R"({"text": "\ud83d", "k": -1, "threshold": 1e999})",
      R"({"k": 18446744073709551615, "text": 5, "txet": {}})",
      R"([1, 2])",
      R"({"vectors": [[]], "texts": []})",
      "{\"text\": \"\xC3\x28\"}",
      std::string(40, '['),
  };
}

void run(std::string_view input) {
  JsonFields fields(input);
  succeeds([&] {
    const auto text = fields.text("text", kMostBytes);
    require(!text || text->size() <= kMostBytes, "a text keeps to its length");
  });
  succeeds([&] {
    const auto k = fields.whole("k", 1, 1000);
    require(!k || (*k >= 1 && *k <= 1000), "a whole number keeps to its range");
  });
  succeeds([&] { fields.number("threshold"); });
  succeeds([&] { fields.flag("timing"); });
  succeeds([&] { fields.texts("texts", kMostRows, kMostBytes); });
  succeeds([&] { read_vectors(fields); });
  succeeds([&] { read_objects(fields); });
  fields.end();
}

}  // namespace dexter::fuzz
