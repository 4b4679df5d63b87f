// SPDX-License-Identifier: Apache-2.0
// Tensors of bytes get a multiple of sixteen channels where convolutions on tensor cores read them:
// the copies that feed those (TMA) take rows of channels that lie at multiples of 16 bytes. Filters
// of zeros (of the zero point, where there is one) make the further channels; what works channel by
// channel carries them along, whatever becomes of them; and the weights of zeros by which the
// convolutions and products at the end multiply them keep them out of every sum. The result is the
// same to the byte.
//
// What is padded is a connected set of tensors, tied by the nodes among them (channel_ties.hpp).
// All of its makers must be convolutions, and nobody may see its channels in another way: it holds
// no input or output of the graph, no concat, slice or transpose reads it.
//
// For GPUs whose kernels copy so (wgmma). After all that folds constants or rewrites integer
// operators, and before fuse_epilogue, which hides nodes in bodies.
#include <algorithm>
#include <cstring>

#include "ops/binary.hpp"
#include "ops/conv_integer.hpp"
#include "ops/requantize.hpp"
#include "ops/reshape.hpp"
#include "passes/channel_ties.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

constexpr std::int64_t kMultiple = 16;
// Up to four channels have a kernel of their own (conv_stem_s8), which copies otherwise.
constexpr std::int64_t kFewestChannels = 5;
// An image may grow by half: most of what reads and writes it is bound by memory, and pays for each
// further byte. Single pixels are few beside the weights.
constexpr std::int64_t most_padded(std::int64_t channels) { return channels + channels / 2; }

std::int64_t padded(std::int64_t channels) {
  return (channels + kMultiple - 1) / kMultiple * kMultiple;
}

// The tensor with zeros behind it along the axis.
Tensor with_zeros(const Tensor& tensor, std::int64_t axis, std::int64_t size) {
  Shape shape = tensor.shape();
  std::int64_t blocks = 1;
  for (std::int64_t i = 0; i < axis; ++i) blocks *= tensor.dim(i);
  shape[static_cast<std::size_t>(axis)] = size;
  Tensor out = Tensor::zeros(tensor.dtype(), shape);
  if (tensor.size() == 0) return out;
  const std::int64_t from = tensor.bytes() / blocks, to = out.bytes() / blocks;
  for (std::int64_t i = 0; i < blocks; ++i)
    std::memcpy(out.mutable_data() + i * to, tensor.data() + i * from,
                static_cast<std::size_t>(from));
  return out;
}

// [filters, channels, kernel...] with further ones of both, which hold the filter's zero point.
Tensor with_filters(const Tensor& weights, const Tensor* zeros, std::int64_t filters,
                    std::int64_t channels) {
  Shape shape = weights.shape();
  const std::int64_t known = shape[0], taps = weights.size() / (shape[0] * shape[1]);
  const std::int64_t from = shape[1] * taps, to = channels * taps;
  shape[0] = filters;
  shape[1] = channels;
  Tensor out = Tensor::zeros(weights.dtype(), shape);
  for (std::int64_t i = 0; i < filters; ++i) {
    std::byte* row = out.mutable_data() + i * to;
    if (zeros != nullptr && (zeros->size() == 1 || i < known))
      std::memset(row, std::to_integer<int>(zeros->data()[zeros->size() == 1 ? 0 : i]),
                  static_cast<std::size_t>(to));
    if (i < known) std::memcpy(row, weights.data() + i * from, static_cast<std::size_t>(from));
  }
  return out;
}

// [rows, columns] with further rows, which hold each column's zero point.
Tensor with_rows(const Tensor& matrix, const Tensor* zeros, std::int64_t rows) {
  Tensor out = with_zeros(matrix, 0, rows);
  const std::int64_t columns = matrix.dim(1);
  for (std::int64_t at = matrix.size(); zeros != nullptr && at < out.size(); ++at)
    out.mutable_data()[at] = zeros->data()[zeros->size() == 1 ? 0 : at % columns];
  return out;
}

class Padder {
 public:
  Padder(Graph& graph, const PassContext& context)
      : graph_(graph),
        context_(context),
        set_(graph.value_count()),
        channels_(graph.value_count()) {}

