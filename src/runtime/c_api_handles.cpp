// SPDX-License-Identifier: Apache-2.0
#include "runtime/c_api_handles.hpp"

#include <cstdlib>
#include <new>

namespace {

std::unique_ptr<strop_engine::Port> make_port(const strop::EnginePort& from) {
  auto out = std::make_unique<strop_engine::Port>();
  out->port.name = from.name.c_str();
  out->port.type = from.type.c_str();
  out->port.dtype = static_cast<strop_dtype>(from.dtype);
  out->port.rank = -1;
  if (!from.shape) return out;
  for (const strop::Dim& dim : *from.shape) {
    out->dims.push_back(dim.is_constant() ? dim.value() : -1);
    out->symbol_texts.push_back(dim.is_constant() ? "" : dim.to_string());
  }
  for (const std::string& text : out->symbol_texts) {
    out->symbols.push_back(text.empty() ? nullptr : text.c_str());
  }
  out->port.rank = static_cast<std::int32_t>(out->dims.size());
  out->port.dims = out->dims.data();
  out->port.symbols = out->symbols.data();
  return out;
}

}  // namespace

strop_engine::strop_engine(std::shared_ptr<const strop::Engine> the_engine)
    : engine(std::move(the_engine)) {
  for (const strop::EnginePort& port : engine->inputs()) inputs.push_back(make_port(port));
  for (const strop::EnginePort& port : engine->outputs()) outputs.push_back(make_port(port));
}

namespace strop {

strop_status report_error(strop_error** error, const Error& caught) noexcept {
  const auto status = static_cast<strop_status>(caught.code());
  if (error == nullptr) return status;
  try {
    auto out = std::make_unique<strop_error>();
    const Diagnostic& first = caught.diagnostics().front();
    out->code = caught.code();
    for (auto it = caught.context().rbegin(); it != caught.context().rend(); ++it) {
      out->what += *it + ": ";
    }
    out->what += first.what;
    out->why = first.why;
    out->hint = first.hint;
    out->message = caught.message();
    *error = out.release();
  } catch (...) {
    // No memory for the text; the status says enough.
  }
  return status;
}

strop_status report_unknown(strop_error** error, const char* what, ErrorCode code) noexcept {
  try {
    return report_error(error, Error(code, what));
  } catch (...) {
    return static_cast<strop_status>(code);
  }
}

void require(bool condition, const char* argument) {
  if (condition) return;
  throw Error(ErrorCode::bad_argument, "argument " + std::string(argument), "it is null",
              "strop.h says what each function takes");
}

char* give_text(std::string_view text) {
  auto* out = static_cast<char*>(std::malloc(text.size() + 1));
  if (out == nullptr) throw std::bad_alloc();
  if (!text.empty()) std::memcpy(out, text.data(), text.size());
  out[text.size()] = '\0';
  return out;
}

}  // namespace strop
