// SPDX-License-Identifier: Apache-2.0
#include "passes/passes.hpp"

#include "ops/fused.hpp"
#include "passes/pass_check.hpp"

namespace strop {
namespace {

using testing::check_pass;
using testing::check_unchanged;

TEST(FuseEpilogue, joins_a_convolution_with_bias_residual_and_activation) {
  EXPECT_EQ(check_pass(fuse_epilogue(),
                       R"(graph main(%x: f32[N,1,4], %r: f32[N,2,4]) -> (%z) {
                         const %w = f32[2,1,1]{1, -2}
                         const %b = f32[2]{0.5, 1}
                         %a = conv(%x, %w, %b)
                         %s = binary(%r, %a)
                         %z = unary(%s)
                       })",
                       R"(graph main(%x: f32[N,1,4], %r: f32[N,2,4]) -> (%z) {
                         const %w = f32[2,1,1]{1, -2}
                         const %b = f32[2]{0.5, 1}
                         %z = fused{kind="conv+add+relu"}(%x, %w, %b, %r)
                           body graph body(%x: f32[N,1,4], %w: f32[2,1,1], %b: f32[2], %r: f32[N,2,4]) -> (%z) {
                             %a = conv(%x, %w, %b)
                             %s = binary(%r, %a)
                             %z = unary(%s)
                           }
                       })"),
            1);
}

TEST(FuseEpilogue, takes_clip_with_constant_bounds_and_stops_at_eight_steps) {
  check_pass(fuse_epilogue(),
             R"(graph main(%x: f32[N,2]) -> (%z) {
               const %w = f32[2,2]{1, 2, 3, 4}
               const %low = f32[]{0}
               const %high = f32[]{6}
               %a = matmul(%x, %w)
               %b = clip(%a, %low, %high)
               %z = unary{function="tanh"}(%b)
             })",
             R"(graph main(%x: f32[N,2]) -> (%z) {
               const %w = f32[2,2]{1, 2, 3, 4}
               const %low = f32[]{0}
               const %high = f32[]{6}
               %z = fused{kind="matmul+clip+tanh"}(%x, %w, %low, %high)
                 body graph body(%x: f32[N,2], %w: f32[2,2], %low: f32[], %high: f32[]) -> (%z) {
                   %a = matmul(%x, %w)
                   %b = clip(%a, %low, %high)
                   %z = unary{function="tanh"}(%b)
                 }
             })");
  std::string chain =
      "graph main(%x: f32[N,2]) -> (%v10) { const %w = f32[2,2]{1, 2, 3, 4}\n"
      "%v0 = matmul(%x, %w)\n";
  for (int i = 1; i <= 10; ++i) {
    chain +=
        "%v" + std::to_string(i) + " = unary{function=\"tanh\"}(%v" + std::to_string(i - 1) + ")\n";
  }
  Graph graph = testing::parse_test_graph(chain + "}");
  run_passes(graph, std::vector{fuse_epilogue()}, {});
  EXPECT_EQ(graph.node_count(), 2u);  // the last two steps are a chain of their own
  EXPECT_EQ(body_of(graph.node(graph.order()[0])).node_count(), 9u);
}

TEST(FuseEpilogue, joins_both_branches_of_a_sum_where_they_belong) {
  Graph graph = testing::parse_test_graph(R"(graph main(%x: f32[N,2]) -> (%z) {
    const %w = f32[2,2]{1, 2, 3, 4}
    const %v = f32[2,2]{1, 0, 0, 1}
    %a = gemm(%x, %w)
    %b = gemm(%x, %v)
    %c = unary(%b)
    %s = binary(%a, %c)
    %z = unary{function="sigmoid"}(%s)
  })");
  const Graph before = graph.clone();
  run_passes(graph, std::vector{fuse_epilogue()}, {});
  EXPECT_EQ(graph.node_count(), 2u);  // gemm+relu, gemm+add+sigmoid
  testing::expect_same_results(before, graph, {});
}

TEST(FuseEpilogue, leaves_nodes_that_no_kernel_could_append) {
  const std::string start =
      "graph main(%x: f32[N,2], %wide: f32[3,N,2]) -> (%z) { const %w = f32[2,2]{1, 2, 3, 4}\n"
      "%a = matmul(%x, %w)\n";
  check_unchanged(fuse_epilogue(),
                  start + "%b = unary{function=\"sin\"}(%a) %z = binary(%a, %b) }");  // read twice
  check_unchanged(fuse_epilogue(), start + "%z = binary(%a, %wide) }");  // broadcasts to more
  check_unchanged(fuse_epilogue(), start + "%z = binary{function=\"sub\"}(%x, %a) }");
  check_unchanged(fuse_epilogue(), start + "%z = unary{function=\"sin\"}(%a) }");
  check_unchanged(fuse_epilogue(), start + "%z = softmax(%a) }");
  check_unchanged(fuse_epilogue(),
                  start + "%b = binary{function=\"mul\"}(%a, %a) %z = softmax(%b) }");
}

