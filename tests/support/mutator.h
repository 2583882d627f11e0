#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

namespace dexter::testing {

// What breaks parsers: structure, number limits, control bytes, parts of characters, framing.
inline constexpr std::string_view kFragments[] = {"\n",
                                                  "\r\n",
                                                  "\t",
                                                  " ",
                                                  ",",
                                                  ":",
                                                  "\"",
                                                  "\\",
                                                  "\\u0000",
                                                  "\\ud83d",
                                                  "{",
                                                  "}",
                                                  "[",
                                                  "]",
                                                  "null",
                                                  "-1",
                                                  "1e999",
                                                  "4294967295",
                                                  "18446744073709551616",
                                                  "nan",
                                                  "\xC3",
                                                  "\xED\xA0\x80",
                                                  "\xEF\xBB\xBF",
                                                  "\x1F\x8B\x08",
                                                  "<",
                                                  ">",
                                                  "true",
                                                  "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};

// Damages texts, the same way for the same seed.
class Mutator {
 public:
  // `most_added`: the longest run of one letter that it puts in.
  Mutator(unsigned seed, std::size_t most_added) : random_(seed), most_added_(most_added) {}

  std::string mutate(std::string text) {
    for (std::size_t changes = 1 + below(4); changes > 0; --changes) change(text);
    return text;
  }
  std::size_t below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random_);
  }

 private:
  void change(std::string& text) {
    const std::size_t at = below(text.size() + 1);
    const std::size_t count = std::min(text.size() - at, 1 + below(80));
    switch (below(7)) {
      case 0:
        if (at < text.size()) text[at] = static_cast<char>(text[at] ^ (1 << below(8)));
        break;
      case 1:
        if (at < text.size()) text[at] = static_cast<char>(below(256));
        break;
      case 2:
        text.resize(at);
        break;
      case 3:
        text.insert(below(text.size() + 1), text.substr(at, count));
        break;
      case 4:
        text.erase(at, count);
        break;
      case 5:
        text.insert(at, kFragments[below(std::size(kFragments))]);
        break;
      default:
        text.insert(at, std::string(below(most_added_), 'x'));
    }
  }

  std::mt19937 random_;
  const std::size_t most_added_;
};

}  // namespace dexter::testing
