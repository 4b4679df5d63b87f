// SPDX-License-Identifier: Apache-2.0
// y = (x - mean) / sqrt(variance + epsilon) * scale + bias, with the statistics of each group of
// channels of each sample, and scale and bias of each channel. Everything in float, f64 in double;
// y is rounded once.
#include "ops/group_norm.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/normalize_row.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const std::int64_t groups = context.attributes<GroupNormAttributes>().groups;
  context.require(groups >= 0, ErrorCode::bad_attribute,
                  "groups is " + std::to_string(groups) + ", but must not be negative");
  context.set_output(0, context.input(0));
  for (std::size_t i = 1; i < 3; ++i) {
    if (context.has_input(i)) context.require_rank(i, 1);
  }
  const SymShape* x = context.shape(0);
  if (x == nullptr) return;
  context.require(x->size() >= 2, ErrorCode::bad_shape,
                  "x is " + context.input(0).to_string() + ", but needs a batch and channels");
  const Dim& channels = (*x)[1];
  if (groups > 0) {
    context.require(
        !channels.is_constant() || channels.value() % groups == 0, ErrorCode::bad_attribute,
        std::to_string(groups) + " groups do not divide the channels of x " + to_string(*x));
  }
  for (std::size_t i = 1; i < 3; ++i) {
    if (!context.has_input(i) || context.shape(i) == nullptr) continue;
    context.require_equal(
        (*context.shape(i))[0], channels,
        "the size of " + std::string(context.op().inputs[i].name) + " and the channels of x");
  }
}

template <class C>
void normalize(KernelContext& context) {
  const auto& attributes = context.attributes<GroupNormAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (x.size() == 0) return;
  std::vector<C> x_copy, scale_copy, bias_copy;
  const C* in = load_all<C>(x, x_copy);
  const C* scale = context.has_input(1) ? load_all<C>(context.input(1), scale_copy) : nullptr;
  const C* bias = context.has_input(2) ? load_all<C>(context.input(2), bias_copy) : nullptr;
  const std::int64_t channels = x.dim(1);
  const std::int64_t groups = attributes.groups > 0 ? attributes.groups : channels;
  const std::int64_t plane = x.size() / (x.dim(0) * channels);
  const std::int64_t size = channels / groups * plane;
  parallel_for(x.dim(0) * groups, 1 + 8 * kChunk / size, [&](std::int64_t begin, std::int64_t end) {
    std::array<C, kChunk> out;
    for (std::int64_t group = begin; group < end; ++group) {
      const auto [mean, inverse] =
          statistics_of<C>(in + group * size, size, true, static_cast<C>(attributes.epsilon));
      for (std::int64_t at = group * size; at < (group + 1) * size; at += plane) {
        const std::int64_t c = at / plane % channels;
        const C factor = scale != nullptr ? inverse * scale[c] : inverse;
        const C shift = bias != nullptr ? bias[c] : C(0);
        for (std::int64_t i = at; i < at + plane; i += kChunk) {
          const std::int64_t count = std::min(kChunk, at + plane - i);
          C* to = result_chunk<C>(y, i, out.data());
          for (std::int64_t k = 0; k < count; ++k) to[k] = (in[i + k] - mean) * factor + shift;
          store_chunk<C>(y, i, count, to);
        }
      }
    }
  });
}

void reference(KernelContext& context) {
  if (context.input(0).dtype() == DType::f64) {
    normalize<double>(context);
  } else {
    normalize<float>(context);
  }
}

}  // namespace

const OpDef& op_group_norm() {
  static const OpDef def{
      .name = "group_norm",
      .summary = "y = (x - mean) / sqrt(variance + epsilon) * scale + bias over groups of channels",
      .attributes = &attribute_schema<GroupNormAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "scale", .types = kFloats, .arity = Operand::optional},
                 {.name = "bias", .types = kFloats, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
