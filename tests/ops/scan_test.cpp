// SPDX-License-Identifier: Apache-2.0
// scan and sequence_map: bodies that run for each slice, or each element.
#include <gtest/gtest.h>

#include "ir/text.hpp"
#include "ops/op_list.hpp"
#include "ops/scan.hpp"
#include "ops/sequence_map.hpp"
#include "run_data.hpp"

namespace strop {
namespace {

using test::code_of;
using test::i64s;
using test::iota;
using test::run_data;
using test::values_of;
using Ints = std::vector<std::int32_t>;

// Names of attributes are known only after all constants of the program.
Graph body(std::string_view text) {
  return parse_graph(text, [](std::string_view name) { return find_op(name); });
}

// (sum, x) -> (sum + x, 10 * sum)
const Graph& sum_graph() {
  static const Graph graph = body(R"(graph sum(%sum: i32[K], %x: i32[K]) -> (%next, %ten) {
  const %t = i32[]{10}
  %next = binary{function="add"}(%sum, %x)
  %ten = binary{function="mul"}(%next, %t)
})");
  return graph;
}
const Graph& slice_graph() {
  static const Graph graph = body("graph slice(%x: i32[*]) -> (%x) { }");
  return graph;
}

ScanAttributes attributes(std::int64_t states, std::vector<std::int64_t> axes,
                          std::vector<std::int64_t> reverse = {}) {
  return {.states = states, .axes = std::move(axes), .reverse = std::move(reverse)};
}

RunLimits limited(std::int64_t RunLimits::*which, std::int64_t value) {
  RunLimits limits;
  limits.*which = value;
  return limits;
}

TEST(Scan, carries_states_and_stacks_values) {
  const auto y = run_data(op_scan(), attributes(1, {0}),
                          {Tensor(), Tensor::from<std::int32_t>({2}, {100, 200}), iota({3, 2})}, 2,
                          {&sum_graph()});
  EXPECT_EQ(values_of<std::int32_t>(y[0].tensor()), (Ints{106, 209}));
  EXPECT_EQ(y[1].tensor().shape(), (Shape{3, 2}));
  EXPECT_EQ(values_of<std::int32_t>(y[1].tensor()), (Ints{1000, 2010, 1020, 2040, 1060, 2090}));
}

TEST(Scan, slices_along_any_axis_from_either_end) {
  const auto run = [](std::int64_t axis, std::int64_t reverse) {
    return run_data(op_scan(), attributes(0, {axis}, {reverse}), {Tensor(), iota({2, 3})}, 1,
                    {&slice_graph()})[0]
        .tensor();
  };
  EXPECT_TRUE(run(0, 0).identical(iota({2, 3})));
  EXPECT_EQ(values_of<std::int32_t>(run(0, 1)), (Ints{3, 4, 5, 0, 1, 2}));
  EXPECT_EQ(run(1, 0).shape(), (Shape{3, 2}));
  EXPECT_EQ(values_of<std::int32_t>(run(1, 0)), (Ints{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(values_of<std::int32_t>(run(-1, 1)), (Ints{2, 5, 1, 4, 0, 3}));
}

TEST(Scan, a_length_ends_it_early_and_zeros_follow) {
  const auto run = [](std::int64_t length, std::int64_t reverse) {
    return run_data(op_scan(), attributes(0, {0}, {reverse}),
                    {Tensor::scalar(length), iota({3, 2})}, 1, {&slice_graph()})[0]
        .tensor();
  };
  EXPECT_EQ(values_of<std::int32_t>(run(2, 0)), (Ints{0, 1, 2, 3, 0, 0}));
  // From the end of what is scanned.
  EXPECT_EQ(values_of<std::int32_t>(run(2, 1)), (Ints{2, 3, 0, 1, 0, 0}));
  EXPECT_EQ(run(3, 0).shape(), (Shape{3, 2}));
  for (const std::int64_t wrong : {-1, 4}) {
    EXPECT_EQ(code_of([&] { run(wrong, 0); }), ErrorCode::bad_value);
  }
  EXPECT_EQ(code_of([&] { run(std::numeric_limits<std::int64_t>::min(), 1); }),
            ErrorCode::bad_value);
}

TEST(Scan, stacks_packed_elements_and_strings) {
  Tensor packed = Tensor::zeros(DType::u4, {2, 3});
  for (int i = 0; i < 6; ++i)
    store_packed(packed.mutable_data(), i, 4, static_cast<std::uint8_t>(i));
  const Graph two = body("graph two(%a: u4[2], %b: string[]) -> (%a, %b) { }");
  const auto y =
      run_data(op_scan(), attributes(0, {1, 0}, {0, 1}),
               {Tensor(), packed, Tensor::from_strings({3}, {"a", "b", "c"})}, 2, {&two});
  ASSERT_EQ(y[0].tensor().shape(), (Shape{3, 2}));
  const int wanted[] = {0, 3, 1, 4, 2, 5};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(load_packed(y[0].tensor().data(), i, 4), wanted[i]);
  EXPECT_EQ(values_of<std::string>(y[1].tensor()), (std::vector<std::string>{"c", "b", "a"}));
}

TEST(Scan, without_slices_gives_initial_states_and_nothing_stacked) {
  const auto y = run_data(op_scan(), attributes(1, {0}), {Tensor(), iota({2}), iota({0, 2})}, 2,
                          {&sum_graph()});
  EXPECT_TRUE(y[0].tensor().identical(iota({2})));
  EXPECT_EQ(y[1].tensor().dim(0), 0);
}

TEST(Scan, refuses_what_does_not_fit) {
  const auto code = [](const ScanAttributes& given, const std::vector<Datum>& inputs,
                       std::size_t outputs = 2, const Graph* graph = &sum_graph()) {
    return code_of([&] { run_data(op_scan(), given, inputs, outputs, {graph}); });
  };
  const std::vector<Datum> good = {Tensor(), iota({2}), iota({3, 2})};
  EXPECT_EQ(code(attributes(1, {0}), good), ErrorCode::ok);
  EXPECT_EQ(code(attributes(1, {}), good), ErrorCode::bad_attribute);
  EXPECT_EQ(code(attributes(-1, {0}), good), ErrorCode::bad_attribute);
  EXPECT_EQ(code(attributes(2, {0}), good), ErrorCode::bad_attribute);
  EXPECT_EQ(code(attributes(std::numeric_limits<std::int64_t>::max(), {0}), good),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code(attributes(1, {0}, {0, 1}), good), ErrorCode::bad_attribute);
  EXPECT_EQ(code(attributes(1, {0}, {2}), good), ErrorCode::bad_attribute);
  EXPECT_EQ(code(attributes(1, {2}), good), ErrorCode::bad_attribute);
  EXPECT_EQ(code(attributes(1, {0}), {Tensor(), iota({2})}), ErrorCode::bad_attribute);
  EXPECT_EQ(code(attributes(1, {0}), {Tensor(), iota({2}), Sequence{}}), ErrorCode::bad_type);
  EXPECT_EQ(code(attributes(1, {0}), good, 1), ErrorCode::model_malformed);
  EXPECT_EQ(code(attributes(1, {0}), good, 2, &slice_graph()), ErrorCode::model_malformed);
  const Graph two = body("graph two(%a: i32[2], %b: i32[2]) -> (%a, %b) { }");
  EXPECT_EQ(code(attributes(0, {0, 1}), {Tensor(), iota({3, 2}), iota({2, 4})}, 2, &two),
            ErrorCode::bad_shape);
}

TEST(Scan, refuses_values_that_change_shape) {
  const Graph growing = body(R"(graph growing(%s: i32[*], %x: i32[*]) -> (%next, %next) {
    %next = concat(%s, %s)
  })");
  EXPECT_EQ(
      code_of([&] {
        run_data(op_scan(), attributes(1, {0}), {Tensor(), iota({2}), iota({3})}, 2, {&growing});
      }),
      ErrorCode::bad_value);
}

TEST(Scan, infers_the_number_of_slices) {
  GraphBuilder g;
  const ValueId x = g.add_input("x", Type::parse("i32[A,N,B]"));
  const auto shared =
      std::make_shared<const Graph>(body("graph two(%p: i32[A,B], %q: i32[A,B]) -> (%p) { }"));
  const auto y = g.emit(op_scan(), attributes(0, {1, -2}), {ValueId::none(), x, x}, 1,
                        {.subgraphs = {shared}});
  EXPECT_EQ(g.type(y[0]).to_string(), "i32[N,A,B]");
}

TEST(Scan, is_bounded_by_the_limits_of_the_run) {
  const auto run = [](const RunLimits& limits) {
    return code_of([&] {
      run_data(op_scan(), attributes(0, {0}), {Tensor(), iota({1000, 10})}, 1, {&slice_graph()},
               limits);
    });
  };
  EXPECT_EQ(run({}), ErrorCode::ok);
  EXPECT_EQ(run(limited(&RunLimits::loop_iterations, 999)), ErrorCode::limit_exceeded);
  EXPECT_EQ(run(limited(&RunLimits::tensor_bytes, 39'999)), ErrorCode::limit_exceeded);
  RunLimits past;
  past.deadline = std::chrono::steady_clock::now() - std::chrono::milliseconds(1);
  EXPECT_EQ(run(past), ErrorCode::limit_exceeded);
  // Slices of nothing cost no memory, but each one is an iteration.
  EXPECT_EQ(code_of([&] {
              run_data(op_scan(), attributes(0, {0}),
                       {Tensor(), Tensor::zeros(DType::i32, {std::int64_t{1} << 60, 0})}, 1,
                       {&slice_graph()});
            }),
            ErrorCode::limit_exceeded);
}

// (x, factor) -> (x * factor, shape of x)
const Graph& scale_graph() {
  static const Graph graph = body(R"(graph scale(%x: i32[*], %f: i32[*]) -> (%y, %s) {
  %y = binary{function="mul"}(%x, %f)
  %s = shape(%x)
})");
  return graph;
}

TEST(SequenceMap, runs_its_body_for_each_element) {
  const Sequence x = {iota({2}), iota({3})};
  auto y = run_data(op_sequence_map(), SequenceMapAttributes{2},
                    {x, Tensor::scalar<std::int32_t>(5)}, 2, {&scale_graph()});
  ASSERT_EQ(y[0].sequence().size(), 2u);
  EXPECT_EQ(values_of<std::int32_t>(y[0].sequence()[1].tensor()), (Ints{0, 5, 10}));
  EXPECT_EQ(y[1].sequence()[0].tensor().to_i64(), (std::vector<std::int64_t>{2}));
  // The second input may be a sequence or, with one mapped input, a capture.
  y = run_data(op_sequence_map(), SequenceMapAttributes{2}, {x, x}, 2, {&scale_graph()});
  EXPECT_EQ(values_of<std::int32_t>(y[0].sequence()[1].tensor()), (Ints{0, 1, 4}));
  y = run_data(op_sequence_map(), SequenceMapAttributes{1}, {x, Tensor::scalar<std::int32_t>(2)}, 2,
               {&scale_graph()});
  EXPECT_EQ(values_of<std::int32_t>(y[0].sequence()[0].tensor()), (Ints{0, 2}));
  y = run_data(op_sequence_map(), SequenceMapAttributes{1}, {Sequence{}, iota({1})}, 2,
               {&scale_graph()});
  EXPECT_TRUE(y[0].sequence().empty());
}

TEST(SequenceMap, infers_sequences_of_what_the_body_gives) {
  GraphBuilder g;
  const ValueId x = g.add_input("x", Type::parse("seq(i32[*])"));
  const ValueId f = g.add_input("f", Type::parse("i32[]"));
  const auto shared = std::make_shared<const Graph>(scale_graph().clone());
  const auto y =
      g.emit(op_sequence_map(), SequenceMapAttributes{2}, {x, f}, 2, {.subgraphs = {shared}});
  EXPECT_EQ(g.type(y[0]).to_string(), "seq(i32[*])");
  EXPECT_EQ(g.type(y[1]).to_string(), "seq(i64[*])");
}

TEST(SequenceMap, refuses_what_does_not_fit) {
  const auto code = [](std::int64_t mapped, const std::vector<Datum>& inputs,
                       const RunLimits& limits = {}) {
    return code_of([&] {
      run_data(op_sequence_map(), SequenceMapAttributes{mapped}, inputs, 2, {&scale_graph()},
               limits);
    });
  };
  const Sequence two = {iota({2}), iota({2})}, three = {iota({2}), iota({2}), iota({2})};
  EXPECT_EQ(code(2, {two, two}), ErrorCode::ok);
  EXPECT_EQ(code(2, {two, three}), ErrorCode::bad_value);
  EXPECT_EQ(code(2, {iota({2}), two}), ErrorCode::bad_type);
  EXPECT_EQ(code(0, {two, two}), ErrorCode::bad_attribute);
  EXPECT_EQ(code(3, {two, two}), ErrorCode::bad_attribute);
  EXPECT_EQ(code(1, {Datum(two)}), ErrorCode::model_malformed);
  EXPECT_EQ(code(2, {two, two}, limited(&RunLimits::loop_iterations, 1)),
            ErrorCode::limit_exceeded);
}

TEST(SequenceMap, bounds_the_bytes_of_a_sequence) {
  const Graph large = body(R"(graph large(%x: i32[*]) -> (%y) {
    const %size = i64[1]{100}
    %y = fill(%size)
  })");
  const Sequence x(10, Datum(iota({1})));
  const auto run = [&](std::int64_t limit) {
    return code_of([&] {
      run_data(op_sequence_map(), SequenceMapAttributes{1}, {Datum(x)}, 1, {&large},
               limited(&RunLimits::tensor_bytes, limit));
    });
  };
  EXPECT_EQ(run(4000), ErrorCode::ok);
  EXPECT_EQ(run(3999), ErrorCode::limit_exceeded);
}

}  // namespace
}  // namespace strop
