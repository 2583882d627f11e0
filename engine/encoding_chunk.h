#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "encoders/encoder.h"
#include "storage/embedding_matrix.h"

namespace dexter {

// Texts that are encoded between two looks at whether to stop: a transformer takes seconds for
// them.
inline constexpr std::size_t kEncodedTogether = 256;

// Vectors of `count` texts [count x dim], part by part. `text(i)` gives each; `between(done)` is
// called before every part and at the end with how many are encoded, and may throw to stop.
template <class Text, class Between>
EmbeddingMatrix encode_in_parts(const Encoder& encoder, std::size_t count, const Text& text,
                                const Between& between) {
  EmbeddingMatrix vectors(count, encoder.dim());
  for (std::size_t first = 0; first < count; first += kEncodedTogether) {
    between(first);
    std::vector<std::string> texts;
    for (std::size_t i = first; i < std::min(first + kEncodedTogether, count); ++i)
      texts.push_back(text(i));
    const EmbeddingMatrix part = encoder.encode(texts);
    std::copy_n(part.data(), texts.size() * static_cast<std::size_t>(part.dim()),
                vectors.row(first).begin());
  }
  between(count);
  return vectors;
}

}  // namespace dexter