  int run() {
    int sets = 0, padded_sets = 0;
    for (const NodeId id : graph_.order()) {
      if (!gains(graph_.node(id))) continue;
      const ValueId x = graph_.node(id).inputs[0];
      if (set_[x.index] == 0 && choose(x, ++sets)) ++padded_sets;
    }
    if (padded_sets > 0) rewrite(padded_sets);
    return padded_sets;
  }

 private:
  // Whether a kernel by tensor copies takes the node once its input is padded: requantised sums.
  bool gains(const Node& node) const {
    if (!is_dense_conv_integer(graph_, node) && !is_product_of_rows(graph_, node)) return false;
    const ValueId sums = node.outputs[0];
    const std::int64_t channels = channels_of(node.inputs[0]);
    return channels >= kFewestChannels && channels % kMultiple != 0 &&
           graph_.has_single_use(sums) &&
           graph_.node(graph_.value(sums).uses[0].node).is(op_requantize());
  }

  // 0: not known.
  std::int64_t channels_of(ValueId id) const {
    const Type& type = graph_.value(id).type;
    if (!type.shape || type.rank() < 2 || !(*type.shape)[1].is_constant()) return 0;
    return (*type.shape)[1].value();
  }

  bool is_single_pixel(ValueId id) const {
    const SymShape& shape = *graph_.value(id).type.shape;
    return std::all_of(shape.begin() + 2, shape.end(), [](const Dim& dim) { return dim.is(1); });
  }

  // Finds the set that x is in, and marks it for rewriting if that can be done and pays.
  bool choose(ValueId x, int number) {
    const std::int64_t channels = channels_of(x);
    std::vector<ValueId> set = {x};
    std::string obstacle;
    bool has_images = false, gains_image = false;
    set_[x.index] = number;
    for (std::size_t i = 0; i < set.size(); ++i) {
      const ValueId id = set[i];
      const auto follow = [&](const Node& node) {
        const auto tied = tied_channels(graph_, node, id);
        if (!tied) obstacle = label_of(node) + " (" + std::string(node.op->name) + ") sees them";
        for (const ValueId other : tied.value_or(std::vector<ValueId>{})) {
          int& set_of_other = set_[other.index];
          if (set_of_other == 0) set.push_back(other);
          // A set that is padded is whole: this is one that was left.
          if (set_of_other != 0 && set_of_other != number)
            obstacle = "\"" + graph_.value(other).name + "\" was left too";
          set_of_other = number;
        }
      };
      const Node* producer = graph_.producer(id);
      if (producer == nullptr || channels_of(id) != channels || graph_.is_output(id)) {
        obstacle = "\"" + graph_.value(id).name + "\" is an input or output";
        continue;
      }
      const bool is_image = !is_single_pixel(id);
      has_images = has_images || is_image;
      follow(*producer);
      for (const Use& use : graph_.value(id).uses) {
        const Node& reader = graph_.node(use.node);
        follow(reader);
        gains_image = gains_image || (is_image && gains(reader));
      }
    }
    if (has_images && (!gains_image || padded(channels) > most_padded(channels))) return false;
    const std::string what = std::to_string(channels) + " channels of " +
                             std::to_string(set.size()) + " tensors around \"" +
                             graph_.value(x).name + "\"";
    if (!obstacle.empty()) {
      context_.note("left " + what + ": " + obstacle);
      return false;
    }
    for (const ValueId id : set) channels_[id.index] = padded(channels);
    context_.note("pad " + what + " to " + std::to_string(padded(channels)));
    return true;
  }

  bool is_padded(ValueId id) const { return id.exists() && channels_[id.index] > 0; }

  void rewrite(int sets) {
    Patch patch(graph_, "pad the channels of " + std::to_string(sets) + " sets of tensors");
    wide_.assign(graph_.value_count(), ValueId::none());
    for (const NodeId id : graph_.order()) {
      const Node& node = graph_.node(id);
      if (std::ranges::any_of(node.inputs, [&](ValueId i) { return is_padded(i); }) ||
          std::ranges::any_of(node.outputs, [&](ValueId i) { return is_padded(i); }))
        widen(patch, node);
    }
    context_.apply(patch, graph_);
  }

