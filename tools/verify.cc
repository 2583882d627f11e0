// dexter verify: every byte of a store against its checksum.
#include <chrono>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/demo_bank.h"
#include "storage/catalog.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/verb.h"

namespace dexter {
namespace {

void print_json(Context& context, const std::vector<Damage>& damages, std::uint64_t files) {
  boost::json::array list;
  for (const Damage& damage : damages)
    list.push_back({{"file", damage.file}, {"what", damage.what}});
  context.terminal.print(
      json_line({{"whole", damages.empty()}, {"files", files}, {"damage", std::move(list)}}));
}

void print_people(Context& context, const std::vector<Damage>& damages, std::uint64_t files,
                  double seconds) {
  if (damages.empty()) {
    context.terminal.print(fmt::format("the store is whole: {} files read in {}\n",
                                       thousands(files), duration_of(seconds)));
    return;
  }
  Table table("<<");
  for (const Damage& damage : damages) table.row({damage.file, damage.what});
  context.terminal.print(table.text());
}

ExitCode run_verify(Context& context) {
  const auto start = std::chrono::steady_clock::now();
  const Progress progress = context.reading_progress();
  std::uint64_t files = 0;
  const auto visit = [&](const std::string& file) {
    progress.update(
        {.stage = "verifying", .done = ++files, .total = 0, .unit = "files", .note = file});
  };
  std::vector<Damage> damages = verify_store(context.store, visit);
  if (const auto bank = bank_folder(context.store); std::filesystem::exists(bank))
    for (const Damage& damage : verify_store(bank, visit))
      damages.push_back({(bank.filename() / damage.file).string(), damage.what});
  context.terminal.drop_stage();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  context.json ? print_json(context, damages, files)
               : print_people(context, damages, files, took.count());
  if (damages.empty()) return ExitCode::kOk;
  throw Error(
      ErrorKind::kCorrupt,
      fmt::format("{} damaged in {}; restore it from a copy, or import, train and index again",
                  damages.size() == 1 ? "1 thing is" : thousands(damages.size()) + " things are",
                  context.store.string()));
}

Runner add_verify(CLI::App&, Context& context) {
  return [&context] { return run_verify(context); };
}

}  // namespace

constinit const Verb kVerifyVerb = {
    .name = "verify",
    .summary = "read the whole store and say what is damaged",
    .arguments = "--store DIR",
    .about =
        "Reads every file and record, those of the demonstrations too, and compares with the "
        "checksums. Nothing is changed. "
        "Ends with 0 where the store is whole and with 4 where something is damaged, each "
        "thing named.",
    .examples =
        "dexter verify --store my-store\n"
        "dexter verify --store my-store --json --quiet",
    .next = "dexter info --store my-store",
    .interrupted = "nothing was changed",
    .add = &add_verify};

}  // namespace dexter
