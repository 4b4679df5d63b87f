// SPDX-License-Identifier: Apache-2.0
// What the converters of ai.onnx.ml share: labels, rows, and what becomes of raw scores. The
// standard says little about scores of two classes that come as one number; here they become what
// ONNX Runtime makes of them, which is what exporters are tested with.
#pragma once

#include <cstdint>
#include <string_view>

#include "onnx/convert/emit_support.hpp"

namespace strop::onnx {

enum class ScoreTransform : std::uint8_t { none, softmax, logistic, softmax_zero, probit };

// The attribute post_transform, a name.
ScoreTransform post_transform_attribute(ConvertContext& c);

// Scores [N, columns], transformed. A single column is left as it is by all but probit.
ValueId transformed(ConvertContext& c, ScoreTransform transform, ValueId scores,
                    std::int64_t columns);

// The only one of two attributes with labels or keys, as a vector of i64 or string. Throws
// bad_attribute when both are there, or none.
Tensor labels_attribute(ConvertContext& c, std::string_view integers, std::string_view strings);

// labels[indices]
ValueId labels_at(ConvertContext& c, const Tensor& labels, ValueId indices);
// Label of the largest score of each row of scores [N, classes].
ValueId label_of_largest(ConvertContext& c, const Tensor& labels, ValueId scores);
// The second of two labels where a score [N, 1] is greater than the threshold, else the first.
// Without two labels they are 0 and 1.
ValueId label_by_threshold(ConvertContext& c, const Tensor& labels, ValueId scores,
                           float threshold);

// Input i as rows: a vector is one row. Integers become f32.
ValueId rows(ConvertContext& c, std::size_t i);
// A vector of floats as a constant of this element type.
ValueId vector_constant(ConvertContext& c, DType dtype, const std::vector<float>& values);
ValueId unary(ConvertContext& c, UnaryFunction function, ValueId x);

// Scores [N, 2] of two classes from one score [N, 1] of the second: {1 - s, s} where it is a
// probability, else {-s, s}. Of the transforms only logistic (of {-s, s}) and probit (of {1 - s,
// s}) apply.
ValueId two_class_scores(ConvertContext& c, ScoreTransform transform, ValueId score,
                         bool probability);

// A list of floats as a constant matrix of so many rows. Throws bad_attribute naming the attribute.
ValueId matrix_attribute(ConvertContext& c, std::string_view name, std::int64_t row_count);

}  // namespace strop::onnx
