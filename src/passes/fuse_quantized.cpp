// SPDX-License-Identifier: Apache-2.0
// An operator between dequantize_linear and quantize_linear becomes the integer operator that the
// INT8 contract names for it (docs/int8.md). What the model meant in floats is then within one
// quantisation step; from here on the integer operator is the meaning, on every backend to the bit.
//
//   convolution, product            exact int32 sums (conv_integer, matmul_integer), requantize
//   sum, difference                 requantize with a residual
//   product of two tensors          exact int32 products, requantize
//   mean over axes                  exact int32 sums, requantize
//   relu, clip before quantising    the range of the requantize before them
//   any other function of one value table_lookup; another scale too
//   max pooling, moves and resizes
//   to the nearest element          the same on bytes
//
// A convolution or product is left as it is where a sum could leave int32 for some input, which its
// actual weights decide, and every operator where a scale is no constant. Floats stay floats, for a
// precise target all of them.
#include <algorithm>
#include <cmath>

#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/center_crop_pad.hpp"
#include "ops/clip.hpp"
#include "ops/conv.hpp"
#include "ops/conv_integer.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "ops/matmul_integer.hpp"
#include "ops/max_unpool.hpp"
#include "ops/pad.hpp"
#include "ops/pool.hpp"
#include "ops/quantize_linear.hpp"
#include "ops/reduce.hpp"
#include "ops/requantize.hpp"
#include "ops/resize.hpp"
#include "ops/table_lookup.hpp"
#include "ops/transpose.hpp"
#include "ops/trilu.hpp"
#include "ops/unary.hpp"
#include "passes/passes.hpp"
#include "passes/quantized_table.hpp"

namespace strop {
namespace {

// One quantize_linear and what lies between it and the operator it follows.
struct Target8 {
  QuantizedValue to;                         // what is made
  ValueId operand;                           // of the operator whose result is quantised
  QuantizedRange range;                      // of the result
  std::optional<QuantizedValue> residual{};  // added to a convolution or product
  ValueId bias = ValueId::none();            // constant, added to a product, one per column
  double steps() const { return static_cast<double>(range.high - range.low); }
};

class Quantizer {
 public:
  Quantizer(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    int rewritten = 0;
    for (const NodeId id : order) {
      const Node& node = graph_.node(id);
      const auto to = quantized(graph_, node);
      if (to && rewrite(node, *to)) ++rewritten;
    }
    return rewritten;
  }

 private:
  bool rewrite(const Node& quantize, const QuantizedValue& to) {
    const ValueId x = quantize.inputs[0];
    if (const auto from = dequantized(graph_, x); from && is_byte(*from)) {
      return rescale(quantize, *from, to);
    }
    Target8 target = behind_activation(x, to);
    if (const auto from = dequantized(graph_, target.operand); from && is_byte(*from))
      return clamped(quantize, *from, target);
    const Node* core = graph_.producer(target.operand);
    if (core == nullptr || !is_private(target.operand)) return false;
    if (const Node* sum = before_residual(*core, target)) core = sum;
    if (core->is(op_conv())) return convolution(quantize, *core, target);
    if (core->is(op_gemm()) || core->is(op_matmul())) return product(quantize, *core, target);
    if (core->is(op_binary())) return two_tensors(quantize, *core, target);
    if (core->is(op_reduce())) return mean(quantize, *core, target);
    if (core->is(op_unary()) && target.operand == x) return table(quantize, *core, target);
    return moves(quantize, *core, target);
  }

  static bool is_byte(const QuantizedValue& value) {
    return value.is_single() && value.dtype != DType::i32;
  }

  // Read by one node alone: what replaces it leaves nothing behind.
  bool is_private(ValueId id) const { return graph_.has_single_use(id); }

  std::optional<QuantizedValue> byte_operand(ValueId id) const {
    auto value = dequantized(graph_, id);
    if (value && is_byte(*value)) return value;
    return std::nullopt;
  }

