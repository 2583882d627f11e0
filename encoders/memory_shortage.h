#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <new>

namespace dexter {

// Inner header: telling that memory ran out, on a device or here, from every other failure.

bool tells_of_memory(const c10::Error& error);
// Of oneDNN, whose exceptions have no header here: what it needs beside its operands did not fit.
bool tells_of_memory(const std::exception& error);

// Whether `call` came to its end; false where memory ran out. Other failures pass.
template <class Call>
bool fits_memory(const Call& call) {
  try {
    call();
    return true;
  } catch (const c10::Error& error) {
    if (!tells_of_memory(error)) throw;
  } catch (const std::bad_alloc&) {
  } catch (const std::exception& error) {
    if (!tells_of_memory(error)) throw;
  }
  return false;
}

}  // namespace dexter
