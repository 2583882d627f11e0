#pragma once

#include <CLI/CLI.hpp>

#include "engine/retrieval_engine.h"

namespace dexter {

// --memory and --tail of the verbs that answer texts; `options` must outlive the parse.
void add_answer_options(CLI::App& app, AnswerOptions& options, const char* group);
// --device, --device-memory and --device-codes of the verbs that open a store for answers.
void add_device_options(CLI::App& app, DeviceOptions& options, const char* group);
// The last two alone.
void add_device_sizes(CLI::App& app, double& memory, int& codes, const char* group);

}  // namespace dexter
