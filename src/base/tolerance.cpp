// SPDX-License-Identifier: Apache-2.0
#include "base/tolerance.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace strop {

double tolerance_of(DType dtype, bool precise) {
  switch (dtype) {
    case DType::f64:
      return 1e-10;
    case DType::f32:
      return precise ? 1e-5 : 1e-4;  // 1e-4 leaves room for Winograd and long sums in another order
    case DType::f16:
      return 5e-3;
    case DType::bf16:
      return 4e-2;
    case DType::f8e4m3fn:
    case DType::f8e4m3fnuz:
      return 0.125;
    case DType::f8e5m2:
    case DType::f8e5m2fnuz:
      return 0.25;
    case DType::c64:
      return 1e-4;
    case DType::c128:
      return 1e-10;
    default:
      return 0;
  }
}

namespace {

double element(const Tensor& tensor, std::int64_t i) {
  return load_as_double(tensor.dtype(), tensor.data(), i);
}

Difference different(std::string text) {
  Difference out;
  out.largest_relative = std::numeric_limits<double>::infinity();
  out.first_index = 0;
  out.text = std::move(text);
  return out;
}

// Complex tensors are compared as twice as many real numbers.
Tensor as_real(const Tensor& tensor) {
  const DType part = tensor.dtype() == DType::c64 ? DType::f32 : DType::f64;
  Shape shape = tensor.shape();
  shape.push_back(2);
  const Tensor keep = tensor;
  return Tensor::wrap(part, std::move(shape), const_cast<std::byte*>(keep.data()),
                      std::make_shared<const Tensor>(keep));
}

}  // namespace

Difference compare(const Tensor& got, const Tensor& expected, double tolerance) {
  if (got.dtype() != expected.dtype() || got.shape() != expected.shape()) {
    return different(describe(got) + " where " + describe(expected) + " was expected");
  }
  if (got.dtype() == DType::string) {
    if (got.identical(expected)) return {0, -1, "equal"};
    return different("strings differ");
  }
  if (got.dtype() == DType::c64 || got.dtype() == DType::c128) {
    return compare(as_real(got), as_real(expected), tolerance);
  }
  if (got.identical(expected)) return {0, -1, "equal"};

  double scale = 0;
  for (std::int64_t i = 0; i < expected.size(); ++i) {
    const double value = std::abs(element(expected, i));
    if (std::isfinite(value)) scale = std::max(scale, value);
  }
  Difference out;
  std::int64_t worst = -1;
  const bool whole = !is_floating(got.dtype());
  for (std::int64_t i = 0; i < got.size(); ++i) {
    const double x = element(got, i);
    const double y = element(expected, i);
    if (x == y || (std::isnan(x) && std::isnan(y))) continue;
    double error = std::abs(x - y);
    if (whole) {
      error = std::max(error, 1.0);
    } else if (!std::isfinite(error)) {
      error = std::numeric_limits<double>::infinity();
    } else if (scale > 0) {
      error /= scale;
    }
    if (error > tolerance && out.first_index < 0) out.first_index = i;
    if (worst < 0 || error > out.largest_relative) {
      out.largest_relative = error;
      worst = i;
    }
  }
  if (worst < 0) return {0, -1, "equal"};
  out.text = "largest error " + std::to_string(out.largest_relative) + " at element " +
             std::to_string(worst) + " of " + describe(got) + ": " +
             std::to_string(element(got, worst)) + " against " +
             std::to_string(element(expected, worst));
  if (out.first_index >= 0)
    out.text += ", first beyond the tolerance at " + std::to_string(out.first_index);
  return out;
}

}  // namespace strop
