// dexter merge: one encoder out of several.
#include <memory>
#include <vector>

#include <spdlog/fmt/fmt.h>
#include <boost/json.hpp>

#include "engine/merging.h"
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

boost::json::object json_of(const MergeReport& report) {
  boost::json::object object{
      {"encoder", report.encoder.kind},
      {"fingerprint", report.encoder.fingerprint},
      {"dim", report.encoder.dim},
      {"bytes", report.encoder.file.bytes},
      {"weights", boost::json::array(report.weights.begin(), report.weights.end())}};
  if (report.figures.empty()) return object;
  object["learnt_on"] = report.learnt_on;
  boost::json::object& figures = object["figures"].emplace_object();
  for (const MergeFigure& figure : report.figures)
    figures[figure.name] = boost::json::object{{"P@1", figure.score.precision_at_1},
                                               {"P@5", figure.score.precision_at_5},
                                               {"nDCG@5", figure.score.ndcg_at_5}};
  return object;
}

std::string text_of(const MergeReport& report, const std::vector<std::filesystem::path>& from) {
  std::string weights;
  for (const double weight : report.weights) weights += fmt::format(" {:.2f}", weight);
  std::string text = fmt::format("encoder: {}, {} dimensions, {}, weights{}\n", report.encoder.kind,
                                 report.encoder.dim, size_of(report.encoder.file.bytes), weights);
  if (report.figures.empty()) return text;
  text += fmt::format(
      "weights were learnt on {} documents of the validation part; of as many others, percent:\n",
      thousands(report.learnt_on));
  Table table("<>>>");
  table.row({"", "P@1", "P@5", "nDCG@5"});
  for (std::size_t i = 0; i < report.figures.size(); ++i) {
    const ValidationScore& score = report.figures[i].score;
    table.row({i < from.size() ? from[i].string() : report.figures[i].name,
               fmt::format("{:.2f}", score.precision_at_1),
               fmt::format("{:.2f}", score.precision_at_5),
               fmt::format("{:.2f}", score.ndcg_at_5)});
  }
  return text + table.text();
}

ExitCode run_merge(Context& context, const MergeArguments& arguments) {
  set_threads(0);
  Catalog catalog = Catalog::open(context.store, OpenMode::kWrite);
  const MergeReport report =
      merge(catalog, arguments.from, arguments.options, context.stoppable_progress());
  context.terminal.finish_stage();
  context.terminal.print(context.json ? json_line(json_of(report))
                                      : text_of(report, arguments.from));
  if (!context.json)
    context.terminal.remark(fmt::format("next: dexter index --store {}", context.store.string()));
  return ExitCode::kOk;
}

Runner add_merge(CLI::App& app, Context& context) {
  const auto arguments = std::make_shared<MergeArguments>();
  const char* group = "Merge";
  app.add_option("--from", arguments->from, "the stores whose encoders are merged")
      ->type_name("A B...")
      ->expected(2, 64)
      ->required()
      ->group(group);
  app.add_option("--method", arguments->options.method,
                 "slerp: along the arc between two tensors; lerp: along the line")
      ->type_name("METHOD")
      ->default_str("slerp")
      ->check(CLI::IsMember({"slerp", "lerp"}).description(""))
      ->group(group);
  CLI::Option* weights =
      app.add_option(
             "--weights", arguments->options.weights,
             "a share for each encoder, of which the proportions count; the same by default")
          ->type_name("W W...")
          ->expected(2, 64)
          ->check(CLI::NonNegativeNumber.description(""))
          ->group(group);
  app.add_flag("--learn", arguments->options.learn,
               "take the shares that do best on half of the validation part, and tell what they "
               "and each encoder alone reach on the other half")
      ->excludes(weights)
      ->group(group);
  return [arguments, &context] { return run_merge(context, *arguments); };
}

}  // namespace

constinit const Verb kMergeVerb = {
    .name = "merge",
    .summary = "make one encoder out of several",
    .arguments = "--store DIR --from A B... [--method slerp|lerp] [--weights W W... | --learn]",
    .about =
        "Writes into the store an encoder whose parameters lie between those of the encoders of "
        "the stores A, B and so on, one of which may be this one. Transformers must have begun as "
        "one checkpoint, say fine-tuned with two seeds, on two corpora or with two losses. Bag "
        "encoders must be trained on one corpus, with any seeds: the others are turned onto the "
        "first before. The result encodes at the cost of one.",
    .examples =
        "dexter merge --store my-store --from seed-1 seed-2\n"
        "dexter merge --store my-store --from my-store other third --learn\n"
        "dexter merge --store my-store --from my-store other --method lerp --weights 0.7 0.3",
    .next = "dexter index --store my-store",
    .interrupted = "the store is as it was",
    .add = &add_merge};

}  // namespace dexter
