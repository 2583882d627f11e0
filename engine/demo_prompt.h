#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/demo_retriever.h"

namespace dexter {

// Lays out each demonstration by `pattern`, whose {input}, {output} and {task} are replaced, the
// best last, then the query by the part of the pattern before {output}. kInvalidInput for a pattern
// without {input} and, behind it, {output}.
inline constexpr std::string_view kPromptPattern = "Input: {input}\nOutput: {output}\n\n";
std::string assemble_prompt(const std::vector<FoundDemo>& best_first, std::string_view text,
                            std::string_view pattern = kPromptPattern);

// The output that most of the demonstrations have; of equals the one with the best score. Empty for
// none.
std::string majority_output(const std::vector<FoundDemo>& found);

}  // namespace dexter