  // Relu and clip before the quantisation narrow its range, since quantising keeps the order.
  Target8 behind_activation(ValueId x, const QuantizedValue& to) const {
    Target8 target{to, x, whole_range(to.dtype)};
    while (const Node* node = graph_.producer(target.operand)) {
      if (!is_private(target.operand)) break;
      QuantizedRange range = target.range;
      if (node->is(op_unary()) && node->as<UnaryAttributes>().function == UnaryFunction::relu) {
        range.low = std::max(range.low, to.zero());
      } else if (node->is(op_clip())) {
        const auto bound = [&](std::size_t i) -> std::optional<double> {
          if (!node->input(i).exists()) return i == 1 ? -INFINITY : INFINITY;
          const Value& value = graph_.value(node->inputs[i]);
          if (!value.is_constant() || value.constant.size() != 1) return std::nullopt;
          return load_as_double(value.constant.dtype(), value.constant.data(), 0);
        };
        const auto low = bound(1), high = bound(2);
        if (!low || !high || !(*low <= *high)) break;
        range.low = std::max(range.low, quantize(*low, to));
        range.high = std::min(range.high, quantize(*high, to));
      } else {
        break;
      }
      if (range.low >= range.high) break;  // a constant: none of this pass's business
      target.range = range;
      target.operand = node->inputs[0];
    }
    return target;
  }

  // The convolution or product that `add` adds a quantised value to, which becomes the residual, or
  // a constant per column.
  const Node* before_residual(const Node& add, Target8& target) const {
    if (!add.is(op_binary()) || add.as<BinaryAttributes>().function != BinaryFunction::add)
      return nullptr;
    for (const std::size_t side : {0, 1}) {
      const Node* sum = graph_.producer(add.inputs[side]);
      if (sum == nullptr || !is_private(add.inputs[side])) continue;
      if (!sum->is(op_conv()) && !sum->is(op_gemm()) && !sum->is(op_matmul())) continue;
      const Type& type = graph_.value(add.inputs[side]).type;
      if (!type.shape) continue;
      const auto other = byte_operand(add.inputs[1 - side]);
      if (sum->is(op_matmul()) && is_per_column(add.inputs[1 - side], type)) {
        target.bias = add.inputs[1 - side];
      } else if (other && graph_.value(other->q).type.shape == type.shape) {
        target.residual = other;
      } else {
        continue;
      }
      target.operand = add.inputs[side];
      return sum;
    }
    return nullptr;
  }

  // A constant that adds one number to each index of the last axis.
  bool is_per_column(ValueId id, const Type& type) const {
    const auto value = dequantized(graph_, id);
    const Value& numbers = graph_.value(value ? value->q : id);
    if (!numbers.is_constant() || type.rank() == 0 || numbers.constant.rank() > type.rank())
      return false;
    const Tensor& constant = numbers.constant;
    const Dim& columns = type.shape->back();
    return constant.rank() > 0 && columns.is_constant() && columns.value() == constant.size() &&
           constant.dim(constant.rank() - 1) == constant.size();
  }

  static Tensor floats(const std::vector<double>& values) {
    Tensor out = Tensor::allocate(
        DType::f32, values.size() == 1 ? Shape{} : Shape{static_cast<std::int64_t>(values.size())});
    for (std::size_t i = 0; i < values.size(); ++i)
      out.mutable_values<float>()[i] = static_cast<float>(values[i]);
    return out;
  }

  // The contract refuses multipliers that are no normal numbers.
  static bool is_usable(const std::vector<double>& multipliers) {
    return std::ranges::all_of(multipliers,
                               [](double m) { return std::isnormal(static_cast<float>(m)); });
  }

  static RequantizeAttributes attributes_of(const Target8& target) {
    return {.low = target.range.low, .high = target.range.high, .to = target.to.dtype};
  }

  // c of the contract for a real number that is added.
  static double offset(const Target8& target, double bias) {
    return (bias / target.to.scale() + static_cast<double>(target.to.zero() - target.range.low)) /
           target.steps();
  }

  bool finish(Patch& patch, const Node& quantize, ValueId result) {
    patch.replace(quantize.outputs[0], result);
    context_.apply(patch, graph_);
    return true;
  }

  bool left(const Node& core, const std::string& why) {
    context_.note("left " + label_of(core) + " in floats: " + why);
    return false;
  }

