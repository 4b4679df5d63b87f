// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/region_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "backends/cuda/codegen/pointwise_expression.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/slice_cuts.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "ops/concat.hpp"
#include "ops/dequantize_linear.hpp"
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
constexpr int kMostHeld = 64;  // elements that a group reads on one way through the branches
constexpr int kVectorBytes = 16;
constexpr std::int64_t kLargeValue = std::int64_t{1} << 30;  // elements that 32 bits count
constexpr std::int64_t kSmall = 16;  // an input of fewer elements than the output's by this factor

// Where an element lies on one axis: the first of the group.
struct Coordinate {
  std::string text;
  // By how much it grows from one element of the group to the next; known where a group has
  // several. Of a group of one: from one element of the output to the next.
  std::optional<Dim> step;
  // A power of two, at most the group's count: divided by run * step, `text` leaves less than step.
  // With a step of 1 it is a multiple of the run.
  int run = 1;

  static Coordinate zero() { return {"0", Dim(0)}; }
  bool stands() const { return step && step->is(0); }
};
using Coordinates = std::vector<Coordinate>;

bool divides(const Dim& factor, const Dim& dim) {
  if (dim.is(0)) return true;
  return !factor.is(0) && mod(dim, factor).is(0);
}

// The largest part of the run of which `dim` is a whole number of steps.
int run_within(int run, const Dim& step, const Dim& dim) {
  while (run > 1 && !divides(step * Dim(run), dim)) run /= 2;
  return run;
}

// Values that differ within a group are arrays.
constexpr std::string_view kEach = "[k]";
bool varies(std::string_view value) { return value.ends_with(kEach); }

class Writer {
 public:
  Writer(const Problem& problem, const LaunchShapes& shapes, KernelWriter& writer,
         RegionGroup group, std::string& refusal)
      : problem_(problem),
        graph_(body_of(*problem.node)),
        shapes_(shapes),
        writer_(writer),
        group_(group),
        refusal_(refusal) {}

