#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "encoders/trainer.h"
#include "storage/catalog.h"
#include "storage/progress.h"

namespace dexter {

// The store's training documents as a TrainingSet: every label that exists, in rows; documents with
// at least one of them, their labels as rows, split by in_validation_part. Labels of the name
// `without`, a task of demonstrations, do not exist for it. Inputs of demonstrations come with
// their task's instruction. kNotFound without a corpus.
TrainingSet load_training_set(const Catalog& catalog, double validation_fraction,
                              const Progress& progress, std::string_view without = {});

// Texts of the first `count` validation documents, in import order; of a hundredth of the training
// documents where `validation_fraction` is 0.
std::vector<std::string> sample_validation_texts(const Catalog& catalog, double validation_fraction,
                                                 std::size_t count);

}  // namespace dexter