  // The bias in real numbers, one per output channel.
  std::optional<std::vector<double>> bias_of(ValueId id, std::size_t channels) const {
    std::vector<double> out(channels, 0.0);
    if (!id.exists()) return out;
    const auto value = dequantized(graph_, id);
    const Value& numbers = graph_.value(value ? value->q : id);
    if (!numbers.is_constant()) return std::nullopt;
    const Tensor& values = numbers.constant;
    const auto count = static_cast<std::int64_t>(channels);
    const bool per_channel =
        values.size() == count && values.rank() >= 1 && values.dim(values.rank() - 1) == count;
    if (values.size() != 1 && !per_channel) return std::nullopt;
    if (value && !value->is_single() && value->scales.size() != channels) return std::nullopt;
    for (std::size_t i = 0; i < out.size(); ++i) {
      const auto at = values.size() == 1 ? 0 : static_cast<std::int64_t>(i);
      out[i] = load_as_double(values.dtype(), values.data(), at);
      if (!value) continue;
      const std::size_t k = value->is_single() ? 0 : i;
      out[i] =
          (out[i] - static_cast<double>(value->zeros[k])) * static_cast<double>(value->scales[k]);
    }
    return out;
  }

  // Whether the sums fit int32 whatever x holds, by the weights of each output channel: `weight`
  // gives element k of channel m less its zero point.
  template <class F>
  static bool sums_fit(const QuantizedValue& x, std::int64_t channels, std::int64_t depth,
                       F&& weight) {
    const QuantizedRange range = whole_range(x.dtype);
    const std::int64_t largest = std::max(range.high - x.zero(), x.zero() - range.low);
    for (std::int64_t m = 0; m < channels; ++m) {
      std::int64_t sum = 0;
      for (std::int64_t k = 0; k < depth; ++k) sum += std::abs(weight(m, k));
      if (sum > std::numeric_limits<std::int32_t>::max() / std::max<std::int64_t>(largest, 1))
        return false;
    }
    return true;
  }

  ValueId zero_constant(Patch& patch, const QuantizedValue& value) const {
    const bool all_zero = std::ranges::all_of(value.zeros, [](std::int64_t z) { return z == 0; });
    if (all_zero) return ValueId::none();
    const bool same =
        std::ranges::all_of(value.zeros, [&](std::int64_t z) { return z == value.zeros[0]; });
    const auto count = same ? 1 : static_cast<std::int64_t>(value.zeros.size());
    Tensor out = Tensor::allocate(value.dtype, same ? Shape{} : Shape{count});
    for (std::int64_t i = 0; i < count; ++i)
      store_from_double(value.dtype, out.mutable_data(), i,
                        static_cast<double>(value.zeros[static_cast<std::size_t>(i)]));
    return patch.constant(std::move(out));
  }

  bool convolution(const Node& quantize, const Node& core, const Target8& target) {
    const auto x = byte_operand(core.inputs[0]);
    const auto w = dequantized(graph_, core.inputs[1]);
    if (!x || !w || w->dtype == DType::i32 || (!w->is_single() && w->axis != 0)) return false;
    const Value& weights = graph_.value(w->q);
    if (!weights.is_constant()) return left(core, "its weights are not constant");
    const Tensor& values = weights.constant;
    const std::int64_t channels = values.dim(0);
    if (channels == 0 || values.size() == 0) return false;
    const std::int64_t depth = values.size() / channels;
    const auto of = [](const auto& list, std::int64_t m) {
      return list[list.size() == 1 ? 0 : static_cast<std::size_t>(m)];
    };
    if (!sums_fit(*x, channels, depth, [&](std::int64_t m, std::int64_t k) {
          return static_cast<std::int64_t>(
                     load_as_double(values.dtype(), values.data(), m * depth + k)) -
                 of(w->zeros, m);
        })) {
      return left(core, "a sum might leave int32");
    }
    std::vector<double> steps;
    for (std::int64_t m = 0; m < channels; ++m)
      steps.push_back(static_cast<double>(x->scale()) * static_cast<double>(of(w->scales, m)));
    return requantized_sum(quantize, core, target, 2, steps, 1, [&](Patch& patch) {
      return patch.emit(op_conv_integer(), core.attributes,
                        {x->q, w->q, zero_constant(patch, *x), zero_constant(patch, *w)});
    });
  }

