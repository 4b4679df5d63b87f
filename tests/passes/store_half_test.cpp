// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include <algorithm>

#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;
using testing::PassCheck;

const PassCheck kF16{.tolerance = 5e-3, .target = {.backend = "cuda", .storage = DType::f16}};
const PassCheck kBf16{.tolerance = 4e-2, .target = {.backend = "cuda", .storage = DType::bf16}};

// With what sample inputs are said to give.
PassCheck with_ranges(std::unordered_map<std::string, ValueRange> of) {
  PassCheck out = kF16;
  out.target.ranges = [of = std::move(of)](const Graph&) {
    return ValueRanges{.of = of, .note = {}};
  };
  return out;
}

std::vector<std::string> notes(std::string_view text, const PassCheck& check) {
  Graph graph = testing::parse_test_graph(text);
  const Pass pass = store_half();
  return run_passes(graph, {&pass, 1}, check.target)[0].notes;
}

constexpr const char* kResidual = R"(graph main(%x: f32[N,2,5,5]) -> (%y) {
  const %w = f32[2,2,3,3]{0.5, -0.25, 0.125, 0.5, 1, -1, 0.75, 0.5, 0.25, 0.5, -0.5, 0.125, 0.5, 1, -1, 0.75, 0.5, 0.25, 0.5, -0.25, 0.125, 0.5, 1, -1, 0.75, 0.5, 0.25, 0.5, -0.5, 0.125, 0.5, 1, -1, 0.75, 0.5, 0.25}
  const %b = f32[2]{0.5, -1}
  %a = conv{pads=[1, 1, 1, 1]}(%x, %w, %b)
  %r = unary(%a)
  %c = conv{pads=[1, 1, 1, 1]}(%r, %w)
  %s = binary(%c, %x)
  %y = unary(%s)
})";

TEST(StoreHalf, casts_inputs_and_outputs_once_and_nothing_between) {
  const int rewrites = check_pass(store_half(), kResidual, R"(graph main(%x: f32[N,2,5,5]) -> (%y) {
    const %b = f32[2]{0.5, -1}
    const %w_f16 = f16[2,2,3,3]{0x003800b400300038003c00bc003a00380034003800b800300038003c00bc003a00380034003800b400300038003c00bc003a00380034003800b800300038003c00bc003a00380034}
    %x_f16 = cast{to=f16}(%x)
    %a_f16 = conv{pads=[1, 1, 1, 1]}(%x_f16, %w_f16, %b)
    %r_f16 = unary(%a_f16)
    %c_f16 = conv{pads=[1, 1, 1, 1]}(%r_f16, %w_f16)
    %s_f16 = binary(%c_f16, %x_f16)
    %y_f16 = unary(%s_f16)
    %y = cast(%y_f16)
  })",
                                  kF16);
  EXPECT_EQ(rewrites, 5);
}

TEST(StoreHalf, does_nothing_for_other_targets) {
  check_unchanged(store_half(), kResidual, {.target = {.backend = "cuda"}});
  check_unchanged(store_half(), kResidual, {.target = {.backend = "cpu", .storage = DType::f16}});
  check_unchanged(store_half(), kResidual,
                  {.target = {.backend = "cuda", .operands = DType::bf16}});
}

TEST(StoreHalf, leaves_epilogues_to_be_fused) {
  Graph graph = testing::parse_test_graph(kResidual);
  const std::vector<Pass> passes = {store_half(), fuse_epilogue()};
  run_passes(graph, passes, kF16.target);
  std::vector<std::string> kinds;
  for (const NodeId id : graph.order()) kinds.emplace_back(graph.node(id).op->name);
  EXPECT_EQ(kinds, (std::vector<std::string>{"cast", "fused", "fused", "cast"}));
  testing::expect_same_results(testing::parse_test_graph(kResidual), graph, kF16);
}

TEST(StoreHalf, fuses_chains_of_pointwise_nodes_for_the_gpu_alone) {
  const char* text = R"(graph main(%x: f16[N,8], %z: f16[N,8]) -> (%y) {
    %a = binary{function="mul"}(%x, %z)
    %y = unary(%a)
  })";
  for (const bool gpu : {true, false}) {
    Graph graph = testing::parse_test_graph(text);
    const Pass pass = fuse_epilogue();
    run_passes(graph, {&pass, 1}, {.backend = gpu ? "cuda" : "cpu"});
    EXPECT_EQ(graph.node_count(), gpu ? 1u : 2u);
  }
}

