#include "tools/demos_arguments.h"

#include <utility>

#include <spdlog/fmt/fmt.h>

namespace dexter {
namespace {

std::string strategies() {
  std::string text;
  for (const DemoStrategy& row : demo_strategies())
    text += fmt::format("{}{} ({})", text.empty() ? "" : ", ", row.name, row.summary);
  return text;
}

}  // namespace

void DemoArguments::add_to(CLI::App& app) {
  const auto range = [](auto least, auto most) { return CLI::Range(least, most).description(""); };
  const char* choice = "Choice";
  app.add_option("-k", query.k, "demonstrations for each text")
      ->type_name("N")
      ->default_str("8")
      ->check(range(1, DemoRetriever::kMost))
      ->group(choice);
  app.add_option("--strategy", query.strategy,
                 strategies() + "; dense where there is an encoder, else bm25")
      ->type_name("NAME")
      ->group(choice);
  app.add_option("--pool", query.pool, "candidates that the strategy chooses from")
      ->type_name("N")
      ->default_str("100")
      ->check(range(1, DemoRetriever::kMost))
      ->group(choice);
  app.add_option("--exclude", exclude,
                 "leave out inputs with the same words (same), or nearly the same ones too (near)")
      ->type_name("none|same|near")
      ->default_str("none")
      ->check(CLI::IsMember({"none", "same", "near"}).description(""))
      ->group(choice);
  app.add_flag("!--no-pseudo", query.pseudo, "leave out pseudo-labelled demonstrations")
      ->group(choice);
  app.add_flag("--balanced", query.balanced, "outputs take turns")->group(choice);
  app.add_option("--mmr-balance", query.options.mmr_balance,
                 "mmr: weight of relevance beside that of novelty")
      ->type_name("X")
      ->default_str("0.5")
      ->check(range(0.0, 1.0))
      ->group(choice);
  app.add_option("--dpp-scale", query.options.dpp_scale,
                 "dpp: small for relevance, large for diversity")
      ->type_name("X")
      ->default_str("0.1")
      ->check(range(1e-3, 1e3))
      ->group(choice);
  app.add_option("--seed", query.options.seed, "of random")->type_name("N")->group(choice);
  app.add_option("--stemmer", stemmer,
                 "of bm25: a Snowball stemmer's name, or none; as imported where it is not given")
      ->type_name("LANGUAGE")
      ->group(choice);
  app.add_option("--threads", threads, "threads; 0 takes every core")
      ->type_name("N")
      ->check(range(0, 1 << 30))
      ->group("General");
}

std::optional<Bm25Options> DemoArguments::words() const {
  if (stemmer.empty()) return std::nullopt;
  return Bm25Options{.stemmer = stemmer};
}

DemoQuery DemoArguments::query_of(std::string text) const {
  DemoQuery made = query;
  made.text = std::move(text);
  made.exclude = find_exclude(exclude);
  return made;
}

}  // namespace dexter
