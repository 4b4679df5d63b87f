// SPDX-License-Identifier: Apache-2.0
#include "ops/unary.hpp"

#include "ops/run_op.hpp"

namespace strop {
namespace {

using U = UnaryFunction;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

Tensor run(const UnaryAttributes& attributes, const Tensor& x) {
  return run_op(op_unary(), attributes, {x});
}

struct Case {
  UnaryAttributes attributes;
  double x, y;
};

// Values from the formulas in double precision.
const Case kCases[] = {
    {{U::relu}, -2, 0},
    {{U::relu}, 3, 3},
    {{U::leaky_relu, 0.1}, -2, -0.2},
    {{U::elu, 2}, -1, -1.2642411176571153},
    {{U::selu, 2, 3}, -1, -3.7927233529713462},
    {{U::selu, 2, 3}, 1, 3},
    {{U::celu, 2}, -1, -0.7869386805747332},
    {{U::thresholded_relu, 1.5}, 1.5, 0},
    {{U::thresholded_relu, 1.5}, 2, 2},
    {{U::shrink, 0.5, 0.25}, -1, -0.75},
    {{U::shrink, 0.5, 0.25}, 0.5, 0},
    {{U::sigmoid}, 1, 0.7310585786300049},
    {{U::sigmoid}, -200, 0},
    {{U::hard_sigmoid, 0.2, 0.5}, 1, 0.7},
    {{U::hard_sigmoid, 0.2, 0.5}, 9, 1},
    {{U::hard_swish, 1.0 / 6, 0.5}, -1, -1.0 / 3},
    {{U::silu, 1}, 1, 0.7310585786300049},
    {{U::silu, 2}, 1, 0.8807970779778823},
    {{U::mish}, 1, 0.8650983882673103},
    {{U::gelu}, 1, 0.8413447460685429},
    {{U::gelu_tanh}, 1, 0.8411919906082768},
    {{U::softplus}, 0, 0.6931471805599453},
    {{U::softplus}, 200, 200},
    {{U::softsign}, -3, -0.75},
    {{U::exp}, 1, 2.718281828459045},
    {{U::log}, 2, 0.6931471805599453},
    {{U::sqrt}, 2, 1.4142135623730951},
    {{U::reciprocal}, 4, 0.25},
    {{U::erf}, 0.5, 0.5204998778130465},
    {{U::neg}, 2, -2},
    {{U::abs}, -2.5, 2.5},
    {{U::sign}, -7, -1},
    {{U::floor}, -1.5, -2},
    {{U::ceil}, -1.5, -1},
    {{U::round}, 0.5, 0},
    {{U::round}, 1.5, 2},
    {{U::round}, -2.5, -2},
    {{U::round}, 2.6, 3},
    {{U::sin}, 1, 0.8414709848078965},
    {{U::cos}, 1, 0.5403023058681398},
    {{U::tan}, 1, 1.5574077246549023},
    {{U::asin}, 0.5, 0.5235987755982989},
    {{U::acos}, 0.5, 1.0471975511965979},
    {{U::atan}, 1, 0.7853981633974483},
    {{U::sinh}, 1, 1.1752011936438014},
    {{U::cosh}, 1, 1.5430806348152437},
    {{U::tanh}, 1, 0.7615941559557649},
    {{U::asinh}, 1, 0.881373587019543},
    {{U::acosh}, 2, 1.3169578969248166},
    {{U::atanh}, 0.5, 0.5493061443340548},
};

TEST(Unary, matches_its_formula_in_every_float_type) {
  for (const Case& c : kCases) {
    SCOPED_TRACE(enum_names(U{})[static_cast<std::size_t>(c.attributes.function)]);
    expect_near(run(c.attributes, floats({1}, {static_cast<float>(c.x)})), {1}, {c.y}, 2e-6);
    expect_near(run(c.attributes, Tensor::from<double>({1}, {c.x})), {1}, {c.y}, 1e-9);
    const Tensor half = Tensor::from<float16>({1}, {float16(static_cast<float>(c.x))});
    expect_near(run(c.attributes, half), {1}, {c.y}, 2e-3);
    const Tensor brain = Tensor::from<bfloat16>({1}, {bfloat16(static_cast<float>(c.x))});
    expect_near(run(c.attributes, brain), {1}, {c.y}, 2e-2);
  }
}

TEST(Unary, passes_nan_and_infinity) {
  expect_near(run({U::relu}, floats({3}, {kNan, kInf, -kInf})), {3}, {kNan, kInf, 0});
  expect_near(run({U::sign}, floats({2}, {kNan, -kInf})), {2}, {kNan, -1});
  expect_near(run({U::hard_sigmoid, 1, 0}, floats({1}, {kNan})), {1}, {kNan});
  expect_near(run({U::round}, floats({2}, {kNan, kInf})), {2}, {kNan, kInf});
  EXPECT_TRUE(std::signbit(run({U::round}, floats({1}, {-0.4f})).values<float>()[0]));
}

TEST(Unary, wraps_integers) {
  const auto lowest = std::numeric_limits<std::int64_t>::min();
  const Tensor x = Tensor::from<std::int64_t>({2}, {lowest, 5});
  EXPECT_EQ(values_of<std::int64_t>(run({U::neg}, x)), (std::vector<std::int64_t>{lowest, -5}));
  EXPECT_EQ(values_of<std::int64_t>(run({U::abs}, x)), (std::vector<std::int64_t>{lowest, 5}));
  EXPECT_EQ(values_of<std::int8_t>(run({U::abs}, Tensor::from<std::int8_t>({1}, {-128})))[0], -128);
  EXPECT_EQ(values_of<std::uint8_t>(run({U::bitwise_not}, Tensor::from<std::uint8_t>({1}, {5})))[0],
            250);
}

TEST(Unary, tests_give_bool) {
  const Tensor x = floats({4}, {kNan, kInf, -kInf, 0});
  EXPECT_EQ(values_of<bool>(run({U::is_nan}, x)), (std::vector<bool>{true, false, false, false}));
  EXPECT_EQ(values_of<bool>(run({U::is_inf, 1, 1}, x)),
            (std::vector<bool>{false, true, true, false}));
  EXPECT_EQ(values_of<bool>(run({U::is_inf, 0, 1}, x)),
            (std::vector<bool>{false, true, false, false}));
  EXPECT_EQ(values_of<bool>(run({U::logical_not}, Tensor::from<bool>({2}, {true, false}))),
            (std::vector<bool>{false, true}));
}

TEST(Unary, covers_tensors_longer_than_a_chunk) {
  const Tensor y = run({U::neg}, ramp({3, 20011}));
  EXPECT_EQ(y.values<float>()[60032], -60032.0f);
  EXPECT_EQ(run({U::exp}, floats({0, 3}, {})).shape(), (Shape{0, 3}));
}

TEST(Unary, refuses_types_a_function_does_not_have) {
  EXPECT_EQ(error_of(op_unary(), UnaryAttributes{U::exp}, {Tensor::from<std::int32_t>({1}, {1})}),
            ErrorCode::bad_type);
  EXPECT_EQ(error_of(op_unary(), UnaryAttributes{U::neg}, {Tensor::from<std::uint8_t>({1}, {1})}),
            ErrorCode::bad_type);
  EXPECT_EQ(error_of(op_unary(), UnaryAttributes{U::relu}, {Tensor::from_strings({1}, {"a"})}),
            ErrorCode::bad_type);
  EXPECT_EQ(error_of(op_unary(), UnaryAttributes{U::relu}, {}), ErrorCode::model_malformed);
}

TEST(Unary, keeps_symbolic_contents_of_neg) {
  const auto out =
      infer_op(op_unary(), UnaryAttributes{U::neg}, {"i64[1]"}, 1, {{Dim::symbol("N")}});
  ASSERT_TRUE(out[0].elements);
  EXPECT_EQ((*out[0].elements)[0], Dim::symbol("N") * Dim(-1));
}

}  // namespace
}  // namespace strop
