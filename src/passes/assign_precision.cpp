// SPDX-License-Identifier: Apache-2.0
// Convolutions and matrix products with constant weights take their operands rounded to bf16, and
// sum in f32: where the target asks for it, each becomes a fused node whose body casts what is
// rounded and computes in f32 from there,
//
//   %a = cast{bf16}(%x)  %b = cast(%a)  %c = cast(%w)  %y = conv(%b, %c, %bias)  ...
//
// so that the body says exactly where something is rounded. Weights become bf16 constants.
//
// A product's result is bf16 in memory where all who read it round it anyway: products, sums that
// end another product, and moves (views, maxima, cuts, concatenation) that lead to nothing else.
// Whoever else reads it, and the graph's outputs, keep f32; so do sums, biases and functions.
//
// Products of two activations, scaled ones, and convolutions over three axes are left alone.
#include "passes/passes.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <map>

#include "base/float_types.hpp"
#include "base/parallel.hpp"
#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/concat.hpp"
#include "ops/conv.hpp"
#include "ops/fused.hpp"
#include "ops/gemm.hpp"
#include "ops/matmul.hpp"
#include "ops/pool.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"

namespace strop {
namespace {

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

// A node whose product is taken, by its inputs.
struct Product {
  std::size_t x = 0, w = 0;
  std::size_t residual = kNone;  // added to the sum, as large as the result
  bool reads_x_again = false;    // later, as it is
};

Tensor rounded(const Tensor& tensor) {
  Tensor out = Tensor::allocate(DType::bf16, tensor.shape());
  const std::span<const float> from = tensor.values<float>();
  const std::span<bfloat16> to = out.mutable_values<bfloat16>();
  parallel_for(tensor.size(), 4096, [&](std::int64_t begin, std::int64_t end) {
    for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
      to[i] = bfloat16(from[i]);
  });
  return out;
}

bool stays_finite(const Tensor& tensor) {
  const std::span<const float> values = tensor.values<float>();
  return std::ranges::all_of(
      values, [](float v) { return std::isfinite(static_cast<float>(bfloat16(v))); });
}

class Assigner {
 public:
  Assigner(Graph& graph, const PassContext& context)
      : graph_(graph), context_(context), order_(graph.order()) {}

  int run() {
    for (const NodeId id : order_) {
      if (const auto product = as_product(graph_.node(id))) products_.emplace(id, *product);
    }
    if (products_.empty()) return 0;
    find_narrow_values();
    for (const NodeId id : order_) {
      const auto product = products_.find(id);
      if (product != products_.end()) {
        rewrite_product(id, product->second);
      } else if (is_move(graph_.node(id))) {
        rewrite_move(id);
      }
    }
    return rewrites_;
  }

 private:
  bool is_f32(ValueId id) const { return graph_.value(id).type.dtype == DType::f32; }

  const Tensor* weights(ValueId id) const {
    const Value& value = graph_.value(id);
    if (!value.is_constant() || value.type.dtype != DType::f32 || value.constant.size() == 0)
      return nullptr;
    return &value.constant;
  }

  static bool takes_weights(const Node& node, std::int64_t rank) {
    return node.is(op_conv()) ? rank == 3 || rank == 4 : rank == 2;
  }

  static bool is_plain_product(const Node& node) {
    if (node.is(op_conv()) || node.is(op_matmul())) return true;
    if (!node.is(op_gemm())) return false;
    const auto& gemm = node.as<GemmAttributes>();
    return gemm.alpha == 1 && !gemm.trans_a && (!node.input(2).exists() || gemm.beta == 1);
  }

  static bool holds_two_products(const Graph& body) {
    return std::ranges::count_if(body.order(),
                                 [&](NodeId id) { return is_plain_product(body.node(id)); }) > 1;
  }

