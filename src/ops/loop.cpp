// SPDX-License-Identifier: Apache-2.0
// Runs while i < trip count and the condition holds; what is absent does not end the loop. The
// number of iterations, the time and the size of what is stacked are bounded by RunLimits.
#include "ops/loop.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "ops/move_elements_support.hpp"
#include "ops/nested_graph_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.require(context.subgraphs().size() == 1, ErrorCode::model_malformed,
                  "it needs one nested graph");
  const std::int64_t given = context.attributes<LoopAttributes>().carried;
  const std::size_t inputs = std::max<std::size_t>(context.input_count(), 2);
  context.require(given >= 0 && given <= static_cast<std::int64_t>(inputs) - 2,
                  ErrorCode::bad_attribute,
                  "carried is " + std::to_string(given) + ", but the node has " +
                      std::to_string(inputs - 2) + " inputs beside trip count and condition");
  const auto carried = static_cast<std::size_t>(given);
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    context.require(i < 2 || context.has_input(i), ErrorCode::model_malformed,
                    "input " + std::to_string(i) + " is missing");
    if (i >= 2 || !context.has_input(i)) continue;
    if (const SymShape* shape = context.shape(i)) {
      context.require_equal(product(*shape), Dim(1), "the size of trip count or condition and 1");
    }
  }
  context.require(context.output_count() >= carried, ErrorCode::model_malformed,
                  "it has fewer outputs than carried values");
  require_interface(context, 0, inputs, context.output_count() + 1);

  const Graph& body = *context.subgraphs()[0];
  const auto visible = visible_symbols(context);
  for (std::size_t i = 0; i < context.output_count(); ++i) {
    const Type& end = body.value(body.outputs()[i + 1]).type;
    if (i < carried) {
      // Without any iteration the value is still the initial one.
      const Type joined = join_types(context, context.input(i + 2), end);
      context.set_output(i, outside_type(context, joined, visible));
      continue;
    }
    context.require(end.is_tensor(), ErrorCode::bad_type,
                    "scan output " + std::to_string(i - carried) + " is " + end.to_string() +
                        "; only tensors can be stacked");
    Type stacked = outside_type(context, end, visible);
    if (stacked.shape) stacked.shape->insert(stacked.shape->begin(), context.fresh_dim());
    context.set_output(i, std::move(stacked));
  }
}

// A scan output: slices of one shape, appended as they come.
class Stack {
 public:
  void append(KernelContext& context, const Datum& datum) {
    if (!datum.is_tensor()) context.fail("a scan output is no tensor");
    const Tensor slice = unpack_elements(datum.tensor());
    if (count_++ == 0) {
      dtype_ = datum.tensor().dtype();
      shape_ = slice.shape();
    } else if (datum.tensor().dtype() != dtype_ || slice.shape() != shape_) {
      context.fail("a scan output is " + describe(datum.tensor()) + " in one iteration and " +
                   std::string(to_string(dtype_)) + to_string(shape_) + " in another");
    }
    if (dtype_ == DType::string) {
      for (const std::string& text : slice.values<std::string>()) {
        charge(context, static_cast<std::int64_t>(text.size() + sizeof(std::string)));
        strings_.push_back(text);
      }
      return;
    }
    charge(context, slice.bytes());
    try {
      bytes_.insert(bytes_.end(), slice.data(), slice.data() + slice.bytes());
    } catch (const std::bad_alloc&) {
      throw Error(ErrorCode::out_of_memory, "no memory for a scan output of a loop",
                  std::to_string(charged_) + " bytes were asked for");
    }
  }

  void deliver(KernelContext& context, std::size_t output, const Type& declared) {
    if (!context.has_output(output)) return;
    if (count_ == 0) {  // sizes that only an iteration would have told are 0
      dtype_ = declared.dtype;
      for (const Dim& dim : declared.shape.value_or(SymShape{})) {
        shape_.push_back(dim.is_constant() ? dim.value() : 0);
      }
    }
    Shape shape = shape_;
    shape.insert(shape.begin(), count_);
    Tensor& y = context.allocate(output, dtype_, shape);
    if (y.size() == 0) return;
    if (dtype_ == DType::string) {
      std::ranges::move(strings_, y.mutable_values<std::string>().begin());
    } else if (bits_of(dtype_) < 8) {
      pack_elements(Tensor::wrap(DType::u8, shape, bytes_.data(), nullptr), y);
    } else {
      std::memcpy(y.mutable_data(), bytes_.data(), bytes_.size());
    }
  }

 private:
  void charge(KernelContext& context, std::int64_t bytes) {
    charged_ += bytes;
    const std::int64_t limit = context.limits().tensor_bytes;
    if (limit != 0 && charged_ > limit) {
      throw Error(ErrorCode::limit_exceeded, "a scan output of a loop passes the limit of a tensor",
                  "the limit for one tensor is " + std::to_string(limit) + " bytes",
                  "raise RunLimits::tensor_bytes if the model is trusted");
    }
  }

  DType dtype_ = DType::undefined;
  Shape shape_;
  std::int64_t count_ = 0, charged_ = 0;
  std::vector<std::byte> bytes_;
  std::vector<std::string> strings_;
};

void reference(KernelContext& context) {
  const auto carried = static_cast<std::size_t>(context.attributes<LoopAttributes>().carried);
  const Graph& body = *context.subgraphs()[0];
  const std::size_t scans = body.outputs().size() - 1 - carried;
  std::optional<std::int64_t> trips;
  if (context.has_input(0)) trips = context.input(0).to_i64().at(0);
  bool go_on = !context.has_input(1) || truth(context, context.datum(1), "the condition");

  std::vector<Datum> arguments(2);
  for (std::size_t i = 2; i < context.input_count(); ++i) arguments.push_back(context.datum(i));
  std::vector<Stack> stacks(scans);
  const std::int64_t limit = context.limits().loop_iterations;
  for (std::int64_t i = 0; go_on && (!trips || i < *trips); ++i) {
    context.check_deadline();
    if (limit != 0 && i >= limit) {
      throw Error(ErrorCode::limit_exceeded,
                  "a loop passed " + std::to_string(limit) + " iterations",
                  "RunLimits::loop_iterations bounds how often a loop may run",
                  "raise the limit if the model is trusted");
    }
    arguments[0] = Tensor::scalar<std::int64_t>(i);
    arguments[1] = Tensor::scalar<bool>(true);
    std::vector<Datum> results = context.run_subgraph(0, arguments);
    go_on = truth(context, results[0], "the condition");
    for (std::size_t k = 0; k < carried; ++k) arguments[2 + k] = std::move(results[1 + k]);
    for (std::size_t k = 0; k < scans; ++k) {
      stacks[k].append(context, results[1 + carried + k]);
    }
  }
  for (std::size_t k = 0; k < carried; ++k) deliver(context, k, arguments[2 + k]);
  for (std::size_t k = 0; k < scans; ++k) {
    stacks[k].deliver(context, carried + k, body.value(body.outputs()[1 + carried + k]).type);
  }
}

}  // namespace

const OpDef& op_loop() {
  static const OpDef def{
      .name = "loop",
      .summary = "runs its body until the trip count is reached or the condition is false",
      .attributes = &attribute_schema<LoopAttributes>(),
      .inputs =
          {{.name = "trip_count", .types = {DType::i64}, .arity = Operand::optional},
           {.name = "condition", .types = kBool, .arity = Operand::optional},
           {.name = "carried", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .outputs = {{.name = "y", .types = kAny, .arity = Operand::variadic, .kind = Operand::any}},
      .subgraphs = {"body"},
      .traits = {.data_dependent = true, .parameter_inputs = 0b11},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
