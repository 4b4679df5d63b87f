// SPDX-License-Identifier: Apache-2.0
// attention, alone or with the views of its heads (tactic/attention_view.hpp): on tensor cores for
// f16 and bf16, else one warp a query.
#include <fmt/format.h>

#include <cmath>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/walk.hpp"
#include "base/error.hpp"
#include "ops/attention.hpp"
#include "ops/reshape.hpp"
#include "ops/slice.hpp"
#include "tactic/attention_view.hpp"

namespace strop::cuda {
const Tactic& tactic_attention_cuda();
namespace {

constexpr std::int64_t kMostValues = 256, kMostTensorSize = 128;
constexpr std::uint32_t kTensorThreads = 128, kTensorQueries = 64;  // of kernels/attention_mma.cuh
constexpr std::uint32_t kPlainThreads = 256;
// Inputs of the operator.
constexpr std::size_t kLengths = 4, kStart = 5, kSink = 6;

// Where the rows of an operand lie: element d of (batch, head, row) is at base + batch * by_batch +
// head * by_head + row * by_row + d.
struct Heads {
  Dim by_batch{0}, by_head{0}, by_row{0}, base{0};
  Dim heads{1}, rows{1}, size{1};
};

struct Operands {
  Heads q, k, v, o;
  Dim batches{1};
};

Heads read_heads(const LaunchShapes& shapes, const AttentionView& view, std::size_t i) {
  const auto input = static_cast<std::size_t>(view.inputs[i]);
  const SymShape& shape = shapes.input(input);
  const SymShape& strides = shapes.input_strides(input);
  if (const auto& packed = view.heads[i]) {
    const std::size_t batch = packed->rows_first ? 1 : 0, row = 1 - batch;
    return {strides[batch],     Dim(packed->stride), strides[row],     Dim(packed->offset),
            Dim(packed->heads), shape[row],          Dim(packed->size)};
  }
  return {strides[0], strides[1], strides[2], Dim(0), shape[1], shape[2], shape[3]};
}

Operands read_operands(const LaunchShapes& shapes, const AttentionView& view) {
  Operands out;
  out.q = read_heads(shapes, view, 0);
  out.k = read_heads(shapes, view, 1);
  out.v = read_heads(shapes, view, 2);
  const SymShape& strides = shapes.output_strides(0);
  out.o = out.q;
  out.o.size = out.v.size;
  out.o.base = Dim(0);
  out.o.by_batch = strides[view.merged_rows_first ? 1 : 0];
  out.o.by_head = view.merged ? out.v.size : strides[1];
  out.o.by_row = view.merged ? strides[view.merged_rows_first ? 0 : 1] : strides[2];
  out.batches = shapes.output(0)[view.merged_rows_first ? 1 : 0];
  return out;
}

Acceptance accepts(const Problem& problem) {
  std::string refusal;
  const auto view = view_as_attention(problem, refusal);
  if (!view) return Acceptance::refuse(refusal);
  for (std::size_t i = 0; i < problem.node->inputs.size(); ++i) {
    if (problem.has_input(i) && !problem.input_type(i).shape)
      return Acceptance::refuse("the rank of an input is not known");
  }
  for (std::size_t i = 0; i < 3; ++i) {
    if (!kFloats.contains(problem.input_type(static_cast<std::size_t>(view->inputs[i])).dtype) ||
        problem.input_type(static_cast<std::size_t>(view->inputs[i])).dtype !=
            problem.output_type(0).dtype)
      return Acceptance::refuse("its operands are of different types");
  }
  if (view->node->outputs.size() > 1) return Acceptance::refuse("its scores are wanted");
  if (view->node->input(kSink).exists()) return Acceptance::refuse("it has no sink");
  if (problem.node != view->node &&
      (view->node->input(kLengths).exists() || view->node->input(kStart).exists()))
    return Acceptance::refuse("it has no lengths and start where heads are cut out of columns");
  const LaunchShapes shapes(problem);
  const Operands operands = read_operands(shapes, *view);
  if (!operands.v.size.is_constant() || operands.v.size.value() < 1 ||
      operands.v.size.value() > kMostValues || !operands.q.size.is_constant()) {
    return Acceptance::refuse("its values have " + operands.v.size.to_string() +
                              " elements, not 1 to " + std::to_string(kMostValues));
  }
  if (!operands.q.heads.is_constant() || !operands.k.heads.is_constant() ||
      operands.k.heads.value() < 1)
    return Acceptance::refuse("the number of its heads is not known");
  return Acceptance::accept();
}

bool on_tensor_cores(const Problem& problem, const Operands& operands) {
  const DType dtype = problem.output_type(0).dtype;
  if (!is_half(dtype)) return false;
  if (problem.device->compute_capability < 80) return false;
  const std::int64_t size = operands.q.size.value();
  if (size != operands.v.size.value() || size % 8 != 0 || size > kMostTensorSize) return false;
  for (const Heads* each : {&operands.q, &operands.k, &operands.v, &operands.o}) {
    for (const Dim* dim : {&each->by_batch, &each->by_head, &each->by_row, &each->base}) {
      if (!is_multiple(*dim, 8)) return false;
    }
  }
  return true;
}

class Source {
 public:
  Source(const Problem& problem, const LaunchShapes& shapes, const AttentionView& view)
      : problem_(problem),
        shapes_(shapes),
        view_(view),
        attributes_(view.node->as<AttentionAttributes>()),
        operands_(read_operands(shapes, view)),
        writer_(problem, shapes, "attention") {}

