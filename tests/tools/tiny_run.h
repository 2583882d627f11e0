#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tests/support/tiny_corpus.h"
#include "tests/tools/run_dexter.h"

// The tiny corpus taken through the binary, with settings under which training takes a moment.
namespace dexter::testing {

// Settings of `dexter train` for 32 documents. No epoch counts as worse than another, so that none
// is left out.
inline std::vector<std::string> tiny_settings(const std::string& epochs = "30") {
  return {"--set",     "encoder.dim=32",
          "--set",     "encoder.hidden=32",
          "--set",     "encoder.min_count=1",
          "--set",     "train.batch=8",
          "--set",     "train.negatives=0",
          "--set",     "train.learning_rate=0.02",
          "--set",     "train.patience=0",
          "--set",     "train.checkpoint_seconds=0",
          "--epochs",  epochs,
          "--set",     "train.validation_fraction=0.1",
          "--threads", "1"};
}

// The corpus files and a store of them.
class TinyRun {
 public:
  TinyRun() : files(tiny::write_jsonl(folder.path())), store((folder / "store").string()) {}

  Outcome import() const {
    return run_ok({"import", "--store", store, "--train", files.train.string(), "--test",
                   files.test.string(), "--labels", files.labels.string()});
  }
  Outcome train() const {
    std::vector<std::string> arguments = {"train", "--store", store};
    const std::vector<std::string> settings = tiny_settings();
    arguments.insert(arguments.end(), settings.begin(), settings.end());
    return run_ok(arguments);
  }
  Outcome index() const { return run_ok({"index", "--store", store}); }
  // Imported, trained and indexed: a copy of the store that the first test of this build made.
  void make_all() const;

  const TempDir folder;
  const tiny::Files files;
  const std::string store;
};

}  // namespace dexter::testing
