#pragma once

#include <memory>

#include "encoders/encoder.h"

namespace dexter {

// Takes the file over. `fingerprint` names its content.
std::unique_ptr<Encoder> make_bag_encoder(SectionFileReader file, std::string fingerprint);

}  // namespace dexter
