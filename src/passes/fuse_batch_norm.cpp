// SPDX-License-Identifier: Apache-2.0
// A convolution or matrix product followed by a * y + b with constants per output channel (batch
// normalisation, scaling, a bias added) becomes one node with other weights:
//
//   s * (W x + c) + t = (s W) x + (s c + t)
//
// Batch normalisation is s = scale / sqrt(variance + epsilon), t = bias - mean * s. All of it is
// computed in double precision and rounded once into the weights. The sum's terms are rounded at
// other places than before, so the pass does nothing for a precise target. It applies where nobody
// else reads the results in between.
#include "passes/passes.hpp"

#include <algorithm>
#include <cmath>

#include "base/parallel.hpp"
#include "ops/batch_norm.hpp"
#include "ops/binary.hpp"
#include "ops/conv.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "passes/uniform_constant.hpp"

namespace strop {
namespace {

// y ↦ scale[m] * y + shift[m] for output channel m.
struct Affine {
  std::vector<double> scale, shift;

  explicit Affine(std::int64_t channels)
      : scale(static_cast<std::size_t>(channels), 1),
        shift(static_cast<std::size_t>(channels), 0) {}
  // y ↦ a * (this) + b
  void then(const std::vector<double>& a, const std::vector<double>& b) {
    for (std::size_t m = 0; m < scale.size(); ++m) {
      scale[m] *= a[m];
      shift[m] = shift[m] * a[m] + b[m];
    }
  }
  bool scales() const {
    return std::ranges::any_of(scale, [](double s) { return s != 1; });
  }
  bool shifts() const {
    return std::ranges::any_of(shift, [](double t) { return t != 0; });
  }
  bool finite() const {
    const auto is_finite = [](double v) { return std::isfinite(v); };
    return std::ranges::all_of(scale, is_finite) && std::ranges::all_of(shift, is_finite);
  }
};

// A product whose weights are at hand: its output channels and where they lie in its weights.
struct Product {
  std::int64_t rank = 0, axis = 0, channels = 0;         // of the output
  std::function<std::int64_t(std::int64_t)> channel_of;  // index into the weights → output channel
};

std::optional<Product> as_product(const Graph& graph, const Node& node) {
  const auto constant = [&](std::size_t i) -> const Tensor* {
    if (!node.input(i).exists()) return nullptr;
    const Value& value = graph.value(node.inputs[i]);
    return value.is_constant() ? &value.constant : nullptr;
  };
  const Tensor* w = constant(1);
  if (w == nullptr || w->size() == 0 || !kFloats.contains(w->dtype())) return std::nullopt;
  if (node.input(2).exists() && constant(2) == nullptr) return std::nullopt;
  Product out;
  out.rank = graph.value(node.outputs[0]).type.rank();
  if (out.rank < 1) return std::nullopt;
  if (node.is(op_conv())) {
    const std::int64_t per_channel = w->size() / w->dim(0);
    out.axis = 1;
    out.channels = w->dim(0);
    out.channel_of = [per_channel](std::int64_t i) { return i / per_channel; };
    return out;
  }
  if (node.is(op_conv_transpose())) {
    // w is [C, M / group, taps...]; input channel c belongs to group c / (C / group).
    const std::int64_t group = node.as<ConvTransposeAttributes>().group;
    const std::int64_t taps = w->size() / w->dim(0) / w->dim(1);
    const std::int64_t columns = w->dim(1);
    const std::int64_t in_group = w->dim(0) / group;
    out.axis = 1;
    out.channels = columns * group;
    out.channel_of = [=](std::int64_t i) {
      return i / taps / columns / in_group * columns + i / taps % columns;
    };
    return out;
  }
  if (w->rank() != 2) return std::nullopt;
  const bool rows = node.is(op_gemm()) && node.as<GemmAttributes>().trans_b;
  if (!node.is(op_gemm()) && !node.is(op_matmul())) return std::nullopt;
  const std::int64_t columns = w->dim(1);
  out.axis = out.rank - 1;
  out.channels = rows ? w->dim(0) : columns;
  out.channel_of = [rows, columns](std::int64_t i) { return rows ? i / columns : i % columns; };
  // The bias of a gemm may also differ by row; then it is no number per channel.
  if (node.input(2).exists() &&
      !channel_constant(graph.value(node.inputs[2]), 2, 1, out.channels)) {
    return std::nullopt;
  }
  return out;
}

class Fuser {
 public:
  Fuser(Graph& graph, const PassContext& context) : graph_(graph), context_(context) {}