TEST(StoreHalf, keeps_integers_shapes_and_indices) {
  check_pass(store_half(), R"(graph main(%x: f32[N,8], %i: i64[N]) -> (%y, %k) {
    const %two = i64[1]{2}
    %g = gather{axis=0}(%x, %i)
    %n = unary{function="neg"}(%i)
    %j = unary{function="abs"}(%n)
    %h = gather{axis=0}(%g, %j)
    %y, %k = top_k{axis=1}(%h, %two)
  })",
             R"(graph main(%x: f32[N,8], %i: i64[N]) -> (%y, %k) {
    const %two = i64[1]{2}
    %n = unary{function="neg"}(%i)
    %j = unary{function="abs"}(%n)
    %x_f16 = cast{to=f16}(%x)
    %g_f16 = gather{axis=0}(%x_f16, %i)
    %h_f16 = gather{axis=0}(%g_f16, %j)
    %y_f16, %k = top_k{axis=1}(%h_f16, %two)
    %y = cast(%y_f16)
  })",
             {.symbols = {{"N", 4}}, .tolerance = 5e-3, .target = kF16.target});
}

TEST(StoreHalf, computes_with_large_integers_in_f32) {
  // Positions, and their sines: a phase of 3000 has no place in f16.
  check_pass(store_half(), R"(graph main(%t: i64[N], %w: f32[4,4]) -> (%y) {
    const %f = f32[4]{1, 0.5, 0.25, 0.125}
    const %last = i64[1]{1}
    %a = cast(%t)
    %u = unsqueeze(%a, %last)
    %p = binary{function="mul"}(%u, %f)
    %s = unary{function="sin"}(%p)
    %y = matmul(%s, %w)
  })",
             R"(graph main(%t: i64[N], %w: f32[4,4]) -> (%y) {
    const %f = f32[4]{1, 0.5, 0.25, 0.125}
    const %last = i64[1]{1}
    %a = cast(%t)
    %u = unsqueeze(%a, %last)
    %p = binary{function="mul"}(%u, %f)
    %s = unary{function="sin"}(%p)
    %s_f16 = cast{to=f16}(%s)
    %w_f16 = cast{to=f16}(%w)
    %y_f16 = matmul(%s_f16, %w_f16)
    %y = cast(%y_f16)
  })",
             kF16);
}

TEST(StoreHalf, computes_what_becomes_an_integer_in_f32) {
  check_pass(store_half(), R"(graph main(%x: f32[N,4], %w: f32[4,4]) -> (%i, %y) {
    const %many = f32[]{100}
    %m = matmul(%x, %w)
    %s = binary{function="mul"}(%m, %many)
    %r = unary{function="floor"}(%s)
    %i = cast{to=i64}(%r)
    %y = unary(%m)
  })",
             R"(graph main(%x: f32[N,4], %w: f32[4,4]) -> (%i, %y) {
    const %many = f32[]{100}
    %x_f16 = cast{to=f16}(%x)
    %w_f16 = cast{to=f16}(%w)
    %m_f16 = matmul(%x_f16, %w_f16)
    %m = cast(%m_f16)
    %s = binary{function="mul"}(%m, %many)
    %r = unary{function="floor"}(%s)
    %i = cast{to=i64}(%r)
    %y_f16 = unary(%m_f16)
    %y = cast(%y_f16)
  })",
             {.symbols = {{"N", 0}}, .tolerance = 5e-3, .target = kF16.target});
}

