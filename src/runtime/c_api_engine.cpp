// SPDX-License-Identifier: Apache-2.0
// strop/strop.h: version, errors, types, engines, the machine.
#include <cstdlib>

#include "base/version.hpp"
#include "plan/engine_header.hpp"
#include "runtime/c_api_handles.hpp"
#include "runtime/doctor.hpp"

using strop::guarded;
using strop::require;

const char* strop_version(void) { return STROP_VERSION; }

strop_status strop_error_code(const strop_error* error) {
  return error != nullptr ? static_cast<strop_status>(error->code) : STROP_OK;
}
const char* strop_error_what(const strop_error* error) {
  return error != nullptr ? error->what.c_str() : "";
}
const char* strop_error_why(const strop_error* error) {
  return error != nullptr ? error->why.c_str() : "";
}
const char* strop_error_hint(const strop_error* error) {
  return error != nullptr ? error->hint.c_str() : "";
}
const char* strop_error_message(const strop_error* error) {
  return error != nullptr ? error->message.c_str() : "";
}
void strop_error_destroy(strop_error* error) { delete error; }

const char* strop_status_name(strop_status status) {
  if (status < 0 || status > 0xffff) return "unknown";
  return strop::error_code_name(static_cast<strop::ErrorCode>(status)).data();
}

void strop_text_free(char* text) { std::free(text); }

const char* strop_dtype_name(strop_dtype dtype) {
  if (dtype == 0 || dtype >= static_cast<strop_dtype>(strop::kDTypeCount)) return nullptr;
  return strop::to_string(static_cast<strop::DType>(dtype)).data();
}

uint32_t strop_dtype_bits(strop_dtype dtype) {
  if (dtype == 0 || dtype >= static_cast<strop_dtype>(strop::kDTypeCount)) return 0;
  return static_cast<uint32_t>(strop::bits_of(static_cast<strop::DType>(dtype)));
}

strop_status strop_engine_load_file(const char* path, strop_engine** engine, strop_error** error) {
  if (engine != nullptr) *engine = nullptr;
  return guarded(error, [&] {
    require(path != nullptr, "path");
    require(engine != nullptr, "engine");
    *engine = new strop_engine(strop::Engine::load(path));
  });
}

strop_status strop_engine_load_memory(const void* data, size_t size, strop_engine** engine,
                                      strop_error** error) {
  if (engine != nullptr) *engine = nullptr;
  return guarded(error, [&] {
    require(data != nullptr || size == 0, "data");
    require(engine != nullptr, "engine");
    strop::Tensor copy =
        strop::Tensor::allocate(strop::DType::u8, {static_cast<std::int64_t>(size)});
    if (size > 0) std::memcpy(copy.mutable_data(), data, size);
    const std::span<const std::byte> bytes(copy.data(), size);
    *engine = new strop_engine(
        strop::Engine::load(bytes, std::make_shared<const strop::Tensor>(std::move(copy))));
  });
}

void strop_engine_destroy(strop_engine* engine) { delete engine; }

const char* strop_engine_header(const strop_engine* engine) {
  return engine != nullptr ? engine->engine->header_json().c_str() : "";
}

strop_status strop_engine_read_header(const char* path, char** json, strop_error** error) {
  if (json != nullptr) *json = nullptr;
  return guarded(error, [&] {
    require(path != nullptr, "path");
    require(json != nullptr, "json");
    *json = strop::give_text(strop::header_to_json(strop::read_engine_header(path)));
  });
}

size_t strop_engine_input_count(const strop_engine* engine) {
  return engine != nullptr ? engine->inputs.size() : 0;
}
size_t strop_engine_output_count(const strop_engine* engine) {
  return engine != nullptr ? engine->outputs.size() : 0;
}
const strop_port* strop_engine_input(const strop_engine* engine, size_t index) {
  return index < strop_engine_input_count(engine) ? &engine->inputs[index]->port : nullptr;
}
const strop_port* strop_engine_output(const strop_engine* engine, size_t index) {
  return index < strop_engine_output_count(engine) ? &engine->outputs[index]->port : nullptr;
}

strop_status strop_doctor(int32_t json, char** text, strop_error** error) {
  if (text != nullptr) *text = nullptr;
  return guarded(error, [&] {
    require(text != nullptr, "text");
    *text = strop::give_text(json != 0 ? strop::doctor_json() : strop::doctor_text());
  });
}
