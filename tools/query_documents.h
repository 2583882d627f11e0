#pragma once

#include <span>
#include <string>

#include "engine/retrieval_engine.h"
#include "tools/verb.h"

namespace dexter {

// Prints the k documents most alike to each text: a line of JSON for each, or a table.
void print_documents(Context& context, const RetrievalEngine& engine,
                     std::span<const std::string> texts, int k, const SearchOptions& search);

}  // namespace dexter
