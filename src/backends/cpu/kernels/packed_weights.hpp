// SPDX-License-Identifier: Apache-2.0
// Constant weights of products on their way into the form that a kernel reads.
//
// A kernel packs its weights when an engine is built (Kernel::pack_constant): the engine then holds
// the packed form instead of the plain one, and loading it maps that form and copies nothing. The
// form depends on the processor. A kernel that wants another one than the file holds takes it apart
// again and packs anew, so an engine runs on every processor with the same results.
//
// Parameters of such a step beside its own: `packed`, whose first number is kPackedFormat and whose
// others belong to the form, and `weights`, the shape of the plain weights.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/cpu/kernels/kernel.hpp"

namespace strop::cpu {

inline constexpr std::int64_t kPackedFormat = 1;
inline constexpr std::int64_t kMostPanelColumns = 1024;  // more than any processor's

// Plain weights of a product: for each column of each group a sum over `depth` = outer * inner
// elements. Element (o, i) of a column lies at column * column_stride + o * outer_stride +
// i * inner_stride.
template <class T>
struct PlainWeights {
  const T* data = nullptr;
  std::int64_t column_stride = 0;
  std::int64_t outer = 1, outer_stride = 0;
  std::int64_t inner = 1, inner_stride = 1;

  // Of a convolution: [columns][channels of a group][plane], summed over the plane, then channels.
  static PlainWeights of_window(const T* data, std::int64_t channels, std::int64_t plane) {
    return {data, channels * plane, plane, 1, channels, plane};
  }
  // Each column's elements one after the other, in the order of the sum.
  static PlainWeights of_columns(const T* data, std::int64_t depth) {
    return {data, depth, 1, 0, depth, 1};
  }
  // Of a matrix [depth][columns].
  static PlainWeights of_matrix(const T* data, std::int64_t depth, std::int64_t columns) {
    return {data, 1, 1, 0, depth, columns};
  }
};

// Whether the engine holds the step's weights packed.
inline bool is_packed(const KernelInit& init) { return init.parameters.has("packed"); }

// The shape of the step's plain weights. Where they are packed: no more elements than the constant
// has, so that products of the sizes stay in range. Error(engine_invalid).
Shape weights_shape(const KernelInit& init, const KernelInit::Operand& weights, const char* kernel);

// The numbers of `packed` after the format; `count` of them. Error(engine_invalid), also for memory
// that is not aligned.
std::vector<std::int64_t> packed_numbers(const KernelInit& init, const KernelInit::Operand& weights,
                                         std::size_t count, const char* kernel);

// The parameters that say that the weights are packed, as they are added to the step's own.
std::string packed_parameters(const std::vector<std::int64_t>& numbers, const Shape& weights);

}  // namespace strop::cpu
