// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/isa.hpp"
#include "backends/cpu/tactic_check.hpp"

namespace strop::testing {
namespace {

const std::vector<SymbolValues> kSizes = {{{"T", 1}, {"N", 1}}, {{"T", 7}, {"N", 1}},
                                          {{"T", 5}, {"N", 3}}, {{"T", 3}, {"N", 11}},
                                          {{"T", 0}, {"N", 2}}, {{"T", 2}, {"N", 0}}};

Tensor made_up(const Shape& shape, float largest) {
  Tensor out = Tensor::allocate(DType::f32, shape);
  auto values = out.mutable_values<float>();
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = largest * (static_cast<float>(i * 37 % 23) / 11.0f - 1.0f);
  return out;
}

// A layer of `gates` gates; further operands and attributes as text.
std::string layer(const std::string& op, int gates, int inputs, int hidden, int directions,
                  const std::string& attributes, bool bias, const std::string& more_inputs = {},
                  const std::string& more_arguments = {}, const std::string& results = "%y") {
  const auto number = [](int value) { return std::to_string(value); };
  const std::string d = number(directions), rows = number(gates * hidden);
  std::string text = "graph main(%x: f32[T,N," + number(inputs) + "], %const_w: f32[" + d + "," +
                     rows + "," + number(inputs) + "], %const_r: f32[" + d + "," + rows + "," +
                     number(hidden) + "]";
  if (bias) text += ", %const_b: f32[" + d + "," + number(2 * gates * hidden) + "]";
  text += more_inputs + ") -> (" + results + ") { " + results + " = " + op;
  if (!attributes.empty()) text += "{" + attributes + "}";
  return text + "(%x, %const_w, %const_r" + (bias ? ", %const_b" : "") + more_arguments + ") }";
}

TEST(RecurrentCpu, each_instruction_set) {
  for (const cpu::Isa isa : {cpu::Isa::generic, cpu::Isa::avx2, cpu::Isa::avx512}) {
    SCOPED_TRACE(static_cast<int>(isa));
    cpu::limit_isa(isa);
    check_tactics(layer("lstm", 4, 7, 70, 1, "", true), {"recurrent_cpu"}, {.sizes = kSizes});
    check_tactics(layer("gru", 3, 7, 12, 1, "linear_before_reset=true", true), {"recurrent_cpu"},
                  {.sizes = kSizes});
  }
  cpu::limit_isa(cpu::Isa::avx512_bf16);
}

TEST(RecurrentCpu, cells_of_several_sizes) {
  for (const auto& [inputs, hidden] : {std::pair(4, 5), {16, 64}, {33, 48}, {7, 70}}) {
    for (const bool bias : {false, true}) {
      check_tactics(layer("lstm", 4, inputs, hidden, 1, "", bias), {"recurrent_cpu"},
                    {.sizes = kSizes});
      check_tactics(layer("gru", 3, inputs, hidden, 1, "linear_before_reset=true", bias),
                    {"recurrent_cpu"}, {.sizes = kSizes});
      check_tactics(layer("rnn", 1, inputs, hidden, 1, "", bias), {"recurrent_cpu"},
                    {.sizes = kSizes});
    }
  }
}

// More steps than one product takes; small weights, so that a difference of rounding does not grow.
TEST(RecurrentCpu, many_steps) {
  check_tactics(layer("lstm", 4, 9, 20, 1, "", false), {"recurrent_cpu"},
                {.sizes = {{{"T", 300}, {"N", 1}}, {{"T", 170}, {"N", 3}}},
                 .constants = {made_up({1, 80, 9}, 1), made_up({1, 80, 20}, 0.05f)}});
}

// Enough of them for several threads.
TEST(RecurrentCpu, many_units) {
  check_tactics(
      layer("gru", 3, 5, 260, 2, "direction=\"bidirectional\", linear_before_reset=true", false),
      {"recurrent_cpu"},
      {.sizes = {{{"T", 5}, {"N", 1}}, {{"T", 4}, {"N", 11}}},
       .constants = {made_up({2, 780, 5}, 1), made_up({2, 780, 260}, 0.02f)}});
}

TEST(RecurrentCpu, directions_and_clip) {
  for (const std::string direction : {"reverse", "bidirectional"}) {
    const int directions = direction == "reverse" ? 1 : 2;
    const std::string attribute = "direction=\"" + direction + "\"";
    check_tactics(layer("lstm", 4, 9, 20, directions, attribute, true), {"recurrent_cpu"},
                  {.sizes = kSizes});
    check_tactics(layer("gru", 3, 9, 20, directions,
                        attribute + ", clip=0.25, linear_before_reset=true", true),
                  {"recurrent_cpu"}, {.sizes = kSizes});
    check_tactics(layer("rnn", 1, 9, 20, directions, attribute + ", clip=0.5", true),
                  {"recurrent_cpu"}, {.sizes = kSizes});
  }
}

TEST(RecurrentCpu, states_and_all_outputs) {
  check_tactics(layer("lstm", 4, 6, 17, 2, "direction=\"bidirectional\", clip=1.5", true,
                      ", %h: f32[2,N,17], %c: f32[2,N,17]", ", _, %h, %c", "%y, %y_h, %y_c"),
                {"recurrent_cpu"}, {.sizes = kSizes});
  check_tactics(layer("gru", 3, 6, 17, 1, "linear_before_reset=true", true, ", %h: f32[1,N,17]",
                      ", _, %h", "%y, %y_h"),
                {"recurrent_cpu"}, {.sizes = kSizes});
}

TEST(RecurrentCpu, sequences_that_end_early) {
  for (const std::string direction : {"forward", "bidirectional"}) {
    const int directions = direction == "forward" ? 1 : 2;
    const std::string states = "f32[" + std::to_string(directions) + ",N,10]";
    check_tactics(layer("lstm", 4, 3, 10, directions, "direction=\"" + direction + "\"", false,
                        ", %n: i32[N], %h: " + states + ", %c: " + states, ", _, %n, %h, %c",
                        "%y, %y_h, %y_c"),
                  {"recurrent_cpu"},
                  {.sizes = {{{"T", 6}, {"N", 4}}},
                   .inputs = {made_up({6, 4, 3}, 1), Tensor::from<std::int32_t>({4}, {6, 0, 2, 5}),
                              made_up({directions, 4, 10}, 1), made_up({directions, 4, 10}, 1)}});
  }
}

TEST(RecurrentCpu, batch_first) {
  check_tactics(
      "graph main(%x: f32[N,T,5], %const_w: f32[2,48,5], %const_r: f32[2,48,12], %h: "
      "f32[N,2,12]) -> (%y, %y_h) { %y, %y_h = lstm{direction=\"bidirectional\", "
      "batch_first=true}(%x, %const_w, %const_r, _, _, %h) }",
      {"recurrent_cpu"}, {.sizes = kSizes});
}

TEST(RecurrentCpu, refuses_what_it_does_not_compute) {
  EXPECT_EQ(refusals(layer("gru", 3, 4, 8, 1, "", true)),
            "recurrent_cpu: its reset gate comes before the product");
  EXPECT_EQ(refusals(layer("lstm", 4, 4, 8, 1, "input_forget=true", true)),
            "recurrent_cpu: its forget gate is made of the input gate");
  EXPECT_EQ(refusals(layer("rnn", 1, 4, 8, 1, "activations=[\"relu\"]", true)),
            "recurrent_cpu: its gates have functions of their own");
  EXPECT_EQ(refusals(layer("lstm", 4, 4, 8, 1, "", true, ", %p: f32[1,24]", ", _, _, _, %p")),
            "recurrent_cpu: it has peephole weights");
}

}  // namespace
}  // namespace strop::testing
