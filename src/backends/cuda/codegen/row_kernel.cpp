// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/row_kernel.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "backends/cuda/codegen/scalar_source.hpp"

namespace strop::cuda {
namespace {

constexpr int kThreads = 256;
constexpr std::int64_t kWarpRow = 1024;  // elements that a warp takes
constexpr int kCachedElements = 32;      // of a thread

}  // namespace

RowKernel::RowKernel(KernelWriter& writer, DType dtype, const Dim& size, const Dim& rows)
    : writer_(writer), element_(element_type(dtype)), compute_(compute_type(dtype)), rows_(rows) {
  writer.use("block_reduce");
  writer.input(0, element_);
  writer.output(0, element_);
  size_ = writer.number(size);
  pack_ = std::max(1, 128 / bits_of(dtype));
  while (pack_ > 1 && !is_multiple(size, pack_)) pack_ /= 2;
  if (!size.is_constant() || size.value() > kWarpRow) group_ = kThreads;
  if (size.is_constant()) {
    const std::int64_t packs = (size.value() + group_ * pack_ - 1) / (group_ * pack_);
    if (packs * pack_ <= kCachedElements) cached_ = static_cast<int>(packs);
  }
  text_ = fmt::format(
      "  const I row = static_cast<I>(blockIdx.x) * {rows} + static_cast<I>(threadIdx.x) / "
      "{group};\n"
      "  const I lane = static_cast<I>(threadIdx.x) % {group};\n"
      "  if (row >= {count}) return;\n"
      "  const {type}* const from = x0 + row * {size};\n"
      "  {type}* const to = y0 + row * {size};\n",
      fmt::arg("rows", kThreads / group_), fmt::arg("group", group_),
      fmt::arg("count", writer.number(rows)), fmt::arg("type", element_), fmt::arg("size", size_));
  if (cached_ == 0) return;
  text_ += fmt::format(
      "  {compute} cache[{cached}][{pack}];\n"
      "#pragma unroll\n"
      "  for (int j = 0; j < {cached}; ++j) {{\n"
      "    const I i = (j * {group} + lane) * {pack};\n"
      "    if (i < {size}) {{\n"
      "      const Pack<{type}, {pack}> p = *reinterpret_cast<const Pack<{type}, {pack}>*>(from + "
      "i);\n"
      "#pragma unroll\n"
      "      for (int k = 0; k < {pack}; ++k) cache[j][k] = wide(p.v[k]);\n"
      "    }}\n"
      "  }}\n",
      fmt::arg("compute", compute_), fmt::arg("cached", cached_), fmt::arg("pack", pack_),
      fmt::arg("group", group_), fmt::arg("size", size_), fmt::arg("type", element_));
}

void RowKernel::each(const std::string& statements) {
  store({}, "\n" + statements);  // a leading line break: for each element
}

void RowKernel::store(const std::string& result, const std::string& before) {
  const bool stores = !result.empty();
  const std::string head =
      cached_ > 0 ? fmt::format(
                        "#pragma unroll\n  for (int j = 0; j < {0}; ++j) {{\n"
                        "    const I i = (j * {1} + lane) * {2};\n    if (i >= {3}) continue;\n",
                        cached_, group_, pack_, size_)
                  : fmt::format(
                        "  for (I i = lane * {0}; i < {1}; i += {2} * {0}) {{\n"
                        "    const Pack<{3}, {0}> p = *reinterpret_cast<const Pack<{3}, "
                        "{0}>*>(from + i);\n",
                        pack_, size_, group_, element_);
  text_ += head;
  if (stores) text_ += before + fmt::format("    Pack<{}, {}> q;\n", element_, pack_);
  text_ += fmt::format("#pragma unroll\n    for (int k = 0; k < {}; ++k) {{\n", pack_);
  text_ += fmt::format("      const {} value = {};\n", compute_,
                       cached_ > 0 ? "cache[j][k]" : "wide(p.v[k])");
  text_ += stores ? fmt::format("      q.v[k] = narrow<{}>({});\n", element_, result)
                  : "      " + before + "\n";
  text_ += "    }\n";
  if (stores)
    text_ += fmt::format("    *reinterpret_cast<Pack<{}, {}>*>(to + i) = q;\n", element_, pack_);
  text_ += "  }\n";
}

void RowKernel::reduce(const std::string& name, const std::string& operation) {
  line(fmt::format("{0} = reduce_group<{1}, {2}>({0});", name, group_, operation));
}

void RowKernel::finish(LaunchStep& step) {
  writer_.finish(step, text_, {ceildiv(rows_, Dim(kThreads / group_)), Dim(1), Dim(1)}, kThreads);
}

}  // namespace strop::cuda
