#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "engine/demo_bank.h"
#include "storage/catalog.h"
#include "storage/section_file.h"

namespace dexter {

// Demonstrations whose output nobody gave, but which the bank itself told (demo_labelling.h). They
// lie in a file beside the given ones, are found with them, and nothing is learnt of them.

// In the order they came; none where the bank has no such file. kCorrupt for a damaged one.
std::vector<Demonstration> load_pseudo(const Catalog& bank);
// load_bank, then load_pseudo.
std::vector<Demonstration> load_all_demonstrations(const Catalog& bank);

// What two inputs of a task that read the same have in common: their words in their order.
std::string same_input_key(const Demonstration& demo);

// Those of `pseudo` that `given` leaves room for: of its tasks, without an id or an input of it.
std::vector<Demonstration> beside_given(std::vector<Demonstration> pseudo,
                                        std::span<const Demonstration> given);

// Writes `bank`/index/`stem`.pseudo.idx.
FileRef save_pseudo(const std::filesystem::path& bank, const std::string& stem,
                    std::span<const Demonstration> pseudo);

}  // namespace dexter
