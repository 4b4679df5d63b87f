// SPDX-License-Identifier: Apache-2.0
// Nested graphs: If, and Loop with carried values, scan outputs, captures and limits.
#include <gtest/gtest.h>

#include "ops/concat.hpp"
#include "ops/expand.hpp"
#include "ops/fill.hpp"
#include "ops/gather.hpp"
#include "ops/identity.hpp"
#include "ops/if_else.hpp"
#include "ops/loop.hpp"
#include "ops/reshape.hpp"
#include "ops/sequence_insert.hpp"
#include "ops/shape.hpp"
#include "ops/string_concat.hpp"
#include "ops/unsqueeze.hpp"
#include "run_data.hpp"

namespace strop {
namespace {

using test::code_of;
using test::i64s;
using test::iota;
using test::run_data;
using test::values_of;
using Ints = std::vector<std::int32_t>;

// A graph of the given inputs, whose outputs `body` names.
Graph nested(const std::vector<std::string>& inputs,
             const std::function<std::vector<ValueId>(GraphBuilder&, std::vector<ValueId>)>& body) {
  GraphBuilder g("nested", "n/");
  std::vector<ValueId> ids;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    ids.push_back(g.add_input("in" + std::to_string(i), Type::parse(inputs[i])));
  }
  std::size_t count = 0;
  for (const ValueId id : body(g, ids)) g.add_output(id, "out" + std::to_string(count++));
  return g.take();
}

ValueId concat(GraphBuilder& g, std::vector<ValueId> inputs) {
  return g.emit(op_concat(), ConcatAttributes{}, std::move(inputs));
}

const Graph kOnce = nested({"i32[N]"}, [](GraphBuilder&, auto in) { return in; });
const Graph kTwice = nested({"i32[N]"}, [](GraphBuilder& g, auto in) {
  return std::vector<ValueId>{concat(g, {in[0], in[0]})};
});

RunLimits limited(std::int64_t RunLimits::*which, std::int64_t value) {
  RunLimits limits;
  limits.*which = value;
  return limits;
}

std::shared_ptr<const Graph> shared(const Graph& graph) {
  return std::make_shared<const Graph>(graph.clone());
}

Type emitted_if(const Graph& then_graph, const Graph& else_graph, const char* x) {
  GraphBuilder g;
  const ValueId condition = g.add_input("c", Type::parse("bool[]"));
  const ValueId capture = g.add_input("x", Type::parse(x));
  return g.type(g.emit(op_if_else(), NoAttributes{}, {condition, capture}, 1,
                       {.subgraphs = {shared(then_graph), shared(else_graph)}})[0]);
}

TEST(IfElse, runs_the_branch_that_the_condition_names) {
  for (const bool condition : {true, false}) {
    const auto y = run_data(op_if_else(), NoAttributes{}, {Tensor::scalar(condition), iota({2})}, 1,
                            {&kTwice, &kOnce});
    EXPECT_EQ(values_of<std::int32_t>(y[0].tensor()),
              condition ? (Ints{0, 1, 0, 1}) : (Ints{0, 1}));
  }
}

TEST(IfElse, keeps_sizes_that_both_branches_agree_on) {
  EXPECT_EQ(emitted_if(kOnce, kOnce, "i32[N]").to_string(), "i32[N]");
  const Type differing = emitted_if(kOnce, kTwice, "i32[N]");
  ASSERT_EQ(differing.rank(), 1);
  EXPECT_TRUE((*differing.shape)[0].is_symbol());
  EXPECT_NE((*differing.shape)[0], Dim::symbol("N"));
}

TEST(IfElse, hides_symbols_of_the_inside) {
  // Outside the size is M; what the branches call N means nothing there.
  EXPECT_EQ(emitted_if(kOnce, kOnce, "i32[M]").to_string(), "i32[M]");
  EXPECT_EQ(emitted_if(kOnce, kOnce, "i32[7]").to_string(), "i32[7]");
  // A name of an unknown size from before its node got another place.
  const Graph stale = nested({"i32[#4.0]"}, [](GraphBuilder&, auto in) { return in; });
  EXPECT_EQ(emitted_if(stale, stale, "i32[#3.0]").to_string(), "i32[#3.0]");
}

TEST(IfElse, branch_that_does_not_run_may_not_fit_the_sizes) {
  const Graph three = nested({"i32[N]"}, [](GraphBuilder& g, auto in) {
    return std::vector<ValueId>{g.emit(op_expand(), NoAttributes{}, {in[0], g.integers({3})})};
  });
  const auto y = run_data(op_if_else(), NoAttributes{}, {Tensor::scalar(false), iota({2})}, 1,
                          {&three, &kOnce});
  EXPECT_EQ(values_of<std::int32_t>(y[0].tensor()), (Ints{0, 1}));
  EXPECT_EQ(code_of([&] {
              run_data(op_if_else(), NoAttributes{}, {Tensor::scalar(true), iota({2})}, 1,
                       {&three, &kOnce});
            }),
            ErrorCode::bad_shape);
}

TEST(IfElse, gives_up_the_rank_where_branches_differ_in_it) {
  const Graph matrix = nested({"i32[N]"}, [](GraphBuilder& g, auto in) {
    return std::vector<ValueId>{g.emit(op_unsqueeze(), NoAttributes{}, {in[0], g.integers({0})})};
  });
  EXPECT_EQ(emitted_if(kOnce, matrix, "i32[N]").to_string(), "i32[*]");
}

TEST(IfElse, refuses_branches_that_do_not_fit) {
  const Graph floats = nested({"i32[N]"}, [](GraphBuilder& g, auto) {
    return std::vector<ValueId>{g.emit(op_fill(), FillAttributes{}, {g.integers({1})})};
  });
  const Graph without =
      nested({}, [](GraphBuilder& g, auto) { return std::vector<ValueId>{g.constant(iota({1}))}; });
  EXPECT_EQ(code_of([&] { emitted_if(kOnce, floats, "i32[N]"); }), ErrorCode::bad_type);
  EXPECT_EQ(code_of([&] { emitted_if(kOnce, without, "i32[N]"); }), ErrorCode::model_malformed);
  EXPECT_EQ(code_of([&] {
              run_data(op_if_else(), NoAttributes{},
                       {Tensor::from<bool>({2}, {true, false}), iota({2})}, 1, {&kOnce, &kOnce});
            }),
            ErrorCode::bad_shape);
}

// (i, condition, x) -> (condition, x ++ x, i)
const Graph kDoubling = nested({"i64[]", "bool[]", "i32[N]"}, [](GraphBuilder& g, auto in) {
  return std::vector<ValueId>{in[1], concat(g, {in[2], in[2]}), in[0]};
});

TEST(Loop, carries_values_and_stacks_scan_outputs) {
  const auto y = run_data(op_loop(), LoopAttributes{1},
                          {Tensor::scalar<std::int64_t>(3), Tensor(), iota({1})}, 2, {&kDoubling});
  EXPECT_EQ(y[0].tensor().shape(), (Shape{8}));
  EXPECT_EQ(values_of<std::int64_t>(y[1].tensor()), (std::vector<std::int64_t>{0, 1, 2}));
}

TEST(Loop, returns_initial_values_without_iterations) {
  const auto y = run_data(op_loop(), LoopAttributes{1},
                          {Tensor::scalar<std::int64_t>(0), Tensor(), iota({2})}, 2, {&kDoubling});
  EXPECT_TRUE(y[0].tensor().identical(iota({2})));
  EXPECT_EQ(y[1].tensor().shape(), (Shape{0}));
  const auto z = run_data(op_loop(), LoopAttributes{1},
                          {Tensor::scalar<std::int64_t>(-5), Tensor::scalar(true), iota({2})}, 2,
                          {&kDoubling});
  EXPECT_EQ(z[0].tensor().size(), 2);
}

TEST(Loop, ends_when_its_body_says_so) {
  // (i, condition, x, flags) -> (flags[i], x)
  const Graph body = nested({"i64[]", "bool[]", "i32[N]", "bool[4]"}, [](GraphBuilder& g, auto in) {
    return std::vector<ValueId>{g.emit(op_gather(), GatherAttributes{}, {in[3], in[0]}),
                                concat(g, {in[2], in[2]})};
  });
  const Tensor flags = Tensor::from<bool>({4}, {true, true, false, true});
  const auto y =
      run_data(op_loop(), LoopAttributes{1}, {Tensor(), Tensor(), iota({1}), flags}, 1, {&body});
  EXPECT_EQ(y[0].tensor().size(), 8);  // three iterations
}

TEST(Loop, stacks_packed_elements_and_strings) {
  Tensor three = Tensor::zeros(DType::u4, {3});
  for (int i = 0; i < 3; ++i)
    store_packed(three.mutable_data(), i, 4, static_cast<std::uint8_t>(i + 1));
  const Graph body = nested({"i64[]", "bool[]", "u4[3]", "string[1]"}, [](GraphBuilder&, auto in) {
    return std::vector<ValueId>{in[1], in[2], in[3]};
  });
  const auto y =
      run_data(op_loop(), LoopAttributes{0},
               {Tensor::scalar<std::int64_t>(2), Tensor(), three, Tensor::from_strings({1}, {"a"})},
               2, {&body});
  ASSERT_EQ(y[0].tensor().shape(), (Shape{2, 3}));
  EXPECT_EQ(load_packed(y[0].tensor().data(), 3, 4), 1);
  EXPECT_EQ(load_packed(y[0].tensor().data(), 5, 4), 3);
  EXPECT_EQ(values_of<std::string>(y[1].tensor()), (std::vector<std::string>{"a", "a"}));
}

TEST(Loop, collects_a_sequence) {
  const Graph body = nested({"i64[]", "bool[]", "seq(i64[*])"}, [](GraphBuilder& g, auto in) {
    return std::vector<ValueId>{in[1],
                                g.emit(op_sequence_insert(), NoAttributes{}, {in[2], in[0]})};
  });
  const std::vector<Datum> inputs{Tensor::scalar<std::int64_t>(3), Tensor(), Sequence{}};
  const auto y = run_data(op_loop(), LoopAttributes{1}, inputs, 1, {&body});
  ASSERT_EQ(y[0].sequence().size(), 3u);
  EXPECT_EQ(y[0].sequence()[2].tensor().values<std::int64_t>()[0], 2);
  EXPECT_EQ(code_of([&] {
              run_data(op_loop(), LoopAttributes{1}, inputs, 1, {&body},
                       limited(&RunLimits::sequence_length, 2));
            }),
            ErrorCode::limit_exceeded);
}

TEST(Loop, ends_at_a_limit_when_nothing_else_ends_it) {
  const Graph endless = nested({"i64[]", "bool[]", "bool[]"}, [](GraphBuilder& g, auto in) {
    return std::vector<ValueId>{in[2], g.emit(op_fill(), FillAttributes{}, {g.integers({100})})};
  });
  const auto run = [&](const RunLimits& limits) {
    return code_of([&] {
      run_data(op_loop(), LoopAttributes{0}, {Tensor(), Tensor(), Tensor::scalar(true)}, 1,
               {&endless}, limits);
    });
  };
  EXPECT_EQ(run(limited(&RunLimits::loop_iterations, 10)), ErrorCode::limit_exceeded);
  EXPECT_EQ(run(limited(&RunLimits::tensor_bytes, 10'000)), ErrorCode::limit_exceeded);
  RunLimits soon;
  soon.deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  EXPECT_EQ(run(soon), ErrorCode::limit_exceeded);
  EXPECT_EQ(code_of([&] {
              run_data(op_loop(), LoopAttributes{1},
                       {Tensor::scalar<std::int64_t>(100), Tensor(), iota({1})}, 2, {&kDoubling},
                       limited(&RunLimits::tensor_bytes, 1 << 20));
            }),
            ErrorCode::limit_exceeded);
}

// A loop that cannot end within its limits is refused before its first iteration.
TEST(Loop, is_not_begun_when_it_cannot_end) {
  const auto run = [](const Tensor& trips, const Graph& body) {
    const auto start = std::chrono::steady_clock::now();
    const ErrorCode code = code_of([&] {
      run_data(op_loop(), LoopAttributes{0}, {trips, Tensor()}, body.outputs().size() - 1, {&body});
    });
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(1));
    return code;
  };
  const Graph passing = nested({"i64[]", "bool[]"}, [](GraphBuilder& g, auto in) {
    return std::vector<ValueId>{g.emit(op_identity(), NoAttributes{}, {in[1]})};
  });
  const Graph always = nested({"i64[]", "bool[]"}, [](GraphBuilder& g, auto) {
    return std::vector<ValueId>{g.constant(Tensor::scalar(true))};
  });
  const Graph never = nested({"i64[]", "bool[]"}, [](GraphBuilder& g, auto) {
    return std::vector<ValueId>{g.constant(Tensor::scalar(false))};
  });
  const Tensor huge = Tensor::scalar(std::numeric_limits<std::int64_t>::max());
  for (const Graph* body : {&passing, &always}) {
    EXPECT_EQ(run(Tensor(), *body), ErrorCode::limit_exceeded);
    EXPECT_EQ(run(huge, *body), ErrorCode::limit_exceeded);
    EXPECT_EQ(run(Tensor::scalar<std::int64_t>(3), *body), ErrorCode::ok);
  }
  EXPECT_EQ(run(Tensor(), never), ErrorCode::ok);
  EXPECT_EQ(run(huge, never), ErrorCode::ok);
}

// 100 iterations of a loop of 100 iterations of a loop ...
TEST(Loop, counts_the_iterations_of_loops_within_loops) {
  std::shared_ptr<const Graph> inner =
      std::make_shared<const Graph>(nested({"i64[]", "bool[]", "i32[N]"}, [](auto&, auto in) {
        return std::vector<ValueId>{in[1], in[2]};
      }));
  for (int depth = 0; depth < 6; ++depth) {
    inner = std::make_shared<const Graph>(
        nested({"i64[]", "bool[]", "i32[N]"}, [&](GraphBuilder& g, auto in) {
          const ValueId hundred = g.constant(Tensor::scalar<std::int64_t>(100));
          const auto y = g.emit(op_loop(), LoopAttributes{1}, {hundred, ValueId::none(), in[2]}, 1,
                                {.subgraphs = {inner}});
          return std::vector<ValueId>{in[1], y[0]};
        }));
  }
  EXPECT_EQ(code_of([&] {
              run_data(op_loop(), LoopAttributes{1},
                       {Tensor::scalar<std::int64_t>(100), Tensor(), iota({1})}, 1, {inner.get()},
                       limited(&RunLimits::loop_iterations, 20'000));
            }),
            ErrorCode::limit_exceeded);
}

TEST(Loop, a_long_sequence_counts_where_it_is_copied) {
  // 100,000 elements, and each iteration makes a new sequence of one more: 390 iterations each.
  const Graph body = nested({"i64[]", "bool[]", "seq(i64[*])"}, [](GraphBuilder& g, auto in) {
    return std::vector<ValueId>{in[1],
                                g.emit(op_sequence_insert(), NoAttributes{}, {in[2], in[0]})};
  });
  const std::vector<Datum> inputs{Tensor::scalar<std::int64_t>(100), Tensor(),
                                  Sequence(100'000, Datum(Tensor::scalar<std::int64_t>(0)))};
  const auto run = [&](std::int64_t limit) {
    return code_of([&] {
      run_data(op_loop(), LoopAttributes{1}, inputs, 1, {&body},
               limited(&RunLimits::loop_iterations, limit));
    });
  };
  EXPECT_EQ(run(200), ErrorCode::limit_exceeded);
  EXPECT_EQ(run(50'000), ErrorCode::ok);
}

TEST(Loop, bounds_the_bytes_of_a_sequence) {
  const Graph body =
      nested({"i64[]", "bool[]", "seq(i32[*])", "i32[N]"}, [](GraphBuilder& g, auto in) {
        return std::vector<ValueId>{in[1],
                                    g.emit(op_sequence_insert(), NoAttributes{}, {in[2], in[3]})};
      });
  const auto run = [&](std::int64_t trips) {
    return code_of([&] {
      run_data(op_loop(), LoopAttributes{1},
               {Tensor::scalar(trips), Tensor(), Sequence{}, iota({1000})}, 1, {&body},
               limited(&RunLimits::tensor_bytes, 40'000));
    });
  };
  EXPECT_EQ(run(10), ErrorCode::ok);
  EXPECT_EQ(run(11), ErrorCode::limit_exceeded);
}

TEST(Loop, bounds_strings_that_double) {
  const Graph body = nested({"i64[]", "bool[]", "string[]"}, [](GraphBuilder& g, auto in) {
    return std::vector<ValueId>{in[1], g.emit(op_string_concat(), NoAttributes{}, {in[2], in[2]})};
  });
  EXPECT_EQ(code_of([&] {
              run_data(
                  op_loop(), LoopAttributes{1},
                  {Tensor::scalar<std::int64_t>(100), Tensor(), Tensor::from_strings({}, {"ab"})},
                  1, {&body}, limited(&RunLimits::tensor_bytes, 1 << 20));
            }),
            ErrorCode::limit_exceeded);
}

TEST(Loop, refuses_scan_outputs_that_change_shape) {
  const Graph body = nested({"i64[]", "bool[]", "i32[N]"}, [](GraphBuilder& g, auto in) {
    const ValueId doubled = concat(g, {in[2], in[2]});
    return std::vector<ValueId>{in[1], doubled, doubled};
  });
  EXPECT_EQ(code_of([&] {
              run_data(op_loop(), LoopAttributes{1},
                       {Tensor::scalar<std::int64_t>(2), Tensor(), iota({1})}, 2, {&body});
            }),
            ErrorCode::bad_value);
}

TEST(Loop, tells_only_sizes_that_hold_after_any_number_of_iterations) {
  GraphBuilder g;
  const ValueId trips = g.add_input("trips", Type::parse("i64[]"));
  const ValueId x = g.add_input("x", Type::parse("i32[N]"));
  const auto y = g.emit(op_loop(), LoopAttributes{1}, {trips, ValueId::none(), x}, 2,
                        {.subgraphs = {shared(kDoubling)}});
  ASSERT_EQ(g.type(y[0]).rank(), 1);
  EXPECT_NE((*g.type(y[0]).shape)[0], Dim::symbol("N"));
  EXPECT_NE((*g.type(y[0]).shape)[0], Dim::symbol("N") * 2);
  const Graph keeping = nested({"i64[]", "bool[]", "i32[N]"}, [](GraphBuilder&, auto in) {
    return std::vector<ValueId>{in[1], in[2], in[2]};
  });
  const auto z = g.emit(op_loop(), LoopAttributes{1}, {trips, ValueId::none(), x}, 2,
                        {.subgraphs = {shared(keeping)}});
  EXPECT_EQ(g.type(z[0]).to_string(), "i32[N]");
  ASSERT_EQ(g.type(z[1]).rank(), 2);
  EXPECT_EQ((*g.type(z[1]).shape)[1], Dim::symbol("N"));
}

TEST(Loop, tells_how_often_it_runs_when_nothing_else_can_end_it) {
  const Graph body = nested({"i64[]", "bool[]", "i32[N]"}, [](GraphBuilder&, auto in) {
    return std::vector<ValueId>{in[1], in[2]};
  });
  const Graph stopping = nested({"i64[]", "bool[]", "bool[]"}, [](GraphBuilder&, auto in) {
    return std::vector<ValueId>{in[2], in[2]};
  });
  GraphBuilder g;
  const ValueId x = g.add_input("x", Type::parse("i32[N]"));
  const ValueId flag = g.add_input("flag", Type::parse("bool[]"));
  const ValueId size = g.emit(op_shape(), ShapeAttributes{}, {x});
  const auto stacked = [&](ValueId trips, ValueId condition, const Graph& of, ValueId capture) {
    const auto y = g.emit(op_loop(), LoopAttributes{0}, {trips, condition, capture}, 1,
                          {.subgraphs = {shared(of)}});
    return (*g.type(y[0]).shape)[0];
  };
  const ValueId yes = g.constant(Tensor::scalar(true));
  const ValueId minus = g.constant(Tensor::scalar<std::int64_t>(-4));
  EXPECT_EQ(stacked(size, ValueId::none(), body, x), Dim::symbol("N"));
  EXPECT_EQ(stacked(size, yes, body, x), Dim::symbol("N"));
  EXPECT_EQ(stacked(minus, yes, body, x), Dim(0));
  EXPECT_NE(stacked(size, flag, body, x), Dim::symbol("N"));
  EXPECT_NE(stacked(size, ValueId::none(), stopping, flag), Dim::symbol("N"));
}

TEST(Loop, refuses_a_body_or_attributes_that_do_not_fit) {
  const auto run = [](std::int64_t carried, std::size_t outputs) {
    return code_of([&] {
      run_data(op_loop(), LoopAttributes{carried},
               {Tensor::scalar<std::int64_t>(1), Tensor(), iota({1})}, outputs, {&kDoubling});
    });
  };
  EXPECT_EQ(run(-1, 2), ErrorCode::bad_attribute);
  EXPECT_EQ(run(2, 2), ErrorCode::bad_attribute);
  EXPECT_EQ(run(1, 1), ErrorCode::model_malformed);
  EXPECT_EQ(run(1, 2), ErrorCode::ok);
}

}  // namespace
}  // namespace strop
