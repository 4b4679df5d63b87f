// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/epilogue_runs.hpp"

#include <algorithm>

#include "backends/cpu/kernels/simd/functions_f32.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "epilogue of a kernel";
constexpr std::int64_t kSplat = 256;  // floats of one operand at a time

bool is_clamp(const EpilogueStep& step) {
  return step.kind == EpilogueStep::clip ||
         (step.kind == EpilogueStep::unary && step.function == "relu");
}

}  // namespace

EpilogueRuns::EpilogueRuns(Epilogue epilogue, std::size_t input_count) {
  for (EpilogueStep& step : epilogue) {
    Step& own = steps_.emplace_back();
    own.function = find_fast_function(step);
    if (own.function == nullptr)
      throw Error(ErrorCode::library_mismatch, kWhat, "there is no function " + step.function);
    require(step.kind != EpilogueStep::binary || step.input < input_count, kWhat,
            "a step names an input that is not there");
    own.step = std::move(step);
  }
}

void EpilogueRuns::prepare(std::span<const View> inputs, std::span<const std::int64_t> shape,
                           bool registers) {
  require(!shape.empty(), kWhat, "the result has no channels");
  outer_.assign(shape.begin(), shape.end() - 1);
  for (Step& own : steps_) {
    own.strides.assign(outer_.size(), 0);
    own.per_column = false;
    if (own.step.kind != EpilogueStep::binary) continue;
    const View& operand = inputs[own.step.input];
    require(operand.dtype == DType::f32 && operand.dims.size() <= shape.size(), kWhat,
            "an operand does not fit");
    const std::size_t missing = shape.size() - operand.dims.size();
    std::int64_t stride = 1;
    for (std::size_t axis = shape.size(); axis-- > missing;) {
      const std::int64_t size = operand.dims[axis - missing];
      require(size == 1 || size == shape[axis], kWhat, "an operand does not fit");
      if (size == 1) continue;
      if (axis + 1 == shape.size()) {
        own.per_column = true;
      } else {
        own.strides[axis] = stride;
      }
      stride *= size;
    }
  }
  if (registers) take_registers(inputs, shape);
}

void EpilogueRuns::take_registers(std::span<const View> inputs,
                                  std::span<const std::int64_t> shape) {
  first_ = 0;
  in_registers_ = {};
  if (first_ < steps_.size()) {
    const EpilogueStep& step = steps_[first_].step;
    if (step.kind == EpilogueStep::binary && step.function == "add" &&
        std::ranges::equal(inputs[step.input].dims, shape)) {
      in_registers_.residual = step.input;
      ++first_;
    }
  }
  if (first_ < steps_.size() && is_clamp(steps_[first_].step)) {
    const EpilogueStep& step = steps_[first_].step;
    const bool clip = step.kind == EpilogueStep::clip;
    const float low = clip ? static_cast<float>(step.alpha) : 0.0f;
    const float high =
        clip ? static_cast<float>(step.beta) : std::numeric_limits<float>::infinity();
    if (low <= high) {
      in_registers_.low = low;
      in_registers_.high = high;
      ++first_;
    }
  }
}

bool EpilogueRuns::has_operands() const {
  return std::any_of(steps_.begin() + static_cast<std::ptrdiff_t>(first_), steps_.end(),
                     [](const Step& own) { return own.step.kind == EpilogueStep::binary; });
}

void EpilogueRuns::apply(std::span<const View> inputs, std::int64_t row, std::int64_t begin,
                         std::int64_t count, float* values) const {
  alignas(64) float splat[kSplat];
  for (std::size_t s = first_; s < steps_.size(); ++s) {
    const Step& own = steps_[s];
    const auto alpha = static_cast<float>(own.step.alpha);
    const auto beta = static_cast<float>(own.step.beta);
    if (own.step.kind != EpilogueStep::binary) {
      own.function(values, nullptr, count, alpha, beta);
      continue;
    }
    std::int64_t offset = 0;
    std::int64_t rest = row;
    for (std::size_t axis = outer_.size(); axis-- > 0;) {
      offset += rest % outer_[axis] * own.strides[axis];
      rest /= outer_[axis];
    }
    const float* operand = inputs[own.step.input].as<const float>() + offset;
    if (own.per_column) {
      own.function(values, operand + begin, count, alpha, beta);
      continue;
    }
    std::fill_n(splat, std::min(count, kSplat), *operand);
    for (std::int64_t at = 0; at < count; at += kSplat)
      own.function(values + at, splat, std::min(kSplat, count - at), alpha, beta);
  }
}

void EpilogueRuns::apply_rows(std::span<const View> inputs, std::int64_t row, std::int64_t rows,
                              std::int64_t begin, std::int64_t count, float* values,
                              std::int64_t stride) const {
  if (count == stride && !has_operands()) return apply(inputs, row, begin, rows * count, values);
  for (std::int64_t i = 0; i < rows; ++i) apply(inputs, row + i, begin, count, values + i * stride);
}

}  // namespace strop::cpu
