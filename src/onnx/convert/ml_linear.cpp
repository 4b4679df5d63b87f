// SPDX-License-Identifier: Apache-2.0
// LinearClassifier and LinearRegressor: a product with one row of coefficients for each score.
#include "onnx/convert/ml_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/gemm.hpp"

namespace strop::onnx {
namespace {

ValueId scores_of(ConvertContext& c, std::int64_t targets, const std::vector<float>& intercepts) {
  const ValueId x = cast_to(c, rows(c, 0), DType::f32);
  const ValueId coefficients = matrix_attribute(c, "coefficients", targets);
  ValueId offset = ValueId::none();
  if (!intercepts.empty()) {
    if (static_cast<std::int64_t>(intercepts.size()) != targets) {
      c.fail(ErrorCode::bad_attribute, "intercepts has " + std::to_string(intercepts.size()) +
                                           " elements for " + std::to_string(targets) + " scores");
    }
    offset = vector_constant(c, DType::f32, intercepts);
  }
  return c.emit(op_gemm(), GemmAttributes{.trans_b = true}, {x, coefficients, offset});
}

void classifier(ConvertContext& c) {
  c.expect_long_lists();
  c.ignore_attribute("multi_class");  // which training it was; the scores are computed alike
  const Tensor labels = labels_attribute(c, "classlabels_ints", "classlabels_strings");
  const ScoreTransform transform = post_transform_attribute(c);
  const auto intercepts = c.floats_attribute("intercepts");
  const std::int64_t targets =
      intercepts.empty() ? labels.size() : static_cast<std::int64_t>(intercepts.size());
  if (targets != labels.size() && targets != 1) {
    c.fail(ErrorCode::bad_attribute, "intercepts has " + std::to_string(targets) +
                                         " elements for " + std::to_string(labels.size()) +
                                         " classes");
  }
  const ValueId scores = scores_of(c, targets, intercepts);
  if (targets > 1) {
    c.set_output(0, label_of_largest(c, labels, scores));
    return c.set_output(1, transformed(c, transform, scores, targets));
  }
  c.set_output(0, label_by_threshold(c, labels, scores, 0));
  c.set_output(1, labels.size() == 2 ? two_class_scores(c, transform, scores, true)
                                     : transformed(c, transform, scores, 1));
}

void regressor(ConvertContext& c) {
  c.expect_long_lists();
  const ScoreTransform transform = post_transform_attribute(c);
  const std::int64_t targets = c.int_attribute("targets", 1);
  const ValueId scores = scores_of(c, targets, c.floats_attribute("intercepts"));
  c.set_output(0, transformed(c, transform, scores, targets));
}

}  // namespace

void register_ml_linear(ConverterTable& table) {
  table.add("ai.onnx.ml", "LinearClassifier", 1, classifier);
  table.add("ai.onnx.ml", "LinearRegressor", 1, regressor);
}

}  // namespace strop::onnx
