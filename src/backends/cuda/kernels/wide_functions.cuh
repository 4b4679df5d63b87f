// SPDX-License-Identifier: Apache-2.0
// Functions of the operators unary and binary on double, long long and unsigned long long, and on
// float those that pointwise_functions.cuh does not have, as ops/unary.cpp and ops/binary.cpp
// define them: integers wrap, NaN stays NaN. Divisors of integers are not zero.

template <class C>
struct IsFloat {
  static constexpr bool value = false;
};
template <>
struct IsFloat<float> {
  static constexpr bool value = true;
};
template <>
struct IsFloat<double> {
  static constexpr bool value = true;
};
template <class C>
struct IsSigned {
  static constexpr bool value = static_cast<C>(-1) < static_cast<C>(0);
};

template <class C>
__device__ __forceinline__ C wrapped_add(C a, C b) {
  if constexpr (IsFloat<C>::value) {
    return a + b;
  } else {
    return static_cast<C>(static_cast<unsigned long long>(a) + static_cast<unsigned long long>(b));
  }
}
template <class C>
__device__ __forceinline__ C wrapped_sub(C a, C b) {
  if constexpr (IsFloat<C>::value) {
    return a - b;
  } else {
    return static_cast<C>(static_cast<unsigned long long>(a) - static_cast<unsigned long long>(b));
  }
}
template <class C>
__device__ __forceinline__ C wrapped_mul(C a, C b) {
  if constexpr (IsFloat<C>::value) {
    return a * b;
  } else {
    return static_cast<C>(static_cast<unsigned long long>(a) * static_cast<unsigned long long>(b));
  }
}
template <class C>
__device__ __forceinline__ C negated(C x) {
  if constexpr (IsFloat<C>::value) {
    return -x;
  } else {
    return wrapped_sub(static_cast<C>(0), x);
  }
}

// The two bounds of a clip; NaN stays.
template <class C>
__device__ __forceinline__ C at_least(C x, C low) {
  return x < low ? low : x;
}
template <class C>
__device__ __forceinline__ C at_most(C x, C high) {
  return x > high ? high : x;
}

// ops/quantize_parameters.hpp: divide, clamp, round half to even, add the zero point; NaN gives
// that. The quotient is rounded as x / scale is: x times the rounded inverse, corrected by the
// exact rest (Markstein). Where neither is tiny or huge that has no special cases but those that a
// clamp behind it hides; results of at most 16 bits have fewer than 2^20 steps.
template <class C>
__device__ __forceinline__ C quantized(float x, float scale, float zero, float lowest,
                                       float highest) {
  const float low = lowest - zero, high = highest - zero;
  float ratio;
  if (scale >= 0x1p-100f && scale <= 0x1p+100f) {
    const float inverse = 1.f / scale, bound = scale * 0x1p+20f;
    const float bounded = x < -bound ? -bound : x > bound ? bound : x;
    const float near = __fmul_rn(bounded, inverse);
    ratio = __fmaf_rn(__fmaf_rn(-near, scale, bounded), inverse, near);
  } else {
    ratio = x / scale;
  }
  if (ratio != ratio) return static_cast<C>(zero);
  const float raised = ratio < low ? low : ratio;
  const float clamped = raised > high ? high : raised;
  const int rounded = __float_as_int(__fadd_rn(clamped, 12582912.f)) - 0x4b400000;
  return static_cast<C>(rounded + static_cast<int>(zero));
}
// ops/requantize.hpp: the steps above the lowest result.
__device__ __forceinline__ long long requantized(float t, float range) {
  const float bounded = t > 0.f ? (t < 1.f ? t : 1.f) : 0.f;
  return __float_as_int(__fmaf_rn(bounded, range, 12582912.f)) & 0xff;
}

#define STROP_UNARY(name, ...)                              \
  template <class C>                                        \
  __device__ __forceinline__ C wide_##name(C x, C a, C b) { \
    return static_cast<C>(__VA_ARGS__);                     \
  }
#define STROP_BINARY(name, ...)                        \
  template <class C>                                   \
  __device__ __forceinline__ C wide_##name(C a, C b) { \
    return static_cast<C>(__VA_ARGS__);                \
  }

template <class C>
__device__ __forceinline__ C wide_clamp_unit(C x) {
  return x < C(0) ? C(0) : x > C(1) ? C(1) : x;
}
STROP_UNARY(relu, x < C(0) ? C(0) : x)
STROP_UNARY(leaky_relu, x < C(0) ? a * x : x)
STROP_UNARY(elu, x < C(0) ? a * expm1(x) : x)
STROP_UNARY(selu, x <= C(0) ? b * (a * expm1(x)) : b * x)
STROP_UNARY(celu, x < C(0) ? a * expm1(x / a) : x)
STROP_UNARY(thresholded_relu, x <= a ? C(0) : x)
STROP_UNARY(shrink, x<negated(a) ? wrapped_add(x, b) : x> a ? wrapped_sub(x, b) : C(0))
STROP_UNARY(sigmoid, C(1) / (C(1) + exp(-x)))
STROP_UNARY(hard_sigmoid, wide_clamp_unit(a* x + b))
STROP_UNARY(hard_swish, x* wide_clamp_unit(a* x + b))
STROP_UNARY(silu, x*(C(1) / (C(1) + exp(-(a * x)))))
STROP_UNARY(softplus, (x > C(0) ? x : C(0)) + log1p(exp(-fabs(x))))
STROP_UNARY(mish, x* tanh(wide_softplus(x, a, b)))
STROP_UNARY(gelu, C(0.5) * x * (C(1) + erf(x * C(0.70710678118654752440))))
STROP_UNARY(gelu_tanh,
            C(0.5) * x * (C(1) + tanh(C(0.79788456080286535588) * (x + C(0.044715) * x * x * x))))