  std::optional<Product> as_product(const Node& node) const {
    if (node.outputs.size() != 1 || !graph_.value(node.outputs[0]).type.shape) return std::nullopt;
    const bool fused = node.is(op_fused());
    const Node& anchor = fused ? body_of(node).node(body_of(node).order()[0]) : node;
    if (!is_plain_product(anchor) || (fused && holds_two_products(body_of(node))))
      return std::nullopt;
    const auto place = [&](ValueId id) {
      if (!fused)
        return static_cast<std::size_t>(std::ranges::find(node.inputs, id) - node.inputs.begin());
      const auto inputs = body_of(node).inputs();
      return static_cast<std::size_t>(std::ranges::find(inputs, id) - inputs.begin());
    };
    Product out{.x = place(anchor.inputs[0]), .w = place(anchor.inputs[1])};
    if (out.x >= node.inputs.size() || out.w >= node.inputs.size()) return std::nullopt;
    const Tensor* w = weights(node.inputs[out.w]);
    const ValueId x = node.inputs[out.x];
    if (w == nullptr || !takes_weights(anchor, w->rank()) || !is_f32(x) ||
        graph_.value(x).is_constant() || graph_.value(x).type.rank() < 2 || !stays_finite(*w)) {
      return std::nullopt;
    }
    if (fused) {
      // What else reads the weights would see them rounded.
      if (body_of(node).value(anchor.inputs[1]).uses.size() > 1) return std::nullopt;
      out.residual = residual_of(node, place);
      out.reads_x_again =
          out.residual != out.x && body_of(node).value(anchor.inputs[0]).uses.size() > 1;
    }
    return out;
  }

  // What the first step after the sum (or after its bias, a vector) adds.
  template <class Place>
  std::size_t residual_of(const Node& node, const Place& place) const {
    const Graph& body = body_of(node);
    ValueId running = body.node(body.order()[0]).outputs[0];
    for (std::size_t i = 1; i < std::min<std::size_t>(3, body.order().size()); ++i) {
      const Node& step = body.node(body.order()[i]);
      if (!step.is(op_binary()) || step.as<BinaryAttributes>().function != BinaryFunction::add)
        break;
      const ValueId other = step.inputs[step.inputs[0] == running ? 1 : 0];
      const std::size_t at = place(other);
      if (at >= node.inputs.size()) break;
      const Type& type = graph_.value(node.inputs[at]).type;
      if (type.shape == graph_.value(node.outputs[0]).type.shape) return at;
      if (type.rank() != 1) break;
      running = step.outputs[0];
    }
    return kNone;
  }

  // Moves elements, or picks some of them.
  bool is_move(const Node& node) const {
    if (node.inputs.empty() || !node.inputs[0].exists() || !is_f32(node.inputs[0])) return false;
    if (node.is(op_pool())) {
      return node.outputs.size() == 1 && node.as<PoolAttributes>().function == PoolFunction::max &&
             node.as<PoolAttributes>().auto_pad == AutoPad::explicit_pads &&
             graph_.value(node.inputs[0]).type.rank() == 4;
    }
    return node.op->traits.view || node.is(op_concat()) || node.is(op_split()) ||
           node.is(op_slice());
  }

  // Inputs of a move whose elements it moves: all of a concatenation, else the first.
  static std::size_t moved(const Node& node) {
    return node.is(op_concat()) ? node.inputs.size() : 1;
  }

  void find_narrow_values() {
    // What could be bf16, from the products on; then what all readers take as bf16, from the end.
    std::vector<bool> could(graph_.value_count(), false);
    for (const NodeId id : order_) {
      const Node& node = graph_.node(id);
      const bool made = products_.contains(id) || (is_move(node) && all_moved(node, could));
      for (const ValueId output : node.outputs) could[output.index] = made;
    }
    std::vector<bool> wanted(graph_.value_count(), false);
    for (auto id = order_.rbegin(); id != order_.rend(); ++id) {
      for (const ValueId output : graph_.node(*id).outputs) {
        const Value& value = graph_.value(output);
        wanted[output.index] = !value.uses.empty() && !graph_.is_output(output) &&
                               std::ranges::all_of(value.uses, [&](const Use& use) {
                                 return takes(use, could, wanted);
                               });
      }
    }
    narrow_.assign(graph_.value_count(), false);
    for (const NodeId id : order_) {
      const Node& node = graph_.node(id);
      const bool made = products_.contains(id) || (is_move(node) && all_moved(node, narrow_));
      for (const ValueId output : node.outputs)
        narrow_[output.index] = made && wanted[output.index];
    }
  }

