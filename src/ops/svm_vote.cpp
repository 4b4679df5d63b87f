// SPDX-License-Identifier: Apache-2.0
// One against one, as LIBSVM lays it out: classes i < j are told apart by the support vectors of
// both, those of i with row j - 1 of the coefficients, those of j with row i. Each pair gives a
// score and a vote; the first class with the most votes wins. Sums are in double.
#include "ops/svm_vote.hpp"

#include <algorithm>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"

namespace strop {
namespace {

// Pairs are quadratic in the classes; more than this no one-against-one training makes.
constexpr std::size_t kMostClasses = 1 << 15;

void infer(InferContext& context) {
  const auto& sizes = context.attributes<SvmVoteAttributes>().vectors_per_class;
  context.require(sizes.size() >= 2 && sizes.size() <= kMostClasses, ErrorCode::bad_attribute,
                  "vectors_per_class is for " + std::to_string(sizes.size()) +
                      " classes; it takes 2 to " + std::to_string(kMostClasses));
  std::int64_t vectors = 0;
  for (const std::int64_t size : sizes) {
    const auto sum = try_add(vectors, size);
    context.require(size >= 0 && sum, ErrorCode::bad_attribute,
                    "vectors_per_class has " + std::to_string(size));
    vectors = *sum;
  }
  const auto classes = static_cast<std::int64_t>(sizes.size());
  const Dim pairs(classes * (classes - 1) / 2);
  context.require_rank(0, 2);
  context.require_rank(1, 2);
  context.require_rank(2, 1);
  const SymShape x = context.shape(0) != nullptr ? *context.shape(0) : context.fresh_shape(2);
  context.require_equal(x[1], Dim(vectors), "columns of the kernels and support vectors");
  if (const SymShape* c = context.shape(1)) {
    context.require_equal((*c)[0], Dim(classes - 1), "rows of coefficients and classes - 1");
    context.require_equal((*c)[1], Dim(vectors), "columns of coefficients and support vectors");
  }
  if (const SymShape* rho = context.shape(2)) {
    context.require_equal((*rho)[0], pairs, "elements of rho and pairs of classes");
  }
  context.set_output(0, DType::f32, {x[0], pairs});
  context.set_output(1, DType::i64, {x[0]});
}

void reference(KernelContext& context) {
  const auto& sizes = context.attributes<SvmVoteAttributes>().vectors_per_class;
  const auto classes = static_cast<std::int64_t>(sizes.size());
  const Tensor& x = context.input(0);
  const std::int64_t vectors = x.dim(1), pairs = classes * (classes - 1) / 2;
  std::vector<std::int64_t> begin_of{0};
  for (const std::int64_t size : sizes) begin_of.push_back(begin_of.back() + size);
  const float* kernels = x.values<float>().data();
  const float* coefficients = context.input(1).values<float>().data();
  const float* rho = context.input(2).values<float>().data();
  float* scores = context.allocate(0, DType::f32, {x.dim(0), pairs}).mutable_values<float>().data();
  Tensor& winner = context.allocate(1, DType::i64, {x.dim(0)});
  std::int64_t* winners = winner.mutable_values<std::int64_t>().data();
  const auto part = [&](const float* row, std::int64_t of, std::int64_t coefficient_row) {
    double sum = 0;
    const float* c = coefficients + coefficient_row * vectors;
    for (std::int64_t v = begin_of[static_cast<std::size_t>(of)];
         v < begin_of[static_cast<std::size_t>(of) + 1]; ++v) {
      sum += static_cast<double>(c[v]) * static_cast<double>(row[v]);
    }
    return sum;
  };
  parallel_for(x.dim(0), 1 + 4096 / (1 + vectors * classes),
               [&](std::int64_t begin, std::int64_t end) {
                 std::vector<std::int64_t> votes(static_cast<std::size_t>(classes));
                 for (std::int64_t n = begin; n < end; ++n) {
                   std::ranges::fill(votes, 0);
                   const float* row = kernels + n * vectors;
                   std::int64_t pair = 0;
                   for (std::int64_t i = 0; i < classes; ++i) {
                     for (std::int64_t j = i + 1; j < classes; ++j, ++pair) {
                       const double score =
                           part(row, i, j - 1) + part(row, j, i) + static_cast<double>(rho[pair]);
                       scores[n * pairs + pair] = static_cast<float>(score);
                       ++votes[static_cast<std::size_t>(score > 0 ? i : j)];
                     }
                   }
                   winners[n] = std::ranges::max_element(votes) - votes.begin();
                 }
               });
}

}  // namespace

const OpDef& op_svm_vote() {
  static const OpDef def{
      .name = "svm_vote",
      .summary = "the score of every pair of classes, and the class with the most votes",
      .attributes = &attribute_schema<SvmVoteAttributes>(),
      .inputs = {{.name = "kernels", .types = {DType::f32}},
                 {.name = "coefficients", .types = {DType::f32}},
                 {.name = "rho", .types = {DType::f32}}},
      .outputs = {{.name = "scores", .types = {DType::f32}},
                  {.name = "winner", .types = {DType::i64}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