TEST(FuseEpilogue, is_undone_by_splitting_the_fused_node) {
  const std::string text = R"(graph main(%x: f32[N,1,4]) -> (%z) {
    const %w = f32[2,1,1]{1, -2}
    %a = conv(%x, %w) "c" from ["c"]
    %z = unary(%a) "r" from ["r"]
  })";
  Graph graph = testing::parse_test_graph(text);
  run_passes(graph, std::vector{fuse_epilogue()}, {});
  const NodeId fused = graph.order()[0];
  EXPECT_EQ(graph.node(fused).name, "c");
  EXPECT_EQ(graph.node(fused).origins, (std::vector<std::string>{"c", "r"}));
  inline_fused(graph, fused);
  remove_dead_nodes(graph);
  graph.infer();
  verify(graph);
  EXPECT_EQ(testing::canonical_text(graph),
            testing::canonical_text(testing::parse_test_graph(text)));
}

TEST(FuseEpilogue, joins_integer_sums_with_their_floats) {
  check_pass(fuse_epilogue(),
             R"(graph main(%x: u8[N,2], %z: u8[], %s: f32[]) -> (%y) {
               const %w = i8[2,2]{1, -2, 3, 4}
               const %b = f32[2]{0.5, 1}
               %a = matmul_integer(%x, %w, %z)
               %f = cast{to=f32}(%a)
               %m = binary{function="mul"}(%f, %s)
               %t = binary(%m, %b)
               %y = unary(%t)
             })",
             R"(graph main(%x: u8[N,2], %z: u8[], %s: f32[]) -> (%y) {
               const %w = i8[2,2]{1, -2, 3, 4}
               const %b = f32[2]{0.5, 1}
               %y = fused{kind="matmul_integer+cast+mul+add+relu"}(%x, %w, %z, %s, %b)
                 body graph body(%x: u8[N,2], %w: i8[2,2], %z: u8[], %s: f32[], %b: f32[2]) -> (%y) {
                   %a = matmul_integer(%x, %w, %z)
                   %f = cast{to=f32}(%a)
                   %m = binary{function="mul"}(%f, %s)
                   %t = binary(%m, %b)
                   %y = unary(%t)
                 }
             })");
}

TEST(FuseEpilogue, joins_integer_sums_with_the_bytes_that_are_added_where_kernels_do) {
  const std::string before = R"(graph main(%x: i8[N,2,4], %r: u8[N,3,4]) -> (%y) {
    const %w = i8[3,2,1]{1, -2, 3, 4, -5, 6}
    const %m = f32[]{0.01}
    const %o = f32[]{0.5}
    %a = conv_integer(%x, %w)
    %b = requantize(%a, %m, %o)
    %y = requantize{x_zero=3, residual_zero=-4, residual_multiplier=0.002}(%r, %m, %o, %b)
  })";
  check_pass(fuse_epilogue(), before,
             R"(graph main(%x: i8[N,2,4], %r: u8[N,3,4]) -> (%y) {
    const %w = i8[3,2,1]{1, -2, 3, 4, -5, 6}
    const %m = f32[]{0.01}
    const %o = f32[]{0.5}
    %y = fused{kind="conv_integer+requantize+requantize"}(%x, %w, %m, %o, %r)
      body graph body(%x: i8[N,2,4], %w: i8[3,2,1], %m: f32[], %o: f32[], %r: u8[N,3,4]) -> (%y) {
        %a = conv_integer(%x, %w)
        %b = requantize(%a, %m, %o)
        %y = requantize{x_zero=3, residual_multiplier=0.002, residual_zero=-4}(%r, %m, %o, %b)
      }
  })",
             {.target = {.backend = "cuda"}});
  Graph graph = testing::parse_test_graph(before);
  const Pass pass = fuse_epilogue();
  run_passes(graph, {&pass, 1}, {.backend = "cpu"});
  EXPECT_EQ(graph.node_count(), 2u);  // the second requantisation stays by itself
}

TEST(FuseEpilogue, joins_a_table_between_sums_and_an_addition_where_kernels_do) {
  const std::string before = R"(graph main(%x: i8[N,2,4], %r: u8[N,3,4]) -> (%y) {
    const %w: i8[3,2,1] = @0
    const %t: i8[256] = @1
    const %m = f32[]{0.01}
    const %o = f32[]{0.5}
    %a = conv_integer(%x, %w)
    %b = requantize(%a, %m, %o)
    %c = table_lookup(%b, %t)
    %y = requantize{x_zero=3, residual_zero=-4, residual_multiplier=0.002}(%c, %m, %o, %r)
  })";
  const auto count_on = [&](const char* backend) {
    Graph graph = parse_graph(before, find_op, [](std::size_t i) {
      return Tensor::zeros(DType::i8, i == 0 ? Shape{3, 2, 1} : Shape{256});
    });
    const Pass pass = fuse_epilogue();
    run_passes(graph, {&pass, 1}, {.backend = backend});
    return graph.node_count();
  };
  EXPECT_EQ(count_on("cuda"), 1u);
  EXPECT_EQ(count_on("cpu"), 2u);
}

