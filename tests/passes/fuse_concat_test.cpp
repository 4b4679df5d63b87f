// SPDX-License-Identifier: Apache-2.0
#include "passes/pass_check.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;
using testing::PassCheck;

const Target kHopper{.backend = "cuda", .compute_capability = 90};

// So many ones as text.
std::string ones(const std::string& type, int count) {
  std::string out = "0x";
  for (int i = 0; i < count; ++i) out += type == "f16" ? "003c" : "0000803f";
  return out;
}

// `behind` reads %x, the concat of %a and %b, by the constant weights %u or by %w.
std::string joined(const std::string& behind, const std::string& outputs = "%y",
                   const std::string& type = "f16", const std::string& channels = "64, 32") {
  const auto comma = channels.find(", ");
  const std::string a = channels.substr(0, comma), b = channels.substr(comma + 2);
  return "graph main(%a: " + type + "[N," + a + ",3,W], %b: " + type + "[N," + b +
         ",3,W], %w: " + type + "[2,96,1,1]) -> (" + outputs + ") {\nconst %u = " + type +
         "[2,96,1,1]{" + ones(type, 192) + "}\n%x = concat{axis=1}(%a, %b)\n" + behind + " }";
}

TEST(FuseConcat, gives_the_pieces_to_all_convolutions_that_read_them) {
  const std::string before = joined(
      "%y = conv(%x, %u)\n"
      "%z = fused{kind=\"conv+silu\"}(%x, %u) body graph body(%x: f16[N,96,3,W], %u: "
      "f16[2,96,1,1]) -> (%z) { %s = conv(%x, %u) %z = unary{function=\"silu\"}(%s) }",
      "%y, %z");
  std::string after = before.substr(0, before.find("%x = concat"));
  after +=
      "%y = fused{kind=\"concat+conv\"}(%a, %b, %u) body graph body(%a: f16[N,64,3,W], %b: "
      "f16[N,32,3,W], %u: f16[2,96,1,1]) -> (%y) { %x = concat{axis=1}(%a, %b) %y = conv(%x, %u) "
      "}\n"
      "%z = fused{kind=\"concat+conv+silu\"}(%a, %b, %u) body graph body(%a: f16[N,64,3,W], %b: "
      "f16[N,32,3,W], %u: f16[2,96,1,1]) -> (%z) { %x = concat{axis=1}(%a, %b) %s = conv(%x, %u) "
      "%z = unary{function=\"silu\"}(%s) } }";
  EXPECT_EQ(check_pass(fuse_concat(), before, after, {.target = kHopper}), 2);
}

TEST(FuseConcat, leaves_what_is_made_anyway) {
  const PassCheck check{.target = kHopper};
  check_unchanged(fuse_concat(), joined("%y = conv(%x, %u)", "%y, %x"), check);
  check_unchanged(fuse_concat(),
                  joined("%y = conv(%x, %u)\n%z = unary{function=\"relu\"}(%x)", "%y, %z"), check);
}

TEST(FuseConcat, leaves_other_convolutions) {
  const PassCheck check{.target = kHopper};
  check_unchanged(fuse_concat(), joined("%y = conv{strides=[2, 2]}(%x, %u)"), check);
  check_unchanged(fuse_concat(), joined("%y = conv{pads=[1, 1, 1, 1]}(%x, %u)"), check);
  check_unchanged(fuse_concat(), joined("%y = conv{auto_pad=\"same_upper\"}(%x, %u)"), check);
  check_unchanged(fuse_concat(), joined("%y = conv(%x, %w)"), check);
}

TEST(FuseConcat, leaves_pieces_that_are_no_whole_blocks_of_channels) {
  const PassCheck check{.target = kHopper};
  check_unchanged(fuse_concat(), joined("%y = conv(%x, %u)", "%y", "f16", "80, 16"), check);
}

TEST(FuseConcat, takes_bytes_that_are_requantised) {
  std::string weights = "0x";
  for (int i = 0; i < 128; ++i) weights += "01";
  const std::string head =
      "graph main(%a: u8[N,64,3,W], %b: u8[N,64,3,W]) -> (%y) {\nconst %u = i8[1,128,1,1]{" +
      weights + "}\nconst %z = u8[]{3}\nconst %m = f32[]{0.01}\nconst %o = f32[]{0}\n";
  const std::string steps = "%s = conv_integer(%x, %u, %z) %y = requantize(%s, %m, %o) } }";
  const std::string types = "%u: i8[1,128,1,1], %z: u8[], %m: f32[], %o: f32[]) -> (%y) { ";
  check_pass(fuse_concat(),
             head +
                 "%x = concat{axis=1}(%a, %b)\n%y = fused{kind=\"conv_integer+requantize\"}(%x, "
                 "%u, %z, %m, %o) body graph body(%x: u8[N,128,3,W], " +
                 types + steps,
             head +
                 "%y = fused{kind=\"concat+conv_integer+requantize\"}(%a, %b, %u, %z, %m, %o) "
                 "body graph body(%a: u8[N,64,3,W], %b: u8[N,64,3,W], " +
                 types + "%x = concat{axis=1}(%a, %b) " + steps,
             {.target = kHopper});
}

TEST(FuseConcat, leaves_types_that_the_kernel_does_not_have) {
  check_unchanged(fuse_concat(), joined("%y = conv(%x, %u)", "%y", "f32"), {.target = kHopper});
}

TEST(FuseConcat, is_for_chips_with_such_a_kernel) {
  for (const Target& target :
       {Target{.backend = "cuda", .compute_capability = 80}, Target{.backend = "cpu"}})
    check_unchanged(fuse_concat(), joined("%y = conv(%x, %u)"), {.target = target});
}

}  // namespace
}  // namespace strop
