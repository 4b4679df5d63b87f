// SPDX-License-Identifier: Apache-2.0
// Functions of the operators unary, binary and clip on f32, as ops/unary.cpp and ops/binary.cpp
// define them: NaN stays NaN, results within a few roundings of the exact value. Included as text
// by generated kernels; a kernel that uses few of them pays for no more.

__device__ __forceinline__ float infinity() { return __int_as_float(0x7f800000); }

// As max and min, but NaN if either is.
__device__ __forceinline__ float max_nan(float a, float b) {
#if __CUDA_ARCH__ >= 800
  float out;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(out) : "f"(a), "f"(b));
  return out;
#else
  return a != a || b != b ? a + b : fmaxf(a, b);
#endif
}
__device__ __forceinline__ float min_nan(float a, float b) {
#if __CUDA_ARCH__ >= 800
  float out;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(out) : "f"(a), "f"(b));
  return out;
#else
  return a != a || b != b ? a + b : fminf(a, b);
#endif
}

// 1 / x within 1 unit in the last place; a division would cost five times as much.
__device__ __forceinline__ float fast_reciprocal(float x) {
  float out;
  asm("rcp.approx.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;
}

// Within 2^-22 of the value; results below 2^-126 are 0.
__device__ __forceinline__ float fast_power_of_2(float x) {
  float out;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;
}

__device__ __forceinline__ float unary_relu(float x) { return max_nan(x, 0.f); }
__device__ __forceinline__ float unary_leaky_relu(float x, float a) { return x < 0 ? a * x : x; }
__device__ __forceinline__ float unary_elu(float x, float a) { return x < 0 ? a * expm1f(x) : x; }
__device__ __forceinline__ float unary_selu(float x, float a, float b) {
  return x <= 0 ? b * (a * expm1f(x)) : b * x;
}
__device__ __forceinline__ float unary_celu(float x, float a) {
  return x < 0 ? a * expm1f(x / a) : x;
}
__device__ __forceinline__ float unary_thresholded_relu(float x, float a) {
  return x <= a ? 0.f : x;
}
__device__ __forceinline__ float unary_shrink(float x, float a, float b) {
  return x < -a ? x + b : x > a ? x - b : 0.f;
}
__device__ __forceinline__ float unary_sigmoid(float x) { return fast_reciprocal(1.f + expf(-x)); }
__device__ __forceinline__ float clamp_unit(float x) { return min_nan(max_nan(x, 0.f), 1.f); }
__device__ __forceinline__ float unary_hard_sigmoid(float x, float a, float b) {
  return clamp_unit(a * x + b);
}
__device__ __forceinline__ float unary_hard_swish(float x, float a, float b) {
  return x * clamp_unit(a * x + b);
}
__device__ __forceinline__ float unary_silu(float x, float a) { return x * unary_sigmoid(a * x); }
__device__ __forceinline__ float unary_softplus(float x) {
  return max_nan(x, 0.f) + log1pf(expf(-fabsf(x)));
}
// With n = exp(x): tanh(log(1 + n)) = n (n + 2) / (n (n + 2) + 2); beyond 20 that is 1 in f32.
__device__ __forceinline__ float unary_mish(float x) {
  const float n = expf(min_nan(x, 20.f));
  const float m = n * (n + 2.f);
  return x * (m * fast_reciprocal(m + 2.f));
}
__device__ __forceinline__ float unary_gelu(float x) {
  return 0.5f * x * (1.f + erff(x * 0.70710678118654752440f));
}
__device__ __forceinline__ float unary_gelu_tanh(float x) {
  const float inner = 0.79788456080286535588f * (x + 0.044715f * x * x * x);
  return 0.5f * x * (1.f + tanhf(inner));
}
__device__ __forceinline__ float unary_softsign(float x) { return x / (1.f + fabsf(x)); }
__device__ __forceinline__ float unary_exp(float x) { return expf(x); }
__device__ __forceinline__ float unary_log(float x) { return logf(x); }
__device__ __forceinline__ float unary_sqrt(float x) { return sqrtf(x); }
__device__ __forceinline__ float unary_reciprocal(float x) { return 1.f / x; }
__device__ __forceinline__ float unary_erf(float x) { return erff(x); }
__device__ __forceinline__ float unary_neg(float x) { return -x; }
__device__ __forceinline__ float unary_abs(float x) { return fabsf(x); }
__device__ __forceinline__ float unary_sign(float x) { return x > 0 ? 1.f : x < 0 ? -1.f : x; }
__device__ __forceinline__ float unary_floor(float x) { return floorf(x); }
__device__ __forceinline__ float unary_ceil(float x) { return ceilf(x); }
__device__ __forceinline__ float unary_round(float x) { return rintf(x); }
__device__ __forceinline__ float unary_sin(float x) { return sinf(x); }
__device__ __forceinline__ float unary_cos(float x) { return cosf(x); }
__device__ __forceinline__ float unary_tan(float x) { return tanf(x); }
__device__ __forceinline__ float unary_asin(float x) { return asinf(x); }
__device__ __forceinline__ float unary_acos(float x) { return acosf(x); }
__device__ __forceinline__ float unary_atan(float x) { return atanf(x); }
__device__ __forceinline__ float unary_sinh(float x) { return sinhf(x); }
__device__ __forceinline__ float unary_cosh(float x) { return coshf(x); }
__device__ __forceinline__ float unary_tanh(float x) { return tanhf(x); }
__device__ __forceinline__ float unary_asinh(float x) { return asinhf(x); }
__device__ __forceinline__ float unary_acosh(float x) { return acoshf(x); }
__device__ __forceinline__ float unary_atanh(float x) { return atanhf(x); }

// The same for nodes whose results are f16 or bf16: within 2^-14 of the value, of GELU's below
// 0.001 within 2^-25, which is what f16 tells apart.
__device__ __forceinline__ float narrow_exp(float x) {
  return fast_power_of_2(x * 1.44269504088896340736f);
}
__device__ __forceinline__ float narrow_sigmoid(float x) {
  return fast_reciprocal(1.f + narrow_exp(-x));
}
__device__ __forceinline__ float narrow_silu(float x, float a) { return x * narrow_sigmoid(a * x); }
// x F(x), where F(-a) = 1 - F(a), is max(x, 0) - a F(-a) for a = |x|, and log2 F(-a) is close to a
// polynomial: these are fitted to it for the least relative error of the results above 0.001. From
// kLargest on, a F(-a) is 0 in f16; so is GELU of -infinity, which is NaN otherwise.
__device__ __forceinline__ float narrow_gelu(float x) {
  constexpr float kLargest = 8.f;
  const float a = fminf(fabsf(x), kLargest);
  float p = -3.76325288e-4f;
  p = fmaf(p, a, 6.34278184e-3f);
  p = fmaf(p, a, -4.98826132e-2f);
  p = fmaf(p, a, -0.462011391f);
  p = fmaf(p, a, -1.15010275f);
  p = fmaf(p, a, -1.00005793f);
  return fmaf(-a, fast_power_of_2(p), max_nan(x, 0.f));
}
__device__ __forceinline__ float narrow_gelu_tanh(float x) {
  constexpr float kLargest = 6.f;
  const float a = fminf(fabsf(x), kLargest);
  float p = 4.7146595e-4f;
  p = fmaf(p, a, -6.07158517e-3f);
  p = fmaf(p, a, 2.20105559e-2f);
  p = fmaf(p, a, -6.74995716e-2f);
  p = fmaf(p, a, -0.450938599f);
  p = fmaf(p, a, -1.15270025f);
  p = fmaf(p, a, -0.999948142f);
  return fmaf(-a, fast_power_of_2(p), max_nan(x, 0.f));
}

__device__ __forceinline__ float binary_add(float a, float b) { return a + b; }
__device__ __forceinline__ float binary_sub(float a, float b) { return a - b; }
__device__ __forceinline__ float binary_mul(float a, float b) { return a * b; }
__device__ __forceinline__ float binary_div(float a, float b) { return a / b; }
// A square is what a power mostly is, and a hundredth of its work.
__device__ __forceinline__ float binary_pow(float a, float b) {
  return b == 2.f ? a * a : powf(a, b);
}
__device__ __forceinline__ float binary_fmod(float a, float b) { return fmodf(a, b); }
__device__ __forceinline__ float binary_min(float a, float b) { return min_nan(a, b); }
__device__ __forceinline__ float binary_max(float a, float b) { return max_nan(a, b); }
__device__ __forceinline__ float binary_prelu(float a, float b) { return a < 0 ? a * b : a; }

__device__ __forceinline__ float clip(float x, float low, float high) {
  return min_nan(max_nan(x, low), high);
}
