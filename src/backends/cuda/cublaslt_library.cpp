// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cublaslt_library.hpp"

#include "backends/cuda/optional_library.hpp"
#include "base/error.hpp"

namespace strop::cuda {
namespace {

constexpr const char* kTitle = "cuBLASLt";

struct Opened : OptionalLibrary {
#if STROP_WITH_CUBLASLT
  CublasLt functions;
#endif
};

Opened open_cublaslt() {
  Opened out;
#if STROP_WITH_CUBLASLT
  static_cast<OptionalLibrary&>(out) =
      open_optional(kTitle, {"libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR)},
                    {"cublas", "cu" + std::to_string(CUBLAS_VER_MAJOR)});
#define STROP_CUBLASLT_FIND(name) find_function(out, #name, out.functions.name);
  STROP_CUBLASLT_FUNCTIONS(STROP_CUBLASLT_FIND)
#undef STROP_CUBLASLT_FIND
  if (out.problem.empty()) out.version = out.functions.cublasLtGetVersion();
  check_major(out, kTitle, CUBLAS_VERSION);
#else
  out.problem = "this Strop was built without it";
#endif
  return out;
}

const Opened& opened() {
  static const Opened* instance = new Opened(open_cublaslt());
  return *instance;
}

}  // namespace

const std::string& cublaslt_problem() { return opened().problem; }
std::uint64_t cublaslt_version() { return opened().version; }
std::string cublaslt_description() { return describe(opened(), kTitle); }

#if STROP_WITH_CUBLASLT
const CublasLt& cublaslt() {
  if (!opened().problem.empty()) {
    throw Error(ErrorCode::missing_library, "a step of the engine runs on cuBLASLt",
                opened().problem,
                "install CUDA's cuBLAS (part of the toolkit; on PyPI: nvidia-cublas), or build the "
                "engine with --tactics=-cublaslt");
  }
  return opened().functions;
}
#endif

}  // namespace strop::cuda
