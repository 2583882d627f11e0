// Configuration: JSON, and assignments as --set takes them.
#include "engine/config.h"

#include "tests/fuzz/fuzz_target.h"

namespace dexter::fuzz {

std::vector<std::string> seeds() {
  return {
      to_json(Config{}),
      R"({"encoder": {"dim": 64}, "index.kind": "flat", "train": {"epochs": 3}})",
      R"({"serve": {"port": 65536}, "loss.temperature": -1e300})",
      R"({"encoder": {"dmi": 64}})",
      R"({"encoder": 5})",
      "index.probes=32",
      "loss.temperature=nan",
      "train.seed=18446744073709551616",
      "=",
  };
}

void run(std::string_view input) {
  Config config;
  const std::string before = to_json(config);
  const bool merged = succeeds([&] { merge_json(config, input, "the input"); });
  if (!merged) require(to_json(config) == before, "a refused file changes nothing");
  succeeds([&] { merge_assignment(config, input); });
  const std::string after = to_json(config);
  Config again;
  merge_json(again, after, "our own text");
  require(to_json(again) == after, "a configuration reads back");
  config.validate();
}

}  // namespace dexter::fuzz
