#pragma once

#include <zlib.h>

#include <filesystem>
#include <stdexcept>
#include <string_view>

namespace dexter::testing {

// Writes `text` as one gzip member.
inline void write_gzip(const std::filesystem::path& file, std::string_view text) {
  const gzFile out = gzopen(file.c_str(), "wb6");
  const auto size = static_cast<unsigned>(text.size());
  const bool written = out != nullptr && (size == 0 || gzwrite(out, text.data(), size) > 0);
  if (gzclose(out) != Z_OK || !written) throw std::runtime_error("cannot write " + file.string());
}

}  // namespace dexter::testing
