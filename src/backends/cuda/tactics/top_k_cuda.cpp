// SPDX-License-Identifier: Apache-2.0
// top_k of a number of elements that is known, a block for each row.
#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "backends/cuda/codegen/kernel_writer.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "ops/top_k.hpp"

namespace strop::cuda {
const Tactic& tactic_top_k_cuda();
namespace {

constexpr std::int64_t kMost = 4096;  // of which all are in shared memory at a time

std::optional<std::int64_t> count_of(const Problem& problem) {
  const Tensor* k = problem.constant(1);
  if (k == nullptr || k->size() != 1) return std::nullopt;
  return k->values<std::int64_t>()[0];
}

Acceptance accepts(const Problem& problem) {
  const auto count = count_of(problem);
  if (!problem.input_type(0).shape) return Acceptance::refuse("the rank of x is not known");
  if (!count) return Acceptance::refuse("k is no constant");
  if (*count > kMost) return Acceptance::refuse(fmt::format("it takes {} elements at most", kMost));
  if (bits_of(problem.input_type(0).dtype) > 32)
    return Acceptance::refuse("it takes elements of 32 bits and fewer");
  return Acceptance::accept();
}

// A thread for every eight elements.
std::int64_t threads_for(const Dim& size) {
  if (!size.is_constant()) return 512;
  const auto wanted = static_cast<std::uint64_t>(std::max<std::int64_t>(size.value() / 8, 32));
  return static_cast<std::int64_t>(std::min<std::uint64_t>(std::bit_ceil(wanted), 512));
}

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  const SymShape& x = shapes.input(0);
  const auto& attributes = problem.attributes<TopKAttributes>();
  const auto axis = static_cast<std::size_t>(
      normalize_axis(attributes.axis, static_cast<std::int64_t>(x.size())));
  const auto at = static_cast<std::ptrdiff_t>(axis);
  const Dim inner = product({x.begin() + at + 1, x.end()});
  const Dim rows = product({x.begin(), x.begin() + at}) * inner;
  const std::int64_t count = *count_of(problem), threads = threads_for(x[axis]);
  const std::string type = element_type(problem.input_type(0).dtype);
  KernelWriter writer(problem, shapes, "top_k");
  writer.use("top_k");
  const bool has_indices = problem.node->outputs.size() > 1 && problem.node->outputs[1].exists();
  const std::string from = writer.input(0, type), values = writer.output(0, type);
  const std::string indices = has_indices ? writer.output(1, "long long") : "";
  // Before its first element: rows of whole axes, and the row's place within them.
  const std::string text = fmt::format(
      "  const I row = static_cast<I>(blockIdx.x), outer = row / {inner}, within = row % {inner};\n"
      "  take_first<{threads}, {places}, {largest}>({from} + outer * {size} * {inner} + within,\n"
      "      {size}, {inner}, static_cast<I>({count}), {values} + outer * {count} * {inner} + "
      "within,\n"
      "      {indices});\n",
      fmt::arg("inner", writer.number(inner)), fmt::arg("threads", threads),
      fmt::arg("places",
               std::bit_ceil(static_cast<std::uint64_t>(std::max<std::int64_t>(count, 2)))),
      fmt::arg("largest", attributes.largest), fmt::arg("from", from),
      fmt::arg("size", writer.number(x[axis])), fmt::arg("count", count),
      fmt::arg("values", values),
      fmt::arg("indices", has_indices ? fmt::format("{} + outer * {} * {} + within", indices, count,
                                                    writer.number(inner))
                                      : "static_cast<long long*>(nullptr)"));
  LaunchStep step;
  const Dim blocks = count > 0 ? rows : Dim(0);
  writer.finish(step, text, {blocks, Dim(1), Dim(1)}, static_cast<std::uint32_t>(threads));
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_top_k_cuda() {
  static const Tactic tactic{.name = "top_k_cuda",
                             .backend = "cuda",
                             .ops = {op_top_k},
                             .accepts = accepts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