  // `sum` emits the int32 sums; `steps` are what one of them is worth, per output channel.
  template <class F>
  bool requantized_sum(const Node& quantize, const Node& core, const Target8& target,
                       std::size_t bias_input, const std::vector<double>& steps, std::int64_t axis,
                       F&& sum) {
    const ValueId given = target.bias.exists() ? target.bias : core.input(bias_input);
    const auto bias = bias_of(given, steps.size());
    if (!bias) return left(core, "its bias is not constant");
    std::vector<double> multipliers, offsets;
    for (std::size_t m = 0; m < steps.size(); ++m) {
      multipliers.push_back(steps[m] / (static_cast<double>(target.to.scale()) * target.steps()));
      offsets.push_back(offset(target, (*bias)[m]));
    }
    if (!is_usable(multipliers)) return left(core, "a multiplier is no normal number");
    if (!std::ranges::all_of(offsets,
                             [](double c) { return std::isfinite(static_cast<float>(c)); }))
      return left(core, "its bias is not finite");
    Patch patch(graph_, "compute " + label_of(core) + " in integers");
    patch.descend_from(core);
    patch.descend_from(quantize);
    RequantizeAttributes attributes = attributes_of(target);
    attributes.axis = axis;
    std::vector<ValueId> inputs = {sum(patch), patch.constant(floats(multipliers)),
                                   patch.constant(floats(offsets))};
    if (target.residual) {
      const double multiplier =
          static_cast<double>(target.residual->scale()) / (target.to.scale() * target.steps());
      if (!is_usable({multiplier})) return left(core, "a multiplier is no normal number");
      attributes.residual_multiplier = static_cast<float>(multiplier);
      attributes.residual_zero = target.residual->zero();
      inputs.push_back(target.residual->q);
    }
    return finish(patch, quantize, patch.emit(op_requantize(), attributes, inputs));
  }

  bool product(const Node& quantize, const Node& core, const Target8& target) {
    const auto a = byte_operand(core.inputs[0]);
    const auto b = dequantized(graph_, core.inputs[1]);
    if (!a || !b || b->dtype == DType::i32) return false;
    const std::int64_t rank = graph_.value(core.outputs[0]).type.rank();
    if (core.is(op_gemm())) {
      const auto& gemm = core.as<GemmAttributes>();
      if (gemm.alpha != 1 || (gemm.beta != 1 && core.input(2).exists()) || gemm.trans_a)
        return left(core, "its factors or its transposed first operand");
    }
    const Value& weights = graph_.value(b->q);
    const bool transposed = core.is(op_gemm()) && core.as<GemmAttributes>().trans_b;
    if (!weights.is_constant() || weights.constant.rank() != 2 || rank < 2)
      return left(core, "its second operand is no constant matrix");
    const Tensor& values = weights.constant;
    const std::int64_t depth = values.dim(transposed ? 1 : 0);
    const std::int64_t columns = values.dim(transposed ? 0 : 1);
    if (depth == 0 || columns == 0 || (!b->is_single() && b->axis != (transposed ? 0 : 1)))
      return left(core, "its weights are scaled along the axis that is summed");
    const auto of = [](const auto& list, std::int64_t m) {
      return list[list.size() == 1 ? 0 : static_cast<std::size_t>(m)];
    };
    if (!sums_fit(*a, columns, depth, [&](std::int64_t m, std::int64_t k) {
          const std::int64_t at = transposed ? m * depth + k : k * columns + m;
          return static_cast<std::int64_t>(load_as_double(values.dtype(), values.data(), at)) -
                 of(b->zeros, m);
        })) {
      return left(core, "a sum might leave int32");
    }
    std::vector<double> steps;
    for (std::int64_t m = 0; m < columns; ++m)
      steps.push_back(static_cast<double>(a->scale()) * static_cast<double>(of(b->scales, m)));
    return requantized_sum(quantize, core, target, 2, steps, rank - 1, [&](Patch& patch) {
      ValueId matrix = b->q;
      if (transposed) matrix = patch.emit(op_transpose(), TransposeAttributes{{1, 0}}, {matrix});
      return patch.emit(op_matmul_integer(), NoAttributes{},
                        {a->q, matrix, zero_constant(patch, *a), zero_constant(patch, *b)});
    });
  }

