#pragma once

#include "encoders/trainer.h"
#include "storage/progress.h"

namespace dexter {

// The encoder of the store `options.store` and its vectors of everything in `set`. kNotFound where
// that store has no trained encoder; kInvalidInput where `set` has no texts.
Teacher load_teacher(const TeacherOptions& options, const TrainingSet& set,
                     const Progress& progress);

}  // namespace dexter
