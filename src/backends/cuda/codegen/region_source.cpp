// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/region_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "backends/cuda/codegen/pointwise_expression.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/slice_cuts.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "ops/concat.hpp"
#include "ops/expand.hpp"
#include "ops/fused.hpp"
#include "ops/reshape.hpp"
#include "ops/slice.hpp"
#include "ops/split.hpp"
#include "ops/squeeze.hpp"
#include "ops/transpose.hpp"
#include "ops/unsqueeze.hpp"

namespace strop::cuda {
namespace {

constexpr int kMostReads = 64;
constexpr std::int64_t kLargeValue = std::int64_t{1} << 30;  // elements that 32 bits count
constexpr std::int64_t kSmall = 16;  // an input of fewer elements than the output's by this factor

// Where an element lies on one axis.
struct Coordinate {
  std::string text;
  std::optional<Dim> step;  // by how much it grows from one element of the output to the next

  static Coordinate zero() { return {"0", Dim(0)}; }
};
using Coordinates = std::vector<Coordinate>;

class Writer {
 public:
  Writer(const Problem& problem, const LaunchShapes& shapes, KernelWriter& writer,
         std::string& refusal)
      : problem_(problem),
        graph_(body_of(*problem.node)),
        shapes_(shapes),
        writer_(writer),
        refusal_(refusal) {}

  std::optional<RegionSource> run() {
    if (!all_sizes_are_known()) return std::nullopt;
    const SymShape& whole = shapes_.output(0);
    const auto order =
        memory_order(static_cast<std::int64_t>(whole.size()), problem_.layouts.output(0));
    Coordinates at(whole.size(), Coordinate::zero());
    bool innermost = true;
    for (std::size_t i = order.size(); i-- > 0;) {
      const bool moves = !whole[order[i]].is(1);
      at[order[i]] = {fmt::format("c{}", i), Dim(innermost && moves ? 1 : 0)};
      innermost = innermost && !moves;
    }
    out_.element = element(graph_.outputs()[0], at);
    if (out_.element.empty()) return std::nullopt;
    out_.code = std::move(code_);
    return std::move(out_);
  }

 private:
  // Of all values in the body; indices are as wide as the operands alone ask for.
  bool all_sizes_are_known() {
    for (const NodeId id : graph_.order()) {
      for (const ValueId output : graph_.node(id).outputs) {
        Dim count(1);
        for (const Dim& dim : *graph_.value(output).type.shape) {
          const auto known = shapes_.find(dim);
          if (!known) {
            refuse("a size in its body does not follow from those of its operands");
            return false;
          }
          count = count * *known;
        }
        if (shapes_.all_small() && !(count.is_constant() && count.value() < kLargeValue)) {
          refuse("a value in its body is too large");
          return false;
        }
      }
    }
    return true;
  }

  std::string refuse(std::string why) {
    refusal_ = std::move(why);
    return {};
  }

  std::string fresh(char kind) { return fmt::format("{}{}", kind, names_++); }

  Coordinate index(std::string expression, std::optional<Dim> step) {
    const std::string name = fresh('i');
    code_ += fmt::format("  const I {} = {};\n", name, expression);
    return {name, std::move(step)};
  }

  SymShape shape_of(ValueId id) const {
    SymShape out = *graph_.value(id).type.shape;
    for (Dim& dim : out) dim = shapes_.translate(dim);
    return out;
  }

  // An expression of the value's compute type, of its element there; empty with a refusal.
  std::string element(ValueId id, const Coordinates& at) {
    const auto inputs = graph_.inputs();
    if (const auto own = std::ranges::find(inputs, id); own != inputs.end()) {
      const auto i = static_cast<std::size_t>(own - inputs.begin());
      return read(i, at);
    }
    std::string key = std::to_string(id.index);
    for (const Coordinate& each : at) key += " " + each.text;
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    const Node* node = graph_.producer(id);
    if (node == nullptr) return refuse("an operand is a constant inside the fused node");
    std::string made = made_by(*node, id, at);
    if (!made.empty()) known_[key] = made;
    return made;
  }

  std::string made_by(const Node& node, ValueId id, const Coordinates& at) {
    if (is_expression(node)) return computed(node, at);
    if (node.is(op_concat())) return joined(node, at);
    if (node.is(op_reshape()) || node.is(op_squeeze()) || node.is(op_unsqueeze())) {
      return element(node.inputs[0], reshaped(at, shape_of(id), shape_of(node.inputs[0])));
    }
    if (node.is(op_transpose())) {
      const auto& perm = node.as<TransposeAttributes>().perm;
      Coordinates from(at.size());
      for (std::size_t i = 0; i < at.size(); ++i)
        from[perm.empty() ? at.size() - 1 - i : static_cast<std::size_t>(perm[i])] = at[i];
      return element(node.inputs[0], from);
    }
    if (node.is(op_split())) return element(node.inputs[0], whole_of_split(node, id, at));
    if (node.is(op_expand())) return broadcast(node.inputs[0], shape_of(id), at);
    if (node.is(op_slice())) return sliced(node, at);
    return refuse("its body holds the operator " + std::string(node.op->name));
  }

