#pragma once

#include <cstdint>
#include <vector>

namespace dexter {

// Unicode as the BERT tokenizers of the Python ecosystem know it: their tables are those of several
// older Unicode versions, so that newer marks are letters to them and newer punctuation is not
// split off. Pure functions of a code point, safe from many threads.

bool is_bert_control(std::int32_t c);  // dropped by cleaning: controls, formats, private use
bool is_bert_space(std::int32_t c);
bool is_bert_punctuation(std::int32_t c);
bool is_bert_ideograph(std::int32_t c);  // stands alone as a word

// Canonical decomposition without nonspacing marks, the other marks in canonical order.
void strip_accents(std::vector<std::int32_t>& text);
void lower_case(std::vector<std::int32_t>& text);

}  // namespace dexter
