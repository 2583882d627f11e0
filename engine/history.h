#pragma once

#include <string>
#include <string_view>

#include "encoders/trainer.h"
#include "storage/catalog.h"

namespace dexter {

// A training run as the store's note "history" keeps it:
// {"fingerprint": "...", "best_epoch": 3, "stopped_early": false, "resumed": false, "seconds":
// 301.5,
//  "epochs": [{"epoch": 1, "loss": ..., "validation_p1": ..., ...}, ...]}.
std::string to_json(const TrainReport& report);
// `encoder` comes back with its fingerprint only. kCorrupt for what `to_json` did not write.
TrainReport train_report_from_json(std::string_view json);

// The history of the store's trained encoder; an empty one where there is none, or where the note
// belongs to another encoder (a training killed before its commit).
TrainReport training_history(const Catalog& catalog);

}  // namespace dexter
