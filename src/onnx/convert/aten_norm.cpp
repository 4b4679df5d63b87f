// SPDX-License-Identifier: Apache-2.0
// Normalisations and softmax of PyTorch.
#include "onnx/convert/arithmetic_support.hpp"
#include "onnx/convert/aten_support.hpp"
#include "onnx/convert/layer_norm_support.hpp"
#include "ops/batch_norm.hpp"
#include "ops/group_norm.hpp"
#include "ops/softmax.hpp"

namespace strop::onnx {
namespace {

using B = BinaryFunction;
using R = ReduceFunction;

void set_layer_norm(ConvertContext& c, AtenCall& a, bool statistics) {
  const ValueId x = a.tensor("input");
  const auto shape = a.integers("normalized_shape");
  const std::int64_t rank = c.rank(x), axis = rank - static_cast<std::int64_t>(shape.size());
  if (shape.empty() || axis < 0)
    a.malformed("normalized_shape has " + std::to_string(shape.size()) + " sizes for a tensor of " +
                std::to_string(rank) + " axes");
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::int64_t size = known_size(c, x, axis + static_cast<std::int64_t>(i));
    if (size >= 0 && size != shape[i]) {
      a.malformed("normalized_shape says " + std::to_string(shape[i]) + " where the size is " +
                  std::to_string(size));
    }
  }
  const LayerNormAttributes attributes{.axis = axis, .epsilon = a.number("eps", 1e-5)};
  const auto out = emit_layer_norm(c, x, a.optional_tensor("weight"), a.optional_tensor("bias"),
                                   attributes, statistics, wide_type(c.type(x).dtype));
  c.set_output(0, out.y);
  if (!statistics) return;
  c.set_output(1, out.mean);
  c.set_output(2, out.inverse_deviation);
}

void layer_norm(ConvertContext& c) {
  AtenCall a(c, {{"", "input normalized_shape weight bias eps cudnn_enable"}});
  set_layer_norm(c, a, false);
}

void native_layer_norm(ConvertContext& c) {
  AtenCall a(c, {{"", "input normalized_shape weight bias eps"}});
  set_layer_norm(c, a, c.has_output(1) || c.has_output(2));
}

void set_group_norm(ConvertContext& c, AtenCall& a, std::int64_t groups) {
  const ValueId x = a.tensor("input");
  const GroupNormAttributes attributes{.groups = groups, .epsilon = a.number("eps", 1e-5)};
  c.set_output(0, c.emit(op_group_norm(), attributes,
                         {x, a.optional_tensor("weight"), a.optional_tensor("bias")}));
}

void group_norm(ConvertContext& c) {
  AtenCall a(c, {{"", "input num_groups weight bias eps cudnn_enabled"}});
  const std::int64_t groups = a.integer("num_groups");
  if (groups < 1) a.malformed("num_groups must be positive");
  set_group_norm(c, a, groups);
}

void instance_norm(ConvertContext& c) {
  AtenCall a(c, {{"",
                  "input weight bias running_mean running_var use_input_stats momentum eps "
                  "cudnn_enabled"}});
  if (!a.boolean("use_input_stats", true)) a.refuse("statistics of the training");
  set_group_norm(c, a, 0);
}

void batch_norm(ConvertContext& c) {
  AtenCall a(c, {{"",
                  "input weight bias running_mean running_var training momentum eps "
                  "cudnn_enabled"}});
  if (a.boolean("training", false)) a.refuse("statistics of the batch");
  const ValueId x = a.tensor("input"), mean = a.tensor("running_mean");
  const ValueId scale = a.given("weight") ? a.tensor("weight") : zeros_like(c, mean, 1);
  const ValueId bias = a.given("bias") ? a.tensor("bias") : zeros_like(c, mean);
  c.set_output(0, c.emit(op_batch_norm(), BatchNormAttributes{.epsilon = a.number("eps", 1e-5)},
                         {x, scale, bias, mean, a.tensor("running_var")}));
}

void set_softmax(ConvertContext& c, AtenCall& a, bool log) {
  ValueId x = a.tensor("self");
  if (a.given("dtype")) x = cast_to(c, x, aten_dtype(a, a.integer("dtype")));
  if (a.boolean("half_to_float", false)) x = cast_to(c, x, DType::f32);
  c.set_output(0, c.emit(op_softmax(), SoftmaxAttributes{.axis = a.axis("dim", x), .log = log},
                         {floating(c, x)}));
}

template <bool kLog>
void softmax(ConvertContext& c) {
  AtenCall a(c, {{"int", "self dim dtype"}});
  set_softmax(c, a, kLog);
}

template <bool kLog>
void inner_softmax(ConvertContext& c) {
  AtenCall a(c, {{"", "self dim half_to_float"}});
  set_softmax(c, a, kLog);
}

// Each norm is at least eps.
void cosine_similarity(ConvertContext& c) {
  AtenCall a(c, {{"", "x1 x2 dim eps"}});
  const ValueId x = a.tensor("x1"), y = a.tensor("x2");
  const std::vector<std::int64_t> axis = {a.integer("dim", 1)};
  const ValueId least = scalar(c, c.type(x).dtype, a.number("eps", 1e-8));
  const auto unit = [&](ValueId of) {
    return binary(c, B::div, of, binary(c, B::max, reduced(c, R::l2, of, axis, true), least));
  };
  c.set_output(0, reduced(c, R::sum, binary(c, B::mul, unit(x), unit(y)), axis, false));
}

}  // namespace

void register_aten_norm(ConverterTable& table) {
  static constexpr std::pair<const char*, Converter> kOperators[] = {
      {"layer_norm", layer_norm},
      {"native_layer_norm", native_layer_norm},
      {"group_norm", group_norm},
      {"instance_norm", instance_norm},
      {"batch_norm", batch_norm},
      {"softmax", softmax<false>},
      {"log_softmax", softmax<true>},
      {"_softmax", inner_softmax<false>},
      {"_log_softmax", inner_softmax<true>},
      {"cosine_similarity", cosine_similarity},
  };
  for (const auto& [name, converter] : kOperators) table.add(kAtenDomain, name, 1, converter);
}

}  // namespace strop::onnx
