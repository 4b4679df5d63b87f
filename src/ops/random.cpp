// SPDX-License-Identifier: Apache-2.0
// Random tensors. Element e is a function of the key and e alone, for any number of threads.
// Uniform: word e of the stream makes 24 bits of [0, 1), in f64 words 2e and 2e+1 make 53; scaled
// to [low, high) in double and rounded once, which may round up to `high`. Normal: Box-Muller.
// Block b gives elements 2b and 2b+1: r cos(2 pi u), r sin(2 pi u) with r = sqrt(-2 ln v), v in (0,
// 1] of words 0 and 1, u in [0, 1) of words 2 and 3, all in double.
#include "ops/random.hpp"

#include <cmath>
#include <numbers>

#include "base/os/entropy.hpp"
#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/philox.hpp"
#include "ops/wanted_shape.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<RandomAttributes>();
  context.require(
      kFloats.contains(attributes.dtype), ErrorCode::bad_type,
      "random values are floating-point numbers, not " + std::string(to_string(attributes.dtype)));
  const auto number = [&](double value, const char* name) {
    context.require(std::isfinite(value), ErrorCode::bad_attribute,
                    std::string(name) + " is " + std::to_string(value) + ", not a finite number");
  };
  number(attributes.low, "low");
  number(attributes.high, "high");
  number(attributes.mean, "mean");
  number(attributes.deviation, "the standard deviation");
  context.require(attributes.low <= attributes.high, ErrorCode::bad_attribute,
                  "low is " + std::to_string(attributes.low) + ", above high, which is " +
                      std::to_string(attributes.high));
  context.require(attributes.deviation >= 0, ErrorCode::bad_attribute,
                  "the standard deviation is " + std::to_string(attributes.deviation) +
                      "; it must not be negative");
  auto shape = wanted_shape(context, 0);
  context.set_output(0, shape ? Type::tensor(attributes.dtype, std::move(*shape))
                              : Type::tensor_of_unknown_rank(attributes.dtype));
}

// Elements [begin, begin + count); begin is a multiple of 4.
void draw_uniform(const RandomAttributes& attributes, const PhiloxStream& stream,
                  std::int64_t begin, std::int64_t count, double* values) {
  const bool wide = attributes.dtype == DType::f64;
  const double range = attributes.high - attributes.low;
  const std::int64_t per_block = wide ? 2 : 4;
  for (std::int64_t i = 0; i < count; i += per_block) {
    const PhiloxBlock words = stream.block((begin + i) / per_block);
    for (std::int64_t k = 0; k < std::min(per_block, count - i); ++k) {
      const auto w = static_cast<std::size_t>(wide ? 2 * k : k);
      const double unit =
          wide ? unit_double(words[w], words[w + 1]) : static_cast<double>(unit_float(words[w]));
      values[i + k] = attributes.low + unit * range;
    }
  }
}

void draw_normal(const RandomAttributes& attributes, const PhiloxStream& stream, std::int64_t begin,
                 std::int64_t count, double* values) {
  for (std::int64_t i = 0; i < count; i += 2) {
    const PhiloxBlock words = stream.block((begin + i) / 2);
    const double v = 1.0 - unit_double(words[0], words[1]);
    const double angle = 2 * std::numbers::pi * unit_double(words[2], words[3]);
    const double r = attributes.deviation * std::sqrt(-2 * std::log(v));
    values[i] = attributes.mean + r * std::cos(angle);
    if (i + 1 < count) values[i + 1] = attributes.mean + r * std::sin(angle);
  }
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<RandomAttributes>();
  Tensor& y = context.output(0);
  const PhiloxStream stream(attributes.seed ? static_cast<std::uint64_t>(*attributes.seed)
                                            : os::fresh_entropy());
  const auto draw =
      attributes.distribution == RandomDistribution::uniform ? draw_uniform : draw_normal;
  parallel_for(y.size(), kChunk, [&](std::int64_t begin, std::int64_t end) {
    std::array<double, kChunk> values;
    for (std::int64_t i = begin; i < end; i += kChunk) {
      const std::int64_t count = std::min(kChunk, end - i);
      draw(attributes, stream, i, count, values.data());
      store_chunk<double>(y, i, count, values.data());
    }
  });
}

}  // namespace

const OpDef& op_random() {
  static const OpDef def{
      .name = "random",
      .summary =
          "values that the generator Philox 4x32-10 draws, uniform in [low, high) or normal "
          "by Box-Muller",
      .attributes = &attribute_schema<RandomAttributes>(),
      .inputs = {{.name = "shape", .types = {DType::i64}}},
      .outputs = {{.name = "y", .types = kFloats}},
      .subgraphs = {},
      .traits = {.nondeterministic = true, .parameter_inputs = 1u << 0},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