TEST(StoreHalf, keeps_quantisation_and_nested_graphs) {
  check_pass(store_half(), R"(graph main(%x: f32[N,4], %c: bool[]) -> (%y) {
    const %scale = f32[]{0.125}
    const %zero = i8[]{0}
    %a = unary(%x)
    %q = quantize_linear{to=i8}(%a, %scale, %zero)
    %d = dequantize_linear(%q, %scale, %zero)
    %e = unary{function="neg"}(%d)
    %y = if_else(%c, %e)
      then graph then(%e: f32[N,4]) -> (%f) { %f = unary{function="abs"}(%e) }
      else graph else(%e: f32[N,4]) -> (%e) { }
  })",
             R"(graph main(%x: f32[N,4], %c: bool[]) -> (%y) {
    const %scale = f32[]{0.125}
    const %zero = i8[]{0}
    %x_f16 = cast{to=f16}(%x)
    %a_f16 = unary(%x_f16)
    %a = cast(%a_f16)
    %q = quantize_linear{to=i8}(%a, %scale, %zero)
    %d = dequantize_linear(%q, %scale, %zero)
    %d_f16 = cast{to=f16}(%d)
    %e_f16 = unary{function="neg"}(%d_f16)
    %e = cast(%e_f16)
    %y = if_else(%c, %e)
      then graph then(%e: f32[N,4]) -> (%f) { %f = unary{function="abs"}(%e) }
      else graph else(%e: f32[N,4]) -> (%e) { }
  })",
             {.tolerance = 0.1, .target = kF16.target});  // one step of the quantisation
}

TEST(StoreHalf, keeps_parameters_that_are_statistics_or_read_on_the_host) {
  check_pass(store_half(), R"(graph main(%x: f32[N,2,4,4]) -> (%y) {
    const %scale = f32[2]{1, 2}
    const %bias = f32[2]{0, 1}
    const %mean = f32[2]{0.5, 0.25}
    const %variance = f32[2]{0.00001, 100000}
    const %pads = i64[8]{0, 0, 1, 1, 0, 0, 1, 1}
    const %fill = f32[]{0.5}
    const %scales = f32[4]{1, 1, 2, 2}
    %n = batch_norm(%x, %scale, %bias, %mean, %variance)
    %p = pad(%n, %pads, %fill)
    %y = resize(%p, _, %scales)
  })",
             R"(graph main(%x: f32[N,2,4,4]) -> (%y) {
    const %scale = f32[2]{1, 2}
    const %bias = f32[2]{0, 1}
    const %mean = f32[2]{0.5, 0.25}
    const %variance = f32[2]{0.00001, 100000}
    const %pads = i64[8]{0, 0, 1, 1, 0, 0, 1, 1}
    const %scales = f32[4]{1, 1, 2, 2}
    const %fill_f16 = f16[]{0x0038}
    %x_f16 = cast{to=f16}(%x)
    %n_f16 = batch_norm(%x_f16, %scale, %bias, %mean, %variance)
    %p_f16 = pad(%n_f16, %pads, %fill_f16)
    %y_f16 = resize(%p_f16, _, %scales)
    %y = cast(%y_f16)
  })",
             kF16);
}

TEST(StoreHalf, drops_casts_that_cancel) {
  check_pass(store_half(), R"(graph main(%x: f16[N,8], %s: f32[8]) -> (%y) {
    %w = cast(%x)
    %n = layer_norm{axis=1}(%w, %s)
    %h = cast{to=f16}(%n)
    %y = unary(%h)
  })",
             R"(graph main(%x: f16[N,8], %s: f32[8]) -> (%y) {
    %s_f16 = cast{to=f16}(%s)
    %h = layer_norm{axis=1}(%x, %s_f16)
    %y = unary(%h)
  })",
             kF16);
}

constexpr const char* kAttention =
    R"(graph main(%q: f32[B,2,L,4], %k: f32[B,2,4,L], %v: f32[B,2,L,4], %seen: i64[B,1,1,L]) -> (%y) {
  const %one = f32[]{1}
  const %low = f32[]{-3.4e38}
  %m = cast(%seen)
  %n = binary{function="sub"}(%one, %m)
  %h = binary{function="mul"}(%n, %low)
  %s = matmul(%q, %k)
  %t = binary(%s, %h)
  %p = softmax{axis=3}(%t)
  %y = matmul(%p, %v)
})";

