// SPDX-License-Identifier: Apache-2.0
// A backend of a few kernels on f32 that allocates nothing in run, registered as "test":
//   add_one       y = x + 1
//   add           y = a + b, as many elements
//   positive      the positive elements of x, however many there are (data-dependent)
//   count_loop    i64 y = x + 1, for loop bodies
//   less          bool y = a < b, i64 scalars
//   keep          y = x, any type
//   fail          an error with the text of its parameters
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/dtype.hpp"
#include "base/error.hpp"
#include "base/version.hpp"
#include "plan/backend_abi.h"
#include "runtime/backend_loader.hpp"

namespace strop::testing {

struct TestBackendCounts {
  std::atomic<int> created{0};
  std::atomic<int> prepared{0};
  std::atomic<int> destroyed{0};
};

inline TestBackendCounts& test_backend_counts() {
  static TestBackendCounts counts;
  return counts;
}

namespace test_backend {

struct Instance {
  std::string kernel, parameters;
};

inline char* copy(const std::string& text) {
  char* out = static_cast<char*>(std::malloc(text.size() + 1));
  std::memcpy(out, text.c_str(), text.size() + 1);
  return out;
}

inline std::int32_t create(const StropAbiStep* step, void** instance, StropAbiError*) {
  ++test_backend_counts().created;
  *instance = new Instance{step->kernel, std::string(step->parameters, step->parameters_size)};
  return 0;
}

inline std::int32_t prepare(void*, const StropAbiValue*, const StropAbiValue*, std::int32_t,
                            std::uint64_t* workspace, StropAbiError*) {
  ++test_backend_counts().prepared;
  *workspace = 128;
  return 0;
}

inline std::int32_t run(void* instance, const StropAbiValue* in, StropAbiValue* out,
                        const StropAbiRun* run, StropAbiError* error) {
  const auto& self = *static_cast<const Instance*>(instance);
  const std::uint64_t count = in[0].bytes / sizeof(float);
  const auto* x = static_cast<const float*>(in[0].data);
  std::memset(run->workspace, 1, 128);
  if (self.kernel == "add_one") {
    auto* y = static_cast<float*>(out[0].data);
    for (std::uint64_t i = 0; i < count; ++i) y[i] = x[i] + 1;
  } else if (self.kernel == "add") {
    const auto* b = static_cast<const float*>(in[1].data);
    auto* y = static_cast<float*>(out[0].data);
    for (std::uint64_t i = 0; i < count; ++i) y[i] = x[i] + b[i];
  } else if (self.kernel == "positive") {
    std::int64_t n = 0;
    for (std::uint64_t i = 0; i < count; ++i) n += x[i] > 0;
    auto* y = static_cast<float*>(
        run->allocate_output(run->user, 0, static_cast<std::uint32_t>(DType::f32), 1, &n));
    if (y == nullptr) return static_cast<std::int32_t>(ErrorCode::limit_exceeded);
    for (std::uint64_t i = 0; i < count; ++i) {
      if (x[i] > 0) *y++ = x[i];
    }
  } else if (self.kernel == "count_loop") {
    *static_cast<std::int64_t*>(out[0].data) = *static_cast<const std::int64_t*>(in[0].data) + 1;
  } else if (self.kernel == "less") {
    *static_cast<bool*>(out[0].data) = *static_cast<const std::int64_t*>(in[0].data) <
                                       *static_cast<const std::int64_t*>(in[1].data);
  } else if (self.kernel == "keep") {
    if (in[0].bytes > 0) std::memcpy(out[0].data, in[0].data, in[0].bytes);
  } else {
    error->code = static_cast<std::int32_t>(ErrorCode::bad_value);
    error->what = copy(self.parameters);
    error->why = copy("why");
    error->hint = copy("hint");
    return error->code;
  }
  return 0;
}

inline void destroy(void* instance) {
  ++test_backend_counts().destroyed;
  delete static_cast<Instance*>(instance);
}

inline void free_error(StropAbiError* error) {
  std::free(error->what);
  std::free(error->why);
  std::free(error->hint);
}

}  // namespace test_backend

inline void register_test_backend() {
  static const StropBackendTable table = [] {
    StropBackendTable t{};
    t.abi_version = STROP_BACKEND_ABI_VERSION;
    t.struct_size = sizeof t;
    t.name = "test";
    t.version = STROP_VERSION;
    t.description = [] { return "kernels for tests"; };
    t.create = test_backend::create;
    t.prepare = test_backend::prepare;
    t.run = test_backend::run;
    t.destroy = test_backend::destroy;
    t.free_error = test_backend::free_error;
    return t;
  }();
  register_backend(&table);
}

}  // namespace strop::testing
