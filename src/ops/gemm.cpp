// SPDX-License-Identifier: Apache-2.0
// y = alpha * a * b + beta * c for matrices. Sums are in float for the 16-bit types; integers wrap,
// and their alpha and beta are truncated to integers.
#include "ops/gemm.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/product.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<GemmAttributes>();
  context.require_rank(0, 2);
  context.require_rank(1, 2);
  const SymShape a = context.shape(0) != nullptr ? *context.shape(0) : context.fresh_shape(2);
  const SymShape b = context.shape(1) != nullptr ? *context.shape(1) : context.fresh_shape(2);
  const std::size_t row = attributes.trans_a ? 1 : 0, column = attributes.trans_b ? 0 : 1;
  context.require_equal(a[1 - row], b[1 - column], "the inner sizes of a and b");
  SymShape y = {a[row], b[column]};
  if (context.has_input(2) && context.shape(2) != nullptr) {
    const SymShape& c = *context.shape(2);
    context.require(c.size() <= 2, ErrorCode::bad_shape, "c has more than two axes");
    for (std::size_t i = 0; i < c.size(); ++i) {  // c must not enlarge y
      const Dim& size = y[i + 2 - c.size()];
      if (!c[i].is_constant()) continue;  // checked when the shapes are known
      if (!c[i].is(1)) context.require_equal(c[i], size, "an axis of c other than 1, and y's");
    }
  }
  context.set_output(0, context.dtype(0), std::move(y));
}

// x [rows, columns] as C, transposed: in square blocks, so that lines of both stay in the cache.
template <class C>
std::vector<C> transposed(const C* x, std::int64_t rows, std::int64_t columns) {
  constexpr std::int64_t kBlock = 32;
  std::vector<C> out(static_cast<std::size_t>(rows * columns));
  parallel_for(columns, kBlock, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t first = 0; first < rows; first += kBlock) {
      const std::int64_t last = std::min(rows, first + kBlock);
      for (std::int64_t block = begin; block < end; block += kBlock) {
        for (std::int64_t i = first; i < last; ++i) {
          for (std::int64_t j = block; j < std::min(end, block + kBlock); ++j) {
            out[static_cast<std::size_t>(j * rows + i)] = x[i * columns + j];
          }
        }
      }
    }
  });
  return out;
}

// a * b without overflow of signed integers.
template <class C>
C scaled(C a, C b) {
  if constexpr (std::is_same_v<C, std::int64_t>) {
    return static_cast<C>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  } else {
    return a * b;
  }
}

template <class C>
C added(C a, C b) {
  if constexpr (std::is_same_v<C, std::int64_t>) {
    return static_cast<C>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  } else {
    return a + b;
  }
}

constexpr std::int64_t kRows = 64, kColumns = 512;  // of the part of y that a task computes

template <class C>
void compute(const GemmAttributes& attributes, const Tensor& a, const Tensor& b, const Tensor* c,
             Tensor& y) {
  const std::int64_t rows = y.dim(0), columns = y.dim(1);
  const std::int64_t depth = a.dim(attributes.trans_a ? 0 : 1);
  std::vector<C> a_copy, b_copy, c_copy;
  const C* left = load_all<C>(a, a_copy);
  if (attributes.trans_a) left = (a_copy = transposed(left, depth, rows)).data();
  const C* right = load_all<C>(b, b_copy);
  if (attributes.trans_b) right = (b_copy = transposed(right, columns, depth)).data();
  const C* addend = c != nullptr ? load_all<C>(*c, c_copy) : nullptr;
  const std::int64_t c_step = c != nullptr && c->rank() > 0 && c->dim(c->rank() - 1) != 1 ? 1 : 0;
  const std::int64_t c_row = c != nullptr && c->rank() == 2 && c->dim(0) != 1 ? c->dim(1) : 0;
  const C alpha = convert_number<C>(attributes.alpha), beta = convert_number<C>(attributes.beta);
  const std::int64_t across = (columns + kColumns - 1) / kColumns;
  parallel_for((rows + kRows - 1) / kRows * across, 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<C> sums(kRows * kColumns);
    for (std::int64_t task = begin; task < end; ++task) {
      const std::int64_t first_column = task % across * kColumns;
      const std::int64_t first_row = task / across * kRows;
      const std::int64_t height = std::min(kRows, rows - first_row);
      const std::int64_t width = std::min(kColumns, columns - first_column);
      std::fill(sums.begin(), sums.end(), C(0));
      accumulate_product(left + first_row * depth, depth, right + first_column, columns,
                         sums.data(), kColumns, height, width, depth);
      for (std::int64_t i = 0; i < height; ++i) {
        C* row = sums.data() + i * kColumns;
        for (std::int64_t j = 0; j < width; ++j) {
          row[j] = scaled(alpha, row[j]);
          if (addend == nullptr) continue;
          const C term = addend[(first_row + i) * c_row + (first_column + j) * c_step];
          row[j] = added(row[j], scaled(beta, term));
        }
        store_chunk<C>(y, (first_row + i) * columns + first_column, width, row);
      }
    }
  });
}

void reference(KernelContext& context) {
  const Tensor* c = context.has_input(2) ? &context.input(2) : nullptr;
  dispatch_compute(compute_kind(context.input(0).dtype()), [&]<class C>() {
    compute<C>(context.attributes<GemmAttributes>(), context.input(0), context.input(1), c,
               context.output(0));
  });
}

}  // namespace

const OpDef& op_gemm() {
  static const OpDef def{
      .name = "gemm",
      .summary = "y = alpha * a * b + beta * c for matrices, each transposed on demand",
      .attributes = &attribute_schema<GemmAttributes>(),
      .inputs = {{.name = "a", .types = kNumbers, .same_as = 'T'},
                 {.name = "b", .types = kNumbers, .same_as = 'T'},
                 {.name = "c", .types = kNumbers, .same_as = 'T', .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kNumbers, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
