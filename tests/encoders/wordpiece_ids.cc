// For wordpiece_compare.py: texts in, one a line in hexadecimal, and their ids out.
// usage: wordpiece_ids TOKENIZER.json < texts
#include <iostream>
#include <string>

#include "encoders/wordpiece.h"
#include "storage/file_io.h"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const dexter::WordPiece tokenizer(dexter::read_file(argv[1]), argv[1]);
  constexpr std::size_t kNoLimit = 1 << 20;
  for (std::string line; std::getline(std::cin, line);) {
    std::string text;
    for (std::size_t i = 0; i + 1 < line.size(); i += 2)
      text.push_back(static_cast<char>(std::stoi(line.substr(i, 2), nullptr, 16)));
    for (const std::int32_t id : tokenizer.encode(text, kNoLimit)) std::cout << id << ' ';
    std::cout << '\n';
  }
}
