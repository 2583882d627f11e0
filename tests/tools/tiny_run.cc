// One store for the tests that only need one to be there.
#include "tests/tools/tiny_run.h"

#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

namespace dexter::testing {
namespace {

namespace fs = std::filesystem;

// Named after the binary that made it, so that another build makes another one.
fs::path kept_store() {
  struct stat binary {};
  ::stat(DEXTER_BINARY, &binary);
  return fs::path(DEXTER_KEPT_STORES) /
         (std::to_string(binary.st_mtim.tv_sec) + '-' + std::to_string(binary.st_mtim.tv_nsec) +
          '-' + std::to_string(binary.st_size));
}

void make_store(const fs::path& kept) {
  const TinyRun tiny;
  tiny.import();
  tiny.train();
  tiny.index();
  std::error_code ignored;
  for (const auto& former : fs::directory_iterator(kept.parent_path(), ignored))
    if (!former.path().filename().string().starts_with(kept.filename().string()))
      fs::remove_all(former.path(), ignored);
  fs::create_directories(kept.parent_path());
  const fs::path mine = kept.string() + ".of-" + std::to_string(::getpid());
  fs::copy(tiny.store, mine, fs::copy_options::recursive);
  fs::rename(mine, kept, ignored);  // another test may have been faster
  fs::remove_all(mine, ignored);
}

}  // namespace

void TinyRun::make_all() const {
  const fs::path kept = kept_store();
  if (!fs::exists(kept)) make_store(kept);
  fs::copy(kept, store, fs::copy_options::recursive);
}

}  // namespace dexter::testing