  // The node once more, with wider operands.
  void widen(Patch& patch, const Node& node) {
    std::vector<ValueId> inputs = node.inputs;
    Attributes attributes = node.attributes;
    if (node.is(op_conv_integer())) {
      widen_convolution(patch, node, inputs, attributes);
    } else if (is_product_of_rows(graph_, node)) {
      inputs[1] = patch.constant(
          with_rows(*constant(inputs[1]), constant(node.input(3)), channels_[inputs[0].index]));
    } else if (node.is(op_requantize())) {
      for (std::size_t i = 1; i <= 2; ++i) inputs[i] = widened_list(patch, inputs[i], node);
    } else if (node.is(op_binary())) {
      for (ValueId& input : inputs) input = widened_operand(patch, input, node);
    } else if (node.is(op_reshape())) {
      inputs.resize(1);
      attributes = ReshapeAttributes{.flatten_axis = 1};
    }
    for (ValueId& input : inputs) {
      if (input.exists() && input.index < wide_.size() && wide_[input.index].exists())
        input = wide_[input.index];
    }
    Emitter::Options options;
    options.name = node.name;
    options.origins = node.origins;
    const auto outputs = patch.emit(*node.op, std::move(attributes), std::move(inputs),
                                    node.outputs.size(), std::move(options));
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      wide_[node.outputs[i].index] = outputs[i];
      patch.replace(node.outputs[i], outputs[i]);
    }
  }

  void widen_convolution(Patch& patch, const Node& node, std::vector<ValueId>& inputs,
                         Attributes& attributes) const {
    const Tensor& weights = *constant(node.inputs[1]);
    std::int64_t filters = weights.dim(0), channels = weights.dim(1);
    if (is_padded(node.outputs[0])) filters = channels_[node.outputs[0].index];
    auto conv = node.as<ConvAttributes>();
    if (conv.group > 1) {
      conv.group = filters;
    } else if (is_padded(node.inputs[0])) {
      channels = channels_[node.inputs[0].index];
    }
    attributes = conv;
    inputs[1] = patch.constant(with_filters(weights, constant(node.input(3)), filters, channels));
    for (std::size_t i = 3; i < inputs.size() && filters > weights.dim(0); ++i)
      inputs[i] = widened_list(patch, inputs[i], node);
  }

  // One number a channel of the node's result, or a single one.
  ValueId widened_list(Patch& patch, ValueId id, const Node& node) const {
    const Tensor* list = constant(id);
    if (list == nullptr || list->size() == 1) return id;
    return patch.constant(with_zeros(*list, 0, channels_[node.outputs[0].index]));
  }

  // A constant that has the channels of the node's result; other operands are as they were.
  ValueId widened_operand(Patch& patch, ValueId id, const Node& node) const {
    const Tensor* tensor = constant(id);
    if (tensor == nullptr) return id;
    const std::int64_t axis = tensor->rank() - graph_.value(node.outputs[0]).type.rank() + 1;
    if (axis < 0 || tensor->dim(axis) == 1) return id;
    return patch.constant(with_zeros(*tensor, axis, channels_[node.outputs[0].index]));
  }

  const Tensor* constant(ValueId id) const {
    if (!id.exists() || !graph_.value(id).is_constant()) return nullptr;
    return &graph_.value(id).constant;
  }

  Graph& graph_;
  const PassContext& context_;
  // By value.
  std::vector<int> set_;                // its number; 0: in none that was looked at
  std::vector<std::int64_t> channels_;  // when it is padded; 0: it is not
  std::vector<ValueId> wide_;           // what stands for it
};

int run(Graph& graph, const PassContext& context) {
  const Target& target = context.target;
  if (target.backend != "cuda" || target.compute_capability != 90) return 0;
  return Padder(graph, context).run();
}

}  // namespace

Pass pad_channels() {
  return {
      .name = "pad_channels",
      .summary =
          "gives tensors of bytes a multiple of sixteen channels where that lets tensor "
          "cores read them",
      .run = run,
  };
}

}  // namespace strop