  bool two_tensors(const Node& quantize, const Node& core, const Target8& target) {
    const BinaryFunction function = core.as<BinaryAttributes>().function;
    const bool adds = function == BinaryFunction::add || function == BinaryFunction::sub;
    if (!adds && function != BinaryFunction::mul) return false;
    const auto a = byte_operand(core.inputs[0]);
    const auto b = byte_operand(core.inputs[1]);
    if (!a || !b) return false;
    const Type& y = graph_.value(core.outputs[0]).type;
    if (!y.shape) return false;
    if (!adds) return multiplied(quantize, core, target, *a, *b);
    if (graph_.value(a->q).type.shape != y.shape || graph_.value(b->q).type.shape != y.shape)
      return left(core, "its operands are broadcast");
    const double unit = static_cast<double>(target.to.scale()) * target.steps();
    RequantizeAttributes attributes = attributes_of(target);
    attributes.x_zero = a->zero();
    attributes.residual_zero = b->zero();
    const double of_b = static_cast<double>(b->scale()) / unit;
    // A float: the contract's m_r.
    attributes.residual_multiplier =
        static_cast<float>(function == BinaryFunction::sub ? -of_b : of_b);
    const double of_a = static_cast<double>(a->scale()) / unit;
    if (!is_usable({of_a, of_b})) return left(core, "a multiplier is no normal number");
    Patch patch(graph_, "compute " + label_of(core) + " in integers");
    patch.descend_from(core);
    patch.descend_from(quantize);
    const ValueId result = patch.emit(
        op_requantize(), attributes,
        {a->q, patch.constant(floats({of_a})), patch.constant(floats({offset(target, 0)})), b->q});
    return finish(patch, quantize, result);
  }

  // q - zero as int32.
  ValueId centred(Patch& patch, const QuantizedValue& value) const {
    const ValueId wide = patch.emit(op_cast(), CastAttributes{.to = DType::i32}, {value.q});
    if (value.zero() == 0) return wide;
    const ValueId zero =
        patch.constant(Tensor::scalar<std::int32_t>(static_cast<std::int32_t>(value.zero())));
    return patch.emit(op_binary(), BinaryAttributes{.function = BinaryFunction::sub}, {wide, zero});
  }

  bool multiplied(const Node& quantize, const Node& core, const Target8& target,
                  const QuantizedValue& a, const QuantizedValue& b) {
    const double step = static_cast<double>(a.scale()) * static_cast<double>(b.scale());
    return requantized_sum(quantize, core, target, kNoBias, {step}, 0, [&](Patch& patch) {
      return patch.emit(op_binary(), BinaryAttributes{.function = BinaryFunction::mul},
                        {centred(patch, a), centred(patch, b)});
    });
  }

  bool mean(const Node& quantize, const Node& core, const Target8& target) {
    const auto& reduce = core.as<ReduceAttributes>();
    const auto x = byte_operand(core.inputs[0]);
    if (reduce.function != ReduceFunction::mean || !x) return false;
    // How many elements a result is the mean of, which must be a number here.
    const Type& from = graph_.value(x->q).type;
    const Type& to = graph_.value(core.outputs[0]).type;
    if (!from.shape || !to.shape) return false;
    std::vector<std::int64_t> axes;
    if (core.input(1).exists()) {
      const Value& given = graph_.value(core.inputs[1]);
      if (!given.is_constant()) return false;
      if (from.rank() == 0) return false;
      for (const std::int64_t axis : given.constant.to_i64())
        axes.push_back(normalize_axis(axis, from.rank()));
      std::ranges::sort(axes);
      const auto repeated = std::ranges::unique(axes);
      axes.erase(repeated.begin(), repeated.end());
    }
    if (axes.empty()) {
      if (reduce.noop_with_empty_axes) return false;
      for (std::int64_t axis = 0; axis < from.rank(); ++axis) axes.push_back(axis);
    }
    std::int64_t count = 1;
    for (const std::int64_t axis : axes) {
      const Dim& size = (*from.shape)[static_cast<std::size_t>(axis)];
      if (!size.is_constant() || size.value() == 0 || size.value() > kMostAveraged / count)
        return left(core, "how many elements a mean has is not known, or too many for int32");
      count *= size.value();
    }
    ReduceAttributes sum = reduce;
    sum.function = ReduceFunction::sum;
    const double step = static_cast<double>(x->scale()) / static_cast<double>(count);
    return requantized_sum(quantize, core, target, kNoBias, {step}, 0, [&](Patch& patch) {
      std::vector<ValueId> inputs = {centred(patch, *x)};
      if (core.input(1).exists()) inputs.push_back(core.inputs[1]);
      return patch.emit(op_reduce(), sum, inputs);
    });
  }

  bool table(const Node& quantize, const Node& core, const Target8& target) {
    const auto x = byte_operand(core.inputs[0]);
    if (!x) return false;
    auto entries = make_table(*x, core.as<UnaryAttributes>(), target.to);
    if (!entries) return left(core, "there is no table of that function");
    return look_up(quantize, label_of(core), x->q, std::move(*entries));
  }

