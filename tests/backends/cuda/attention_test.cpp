// SPDX-License-Identifier: Apache-2.0
// Every way to run attention on a GPU against the reference.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <future>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "backends/cuda/gpu.hpp"
#include "base/tolerance.hpp"
#include "builder/plan_execution.hpp"
#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "lower/lower.hpp"
#include "ops/fused.hpp"
#include "ops/op_list.hpp"
#include "passes/pass_runner.hpp"
#include "passes/passes.hpp"

namespace strop::testing {
namespace {

double tolerance_for(DType dtype) {
  return dtype == DType::f32 ? 1e-5 : dtype == DType::f16 ? 5e-3 : 2e-2;
}

// Values of inputs by number instead of made-up ones.
using Given = std::map<std::size_t, Tensor>;

// `most`: so many of each tactic's ways, from the first on.
void check(const Graph& graph, const SymbolValues& sizes, const Given& given = {},
           std::size_t most = 2) {
  const Problem problem{&graph.node(graph.order().front()), &graph, false, {}, &*gpu()->device};
  std::vector<Tensor> inputs;
  std::vector<Datum> data;
  for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
    const Type& type = graph.value(graph.inputs()[i]).type;
    const auto at = given.find(i);
    inputs.push_back(at != given.end()
                         ? at->second
                         : random_tensor(type.dtype, evaluate(*type.shape, sizes), i + 1));
    data.emplace_back(inputs.back());
  }
  const Tensor expected = evaluate_graph(graph, data)[0].tensor();
  const CandidateList offered = list_candidates(problem, gpu()->tactics, {});
  // Lowered on all processors: compiling is most of it.
  std::map<std::string_view, std::size_t> chosen;
  std::vector<std::pair<std::string, std::future<Plan>>> plans;
  for (const Candidate& candidate : offered.candidates) {
    const std::string_view tactic = candidate.tactic->name;
    if ((tactic != "attention_flash" && tactic != "attention_wgmma") || chosen[tactic] == most)
      continue;
    ++chosen[tactic];
    plans.emplace_back(candidate.name(), std::async(std::launch::async, [&] {
                         return lower_single(problem, candidate, sizes);
                       }));
  }
  for (auto& [name, plan] : plans) {
    PlanExecution execution(plan.get(), 1, gpu()->device->ordinal);
    // In the order of the node's inputs.
    std::vector<Tensor> bound;
    for (const ValueId id : problem.node->inputs) {
      for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
        if (graph.inputs()[i] == id) bound.push_back(inputs[i]);
      }
    }
    execution.bind(bound);
    execution.run();
    const double tolerance = tolerance_for(expected.dtype());
    const Difference difference = compare(execution.outputs()[0], expected, tolerance);
    EXPECT_LE(difference.largest_relative, tolerance) << name << " " << difference.text;
  }
  EXPECT_GT(chosen["attention_flash"], 0u);
}

void check(const std::string& text, const SymbolValues& sizes, const Given& given = {},
           std::size_t most = 2) {
  SCOPED_TRACE(text);
  check(parse_graph(text, find_op, nullptr), sizes, given, most);
}

constexpr std::size_t kAll = 100;

std::string heads(const std::string& type, int size, const std::string& attributes = {},
                  const std::string& more = {}, const std::string& names = {}) {
  const std::string d = std::to_string(size);
  return "graph main(%q: " + type + "[B,4,S," + d + "], %k: " + type + "[B,4,T," + d +
         "], %v: " + type + "[B,4,T," + d + "]" + more + ") -> (%y) { %y = attention{" +
         attributes + "}(%q, %k, %v" + names + ") }";
}

SymbolValues sizes(std::int64_t b, std::int64_t s, std::int64_t t) {
  return {{"B", b}, {"S", s}, {"T", t}};
}

TEST(CudaFlashAttention, heads_of_many_sizes_and_any_number_of_rows) {
  STROP_SKIP_WITHOUT_GPU();
  for (const int size : {2, 8, 12, 32, 40, 64, 80, 128, 192, 256})
    check(heads("f16", size, "scale=0.2"), sizes(2, 67, 131));
  for (const std::int64_t rows : {1, 15, 64, 129, 197}) {
    check(heads("f16", 64, "scale=0.125"), sizes(1, rows, rows), {}, kAll);
    check(heads("bf16", 64, "scale=0.125"), sizes(1, rows, 200 - rows));
  }
  check(heads("f16", 64), sizes(3, 5, 0));
  check(heads("f16", 64), sizes(0, 5, 4));
  check(heads("f16", 64, "scale=-0.3"), sizes(1, 20, 30));
}

