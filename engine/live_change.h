#pragma once

#include "engine/live_store.h"
#include "storage/error.h"

namespace dexter {

// Inner header of LiveStore. Needs `writing_`.
template <class Change>
auto LiveStore::change(Change made) {
  try {
    return made(*catalog_);
  } catch (const Error& error) {
    failed_ = error.kind() != ErrorKind::kInvalidInput && error.kind() != ErrorKind::kIncompatible;
    throw;
  }
}

}  // namespace dexter
