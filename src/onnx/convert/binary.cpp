// SPDX-License-Identifier: Apache-2.0
// Functions of two and more tensors, element by element. Before opset 7 the second input broadcasts
// only on demand (`broadcast`), and to axes of the first from `axis` on.
#include "ops/binary.hpp"

#include "onnx/converter_table.hpp"
#include "ops/identity.hpp"
#include "ops/reshape.hpp"
#include "ops/select.hpp"
#include "ops/unary.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;

// b with `count` axes of size 1 after its own.
ValueId with_trailing_axes(ConvertContext& c, ValueId b, std::int64_t count) {
  if (count == 0) return b;
  std::vector<std::int64_t> shape(static_cast<std::size_t>(c.rank(b)), 0);  // 0: as it is
  shape.insert(shape.end(), static_cast<std::size_t>(count), 1);
  return c.emit(op_reshape(), ReshapeAttributes{}, {b, c.emitter().integers(shape)});
}

template <B kFunction>
void plain(ConvertContext& c) {
  c.set_output(0, c.emit(op_binary(), BinaryAttributes{kFunction}, {c.input(0), c.input(1)}));
}

template <B kFunction>
void before_7(ConvertContext& c) {
  c.ignore_attribute("consumed_inputs");
  const ValueId a = c.input(0);
  ValueId b = c.input(1);
  const bool has_axis = c.has_attribute("axis");
  const std::int64_t given = c.int_attribute("axis", 0);
  if (c.int_attribute("broadcast", 0) != 0) {
    if (has_axis) {
      const std::int64_t axis = c.axis(given, 0);
      const std::int64_t rest = c.rank(a) - axis - c.rank(b);
      if (rest < 0) {
        c.fail(ErrorCode::bad_shape, "the second input does not fit into the first from axis " +
                                         std::to_string(axis) + " on");
      }
      b = with_trailing_axes(c, b, rest);
    }
  } else {
    const auto& x = c.type(a).shape;
    const auto& y = c.type(b).shape;
    if (x && y && x->size() != y->size()) {
      c.fail(ErrorCode::bad_shape, "inputs of different ranks without broadcast=1");
    }
  }
  c.set_output(0, c.emit(op_binary(), BinaryAttributes{kFunction}, {a, b}));
}

void mod(ConvertContext& c) {
  const bool fmod = c.int_attribute("fmod", 0) != 0;
  if (!fmod && is_floating(c.type(c.input(0)).dtype)) {
    c.fail(ErrorCode::bad_attribute, "floating-point inputs need fmod=1");
  }
  c.set_output(
      0, c.emit(op_binary(), BinaryAttributes{fmod ? B::fmod : B::mod}, {c.input(0), c.input(1)}));
}

void bit_shift(ConvertContext& c) {
  const std::string direction = c.string_attribute("direction");
  if (direction != "LEFT" && direction != "RIGHT") {
    c.fail(ErrorCode::bad_attribute, "direction is \"" + direction + "\"",
           "it may be LEFT or RIGHT");
  }
  const B function = direction == "LEFT" ? B::bit_shift_left : B::bit_shift_right;
  c.set_output(0, c.emit(op_binary(), BinaryAttributes{function}, {c.input(0), c.input(1)}));
}

// Before opset 7 a slope of one axis belongs to the channels.
void prelu_before_7(ConvertContext& c) {
  c.ignore_attribute("consumed_inputs");
  const ValueId x = c.input(0);
  ValueId slope = c.input(1);
  const auto& shape = c.type(slope).shape;
  if (shape && shape->size() == 1 && !(*shape)[0].is(1) && c.rank(x) > 2) {
    slope = with_trailing_axes(c, slope, c.rank(x) - 2);
  }
  c.set_output(0, c.emit(op_binary(), BinaryAttributes{B::prelu}, {x, slope}));
}

