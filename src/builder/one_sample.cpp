// SPDX-License-Identifier: Apache-2.0
#include "builder/one_sample.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "ops/arg_reduce.hpp"
#include "ops/attention.hpp"
#include "ops/batch_norm.hpp"
#include "ops/conv.hpp"
#include "ops/conv_integer.hpp"
#include "ops/conv_transpose.hpp"
#include "ops/dequantize_linear.hpp"
#include "ops/expand.hpp"
#include "ops/gemm.hpp"
#include "ops/group_norm.hpp"
#include "ops/layer_norm.hpp"
#include "ops/lrn.hpp"
#include "ops/matmul.hpp"
#include "ops/matmul_integer.hpp"
#include "ops/pool.hpp"
#include "ops/quantize_linear.hpp"
#include "ops/reduce.hpp"
#include "ops/requantize.hpp"
#include "ops/reshape.hpp"
#include "ops/resize.hpp"
#include "ops/shape.hpp"
#include "ops/size.hpp"
#include "ops/softmax.hpp"
#include "ops/table_lookup.hpp"

namespace strop {
namespace {

using Axis = std::int64_t;
constexpr Axis kNoAxis = -1;

// Where samples lie in a value: along `axis`, of whose indices each sample has a run, once in every
// `slices` parts of the axis. More than one slice: what was before the batch was merged with it.
struct Place {
  Axis axis = kNoAxis;
  std::int64_t slices = 1;

  bool exists() const { return axis != kNoAxis; }
};

bool is_one_of(const Node& node, std::span<const OpDef* const> ops) {
  return std::ranges::any_of(ops, [&](const OpDef* op) { return node.is(*op); });
}

// Whether the elements of a sample follow from that sample alone, where samples lie along `axis` of
// an input and along some axis of the result: a sum over them has none.
bool keeps_samples_apart(const Node& node, Axis axis, std::int64_t rank) {
  const std::array anywhere = {&op_matmul(),
                               &op_gemm(),
                               &op_reduce(),
                               &op_arg_reduce(),
                               &op_batch_norm(),
                               &op_quantize_linear(),
                               &op_dequantize_linear(),
                               &op_matmul_integer(),
                               &op_requantize(),
                               &op_table_lookup()};
  const std::array leading = {&op_conv(),       &op_conv_integer(), &op_conv_transpose(),
                              &op_pool(),       &op_resize(),       &op_lrn(),
                              &op_group_norm(), &op_attention()};
  if (!node.subgraphs.empty() || node.op->traits.nondeterministic) return false;
  if (node.is(op_softmax())) return normalize_axis(node.as<SoftmaxAttributes>().axis, rank) != axis;
  if (node.is(op_layer_norm())) return axis < node.as<LayerNormAttributes>().axis;
  if (is_one_of(node, leading)) return axis == 0;
  const OpTraits& traits = node.op->traits;
  return traits.pointwise || traits.moves_only || is_one_of(node, anywhere);
}

// Sizes that do not fit, or are too large to compute with.
bool is_about_shapes(const Error& error) {
  return error.code() != ErrorCode::out_of_memory && error.code() != ErrorCode::internal;
}

bool is_parameter(const Node& node, std::size_t input) {
  return input < 32 && ((node.op->traits.parameter_inputs >> input) & 1u) != 0;
}

// Elements of the dimensions before an axis; nothing where one of them is open.
std::optional<std::int64_t> elements_before(const SymShape& shape, Axis axis) {
  const Dim out = product({shape.begin(), shape.begin() + axis});
  if (!out.is_constant()) return std::nullopt;
  return out.value();
}

// Where a view has the batch that what it reads has at `place`.
Place place_in_view(const SymShape& from, const SymShape& to, Place place, std::int64_t batch) {
  const auto outer = elements_before(from, place.axis);
  if (!outer) {  // the same place, if all before it is the same
    const bool same = static_cast<std::size_t>(place.axis) < to.size() &&
                      std::equal(from.begin(), from.begin() + place.axis, to.begin());
    return same ? place : Place{};
  }
  const std::int64_t before = *outer * place.slices;  // the batch
  for (Axis at = 0; at < static_cast<Axis>(to.size()); ++at) {
    const auto now = elements_before(to, at);
    if (!now || *now > before) return {};
    const Dim reached = Dim(*now) * to[static_cast<std::size_t>(at)];
    const bool here =
        reached.is_constant() ? (reached - Dim(before) * Dim(batch)).value() >= 0 : *now == before;
    if (!here) continue;
    return *now > 0 && before % *now == 0 ? Place{at, before / *now} : Place{};
  }
  return {};
}

// What a constant holds for the first of `batch` samples along an axis. `may_differ`: between
// samples; else the first would say nothing of the others.
std::optional<Tensor> first_sample(const Tensor& all, Axis axis, std::int64_t batch,
                                   bool may_differ) {
  if (all.rank() <= axis || all.size() == 0 || all.dim(axis) % batch != 0 ||
      all.bytes() % all.size() != 0 || all.bytes() == 0)
    return std::nullopt;
  Shape shape = all.shape();
  shape[static_cast<std::size_t>(axis)] /= batch;
  Tensor out = Tensor::allocate(all.dtype(), shape);
  std::int64_t rows = 1;
  for (Axis i = 0; i < axis; ++i) rows *= all.dim(i);
  const auto block = static_cast<std::size_t>(out.bytes() / rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::byte* first = all.data() + all.bytes() / rows * row;
    for (std::int64_t sample = 1; sample < batch && !may_differ; ++sample) {
      if (std::memcmp(first, first + block * static_cast<std::size_t>(sample), block) != 0)
        return std::nullopt;
    }
    std::memcpy(out.mutable_data() + block * static_cast<std::size_t>(row), first, block);
  }
  return out;
}

class OneSample {
 public:
  OneSample(const Graph& graph, std::int64_t batch)
      : graph_(graph),
        batch_(batch),
        out_(graph.name(), graph.scope()),
        ids_(graph.value_count()),
        places_(graph.value_count()) {}

