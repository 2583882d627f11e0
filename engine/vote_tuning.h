#pragma once

#include "engine/config.h"
#include "storage/catalog.h"
#include "storage/progress.h"

namespace dexter {

class Encoder;

// The weights of votes that serve the validation part of the store best, by coordinate search over
// a small grid, and whether they help there. `generation` has its files written; the documents of
// the validation part do not vote. Without such a part the defaults, which then do not help.
VoteFusion tune_votes(const Catalog& catalog, const Encoder& encoder,
                      const GenerationInfo& generation, const Config& config,
                      const Progress& progress);

}  // namespace dexter
