// SPDX-License-Identifier: Apache-2.0
// A chain of pointwise steps over f32 tensors with NumPy broadcasting, one pass over memory: a run
// of the output is loaded into a buffer in the L1 cache, every step is applied to it, and it is
// stored.
//
// Inputs: the first operand, then whatever the program's binary steps name. Parameter program: see
// backends/cpu/epilogue.hpp.
#include <algorithm>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/functions_f32.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr std::int64_t kRun = 1024;         // floats in the buffer: 4 KiB
constexpr std::int64_t kGrain = 16 * kRun;  // least work for a thread

class PointwiseKernel final : public Kernel {
 public:
  explicit PointwiseKernel(const KernelInit& init)
      : start_(static_cast<std::size_t>(init.parameters.integer("start"))),
        program_(parse_epilogue(init.parameters.string("program"))) {
    if (start_ >= init.inputs.size()) {
      throw Error(ErrorCode::engine_invalid, "pointwise kernel", "its first operand is not there");
    }
    for (const EpilogueStep& step : program_) {
      functions_.push_back(find_fast_function(step));
      if (functions_.back() == nullptr) {
        throw Error(ErrorCode::library_mismatch, "pointwise kernel",
                    "there is no function " + step.function);
      }
      if (step.kind == EpilogueStep::binary && step.input >= init.inputs.size()) {
        throw Error(ErrorCode::engine_invalid, "pointwise kernel",
                    "a step names an input that is not there");
      }
    }
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    // Neighbouring axes are merged while every input treats them alike, so that a run is as long as
    // can be.
    const View& y = outputs[0];
    dims_.assign(1, 1);
    strides_.assign(inputs.size(), {0});
    const std::size_t rank = y.dims.size();
    const auto require_operand = [&](const View& view) {
      require(view.dtype == DType::f32, "pointwise kernel", "an operand is not f32");
    };
    require_operand(y);
    require_operand(inputs[start_]);
    for (const EpilogueStep& step : program_) {
      if (step.kind == EpilogueStep::binary) require_operand(inputs[step.input]);
    }
    for (const View& input : inputs)
      require(input.dims.size() <= rank, "pointwise kernel", "an input does not fit");
    std::vector<std::int64_t> next(inputs.size(),
                                   1);  // distance of one step along the axis being added
    for (std::size_t axis = rank; axis-- > 0;) {
      const std::int64_t size = y.dims[axis];
      std::vector<std::int64_t> stride(inputs.size(), 0);
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        const std::size_t missing = rank - inputs[i].dims.size();
        const std::int64_t own = axis < missing ? 1 : inputs[i].dims[axis - missing];
        if (own != 1 && own != size)
          throw Error(ErrorCode::engine_invalid, "pointwise kernel", "an input does not fit");
        stride[i] = own == 1 ? 0 : next[i];
        next[i] *= own;
      }
      bool merges = true;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        merges = merges && stride[i] == strides_[i].back() * dims_.back();
      }
      if (size == 1) continue;
      if (dims_.size() == 1 && dims_[0] == 1) {
        dims_[0] = size;
        for (std::size_t i = 0; i < inputs.size(); ++i) strides_[i][0] = stride[i];
      } else if (merges) {
        dims_.back() *= size;
      } else {
        dims_.push_back(size);
        for (std::size_t i = 0; i < inputs.size(); ++i) strides_[i].push_back(stride[i]);
      }
    }
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const std::int64_t inner = dims_[0];
    const std::int64_t rows = outputs[0].size() / inner;
    const std::int64_t pieces = (inner + kRun - 1) / kRun;
    parallel_for(rows * pieces, std::max<std::int64_t>(1, kGrain / std::min(inner, kRun)),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t at = begin; at < end; ++at) {
                     const std::int64_t row = at / pieces;
                     const std::int64_t start = at % pieces * kRun;
                     run_piece(inputs, outputs[0].as<float>() + row * inner, row, start,
                               std::min(kRun, inner - start));
                   }
                 });
  }

 private:
  // Where row `row` of input i begins.
  std::int64_t row_offset(std::size_t i, std::int64_t row) const {
    std::int64_t offset = 0;
    for (std::size_t axis = 1; axis < dims_.size(); ++axis) {
      offset += row % dims_[axis] * strides_[i][axis];
      row /= dims_[axis];
    }
    return offset;
  }

  const float* load(const View& input, std::size_t i, std::int64_t row, std::int64_t start,
                    std::int64_t count, float* splat) const {
    const float* data = input.as<const float>() + row_offset(i, row);
    if (strides_[i][0] == 1) return data + start;
    std::fill_n(splat, count, *data);  // an inner stride is 1 or 0
    return splat;
  }

  void run_piece(std::span<const View> inputs, float* out, std::int64_t row, std::int64_t start,
                 std::int64_t count) const {
    alignas(64) float value[kRun];
    alignas(64) float splat[kRun];
    std::copy_n(load(inputs[start_], start_, row, start, count, splat), count, value);
    for (std::size_t s = 0; s < program_.size(); ++s) {
      const EpilogueStep& step = program_[s];
      const float* operand = nullptr;
      if (step.kind == EpilogueStep::binary)
        operand = load(inputs[step.input], step.input, row, start, count, splat);
      functions_[s](value, operand, count, static_cast<float>(step.alpha),
                    static_cast<float>(step.beta));
    }
    std::copy_n(value, count, out + start);
  }

  std::size_t start_;
  Epilogue program_;
  std::vector<RunFunction> functions_;
  Shape dims_;                                      // merged, innermost first
  std::vector<std::vector<std::int64_t>> strides_;  // of each input, innermost first
};

}  // namespace

void register_pointwise_kernel(KernelTable& table) {
  table.add("pointwise", make<PointwiseKernel>);
}

}  // namespace strop::cpu