STROP_UNARY(softsign, x / (C(1) + fabs(x)))
STROP_UNARY(exp, exp(x))
STROP_UNARY(log, log(x))
STROP_UNARY(sqrt, sqrt(x))
STROP_UNARY(reciprocal, C(1) / x)
STROP_UNARY(erf, erf(x))
STROP_UNARY(neg, negated(x))
template <class C>
__device__ __forceinline__ C wide_abs(C x, C, C) {
  if constexpr (IsFloat<C>::value) {
    return fabs(x);
  } else {
    return x < C(0) ? negated(x) : x;
  }
}
STROP_UNARY(sign, x > C(0) ? C(1) : x < C(0) ? negated(C(1)) : x)
STROP_UNARY(floor, floor(x))
STROP_UNARY(ceil, ceil(x))
STROP_UNARY(round, rint(x))
STROP_UNARY(sin, sin(x))
STROP_UNARY(cos, cos(x))
STROP_UNARY(tan, tan(x))
STROP_UNARY(asin, asin(x))
STROP_UNARY(acos, acos(x))
STROP_UNARY(atan, atan(x))
STROP_UNARY(sinh, sinh(x))
STROP_UNARY(cosh, cosh(x))
STROP_UNARY(tanh, tanh(x))
STROP_UNARY(asinh, asinh(x))
STROP_UNARY(acosh, acosh(x))
STROP_UNARY(atanh, atanh(x))
STROP_UNARY(is_nan, x != x ? 1 : 0)
STROP_UNARY(is_inf, x == x && x - x != C(0) ? (x < C(0) ? a != C(0) : b != C(0)) : 0)
STROP_UNARY(logical_not, x == C(0) ? 1 : 0)
STROP_UNARY(bitwise_not, ~x)

STROP_BINARY(add, wrapped_add(a, b))
STROP_BINARY(sub, wrapped_sub(a, b))
STROP_BINARY(mul, wrapped_mul(a, b))
template <class C>
__device__ __forceinline__ C wide_div(C a, C b) {
  if constexpr (IsSigned<C>::value && !IsFloat<C>::value) {
    if (b == C(-1)) return negated(a);
  }
  return a / b;
}
template <class C>
__device__ __forceinline__ C wide_fmod(C a, C b) {
  if constexpr (IsFloat<C>::value) {
    return fmod(a, b);
  } else {
    if (IsSigned<C>::value && b == static_cast<C>(-1)) return 0;
    return a % b;
  }
}
template <class C>
__device__ __forceinline__ C wide_mod(C a, C b) {
  const C rest = wide_fmod(a, b);
  return rest != C(0) && (rest < C(0)) != (b < C(0)) ? rest + b : rest;
}
template <class C>
__device__ __forceinline__ C wide_pow(C a, C b) {
  if constexpr (IsFloat<C>::value) {
    return pow(a, b);
  } else {
    if (b < C(0)) {
      if (a == C(1)) return 1;
      if (a == static_cast<C>(-1)) return b % 2 == 0 ? C(1) : a;
      return 0;
    }
    C result = 1;
    for (unsigned long long left = static_cast<unsigned long long>(b); left != 0; left /= 2) {
      if (left % 2 != 0) result = wrapped_mul(result, a);
      a = wrapped_mul(a, a);
    }
    return result;
  }
}
STROP_BINARY(min, a < b || a != a ? a : b)
STROP_BINARY(max, a > b || a != a ? a : b)
STROP_BINARY(prelu, a < C(0) ? wrapped_mul(a, b) : a)
STROP_BINARY(equal, a == b ? 1 : 0)
STROP_BINARY(less, a < b ? 1 : 0)
STROP_BINARY(less_or_equal, a <= b ? 1 : 0)
STROP_BINARY(greater, a > b ? 1 : 0)
STROP_BINARY(greater_or_equal, a >= b ? 1 : 0)
STROP_BINARY(logical_and, a& b)
STROP_BINARY(logical_or, a | b)
STROP_BINARY(logical_xor, a ^ b)
STROP_BINARY(bitwise_and, a& b)
STROP_BINARY(bitwise_or, a | b)
STROP_BINARY(bitwise_xor, a ^ b)
STROP_BINARY(bit_shift_left, b < C(64) ? a << b : C(0))
STROP_BINARY(bit_shift_right, b < C(64) ? a >> b : C(0))

#undef STROP_UNARY
#undef STROP_BINARY