  bool rescale(const Node& quantize, const QuantizedValue& from, const QuantizedValue& to) {
    if (from.dtype == to.dtype && from.scale() == to.scale() && from.zero() == to.zero()) {
      Patch patch(graph_, "drop " + label_of(quantize) + ", which changes nothing");
      patch.descend_from(quantize);
      return finish(patch, quantize, from.q);
    }
    return look_up(quantize, label_of(quantize), from.q, make_rescaling_table(from, to));
  }

  // Quantising keeps the order: the activation's bounds apply to the bytes.
  bool clamped(const Node& quantize, const QuantizedValue& from, const Target8& target) {
    Tensor entries = make_rescaling_table(from, target.to);
    for (std::int64_t i = 0; i < entries.size(); ++i) {
      const auto q = static_cast<std::int64_t>(load_as_double(entries.dtype(), entries.data(), i));
      store_from_double(entries.dtype(), entries.mutable_data(), i,
                        static_cast<double>(std::clamp(q, target.range.low, target.range.high)));
    }
    return look_up(quantize, label_of(quantize), from.q, std::move(entries));
  }

  bool look_up(const Node& quantize, const std::string& label, ValueId x, Tensor entries) {
    Patch patch(graph_, "look up " + label + " in a table");
    patch.descend_from(quantize);
    const ValueId result =
        patch.emit(op_table_lookup(), NoAttributes{}, {x, patch.constant(std::move(entries))});
    return finish(patch, quantize, result);
  }

  // Operators that only move elements, and the maximum: the quantisation goes before them, where it
  // meets the dequantisation of their input.
  bool moves(const Node& quantize, const Node& core, const Target8& target) {
    if (target.operand != quantize.inputs[0] || core.outputs.size() != 1) return false;
    const bool is_max =
        core.is(op_pool()) && core.as<PoolAttributes>().function == PoolFunction::max;
    if (!is_max && !is_nearest_resize(core) && (!core.op->traits.moves_only || fills(core)))
      return false;
    Patch patch(graph_, "move the bytes of " + label_of(core));
    patch.descend_from(core);
    patch.descend_from(quantize);
    std::vector<ValueId> inputs;
    bool any = false;
    for (std::size_t i = 0; i < core.inputs.size(); ++i) {
      const ValueId id = core.inputs[i];
      const bool parameter = i < 32 && (core.op->traits.parameter_inputs >> i & 1U) != 0;
      if (parameter || !id.exists() || graph_.value(id).type.dtype != DType::f32) {
        inputs.push_back(id);
        continue;
      }
      const auto from = byte_operand(id);
      if (!from || !core.op->inputs[std::min(i, core.op->inputs.size() - 1)].types.contains(
                       target.to.dtype)) {
        return false;
      }
      any = true;
      if (from->dtype == target.to.dtype && from->scale() == target.to.scale() &&
          from->zero() == target.to.zero()) {
        inputs.push_back(from->q);
      } else {
        inputs.push_back(
            patch.emit(op_table_lookup(), NoAttributes{},
                       {from->q, patch.constant(make_rescaling_table(*from, target.to))}));
      }
    }
    if (!any) return false;
    return finish(patch, quantize, patch.emit(*core.op, core.attributes, inputs));
  }

  // Zeros that it adds are not those of the bytes.
  static bool fills(const Node& core) {
    return core.is(op_pad()) || core.is(op_trilu()) || core.is(op_center_crop_pad()) ||
           core.is(op_max_unpool());
  }

  // A resize whose elements are elements of x; tf_crop_and_resize has others, outside of x.
  static bool is_nearest_resize(const Node& core) {
    if (!core.is(op_resize())) return false;
    const auto& resize = core.as<ResizeAttributes>();
    return resize.mode == ResizeMode::nearest &&
           resize.coordinates != ResizeCoordinates::tf_crop_and_resize;
  }

  static constexpr std::size_t kNoBias = 1000;
  static constexpr std::int64_t kMostAveraged = std::int64_t{1} << 22;

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) {
  return context.target.precise ? 0 : Quantizer(graph, context).run();
}

}  // namespace

Pass fuse_quantized() {
  return {
      .name = "fuse_quantized",
      .summary = "turns operators between dequantize_linear and quantize_linear into integer ones",
      .run = run,
  };
}

}  // namespace strop
