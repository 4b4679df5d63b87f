// SPDX-License-Identifier: Apache-2.0
// The way of an exception over the C boundary of a backend: caught, copied into a StropAbiError,
// freed by the same library. No exception leaves `guarded`.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "base/error.hpp"
#include "plan/backend_abi.h"

namespace strop {

inline char* copy_text(const std::string& text) noexcept {
  char* copy = static_cast<char*>(std::malloc(text.size() + 1));
  if (copy != nullptr) std::memcpy(copy, text.c_str(), text.size() + 1);
  return copy;
}

// Runs `body`; what it throws becomes the error.
template <class Body>
std::int32_t guarded(StropAbiError* error, Body&& body) noexcept {
  ErrorCode code = ErrorCode::internal;
  std::string what, why, hint;
  try {
    try {
      body();
      return 0;
    } catch (const Error& caught) {
      const Diagnostic& problem = caught.diagnostics().front();
      code = caught.code();
      for (auto it = caught.context().rbegin(); it != caught.context().rend(); ++it) {
        what += *it + ": ";
      }
      what += problem.what;
      why = problem.why;
      hint = problem.hint;
    } catch (const std::bad_alloc&) {
      code = ErrorCode::out_of_memory;
      what = "no memory left in a backend";
    } catch (const std::exception& caught) {
      what = caught.what();
    }
  } catch (...) {
    // No memory even for the text; the code says enough.
  }
  if (error != nullptr) {
    error->code = static_cast<std::int32_t>(code);
    error->what = copy_text(what);
    error->why = copy_text(why);
    error->hint = copy_text(hint);
  }
  return static_cast<std::int32_t>(code);
}

inline void free_abi_error(StropAbiError* error) {
  std::free(error->what);
  std::free(error->why);
  std::free(error->hint);
  *error = StropAbiError{};
}

}  // namespace strop