  std::optional<RegionSource> run() {
    if (!all_sizes_are_known()) return std::nullopt;
    const SymShape& whole = shapes_.output(0);
    const auto order =
        memory_order(static_cast<std::int64_t>(whole.size()), problem_.layouts.output(0));
    Coordinates at(whole.size(), Coordinate::zero());
    for (std::size_t i = 0; i < order.size(); ++i) {
      const bool moves = i == group_.axis && !whole[order[i]].is(1);
      at[order[i]] = {fmt::format("c{}", i), Dim(moves ? 1 : 0), group_.count};
    }
    out_.element = element(graph_.outputs()[0], at);
    if (out_.element.empty()) return std::nullopt;
    if (parts_) {
      refuse("the elements of a group come from several sides of a cut");
      return std::nullopt;
    }
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

  Coordinate index(std::string expression, std::optional<Dim> step, int run) {
    const std::string name = fresh('i');
    code_ += fmt::format("  const I {} = {};\n", name, expression);
    return {name, std::move(step), run};
  }

  bool is_group() const { return group_.count > 1; }

  // A line for each element of a group.
  std::string for_each(const std::string& line) const {
    return fmt::format("#pragma unroll\n  for (int k = 0; k < {}; ++k) {}\n", group_.count, line);
  }

  // Whether all elements of the group lie on one side of that place.
  bool on_one_side(const Coordinate& at, const Dim& place) const {
    if (!is_group() || at.stands()) return true;
    return is_upward(at) && at.run == group_.count && divides(*at.step * Dim(group_.count), place);
  }

  static bool is_upward(const Coordinate& at) {
    return at.step && at.step->is_constant() && at.step->value() > 0;
  }

  // The coordinate, times a number, with an offset added ('+') or taken away ('-').
  Coordinate moved(const Coordinate& at, std::int64_t times, char sign, const Dim& offset) {
    const std::string factor = times == 1 ? "" : fmt::format(" * ({})", times);
    std::optional<Dim> step;
    if (at.step) step = *at.step * Dim(times);
    const int run = step && times > 0 ? run_within(at.run, *step, offset) : 1;
    return index(fmt::format("{}{} {} {}", at.text, factor, sign, writer_.number(offset)),
                 std::move(step), run);
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
    const std::string x = writer_.input(i, element_type(dtype));
    const std::string key = fmt::format("read {} {}", x, address);
    if (const auto known = known_.find(key); known != known_.end()) return known->second;
    const bool one = !is_group() || (step && step->is(0));
    held_ += one ? 1 : group_.count;
    if (++reads_ > kMostReads || (is_group() && held_ > kMostHeld))
      return refuse("an element is made from too many others");
    std::string value = fresh('u');
    if (one) {
      code_ +=
          fmt::format("  const {} {} = wide({}[{}]);\n", compute_type(dtype), value, x, address);
    } else {
      code_ += fmt::format("  {} {}[{}];\n", compute_type(dtype), value, group_.count);
      const int side_by_side = vector_of(i, at);
      code_ += side_by_side > 1 ? fmt::format("  read_neighbours<{}>({} + ({}), {});\n",
                                              side_by_side, x, address, value)
                                : fmt::format("  read_apart({} + ({}), {}, {});\n", x, address,
                                              writer_.number(*step), value);
      if (side_by_side == 1 && !is_small(i)) out_.apart.insert(i);
      value += kEach;
    }
    known_[key] = value;
    const bool near = step && (step->is(0) || step->is(1));
    if (!near && !is_small(i)) out_.scattered.insert(i);
    return value;
  }

  // How many elements of a group can be read from an input at once.
  int vector_of(std::size_t i, const Coordinates& at) const {
    const SymShape& strides = shapes_.input_strides(i);
    int out = kVectorBytes * 8 / bits_of(problem_.input_type(i).dtype), moving = 0;
    for (std::size_t axis = 0; axis < at.size(); ++axis) {
      if (at[axis].stands()) {
        const bool moves = at[axis].text != "0";
        while (moves && out > 1 && !is_multiple(strides[axis], out)) out /= 2;
        continue;
      }
      if (!at[axis].step->is(1) || !strides[axis].is(1) || ++moving > 1) return 1;
      out = std::min(out, at[axis].run);
    }
    return out;
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
      if (!input.exists()) {
        operands.emplace_back();
        continue;
      }
      const bool parameter = node.is(op_dequantize_linear()) && input != node.inputs[0];
      operands.push_back(parameter ? of_channel(node, input, at) : broadcast(input, whole, at));
      if (operands.back().empty()) return {};
    }
    const std::string expression = pointwise_expression(
        node, graph_, operands, [&](ValueId id) { return constant_of(id); }, refusal_);
    if (expression.empty()) return {};
    std::string name = fresh('v');
    const std::string type = compute_type(graph_.value(node.outputs[0]).type.dtype);
    if (std::ranges::none_of(operands, varies)) {
      code_ += fmt::format("  const {} {} = {};\n", type, name, expression);
      return name;
    }
    code_ += fmt::format("  {} {}[{}];\n", type, name, group_.count) +
             for_each(fmt::format("{}[k] = {};", name, expression));
    return name + std::string(kEach);
  }

