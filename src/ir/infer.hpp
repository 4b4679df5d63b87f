// SPDX-License-Identifier: Apache-2.0
// What an operator's `infer` sees: types of the inputs, and of small integer inputs also the
// contents, possibly symbolic. That is how a Shape → Gather → Concat → Reshape chain keeps its
// dimensions through the whole compiler.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "ir/attributes.hpp"
#include "ir/op_def.hpp"
#include "ir/type.hpp"

namespace strop {

class Graph;

// Contents of tensors of rank 0 or 1 with at most this many integers are tracked symbolically.
inline constexpr std::int64_t kMaxTrackedElements = 64;

struct InferInput {
  const Type* type = nullptr;  // null: the optional input is absent
  const Tensor* constant = nullptr;
  const std::vector<Dim>* elements = nullptr;
};

struct InferOutput {
  Type type;
  std::optional<std::vector<Dim>> elements;
};

// Two sizes that must be equal when the shapes are known.
struct ShapeConstraint {
  Dim a, b;
  std::string why;  // "conv: channels of x and of w * group"
};

class InferContext {
 public:
  // `scope` makes fresh symbols unique; at run time (all shapes concrete) it is empty and fresh
  // symbols are an error.
  InferContext(const OpDef& op, const Attributes& attributes, std::span<const InferInput> inputs,
               std::span<const Graph* const> subgraphs, std::size_t output_count,
               std::string scope);

  const OpDef& op() const { return op_; }
  template <class A>
  const A& attributes() const {
    return attributes_.as<A>();
  }
  // Whatever struct they are.
  const Attributes& all_attributes() const { return attributes_; }

  std::size_t input_count() const { return inputs_.size(); }
  bool has_input(std::size_t i) const { return i < inputs_.size() && inputs_[i].type != nullptr; }
  const Type& input(std::size_t i) const;  // present
  DType dtype(std::size_t i) const { return input(i).dtype; }
  const SymShape* shape(std::size_t i) const;  // null when the rank is unknown
  // Contents that are known now.
  const Tensor* constant(std::size_t i) const;
  // Contents of a small integer input as dimensions; from a constant too.
  std::optional<std::vector<Dim>> elements(std::size_t i) const;
  // Contents of a small integer input when all of it is known numbers.
  std::optional<std::vector<std::int64_t>> integers(std::size_t i) const;
  std::span<const Graph* const> subgraphs() const { return subgraphs_; }

  std::size_t output_count() const { return outputs_.size(); }
  void set_output(std::size_t i, Type type);
  void set_output(std::size_t i, DType dtype, SymShape shape) {
    set_output(i, Type::tensor(dtype, std::move(shape)));
  }
  void set_elements(std::size_t i, std::vector<Dim> elements);

  // A size that nothing known now determines.
  Dim fresh_dim();
  // `rank` such sizes.
  SymShape fresh_shape(std::size_t rank);
  // Both are the same size: checked now if numbers, else at run time. Returns the simpler one.
  Dim require_equal(const Dim& a, const Dim& b, std::string_view what);
  // NumPy broadcasting of shapes (aligned at the last axis).
  SymShape broadcast(const SymShape& a, const SymShape& b);
  // Rank of input i; fails unless it is `rank` (when the rank is known).
  void require_rank(std::size_t i, std::int64_t rank);
  [[noreturn]] void fail(ErrorCode code, std::string why, std::string hint = {}) const;
  void require(bool condition, ErrorCode code, std::string why) const {
    if (!condition) fail(code, std::move(why));
  }

  std::vector<InferOutput>& outputs() { return outputs_; }
  std::vector<ShapeConstraint>& constraints() { return constraints_; }

 private:
  const OpDef& op_;
  const Attributes& attributes_;
  std::span<const InferInput> inputs_;
  std::span<const Graph* const> subgraphs_;
  std::vector<InferOutput> outputs_;
  std::vector<ShapeConstraint> constraints_;
  std::string scope_;
  int fresh_ = 0;
};

// Checks arity, element types and `same_as` letters against the OpDef, then runs its `infer`.
// Throws Error(bad_type, bad_shape, bad_attribute) naming operand, expected and got.
void infer_outputs(InferContext& context);

}  // namespace strop
