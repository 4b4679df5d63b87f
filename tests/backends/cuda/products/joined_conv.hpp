// SPDX-License-Identifier: Apache-2.0
// Convolutions over the pieces of a concat, as fuse_concat leaves them, for tests with and without
// a GPU.
#pragma once

#include <numeric>
#include <string>
#include <vector>

#include "backends/cuda/codegen/epilogue_source.hpp"
#include "base/dtype.hpp"

namespace strop::testing {

struct JoinedConv {
  std::string type = "f16";
  std::vector<std::int64_t> pieces;  // channels of each
  std::int64_t columns = 64;
  std::int64_t kernel = 1;
  bool residual = false;  // added behind the silu

  std::int64_t channels() const {
    return std::accumulate(pieces.begin(), pieces.end(), std::int64_t{0});
  }

  // Images of H x 21; constant 0 is the weights, 1 the bias.
  std::string text() const {
    const std::string k = std::to_string(kernel), n = std::to_string(columns);
    const std::string image = ",H,21]";
    std::string types, names;
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const std::string name = (i == 0 ? "%x" : ", %x") + std::to_string(i);
      types += name + ": " + type + "[N," + std::to_string(pieces[i]) + image;
      names += name;
    }
    const std::string w =
        "%w: " + type + "[" + n + "," + std::to_string(channels()) + "," + k + "," + k + "]";
    const std::string b = "%b: " + type + "[" + n + "]";
    const std::string r = residual ? ", %r: " + type + "[N," + n + image : "";
    return "graph main(" + types + r + ") -> (%y) {\nconst " + w + " = @0\nconst " + b +
           " = @1\n%y = fused{kind=\"concat+conv\"}(" + names + ", %w, %b" +
           (residual ? ", %r" : "") + ") body graph body(" + types + ", " + w + ", " + b + r +
           ") -> (%y) { %x = concat{axis=1}(" + names + ") %a = conv(%x, %w, %b) %" +
           (residual ? "s" : "y") + " = unary{function=\"silu\"}(%a) " +
           (residual ? "%y = binary{function=\"add\"}(%s, %r) " : "") + "} }";
  }
};

// The same of bytes, requantised: constant 0 is the weights, 1 the zero point of x, 2 the
// multipliers, 3 the offsets.
inline std::string joined_bytes_text(const std::vector<std::int64_t>& pieces) {
  const std::int64_t channels = std::accumulate(pieces.begin(), pieces.end(), std::int64_t{0});
  std::string types, names;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const std::string name = (i == 0 ? "%x" : ", %x") + std::to_string(i);
    types += name + ": u8[N," + std::to_string(pieces[i]) + ",H,21]";
    names += name;
  }
  const std::string w = "%w: i8[64," + std::to_string(channels) + ",1,1]";
  return "graph main(" + types + ") -> (%y) {\nconst " + w +
         " = @0\nconst %z: u8[] = @1\nconst %m: f32[64] = @2\nconst %o: f32[64] = @3\n"
         "%y = fused{kind=\"concat+conv_integer+requantize\"}(" +
         names + ", %w, %z, %m, %o) body graph body(" + types + ", " + w +
         ", %z: u8[], %m: f32[64], %o: f32[64]) -> (%y) { %x = concat{axis=1}(" + names +
         ") %a = conv_integer(%x, %w, %z) %y = requantize{low=-99, high=120}(%a, %m, %o) } }";
}

// What such a convolution does to its sums: silu, then the residual.
inline cuda::Epilogue joined_epilogue(bool residual) {
  cuda::Epilogue out(1);
  out[0].unary_function = UnaryFunction::silu;
  if (!residual) return out;
  out.push_back(
      {.kind = cuda::EpilogueStep::binary, .operand = {cuda::EpilogueOperand::tensor, 0, 0}});
  return out;
}

// Configurations of every form of the kernel.
inline const std::vector<std::string>& forms_of_wgmma() {
  static const std::vector<std::string> forms = {
      "co64x32",       "co128x64",    "co128x64R",  "co128x128",    "co128x128c2", "co256x64R",
      "co256x128",     "pp64x64w3R",  "pp64x128RP", "pp128x64w3RP", "pp128x128",   "co192x96w3",
      "co192x128w3c2", "co192x192w3", "co64x32k2",  "co64x64k4",    "co128x128k2", "co64x128k4P"};
  return forms;
}

// And where the epilogue reads no tensor and sums no rows.
inline std::vector<std::string> forms_of_wgmma_alone() {
  std::vector<std::string> forms = forms_of_wgmma();
  forms.insert(forms.end(), {"pp192x128P", "pp192x128c2", "pp128x192"});
  return forms;
}

// The same of f32, which needs room for what it splits.
inline const std::vector<std::string>& forms_of_wgmma_f32() {
  static const std::vector<std::string> forms = {
      "co64x32",    "co128x64",   "co128x64R", "co128x128",   "co128x128c2",
      "co256x64",   "pp64x32w3R", "pp64x128P", "pp128x64P",   "co192x64w3",
      "co192x96w3", "co64x32k2",  "co64x64k4", "co128x128k2", "co64x128k4P"};
  return forms;
}

}  // namespace strop::testing
