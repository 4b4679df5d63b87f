// SPDX-License-Identifier: Apache-2.0
// Sequences, optionals, strings, and operators whose result sizes depend on data.
#include <gtest/gtest.h>

#include <cmath>

#include "ops/concat_from_sequence.hpp"
#include "ops/non_zero.hpp"
#include "ops/optional_construct.hpp"
#include "ops/optional_get.hpp"
#include "ops/optional_has.hpp"
#include "ops/range.hpp"
#include "ops/sequence_at.hpp"
#include "ops/sequence_construct.hpp"
#include "ops/sequence_empty.hpp"
#include "ops/sequence_erase.hpp"
#include "ops/sequence_insert.hpp"
#include "ops/sequence_length.hpp"
#include "ops/size.hpp"
#include "ops/split_to_sequence.hpp"
#include "ops/string_concat.hpp"
#include "run_data.hpp"

namespace strop {
namespace {

using test::code_of;
using test::i64s;
using test::iota;
using test::run_data;
using test::run_op;
using test::values_of;
using Longs = std::vector<std::int64_t>;

Tensor at(std::int64_t position) { return Tensor::scalar(position); }
Datum sequence(const std::vector<Tensor>& tensors) {
  return Sequence(tensors.begin(), tensors.end());
}

TEST(Sequence, is_built_read_and_measured) {
  const Datum s = run_data(op_sequence_construct(), NoAttributes{}, {iota({1}), iota({2})})[0];
  EXPECT_EQ(run_data(op_sequence_length(), NoAttributes{}, {s})[0].tensor().to_i64(), (Longs{2}));
  EXPECT_TRUE(
      run_data(op_sequence_at(), NoAttributes{}, {s, at(-1)})[0].tensor().identical(iota({2})));
  for (const std::int64_t position : {std::int64_t{2}, std::int64_t{-3}, std::int64_t{1} << 62}) {
    EXPECT_EQ(code_of([&] {
                run_data(op_sequence_at(), NoAttributes{}, {s, at(position)});
              }),
              ErrorCode::bad_value);
  }
}

TEST(Sequence, inserts_before_a_position_or_at_the_end) {
  const Datum s = sequence({iota({1}), iota({2})});
  const auto sizes = [&](const std::vector<Datum>& inputs) {
    std::string out;
    const auto results = run_data(op_sequence_insert(), NoAttributes{}, inputs);
    for (const Datum& datum : results[0].sequence()) {
      out += std::to_string(datum.tensor().size());
    }
    return out;
  };
  EXPECT_EQ(sizes({s, iota({5})}), "125");
  EXPECT_EQ(sizes({s, iota({5}), at(0)}), "512");
  EXPECT_EQ(sizes({s, iota({5}), at(-1)}), "152");
  EXPECT_EQ(sizes({s, iota({5}), at(2)}), "125");
  EXPECT_EQ(sizes({Datum(Sequence{}), iota({5})}), "5");
  EXPECT_EQ(code_of([&] { sizes({s, iota({5}), at(3)}); }), ErrorCode::bad_value);
  EXPECT_EQ(code_of([&] { sizes({s, i64s({5})}); }), ErrorCode::bad_type);
}

TEST(Sequence, erases_the_last_or_the_named_element) {
  const Datum s = sequence({iota({1}), iota({2})});
  EXPECT_EQ(run_data(op_sequence_erase(), NoAttributes{}, {s})[0].sequence()[0].tensor().size(), 1);
  EXPECT_EQ(
      run_data(op_sequence_erase(), NoAttributes{}, {s, at(0)})[0].sequence()[0].tensor().size(),
      2);
  EXPECT_EQ(code_of([] { run_data(op_sequence_erase(), NoAttributes{}, {Datum(Sequence{})}); }),
            ErrorCode::bad_value);
}

TEST(Sequence, keeps_its_element_type_while_empty) {
  GraphBuilder g;
  const ValueId empty = g.emit(op_sequence_empty(), SequenceEmptyAttributes{.dtype = DType::i32},
                               std::vector<ValueId>{});
  EXPECT_EQ(g.type(empty).to_string(), "seq(i32[*])");
  const ValueId x = g.add_input("x", Type::parse("f32[2]"));
  EXPECT_EQ(code_of([&] {
              g.emit(op_sequence_insert(), NoAttributes{}, {empty, x});
            }),
            ErrorCode::bad_type);
  const ValueId made = g.emit(op_sequence_construct(), NoAttributes{}, {x, x});
  EXPECT_EQ(g.type(made).to_string(), "seq(f32[2])");
  const ValueId wide = g.add_input("w", Type::parse("f32[3]"));
  EXPECT_EQ(g.type(g.emit(op_sequence_insert(), NoAttributes{}, {made, wide})).to_string(),
            "seq(f32[*])");
}

TEST(ConcatFromSequence, joins_or_stacks) {
  const Datum s = sequence({iota({1, 2}), iota({2, 2})});
  EXPECT_EQ(run_data(op_concat_from_sequence(), ConcatFromSequenceAttributes{.axis = 0}, {s})[0]
                .tensor()
                .shape(),
            (Shape{3, 2}));
  const Datum same = sequence({iota({2}), iota({2})});
  const Tensor stacked =
      run_data(op_concat_from_sequence(),
               ConcatFromSequenceAttributes{.axis = -1, .new_axis = true}, {same})[0]
          .tensor();
  EXPECT_EQ(values_of<std::int32_t>(stacked), (std::vector<std::int32_t>{0, 0, 1, 1}));
  const auto code = [](const Datum& d, ConcatFromSequenceAttributes attributes) {
    return code_of([&] { run_data(op_concat_from_sequence(), attributes, {d}); });
  };
  EXPECT_EQ(code(s, {.axis = 1}), ErrorCode::bad_value);
  EXPECT_EQ(code(s, {.axis = 2}), ErrorCode::bad_attribute);
  EXPECT_EQ(code(s, {.axis = 0, .new_axis = true}), ErrorCode::bad_value);
  EXPECT_EQ(code(Sequence{}, {}), ErrorCode::bad_value);
  EXPECT_EQ(code(sequence({iota({2}), iota({2, 2})}), {.axis = 1, .new_axis = true}),
            ErrorCode::bad_value);
}

TEST(SplitToSequence, cuts_by_one_size_many_sizes_or_none) {
  const auto split = [](const Tensor& sizes, bool keep_axis = true) {
    return run_data(op_split_to_sequence(),
                    SplitToSequenceAttributes{.axis = 0, .keep_axis = keep_axis},
                    {iota({5, 1}), sizes})[0]
        .sequence();
  };
  EXPECT_EQ(split(at(2)).back().tensor().shape(), (Shape{1, 1}));
  EXPECT_EQ(split(i64s({3, 2})).back().tensor().shape(), (Shape{2, 1}));
  EXPECT_EQ(split(Tensor()).size(), 5u);
  EXPECT_EQ(split(Tensor(), false)[4].tensor().shape(), (Shape{1}));
  for (const Tensor& sizes : {at(0), at(-1), i64s({3, 3}), i64s({6, -1}), i64s({1})}) {
    EXPECT_EQ(code_of([&] { split(sizes); }), ErrorCode::bad_value);
  }
}

TEST(SplitToSequence, pieces_of_one_size_have_a_shape) {
  GraphBuilder g;
  const ValueId x = g.add_input("x", Type::parse("f32[N,6]"));
  const auto type = [&](std::int64_t axis, bool keep_axis, std::optional<ValueId> sizes) {
    std::vector<ValueId> inputs = {x};
    if (sizes) inputs.push_back(*sizes);
    const SplitToSequenceAttributes attributes{.axis = axis, .keep_axis = keep_axis};
    return g.type(g.emit(op_split_to_sequence(), attributes, inputs)).to_string();
  };
  EXPECT_EQ(type(0, true, {}), "seq(f32[1,6])");
  EXPECT_EQ(type(-1, false, {}), "seq(f32[N])");
  EXPECT_EQ(type(1, false, g.constant(at(3))), "seq(f32[N,3])");
  EXPECT_EQ(type(1, true, g.integers({2, 2, 2})), "seq(f32[N,2])");
  for (const ValueId open : {g.constant(at(4)), g.constant(at(0)), g.integers({4, 2})})
    EXPECT_EQ(type(1, true, open), "seq(f32[*])");
  EXPECT_EQ(type(0, true, g.constant(at(1))), "seq(f32[*])");
}

TEST(Optional, holds_a_value_or_none) {
  const auto full = run_data(op_optional_construct(), OptionalConstructAttributes{}, {iota({2})});
  const auto empty = run_data(op_optional_construct(), OptionalConstructAttributes{}, {});
  const auto has = [](const Datum& d) {
    return run_data(op_optional_has(), NoAttributes{}, {d})[0].tensor().values<bool>()[0];
  };
  EXPECT_TRUE(has(full[0]));
  EXPECT_FALSE(has(empty[0]));
  EXPECT_TRUE(has(iota({1})));
  EXPECT_TRUE(
      run_data(op_optional_get(), NoAttributes{}, {full[0]})[0].tensor().identical(iota({2})));
  EXPECT_EQ(code_of([&] { run_data(op_optional_get(), NoAttributes{}, {empty[0]}); }),
            ErrorCode::bad_value);
}

TEST(StringConcat, broadcasts) {
  const Tensor y =
      run_op(op_string_concat(), NoAttributes{},
             {Tensor::from_strings({2, 1}, {"a", "b"}), Tensor::from_strings({2}, {"x", ""})});
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_EQ(values_of<std::string>(y), (std::vector<std::string>{"ax", "a", "bx", "b"}));
}

TEST(NonZero, lists_indices_by_axis) {
  const Tensor x = Tensor::from<float>({2, 2}, {0, std::nanf(""), -0.0f, 2});
  const Tensor y = run_op(op_non_zero(), NoAttributes{}, {x});
  EXPECT_EQ(y.shape(), (Shape{2, 2}));
  EXPECT_EQ(y.to_i64(), (Longs{0, 1, 1, 1}));
  EXPECT_EQ(run_op(op_non_zero(), NoAttributes{}, {iota({0, 3})}).shape(), (Shape{2, 0}));
  EXPECT_EQ(
      run_op(op_non_zero(), NoAttributes{}, {Tensor::scalar<std::int64_t>(std::int64_t{1} << 62)})
          .shape(),
      (Shape{0, 1}));
}

template <class T>
Tensor range(T start, T limit, T delta) {
  return run_op(op_range(), NoAttributes{},
                {Tensor::scalar(start), Tensor::scalar(limit), Tensor::scalar(delta)});
}

TEST(Range, counts_up_and_down) {
  EXPECT_EQ(range<std::int64_t>(3, 9, 3).to_i64(), (Longs{3, 6}));
  EXPECT_EQ(range<std::int64_t>(2, -1, -2).to_i64(), (Longs{2, 0}));
  EXPECT_EQ(range<std::int64_t>(2, 2, 1).size(), 0);
  EXPECT_EQ(values_of<float>(range<float>(0, 1, 0.4f)).size(), 3u);
  constexpr auto kLow = std::numeric_limits<std::int64_t>::min();
  EXPECT_EQ(
      range<std::int64_t>(kLow, std::numeric_limits<std::int64_t>::max(), std::int64_t{1} << 62)
          .to_i64(),
      (Longs{kLow, kLow / 2, 0, kLow / -2}));
}

TEST(Range, refuses_what_is_endless_or_enormous) {
  EXPECT_EQ(code_of([] { range<std::int64_t>(0, 1, 0); }), ErrorCode::bad_value);
  EXPECT_EQ(code_of([] { range<float>(0, 1, 0); }), ErrorCode::bad_value);
  EXPECT_EQ(code_of([] { range<float>(0, std::nanf(""), 1); }), ErrorCode::bad_value);
  EXPECT_EQ(code_of([] { range<float>(0, INFINITY, 1); }), ErrorCode::bad_value);
  EXPECT_EQ(code_of([] { range<std::int64_t>(0, std::int64_t{1} << 50, 1); }),
            ErrorCode::limit_exceeded);
}

TEST(Range, keeps_a_symbolic_length) {
  GraphBuilder g;
  const ValueId x = g.add_input("x", Type::parse("f32[N]"));
  const ValueId zero = g.constant(at(0)), one = g.constant(at(1));
  const ValueId size = g.emit(op_size(), NoAttributes{}, {x});
  EXPECT_EQ(g.type(g.emit(op_range(), NoAttributes{}, {zero, size, one})).to_string(), "i64[N]");
  const ValueId constant = g.emit(op_range(), NoAttributes{}, {zero, g.constant(at(3)), one});
  EXPECT_EQ(g.value(constant).elements->size(), 3u);
}

}  // namespace
}  // namespace strop