struct NodeCounts {
  std::size_t on_gpu, on_cpu;
};

// How many nodes the pass leaves, which compute the same.
void expect_nodes(const std::string& text, const NodeCounts& counts) {
  const Graph plain = testing::parse_test_graph(text);
  const Pass pass = fuse_epilogue();
  for (const char* backend : {"cuda", "cpu"}) {
    Graph graph = testing::parse_test_graph(text);
    run_passes(graph, {&pass, 1}, {.backend = backend});
    EXPECT_EQ(graph.node_count(), backend == std::string("cuda") ? counts.on_gpu : counts.on_cpu);
    testing::expect_same_results(plain, graph, {});
  }
}

TEST(FuseEpilogue, joins_a_mean_of_bytes_where_kernels_have_one) {
  const std::string before = R"(graph main(%x: u8[N,3,4]) -> (%y) {
    const %z = i32[]{7}
    const %a = i64[1]{2}
    const %m = f32[]{0.01}
    %w = cast{to=i32}(%x)
    %c = binary{function="sub"}(%w, %z)
    %s = reduce{function="sum"}(%c, %a)
    %y = requantize(%s, %m, %m)
  })";
  expect_nodes(before, {.on_gpu = 1, .on_cpu = 4});
}

// What is averaged, and then scaled: its cast has two readers.
TEST(FuseEpilogue, joins_a_product_of_bytes_where_kernels_have_one) {
  const std::string before = R"(graph main(%x: u8[N,3,4], %g: u8[N,3,1]) -> (%s, %y) {
    const %z = i32[]{7}
    const %a = i64[1]{2}
    const %m = f32[]{0.01}
    %w = cast{to=i32}(%x)
    %c = binary{function="sub"}(%w, %z)
    %r = reduce{function="sum"}(%c, %a)
    %s = requantize(%r, %m, %m)
    %v = cast{to=i32}(%g)
    %p = binary{function="mul"}(%v, %c)
    %y = requantize(%p, %m, %m)
  })";
  expect_nodes(before, {.on_gpu = 2, .on_cpu = 7});
  // A square of bytes; a product that others read; one of floats.
  const auto count_after = [](const std::string& text) {
    Graph graph = testing::parse_test_graph(text);
    const Pass pass = fuse_epilogue();
    run_passes(graph, {&pass, 1}, {.backend = "cuda"});
    return graph.node_count();
  };
  const std::string rest =
      "const %m = f32[]{0.01}\n%w = cast{to=i32}(%x)\n%p = binary{function=\"mul\"}(%w, %w)\n"
      "%y = requantize(%p, %m, %m) }";
  EXPECT_EQ(count_after("graph main(%x: i8[N,3]) -> (%y) {" + rest), 1u);
  EXPECT_EQ(count_after("graph main(%x: i8[N,3]) -> (%y, %p) {" + rest), 3u);
  EXPECT_EQ(count_after("graph main(%x: i16[N,3]) -> (%y) {" + rest), 3u);
}

TEST(FuseEpilogue, joins_pointwise_nodes_that_follow_no_product) {
  check_pass(fuse_epilogue(),
             R"(graph main(%x: f32[N,2], %r: f32[2]) -> (%z) {
               %a = unary{function="sigmoid"}(%x)
               %b = binary{function="mul"}(%x, %a)
               %z = binary{function="add"}(%b, %r)
             })",
             R"(graph main(%x: f32[N,2], %r: f32[2]) -> (%z) {
               %z = fused{kind="sigmoid+mul+add"}(%x, %r)
                 body graph body(%x: f32[N,2], %r: f32[2]) -> (%z) {
                   %a = unary{function="sigmoid"}(%x)
                   %b = binary{function="mul"}(%x, %a)
                   %z = binary{function="add"}(%b, %r)
                 }
             })");
  // Where the first one makes a larger tensor of a smaller one.
  check_unchanged(fuse_epilogue(), R"(graph main(%x: f32[1,2], %r: f32[3,1]) -> (%z) {
    %a = binary{function="add"}(%x, %r)
    %z = unary{function="sigmoid"}(%a)
  })");
  check_unchanged(fuse_epilogue(), R"(graph main(%x: i32[2]) -> (%z) {
    %a = binary{function="add"}(%x, %x)
    %z = binary{function="add"}(%a, %x)
  })");
}

}  // namespace
}  // namespace strop
