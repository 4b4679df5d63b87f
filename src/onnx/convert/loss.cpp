// SPDX-License-Identifier: Apache-2.0
// NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss, which is the same after a log-softmax over
// the classes; that is computed and kept in FP32 for the 16-bit types.
#include "onnx/convert/arithmetic_support.hpp"
#include "onnx/convert/attribute_support.hpp"
#include "ops/nll_loss.hpp"
#include "ops/softmax.hpp"

namespace strop::onnx {
namespace {

NllLossAttributes loss_attributes(ConvertContext& c) {
  NllLossAttributes attributes;
  attributes.reduction = enum_attribute<LossReduction>(c, "reduction", "mean");
  if (c.has_attribute("ignore_index")) attributes.ignore_index = c.int_attribute("ignore_index");
  return attributes;
}

void negative_log_likelihood(ConvertContext& c) {
  c.set_output(
      0, c.emit(op_nll_loss(), loss_attributes(c), {c.input(0), c.input(1), c.optional_input(2)}));
}

void softmax_cross_entropy(ConvertContext& c) {
  const NllLossAttributes attributes = loss_attributes(c);
  const DType dtype = c.type(c.input(0)).dtype;
  if (!kFloats.contains(dtype)) {
    c.fail(ErrorCode::bad_type,
           "scores are floating-point numbers, not " + std::string(to_string(dtype)));
  }
  if (c.has_input(2) && c.type(c.input(2)).dtype != dtype) {
    c.fail(ErrorCode::bad_type, "weights are " + c.type(c.input(2)).to_string() +
                                    "; they must have the element type of the scores, " +
                                    std::string(to_string(dtype)));
  }
  const DType wide = wide_type(dtype);
  const ValueId log_prob = c.emit(op_softmax(), SoftmaxAttributes{.axis = 1, .log = true},
                                  {cast_to(c, c.input(0), wide)});
  const ValueId loss = c.emit(
      op_nll_loss(), attributes,
      {log_prob, c.input(1), c.has_input(2) ? cast_to(c, c.input(2), wide) : ValueId::none()});
  c.set_output(0, cast_to(c, loss, dtype));
  if (c.has_output(1)) c.set_output(1, cast_to(c, log_prob, dtype));
}

}  // namespace

void register_loss(ConverterTable& table) {
  table.add("NegativeLogLikelihoodLoss", 12, negative_log_likelihood);
  table.add("SoftmaxCrossEntropyLoss", 12, softmax_cross_entropy);
}

}  // namespace strop::onnx
