// SPDX-License-Identifier: Apache-2.0
// dft, stft, window_function, mel_weight_matrix.
#include <complex>
#include <numbers>

#include "ops/dft.hpp"
#include "ops/fourier_support.hpp"
#include "ops/mel_weight_matrix.hpp"
#include "ops/run_op.hpp"
#include "ops/stft.hpp"
#include "ops/window_function.hpp"

namespace strop {
namespace {

Tensor i64(std::int64_t value) { return Tensor::scalar<std::int64_t>(value); }

// By the definition, with the angle reduced exactly.
std::vector<std::complex<double>> plain_sum(const std::vector<std::complex<double>>& x, int sign) {
  const auto n = static_cast<std::int64_t>(x.size());
  std::vector<std::complex<double>> out(x.size());
  for (std::int64_t k = 0; k < n; ++k) {
    for (std::int64_t i = 0; i < n; ++i) {
      const double angle =
          sign * 2 * std::numbers::pi * static_cast<double>(k * i % n) / static_cast<double>(n);
      out[static_cast<std::size_t>(k)] += x[static_cast<std::size_t>(i)] * std::polar(1.0, angle);
    }
  }
  return out;
}

TEST(Fourier, agrees_with_the_plain_sum_at_every_length) {
  std::vector<std::int64_t> lengths = {97, 100, 127, 128, 129, 255, 360, 500, 1009};
  for (std::int64_t n = 1; n <= 66; ++n) lengths.push_back(n);
  for (const std::int64_t n : lengths) {
    std::vector<std::complex<double>> x;
    for (std::int64_t i = 0; i < n; ++i) {
      x.emplace_back(std::sin(static_cast<double>(3 * i + 1)),
                     std::cos(static_cast<double>(i * i)));
    }
    const FourierPlan plan(n);
    std::vector<ComplexNumber> scratch, y;
    for (const auto& value : x) y.push_back({value.real(), value.imag()});
    plan.forward(y.data(), scratch);
    const auto wanted = plain_sum(x, -1);
    for (std::size_t k = 0; k < y.size(); ++k) {
      EXPECT_NEAR(y[k].re, wanted[k].real(), 1e-10) << n << ", " << k;
      EXPECT_NEAR(y[k].im, wanted[k].imag(), 1e-10) << n << ", " << k;
    }
    plan.inverse(y.data(), scratch);
    for (std::size_t k = 0; k < y.size(); ++k) {
      EXPECT_NEAR(y[k].re, x[k].real(), 1e-12);
      EXPECT_NEAR(y[k].im, x[k].imag(), 1e-12);
    }
  }
}

TEST(Dft, transforms_along_its_axis) {
  const Tensor x = floats({2, 2, 1}, {1, 2, 3, 5});
  expect_near(run_op(op_dft(), DftAttributes{}, {x, {}, {}}), {2, 2, 2},
              {3, 0, -1, 0, 8, 0, -2, 0});
  expect_near(run_op(op_dft(), DftAttributes{}, {x, {}, i64(0)}), {2, 2, 2},
              {4, 0, 7, 0, -2, 0, -3, 0});
  expect_near(run_op(op_dft(), DftAttributes{}, {x, {}, i64(-3)}), {2, 2, 2},
              {4, 0, 7, 0, -2, 0, -3, 0});
}

TEST(Dft, cuts_off_and_fills_up) {
  const Tensor x = floats({1, 3, 1}, {1, 2, 4});
  expect_near(run_op(op_dft(), DftAttributes{}, {x, i64(2), {}}), {1, 2, 2}, {3, 0, -1, 0});
  expect_near(run_op(op_dft(), DftAttributes{}, {x, i64(4), {}}), {1, 4, 2},
              {7, 0, -3, -2, 3, 0, -3, 2});
}

TEST(Dft, of_a_real_signal_goes_there_and_back) {
  for (const std::int64_t n : {1, 2, 5, 6, 8, 33, 40}) {
    const Tensor x = ramp({1, n, 1}, 0.5f, 0.25f);
    const Tensor spectrum = run_op(op_dft(), DftAttributes{.onesided = true}, {x, {}, {}});
    EXPECT_EQ(spectrum.shape(), (Shape{1, n / 2 + 1, 2}));
    const DftAttributes back{.inverse = true, .onesided = true};
    expect_near(run_op(op_dft(), back, {spectrum, i64(n), {}}), {1, n, 1}, doubles_of(x));
    if (n % 2 == 0 && n > 0) {
      expect_near(run_op(op_dft(), back, {spectrum, {}, {}}), {1, n, 1}, doubles_of(x));
    }
  }
}

TEST(Dft, inverse_of_a_complex_spectrum) {
  const Tensor x = floats({1, 2, 2}, {3, 1, -1, 1});
  expect_near(run_op(op_dft(), DftAttributes{.inverse = true}, {x, {}, {}}), {1, 2, 2},
              {1, 1, 2, 0});
}

TEST(Dft, keeps_sizes_that_are_open) {
  const auto shape = [](const DftAttributes& attributes, const std::vector<std::string>& inputs,
                        const std::vector<std::vector<Dim>>& elements) {
    return infer_op(op_dft(), attributes, inputs, 1, elements)[0].type.to_string();
  };
  EXPECT_EQ(shape({}, {"f32[B,N,1]"}, {}), "f32[B,N,2]");
  EXPECT_EQ(shape({.onesided = true}, {"f32[B,N,1]"}, {}), "f32[B,floordiv(N,2)+1,2]");
  EXPECT_EQ(shape({.onesided = true}, {"f32[B,N,1]", "i64[]"}, {{}, {Dim(9)}}), "f32[B,5,2]");
  EXPECT_EQ(infer_op(op_dft(), DftAttributes{}, {"f32[B,N,1]", "i64[]", "i64[]"})[0].type.rank(),
            3);
}

TEST(Dft, refuses_what_is_no_signal) {
  const auto code = [](const DftAttributes& attributes, Shape shape, Tensor length = {},
                       Tensor axis = {}) {
    return error_of(
        op_dft(), attributes,
        {Tensor::zeros(DType::f32, std::move(shape)), std::move(length), std::move(axis)});
  };
  EXPECT_EQ(code({}, {4}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {4, 3}), ErrorCode::bad_shape);
  EXPECT_EQ(code({.onesided = true}, {4, 2}), ErrorCode::bad_shape);
  EXPECT_EQ(code({.inverse = true, .onesided = true}, {4, 1}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {4, 1}, i64(0)), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {4, 1}, i64(-4)), ErrorCode::bad_shape);
  EXPECT_EQ(code({}, {0, 1}), ErrorCode::bad_shape);
  EXPECT_EQ(code({.inverse = true, .onesided = true}, {1, 2}), ErrorCode::bad_shape);
  for (const std::int64_t axis : {-1, 1, 5, -4}) {
    EXPECT_EQ(code({}, {4, 1}, {}, i64(axis)), ErrorCode::bad_attribute) << axis;
  }
  EXPECT_EQ(code({}, {0, 4, 1}), ErrorCode::ok);  // no rows
  EXPECT_EQ(code({}, {1, 1}, i64(std::int64_t{1} << 40)), ErrorCode::limit_exceeded);
}

TEST(Stft, cuts_a_signal_into_frames) {
  const Tensor signal = floats({1, 5, 1}, {1, 2, 3, 4, 5});
  const Tensor y = run_op(op_stft(), StftAttributes{}, {signal, i64(2), {}, i64(2)});
  expect_near(y, {1, 2, 2, 2}, {3, 0, -1, 0, 7, 0, -1, 0});
  const Tensor window = floats({2}, {1, 0.5f});
  expect_near(run_op(op_stft(), StftAttributes{}, {signal, i64(3), window, {}}), {1, 2, 2, 2},
              {2, 0, 0, 0, 6.5, 0, 1.5, 0});
  expect_near(
      run_op(op_stft(), StftAttributes{.onesided = false}, {signal, i64(9), window, i64(4)}),
      {1, 1, 4, 2}, {2, 0, 1, -1, 0, 0, 1, 1});
  expect_near(run_op(op_stft(), StftAttributes{}, {floats({1, 2, 1}, {1, 2}), i64(1), {}, {}}),
              {1, 1, 2, 2}, {3, 0, -1, 0});
}

TEST(Stft, takes_complex_signals) {
  const Tensor signal = floats({1, 2, 2}, {1, 1, 2, -1});
  expect_near(run_op(op_stft(), StftAttributes{.onesided = false}, {signal, i64(1), {}, {}}),
              {1, 1, 2, 2}, {3, 0, -1, 2});
  EXPECT_EQ(error_of(op_stft(), StftAttributes{}, {signal, i64(1), {}, {}}), ErrorCode::bad_shape);
}

TEST(Stft, gives_nothing_of_a_signal_shorter_than_a_frame) {
  const Tensor y = run_op(op_stft(), StftAttributes{},
                          {floats({2, 3, 1}, {1, 2, 3, 4, 5, 6}), i64(1), {}, i64(8)});
  EXPECT_EQ(y.shape(), (Shape{2, 0, 5, 2}));
  const auto shape = infer_op(op_stft(), StftAttributes{}, {"f32[B,N,1]", "i64[]", "f32[400]"}, 1,
                              {{}, {Dim(160)}});
  EXPECT_EQ(shape[0].type.rank(), 4);
  EXPECT_TRUE((*shape[0].type.shape)[2].is(201));
}

TEST(Stft, refuses_steps_and_frames_that_are_none) {
  const Tensor signal = floats({1, 4, 1}, {1, 2, 3, 4});
  const auto code = [&](std::int64_t step, Tensor window, std::int64_t length) {
    return error_of(op_stft(), StftAttributes{},
                    {signal, i64(step), std::move(window), i64(length)});
  };
  EXPECT_EQ(code(0, {}, 2), ErrorCode::bad_value);
  EXPECT_EQ(code(-1, {}, 2), ErrorCode::bad_value);
  EXPECT_EQ(code(1, {}, 0), ErrorCode::bad_value);
  EXPECT_EQ(code(1, floats({3}, {1, 1, 1}), 2), ErrorCode::bad_shape);
  EXPECT_EQ(code(1, floats({1, 2}, {1, 1}), 2), ErrorCode::bad_shape);
  EXPECT_EQ(code(INT64_MAX, {}, 4), ErrorCode::ok);
}

TEST(WindowFunction, is_a_sum_of_cosines) {
  const auto run = [](WindowFunction function, bool periodic, std::int64_t size) {
    const WindowFunctionAttributes attributes{.function = function, .periodic = periodic};
    return run_op(op_window_function(), attributes, {i64(size)});
  };
  expect_near(run(WindowFunction::hann, true, 4), {4}, {0, 0.5, 1, 0.5});
  expect_near(run(WindowFunction::hann, false, 5), {5}, {0, 0.5, 1, 0.5, 0});
  expect_near(run(WindowFunction::hamming, true, 2), {2}, {4.0 / 46, 1});
  expect_near(run(WindowFunction::blackman, false, 3), {3}, {0, 1, 0});
  expect_near(run(WindowFunction::hann, false, 1), {1}, {1});
  EXPECT_EQ(run(WindowFunction::hann, true, 0).size(), 0);
}

TEST(WindowFunction, has_any_type_of_numbers) {
  for (const DType to : {DType::f64, DType::f16, DType::bf16, DType::i32, DType::u8}) {
    const Tensor y = run_op(op_window_function(), WindowFunctionAttributes{.to = to}, {i64(2)});
    EXPECT_EQ(y.dtype(), to);
    expect_near(y, {2}, {0, 1});
  }
  EXPECT_EQ(error_of(op_window_function(), WindowFunctionAttributes{.to = DType::string}, {i64(2)}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(error_of(op_window_function(), WindowFunctionAttributes{}, {i64(-1)}),
            ErrorCode::bad_value);
}

TEST(MelWeightMatrix, has_triangles) {
  const auto run = [](std::int64_t bands, std::int64_t length, std::int64_t rate, float low,
                      float high) {
    return run_op(op_mel_weight_matrix(), MelWeightMatrixAttributes{},
                  {i64(bands), i64(length), i64(rate), Tensor::scalar<float>(low),
                   Tensor::scalar<float>(high)});
  };
  // The corners lie on bins 0 0 0 1 1 2 3 4 5 6, so every triangle is a single 1.
  std::vector<double> wanted(9 * 8, 0.0);
  const std::size_t bins[] = {0, 0, 1, 1, 2, 3, 4, 5};
  for (std::size_t band = 0; band < 8; ++band) wanted[bins[band] * 8 + band] = 1;
  expect_near(run(8, 16, 8192, 0, 4096), {9, 8}, wanted);
  // One band from bin 0 over bin 2 to bin 5: 100, 632.9 and 1520.7 Hz.
  expect_near(run(1, 30, 8000, 100, 3000), {16, 1},
              {0, 0.5, 1, 2.0 / 3, 1.0 / 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(run(0, 16, 8192, 0, 4096).shape(), (Shape{9, 0}));
}

TEST(MelWeightMatrix, refuses_bands_beyond_the_spectrum) {
  const auto code = [](std::int64_t rate, float low, float high) {
    return error_of(
        op_mel_weight_matrix(), MelWeightMatrixAttributes{},
        {i64(4), i64(16), i64(rate), Tensor::scalar<float>(low), Tensor::scalar<float>(high)});
  };
  EXPECT_EQ(code(8000, 0, 4000), ErrorCode::ok);
  EXPECT_EQ(code(0, 0, 4000), ErrorCode::bad_value);
  EXPECT_EQ(code(8000, -5000, 4000), ErrorCode::bad_value);
  EXPECT_EQ(code(8000, 3000, 2000), ErrorCode::bad_value);
  EXPECT_EQ(code(8000, 0, NAN), ErrorCode::bad_value);
  EXPECT_EQ(code(8000, 0, INFINITY), ErrorCode::bad_value);
  EXPECT_EQ(code(8000, 7000, 8000), ErrorCode::bad_value);
  EXPECT_EQ(
      infer_op(op_mel_weight_matrix(), MelWeightMatrixAttributes{},
               {"i64[]", "i64[]", "i64[]", "f32[]", "f32[]"}, 1, {{Dim(8)}, {Dim::symbol("L")}})[0]
          .type.to_string(),
      "f32[floordiv(L,2)+1,8]");
}

}  // namespace
}  // namespace strop
