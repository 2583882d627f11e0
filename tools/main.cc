// dexter: the verbs, the exit codes, and the one place where an error becomes a line for the user.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <new>

#include <spdlog/cfg/helpers.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "storage/manifest.h"
#include "tools/command_line.h"
#include "tools/interrupt.h"
#include "tools/verb.h"

namespace dexter {
namespace {

constexpr std::array<const Verb*, 23> kVerbs = {
    &kImportVerb,      &kTrainVerb,      &kMergeVerb,         &kIndexVerb,       &kQueryVerb,
    &kEvalVerb,        &kLabelsAddVerb,  &kLabelsRemoveVerb,  &kLabelsListVerb,  &kLabelsShowVerb,
    &kCompactVerb,     &kInfoVerb,       &kVerifyVerb,        &kDemosImportVerb, &kDemosTrainVerb,
    &kDemosChooseVerb, &kDemosLabelVerb, &kDemosRetrieveVerb, &kDemosEvalVerb,   &kExportVerb,
    &kServeVerb,       &kConfigVerb,     &kBenchIndexVerb,
};

// DEXTER_LOG=debug shows what the libraries below say; results never share a stream with it.
void set_up_log() {
  spdlog::set_default_logger(spdlog::stderr_color_mt("dexter"));
  spdlog::set_pattern("%H:%M:%S %l: %v");
  const char* level = std::getenv("DEXTER_LOG");
  spdlog::set_level(level == nullptr ? spdlog::level::warn : spdlog::level::from_str(level));
}

std::string resuming(const Verb& verb, const std::string& command) {
  if (!verb.resumes) return "";
  const bool said = command.find(" --resume") != std::string::npos;
  return fmt::format(": {}{}", command, said ? "" : " --resume");
}

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

// Runs one command line; errors are thrown. `verb` is set as soon as it is known.
ExitCode run(std::vector<std::string> words, Terminal& terminal, Interrupt& interrupt,
             const Verb*& verb, std::string& command) {
  command = "dexter " + quoted(words);
  const Choice choice = choose(kVerbs, std::move(words));
  if (choice.version) {
    terminal.print(fmt::format("dexter {} (store format {})\n", DEXTER_VERSION, kStoreFormat));
    return ExitCode::kOk;
  }
  verb = choice.verb;
  if (verb == nullptr) {
    terminal.print(choice.group.empty() ? overview(kVerbs) : help_of_group(kVerbs, choice.group));
    return choice.help ? ExitCode::kOk : ExitCode::kUsage;
  }
  Context context{
      .terminal = terminal,
      .command = command,
      .store = {},
      .json = false,
      .stop_on_signal = [&interrupt] { return interrupt.ask_to_stop(); },
      .on_hangup =
          [&interrupt](std::function<void()> action) { interrupt.on_hangup(std::move(action)); }};
  CLI::App app;
  bool quiet = false;
  const std::optional<Runner> runner = parse(*verb, app, context, quiet, choice.arguments);
  if (!runner) {
    terminal.print(help_of(*verb, app));
    return ExitCode::kOk;
  }
  if (quiet) terminal.be_quiet();
  const ExitCode code = (*runner)();
  terminal.finish_stage();
  return code;
}

// What was printed before the failure stays true: `dexter verify` lists the damage and then fails.
void flush_what_stands(Terminal& terminal) {
  try {
    terminal.flush();
  } catch (const OutputClosed&) {  // nobody reads it; the failure is told all the same
  } catch (const Error& error) {
    terminal.warn(one_line(error.what()));
  }
}

int report(Terminal& terminal, const Verb* verb, ExitCode code, const std::string& message) {
  flush_what_stands(terminal);
  const std::string name = verb == nullptr ? "" : fmt::format(" {}", verb->name);
  terminal.fail(fmt::format("dexter{}: {}", name, one_line(message)));
  return static_cast<int>(code);
}

int guarded_run(std::vector<std::string> words) {
  Interrupt interrupt;
  Terminal terminal;
  const Verb* verb = nullptr;
  std::string command;
  try {
    const ExitCode code = run(std::move(words), terminal, interrupt, verb, command);
    terminal.flush();
    return static_cast<int>(code);
  } catch (const OutputClosed&) {
    return static_cast<int>(ExitCode::kOk);
  } catch (const Error& error) {
    std::string message = error.what();
    if (error.kind() == ErrorKind::kInterrupted && verb != nullptr)
      message += fmt::format("; {}{}", verb->interrupted, resuming(*verb, command));
    return report(terminal, verb, exit_code_of(error.kind()), message);
  } catch (const std::filesystem::filesystem_error& error) {
    return report(terminal, verb, ExitCode::kIo, error.what());
  } catch (const std::bad_alloc&) {
    return report(terminal, verb, ExitCode::kIo,
                  "out of memory; close other programs or lower the sizes");
  } catch (const std::exception& error) {
    return report(terminal, verb, ExitCode::kInternal,
                  fmt::format("a mistake of dexter's own: {}; please report it with `{}`",
                              error.what(), command));
  }
}

}  // namespace

}  // namespace dexter

int main(int argc, char** argv) {
  dexter::set_up_log();
  return dexter::guarded_run({argv + 1, argv + argc});
}
