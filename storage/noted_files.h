#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/section_file.h"

namespace dexter {

// Section files that a store's note kFilesNote names beside those of its manifest, for what is made
// of a corpus. They are checked and copied with the store, and stay until the note names others or
// an import drops it.
inline constexpr std::string_view kFilesNote = "files";

struct NotedFiles {
  std::vector<FileRef> files;
  std::string about;  // the writer's own
};

std::string to_json(const NotedFiles& noted);
// kCorrupt for anything unreadable, and for a name that leads out of the store.
NotedFiles noted_files_from_json(std::string_view json);

}  // namespace dexter
