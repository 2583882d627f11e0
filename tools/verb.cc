// What every verb is given, and the code it ends with.
#include "tools/verb.h"

#include <algorithm>

namespace dexter {

ExitCode exit_code_of(ErrorKind kind) {
  const auto row =
      std::find_if(kExitCodes.begin() + 1, kExitCodes.end(),
                   [kind](const ExitCodeRow& candidate) { return candidate.kind == kind; });
  return row == kExitCodes.end() ? ExitCode::kInternal : row->code;
}

Progress Context::stoppable_progress() {
  Progress progress = reading_progress();
  progress.stop = stop_on_signal();
  return progress;
}

Progress Context::reading_progress() {
  return {.report = [this](const ProgressEvent& event) { terminal.show(event); },
          .warn = [this](const std::string& message) { terminal.warn("warning: " + message); },
          .stop = {}};
}

}  // namespace dexter
