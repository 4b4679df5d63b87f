// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/cudnn_library.hpp"

#include "backends/cuda/optional_library.hpp"
#include "base/error.hpp"

namespace strop::cuda {
namespace {

constexpr const char* kTitle = "cuDNN";

struct Opened : OptionalLibrary {
#if STROP_WITH_CUDNN
  Cudnn functions;
#endif
};

Opened open_cudnn() {
  Opened out;
#if STROP_WITH_CUDNN
  static_cast<OptionalLibrary&>(out) =
      open_optional(kTitle, {"libcudnn.so." + std::to_string(CUDNN_MAJOR)}, {"cudnn"});
#define STROP_CUDNN_FIND(name) find_function(out, #name, out.functions.name);
  STROP_CUDNN_FUNCTIONS(STROP_CUDNN_FIND)
#undef STROP_CUDNN_FIND
  if (out.problem.empty()) out.version = out.functions.cudnnGetVersion();
  check_major(out, kTitle, CUDNN_VERSION);
#else
  out.problem = "this Strop was built without it";
#endif
  return out;
}

const Opened& opened() {
  static const Opened* instance = new Opened(open_cudnn());
  return *instance;
}

}  // namespace

const std::string& cudnn_problem() { return opened().problem; }
std::uint64_t cudnn_version() { return opened().version; }
std::string cudnn_description() { return describe(opened(), kTitle); }

#if STROP_WITH_CUDNN
const Cudnn& cudnn() {
  if (!opened().problem.empty()) {
    throw Error(ErrorCode::missing_library, "a step of the engine runs on cuDNN", opened().problem,
                "install cuDNN 9 (on PyPI: nvidia-cudnn-cu13), or build the "
                "engine with --tactics=-cudnn");
  }
  return opened().functions;
}
#endif

}  // namespace strop::cuda
