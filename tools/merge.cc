// dexter merge: one encoder out of two.
#include <memory>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/offline.h"
#include "tools/figures.h"
#include "tools/json_output.h"
#include "tools/threads.h"
#include "tools/verb.h"

namespace dexter {
namespace {

struct MergeArguments {
  std::vector<std::filesystem::path> from;
  MergeOptions options;
};

ExitCode run_merge(Context& context, const MergeArguments& arguments) {
  set_threads(0);
  Catalog catalog = Catalog::open(context.store, OpenMode::kWrite);
  const EncoderInfo encoder =
      merge(catalog, arguments.from[0], arguments.from[1], arguments.options);
  context.terminal.print(context.json
                             ? json_line({{"encoder", encoder.kind},
                                          {"fingerprint", encoder.fingerprint},
                                          {"dim", encoder.dim},
                                          {"bytes", encoder.file.bytes}})
                             : fmt::format("encoder: {}, {} dimensions, {}\n", encoder.kind,
                                           encoder.dim, size_of(encoder.file.bytes)));
  if (!context.json)
    context.terminal.remark(fmt::format("next: dexter index --store {}", context.store.string()));
  return ExitCode::kOk;
}

Runner add(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<MergeArguments>();
  const char* group = "Merge";
  app.add_option("--from", arguments->from, "the two stores whose encoders are merged")
      ->type_name("A B")
      ->expected(2)
      ->required()
      ->group(group);
  app.add_option("--method", arguments->options.method,
                 "slerp: along the arc between two tensors; lerp: along the line")
      ->type_name("METHOD")
      ->default_str("slerp")
      ->check(CLI::IsMember({"slerp", "lerp"}).description(""))
      ->group(group);
  app.add_option("--weight", arguments->options.weight,
                 "of the second encoder: 0 is the first as it is, 1 the second")
      ->type_name("T")
      ->default_str("0.5")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->group(group);
  return [arguments, &context] { return run_merge(context, *arguments); };
}

}  // namespace

constinit const Verb kMergeVerb = {
    .name = "merge",
    .summary = "make one encoder out of two",
    .arguments = "--store DIR --from A B [--method slerp|lerp] [--weight T]",
    .about =
        "Writes into the store an encoder whose parameters lie between those of the encoders of "
        "stores A and B, either of which may be this one. Two transformers must have begun as "
        "one checkpoint, say fine-tuned with two seeds, on two corpora or with two losses. Two "
        "bag encoders must be trained on one corpus, with any seeds: the second is turned onto "
        "the first before. The result encodes at the cost of one.",
    .examples =
        "dexter merge --store my-store --from seed-1 seed-2\n"
        "dexter merge --store my-store --from my-store other --method lerp --weight 0.3",
    .next = "dexter index --store my-store",
    .interrupted = "the store is as it was",
    .add = &add};

}  // namespace dexter
