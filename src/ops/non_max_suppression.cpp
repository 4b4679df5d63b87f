// SPDX-License-Identifier: Apache-2.0
// For each batch and class: boxes in the order of falling scores, of equal ones the lower index
// first. A box is selected unless its overlap (intersection over union, in float) with one selected
// before is greater than the threshold. Boxes without area overlap nothing, and a score that is NaN
// or not above the score threshold takes its box out. Absent: 0 boxes, overlap 0, every score.
#include "ops/non_max_suppression.hpp"

#include <algorithm>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/dispatch.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  context.require_rank(0, 3);
  context.require_rank(1, 3);
  if (const SymShape* boxes = context.shape(0)) {
    context.require_equal((*boxes)[2], Dim(4), "the last axis of boxes and 4");
    if (const SymShape* scores = context.shape(1)) {
      context.require_equal((*boxes)[0], (*scores)[0], "the batches of boxes and scores");
      context.require_equal((*boxes)[1], (*scores)[2], "the numbers of boxes and of their scores");
    }
  }
  for (std::size_t i = 2; i < context.input_count(); ++i) {
    if (!context.has_input(i) || context.shape(i) == nullptr) continue;
    context.require_equal(product(*context.shape(i)), Dim(1),
                          "the size of " + std::string(context.op().inputs[i].name) + " and 1");
  }
  const auto most = context.integers(2);
  const bool none = !context.has_input(2) || (most && !most->empty() && most->front() <= 0);
  context.set_output(0, DType::i64, {none ? Dim(0) : context.fresh_dim(), Dim(3)});
}

struct Box {
  float low[2], high[2];
  float area;  // not greater than 0, or NaN: overlaps nothing

  Box(const float* from, BoxFormat format) {
    for (int i = 0; i < 2; ++i) {
      if (format == BoxFormat::corners) {
        low[i] = std::min(from[i], from[i + 2]);
        high[i] = std::max(from[i], from[i + 2]);
      } else {
        const float half = from[i + 2] / 2;
        low[i] = from[i] - half;
        high[i] = from[i] + half;
      }
    }
    area = high[0] > low[0] && high[1] > low[1] ? (high[0] - low[0]) * (high[1] - low[1]) : 0;
  }

  bool overlaps(const Box& other, float threshold) const {
    const float a = std::min(high[0], other.high[0]) - std::max(low[0], other.low[0]);
    const float b = std::min(high[1], other.high[1]) - std::max(low[1], other.low[1]);
    if (!(a > 0 && b > 0 && area > 0 && other.area > 0)) return false;
    const float intersection = a * b;
    return intersection / (area + other.area - intersection) > threshold;
  }
};

struct Limits {
  std::int64_t most = 0;
  float overlap = 0;
  const float* score = nullptr;
};

std::vector<std::int64_t> select(const KernelContext& context, std::span<const Box> boxes,
                                 const float* scores, const Limits& limits) {
  std::vector<std::int64_t> candidates, selected;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(boxes.size()); ++i) {
    if (limits.score != nullptr ? scores[i] > *limits.score : scores[i] == scores[i]) {
      candidates.push_back(i);
    }
  }
  std::ranges::sort(candidates, [&](std::int64_t a, std::int64_t b) {
    return scores[a] != scores[b] ? scores[a] > scores[b] : a < b;
  });
  std::vector<Box> kept;
  for (const std::int64_t candidate : candidates) {
    if (static_cast<std::int64_t>(selected.size()) >= limits.most) break;
    context.check_deadline();
    const Box& box = boxes[static_cast<std::size_t>(candidate)];
    const auto covers = [&](const Box& other) { return box.overlaps(other, limits.overlap); };
    if (std::ranges::any_of(kept, covers)) continue;
    selected.push_back(candidate);
    kept.push_back(box);
  }
  return selected;
}

Limits limits_of(const KernelContext& context) {
  Limits limits;
  if (context.has_input(2)) limits.most = context.input(2).to_i64().front();
  if (context.has_input(3)) limits.overlap = context.input(3).values<float>().front();
  if (context.has_input(4)) limits.score = context.input(4).values<float>().data();
  if (!(limits.overlap >= 0 && limits.overlap <= 1)) {
    context.fail("the threshold of the overlap is " + std::to_string(limits.overlap),
                 "it is a part of the union, between 0 and 1");
  }
  return limits;
}

void reference(KernelContext& context) {
  const Limits limits = limits_of(context);
  const Tensor& boxes = context.input(0);
  const Tensor& scores = context.input(1);
  const BoxFormat format = context.attributes<NonMaxSuppressionAttributes>().format;
  const std::int64_t count = boxes.dim(1), classes = scores.dim(1);
  const bool none = boxes.size() == 0 || scores.size() == 0 || limits.most <= 0;
  std::vector<Box> all;
  const float* corners = boxes.values<float>().data();
  for (std::int64_t i = 0; !none && i < boxes.size(); i += 4) all.emplace_back(corners + i, format);
  const std::int64_t groups = none ? 0 : boxes.dim(0) * classes;
  std::vector<std::vector<std::int64_t>> selected(static_cast<std::size_t>(groups));
  parallel_for(groups, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t group = begin; group < end; ++group) {
      const std::span<const Box> of_batch = std::span(all).subspan(
          static_cast<std::size_t>(group / classes * count), static_cast<std::size_t>(count));
      selected[static_cast<std::size_t>(group)] =
          select(context, of_batch, scores.values<float>().data() + group * count, limits);
    }
  });
  std::int64_t total = 0;
  for (const auto& of_group : selected) total += static_cast<std::int64_t>(of_group.size());
  auto out = context.allocate(0, DType::i64, {total, 3}).mutable_values<std::int64_t>().begin();
  for (std::int64_t group = 0; group < groups; ++group) {
    for (const std::int64_t box : selected[static_cast<std::size_t>(group)]) {
      *out++ = group / classes;
      *out++ = group % classes;
      *out++ = box;
    }
  }
}

}  // namespace

const OpDef& op_non_max_suppression() {
  static const OpDef def{
      .name = "non_max_suppression",
      .summary = "indices [batch, class, box] of the boxes that overlap none of a higher score",
      .attributes = &attribute_schema<NonMaxSuppressionAttributes>(),
      .inputs = {{.name = "boxes", .types = {DType::f32}},
                 {.name = "scores", .types = {DType::f32}},
                 {.name = "most", .types = {DType::i64}, .arity = Operand::optional},
                 {.name = "overlap", .types = {DType::f32}, .arity = Operand::optional},
                 {.name = "score", .types = {DType::f32}, .arity = Operand::optional}},
      .outputs = {{.name = "indices", .types = {DType::i64}}},
      .subgraphs = {},
      .traits = {.data_dependent = true, .parameter_inputs = 0b11100},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