  static bool all_moved(const Node& node, const std::vector<bool>& of) {
    return std::all_of(node.inputs.begin(),
                       node.inputs.begin() + static_cast<std::ptrdiff_t>(moved(node)),
                       [&](ValueId input) { return of[input.index]; });
  }

  bool takes(const Use& use, const std::vector<bool>& could,
             const std::vector<bool>& wanted) const {
    const auto product = products_.find(use.node);
    if (product != products_.end())
      return use.input == product->second.residual ||
             (use.input == product->second.x && !product->second.reads_x_again);
    const Node& node = graph_.node(use.node);
    return is_move(node) && use.input < moved(node) && all_moved(node, could) &&
           std::ranges::all_of(node.outputs, [&](ValueId output) { return wanted[output.index]; });
  }

  // The bf16 value that an f32 one was cast from; none: it was not.
  ValueId source(ValueId id) const {
    const Value& value = graph_.value(id);
    if (!value.producer.exists()) return ValueId::none();
    const Node& node = graph_.node(value.producer);
    const bool is = node.is(op_cast()) && value.type.dtype == DType::f32 &&
                    graph_.value(node.inputs[0]).type.dtype == DType::bf16;
    return is ? node.inputs[0] : ValueId::none();
  }

  bool is_narrow(ValueId id) const { return id.index < narrow_.size() && narrow_[id.index]; }

  static std::string narrow_name(const std::string& name) { return name + "_bf16"; }

  // Puts bf16 `made` in the place of f32 `before`, for whom does not look through the cast.
  static void replace_by_cast(Patch& patch, ValueId before, ValueId made) {
    patch.replace(before, patch.emit(op_cast(), CastAttributes{.to = DType::f32}, {made}));
  }

  void rewrite_move(NodeId id) {
    const Node& node = graph_.node(id);
    if (!std::ranges::all_of(node.outputs, [&](ValueId v) { return is_narrow(v); })) return;
    std::vector<ValueId> inputs = node.inputs;
    for (std::size_t i = 0; i < moved(node); ++i) {
      inputs[i] = source(inputs[i]);
      if (!inputs[i].exists()) return;
    }
    Patch patch(graph_, "keep " + label_of(node) + " in bf16");
    patch.descend_from(node);
    Emitter::Options options;
    options.name = node.name;
    const std::vector<ValueId> before = node.outputs;
    for (const ValueId output : before)
      options.output_names.push_back(narrow_name(graph_.value(output).name));
    const auto after =
        patch.emit(*node.op, node.attributes, inputs, before.size(), std::move(options));
    for (std::size_t i = 0; i < before.size(); ++i) replace_by_cast(patch, before[i], after[i]);
    apply(patch);
  }

  void rewrite_product(NodeId id, const Product& product) {
    const Node& node = graph_.node(id);
    const ValueId before = node.outputs[0];
    const bool narrow = is_narrow(before);
    std::string kind =
        node.is(op_fused()) ? node.as<FusedAttributes>().kind : std::string(node.op->name);
    Patch patch(graph_, "round the operands of " + label_of(node) + " to bf16");
    patch.descend_from(node);
    std::vector<ValueId> inputs = node.inputs;
    inputs[product.w] = narrow_weights(patch, node.inputs[product.w]);
    for (const std::size_t i : {product.x, product.residual}) {
      if (i == kNone) continue;
      if (const ValueId from = source(inputs[i]); from.exists()) inputs[i] = from;
    }
    Emitter::Options options;
    options.name = node.name;
    options.subgraphs.push_back(
        std::make_shared<const Graph>(body(node, product, inputs, patch, narrow)));
    if (narrow) options.output_names = {narrow_name(graph_.value(before).name)};
    std::vector<ValueId> given;
    std::ranges::copy_if(inputs, std::back_inserter(given), [](ValueId v) { return v.exists(); });
    const ValueId made = patch.emit(op_fused(), FusedAttributes{"bf16 " + kind}, std::move(given),
                                    1, std::move(options))[0];
    if (narrow) {
      replace_by_cast(patch, before, made);
    } else {
      patch.replace(before, made);
    }
    apply(patch);
  }