TEST(StoreHalf, clamps_what_hides_scores) {
  check_pass(
      store_half(), kAttention,
      R"(graph main(%q: f32[B,2,L,4], %k: f32[B,2,4,L], %v: f32[B,2,L,4], %seen: i64[B,1,1,L]) -> (%y) {
    const %one = f32[]{1}
    const %low = f32[]{-3.4e38}
    const %h_lowest = f32[]{-32752}
    %m = cast(%seen)
    %n = binary{function="sub"}(%one, %m)
    %h = binary{function="mul"}(%n, %low)
    %q_f16 = cast{to=f16}(%q)
    %k_f16 = cast{to=f16}(%k)
    %s_f16 = matmul(%q_f16, %k_f16)
    %h_clipped = clip(%h, %h_lowest)
    %h_f16 = cast{to=f16}(%h_clipped)
    %t_f16 = binary(%s_f16, %h_f16)
    %p_f16 = softmax{axis=3}(%t_f16)
    %v_f16 = cast{to=f16}(%v)
    %y_f16 = matmul(%p_f16, %v_f16)
    %y = cast(%y_f16)
  })",
      kF16);
  for (const std::string& note : notes(kAttention, kF16))
    EXPECT_EQ(note.find("reaches"), std::string::npos) << note;
}

TEST(StoreHalf, clamps_constants_that_hide_scores) {
  check_pass(store_half(), R"(graph main(%q: f32[N,4], %k: f32[4,L], %seen: bool[N,L]) -> (%y) {
    const %low = f32[]{-1e9}
    %s = matmul(%q, %k)
    %t = select(%seen, %s, %low)
    %y = softmax{axis=1}(%t)
  })",
             R"(graph main(%q: f32[N,4], %k: f32[4,L], %seen: bool[N,L]) -> (%y) {
    const %low_f16_mask = f16[]{0xfff7}
    %q_f16 = cast{to=f16}(%q)
    %k_f16 = cast{to=f16}(%k)
    %s_f16 = matmul(%q_f16, %k_f16)
    %t_f16 = select(%seen, %s_f16, %low_f16_mask)
    %y_f16 = softmax{axis=1}(%t_f16)
    %y = cast(%y_f16)
  })",
             kF16);
}

TEST(StoreHalf, rows_of_which_all_is_hidden_stay_finite) {
  const Graph before = testing::parse_test_graph(kAttention);
  Graph after = before.clone();
  const Pass pass = store_half();
  run_passes(after, {&pass, 1}, kF16.target);
  std::vector<Datum> inputs = testing::random_inputs(before, {});
  inputs[3] = Tensor::from<std::int64_t>({3, 1, 1, 3}, {0, 0, 0, 0, 0, 0, 0, 0, 0});
  const Tensor y = evaluate_graph(after, inputs)[0].tensor();
  for (const float v : y.values<float>()) EXPECT_TRUE(std::isfinite(v));
}

TEST(StoreHalf, keeps_a_sum_that_guards_a_root_and_what_it_guards) {
  const char* text = R"(graph main(%x: f32[N,8]) -> (%y) {
    const %axes = i64[1]{1}
    const %epsilon = f32[]{0.000000000001}
    %a = unary(%x)
    %q = binary{function="mul"}(%a, %a)
    %v = reduce{function="mean"}(%q, %axes)
    %e = binary(%v, %epsilon)
    %r = unary{function="sqrt"}(%e)
    %d = binary{function="div"}(%a, %r)
    %y = unary{function="neg"}(%d)
  })";
  check_pass(store_half(), text, R"(graph main(%x: f32[N,8]) -> (%y) {
    const %axes = i64[1]{1}
    const %epsilon = f32[]{0.000000000001}
    %x_f16 = cast{to=f16}(%x)
    %a_f16 = unary(%x_f16)
    %a = cast(%a_f16)
    %q = binary{function="mul"}(%a, %a)
    %v = reduce{function="mean"}(%q, %axes)
    %e = binary(%v, %epsilon)
    %r = unary{function="sqrt"}(%e)
    %d = binary{function="div"}(%a, %r)
    %d_f16 = cast{to=f16}(%d)
    %y_f16 = unary{function="neg"}(%d_f16)
    %y = cast(%y_f16)
  })",
             kF16);
  const auto said = notes(text, kF16);
  EXPECT_TRUE(std::ranges::any_of(said, [](const std::string& note) {
    return note.find("the constant epsilon is as small as 1e-12") != std::string::npos;
  })) << ::testing::PrintToString(said);
  // bf16 holds it.
  Graph graph = testing::parse_test_graph(text);
  const Pass pass = store_half();
  EXPECT_EQ(run_passes(graph, {&pass, 1}, kBf16.target)[0].rewrites, 7);
}

