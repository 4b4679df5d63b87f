// SPDX-License-Identifier: Apache-2.0
// Which strings a regular expression matches as a whole. regex_syntax_support.hpp says what it
// takes.
#include "ops/regex_match.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/regex_program_support.hpp"

namespace strop {
namespace {

const RegexProgram& program_of(const RegexMatchAttributes& attributes) {
  return attributes.program.get([&] { return RegexProgram(attributes.pattern); });
}

void infer(InferContext& context) {
  program_of(context.attributes<RegexMatchAttributes>());
  Type type = context.input(0);
  type.dtype = DType::boolean;
  context.set_output(0, std::move(type));
}

void reference(KernelContext& context) {
  const RegexProgram& program = program_of(context.attributes<RegexMatchAttributes>());
  const auto texts = context.input(0).values<std::string>();
  bool* out = context.output(0).mutable_values<bool>().data();
  parallel_for(context.input(0).size(), 8, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      out[i] =
          program.matches(texts[static_cast<std::size_t>(i)], [&] { context.check_deadline(); });
    }
  });
}

}  // namespace

const OpDef& op_regex_match() {
  static const OpDef def{
      .name = "regex_match",
      .summary = "whether a regular expression matches all of a string",
      .attributes = &attribute_schema<RegexMatchAttributes>(),
      .inputs = {{.name = "x", .types = {DType::string}}},
      .outputs = {{.name = "y", .types = {DType::boolean}}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
