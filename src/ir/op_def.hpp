// SPDX-License-Identifier: Apache-2.0
// An operator of the IR: the one place that says what it means. Everything else (constant folding,
// the oracle of the tests, verification, the documentation page) asks the OpDef. Each
// src/ops/<name>.cpp defines one:
//
//   const OpDef& op_softmax() {
//     static const OpDef def{.name = "softmax", .summary = ..., .attributes =
//     &attribute_schema<SoftmaxAttributes>(), ...}; return def;
//   }
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/dtype.hpp"
#include "ir/attributes.hpp"

namespace strop {

class InferContext;
class KernelContext;

// One input or output of an operator.
struct Operand {
  std::string_view name;
  DTypeSet types = kPlain;  // element types it takes (of a tensor)
  char same_as = 0;  // operands with the same letter have the same element type; 0: independent
  enum Arity : std::uint8_t {
    required,
    optional,
    variadic
  } arity = required;  // variadic is the last operand
  enum Kind : std::uint8_t { tensor, sequence, optional_value, map, any } kind = tensor;
};

struct OpTraits {
  bool pointwise = false;   // each output element depends on the input elements at its place (after
                            // broadcasting) only
  bool view = false;        // the output is the first input's memory under another shape
  bool moves_only = false;  // output elements are input elements (or a fill value), unchanged
  bool commutative = false;  // the first two inputs may be exchanged without changing a bit
  bool data_dependent =
      false;  // an output shape depends on the contents of inputs even when all shapes are known
  bool nondeterministic = false;  // random: not folded, not merged
  std::uint32_t parameter_inputs =
      0;  // bit i: input i is read as a small parameter (axes, sizes), never on a device
};

struct OpDef {
  std::string_view name;
  std::string_view summary;   // one sentence, with the formula
  std::string_view limits{};  // what it takes less of than the words above promise
  const AttributeSchema* attributes = &attribute_schema<NoAttributes>();
  std::vector<Operand> inputs;
  std::vector<Operand> outputs;
  // The node's nested graphs, by name ("then", "else"). Nested graphs see nothing of the outside:
  // what they capture are further inputs of the node and further inputs of each nested graph, in
  // the same order, after the formal ones.
  std::vector<std::string_view> subgraphs;
  // How many of the node's inputs come before the captured ones; null: its graphs capture nothing.
  std::size_t (*formal_inputs)(const Attributes&) = nullptr;
  OpTraits traits;

  // Types of the outputs from types (and where needed contents) of the inputs; also the full check
  // of attributes and shapes. Works on symbolic shapes at build and on concrete ones at run time.
  // Throws Error through InferContext::fail.
  void (*infer)(InferContext&) = nullptr;
  // Naive, readable, parallel over outputs. Inputs have passed `infer`; outputs are allocated
  // unless data_dependent.
  void (*reference)(KernelContext&) = nullptr;
};

}  // namespace strop
