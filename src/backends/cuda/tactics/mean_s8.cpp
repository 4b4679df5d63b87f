// SPDX-License-Identifier: Apache-2.0
// Exact means of bytes over all spatial axes, channels last: a body of a cast to i32, perhaps a
// difference with the zero point, a sum and its requantisation. A block takes a few runs of
// channels beside each other and all of their pixels, whose sums its warps add up in shared memory.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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

constexpr int kMostInRun = 16;       // channels that a thread reads at once
constexpr int kLoadsOfBlock = 2048;  // that are under way together
constexpr int kTypicalPixels = 49;   // where they are not known

// Threads of a block, and those of them on one pixel; as text "256x4".
struct MeanConfig {
  int threads = 128, lanes = 8;
  int loads() const { return std::clamp(kLoadsOfBlock / threads, 2, 8); }  // of a thread
};
constexpr MeanConfig kConfigs[] = {{128, 8}, {128, 4}, {256, 4}, {512, 4}, {512, 2}, {1024, 2}};

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

// Those first whose threads have about as many loads each as are under way together.
std::vector<std::string> configs(const Problem& problem) {
  std::string refusal;
  const auto mean = read(problem, refusal);
  STROP_CHECK(mean.has_value(), "configurations are asked for what was accepted");
  const SymShape& x = *problem.input_type(mean->x).shape;
  Dim pixels(1);
  for (std::size_t axis = 2; axis < x.size(); ++axis) pixels = pixels * x[axis];
  const auto count = static_cast<double>(pixels.is_constant() ? pixels.value() : kTypicalPixels);
  std::vector<std::pair<double, MeanConfig>> found;
  for (const MeanConfig& config : kConfigs)
    found.emplace_back(std::abs(std::log(count * config.lanes / config.threads / config.loads())),
                       config);
  std::ranges::stable_sort(found, {}, [](const auto& entry) { return entry.first; });
  std::vector<std::string> out;
  for (const auto& [distance, config] : found)
    out.push_back(fmt::format("{}x{}", config.threads, config.lanes));
  return out;
}

KernelChoice lower(const Problem& problem, std::string_view name) {
  std::string refusal;
  const auto mean = read(problem, refusal);
  STROP_CHECK(mean.has_value(), "a problem is lowered after it was accepted");
  const auto* config = std::ranges::find(kConfigs, name, [](const MeanConfig& of) {
    return fmt::format("{}x{}", of.threads, of.lanes);
  });
  STROP_CHECK(config != std::end(kConfigs), "a configuration that was offered");
  const LaunchShapes shapes(problem);
  const SymShape& x = shapes.input(mean->x);
  Dim pixels(1);
  for (std::size_t axis = 2; axis < x.size(); ++axis) pixels = pixels * x[axis];
  const int pack = vector_of(Dim(mean->channels), kMostInRun);
  const Dim runs = x[0] * Dim(mean->channels / pack);

  KernelWriter writer(problem, shapes, "mean");
  writer.use("wide_functions");
  const std::string in = element_type(problem.input_type(mean->x).dtype);
  const std::string out = element_type(problem.output_type(0).dtype);
  const std::string from = writer.input(mean->x, in), to = writer.output(0, out);
  const auto& requantize = mean->requantize;
  const std::string text = fmt::format(
      "  __shared__ int of_warps[{warps}][{lanes} * {pack}];\n"
      "  const int thread = static_cast<int>(threadIdx.x), lane = thread % {lanes};\n"
      "  const I first_run = static_cast<I>(blockIdx.x) * {lanes}, run = first_run + lane;\n"
      "  const bool valid = run < {runs};\n"
      "  const I image = run / {per_image}, first = (run - image * {per_image}) * {pack};\n"
      "  int sum[{pack}] = {{}};\n"
      "#pragma unroll {loads}\n"
      "  for (I pixel = thread / {lanes}; valid && pixel < {pixels}; pixel += {step}) {{\n"
      "    const Pack<{in}, {pack}> p = *reinterpret_cast<const Pack<{in}, {pack}>*>({from} + "
      "(image * {pixels} + pixel) * {channels} + first);\n"
      "#pragma unroll\n    for (int k = 0; k < {pack}; ++k) sum[k] += p.v[k];\n  }}\n"
      "#pragma unroll\n  for (int k = 0; k < {pack}; ++k) {{\n"
      "#pragma unroll\n    for (int other = {lanes}; other < 32; other *= 2)\n"
      "      sum[k] += __shfl_xor_sync(0xffffffffu, sum[k], other);\n"
      "    if (thread % 32 < {lanes}) of_warps[thread / 32][lane * {pack} + k] = sum[k];\n  }}\n"
      "  __syncthreads();\n"
      "  const I result = first_run * {pack} + thread;\n"
      "  if (thread >= {lanes} * {pack} || result >= {runs} * {pack}) return;\n"
      "  int centred = -static_cast<int>({pixels}) * ({zero});\n"
      "#pragma unroll\n  for (int w = 0; w < {warps}; ++w) centred += of_warps[w][thread];\n"
      "  const float t = __fmaf_rn(static_cast<float>(centred), {multiplier}, {offset});\n"
      "  {to}[result] = static_cast<{out}>(static_cast<int>(requantized(t, {range})) + ({low}));\n",
      fmt::arg("warps", config->threads / 32), fmt::arg("lanes", config->lanes),
      fmt::arg("step", config->threads / config->lanes), fmt::arg("loads", config->loads()),
      fmt::arg("runs", writer.number(runs)), fmt::arg("per_image", mean->channels / pack),
      fmt::arg("pack", pack), fmt::arg("pixels", writer.number(pixels)), fmt::arg("in", in),
      fmt::arg("out", out), fmt::arg("from", from), fmt::arg("to", to),
      fmt::arg("channels", mean->channels), fmt::arg("zero", mean->zero),
      fmt::arg("multiplier", literal(DType::f32, static_cast<double>(mean->multiplier))),
      fmt::arg("offset", literal(DType::f32, static_cast<double>(mean->offset))),
      fmt::arg("range", literal(DType::f32, static_cast<double>(requantize.high - requantize.low))),
      fmt::arg("low", requantize.low));
  LaunchStep step;
  writer.finish(step, text, {ceildiv(runs, Dim(config->lanes)), Dim(1), Dim(1)}, config->threads);
  return to_choice(problem, std::move(step));
}

}  // namespace

const Tactic& tactic_mean_s8() {
  static const Tactic tactic{.name = "mean_s8",
                             .backend = "cuda",
                             .ops = {op_reduce, op_binary},
                             .reads_bodies = true,
                             .accepts = accepts,
                             .configs = configs,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