// Where the number of keys is known, a tile may have them all.
TEST(CudaFlashAttention, all_keys_in_one_tile) {
  STROP_SKIP_WITHOUT_GPU();
  for (const auto& [type, size, queries, keys] :
       {std::tuple("f16", 64, 197, 197), std::tuple("f16", 64, 128, 128),
        std::tuple("bf16", 64, 1, 1), std::tuple("f16", 128, 70, 33),
        std::tuple("f16", 64, 300, 256)}) {
    const auto heads_of = [&, type = type, size = size](int rows) {
      return fmt::format("{}[2,3,{},{}]", type, rows, size);
    };
    const std::string operands =
        fmt::format("%q: {}, %k: {}, %v: {}", heads_of(queries), heads_of(keys), heads_of(keys));
    check(fmt::format("graph main({}) -> (%y) {{ %y = attention{{scale=0.2}}(%q, %k, %v) }}",
                      operands),
          {}, {}, kAll);
    for (const std::string& bias :
         {fmt::format("{}[2,1,1,{}]", type, keys), fmt::format("bool[1,3,{},{}]", queries, keys)}) {
      check(fmt::format("graph main({}, %b: {}) -> (%y) {{\n"
                        "%y = attention{{scale=0.2}}(%q, %k, %v, %b) }}",
                        operands, bias),
            {}, {}, kAll);
    }
  }
}

// More heads than multiprocessors: blocks that stay come to a second and a third one.
TEST(CudaFlashAttention, blocks_take_heads_in_turn) {
  STROP_SKIP_WITHOUT_GPU();
  for (const auto& [queries, keys] : {std::pair(64, 64), std::pair(20, 144), std::pair(200, 70)}) {
    const std::string q = fmt::format("f16[40,12,{},64]", queries);
    const std::string k = fmt::format("f16[40,4,{},64]", keys);
    check(fmt::format("graph main(%q: {}, %k: {}, %v: {}) -> (%y) {{\n"
                      "%y = attention{{scale=0.2}}(%q, %k, %v) }}",
                      q, k, k),
          {}, {}, kAll);
    check(fmt::format("graph main(%q: {}, %k: {}, %v: {}, %b: f16[40,1,{},{}]) -> (%y) {{\n"
                      "%y = attention{{scale=0.2}}(%q, %k, %v, %b) }}",
                      q, k, k, queries, keys),
          {});
  }
}

TEST(CudaFlashAttention, in_f32) {
  STROP_SKIP_WITHOUT_GPU();
  for (const int size : {3, 32, 40, 64, 80, 128, 300})
    check(heads("f32", size, "scale=0.2"), sizes(2, 67, 131));
  check(heads("f32", 64, "scale=0.2, left=3, right=2, softcap=2", ", %b: f32[S,T]", ", %b"),
        sizes(1, 100, 90));
  check(heads("f32", 64, {}, ", %b: bool[B,1,S,T]", ", %b"), sizes(1, 70, 70));
  check(heads("f16", 7), sizes(2, 33, 65));
  check(heads("f16", 288, "right=0"), sizes(1, 33, 65));
}

TEST(CudaFlashAttention, biases_of_every_shape) {
  STROP_SKIP_WITHOUT_GPU();
  for (const char* shape : {"[B,1,1,T]", "[1,4,S,T]", "[B,4,S,T]", "[S,T]", "[T]", "[B,4,S,1]"}) {
    for (const std::int64_t keys : {77, 130}) {
      check(heads("f16", 64, "scale=0.2", std::string(", %b: f16") + shape, ", %b"),
            sizes(2, 70, keys));
      check(heads("f16", 40, "scale=0.2", std::string(", %b: bool") + shape, ", %b"),
            sizes(2, 70, keys));
    }
  }
}

TEST(CudaFlashAttention, a_query_that_sees_no_key_gives_zeros) {
  STROP_SKIP_WITHOUT_GPU();
  Tensor bias = Tensor::zeros(DType::f16, {1, 1, 20, 70});
  auto* bits = reinterpret_cast<std::uint16_t*>(bias.mutable_data());
  for (int i = 0; i < 70; ++i) bits[3 * 70 + i] = 0xfc00;  // -infinity
  for (int i = 0; i < 70; ++i) bits[5 * 70 + i] = i < 64 ? 0xfc00 : 0;
  check(heads("f16", 64, {}, ", %b: f16[1,1,S,T]", ", %b"), sizes(1, 20, 70), {{3, bias}});
}