  // --- Inputs ---

  const Tensor* constant_of(ValueId id) const {
    if (graph_.value(id).is_constant()) return &graph_.value(id).constant;
    const auto inputs = graph_.inputs();
    const auto own = std::ranges::find(inputs, id);
    return own == inputs.end() ? nullptr
                               : problem_.constant(static_cast<std::size_t>(own - inputs.begin()));
  }

  std::string read(std::size_t i, const Coordinates& at) {
    const DType dtype = problem_.input_type(i).dtype;
    if (!has_element(dtype))
      return refuse("there are no kernels for " + std::string(to_string(dtype)));
    if (const Tensor* constant = problem_.constant(i); constant != nullptr && constant->size() == 1)
      return literal(*constant, 0);
    const SymShape& strides = shapes_.input_strides(i);
    std::string address;
    std::optional<Dim> step = Dim(0);
    for (std::size_t axis = 0; axis < at.size(); ++axis) {
      if (at[axis].text == "0") continue;
      address += fmt::format("{}{}", address.empty() ? "" : " + ", at[axis].text);
      if (!strides[axis].is(1)) address += " * " + writer_.number(strides[axis]);
      if (!at[axis].step || !step)
        step.reset();
      else
        step = *step + *at[axis].step * strides[axis];
    }
    if (address.empty()) address = "0";
    const std::string name = fmt::format("{}[{}]", writer_.input(i, element_type(dtype)), address);
    const std::string key = "read " + name;
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    if (++reads_ > kMostReads) return refuse("an element is made from too many others");
    const std::string value = fresh('u');
    code_ += fmt::format("  const {} {} = wide({});\n", compute_type(dtype), value, name);
    known_[key] = value;
    const bool near = step && (step->is(0) || step->is(1));
    if (!near && !is_small(i)) out_.scattered.insert(i);
    return value;
  }

  bool is_small(std::size_t i) const {
    const Dim own = product(shapes_.input(i)), whole = product(shapes_.output(0));
    return own.is_constant() && whole.is_constant() && own.value() * kSmall <= whole.value();
  }

  // --- Pointwise nodes ---

  std::string computed(const Node& node, const Coordinates& at) {
    const SymShape whole = shape_of(node.outputs[0]);
    std::vector<std::string> operands;
    for (const ValueId input : node.inputs) {
      operands.push_back(input.exists() ? broadcast(input, whole, at) : "");
      if (input.exists() && operands.back().empty()) return {};
    }
    const std::string expression = pointwise_expression(
        node, graph_, operands, [&](ValueId id) { return constant_of(id); }, refusal_);
    if (expression.empty()) return {};
    const std::string name = fresh('v');
    code_ += fmt::format("  const {} {} = {};\n",
                         compute_type(graph_.value(node.outputs[0]).type.dtype), name, expression);
    return name;
  }

  // The element of an operand that is stretched to `whole`.
  std::string broadcast(ValueId id, const SymShape& whole, const Coordinates& at) {
    const SymShape shape = shape_of(id);
    if (shape.size() > whole.size()) return refuse("an operand has more axes than the result");
    Coordinates from;
    const std::size_t missing = whole.size() - shape.size();
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      const bool same = shape[axis] == whole[axis + missing];
      if (!same && !shape[axis].is(1)) return refuse("whether a size is 1 shows when it runs");
      from.push_back(same ? at[axis + missing] : Coordinate::zero());
    }
    return element(id, from);
  }

  // --- Moves ---

  // Both shapes hold the same elements in the same order; axes that make up the same part of both
  // are turned into each other.
  Coordinates reshaped(const Coordinates& at, const SymShape& to, const SymShape& from) {
    Coordinates out;
    std::size_t t = 0, f = 0;
    while (f < from.size()) {
      std::size_t t_end = t, f_end = f + 1;
      Dim of_to(1), of_from = from[f];
      while (!(of_to == of_from) && (t_end < to.size() || f_end < from.size())) {
        const bool grow_to =
            t_end < to.size() && (f_end == from.size() || !of_from.is_constant() ||
                                  !of_to.is_constant() || of_to.value() < of_from.value());
        if (grow_to)
          of_to = of_to * to[t_end++];
        else
          of_from = of_from * from[f_end++];
      }
      if (f_end == from.size()) t_end = to.size();
      split(joined_index(at, to, t, t_end), from, f, f_end, out);
      t = t_end;
      f = f_end;
    }
    return out;
  }

  Coordinate joined_index(const Coordinates& at, const SymShape& sizes, std::size_t first,
                          std::size_t end) {
    Coordinate out = Coordinate::zero();
    for (std::size_t i = first; i < end; ++i) {
      if (sizes[i].is(1)) continue;
      if (out.text == "0") {
        out = at[i];
        continue;
      }
      std::optional<Dim> step;
      if (out.step && at[i].step) step = *out.step * sizes[i] + *at[i].step;
      out = index(fmt::format("{} * {} + {}", out.text, writer_.number(sizes[i]), at[i].text),
                  std::move(step));
    }
    return out;
  }

