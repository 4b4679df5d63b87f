// SPDX-License-Identifier: Apache-2.0
#include "ops/grid_sample.hpp"

#include "base/parallel.hpp"
#include "ops/affine_grid.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

constexpr auto kNearest = GridSampleMode::nearest;
constexpr auto kCubic = GridSampleMode::cubic;
constexpr auto kBorder = GridSamplePadding::border;
constexpr auto kReflection = GridSamplePadding::reflection;

// One spatial axis: x [1, 1, n] at positions.
Tensor line(const GridSampleAttributes& attributes, const std::vector<float>& x,
            const std::vector<float>& positions) {
  return run_op(op_grid_sample(), attributes,
                {floats({1, 1, static_cast<std::int64_t>(x.size())}, x),
                 floats({1, static_cast<std::int64_t>(positions.size()), 1}, positions)});
}

void expect_line(const GridSampleAttributes& attributes, const std::vector<float>& x,
                 const std::vector<float>& positions, const std::vector<double>& wanted) {
  expect_near(line(attributes, x, positions), {1, 1, static_cast<std::int64_t>(positions.size())},
              wanted);
}

const std::vector<float> kLine = {10, 20, 30, 40};

TEST(GridSample, takes_positions_between_edges_or_centres) {
  // Edges: -1 is index -0.5, which half of the first element reaches.
  expect_line({}, kLine, {-1, -0.75f, 0, 0.75f, 1}, {5, 10, 25, 40, 20});
  // Centres: -1 is index 0.
  expect_line({.align_corners = true}, kLine, {-1, 0, 1.0f / 3, 1}, {10, 25, 30, 40});
}

TEST(GridSample, pads_as_asked) {
  // Indices -1.5, 4.5 and far away.
  const std::vector<float> at = {-1.5f, 1.5f, 9, -101};
  expect_line({}, kLine, at, {0, 0, 0, 0});
  expect_line({.padding = kBorder}, kLine, at, {10, 40, 40, 10});
  // -1.5 is reflected at -0.5 to 0.5, 4.5 at 3.5 to 2.5. 20.5 is 17 beyond: there and back (8)
  // twice, and 1.
  expect_line({.padding = kReflection}, kLine, {-1.5f, 1.5f, 9.5f}, {15, 35, 35});
  // Reflected at centres: index -1 is 1, 4 is 2, 7 is 1.
  expect_line({.padding = kReflection, .align_corners = true}, kLine,
              {-1 - 2.0f / 3, 1 + 2.0f / 3, 1 + 8.0f / 3}, {20, 30, 20});
}

TEST(GridSample, rounds_halves_to_the_even_neighbour) {
  // Indices 0.5, 1.5, 2.5.
  expect_line({.mode = kNearest}, kLine, {-0.5f, 0, 0.5f}, {10, 30, 30});
  expect_line({.mode = kNearest}, kLine, {-2, 2}, {0, 0});
  expect_line({.mode = kNearest, .padding = kBorder}, kLine, {-2, 2}, {10, 40});
  expect_line({.mode = kNearest, .padding = kReflection}, kLine, {-1.75f, 1.3f}, {20, 40});
}

TEST(GridSample, interpolates_with_cubics) {
  // Half-way weights are -0.09375, 0.59375, 0.59375, -0.09375.
  expect_line({.mode = kCubic, .align_corners = true}, kLine, {0}, {25});
  expect_line({.mode = kCubic, .align_corners = true}, {0, 0, 1, 0}, {0, 1.0f / 3}, {0.59375, 1});
  // At index 0.5 the outer neighbour is outside: 0, or the border, or reflected.
  const std::vector<float> half = {-2.0f / 3};
  expect_line({.mode = kCubic, .align_corners = true}, kLine, half, {0.59375 * 30 - 0.09375 * 30});
  expect_line({.mode = kCubic, .padding = kBorder, .align_corners = true}, kLine, half,
              {0.59375 * 30 - 0.09375 * 40});
  expect_line({.mode = kCubic, .padding = kReflection, .align_corners = true}, kLine, half,
              {0.59375 * 30 - 0.09375 * 50});
}

