// SPDX-License-Identifier: Apache-2.0
// What is behind the handles of the C interface, and how its functions turn exceptions into error
// objects. For the sources that implement strop/strop.h, here and in the builder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <strop/strop.h>

#include "base/error.hpp"
#include "runtime/engine.hpp"

struct strop_error {
  strop::ErrorCode code = strop::ErrorCode::internal;
  std::string what, why, hint, message;
};

struct strop_engine {
  explicit strop_engine(std::shared_ptr<const strop::Engine> the_engine);

  struct Port {
    std::vector<std::int64_t> dims;
    std::vector<std::string> symbol_texts;
    std::vector<const char*> symbols;
    strop_port port{};
  };
  std::shared_ptr<const strop::Engine> engine;
  std::vector<std::unique_ptr<Port>> inputs, outputs;
};

namespace strop {

// Runs `body`; what it throws becomes the error. The value is the status.
strop_status report_error(strop_error** error, const Error& caught) noexcept;
strop_status report_unknown(strop_error** error, const char* what, ErrorCode code) noexcept;

template <class Body>
strop_status guarded(strop_error** error, Body&& body) noexcept {
  if (error != nullptr) *error = nullptr;
  try {
    body();
    return STROP_OK;
  } catch (const Error& caught) {
    return report_error(error, caught);
  } catch (const std::bad_alloc&) {
    return report_unknown(error, "no memory left", ErrorCode::out_of_memory);
  } catch (const std::exception& caught) {
    return report_unknown(error, caught.what(), ErrorCode::internal);
  } catch (...) {
    return report_unknown(error, "an unknown exception", ErrorCode::internal);
  }
}

// Throws Error(bad_argument) naming the argument.
void require(bool condition, const char* argument);

// A copy that strop_text_free frees.
char* give_text(std::string_view text);

// The caller's struct with what is missing at its end zero. Throws Error(bad_option) when
// struct_size cannot be, or when the caller knows fields that this version does not and set them.
template <class Options>
Options read_options(const Options* given) {
  Options out{};
  out.struct_size = sizeof(Options);
  if (given == nullptr) return out;
  const std::size_t size = given->struct_size;
  if (size < sizeof(std::size_t) || size > 4096) {
    throw Error(ErrorCode::bad_option, "struct_size is " + std::to_string(size),
                "it must be the sizeof of the struct", "zero the struct and set struct_size");
  }
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  for (std::size_t i = sizeof(Options); i < size; ++i) {
    if (bytes[i] != 0) {
      throw Error(ErrorCode::bad_option,
                  "an option that this version of Strop does not know is set",
                  "the program was compiled for a newer version", "install that version");
    }
  }
  std::memcpy(&out, given, size < sizeof(Options) ? size : sizeof(Options));
  out.struct_size = sizeof(Options);
  return out;
}

}  // namespace strop
