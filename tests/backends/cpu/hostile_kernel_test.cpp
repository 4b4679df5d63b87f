// SPDX-License-Identifier: Apache-2.0
// Kernels given shapes that only a forged engine has: tensors without elements whose other sizes
// multiply beyond 64 bits. They refuse in prepare.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backends/cpu/kernels/backend.hpp"
#include "base/dtype.hpp"
#include "base/shape.hpp"
#include "plan/backend_abi.h"

namespace strop {
namespace {

struct Operand {
  DType dtype;
  Shape shape;
  const void* constant = nullptr;
  std::uint64_t bytes = 0;
};

StropAbiValue value_of(const Operand& operand) {
  StropAbiValue value{};
  value.dtype = static_cast<std::uint32_t>(operand.dtype);
  value.rank = static_cast<std::uint32_t>(operand.shape.size());
  value.dims = operand.shape.data();
  value.data = const_cast<void*>(operand.constant);
  value.bytes = operand.bytes;
  return value;
}

// Why the kernel refuses; empty when it does not.
std::string refusal(const char* kernel, const std::string& parameters,
                    const std::vector<Operand>& inputs, const Operand& output) {
  std::vector<StropAbiValue> in;
  std::vector<std::uint8_t> constant;
  for (const Operand& input : inputs) {
    in.push_back(value_of(input));
    constant.push_back(input.constant != nullptr ? 1 : 0);
  }
  StropAbiValue out = value_of(output);
  StropAbiStep step{};
  step.kernel = kernel;
  step.parameters = parameters.data();
  step.parameters_size = parameters.size();
  step.input_count = static_cast<std::uint32_t>(in.size());
  step.output_count = 1;
  step.inputs = in.data();
  step.input_constant = constant.data();
  step.outputs = &out;
  const auto* backend = cpu::backend_table();
  void* handle = nullptr;
  StropAbiError error{};
  if (backend->create(&step, &handle, &error) != 0) return std::string("create: ") + error.why;
  std::uint64_t workspace = 0;
  std::string why;
  if (backend->prepare(handle, in.data(), &out, 1, &workspace, &error) != 0) why = error.why;
  backend->destroy(handle);
  return why;
}

TEST(CpuHostileKernels, convolution_of_an_input_without_columns) {
  const std::vector<std::int8_t> bytes(4 * 4096);
  const std::vector<float> floats(4 * 4096);
  const std::string window =
      "inputs=0,1,-1;strides=1073741824,1;dilations=1,1;pads=0,4095,0,1;auto_pad=explicit_pads;"
      "group=1;";
  const Shape x{1 << 20, 1 << 30, 0, 4}, w{1, 4, 1, 4096}, y{1 << 20, 1, 1, 1};
  EXPECT_EQ(refusal("conv_s8", window + "x_zero=0;w_zero=0;result=sums",
                    {{DType::u8, x}, {DType::i8, w, bytes.data(), bytes.size()}},
                    {DType::i32, y, nullptr, 4 << 20}),
            "its window has too many elements");
  EXPECT_EQ(refusal("conv_f32", window + "epilogue=",
                    {{DType::f32, x}, {DType::f32, w, floats.data(), floats.size() * 4}},
                    {DType::f32, y, nullptr, 4 << 20}),
            "its window has too many elements");
  const std::vector<std::uint16_t> narrow(4 * 4096);
  EXPECT_EQ(refusal("conv_bf16", window + "residual=-1;epilogue=",
                    {{DType::bf16, x}, {DType::bf16, w, narrow.data(), narrow.size() * 2}},
                    {DType::bf16, y, nullptr, 2 << 20}),
            "its window has too many elements");
}

TEST(CpuHostileKernels, global_pool_whose_sizes_wrap_to_its_outputs) {
  EXPECT_EQ(refusal("global_pool", "outer_axes=1;middle_axes=1;mean=0",
                    {{DType::f32, {3, 0, 6148914691236517206}}}, {DType::f32, {2}, nullptr, 8}),
            "its shapes do not fit");
}

}  // namespace
}  // namespace strop