  void split(Coordinate rest, const SymShape& sizes, std::size_t first, std::size_t end,
             Coordinates& out) {
    Coordinates reversed;
    std::size_t outermost = end;  // the first axis that is not of size 1
    for (std::size_t i = end; i-- > first;) {
      if (!sizes[i].is(1)) outermost = i;
    }
    for (std::size_t i = end; i-- > first;) {
      if (sizes[i].is(1)) {
        reversed.push_back(Coordinate::zero());
      } else if (i == outermost || rest.text == "0") {
        reversed.push_back(rest);
      } else {
        const std::string size = writer_.number(sizes[i]);
        const bool slow = rest.step && rest.step->is(0);
        // But for where an axis ends, the next element is the next on the innermost axis.
        std::optional<Dim> inner =
            slow || (rest.step && rest.step->is(1)) ? rest.step : std::nullopt;
        Coordinate outer = index(fmt::format("{} / {}", rest.text, size),
                                 inner ? std::optional(Dim(0)) : std::nullopt);
        reversed.push_back(
            index(fmt::format("{} - {} * {}", rest.text, outer.text, size), std::move(inner)));
        rest = std::move(outer);
      }
    }
    out.insert(out.end(), reversed.rbegin(), reversed.rend());
  }

  Coordinates whole_of_split(const Node& node, ValueId id, const Coordinates& at) {
    const auto axis = static_cast<std::size_t>(
        normalize_axis(node.as<SplitAttributes>().axis, static_cast<std::int64_t>(at.size())));
    Dim start(0);
    for (const ValueId piece : node.outputs) {
      if (piece == id) break;
      start = start + shape_of(piece)[axis];
    }
    Coordinates from = at;
    if (!start.is(0))
      from[axis] =
          index(fmt::format("{} + {}", at[axis].text, writer_.number(start)), at[axis].step);
    return from;
  }

  std::string sliced(const Node& node, const Coordinates& at) {
    std::array<const Tensor*, 4> parameters{};
    for (std::size_t i = 0; i < 4; ++i) {
      if (!node.input(i + 1).exists()) continue;
      parameters[i] = constant_of(node.inputs[i + 1]);
      if (parameters[i] == nullptr) return refuse("a slice has parameters that are no constants");
    }
    const auto cuts = slice_cuts(graph_.value(node.inputs[0]).type, parameters);
    if (!cuts) return refuse("a slice counts from an end that is not known");
    Coordinates from = at;
    for (const SliceCut& cut : *cuts) {
      Coordinate& each = from[static_cast<std::size_t>(cut.axis)];
      if (cut.start == 0 && cut.step == 1) continue;
      std::optional<Dim> step;
      if (each.step) step = *each.step * Dim(cut.step);
      each = index(fmt::format("{} * ({}) + {}", each.text, cut.step, cut.start), std::move(step));
    }
    return element(node.inputs[0], from);
  }

  // One branch for each piece; what a branch has computed is known in it alone.
  std::string joined(const Node& node, const Coordinates& at) {
    const auto axis = static_cast<std::size_t>(
        normalize_axis(node.as<ConcatAttributes>().axis, static_cast<std::int64_t>(at.size())));
    const DType dtype = graph_.value(node.outputs[0]).type.dtype;
    if (!has_element(dtype))
      return refuse("there are no kernels for " + std::string(to_string(dtype)));
    const std::string name = fresh('v');
    code_ += fmt::format("  {} {};\n", compute_type(dtype), name);
    Dim start(0);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Dim end = start + shape_of(node.inputs[i])[axis];
      if (i > 0) code_ += "  else ";
      if (i + 1 < node.inputs.size())
        code_ += fmt::format("  if ({} < {}) ", at[axis].text, writer_.number(end));
      code_ += "{\n";
      const auto before = known_;
      Coordinates from = at;
      if (!start.is(0)) {
        from[axis] =
            index(fmt::format("{} - {}", at[axis].text, writer_.number(start)), at[axis].step);
      }
      const std::string piece = element(node.inputs[i], from);
      if (piece.empty()) return {};
      code_ += fmt::format("  {} = {};\n  }}\n", name, piece);
      known_ = before;
      start = end;
    }
    return name;
  }

  const Problem& problem_;
  const Graph& graph_;  // the body
  const LaunchShapes& shapes_;
  KernelWriter& writer_;
  std::string& refusal_;
  RegionSource out_;
  std::string code_;
  std::map<std::string, std::string> known_;  // names by what they stand for
  int names_ = 0, reads_ = 0;
};

}  // namespace

std::optional<RegionSource> region_source(const Problem& problem, const LaunchShapes& shapes,
                                          KernelWriter& writer, std::string& refusal) {
  return Writer(problem, shapes, writer, refusal).run();
}

}  // namespace strop::cuda
