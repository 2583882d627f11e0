#pragma once

#include <span>
#include <string_view>

namespace dexter {

// A file of engine/web, put into the binary when it is built.
struct WebFile {
  std::string_view name;  // "page.css"
  std::string_view bytes;
};

std::span<const WebFile> web_files();

}  // namespace dexter