  int run() {
    const std::vector<NodeId> order = graph_.order();
    int fused = 0;
    for (const NodeId id : order) {
      if (graph_.node(id).outputs.size() == 1 && fuse(graph_.node(id))) ++fused;
    }
    return fused;
  }

 private:
  // Follows `running` over nodes that scale and shift it; returns what they make of it in the end.
  ValueId follow(ValueId running, const Product& product, Affine& affine,
                 std::vector<const Node*>& steps) const {
    while (graph_.has_single_use(running)) {
      const Node& node = graph_.node(graph_.value(running).uses[0].node);
      if (node.outputs.size() != 1 ||
          !(graph_.value(node.outputs[0]).type == graph_.value(running).type) ||
          !(apply_binary(node, running, product, affine) ||
            apply_batch_norm(node, running, product, affine))) {
        break;
      }
      steps.push_back(&node);
      running = node.outputs[0];
    }
    return running;
  }

  bool apply_binary(const Node& node, ValueId running, const Product& product,
                    Affine& affine) const {
    if (!node.is(op_binary())) return false;
    const bool second = node.inputs[1] == running;
    const Value& other = graph_.value(node.inputs[second ? 0 : 1]);
    const auto c = channel_constant(other, product.rank, product.axis, product.channels);
    if (!c) return false;
    const std::vector<double> ones(c->size(), 1), zeros(c->size(), 0);
    std::vector<double> factor = ones, term = zeros;
    switch (node.as<BinaryAttributes>().function) {
      case BinaryFunction::add:
        term = *c;
        break;
      case BinaryFunction::sub:
        for (std::size_t m = 0; m < c->size(); ++m) {
          factor[m] = second ? -1 : 1;
          term[m] = second ? (*c)[m] : -(*c)[m];
        }
        break;
      case BinaryFunction::mul:
        factor = *c;
        break;
      case BinaryFunction::div:
        if (second) return false;
        for (std::size_t m = 0; m < c->size(); ++m) factor[m] = 1 / (*c)[m];
        break;
      default:
        return false;
    }
    affine.then(factor, term);
    return true;
  }

  bool apply_batch_norm(const Node& node, ValueId running, const Product& product,
                        Affine& affine) const {
    if (!node.is(op_batch_norm()) || node.inputs.size() != 5 || node.inputs[0] != running ||
        product.axis != 1) {
      return false;
    }
    std::vector<std::vector<double>> parameters;
    for (std::size_t i = 1; i < 5; ++i) {
      // Parameters are vectors over the channels, whatever the rank of x.
      const auto values = channel_constant(graph_.value(node.inputs[i]), 1, 0, product.channels);
      if (!values) return false;
      parameters.push_back(*values);
    }
    const auto& [scale, bias, mean, variance] =
        std::tie(parameters[0], parameters[1], parameters[2], parameters[3]);
    const double epsilon = node.as<BatchNormAttributes>().epsilon;
    std::vector<double> factor(scale.size()), term(scale.size());
    for (std::size_t m = 0; m < scale.size(); ++m) {
      factor[m] = scale[m] / std::sqrt(variance[m] + epsilon);
      term[m] = bias[m] - mean[m] * factor[m];
    }
    affine.then(factor, term);
    return true;
  }

