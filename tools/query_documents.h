#pragma once

#include <span>
#include <string>

#include "tools/query_source.h"
#include "tools/verb.h"

namespace dexter {

// Prints the documents most alike to each text, those of the query's page: a line of JSON for each,
// or a table.
void print_documents(Context& context, QuerySource& source, std::span<const std::string> texts,
                     const LabelQuery& query);

}  // namespace dexter