TEST(CudaFlashAttention, windows_lengths_starts_and_sinks) {
  STROP_SKIP_WITHOUT_GPU();
  for (const char* attributes : {"right=0", "left=10", "left=70, right=3", "left=0, right=0",
                                 "right=0, softcap=5", "left=9000000000000000000, right=0"}) {
    check(heads("f16", 64, attributes), sizes(1, 200, 200));
    check(heads("f16", 64, attributes), sizes(1, 150, 100));
  }
  check(heads("f16", 128, "left=70, right=0"), sizes(1, 100, 150), {}, kAll);
  const Tensor lengths = Tensor::from<std::int64_t>({3}, {100, 0, 37});
  const Tensor starts = Tensor::from<std::int32_t>({3}, {40, -7, 0});
  for (const char* type : {"f16", "f32"}) {
    check(heads(type, 64, "right=0, left=50", ", %l: i64[B], %s: i32[B], %z: f32[4]",
                ", _, %l, %s, %z"),
          sizes(3, 60, 100), {{3, lengths}, {4, starts}}, kAll);
  }
  check(heads("f16", 64, {}, ", %l: i64[1]", ", _, %l"), sizes(2, 60, 100),
        {{3, Tensor::from<std::int64_t>({1}, {65})}});
}

TEST(CudaFlashAttention, neighbouring_heads_share_keys) {
  STROP_SKIP_WITHOUT_GPU();
  check(
      "graph main(%q: f16[B,6,S,64], %k: f16[B,2,T,64], %v: f16[B,2,T,32]) -> (%y) {\n"
      "%y = attention{scale=0.125, right=0}(%q, %k, %v) }",
      sizes(2, 1, 90));
  check(
      "graph main(%q: f32[B,6,S,64], %k: f32[B,2,T,64], %v: f32[B,2,T,32]) -> (%y) {\n"
      "%y = attention{scale=0.125, right=0}(%q, %k, %v) }",
      sizes(2, 40, 90));
}

// Queries, keys and values of one product, and the result's heads side by side.
Graph packed(const std::string& type, int heads_count, int size) {
  const std::string h = std::to_string(heads_count), d = std::to_string(size);
  const std::string columns = std::to_string(heads_count * size);
  std::string text = "graph main(%x: " + type + "[B,S," + std::to_string(3 * heads_count * size) +
                     "], %b: " + type +
                     "[B,1,1,S]) -> (%y) {\nconst %shape: i64[4] = @0\n"
                     "const %out: i64[3] = @1\n%a, %c, %e = split{axis=2}(%x)\n";
  for (const char* name : {"a", "c", "e"}) {
    text += std::string("%") + name + "r = reshape(%" + name + ", %shape)\n%" + name +
            "t = transpose{perm=[0, 2, 1, 3]}(%" + name + "r)\n";
  }
  text +=
      "%o = attention{scale=0.125}(%at, %ct, %et, %b)\n"
      "%p = transpose{perm=[0, 2, 1, 3]}(%o)\n%y = reshape(%p, %out) }";
  Graph graph = parse_graph(text, find_op, [&](std::size_t i) {
    return i == 0 ? Tensor::from<std::int64_t>({4}, {0, 0, heads_count, size})
                  : Tensor::from<std::int64_t>({3}, {0, 0, heads_count * size});
  });
  const Pass passes[] = {fuse_attention_layout()};
  run_passes(graph, passes, Target{.backend = "cuda"});
  return graph;
}

TEST(CudaFlashAttention, reads_and_writes_heads_where_they_lie) {
  STROP_SKIP_WITHOUT_GPU();
  for (const char* type : {"f16", "f32"}) {
    const Graph graph = packed(type, 12, 64);
    ASSERT_EQ(graph.node_count(), 1u);
    check(graph, {{"B", 2}, {"S", 128}});
    check(graph, {{"B", 1}, {"S", 197}});
    check(packed(type, 3, 40), {{"B", 2}, {"S", 33}});
  }
}

}  // namespace
}  // namespace strop::testing
