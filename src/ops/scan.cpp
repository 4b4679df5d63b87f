// SPDX-License-Identifier: Apache-2.0
// A loop over slices of its inputs. What iterations cost is bounded as in loop.
#include "ops/scan.hpp"

#include <algorithm>

#include "ops/dispatch.hpp"
#include "ops/move_elements_support.hpp"
#include "ops/nested_graph_support.hpp"
#include "ops/stacked_output_support.hpp"

namespace strop {
namespace {

// How the inputs after `length` are divided.
struct Parts {
  std::size_t states, scanned;
};

Parts parts_of(const ScanAttributes& attributes) {
  return {static_cast<std::size_t>(attributes.states), attributes.axes.size()};
}

void check_attributes(const InferContext& context, const ScanAttributes& attributes) {
  const auto values =
      static_cast<std::int64_t>(std::max<std::size_t>(context.input_count(), 1)) - 1;
  context.require(!attributes.axes.empty(), ErrorCode::bad_attribute,
                  "nothing is scanned: axes is empty");
  context.require(
      attributes.states >= 0 &&
          attributes.states <= values - static_cast<std::int64_t>(attributes.axes.size()),
      ErrorCode::bad_attribute,
      "it has " + std::to_string(values) + " inputs beside the length, but " +
          std::to_string(attributes.states) + " states and " +
          std::to_string(attributes.axes.size()) + " scanned inputs");
  context.require(attributes.reverse.empty() || attributes.reverse.size() == attributes.axes.size(),
                  ErrorCode::bad_attribute, "reverse does not have as many entries as axes");
  for (const std::int64_t flag : attributes.reverse) {
    context.require(flag == 0 || flag == 1, ErrorCode::bad_attribute,
                    "an entry of reverse is " + std::to_string(flag) + "; it may be 0 or 1");
  }
}

// The number of slices that all scanned inputs have.
Dim infer_steps(InferContext& context, const ScanAttributes& attributes) {
  std::optional<Dim> steps;
  const Parts parts = parts_of(attributes);
  for (std::size_t i = 0; i < parts.scanned; ++i) {
    const std::size_t input = 1 + parts.states + i;
    context.require(context.input(input).is_tensor(), ErrorCode::bad_type,
                    "scanned input " + std::to_string(i) + " is " +
                        context.input(input).to_string() + "; only tensors can be scanned");
    const SymShape* shape = context.shape(input);
    if (shape == nullptr) continue;
    const std::int64_t axis =
        normalize_axis(attributes.axes[i], static_cast<std::int64_t>(shape->size()));
    const Dim& size = (*shape)[static_cast<std::size_t>(axis)];
    steps = steps ? context.require_equal(*steps, size, "the lengths of the scanned inputs") : size;
  }
  return steps ? *steps : context.fresh_dim();
}

void infer(InferContext& context) {
  context.require(context.subgraphs().size() == 1, ErrorCode::model_malformed,
                  "it needs one nested graph");
  const auto& attributes = context.attributes<ScanAttributes>();
  check_attributes(context, attributes);
  for (std::size_t i = 1; i < context.input_count(); ++i) {
    context.require(context.has_input(i), ErrorCode::model_malformed,
                    "input " + std::to_string(i) + " is missing");
  }
  if (context.has_input(0) && context.shape(0) != nullptr) {
    context.require_equal(product(*context.shape(0)), Dim(1), "the size of the length and 1");
  }
  const Parts parts = parts_of(attributes);
  context.require(context.output_count() >= parts.states, ErrorCode::model_malformed,
                  "it has fewer outputs than states");
  require_interface(context, 0, context.input_count() - 1, context.output_count());
  const Dim steps = infer_steps(context, attributes);

  const Graph& body = *context.subgraphs()[0];
  OutsideNames names = outside_names(context);
  name_carried_sizes(names, context, body, {.count = parts.states}, 1);
  for (std::size_t i = parts.states; i + 1 < context.input_count(); ++i) {
    Type outside = context.input(i + 1);
    if (i < parts.states + parts.scanned && outside.shape) {
      const std::int64_t axis = attributes.axes[i - parts.states];
      outside.shape->erase(outside.shape->begin() + normalize_axis(axis, outside.rank()));
    }
    name_sizes(names, body.value(body.inputs()[i]).type, outside);
  }
  for (std::size_t i = 0; i < context.output_count(); ++i) {
    const Type& end = body.value(body.outputs()[i]).type;
    if (i < parts.states) {
      context.set_output(
          i, join_types(context, context.input(i + 1), outside_type(context, end, names)));
      continue;
    }
    context.require(end.is_tensor(), ErrorCode::bad_type,
                    "value " + std::to_string(i - parts.states) + " is " + end.to_string() +
                        "; only tensors can be stacked");
    Type stacked = outside_type(context, end, names);
    if (stacked.shape) stacked.shape->insert(stacked.shape->begin(), steps);
    context.set_output(i, std::move(stacked));
  }
}

// A scanned input, slice by slice.
class Slices {
 public:
  Slices(const Tensor& x, std::int64_t axis, bool reverse)
      : dtype_(x.dtype()),
        elements_(unpack_elements(x)),
        split_(x.shape(), axis),
        shape_(x.shape()),
        reverse_(reverse) {
    shape_.erase(shape_.begin() + axis);
  }
  std::int64_t count() const { return split_.size; }
  const Shape& shape() const { return shape_; }  // of a slice