  // The node as a body over `inputs`, which may be bf16 where the node's own are f32.
  Graph body(const Node& node, const Product& product, const std::vector<ValueId>& inputs,
             const Patch& patch, bool narrow) const {
    GraphBuilder builder("body", graph_.scope() + std::to_string(graph_.node_slots()) + "body/");
    std::vector<ValueId> values(inputs.size(), ValueId::none());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].exists())
        values[i] = builder.add_input(patch.value(inputs[i]).name, patch.type(inputs[i]));
    }
    const auto cast = [&](ValueId x, DType to, std::string name) {
      return builder.emit(op_cast(), CastAttributes{.to = to}, {x}, 1,
                          {.output_names = {std::move(name)}})[0];
    };
    const auto widened = [&](ValueId x) {
      return cast(x, DType::f32, builder.value(x).name + "_f32");
    };
    ValueId x = values[product.x];
    if (builder.type(x).dtype != DType::bf16)
      x = cast(x, DType::bf16, narrow_name(builder.value(x).name));
    x = widened(x);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!values[i].exists() || builder.type(values[i]).dtype != DType::bf16) continue;
      values[i] = i == product.x ? x : widened(values[i]);
    }
    ValueId y = node.is(op_fused()) ? emit_steps(builder, node, values, x)
                                    : emit_alone(builder, node, product, values, x);
    const std::string& name = graph_.value(node.outputs[0]).name;
    if (narrow) y = cast(y, DType::bf16, narrow_name(name));
    builder.add_output(y, narrow ? narrow_name(name) : name);
    return builder.take();
  }

  ValueId emit_alone(GraphBuilder& builder, const Node& node, const Product& product,
                     std::vector<ValueId> values, ValueId x) const {
    values[product.x] = x;
    Emitter::Options options;
    options.name = node.name;
    options.origins = node.origins;
    options.output_names = {graph_.value(node.outputs[0]).name};
    return builder.emit(*node.op, node.attributes, std::move(values), 1, std::move(options))[0];
  }

  // The body's nodes; the first one reads `x`, the others what there is of it.
  static ValueId emit_steps(GraphBuilder& builder, const Node& node,
                            const std::vector<ValueId>& values, ValueId x) {
    const Graph& body = body_of(node);
    std::map<ValueId, ValueId> made;
    for (std::size_t i = 0; i < values.size(); ++i) made.emplace(body.inputs()[i], values[i]);
    for (const NodeId id : body.order()) {
      const Node& step = body.node(id);
      std::vector<ValueId> inputs;
      for (const ValueId input : step.inputs) {
        if (!input.exists()) {
          inputs.push_back(input);
        } else if (body.value(input).is_constant()) {
          inputs.push_back(builder.constant(body.value(input).constant));
        } else {
          inputs.push_back(made.at(input));
        }
      }
      if (id == body.order()[0]) inputs[0] = x;
      Emitter::Options options;
      options.name = step.name;
      options.origins = step.origins;
      options.output_names = {body.value(step.outputs[0]).name};
      made[step.outputs[0]] =
          builder.emit(*step.op, step.attributes, std::move(inputs), 1, std::move(options))[0];
    }
    return made.at(body.outputs()[0]);
  }

  // The same constant for all products that share it.
  ValueId narrow_weights(Patch& patch, ValueId id) {
    const auto [at, fresh] = weights_.try_emplace(id);
    if (fresh)
      at->second = patch.constant(rounded(graph_.value(id).constant), graph_.value(id).name);
    return at->second;
  }

  void apply(Patch& patch) {
    context_.apply(patch, graph_);
    ++rewrites_;
  }

  Graph& graph_;
  const PassContext& context_;
  const std::vector<NodeId> order_;
  std::map<NodeId, Product> products_;
  std::vector<bool> narrow_;            // by value: it becomes bf16 in memory
  std::map<ValueId, ValueId> weights_;  // f32 to bf16
  int rewrites_ = 0;
};

int run(Graph& graph, const PassContext& context) {
  return context.target.operands == DType::bf16 ? Assigner(graph, context).run() : 0;
}

}  // namespace

Pass assign_precision() {
  return {
      .name = "assign_precision",
      .summary = "rounds the operands of products to the type that the target asks for",
      .run = run,
  };
}

}  // namespace strop