TEST(GridSample, lists_the_innermost_axis_first) {
  const Tensor x = ramp({1, 2, 2, 3});
  // (x, y) = (1, -1) is the end of the first row.
  const GridSampleAttributes corners{.align_corners = true};
  expect_near(run_op(op_grid_sample(), corners, {x, floats({1, 1, 2, 2}, {1, -1, 0, 0})}),
              {1, 2, 1, 2}, {2, 2.5, 8, 8.5});
  const Tensor volume = ramp({1, 1, 2, 2, 2});
  expect_near(
      run_op(op_grid_sample(), corners, {volume, floats({1, 1, 1, 2, 3}, {1, -1, -1, -1, -1, 1})}),
      {1, 1, 1, 1, 2}, {1, 4});
  // Each image has positions of its own.
  const Tensor two = ramp({2, 1, 1, 2});
  expect_near(run_op(op_grid_sample(), corners, {two, floats({2, 1, 1, 2}, {1, 0, -1, 0})}),
              {2, 1, 1, 1}, {1, 2});
}

TEST(GridSample, takes_other_types) {
  const Tensor at = floats({1, 2, 1}, {0, 5});
  const GridSampleAttributes nearest{.mode = kNearest, .align_corners = true};
  const Tensor words = Tensor::from_strings({1, 1, 3}, {"a", "b", "c"});
  const Tensor got = run_op(op_grid_sample(), nearest, {words, at});
  EXPECT_EQ(values_of<std::string>(got), (std::vector<std::string>{"b", ""}));
  EXPECT_EQ(values_of<bool>(run_op(op_grid_sample(), nearest,
                                   {Tensor::from<bool>({1, 1, 3}, {false, true, false}), at})),
            (std::vector<bool>{true, false}));
  // 3.5 is cut.
  const GridSampleAttributes linear{.align_corners = true};
  EXPECT_EQ(run_op(op_grid_sample(), linear,
                   {Tensor::from<std::int64_t>({1, 1, 2}, {3, 4}), floats({1, 1, 1}, {0})})
                .to_i64()[0],
            3);
  for (const DType dtype : {DType::f16, DType::bf16, DType::f64, DType::u8, DType::i32}) {
    Tensor x = Tensor::allocate(dtype, {1, 1, 2});
    for (std::int64_t i = 0; i < 2; ++i) {
      store_from_double(dtype, x.mutable_data(), i, static_cast<double>(2 + 4 * i));
    }
    expect_near(run_op(op_grid_sample(), linear, {x, floats({1, 1, 1}, {0})}), {1, 1, 1}, {4});
  }
  EXPECT_EQ(error_of(op_grid_sample(), linear, {words, at}), ErrorCode::bad_type);
}

TEST(GridSample, survives_any_position) {
  const float nan = NAN, inf = INFINITY;
  const std::vector<float> wild = {nan, inf, -inf, 3e38f, -3e38f};
  for (const auto mode : {GridSampleMode::linear, kNearest, kCubic}) {
    for (const bool align : {false, true}) {
      expect_line({.mode = mode, .align_corners = align}, kLine, wild, {0, 0, 0, 0, 0});
      for (const auto padding : {kBorder, kReflection}) {
        for (const std::vector<float>& x : {kLine, std::vector<float>{7}}) {
          for (const double value : doubles_of(line({mode, padding, align}, x, wild))) {
            EXPECT_GE(value, x.size() == 1 ? 6.999 : 0);
            EXPECT_LE(value, x.size() == 1 ? 7.001 : 50);
          }
        }
      }
    }
  }
}

TEST(GridSample, takes_empty_tensors) {
  EXPECT_EQ(line({}, kLine, {}).shape(), (Shape{1, 1, 0}));
  expect_line({}, {}, {0, 1}, {0, 0});
  EXPECT_EQ(error_of(op_grid_sample(), GridSampleAttributes{.padding = kBorder},
                     {floats({1, 1, 0}, {}), floats({1, 1, 1}, {0})}),
            ErrorCode::bad_value);
  EXPECT_EQ(run_op(op_grid_sample(), GridSampleAttributes{},
                   {floats({0, 2, 3}, {}), floats({0, 4, 1}, {})})
                .shape(),
            (Shape{0, 2, 4}));
}

