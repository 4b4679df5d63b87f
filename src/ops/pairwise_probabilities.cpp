// SPDX-License-Identifier: Apache-2.0
// Probabilities of classes from the scores of pairs: Platt's sigmoid for each pair, then the
// coupling of Wu, Lin and Weng, "Probability Estimates for Multi-class Classification by Pairwise
// Coupling" (2004), second method, iterated as LIBSVM does. In double.
#include "ops/pairwise_probabilities.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"

namespace strop {
namespace {

constexpr std::int64_t kMostClasses = 1 << 12;  // a row takes memory quadratic in them
constexpr int kRounds = 100;
constexpr double kLeast = 1e-7;  // of a pair's probability

void infer(InferContext& context) {
  const std::int64_t classes = context.attributes<PairwiseProbabilitiesAttributes>().classes;
  context.require(classes >= 2 && classes <= kMostClasses, ErrorCode::bad_attribute,
                  "probabilities are for 2 to " + std::to_string(kMostClasses) +
                      " classes, but there are " + std::to_string(classes));
  const Dim pairs(classes * (classes - 1) / 2);
  context.require_rank(0, 2);
  context.require_rank(1, 1);
  context.require_rank(2, 1);
  const SymShape x = context.shape(0) != nullptr ? *context.shape(0) : context.fresh_shape(2);
  context.require_equal(x[1], pairs, "columns of the scores and pairs of classes");
  for (const std::size_t i : {1, 2}) {
    if (const SymShape* shape = context.shape(i)) {
      context.require_equal((*shape)[0], pairs, "parameters and pairs of classes");
    }
  }
  context.set_output(0, DType::f32, {x[0], Dim(classes)});
}

// r[i, j]: probability of class i where it is i or j.
void couple(const std::vector<double>& r, std::vector<double>& q, std::vector<double>& qp,
            std::vector<double>& p) {
  const std::size_t k = p.size();
  for (std::size_t i = 0; i < k; ++i) {
    p[i] = 1.0 / static_cast<double>(k);
    double square = 0;
    for (std::size_t j = 0; j < k; ++j) {
      if (j == i) continue;
      square += r[j * k + i] * r[j * k + i];
      q[i * k + j] = -r[j * k + i] * r[i * k + j];
    }
    q[i * k + i] = square;
  }
  const double enough = 0.005 / static_cast<double>(k);
  for (int round = 0; round < kRounds; ++round) {
    double pqp = 0;
    for (std::size_t i = 0; i < k; ++i) {
      qp[i] = 0;
      for (std::size_t j = 0; j < k; ++j) qp[i] += q[i * k + j] * p[j];
      pqp += p[i] * qp[i];
    }
    double error = 0;
    for (std::size_t i = 0; i < k; ++i) error = std::max(error, std::abs(qp[i] - pqp));
    if (error < enough) return;
    for (std::size_t i = 0; i < k; ++i) {
      const double diagonal = q[i * k + i];
      const double step = (pqp - qp[i]) / diagonal;
      const double scale = 1 / (1 + step);
      p[i] += step;
      pqp = (pqp + step * (step * diagonal + 2 * qp[i])) * scale * scale;
      for (std::size_t j = 0; j < k; ++j) {
        qp[j] = (qp[j] + step * q[i * k + j]) * scale;
        p[j] *= scale;
      }
    }
  }
}

void reference(KernelContext& context) {
  const auto classes =
      static_cast<std::size_t>(context.attributes<PairwiseProbabilitiesAttributes>().classes);
  const Tensor& x = context.input(0);
  const float* scores = x.values<float>().data();
  const float* a = context.input(1).values<float>().data();
  const float* b = context.input(2).values<float>().data();
  float* out = context.output(0).mutable_values<float>().data();
  const std::size_t pairs = classes * (classes - 1) / 2;
  parallel_for(x.dim(0), 4, [&](std::int64_t begin, std::int64_t end) {
    std::vector<double> r(classes * classes), q(classes * classes), qp(classes), p(classes);
    for (std::int64_t n = begin; n < end; ++n) {
      context.check_deadline();
      const float* row = scores + static_cast<std::size_t>(n) * pairs;
      std::size_t pair = 0;
      for (std::size_t i = 0; i < classes; ++i) {
        for (std::size_t j = i + 1; j < classes; ++j, ++pair) {
          const double score = static_cast<double>(row[pair]) * static_cast<double>(a[pair]) +
                               static_cast<double>(b[pair]);
          const double likely = std::clamp(1 / (1 + std::exp(score)), kLeast, 1 - kLeast);
          r[i * classes + j] = likely;
          r[j * classes + i] = 1 - likely;
        }
      }
      couple(r, q, qp, p);
      for (std::size_t i = 0; i < classes; ++i) {
        out[static_cast<std::size_t>(n) * classes + i] = static_cast<float>(p[i]);
      }
    }
  });
}

}  // namespace

const OpDef& op_pairwise_probabilities() {
  static const OpDef def{
      .name = "pairwise_probabilities",
      .summary = "probability of each class from the scores of pairs of classes",
      .attributes = &attribute_schema<PairwiseProbabilitiesAttributes>(),
      .inputs = {{.name = "scores", .types = {DType::f32}},
                 {.name = "a", .types = {DType::f32}},
                 {.name = "b", .types = {DType::f32}}},
      .outputs = {{.name = "probabilities", .types = {DType::f32}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
