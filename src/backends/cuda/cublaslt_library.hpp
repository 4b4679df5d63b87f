// SPDX-License-Identifier: Apache-2.0
// cuBLASLt, opened at run time when a step or a tactic first asks for it: its functions in a table.
// Safe from any thread.
#pragma once

#include <cstdint>
#include <string>

#if STROP_WITH_CUBLASLT
#include <cublasLt.h>
#endif

namespace strop::cuda {

// Empty when it was found and is one that Strop was built for; otherwise why not, in words.
const std::string& cublaslt_problem();
// 130100, 0 without one.
std::uint64_t cublaslt_version();
// For people: "cuBLASLt 13.1.0 (path)", or why there is none.
std::string cublaslt_description();

#if STROP_WITH_CUBLASLT
#define STROP_CUBLASLT_FUNCTIONS(X)       \
  X(cublasLtGetVersion)                   \
  X(cublasLtGetStatusString)              \
  X(cublasLtCreate)                       \
  X(cublasLtMatmulDescCreate)             \
  X(cublasLtMatmulDescDestroy)            \
  X(cublasLtMatmulDescSetAttribute)       \
  X(cublasLtMatrixLayoutCreate)           \
  X(cublasLtMatrixLayoutDestroy)          \
  X(cublasLtMatrixLayoutSetAttribute)     \
  X(cublasLtMatmulPreferenceCreate)       \
  X(cublasLtMatmulPreferenceDestroy)      \
  X(cublasLtMatmulPreferenceSetAttribute) \
  X(cublasLtMatmulAlgoGetHeuristic)       \
  X(cublasLtMatmul)

struct CublasLt {
#define STROP_CUBLASLT_MEMBER(name) decltype(&::name) name = nullptr;
  STROP_CUBLASLT_FUNCTIONS(STROP_CUBLASLT_MEMBER)
#undef STROP_CUBLASLT_MEMBER
};

// Throws Error(missing_library) when cublaslt_problem says something.
const CublasLt& cublaslt();
#endif

}  // namespace strop::cuda