  std::optional<Graph> run() {
    for (const ValueId id : graph_.inputs()) add_input(id);
    for (const NodeId id : graph_.order()) {
      if (!add_node(graph_.node(id))) return std::nullopt;
    }
    for (std::size_t i = 0; i < graph_.outputs().size(); ++i)
      out_.add_output(copied(graph_.outputs()[i]), graph_.output_name(i));
    return out_.take();
  }

 private:
  const Value& value(ValueId id) const { return graph_.value(id); }
  Place place_of(ValueId id) const { return id.exists() ? places_[id.index] : Place{}; }
  Axis axis_of(ValueId id) const { return place_of(id).axis; }

  void add_input(ValueId id) {
    Type type = value(id).type;
    if (!type.shape->empty() && (*type.shape)[0].is(batch_)) {
      (*type.shape)[0] = 1;
      places_[id.index].axis = 0;
    }
    ids_[id.index] = out_.add_input(value(id).name, std::move(type));
  }

  ValueId copied(ValueId id) {
    if (!id.exists()) return id;
    if (!ids_[id.index].exists())
      ids_[id.index] = out_.constant(value(id).constant, value(id).name);
    return ids_[id.index];
  }

  std::vector<ValueId> copied_inputs(const Node& node) {
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(copied(id));
    return inputs;
  }

  bool add_node(const Node& node) {
    const auto many =
        std::ranges::find_if(node.inputs, [&](ValueId id) { return axis_of(id) != kNoAxis; });
    std::vector<ValueId> inputs = copied_inputs(node);
    const bool apart = many == node.inputs.end() || node.is(op_shape()) || node.is(op_size());
    if (!apart) {
      for (const ValueId id : node.inputs) {
        if (axis_of(id) == kNoAxis) continue;
        const std::int64_t rank = value(id).type.rank();
        if (!keeps_samples_apart(node, axis_of(id), rank)) return false;
        if (place_of(id).slices != place_of(*many).slices) return false;
      }
    }
    std::optional<std::vector<Place>> places = try_node(node, inputs, apart);
    if (!places && !apart) {
      inputs = inputs_of_one(node, *many);
      places = try_node(node, inputs, apart);
    }
    if (!places) return false;
    Emitter::Options options{.name = node.name, .subgraphs = node.subgraphs};
    for (const ValueId id : node.outputs) options.output_names.push_back(value(id).name);
    const std::vector<ValueId> made = out_.emit(*node.op, node.attributes, std::move(inputs),
                                                node.outputs.size(), std::move(options));
    for (std::size_t i = 0; i < made.size(); ++i) {
      ids_[node.outputs[i].index] = made[i];
      places_[node.outputs[i].index] = (*places)[i];
    }
    return true;
  }