  bool fuse(const Node& node) {
    const auto product = as_product(graph_, node);
    if (!product) return false;
    Affine affine(product->channels);
    std::vector<const Node*> steps;
    const ValueId result = follow(node.outputs[0], *product, affine, steps);
    // A matrix product has no bias of its own: only a scale makes it another one.
    if (steps.empty() || (node.is(op_matmul()) && !affine.scales())) return false;
    if (!affine.finite()) {
      context_.note("left " + label_of(node) + ": its scale or shift is not finite");
      return false;
    }
    Patch patch(graph_, "fuse scale and shift into " + label_of(node));
    patch.descend_from(node);
    for (const Node* step : steps) patch.descend_from(*step);
    patch.replace(result, emit(patch, node, *product, affine));
    context_.apply(patch, graph_);
    return true;
  }

  ValueId emit(Patch& patch, const Node& node, const Product& product, const Affine& affine) const {
    std::vector<ValueId> inputs = {node.inputs[0], node.inputs[1]};
    const Value& w = graph_.value(node.inputs[1]);
    if (affine.scales()) inputs[1] = patch.constant(scaled(w.constant, product, affine), w.name);
    const auto vector = [&](const std::vector<double>& values) {
      Tensor tensor = Tensor::allocate(w.constant.dtype(), {product.channels});
      for (std::int64_t m = 0; m < product.channels; ++m)
        store_from_double(tensor.dtype(), tensor.mutable_data(), m,
                          values[static_cast<std::size_t>(m)]);
      return patch.constant(std::move(tensor));
    };
    Attributes attributes = node.attributes;
    if (!node.is(op_matmul())) {
      std::vector<double> bias = affine.shift;
      double beta = 1;
      if (node.is(op_gemm())) {
        GemmAttributes gemm = node.as<GemmAttributes>();
        beta = gemm.beta;
        gemm.beta = 1;
        attributes = gemm;
      }
      if (node.input(2).exists()) {
        const bool is_gemm = node.is(op_gemm());
        const auto own = channel_constant(graph_.value(node.inputs[2]), is_gemm ? 2 : 1,
                                          is_gemm ? 1 : 0, product.channels);
        STROP_CHECK(own.has_value(), "a bias has one number per channel");
        for (std::size_t m = 0; m < bias.size(); ++m) bias[m] += affine.scale[m] * beta * (*own)[m];
      }
      inputs.push_back(vector(bias));
    }
    Emitter::Options options;
    options.name = node.name;
    const ValueId y = patch.emit(*node.op, std::move(attributes), inputs, 1, options)[0];
    if (!node.is(op_matmul()) || !affine.shifts()) return y;
    return patch.emit(op_binary(), BinaryAttributes{BinaryFunction::add},
                      {y, vector(affine.shift)});
  }

  static Tensor scaled(const Tensor& weights, const Product& product, const Affine& affine) {
    Tensor out = Tensor::allocate(weights.dtype(), weights.shape());
    parallel_for(weights.size(), 4096, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const double factor = affine.scale[static_cast<std::size_t>(product.channel_of(i))];
        if (weights.dtype() == DType::f32) {  // nearly all weights; the rest goes the slow way
          const auto at = static_cast<std::size_t>(i);
          out.mutable_values<float>()[at] =
              static_cast<float>(weights.values<float>()[at] * factor);
        } else {
          store_from_double(out.dtype(), out.mutable_data(), i,
                            load_as_double(weights.dtype(), weights.data(), i) * factor);
        }
      }
    });
    return out;
  }

  Graph& graph_;
  const PassContext& context_;
};

int run(Graph& graph, const PassContext& context) {
  return context.target.precise ? 0 : Fuser(graph, context).run();
}

}  // namespace

Pass fuse_batch_norm() {
  return {
      .name = "fuse_batch_norm",
      .summary =
          "folds batch normalisation, scales and biases after a convolution or matrix product "
          "into its weights",
      .run = run,
  };
}

}  // namespace strop