  LaunchStep step() {
    LaunchStep out;
    if (on_tensor_cores(problem_, operands_)) {
      tensor(out);
    } else {
      plain(out);
    }
    return out;
  }

 private:
  std::string place(const Heads& heads, const std::string& head) {
    return fmt::format("{} + batch * {} + {} * {}", writer_.number(heads.base),
                       writer_.number(heads.by_batch), head, writer_.number(heads.by_head));
  }
  std::string kv_head() const {
    return fmt::format("(head / {})", operands_.q.heads.value() / operands_.k.heads.value());
  }

  static std::int64_t reach(std::int64_t given) {
    return std::min<std::int64_t>(given, std::int64_t{1} << 28);
  }

  // A number of this batch, between `low` and `high`.
  std::string per_batch(std::size_t i, const std::string& name, const std::string& low,
                        const std::string& high) {
    const std::string x = writer_.input(i, element_type(problem_.input_type(i).dtype));
    const Dim& size = shapes_.input(i)[0];
    const Dim step = size == operands_.batches ? Dim(1) : min(size - Dim(1), Dim(1));
    return fmt::format(
        "  const long long given_{0} = {1}[batch * {2}];\n"
        "  const I {0} = given_{0} < {3} ? {3} : given_{0} > {4} ? {4} : "
        "static_cast<I>(given_{0});\n",
        name, x, writer_.number(step), low, high);
  }

  // `begin` and `end` of the keys that queries [first, last] see together, of type `index`, and
  // `shift`, the position of the first query.
  std::string range(const std::string& index, const std::string& first, const std::string& last) {
    const std::string keys = writer_.number(operands_.k.rows);
    std::string out;
    if (view_.node->input(kLengths).exists()) {
      out += per_batch(kLengths, "length", "static_cast<I>(0)", keys);
    } else {
      out += fmt::format("  const I length = {};\n", keys);
    }
    if (view_.node->input(kStart).exists()) {
      out += per_batch(kStart, "shift", "-" + writer_.number(operands_.q.rows), keys);
    } else {
      out += "  const I shift = 0;\n";
    }
    out += fmt::format("  {0} begin = 0, end = static_cast<{0}>(length);\n", index);
    if (attributes_.left >= 0) {
      out += fmt::format(
          "  begin = static_cast<{0}>({1} + shift) - {2};\n"
          "  if (begin < 0) begin = 0;\n",
          index, first, reach(attributes_.left));
    }
    if (attributes_.right >= 0) {
      out += fmt::format(
          "  if (static_cast<{0}>({1} + shift) + {2} < end) end = static_cast<{0}>({1} + shift) + "
          "{2};\n",
          index, last, reach(attributes_.right) + 1);
    }
    return out + "  if (end < 0) end = 0;\n  if (begin > end) begin = end;\n";
  }