  // A parameter of a dequantize_linear: one number, or one for each index of its axis.
  std::string of_channel(const Node& node, ValueId id, const Coordinates& at) {
    const SymShape shape = shape_of(id);
    if (shape.empty()) return element(id, {});
    if (shape.size() > 1) return refuse("its parameters are for blocks");
    if (shape[0].is(1)) return element(id, {Coordinate::zero()});
    const auto axis = normalize_axis(node.as<DequantizeLinearAttributes>().axis,
                                     static_cast<std::int64_t>(at.size()));
    return element(id, {at[static_cast<std::size_t>(axis)]});
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
      int run = 1;
      if (out.step && at[i].step) {
        step = *out.step * sizes[i] + *at[i].step;
        if (at[i].stands())
          run = out.run;
        else if (out.stands() && is_upward(at[i]))
          run = run_within(at[i].run, *at[i].step, sizes[i]);
      }
      out = index(fmt::format("{} * {} + {}", out.text, writer_.number(sizes[i]), at[i].text),
                  std::move(step), run);
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
        Quotient made = quotient(rest, sizes[i]);
        reversed.push_back(std::move(made.inner));
        rest = std::move(made.outer);
      }
    }
    out.insert(out.end(), reversed.rbegin(), reversed.rend());
  }

  struct Quotient {
    Coordinate outer, inner;
  };

  Quotient quotient(const Coordinate& of, const Dim& size) {
    std::optional<Dim> outer, inner;
    if (of.stands()) {
      outer = inner = Dim(0);
    } else if (of.step && !size.is(0) && divides(size, *of.step)) {
      outer = floordiv(*of.step, size);
      inner = Dim(0);
    } else if (is_upward(of) && of.run == group_.count &&
               divides(*of.step * Dim(group_.count), size)) {
      // But for where an axis ends, which a group does not cross, the next element is as far off on
      // the innermost axis.
      outer = Dim(0);
      inner = of.step;
    } else if (is_group()) {
      parts_ = true;
      outer = inner = Dim(0);
    }
    const std::string text = writer_.number(size);
    Quotient out;
    out.outer = index(fmt::format("{} / {}", of.text, text), std::move(outer), of.run);
    out.inner =
        index(fmt::format("{} - {} * {}", of.text, out.outer.text, text), std::move(inner), of.run);
    return out;
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
    if (!start.is(0)) from[axis] = moved(at[axis], 1, '+', start);
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
      each = moved(each, cut.step, '+', Dim(cut.start));
    }
    return element(node.inputs[0], from);
  }

  // One branch for each piece, the same for all elements of a group; what a branch has computed is
  // known in it alone.
  std::string joined(const Node& node, const Coordinates& at) {
    const auto axis = static_cast<std::size_t>(
        normalize_axis(node.as<ConcatAttributes>().axis, static_cast<std::int64_t>(at.size())));
    const DType dtype = graph_.value(node.outputs[0]).type.dtype;
    if (!has_element(dtype))
      return refuse("there are no kernels for " + std::string(to_string(dtype)));
    const bool one = !is_group() || std::ranges::all_of(at, &Coordinate::stands);
    const std::string name = fresh('v');
    code_ += fmt::format("  {} {}{};\n", compute_type(dtype), name,
                         one ? "" : fmt::format("[{}]", group_.count));
    std::string value = one ? name : name + std::string(kEach);
    const int held_before = held_;
    int most_held = held_;
    Dim start(0);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Dim end = start + shape_of(node.inputs[i])[axis];
      if (i > 0) code_ += "  else ";
      if (i + 1 < node.inputs.size())
        code_ += fmt::format("  if ({} < {}) ", at[axis].text, writer_.number(end));
      code_ += "{\n";
      if (i + 1 < node.inputs.size() && !on_one_side(at[axis], end)) parts_ = true;
      const auto before = known_;
      Coordinates from = at;
      if (!start.is(0)) from[axis] = moved(at[axis], 1, '-', start);
      const std::string piece = element(node.inputs[i], from);
      if (piece.empty()) return {};
      const std::string line = fmt::format("{} = {};", value, piece);
      code_ += (one ? fmt::format("  {}\n", line) : for_each(line)) + "  }\n";
      known_ = before;
      most_held = std::max(most_held, std::exchange(held_, held_before));
      start = end;
    }
    held_ = most_held;
    return value;
  }

  const Problem& problem_;
  const Graph& graph_;  // the body
  const LaunchShapes& shapes_;
  KernelWriter& writer_;
  RegionGroup group_;
  std::string& refusal_;
  RegionSource out_;
  std::string code_;
  std::map<std::string, std::string> known_;  // names by what they stand for
  int names_ = 0, reads_ = 0, held_ = 0;
  bool parts_ = false;  // whether a group would
};

}  // namespace

std::optional<RegionSource> region_source(const Problem& problem, const LaunchShapes& shapes,
                                          KernelWriter& writer, RegionGroup group,
                                          std::string& refusal) {
  return Writer(problem, shapes, writer, group, refusal).run();
}

}  // namespace strop::cuda
