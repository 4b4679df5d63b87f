// SPDX-License-Identifier: Apache-2.0
// Classes drawn with the probabilities softmax(logits[row]). Sample e of the flattened result takes
// the first class whose cumulative probability (in double) passes u, 53 bits of words 2e and 2e+1
// of the stream.
#include "ops/multinomial.hpp"

#include <algorithm>
#include <cmath>

#include "base/os/entropy.hpp"
#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/philox.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<MultinomialAttributes>();
  context.require(kIndices.contains(attributes.dtype), ErrorCode::bad_type,
                  "classes are i32 or i64, not " + std::string(to_string(attributes.dtype)));
  context.require(attributes.samples >= 1, ErrorCode::bad_attribute,
                  "samples is " + std::to_string(attributes.samples) + "; it must be at least 1");
  context.require_rank(0, 2);
  const SymShape* logits = context.shape(0);
  if (logits != nullptr) {
    context.require(!(*logits)[1].is(0) || (*logits)[0].is(0), ErrorCode::bad_shape,
                    "there is no class to draw");
    context.require(!(*logits)[1].is_constant() || attributes.dtype == DType::i64 ||
                        (*logits)[1].value() <= std::numeric_limits<std::int32_t>::max(),
                    ErrorCode::bad_shape,
                    (*logits)[1].to_string() + " classes do not fit into i32");
  }
  const Dim rows = logits != nullptr ? (*logits)[0] : context.fresh_dim();
  context.set_output(0, attributes.dtype, {rows, Dim(attributes.samples)});
}

// Sums of probabilities up to and with each class, unnormalised.
std::vector<double> cumulative(const KernelContext& context, std::int64_t row) {
  const Tensor& logits = context.input(0);
  const std::int64_t classes = logits.dim(1);
  std::vector<double> sums(static_cast<std::size_t>(classes));
  double largest = -std::numeric_limits<double>::infinity();
  for (std::int64_t i = 0; i < classes; ++i) {
    double& value = sums[static_cast<std::size_t>(i)];
    value = load_as_double(logits.dtype(), logits.data(), row * classes + i);
    if (std::isnan(value)) largest = value;
    if (value > largest) largest = value;
  }
  if (!std::isfinite(largest)) {
    context.fail("row " + std::to_string(row) + " holds NaN or has no finite maximum",
                 "each row needs a class whose log-probability is finite");
  }
  double sum = 0;
  for (double& value : sums) value = sum += std::exp(value - largest);
  return sums;
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<MultinomialAttributes>();
  Tensor& y = context.output(0);
  const PhiloxStream stream(attributes.seed ? static_cast<std::uint64_t>(*attributes.seed)
                                            : os::fresh_entropy());
  parallel_for(y.dim(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      const std::vector<double> sums = cumulative(context, row);
      for (std::int64_t s = 0; s < attributes.samples; ++s) {
        const std::int64_t e = row * attributes.samples + s;
        const PhiloxBlock words = stream.block(e / 2);
        const std::size_t first = e % 2 == 0 ? 0 : 2;
        const double u = unit_double(words[first], words[first + 1]) * sums.back();
        auto at = std::ranges::upper_bound(sums, u);
        // u may have rounded up to the sum itself, which the last possible class reaches.
        if (at == sums.end()) at = std::ranges::lower_bound(sums, sums.back());
        const std::int64_t chosen = at - sums.begin();
        if (y.dtype() == DType::i32) {
          y.mutable_values<std::int32_t>()[static_cast<std::size_t>(e)] =
              static_cast<std::int32_t>(chosen);
        } else {
          y.mutable_values<std::int64_t>()[static_cast<std::size_t>(e)] = chosen;
        }
      }
    }
  });
}

}  // namespace

const OpDef& op_multinomial() {
  static const OpDef def{
      .name = "multinomial",
      .summary =
          "classes that the generator Philox 4x32-10 draws with the probabilities "
          "softmax(logits), row by row",
      .attributes = &attribute_schema<MultinomialAttributes>(),
      .inputs = {{.name = "logits", .types = kFloats}},
      .outputs = {{.name = "classes", .types = kIndices}},
      .subgraphs = {},
      .traits = {.nondeterministic = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