  // Statements that turn `s`, a product times the scale, into a score; hidden ones return.
  std::string score(const std::string& compute) {
    std::string out;
    if (attributes_.softcap > 0) {
      const std::string cap = fmt::format("static_cast<{}>({:a})", compute, attributes_.softcap);
      out += fmt::format("    s = {0} * tanh(s / {0});\n", cap);
    }
    if (attributes_.left >= 0)
      out += fmt::format("    if (query + shift - key > {}) return hidden;\n",
                         reach(attributes_.left));
    if (attributes_.right >= 0)
      out += fmt::format("    if (key - query - shift > {}) return hidden;\n",
                         reach(attributes_.right));
    if (view_.bias < 0) return out;
    const auto bias = static_cast<std::size_t>(view_.bias);
    const DType dtype = problem_.input_type(bias).dtype;
    const SymShape whole = {operands_.batches, operands_.q.heads, operands_.q.rows,
                            operands_.k.rows};
    const SymShape strides =
        broadcast_strides(shapes_.input(bias), shapes_.input_strides(bias), whole);
    const std::string x = writer_.input(bias, element_type(dtype));
    const std::string at = fmt::format(
        "{}[batch * {} + head * {} + static_cast<I>(query) * {} + static_cast<I>(key) * {}]", x,
        writer_.number(strides[0]), writer_.number(strides[1]), writer_.number(strides[2]),
        writer_.number(strides[3]));
    if (dtype == DType::boolean)
      return out + fmt::format("    if ({}.bits == 0) return hidden;\n", at);
    return out + fmt::format("    s += wide({});\n", at);
  }

  void tensor(LaunchStep& step) {
    const DType dtype = problem_.output_type(0).dtype;
    if (dtype == DType::bf16) writer_.use("attention_bfloat");
    writer_.use("attention_mma");
    const std::string type = element_type(dtype);
    const Dim tiles = ceildiv(operands_.q.rows, Dim(kTensorQueries));
    std::string text = fmt::format(
        "  const I block = static_cast<I>(blockIdx.x);\n"
        "  const int first_query = static_cast<int>(block % {0}) * {1};\n"
        "  const I head = block / {0} % {2};\n"
        "  const I batch = block / {0} / {2};\n"
        "  const float hidden = __int_as_float(0xff800000);\n",
        writer_.number(tiles), kTensorQueries, writer_.number(operands_.q.heads));
    const std::string queries = writer_.number(operands_.q.rows);
    text += range("int", "first_query", fmt::format("(first_query + {})", kTensorQueries - 1));
    const auto pointer = [&](std::size_t i, const Heads& heads, const std::string& head) {
      const auto input = static_cast<std::size_t>(view_.inputs[i]);
      return fmt::format("reinterpret_cast<const unsigned short*>({}) + {}",
                         writer_.input(input, type), place(heads, head));
    };
    text += fmt::format(
        "  const auto score = [&](float s, int query, int key) -> float {{\n"
        "    s *= {};\n{}    return s * 1.4426950408889634f;\n  }};\n",
        literal(DType::f32, attributes_.scale), score("float"));
    text += fmt::format(
        "  attend<{}, I>({}, {}, {},\n"
        "      reinterpret_cast<unsigned short*>({}) + {},\n"
        "      {}, {}, {}, {}, first_query, static_cast<int>({}), begin, end, {}, score);\n",
        operands_.q.size.value(), pointer(0, operands_.q, "head"),
        pointer(1, operands_.k, kv_head()), pointer(2, operands_.v, kv_head()),
        writer_.output(0, type), place(operands_.o, "head"), writer_.number(operands_.q.by_row),
        writer_.number(operands_.k.by_row), writer_.number(operands_.v.by_row),
        writer_.number(operands_.o.by_row), queries, attributes_.zero_nan);
    writer_.finish(step, text, {tiles * operands_.q.heads * operands_.batches, Dim(1), Dim(1)},
                   kTensorThreads);
  }

