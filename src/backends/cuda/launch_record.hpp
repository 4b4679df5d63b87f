// SPDX-License-Identifier: Apache-2.0
// What a step of the CUDA backend launches: data that tactics write and the runtime interprets, so
// that a new kernel needs no new runtime. Sizes are expressions over the dimensions of the step's
// operands: "i0d2" is dimension 2 of input 0, "o0d1" dimension 1 of output 0, "sms" the number of
// multiprocessors of the device that runs it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/dim.hpp"

namespace strop::cuda {

// Device memory that a kernel is given: an operand of the step, or working memory, from `offset`
// bytes on.
struct Operand {
  enum Kind : std::uint8_t { input, output, workspace } kind = input;
  std::uint32_t index = 0;  // of inputs and outputs
  Dim offset{0};

  static Operand in(std::uint32_t i) { return {input, i, 0}; }
  static Operand out(std::uint32_t i) { return {output, i, 0}; }
  static Operand work(Dim at) { return {workspace, 0, std::move(at)}; }
};

// How to make a TMA descriptor (CUtensorMap) of an operand.
struct TensorMap {
  Operand operand;
  std::string type = "f16";                    // u8, i32, f16, bf16, f32
  std::vector<Dim> sizes;                      // elements, innermost first; 1 to 5
  std::vector<Dim> strides;                    // bytes, of all sizes but the innermost
  std::vector<std::uint32_t> box;              // elements; tiled
  std::vector<std::uint32_t> element_strides;  // as many as sizes
  std::uint32_t swizzle = 0;                   // bytes: 0, 32, 64, 128
  std::uint32_t l2_promotion = 0;              // bytes: 0, 64, 128, 256
  // im2col: of [C, W, H, N] instead of a box.
  bool im2col = false;
  std::vector<std::int32_t> lower, upper;  // corners of the pixel box, of W and H (and D)
  std::uint32_t channels = 0, pixels = 0;  // of one load
};

struct LaunchArgument {
  enum Kind : std::uint8_t { memory, i32, i64, f32, tensor_map } kind = memory;
  Operand operand;   // of memory: its address
  Dim value{0};      // of i32 and i64
  float number = 0;  // of f32
  TensorMap map;     // of tensor_map, passed by value (__grid_constant__ const)

  static LaunchArgument pointer(Operand operand) {
    LaunchArgument out;
    out.operand = std::move(operand);
    return out;
  }
  static LaunchArgument int32(Dim value) {
    LaunchArgument out;
    out.kind = i32;
    out.value = std::move(value);
    return out;
  }
  static LaunchArgument int64(Dim value) {
    LaunchArgument out;
    out.kind = i64;
    out.value = std::move(value);
    return out;
  }
  static LaunchArgument float32(float number) {
    LaunchArgument out;
    out.kind = f32;
    out.number = number;
    return out;
  }
  static LaunchArgument tensor(TensorMap map) {
    LaunchArgument out;
    out.kind = tensor_map;
    out.map = std::move(map);
    return out;
  }
};

struct Launch {
  // Launches a kernel; or, without an entry, fills `bytes` of `fill` with zeros.
  std::string entry;
  std::uint32_t image = 0;                          // input of the step that holds the machine code
  std::array<Dim, 3> grid{Dim(1), Dim(1), Dim(1)};  // a size of 0: nothing is launched
  std::array<std::uint32_t, 3> block{1, 1, 1};
  std::array<std::uint32_t, 3> cluster{1, 1, 1};
  std::uint32_t shared_bytes = 0;  // dynamic
  // May start before the launch before it has ended: the kernel waits itself
  // (griddepcontrol.wait) before it touches what that one writes or reads.
  bool programmatic = false;
  std::vector<LaunchArgument> arguments;
  Operand fill;
  Dim fill_bytes{0};
};

struct LaunchRecord {
  Dim workspace_bytes{0};  // working memory, aligned to 256 bytes; holds nothing between runs
  std::vector<Launch> launches;
};

// Symbols of the expressions.
Dim input_dim(std::size_t input, std::size_t axis);
Dim output_dim(std::size_t output, std::size_t axis);
Dim multiprocessors();

std::string to_text(const LaunchRecord& record);
// Bounded in size and nesting; throws Error(engine_invalid).
LaunchRecord parse_launch_record(std::string_view text);

}  // namespace strop::cuda
