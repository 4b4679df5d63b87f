// SPDX-License-Identifier: Apache-2.0
// Clip: bounds are attributes before opset 11, inputs from there on.
#include "ops/clip.hpp"

#include <limits>

#include "onnx/converter_table.hpp"

namespace strop::onnx {
namespace {

// Before opset 11 a bound that is not given is the largest finite float, which changes infinities.
void by_attributes(ConvertContext& c) {
  c.ignore_attribute("consumed_inputs");
  const ValueId x = c.input(0);
  const DType dtype = c.type(x).dtype;
  if (!kFloats.contains(dtype)) {
    c.fail(ErrorCode::bad_type, "Clip before opset 11 takes floating-point inputs, got " +
                                    std::string(to_string(dtype)));
  }
  const auto bound = [&](const char* name, float otherwise) {
    if (c.opset() < 6 && !c.has_attribute(name)) return ValueId::none();
    const float value = c.float_attribute(name, otherwise);
    Tensor scalar = Tensor::allocate(dtype, {});
    store_from_double(dtype, scalar.mutable_data(), 0, static_cast<double>(value));
    return c.emitter().constant(scalar);
  };
  const ValueId low = bound("min", std::numeric_limits<float>::lowest());
  const ValueId high = bound("max", std::numeric_limits<float>::max());
  c.set_output(0, c.emit(op_clip(), NoAttributes{}, {x, low, high}));
}

void by_inputs(ConvertContext& c) {
  c.set_output(
      0, c.emit(op_clip(), NoAttributes{}, {c.input(0), c.optional_input(1), c.optional_input(2)}));
}

}  // namespace

void register_clip(ConverterTable& table) {
  table.add("Clip", 1, by_attributes);
  table.add("Clip", 11, by_inputs);
}

}  // namespace strop::onnx
