#pragma once

#include <string>
#include <string_view>

#include "encoders/trainer.h"

namespace dexter {

// EncoderOptions and a text kind as "key=value" lines inside an encoder file.
std::string options_text(const EncoderOptions& options, TextKind text_kind);
// kCorrupt for anything unreadable or out of its range. The kind may be one this build does not
// know.
void read_options_text(std::string_view text, EncoderOptions& options, TextKind& text_kind);

}  // namespace dexter
