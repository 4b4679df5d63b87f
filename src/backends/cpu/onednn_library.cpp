// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/onednn_library.hpp"

#include <optional>

#include "base/os/dynamic_library.hpp"

#if STROP_WITH_ONEDNN
#include <oneapi/dnnl/dnnl.h>

// Every function of the C API that dnnl.hpp's classes reach from Strop's kernels. A function
// missing here is a link error.
#define STROP_ONEDNN_FUNCTIONS(X)                     \
  X(dnnl_convolution_forward_primitive_desc_create)   \
  X(dnnl_deconvolution_forward_primitive_desc_create) \
  X(dnnl_engine_create)                               \
  X(dnnl_engine_destroy)                              \
  X(dnnl_matmul_primitive_desc_create)                \
  X(dnnl_memory_create_v2)                            \
  X(dnnl_memory_desc_clone)                           \
  X(dnnl_memory_desc_create_with_strides)             \
  X(dnnl_memory_desc_create_with_tag)                 \
  X(dnnl_memory_desc_destroy)                         \
  X(dnnl_memory_desc_equal)                           \
  X(dnnl_memory_desc_get_size_v2)                     \
  X(dnnl_memory_desc_query)                           \
  X(dnnl_memory_desc_query_v2)                        \
  X(dnnl_memory_destroy)                              \
  X(dnnl_memory_set_data_handle_v2)                   \
  X(dnnl_pooling_forward_primitive_desc_create)       \
  X(dnnl_post_ops_append_binary)                      \
  X(dnnl_post_ops_append_eltwise)                     \
  X(dnnl_post_ops_append_sum)                         \
  X(dnnl_post_ops_create)                             \
  X(dnnl_post_ops_destroy)                            \
  X(dnnl_primitive_attr_create)                       \
  X(dnnl_primitive_attr_destroy)                      \
  X(dnnl_primitive_attr_set_post_ops)                 \
  X(dnnl_primitive_attr_set_scratchpad_mode)          \
  X(dnnl_primitive_create)                            \
  X(dnnl_primitive_desc_destroy)                      \
  X(dnnl_primitive_desc_query)                        \
  X(dnnl_primitive_desc_query_md)                     \
  X(dnnl_primitive_destroy)                           \
  X(dnnl_primitive_execute)                           \
  X(dnnl_reorder_primitive_desc_create)               \
  X(dnnl_stream_create)                               \
  X(dnnl_stream_destroy)                              \
  X(dnnl_stream_wait)                                 \
  X(dnnl_version)                                     \
  X(omp_set_num_threads)

// Each function is one indirect jump: arguments and result stay where the caller and the library
// put them.
#define STROP_ONEDNN_TRAMPOLINE(name)                                                 \
  extern "C" __attribute__((visibility("hidden"))) void* strop_at_##name;             \
  void* strop_at_##name = nullptr;                                                    \
  asm(".text\n.globl " #name "\n.hidden " #name "\n.type " #name ",@function\n" #name \
      ":\n\tendbr64\n\tjmp *strop_at_" #name "(%rip)\n");
STROP_ONEDNN_FUNCTIONS(STROP_ONEDNN_TRAMPOLINE)
#undef STROP_ONEDNN_TRAMPOLINE
#endif

namespace strop::cpu {
namespace {

struct Opened {
  bool available = false;
  std::string description;
};

#if STROP_WITH_ONEDNN
Opened open_onednn() {
  const std::string name = "libdnnl.so.3";
  std::string reason;
  const std::string beside =
      os::module_directory(reinterpret_cast<const void*>(&open_onednn)) + "/" + name;
  std::optional<os::DynamicLibrary> library = os::DynamicLibrary::try_open(beside, &reason);
  if (!library) library = os::DynamicLibrary::try_open(name, &reason);
  if (!library) return {false, "no oneDNN: " + reason};
  const char* missing = nullptr;
#define STROP_ONEDNN_FIND(function)               \
  strop_at_##function = library->find(#function); \
  if (strop_at_##function == nullptr) missing = #function;
  STROP_ONEDNN_FUNCTIONS(STROP_ONEDNN_FIND)
#undef STROP_ONEDNN_FIND
  if (missing != nullptr) return {false, "no oneDNN: " + library->path() + " has no " + missing};
  const dnnl_version_t* version = dnnl_version();
  if (version->major != 3) {
    return {false,
            "no oneDNN: version " + std::to_string(version->major) + " was found, 3 is needed"};
  }
  return {true,
          "oneDNN " + std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
              std::to_string(version->patch) +
              (version->cpu_runtime == DNNL_RUNTIME_OMP ? " (OpenMP)" : " (other threading)")};
}
#else
Opened open_onednn() { return {false, "no oneDNN: built without it"}; }
#endif

const Opened& opened() {
  static const Opened result = open_onednn();
  return result;
}

}  // namespace

bool onednn_available() { return opened().available; }
const std::string& onednn_description() { return opened().description; }

}  // namespace strop::cpu
