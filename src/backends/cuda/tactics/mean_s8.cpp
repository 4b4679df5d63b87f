// SPDX-License-Identifier: Apache-2.0
// Exact means of bytes over all spatial axes, channels last: a body of a cast to i32, perhaps a
// difference with the zero point, a sum and its requantisation. Eight lanes take channels beside
// each other, the four groups of a warp every fourth pixel.
#include <fmt/format.h>

#include <algorithm>

#include "backends/cuda/codegen/implicit_gemm.hpp"
#include "backends/cuda/codegen/kernel_writer.hpp"
#include "backends/cuda/codegen/scalar_source.hpp"
#include "base/error.hpp"
#include "ops/binary.hpp"
#include "ops/cast.hpp"
#include "ops/fused.hpp"
#include "ops/reduce.hpp"
#include "ops/requantize.hpp"

namespace strop::cuda {
const Tactic& tactic_mean_s8();
namespace {

constexpr int kThreads = 128, kLanes = 8;  // of a warp, on one pixel

struct Mean {
  std::size_t x = 0;
  std::int64_t zero = 0;
  float multiplier = 0, offset = 0;
  std::int64_t channels = 0;
  bool keeps = false;  // the axes that are summed over
  RequantizeAttributes requantize;
};

// The body's constants are inputs of the node.
const Tensor* constant(const Problem& problem, const Graph& body, ValueId id) {
  if (!id.exists()) return nullptr;
  const auto at = std::ranges::find(body.inputs(), id);
  return at == body.inputs().end()
             ? nullptr
             : problem.constant(static_cast<std::size_t>(at - body.inputs().begin()));
}

bool sums_spatial_axes(const Problem& problem, const Graph& body, const Node& reduce,
                       std::int64_t rank) {
  const Tensor* given = constant(problem, body, reduce.input(1));
  if (reduce.as<ReduceAttributes>().function != ReduceFunction::sum || given == nullptr)
    return false;
  std::vector<std::int64_t> axes, spatial;
  for (const std::int64_t axis : given->to_i64()) axes.push_back(normalize_axis(axis, rank));
  for (std::int64_t axis = 2; axis < rank; ++axis) spatial.push_back(axis);
  std::ranges::sort(axes);
  return axes == spatial;
}

std::optional<Mean> read(const Problem& problem, std::string& refusal) {
  const auto refuse = [&](const char* why) {
    refusal = why;
    return std::nullopt;
  };
  if (!problem.is(op_fused())) return std::nullopt;
  const Graph& body = *problem.node->subgraphs.at(0);
  std::vector<const Node*> nodes;
  for (const NodeId id : body.order()) nodes.push_back(&body.node(id));
  const bool has_zero = nodes.size() == 4 && nodes[1]->is(op_binary());
  if (nodes.size() != (has_zero ? 4u : 3u) || !nodes[0]->is(op_cast())) return std::nullopt;
  const Node &reduce = *nodes[nodes.size() - 2], &last = *nodes.back();
  if (!reduce.is(op_reduce()) || !last.is(op_requantize())) return std::nullopt;
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    if (nodes[i]->inputs[0] != nodes[i - 1]->outputs[0]) return refuse("its body is not a chain");
  }
  Mean out;
  const auto at = std::ranges::find(body.inputs(), nodes[0]->inputs[0]);
  if (at == body.inputs().end()) return refuse("it is the mean of a constant");
  out.x = static_cast<std::size_t>(at - body.inputs().begin());
  const Type& x = problem.input_type(out.x);
  if ((x.dtype != DType::i8 && x.dtype != DType::u8) || x.rank() < 3 ||
      !(*x.shape)[1].is_constant() || body.value(nodes[0]->outputs[0]).type.dtype != DType::i32)
    return refuse("it takes bytes of a known number of channels");
  out.channels = (*x.shape)[1].value();
  if (!sums_spatial_axes(problem, body, reduce, x.rank()))
    return refuse("it sums over all axes after the second");
  out.keeps = reduce.as<ReduceAttributes>().keep_dims;
  if (has_zero) {
    const Tensor* zero = constant(problem, body, nodes[1]->inputs[1]);
    if (nodes[1]->as<BinaryAttributes>().function != BinaryFunction::sub || zero == nullptr ||
        zero->size() != 1)
      return refuse("what is subtracted is no constant");
    out.zero = zero->values<std::int32_t>()[0];
  }
  const Tensor* multiplier = constant(problem, body, last.inputs[1]);
  const Tensor* offset = constant(problem, body, last.inputs[2]);
  if (multiplier == nullptr || multiplier->size() != 1 || offset == nullptr ||
      offset->size() != 1 || last.input(3).exists())
    return refuse("its requantisation is not by one constant factor");
  out.multiplier = multiplier->values<float>()[0];
  out.offset = offset->values<float>()[0];
  out.requantize = last.as<RequantizeAttributes>();
  return out;
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  return read(problem, refusal) ? Acceptance::accept() : Acceptance::refuse(refusal);
}

// Results lie alike in both layouts: what was summed over has size 1.
std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto mean = read(problem, refusal);
  STROP_CHECK(mean.has_value(), "layouts are asked for what was accepted");
  OperandLayouts last;
  last.inputs.assign(problem.node->inputs.size(), Layout::plain);
  last.inputs[mean->x] = Layout::channels_last;
  last.outputs = {Layout::plain};
  std::vector<OperandLayouts> out{last};
  if (!mean->keeps) return out;
  last.outputs = {Layout::channels_last};
  out.push_back(std::move(last));
  return out;
}

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto mean = read(problem, refusal);
  STROP_CHECK(mean.has_value(), "a problem is lowered after it was accepted");
  const LaunchShapes shapes(problem);
  const SymShape& x = shapes.input(mean->x);
  Dim pixels(1);
  for (std::size_t axis = 2; axis < x.size(); ++axis) pixels = pixels * x[axis];
  const int pack = vector_of(Dim(mean->channels), 16);
  const Dim runs = x[0] * Dim(mean->channels / pack);

  KernelWriter writer(problem, shapes, "mean");
  writer.use("wide_functions");
  const std::string in = element_type(problem.input_type(mean->x).dtype);
  const std::string out = element_type(problem.output_type(0).dtype);
  const std::string from = writer.input(mean->x, in), to = writer.output(0, out);
  const auto& requantize = mean->requantize;
  const std::string text = fmt::format(
      "  const int lane = static_cast<int>(threadIdx.x) % 32;\n"
      "  const I run = (static_cast<I>(blockIdx.x) * {warps} + static_cast<I>(threadIdx.x) / 32) * "
      "{lanes} + lane % {lanes};\n"
      "  const bool valid = run < {runs};\n"
      "  const I image = run / {per_image}, first = (run - image * {per_image}) * {pack};\n"
      "  int sum[{pack}] = {{}};\n"
      "#pragma unroll 4\n"
      "  for (I pixel = lane / {lanes}; valid && pixel < {pixels}; pixel += {step}) {{\n"
      "    const Pack<{in}, {pack}> p = *reinterpret_cast<const Pack<{in}, {pack}>*>({from} + "
      "(image * {pixels} + pixel) * {channels} + first);\n"
      "#pragma unroll\n    for (int k = 0; k < {pack}; ++k) sum[k] += p.v[k];\n  }}\n"
      "  Pack<{out}, {pack}> q;\n"
      "#pragma unroll\n  for (int k = 0; k < {pack}; ++k) {{\n"
      "#pragma unroll\n    for (int other = {lanes}; other < 32; other *= 2)\n"
      "      sum[k] += __shfl_xor_sync(0xffffffffu, sum[k], other);\n"
      "    const int centred = sum[k] - static_cast<int>({pixels}) * ({zero});\n"
      "    const float t = __fmaf_rn(static_cast<float>(centred), {multiplier}, {offset});\n"
      "    q.v[k] = static_cast<{out}>(static_cast<int>(requantized(t, {range})) + ({low}));\n"
      "  }}\n"
      "  if (valid && lane < {lanes})\n"
      "    *reinterpret_cast<Pack<{out}, {pack}>*>({to} + image * {channels} + first) = q;\n",
      fmt::arg("warps", kThreads / 32), fmt::arg("lanes", kLanes), fmt::arg("step", 32 / kLanes),
      fmt::arg("runs", writer.number(runs)), fmt::arg("per_image", mean->channels / pack),
      fmt::arg("pack", pack), fmt::arg("pixels", writer.number(pixels)), fmt::arg("in", in),
      fmt::arg("out", out), fmt::arg("from", from), fmt::arg("to", to),
      fmt::arg("channels", mean->channels), fmt::arg("zero", mean->zero),
      fmt::arg("multiplier", literal(DType::f32, static_cast<double>(mean->multiplier))),
      fmt::arg("offset", literal(DType::f32, static_cast<double>(mean->offset))),
      fmt::arg("range", literal(DType::f32, static_cast<double>(requantize.high - requantize.low))),
      fmt::arg("low", requantize.low));
  LaunchStep step;
  writer.finish(step, text, {ceildiv(runs, Dim(kThreads / 32 * kLanes)), Dim(1), Dim(1)}, kThreads);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_mean_s8() {
  static const Tactic tactic{.name = "mean_s8",
                             .backend = "cuda",
                             .ops = {op_reduce, op_binary},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