  // The place of the batch in each output; nothing where the outputs are not those of one sample.
  // `apart`: they have no batch.
  std::optional<std::vector<Place>> try_node(const Node& node, const std::vector<ValueId>& inputs,
                                             bool apart) const {
    Node probe = node;
    probe.inputs = inputs;
    std::vector<InferOutput> outputs;
    std::vector<ShapeConstraint> constraints;
    try {
      infer_node(
          probe, [this](ValueId id) -> const Value& { return out_.value(id); }, "one sample",
          node.outputs.size(), outputs, constraints);
    } catch (const Error& error) {
      if (!is_about_shapes(error)) throw;
      return std::nullopt;
    }
    std::vector<Place> places;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      const Type& before = value(node.outputs[i]).type;
      const Axis axis = apart ? kNoAxis : divided_axis(before, outputs[i].type);
      if (apart ? !(before == outputs[i].type) : axis == kNoAxis) return std::nullopt;
      places.push_back({axis, apart ? 1 : slices_of_inputs(node)});
      if (apart || !node.op->traits.view) continue;
      places.back() = view_place(node);
      if (axis != places.back().axis) return std::nullopt;
    }
    return places;
  }

  // The one dimension that is divided by the batch, with all others as before.
  Axis divided_axis(const Type& before, const Type& after) const {
    if (!before.shape || before.dtype != after.dtype || before.rank() != after.rank())
      return kNoAxis;
    Axis found = kNoAxis;
    for (Axis axis = 0; axis < before.rank(); ++axis) {
      const Dim& old = (*before.shape)[static_cast<std::size_t>(axis)];
      const Dim& now = (*after.shape)[static_cast<std::size_t>(axis)];
      if (old == now) continue;
      if (found != kNoAxis || !(now * Dim(batch_) == old)) return kNoAxis;
      found = axis;
    }
    return found;
  }

  // The same in all inputs that have the batch.
  std::int64_t slices_of_inputs(const Node& node) const {
    for (const ValueId id : node.inputs) {
      if (axis_of(id) != kNoAxis) return place_of(id).slices;
    }
    return 1;
  }

  Place view_place(const Node& node) const {
    const Type& from = value(node.inputs[0]).type;
    const Type& to = value(node.outputs[0]).type;
    if (!from.shape || !to.shape || axis_of(node.inputs[0]) == kNoAxis) return {};
    return place_in_view(*from.shape, *to.shape, place_of(node.inputs[0]), batch_);
  }

  // The inputs with what has the batch in it, but follows from no input of the graph, for one
  // sample. `many` is the first input that has the batch.
  std::vector<ValueId> inputs_of_one(const Node& node, ValueId many) {
    std::vector<ValueId> inputs = copied_inputs(node);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      if (!id.exists() || axis_of(id) != kNoAxis) continue;
      const std::optional<ValueId> one =
          is_parameter(node, i) ? parameter_of_one(node, id, many) : operand_of_one(node, id, many);
      if (one) inputs[i] = *one;
    }
    return inputs;
  }

  std::optional<ValueId> parameter_of_one(const Node& node, ValueId id, ValueId many) {
    if (node.is(op_reshape())) return sizes_of_one(id, view_place(node).axis);
    if (node.is(op_expand()) || node.is(op_resize())) {
      return sizes_of_one(id, axis_of(many) + length_of(id) - value(many).type.rank());
    }
    return std::nullopt;
  }

