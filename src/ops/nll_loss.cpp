// SPDX-License-Identifier: Apache-2.0
// Negative log-likelihood: the loss of a sample of class c is -log_probabilities[c] * weights[c].
// The mean is the sum of losses over the sum of weights, NaN when that is 0. Sums are in double,
// one sample after the other.
#include "ops/nll_loss.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  const SymShape* x = context.shape(0);
  const SymShape* classes = context.shape(1);
  std::optional<SymShape> samples;
  if (x != nullptr) {
    context.require(x->size() >= 2, ErrorCode::bad_shape,
                    "log-probabilities have a batch axis and a class axis, but are " +
                        context.input(0).to_string());
    samples = *x;
    samples->erase(samples->begin() + 1);
  }
  if (classes != nullptr) {
    context.require(!classes->empty(), ErrorCode::bad_shape, "classes are a scalar");
    if (samples) {
      context.require_rank(1, static_cast<std::int64_t>(samples->size()));
      for (std::size_t a = 0; a < samples->size(); ++a) {
        (*samples)[a] = context.require_equal((*samples)[a], (*classes)[a],
                                              "sizes of log-probabilities and classes");
      }
    } else {
      samples = *classes;
    }
  }
  if (context.has_input(2)) {
    context.require_rank(2, 1);
    if (x != nullptr && context.shape(2) != nullptr) {
      context.require_equal((*context.shape(2))[0], (*x)[1], "numbers of weights and of classes");
    }
  }
  if (context.attributes<NllLossAttributes>().reduction != LossReduction::none) {
    return context.set_output(0, dtype, {});
  }
  context.set_output(
      0, samples ? Type::tensor(dtype, std::move(*samples)) : Type::tensor_of_unknown_rank(dtype));
}

// Loss and weight of the samples, by their place in `classes`.
class Samples {
 public:
  explicit Samples(const KernelContext& context)
      : context_(context),
        x_(context.input(0)),
        classes_(context.input(1)),
        ignored_(context.attributes<NllLossAttributes>().ignore_index),
        count_(x_.dim(1)) {
    for (std::int64_t a = 2; a < x_.rank(); ++a) inner_ *= x_.dim(a);
    if (!context.has_input(2)) return;
    const Tensor& weights = context.input(2);
    for (std::int64_t c = 0; c < weights.size(); ++c) {
      weights_.push_back(load_as_double(weights.dtype(), weights.data(), c));
    }
  }

  std::int64_t size() const { return classes_.size(); }

  std::pair<double, double> loss_and_weight(std::int64_t i) const {
    const auto at = static_cast<std::size_t>(i);
    const std::int64_t c = classes_.dtype() == DType::i32 ? classes_.values<std::int32_t>()[at]
                                                          : classes_.values<std::int64_t>()[at];
    if (c == ignored_) return {0, 0};
    if (c < 0 || c >= count_) {
      context_.fail("sample " + std::to_string(i) + " is of class " + std::to_string(c),
                    "there are " + std::to_string(count_) + " classes" +
                        (ignored_ ? ", and " + std::to_string(*ignored_) + " is ignored" : ""));
    }
    const double weight = weights_.empty() ? 1 : weights_[static_cast<std::size_t>(c)];
    const std::int64_t place = (i / inner_ * count_ + c) * inner_ + i % inner_;
    return {-load_as_double(x_.dtype(), x_.data(), place) * weight, weight};
  }

 private:
  const KernelContext& context_;
  const Tensor& x_;
  const Tensor& classes_;
  std::optional<std::int64_t> ignored_;
  std::int64_t count_, inner_ = 1;
  std::vector<double> weights_;
};

void reference(KernelContext& context) {
  const LossReduction reduction = context.attributes<NllLossAttributes>().reduction;
  const Samples samples(context);
  Tensor& y = context.output(0);
  if (reduction == LossReduction::none) {
    parallel_for(y.size(), 4096, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        store_from_double(y.dtype(), y.mutable_data(), i, samples.loss_and_weight(i).first);
      }
    });
    return;
  }
  double losses = 0, weights = 0;
  for (std::int64_t i = 0; i < samples.size(); ++i) {
    const auto [loss, weight] = samples.loss_and_weight(i);
    losses += loss;
    weights += weight;
  }
  store_from_double(y.dtype(), y.mutable_data(), 0,
                    reduction == LossReduction::sum ? losses : losses / weights);
}

}  // namespace

const OpDef& op_nll_loss() {
  static const OpDef def{
      .name = "nll_loss",
      .summary =
          "-log_probabilities[class] * weights[class] of each sample, their sum, or their "
          "mean by weight",
      .attributes = &attribute_schema<NllLossAttributes>(),
      .inputs = {{.name = "log_probabilities", .types = kFloats, .same_as = 'T'},
                 {.name = "classes", .types = kIndices},
                 {.name = "weights", .types = kFloats, .same_as = 'T', .arity = Operand::optional}},
      .outputs = {{.name = "loss", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
