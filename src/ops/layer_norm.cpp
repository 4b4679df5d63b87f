// SPDX-License-Identifier: Apache-2.0
// y = (x - mean) / sqrt(variance + epsilon) * scale + bias, with the statistics of each row: all
// elements that share an index of the axes before `axis`. Statistics and all arithmetic are in
// double and every output is rounded once, so that a kernel that sums in another order gives the
// same bits.
#include "ops/layer_norm.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/broadcast.hpp"
#include "ops/chunk.hpp"
#include "ops/normalize_row.hpp"

namespace strop {
namespace {

void check_parameter(InferContext& context, std::size_t i, const SymShape& row) {
  if (!context.has_input(i) || context.shape(i) == nullptr) return;
  const SymShape& shape = *context.shape(i);
  const std::string name(context.op().inputs[i].name);
  context.require(shape.size() <= row.size(), ErrorCode::bad_shape,
                  name + " is " + to_string(shape) + ", but must broadcast to the axes " +
                      to_string(row) + " that are normalised");
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const Dim& size = shape[axis];
    if (!size.is_constant() || size.is(1)) continue;  // numbers are checked when they are known
    context.require_equal(size, row[axis + row.size() - shape.size()],
                          "a size of " + name + " and x's");
  }
}

void infer(InferContext& context) {
  const auto& attributes = context.attributes<LayerNormAttributes>();
  const DType statistics = context.dtype(0) == DType::f64 ? DType::f64 : DType::f32;
  context.set_output(0, context.input(0));
  const SymShape* x = context.shape(0);
  if (x == nullptr) {
    context.set_output(1, Type::tensor_of_unknown_rank(statistics));
    return context.set_output(2, Type::tensor_of_unknown_rank(statistics));
  }
  const auto axis = static_cast<std::size_t>(
      normalize_axis(attributes.axis, static_cast<std::int64_t>(x->size())));
  const SymShape row(x->begin() + static_cast<std::ptrdiff_t>(axis), x->end());
  check_parameter(context, 1, row);
  check_parameter(context, 2, row);
  SymShape reduced = *x;
  std::fill(reduced.begin() + static_cast<std::ptrdiff_t>(axis), reduced.end(), Dim(1));
  context.set_output(1, statistics, reduced);
  context.set_output(2, statistics, std::move(reduced));
}

// A parameter with one element for each of the row's; null where there is none.
template <class C>
const C* parameter(const KernelContext& context, std::size_t i, const Shape& row,
                   std::vector<C>& owned) {
  if (!context.has_input(i)) return nullptr;
  const Tensor& tensor = context.input(i);
  const std::int64_t size = element_count(row);
  if (tensor.size() == size) return load_all<C>(tensor, owned);
  std::vector<C> copy;
  const C* from = load_all<C>(tensor, copy);
  owned.resize(static_cast<std::size_t>(size));
  const BroadcastWalk<1> walk(row, {&tensor.shape()});
  const std::int64_t step = walk.moves(0) ? 1 : 0;
  walk.for_each_run(kChunk, [&](std::int64_t to, const auto& start, std::int64_t count) {
    for (std::int64_t k = 0; k < count; ++k) {
      owned[static_cast<std::size_t>(to + k)] = from[start[0] + k * step];
    }
  });
  return owned.data();
}

void reference(KernelContext& context) {
  using C = double;
  const auto& attributes = context.attributes<LayerNormAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (x.size() == 0 && !context.has_output(1) && !context.has_output(2)) return;
  const std::int64_t axis = normalize_axis(attributes.axis, x.rank());
  const Shape row_shape(x.shape().begin() + axis, x.shape().end());
  const std::int64_t size = element_count(row_shape);
  const std::int64_t rows = element_count({x.shape().begin(), x.shape().begin() + axis});
  std::vector<C> scale_copy, bias_copy;
  const C* scale = parameter<C>(context, 1, row_shape, scale_copy);
  const C* bias = parameter<C>(context, 2, row_shape, bias_copy);
  const auto store_statistic = [&](std::size_t i, std::int64_t r, C value) {
    if (!context.has_output(i)) return;
    Tensor& tensor = context.output(i);
    store_from_double(tensor.dtype(), tensor.mutable_data(), r, value);
  };
  const bool native = x.dtype() == DTypeOf<C>::value;
  parallel_for(rows, 1 + 8 * kChunk / (1 + size), [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> in(native ? 0 : static_cast<std::size_t>(size));
    std::array<C, kChunk> out;
    for (std::int64_t r = begin; r < end; ++r) {
      const C* row = in.data();
      if (native) row = x.values<C>().data() + r * size;
      for (std::int64_t i = 0; !native && i < size; i += kChunk) {
        load_chunk<C>(x, r * size + i, std::min(kChunk, size - i), in.data() + i);
      }
      const auto [mean, inverse] =
          statistics_of<C>(row, size, attributes.centred, static_cast<C>(attributes.epsilon));
      store_statistic(1, r, mean);
      store_statistic(2, r, inverse);
      for (std::int64_t i = 0; i < size; i += kChunk) {
        const std::int64_t count = std::min(kChunk, size - i);
        C* to = result_chunk<C>(y, r * size + i, out.data());
        for (std::int64_t k = 0; k < count; ++k) to[k] = (row[i + k] - mean) * inverse;
        for (std::int64_t k = 0; scale != nullptr && k < count; ++k) to[k] *= scale[i + k];
        for (std::int64_t k = 0; bias != nullptr && k < count; ++k) to[k] += bias[i + k];
        store_chunk<C>(y, r * size + i, count, to);
      }
    }
  });
}

}  // namespace

const OpDef& op_layer_norm() {
  static const OpDef def{
      .name = "layer_norm",
      .summary = "y = (x - mean) / sqrt(variance + epsilon) * scale + bias over the last axes",
      .attributes = &attribute_schema<LayerNormAttributes>(),
      .inputs = {{.name = "x", .types = kFloats, .same_as = 'T'},
                 {.name = "scale", .types = kFloats, .arity = Operand::optional},
                 {.name = "bias", .types = kFloats, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'},
                  {.name = "mean", .types = kFloats, .arity = Operand::optional},
                  {.name = "inverse_deviation", .types = kFloats, .arity = Operand::optional}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