TEST(GridSample, refuses_shapes_that_do_not_fit) {
  const auto code = [](Shape x, Shape grid) {
    return error_of(
        op_grid_sample(), GridSampleAttributes{},
        {Tensor::zeros(DType::f32, std::move(x)), Tensor::zeros(DType::f32, std::move(grid))});
  };
  EXPECT_EQ(code({1, 1, 2, 2}, {1, 1, 1, 3}), ErrorCode::bad_shape);
  EXPECT_EQ(code({1, 1, 2, 2}, {2, 1, 1, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({1, 1, 2, 2}, {1, 1, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({1, 1}, {1, 0}), ErrorCode::bad_shape);
  EXPECT_EQ(code({1, 1, 1, 1, 1, 1, 1, 1}, {1, 1, 1, 1, 1, 1, 1, 6}), ErrorCode::bad_shape);
}

TEST(GridSample, infers_open_shapes) {
  const auto type = [](const std::string& x, const std::string& grid) {
    return infer_op(op_grid_sample(), GridSampleAttributes{}, {x, grid})[0].type.to_string();
  };
  EXPECT_EQ(type("f32[N,3,H,W]", "f32[N,P,Q,2]"), "f32[N,3,P,Q]");
  EXPECT_EQ(type("f16[*]", "f32[N,P,Q,2]"), "f16[N,#test.1,P,Q]");
  EXPECT_EQ(type("f32[*]", "f32[*]"), "f32[*]");
}

TEST(AffineGrid, maps_centres_or_corners) {
  const Tensor identity = floats({1, 2, 3}, {1, 0, 0, 0, 1, 0});
  const Tensor size = Tensor::from<std::int64_t>({4}, {1, 5, 1, 2});
  expect_near(run_op(op_affine_grid(), AffineGridAttributes{}, {identity, size}), {1, 1, 2, 2},
              {-0.5, 0, 0.5, 0});
  // A single element lies at -1.
  expect_near(run_op(op_affine_grid(), AffineGridAttributes{true}, {identity, size}), {1, 1, 2, 2},
              {-1, -1, 1, -1});
  const Tensor moved = floats({1, 2, 3}, {0, 2, 10, 3, 0, 20});
  expect_near(run_op(op_affine_grid(), AffineGridAttributes{}, {moved, size}), {1, 1, 2, 2},
              {10, 18.5, 10, 21.5});
}

TEST(AffineGrid, has_three_axes_too) {
  const Tensor theta = floats({1, 3, 4}, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 5});
  const Tensor size = Tensor::from<std::int64_t>({5}, {1, 1, 2, 1, 2});
  expect_near(run_op(op_affine_grid(), AffineGridAttributes{}, {theta, size}), {1, 2, 1, 2, 3},
              {-0.5, 0, 4.5, 0.5, 0, 4.5, -0.5, 0, 5.5, 0.5, 0, 5.5});
}

TEST(AffineGrid, checks_theta_against_sizes) {
  const auto code = [](Shape theta, const std::vector<std::int64_t>& size) {
    return error_of(op_affine_grid(), AffineGridAttributes{},
                    {Tensor::zeros(DType::f32, std::move(theta)),
                     Tensor::from<std::int64_t>({static_cast<std::int64_t>(size.size())}, size)});
  };
  EXPECT_EQ(code({1, 2, 3}, {1, 1, 2, 2}), ErrorCode::ok);
  EXPECT_EQ(code({0, 2, 3}, {0, 1, 2, 2}), ErrorCode::ok);
  EXPECT_EQ(code({1, 2, 3}, {1, 1, 0, 2}), ErrorCode::ok);
  EXPECT_EQ(code({1, 2, 3}, {1, 1, 2, 2, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({1, 2, 4}, {1, 1, 2, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({1, 4, 5}, {1, 1, 2, 2, 2, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({2, 2, 3}, {1, 1, 2, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({1, 2, 3}, {1, 1, -2, 2}), ErrorCode::bad_value);
  EXPECT_EQ(code({1, 2, 3}, {1, 1}), ErrorCode::bad_shape);
  EXPECT_EQ(infer_op(op_affine_grid(), AffineGridAttributes{}, {"f32[N,2,3]", "i64[4]"}, 1,
                     {{}, {Dim::symbol("N"), 3, Dim::symbol("H"), 7}})[0]
                .type.to_string(),
            "f32[N,H,7,2]");
  EXPECT_EQ(
      infer_op(op_affine_grid(), AffineGridAttributes{}, {"f32[*]", "i64[*]"})[0].type.to_string(),
      "f32[*]");
}

}  // namespace
}  // namespace strop
