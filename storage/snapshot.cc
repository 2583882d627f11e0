// A store as it is at one moment, as another store.
#include <spdlog/fmt/fmt.h>

#include <system_error>

#include "storage/catalog_impl.h"
#include "storage/error.h"

namespace dexter {
namespace {

namespace fs = std::filesystem;

void check(const std::error_code& error, const fs::path& folder) {
  ensure(!error, ErrorKind::kIo,
         fmt::format("copying a store to {}: {}; see to the disk and try again", folder.string(),
                     error.message()));
}

// Files that a manifest names never change, so a link is as good as a copy.
void link_or_copy(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_directories(to.parent_path(), error);
  check(error, to);
  fs::create_hard_link(from, to, error);
  if (error) {
    fs::copy_file(from, to, error);
    check(error, to);
    File::open_for_reading(to).sync();
  }
  sync_folder(to.parent_path());
}

}  // namespace

// Made aside and renamed, so that it is there as a whole or not at all.
void Catalog::copy_to(const fs::path& folder) const {
  const CatalogState& store = *impl_;
  ensure(!fs::exists(folder), ErrorKind::kInvalidInput,
         fmt::format("copying {}: {} exists already; name another folder", store.path.string(),
                     folder.string()));
  fs::path aside = folder;
  aside += ".tmp";
  std::error_code error;
  fs::remove_all(aside, error);
  if (!error) fs::create_directories(aside, error);
  check(error, aside);
  for (const fs::path& name : store.named_files()) link_or_copy(store.path / name, aside / name);
  store.records->copy_to(aside / "catalog");
  sync_folder(aside);
  fs::rename(aside, folder, error);
  check(error, folder);
  sync_folder(folder.parent_path());
}

}  // namespace dexter