  std::optional<ValueId> operand_of_one(const Node& node, ValueId id, ValueId many) {
    if (place_of(many).slices > 1) return std::nullopt;
    if (node.op->traits.pointwise) {  // broadcast: axes count from the last one
      const Axis axis = axis_of(many) + value(id).type.rank() - value(many).type.rank();
      return made_for_one(id, axis, false);
    }
    // What moves are told by may be indices, which differ between samples.
    const DType dtype = value(id).type.dtype;
    const bool indices = dtype == DType::i64 || dtype == DType::i32;
    if (node.op->traits.moves_only || node.is(op_attention()))
      return made_for_one(id, axis_of(many), node.op->traits.moves_only && indices);
    return std::nullopt;
  }

  // Of a constant vector.
  Axis length_of(ValueId id) const {
    const Tensor& vector = value(id).constant;
    return vector.defined() && vector.rank() == 1 ? vector.size() : 0;
  }

  // Sizes with the one of `axis` divided by the batch.
  std::optional<ValueId> sizes_of_one(ValueId id, Axis axis) {
    const Value& sizes = value(id);
    if (!sizes.is_constant() || sizes.constant.dtype() != DType::i64 ||
        sizes.constant.rank() != 1 || axis < 0 || axis >= sizes.constant.size())
      return std::nullopt;
    std::vector<std::int64_t> numbers = sizes.constant.to_i64();
    std::int64_t& size = numbers[static_cast<std::size_t>(axis)];
    if (size <= 0 || size % batch_ != 0) return std::nullopt;
    size /= batch_;
    return out_.constant(Tensor::from<std::int64_t>(sizes.constant.shape(), numbers),
                         name_of_one(id));
  }

  // A constant, or a constant expanded to the batch, with the batch along `axis`.
  std::optional<ValueId> made_for_one(ValueId id, Axis axis, bool may_differ) {
    if (axis < 0) return std::nullopt;
    if (value(id).is_constant()) {
      auto one = first_sample(value(id).constant, axis, batch_, may_differ);
      if (!one) return std::nullopt;
      return out_.constant(std::move(*one), name_of_one(id));
    }
    const Node* expand = graph_.producer(id);
    if (expand == nullptr || !expand->is(op_expand()) || !value(expand->inputs[0]).is_constant())
      return std::nullopt;
    const ValueId sizes = expand->inputs[1];
    const auto wanted = sizes_of_one(sizes, axis + length_of(sizes) - value(id).type.rank());
    if (!wanted) return std::nullopt;
    return out_.emit(op_expand(), expand->attributes, {copied(expand->inputs[0]), *wanted}, 1,
                     {.output_names = {name_of_one(id)}})[0];
  }

  std::string name_of_one(ValueId id) const { return value(id).name + ":one_sample"; }

  const Graph& graph_;
  const std::int64_t batch_;
  GraphBuilder out_;
  std::vector<ValueId> ids_;   // by value: its copy
  std::vector<Place> places_;  // by value: that of the batch; none where it depends on no sample
};

// The leading dimension above 1 that inputs of rank 2 and more have in common; 1 when there is
// none.
std::int64_t fixed_batch(const Graph& graph) {
  std::int64_t batch = 1;
  for (const ValueId id : graph.inputs()) {
    const Type& type = graph.value(id).type;
    if (type.is_boxed() || !type.shape) return 1;
    if (type.rank() < 2 || !(*type.shape)[0].is_constant()) continue;
    const std::int64_t leading = (*type.shape)[0].value();
    if (leading == 0 || (leading > 1 && batch > 1 && leading != batch)) return 1;
    batch = std::max(batch, leading);
  }
  return batch;
}

}  // namespace

std::optional<Graph> one_sample_of(const Graph& graph) {
  const std::int64_t batch = fixed_batch(graph);
  if (batch == 1) return std::nullopt;
  try {
    return OneSample(graph, batch).run();
  } catch (const Error& error) {
    if (!is_about_shapes(error)) throw;
    return std::nullopt;
  }
}

}  // namespace strop
