// SPDX-License-Identifier: Apache-2.0
// Of each matrix (the last two axes) the elements on the diagonal and above, or below; the others
// are zero, or empty strings. Diagonal k holds the elements [i, i + k].
#include "ops/trilu.hpp"

#include <algorithm>
#include <cstring>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  if (context.has_input(1) && context.shape(1) != nullptr) {
    context.require_equal(product(*context.shape(1)), Dim(1),
                          "the size of the diagonal's number and 1");
  }
  const SymShape* x = context.shape(0);
  context.require(x == nullptr || x->size() >= 2, ErrorCode::bad_shape,
                  "x must have at least two axes, which make a matrix");
  context.set_output(0, context.input(0));
}

void clear_elements(Tensor& tensor, std::int64_t begin, std::int64_t count) {
  if (count == 0) return;
  if (tensor.dtype() == DType::string) {
    std::fill_n(tensor.mutable_values<std::string>().data() + begin, count, std::string());
    return;
  }
  const std::int64_t bytes = bits_of(tensor.dtype()) / 8;
  std::memset(tensor.mutable_data() + begin * bytes, 0, static_cast<std::size_t>(count * bytes));
}

void reference(KernelContext& context) {
  const bool upper = context.attributes<TriluAttributes>().upper;
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  const std::int64_t rows = x.dim(x.rank() - 2), columns = x.dim(x.rank() - 1);
  // Beyond the corners nothing changes, and sums stay small.
  const std::int64_t diagonal =
      context.has_input(1) ? std::clamp(context.input(1).to_i64().front(), -rows, columns) : 0;
  parallel_for(y.size() / columns, 1 + 16384 / columns, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      // Where the upper part of this row begins, or the lower one ends.
      const std::int64_t at = row % rows + diagonal + (upper ? 0 : 1);
      const std::int64_t border = std::clamp<std::int64_t>(at, 0, columns);
      const std::int64_t first = upper ? border : 0;
      const std::int64_t last = upper ? columns : border;
      const std::int64_t start = row * columns;
      clear_elements(y, start, first);
      copy_elements(x, start + first, y, start + first, last - first);
      clear_elements(y, start + last, columns - last);
    }
  });
}

}  // namespace

const OpDef& op_trilu() {
  static constexpr DTypeSet kTypes = kNumbers | kBool | kComplex | DTypeSet{DType::string};
  static const OpDef def{
      .name = "trilu",
      .summary = "the upper or lower triangle of each matrix, with zeros elsewhere",
      .attributes = &attribute_schema<TriluAttributes>(),
      .inputs = {{.name = "x", .types = kTypes, .same_as = 'T'},
                 {.name = "diagonal", .types = {DType::i64}, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kTypes, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.moves_only = true, .parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