  void plain(LaunchStep& step) {
    writer_.use("block_reduce");
    writer_.use("attention_plain");
    const DType dtype = problem_.output_type(0).dtype;
    const std::string type = element_type(dtype), compute = compute_type(dtype);
    const Dim count = operands_.q.rows * operands_.q.heads * operands_.batches;
    std::string text = fmt::format(
        "  const I item = static_cast<I>(blockIdx.x) * {0} + static_cast<I>(threadIdx.x) / 32;\n"
        "  if (item >= {1}) return;\n"
        "  const I query = item % {2};\n"
        "  const I head = item / {2} % {3};\n"
        "  const I batch = item / {2} / {3};\n"
        "  const {4} hidden = -static_cast<{4}>(__int_as_float(0x7f800000));\n",
        kPlainThreads / 32, writer_.number(count), writer_.number(operands_.q.rows),
        writer_.number(operands_.q.heads), compute);
    text += range("I", "query", "query");
    const auto pointer = [&](std::size_t i, const Heads& heads, const std::string& head) {
      return fmt::format("{} + {}", writer_.input(static_cast<std::size_t>(view_.inputs[i]), type),
                         place(heads, head));
    };
    text += fmt::format(
        "  const auto score = [&]({0} s, I key) -> {0} {{\n    s *= {1};\n{2}"
        "    return s;\n  }};\n",
        compute, literal(dtype, attributes_.scale), score(compute));
    text += fmt::format(
        "  attend_plain<{}, {}>({} + query * {}, {}, {},\n      {} + {} + query * {}, "
        "{}, {}, {}, begin, end, {}, score);\n",
        operands_.v.size.value(), compute, pointer(0, operands_.q, "head"),
        writer_.number(operands_.q.by_row), pointer(1, operands_.k, kv_head()),
        pointer(2, operands_.v, kv_head()), writer_.output(0, type), place(operands_.o, "head"),
        writer_.number(operands_.o.by_row), operands_.q.size.value(),
        writer_.number(operands_.k.by_row), writer_.number(operands_.v.by_row),
        attributes_.zero_nan);
    writer_.finish(step, text, {ceildiv(count, Dim(kPlainThreads / 32)), Dim(1), Dim(1)},
                   kPlainThreads);
  }

  const Problem& problem_;
  const LaunchShapes& shapes_;
  const AttentionView& view_;
  const AttentionAttributes& attributes_;
  Operands operands_;
  KernelWriter writer_;
};

KernelChoice lower(const Problem& problem, std::string_view) {
  std::string refusal;
  const auto view = view_as_attention(problem, refusal);
  STROP_CHECK(view.has_value(), "a problem is lowered after it was accepted");
  const LaunchShapes shapes(problem);
  return to_choice(problem, Source(problem, shapes, *view).step());
}

}  // namespace

const Tactic& tactic_attention_cuda() {
  static const Tactic tactic{.name = "attention_cuda",
                             .backend = "cuda",
                             .ops = {op_attention, op_reshape, op_slice},
                             .reads_bodies = true,
                             .accepts = accepts,
                             // attention_flash has tiles of more sizes, and deeper buffers.
                             .slowdown = [](const Problem&, std::string_view) { return 1.5; },
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
