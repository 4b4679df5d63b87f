// SPDX-License-Identifier: Apache-2.0
// SVMClassifier and SVMRegressor. Without support vectors they are linear, with a single offset.
#include <algorithm>
#include <array>

#include "onnx/convert/ml_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/gemm.hpp"
#include "ops/pairwise_probabilities.hpp"
#include "ops/select.hpp"
#include "ops/svm_kernel.hpp"
#include "ops/svm_vote.hpp"

namespace strop::onnx {
namespace {

SvmKernelAttributes kernel_attributes(ConvertContext& c) {
  static constexpr std::array<std::string_view, 4> kNames = {"LINEAR", "POLY", "RBF", "SIGMOID"};
  const std::string name = c.string_attribute("kernel_type", "LINEAR");
  const auto at = std::ranges::find(kNames, name);
  if (at == kNames.end()) {
    c.fail(ErrorCode::bad_attribute,
           "kernel_type is \"" + name + "\"; it may be LINEAR, POLY, RBF or SIGMOID");
  }
  const auto parameters = c.floats_attribute("kernel_params");
  if (!parameters.empty() && parameters.size() != 3) {
    c.fail(ErrorCode::bad_attribute,
           "kernel_params has " + std::to_string(parameters.size()) + " elements instead of 3");
  }
  SvmKernelAttributes out{.kernel = static_cast<SvmKernel>(at - kNames.begin())};
  if (parameters.empty()) return out;
  out.gamma = static_cast<double>(parameters[0]);
  out.coef0 = static_cast<double>(parameters[1]);
  out.degree = static_cast<double>(parameters[2]);
  return out;
}

// x times rows of coefficients, and rho[0] added to all.
ValueId linear(ConvertContext& c, ValueId x, ValueId coefficients, const std::vector<float>& rho) {
  if (rho.empty()) c.fail(ErrorCode::bad_attribute, "rho has no elements");
  const ValueId offset = scalar(c, DType::f32, static_cast<double>(rho.front()));
  return c.emit(op_gemm(), GemmAttributes{.trans_b = true}, {x, coefficients, offset});
}

void classifier(ConvertContext& c) {
  c.expect_long_lists();
  const Tensor labels = labels_attribute(c, "classlabels_ints", "classlabels_strings");
  const std::int64_t classes = labels.size();
  const ScoreTransform transform = post_transform_attribute(c);
  const SvmKernelAttributes kernel = kernel_attributes(c);
  const auto rho = c.floats_attribute("rho");
  const auto a = c.floats_attribute("prob_a"), b = c.floats_attribute("prob_b");
  const auto sizes = c.ints_attribute("vectors_per_class");
  c.ignore_attribute("support_vectors");
  const ValueId x = cast_to(c, rows(c, 0), DType::f32);
  std::int64_t vectors = 0;
  for (const std::int64_t size : sizes) {
    const auto sum = try_add(vectors, size);
    if (size < 0 || !sum) {
      c.fail(ErrorCode::bad_attribute, "vectors_per_class has " + std::to_string(size));
    }
    vectors = *sum;
  }
  if (vectors == 0) {
    const ValueId scores = linear(c, x, matrix_attribute(c, "coefficients", classes), rho);
    c.set_output(0, label_of_largest(c, labels, scores));
    return c.set_output(1, transformed(c, transform, scores, classes));
  }
  if (static_cast<std::int64_t>(sizes.size()) != classes || classes < 2) {
    c.fail(ErrorCode::bad_attribute, "vectors_per_class has " + std::to_string(sizes.size()) +
                                         " elements for " + std::to_string(classes) + " classes");
  }
  const ValueId likeness =
      c.emit(op_svm_kernel(), kernel, {x, matrix_attribute(c, "support_vectors", vectors)});
  const ValueId coefficients = matrix_attribute(c, "coefficients", classes - 1);
  const auto voted = c.emit_many(op_svm_vote(), SvmVoteAttributes{sizes},
                                 {likeness, coefficients, vector_constant(c, DType::f32, rho)}, 2);
  c.set_output(0, labels_at(c, labels, voted[1]));
  const ValueId scores = voted[0];
  if (!a.empty() || !b.empty()) {
    const ValueId probabilities =
        c.emit(op_pairwise_probabilities(), PairwiseProbabilitiesAttributes{classes},
               {scores, vector_constant(c, DType::f32, a), vector_constant(c, DType::f32, b)});
    c.set_output(1, transformed(c, transform, probabilities, classes));
  } else if (classes == 2) {
    c.set_output(1, two_class_scores(c, transform, scores, transform != ScoreTransform::none));
  } else {
    c.set_output(1, transformed(c, transform, scores, classes * (classes - 1) / 2));
  }
}

void regressor(ConvertContext& c) {
  c.expect_long_lists();
  const ScoreTransform transform = post_transform_attribute(c);
  const SvmKernelAttributes kernel = kernel_attributes(c);
  const auto rho = c.floats_attribute("rho");
  const std::int64_t vectors = c.int_attribute("n_supports", 0);
  const bool one_class = c.int_attribute("one_class", 0) != 0;
  c.ignore_attribute("support_vectors");
  ValueId x = cast_to(c, rows(c, 0), DType::f32);
  if (vectors < 0) {
    c.fail(ErrorCode::bad_attribute, "n_supports is " + std::to_string(vectors));
  }
  if (vectors > 0) {
    x = c.emit(op_svm_kernel(), kernel, {x, matrix_attribute(c, "support_vectors", vectors)});
  }
  ValueId score = linear(c, x, matrix_attribute(c, "coefficients", 1), rho);
  if (one_class) {
    const ValueId inside = binary(c, BinaryFunction::greater, score, scalar(c, DType::f32, 0));
    score = c.emit(op_select(), NoAttributes{},
                   {inside, scalar(c, DType::f32, 1), scalar(c, DType::f32, -1)});
  }
  c.set_output(0, transformed(c, transform, score, 1));
}

}  // namespace

void register_ml_svm(ConverterTable& table) {
  table.add("ai.onnx.ml", "SVMClassifier", 1, classifier);
  table.add("ai.onnx.ml", "SVMRegressor", 1, regressor);
}

}  // namespace strop::onnx
