// SPDX-License-Identifier: Apache-2.0
// Runs reference kernels: one node, or a whole graph. Constant folding, the oracle of the tests,
// nested graphs and the reference backend all come through here, so an operator has one meaning.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/tensor.hpp"
#include "ir/graph.hpp"
#include "ir/op_def.hpp"

namespace strop {

// Bounds on what one run may cost, against hostile models. Zero means no limit.
struct RunLimits {
  std::int64_t loop_iterations = 100'000'000;         // of all loops of a run together
  std::int64_t tensor_bytes = std::int64_t{1} << 36;  // of one tensor, or all in one sequence
  std::int64_t sequence_length = 1'000'000;
  std::optional<std::chrono::steady_clock::time_point> deadline;
  // Counts the iterations of one run, whatever calls whatever; null: each call counts for itself.
  std::int64_t* iterations = nullptr;
};

class KernelContext {
 public:
  KernelContext(const OpDef& op, const Attributes& attributes, std::span<const Datum* const> inputs,
                std::span<const Graph* const> subgraphs, std::vector<Datum>& outputs,
                const RunLimits& limits)
      : op_(op),
        attributes_(attributes),
        inputs_(inputs),
        subgraphs_(subgraphs),
        outputs_(outputs),
        limits_(limits) {}

  const OpDef& op() const { return op_; }
  template <class A>
  const A& attributes() const {
    return attributes_.as<A>();
  }
  // Whatever struct they are.
  const Attributes& all_attributes() const { return attributes_; }
  std::size_t input_count() const { return inputs_.size(); }
  bool has_input(std::size_t i) const { return i < inputs_.size() && inputs_[i] != nullptr; }
  const Datum& datum(std::size_t i) const;
  const Tensor& input(std::size_t i) const { return datum(i).tensor(); }

  std::size_t output_count() const { return outputs_.size(); }
  // Whether anybody wants output i; kernels may always write it.
  bool has_output(std::size_t i) const { return i < outputs_.size(); }
  // Allocated by the caller from the inferred type.
  Tensor& output(std::size_t i);
  // For data-dependent shapes; respects memory the caller supplied when it fits exactly.
  Tensor& allocate(std::size_t i, DType dtype, Shape shape);
  void set_output(std::size_t i, Datum datum);

  const RunLimits& limits() const { return limits_; }
  std::span<const Graph* const> subgraphs() const { return subgraphs_; }
  std::vector<Datum> run_subgraph(std::size_t which, std::span<const Datum* const> inputs) const;
  // Throws Error(limit_exceeded) past the deadline; cheap enough for every iteration of a loop
  // operator.
  void check_deadline() const;
  // An iteration, or several, of an operator that loops: Error(limit_exceeded) past the limit of
  // the run or its deadline. Work that grows with the length of a sequence is counted here too.
  void count_iterations(std::int64_t count = 1) const;
  // Data that the operator refuses: Error(bad_value) naming the operator.
  [[noreturn]] void fail(std::string why, std::string hint = {}) const;

 private:
  const OpDef& op_;
  const Attributes& attributes_;
  std::span<const Datum* const> inputs_;
  std::span<const Graph* const> subgraphs_;
  std::vector<Datum>& outputs_;
  const RunLimits& limits_;
};

// Infers concrete output types from the actual inputs (null: absent), allocates and runs the
// reference kernel. Tensors already present in `outputs` with the right type and shape are written
// in place.
void evaluate_op(const OpDef& op, const Attributes& attributes,
                 std::span<const Datum* const> inputs, std::span<const Graph* const> subgraphs,
                 std::size_t output_count, std::vector<Datum>& outputs,
                 const RunLimits& limits = {});

// Attributes whose dimensions are numbers: what an operator with symbolic dimensions means in one
// run. Throws Error(bad_shape) when a symbol has no value.
Attributes with_values(const Attributes& attributes, const SymbolValues& symbols);

// Runs a graph node by node in topological order; intermediate values are freed after their last
// use. Inputs are in the order of graph.inputs(); each is checked against its declared type, and
// gives the symbols that stand alone in that type their values. Throws Error naming the node.
std::vector<Datum> evaluate_graph(const Graph& graph, std::span<const Datum> inputs,
                                  const RunLimits& limits = {});

// As above, and calls `observe(value, datum)` for every value as it becomes known.
std::vector<Datum> evaluate_graph(const Graph& graph, std::span<const Datum> inputs,
                                  const RunLimits& limits,
                                  const std::function<void(ValueId, const Datum&)>& observe);

}  // namespace strop
