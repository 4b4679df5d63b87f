// SPDX-License-Identifier: Apache-2.0
// cuDNN 9, opened at run time when a step or a tactic first asks for it: the functions of its graph
// interface in a table. Safe from any thread.
#pragma once

#include <cstdint>
#include <string>

#if STROP_WITH_CUDNN
#include <cudnn_graph.h>
#endif

namespace strop::cuda {

// Empty when it was found and is one that Strop was built for; otherwise why not, in words.
const std::string& cudnn_problem();
// 91900, 0 without one.
std::uint64_t cudnn_version();
// For people: "cuDNN 9.19.0 (path)", or why there is none.
std::string cudnn_description();

#if STROP_WITH_CUDNN
#define STROP_CUDNN_FUNCTIONS(X)   \
  X(cudnnGetVersion)               \
  X(cudnnGetErrorString)           \
  X(cudnnGetLastErrorString)       \
  X(cudnnCreate)                   \
  X(cudnnDestroy)                  \
  X(cudnnSetStream)                \
  X(cudnnBackendCreateDescriptor)  \
  X(cudnnBackendDestroyDescriptor) \
  X(cudnnBackendFinalize)          \
  X(cudnnBackendSetAttribute)      \
  X(cudnnBackendGetAttribute)      \
  X(cudnnBackendExecute)

struct Cudnn {
#define STROP_CUDNN_MEMBER(name) decltype(&::name) name = nullptr;
  STROP_CUDNN_FUNCTIONS(STROP_CUDNN_MEMBER)
#undef STROP_CUDNN_MEMBER
};

// Throws Error(missing_library) when cudnn_problem says something.
const Cudnn& cudnn();
#endif

}  // namespace strop::cuda
