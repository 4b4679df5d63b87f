// SPDX-License-Identifier: Apache-2.0
// Sampling positions of an affine map: grid[n, ..., :] = theta[n] * (x, y[, z], 1), where x belongs
// to the innermost axis and runs over [-1, 1] with it. Computed in double, rounded once. With
// align_corners a single element lies at -1.
#include "ops/affine_grid.hpp"

#include <array>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  context.require_rank(0, 3);
  context.require_rank(1, 1);
  const SymShape* theta = context.shape(0);
  const auto sizes = context.elements(1);
  std::int64_t axes = 0;
  const auto learn = [&](std::int64_t count, const char* from) {
    context.require(count == 2 || count == 3, ErrorCode::bad_shape,
                    std::string(from) + " is of " + std::to_string(count) +
                        " spatial axes; it must be of 2 or 3");
    context.require(axes == 0 || axes == count, ErrorCode::bad_shape,
                    "theta is of " + std::to_string(axes) + " spatial axes, and size of " +
                        std::to_string(count));
    axes = count;
  };
  if (theta != nullptr && (*theta)[1].is_constant()) learn((*theta)[1].value(), "theta");
  if (sizes) {
    learn(static_cast<std::int64_t>(sizes->size()) - 2, "size");
  } else if (context.shape(1) != nullptr && (*context.shape(1))[0].is_constant()) {
    learn((*context.shape(1))[0].value() - 2, "size");
  }
  if (axes == 0) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  SymShape grid = {theta != nullptr ? (*theta)[0] : sizes ? (*sizes)[0] : context.fresh_dim()};
  if (theta != nullptr) {
    context.require_equal((*theta)[1], Dim(axes), "rows of theta and spatial axes");
    context.require_equal((*theta)[2], Dim(axes + 1), "columns of theta and spatial axes plus 1");
  }
  if (theta != nullptr && sizes)
    grid[0] = context.require_equal(grid[0], (*sizes)[0], "batches of theta and of size");
  for (std::size_t a = 0; a < static_cast<std::size_t>(axes); ++a) {
    grid.push_back(sizes ? (*sizes)[a + 2] : context.fresh_dim());
    context.require(!grid.back().is_constant() || grid.back().value() >= 0, ErrorCode::bad_value,
                    "size " + grid.back().to_string() + " is negative");
  }
  grid.emplace_back(axes);
  context.set_output(0, dtype, std::move(grid));
}

double coordinate(std::int64_t index, std::int64_t size, bool align_corners) {
  const auto i = static_cast<double>(index), n = static_cast<double>(size);
  if (!align_corners) return (2 * i + 1) / n - 1;
  return size > 1 ? 2 * i / (n - 1) - 1 : -1;
}

void reference(KernelContext& context) {
  const bool align_corners = context.attributes<AffineGridAttributes>().align_corners;
  const Tensor& theta = context.input(0);
  Tensor& grid = context.output(0);
  if (grid.size() == 0) return;
  const std::int64_t axes = theta.dim(1);
  const std::int64_t positions = grid.size() / axes, per_image = positions / grid.dim(0);
  parallel_for(positions, 4096, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      std::array<double, 4> point{};  // innermost axis first, then 1
      std::int64_t rest = p % per_image;
      for (std::int64_t a = 0; a < axes; ++a) {
        const std::int64_t size = grid.dim(axes - a);
        point[static_cast<std::size_t>(a)] = coordinate(rest % size, size, align_corners);
        rest /= size;
      }
      point[static_cast<std::size_t>(axes)] = 1;
      for (std::int64_t row = 0; row < axes; ++row) {
        double sum = 0;
        for (std::int64_t k = 0; k <= axes; ++k) {
          const std::int64_t at = (p / per_image * axes + row) * (axes + 1) + k;
          sum +=
              load_as_double(theta.dtype(), theta.data(), at) * point[static_cast<std::size_t>(k)];
        }
        store_from_double(grid.dtype(), grid.mutable_data(), p * axes + row, sum);
      }
    }
  });
}

}  // namespace

const OpDef& op_affine_grid() {
  static const OpDef def{
      .name = "affine_grid",
      .summary =
          "for each element of an image the position that an affine map sends it to, theta * "
          "(x, y[, z], 1)",
      .attributes = &attribute_schema<AffineGridAttributes>(),
      .inputs = {{.name = "theta", .types = kFloats, .same_as = 'T'},
                 {.name = "size", .types = {DType::i64}}},
      .outputs = {{.name = "grid", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
