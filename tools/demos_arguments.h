#pragma once

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include "engine/demo_retriever.h"

namespace dexter {

// The options by which demonstrations are chosen, shared by the verbs that choose some.
struct DemoArguments {
  DemoQuery query;  // without its text
  std::string exclude = "none";
  std::string stemmer;
  int threads = 0;

  void add_to(CLI::App& app);
  DemoQuery query_of(std::string text) const;
  std::optional<Bm25Options> words() const;
};

}  // namespace dexter
