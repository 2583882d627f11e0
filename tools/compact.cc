// dexter compact: label changes taken into the next generation.
#include <chrono>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/live_store.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

ExitCode run_compact(Context& context) {
  set_threads(0);
  const auto start = std::chrono::steady_clock::now();
  const auto live = LiveStore::open(context.store);
  const std::size_t changes = live->engine()->last_changes().size();
  live->compact(context.stoppable_progress());
  context.terminal.drop_stage();
  const auto engine = live->engine();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  context.terminal.print(
      context.json ? json_line({{"changes", changes},
                                {"labels", engine->label_count()},
                                {"generation", engine->generation()},
                                {"seconds", took.count()}})
                   : fmt::format("generation {} holds {} labels, {} of them changed, after {}\n",
                                 engine->generation(), thousands(engine->label_count()),
                                 thousands(changes), duration_of(took.count())));
  return ExitCode::kOk;
}

Runner add_compact(CLI::App&, Context& context) {
  return [&context] { return run_compact(context); };
}

}  // namespace

constinit const Verb kCompactVerb = {
    .name = "compact",
    .summary = "take changed labels into the index",
    .arguments = "--store DIR",
    .about =
        "Writes the index anew with every label added, replaced or removed since it was built, "
        "from "
        "the vectors at hand: no text is encoded again. Answers stay the same and come faster "
        "where many labels changed. Does nothing where none did.",
    .examples =
        "dexter compact --store my-store\n"
        "dexter compact --store my-store --json",
    .next = "dexter query --store my-store",
    .interrupted = "the store is as it was; the changes answer as before",
    .add = &add_compact};

}  // namespace dexter