TEST(StoreHalf, keeps_constants_that_f16_does_not_hold) {
  const char* text = R"(graph main(%x: f32[N,2], %z: f32[N,2]) -> (%y) {
    const %large = f32[2]{100000, 2}
    const %small = f32[]{0.00000001}
    const %never = f32[]{1e30}
    const %zero = f32[]{0}
    %a = binary{function="mul"}(%x, %large)
    %b = binary{function="mul"}(%a, %small)
    %c = clip(%z, %zero, %never)
    %y = binary{function="mul"}(%b, %c)
  })";
  check_pass(store_half(), text, R"(graph main(%x: f32[N,2], %z: f32[N,2]) -> (%y) {
    const %large = f32[2]{100000, 2}
    const %small = f32[]{0.00000001}
    const %zero_f16 = f16[]{0x0000}
    const %never_f16 = f16[]{0x007c}
    %a = binary{function="mul"}(%x, %large)
    %b = binary{function="mul"}(%a, %small)
    %z_f16 = cast{to=f16}(%z)
    %c_f16 = clip(%z_f16, %zero_f16, %never_f16)
    %b_f16 = cast{to=f16}(%b)
    %y_f16 = binary{function="mul"}(%b_f16, %c_f16)
    %y = cast(%y_f16)
  })",
             {.tolerance = 0.1, .target = kF16.target});  // the product is subnormal
}

TEST(StoreHalf, keeps_values_that_overflow_with_their_makers_and_readers) {
  const char* text = R"(graph main(%x: f32[N,4], %w: f32[4,4]) -> (%y) {
    const %much = f32[]{60000}
    const %down = f32[]{0.001}
    %m = matmul(%x, %w)
    %l = binary{function="mul"}(%m, %much)
    %d = binary{function="mul"}(%l, %down)
    %y = matmul(%d, %w)
  })";
  const PassCheck check =
      with_ranges({{"m", {-4, 4}}, {"l", {-240000, 1000}}, {"d", {-240, 1}}, {"y", {-9000, 9000}}});
  check_pass(store_half(), text, R"(graph main(%x: f32[N,4], %w: f32[4,4]) -> (%y) {
    const %much = f32[]{60000}
    const %down = f32[]{0.001}
    %x_f16 = cast{to=f16}(%x)
    %w_f16 = cast{to=f16}(%w)
    %m_f16 = matmul(%x_f16, %w_f16)
    %m = cast(%m_f16)
    %l = binary{function="mul"}(%m, %much)
    %d = binary{function="mul"}(%l, %down)
    %d_f16 = cast{to=f16}(%d)
    %y_f16 = matmul(%d_f16, %w_f16)
    %y = cast(%y_f16)
  })",
             check);
  const auto said = notes(text, check);
  EXPECT_EQ(said[0], "keep binary in f32: its result l reaches 2.4e+05");
  EXPECT_EQ(said[1], "keep binary in f32: its input l reaches 2.4e+05");
}

TEST(StoreHalf, asks_for_no_ranges_where_bf16_has_those_of_f32) {
  PassCheck check = kBf16;
  check.target.ranges = [](const Graph&) -> ValueRanges { throw std::runtime_error("asked"); };
  EXPECT_EQ(notes(kResidual, check).size(), 1u);
}

TEST(StoreHalf, stores_bf16_alike) {
  const Graph before = testing::parse_test_graph(kAttention);
  Graph after = before.clone();
  const Pass pass = store_half();
  run_passes(after, {&pass, 1}, kBf16.target);
  testing::expect_same_results(before, after, kBf16);
  EXPECT_EQ(run_passes(after, {&pass, 1}, kBf16.target)[0].rewrites, 0);
}

}  // namespace
}  // namespace strop