ValueId folded(ConvertContext& c, B function) {
  c.ignore_attribute("consumed_inputs");
  ValueId result = c.input(0);
  for (std::size_t i = 1; i < c.input_count(); ++i) {
    result = c.emit(op_binary(), BinaryAttributes{function}, {result, c.input(i)});
  }
  return c.input_count() > 1 ? result : c.emit(op_identity(), NoAttributes{}, {result});
}

template <B kFunction>
void variadic(ConvertContext& c) {
  c.set_output(0, folded(c, kFunction));
}

void mean(ConvertContext& c) {
  const ValueId sum = folded(c, B::add);
  if (c.input_count() == 1) return c.set_output(0, sum);
  const DType dtype = c.type(sum).dtype;
  if (!kFloats.contains(dtype)) c.fail(ErrorCode::bad_type, "Mean takes floating-point inputs");
  Tensor count = Tensor::allocate(dtype, {});
  store_from_double(dtype, count.mutable_data(), 0, static_cast<double>(c.input_count()));
  c.set_output(0,
               c.emit(op_binary(), BinaryAttributes{B::div}, {sum, c.emitter().constant(count)}));
}

void where(ConvertContext& c) {
  c.set_output(0, c.emit(op_select(), NoAttributes{}, {c.input(0), c.input(1), c.input(2)}));
}

template <B kFunction>
void add_arithmetic(ConverterTable& table, const char* name) {
  table.add(name, 1, before_7<kFunction>);
  table.add(name, 7, plain<kFunction>);
}

// Swish of the gate, times the value; the two have one shape.
void swiglu(ConvertContext& c) {
  const ValueId gate = c.input(0), value = c.input(1);
  const Type &a = c.type(gate), &b = c.type(value);
  bool equal = !a.shape || !b.shape || a.rank() == b.rank();
  for (std::size_t i = 0; equal && a.shape && b.shape && i < a.shape->size(); ++i) {
    const Dim &x = (*a.shape)[i], &y = (*b.shape)[i];
    equal = x == y || !x.is_constant() || !y.is_constant();
  }
  if (!equal) {
    c.fail(ErrorCode::bad_shape,
           "its inputs must have one shape, but are " + a.to_string() + " and " + b.to_string());
  }
  const UnaryAttributes swish{UnaryFunction::silu,
                              static_cast<double>(c.float_attribute("alpha", 1.0f))};
  c.set_output(
      0, c.emit(op_binary(), BinaryAttributes{B::mul}, {c.emit(op_unary(), swish, {gate}), value}));
}

}  // namespace

void register_binary(ConverterTable& table) {
  add_arithmetic<B::add>(table, "Add");
  add_arithmetic<B::sub>(table, "Sub");
  add_arithmetic<B::mul>(table, "Mul");
  add_arithmetic<B::div>(table, "Div");
  add_arithmetic<B::pow>(table, "Pow");
  add_arithmetic<B::logical_and>(table, "And");
  add_arithmetic<B::logical_or>(table, "Or");
  add_arithmetic<B::logical_xor>(table, "Xor");
  add_arithmetic<B::equal>(table, "Equal");
  add_arithmetic<B::less>(table, "Less");
  add_arithmetic<B::greater>(table, "Greater");
  table.add("LessOrEqual", 12, plain<B::less_or_equal>);
  table.add("GreaterOrEqual", 12, plain<B::greater_or_equal>);
  table.add("BitwiseAnd", 18, plain<B::bitwise_and>);
  table.add("BitwiseOr", 18, plain<B::bitwise_or>);
  table.add("BitwiseXor", 18, plain<B::bitwise_xor>);
  table.add("BitShift", 11, bit_shift);
  table.add("Mod", 10, mod);
  table.add("PRelu", 1, prelu_before_7);
  table.add("PRelu", 7, plain<B::prelu>);
  table.add("Sum", 1, variadic<B::add>);
  table.add("Max", 1, variadic<B::max>);
  table.add("Min", 1, variadic<B::min>);
  table.add("Mean", 1, mean);
  table.add("Where", 9, where);
  table.add("SwiGLU", 28, swiglu);
}

}  // namespace strop::onnx
