#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

#include "storage/error.h"
#include "storage/progress.h"
#include "tools/terminal.h"

namespace dexter {

// What a script can read off the end of a run.
enum class ExitCode : int {
  kOk = 0,
  kUsage = 2,
  kNotFound = 3,
  kCorrupt = 4,
  kIncompatible = 5,
  kUnavailable = 6,
  kIo = 7,
  kInternal = 70,
  kInterrupted = 130,
};

struct ExitCodeRow {
  ExitCode code;
  ErrorKind kind;  // the errors that end with it; kOk's is not used
  std::string_view meaning;
};

// The one table of exit codes: main's mapping, and what `dexter --help` prints.
inline constexpr std::array<ExitCodeRow, 9> kExitCodes = {{
    {ExitCode::kOk, ErrorKind::kInternal, "done"},
    {ExitCode::kUsage, ErrorKind::kInvalidInput, "an option, argument or line of input is wrong"},
    {ExitCode::kNotFound, ErrorKind::kNotFound, "a store, file or label is not there"},
    {ExitCode::kCorrupt, ErrorKind::kCorrupt, "bytes on disk are damaged"},
    {ExitCode::kIncompatible, ErrorKind::kIncompatible,
     "made by a newer dexter or another encoder"},
    {ExitCode::kUnavailable, ErrorKind::kUnavailable,
     "another process writes to the store, or one that trains with this one ended; try later"},
    {ExitCode::kIo, ErrorKind::kIo, "the system refused: disk full, permission, read error"},
    {ExitCode::kInternal, ErrorKind::kInternal, "a mistake of dexter's own; please report it"},
    {ExitCode::kInterrupted, ErrorKind::kInterrupted,
     "stopped by Ctrl-C; what was finished stands"},
}};

ExitCode exit_code_of(ErrorKind kind);

// What a verb works with. Lives as long as the run.
struct Context {
  Terminal& terminal;
  std::string command;          // as typed, quoted for a shell
  std::filesystem::path store;  // --store
  bool json = false;            // --json
  std::function<std::stop_token()> stop_on_signal;
  std::function<void(std::function<void()> action)> on_hangup;  // at each SIGHUP; empty: none

  // Bars on stderr and, from now on, Ctrl-C as a request to stop; before it, Ctrl-C ends the
  // process at once. For work that changes the store or writes a file.
  Progress stoppable_progress();
  // Bars on stderr; Ctrl-C ends the process at once. For work that only reads.
  Progress reading_progress();
};

// Runs the verb once its options are parsed. Failures are thrown.
using Runner = std::function<ExitCode()>;

// One row of the table in main.cc. A name of two words ("labels add") makes a group.
struct Verb {
  std::string_view name;
  std::string_view summary;      // its line in `dexter --help`
  std::string_view arguments;    // of the usage line, after the name
  std::string_view about;        // what it does; paragraphs are wrapped
  std::string_view examples;     // one command a line
  std::string_view next;         // what comes after it, one command or sentence a line
  std::string_view interrupted;  // what stands after Ctrl-C, and how to go on
  bool needs_store = true;
  bool has_json = true;
  bool resumes = false;  // --resume goes on after Ctrl-C; the command is printed
  Runner (*add)(CLI::App& app, Context& context);  // describes the options, binds them
};

extern const Verb kImportVerb, kTrainVerb, kIndexVerb, kQueryVerb, kEvalVerb;
extern const Verb kLabelsAddVerb, kLabelsRemoveVerb, kLabelsListVerb, kLabelsShowVerb;
extern const Verb kMergeVerb, kCompactVerb, kInfoVerb, kVerifyVerb, kExportVerb, kServeVerb,
    kConfigVerb;
extern const Verb kDemosImportVerb, kDemosTrainVerb, kDemosChooseVerb, kDemosLabelVerb,
    kDemosRetrieveVerb, kDemosEvalVerb;
extern const Verb kBenchIndexVerb;

}  // namespace dexter
