#pragma once

#include <CLI/CLI.hpp>

#include "engine/retrieval_engine.h"

namespace dexter {

// --memory and --tail of the verbs that answer texts; `options` must outlive the parse.
void add_answer_options(CLI::App& app, AnswerOptions& options, const char* group);

}  // namespace dexter