  // Slice t of the first `length` ones.
  Tensor at(std::int64_t t, std::int64_t length) const {
    const std::int64_t place = reverse_ ? length - 1 - t : t;
    Tensor slice = Tensor::allocate(elements_.dtype(), shape_);
    move_elements(elements_, slice,
                  {{.size = split_.outer, .step = split_.size * split_.inner},
                   {.size = split_.inner, .start = place * split_.inner, .step = 1}});
    if (elements_.dtype() == dtype_) return slice;
    Tensor packed = Tensor::allocate(dtype_, shape_);
    pack_elements(slice, packed);
    return packed;
  }

 private:
  DType dtype_;
  Tensor elements_;  // one byte for each element of a packed type
  AxisSplit split_;
  Shape shape_;
  bool reverse_;
};

std::int64_t iterations(const KernelContext& context, std::int64_t slices) {
  if (!context.has_input(0)) return slices;
  const std::int64_t length = context.input(0).to_i64().at(0);
  if (length < 0 || length > slices) {
    context.fail("the length is " + std::to_string(length),
                 "it may be from 0 to the " + std::to_string(slices) + " slices that there are");
  }
  return length;
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<ScanAttributes>();
  const Graph& body = *context.subgraphs()[0];
  const Parts parts = parts_of(attributes);
  std::vector<Slices> scanned;
  for (std::size_t i = 0; i < parts.scanned; ++i) {
    const Tensor& x = context.input(1 + parts.states + i);
    scanned.emplace_back(x, normalize_axis(attributes.axes[i], x.rank()),
                         !attributes.reverse.empty() && attributes.reverse[i] != 0);
  }
  const std::int64_t steps = scanned[0].count(), length = iterations(context, steps);
  context.count_iterations(length);

  std::vector<const Datum*> arguments = inputs_from(context, 1);
  std::vector<Datum> states(parts.states), slices(parts.scanned);
  std::vector<StackedOutput> stacks(body.outputs().size() - parts.states);
  SymbolValues sizes;
  for (std::size_t i = 0; i < arguments.size() && !stacks.empty(); ++i) {
    if (!arguments[i]->is_tensor()) continue;
    const bool whole = i < parts.states || i >= parts.states + parts.scanned;
    learn_sizes(body, i, whole ? arguments[i]->tensor().shape() : scanned[i - parts.states].shape(),
                sizes);
  }
  for (std::int64_t t = 0; t < length; ++t) {
    context.check_deadline();
    for (std::size_t i = 0; i < parts.scanned; ++i) {
      slices[i] = scanned[i].at(t, length);
      arguments[parts.states + i] = &slices[i];
    }
    std::vector<Datum> results = context.run_subgraph(0, arguments);
    for (std::size_t i = 0; i < parts.states; ++i) {
      states[i] = std::move(results[i]);
      arguments[i] = &states[i];
    }
    for (std::size_t i = 0; i < stacks.size(); ++i) {
      stacks[i].append(context, results[parts.states + i]);
    }
  }
  for (std::size_t i = 0; i < parts.states; ++i) deliver(context, i, *arguments[i]);
  for (std::size_t i = 0; i < stacks.size(); ++i) {
    const std::size_t output = parts.states + i;
    stacks[i].deliver(context, output, body.value(body.outputs()[output]).type, sizes, steps);
  }
}

}  // namespace

const OpDef& op_scan() {
  static const OpDef def{
      .name = "scan",
      .summary = "runs its body for each slice of its scanned inputs",
      .attributes = &attribute_schema<ScanAttributes>(),
      .inputs =
          {{.name = "length", .types = {DType::i64}, .arity = Operand::optional},
           {.name = "values", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .outputs = {{.name = "y", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .subgraphs = {"body"},
      .formal_inputs =
          [](const Attributes& attributes) {
            const Parts parts = parts_of(attributes.as<ScanAttributes>());
            return 1 + parts.states + parts.scanned;
          },
      .traits = {.data_dependent = true, .parameter_inputs = 0b1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
