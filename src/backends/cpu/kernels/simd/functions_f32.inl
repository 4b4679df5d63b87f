// SPDX-License-Identifier: Apache-2.0
// See functions_f32.hpp. The polynomials are those of pointwise_functions.cpp.

#include "backends/cpu/kernels/simd/exponential_f32.inl"

inline Vec negative(Vec x) { return mul(x, set(-1.0f)); }
inline Vec absolute(Vec x) { return max(x, negative(x)); }

inline Vec erf_of(Vec x) {
  const Vec t = absolute(x);
  const Vec s = mul(x, x);
  Vec p = set(7.889119531e-5f);
  p = fma(p, s, set(-8.020841279e-4f));
  p = fma(p, s, set(5.189535339e-3f));
  p = fma(p, s, set(-2.685444459e-2f));
  p = fma(p, s, set(1.128360018e-1f));
  p = fma(p, s, set(-3.761262714e-1f));
  p = fma(p, s, set(1.283791659e-1f));
  const Vec small = fma(x, p, x);
  const Vec u = min(t, set(4.0f));
  Vec q = set(2.169763935e-5f);
  q = fma(q, u, set(-4.414729209e-4f));
  q = fma(q, u, set(4.205285920e-3f));
  q = fma(q, u, set(-2.521034237e-2f));
  q = fma(q, u, set(1.084221028e-1f));
  q = fma(q, u, set(6.332163948e-1f));
  q = fma(q, u, set(1.129580312f));
  q = fma(q, u, set(-1.884678019e-4f));
  const Vec large = sub(set(1.0f), exponential(negative(q)));
  // NaN and -0 go through the first polynomial.
  return select_less(set(1.0f), t, select_less(x, zero(), negative(large), large), small);
}

inline Vec tanh_of(Vec x) {
  const Vec t = absolute(x);
  const Vec s = mul(x, x);
  Vec p = set(2.147536853e-3f);
  p = fma(p, s, set(-8.182673849e-3f));
  p = fma(p, s, set(2.170296710e-2f));
  p = fma(p, s, set(-5.394720427e-2f));
  p = fma(p, s, set(1.333320976e-1f));
  p = fma(p, s, set(-3.333333091e-1f));
  const Vec small = fma(x, mul(s, p), x);
  const Vec one = set(1.0f);
  const Vec large = sub(one, mul(set(2.0f), reciprocal(add(exponential(add(t, t)), one))));
  return select_less(set(0.625f), t, select_less(x, zero(), negative(large), large), small);
}

inline Vec sigmoid_of_negative(Vec x) { return reciprocal(add(set(1.0f), exponential(x))); }

inline Vec do_exp(Vec x, Vec) { return exponential(x); }
inline Vec do_erf(Vec x, Vec) { return erf_of(x); }
inline Vec do_tanh(Vec x, Vec) { return tanh_of(x); }
inline Vec do_sigmoid(Vec x, Vec) { return sigmoid_of_negative(negative(x)); }
inline Vec do_silu(Vec x, Vec alpha) {
  return mul(x, sigmoid_of_negative(mul(negative(alpha), x)));
}
inline Vec do_gelu(Vec x, Vec) {
  const Vec e = erf_of(mul(x, set(0.70710678118654752f)));
  return mul(mul(set(0.5f), x), add(set(1.0f), e));
}
inline Vec do_gelu_tanh(Vec x, Vec) {
  const Vec cube = mul(mul(mul(set(0.044715f), x), x), x);
  const Vec e = tanh_of(mul(set(0.79788456080286536f), add(x, cube)));
  return mul(mul(set(0.5f), x), add(set(1.0f), e));
}

template <Vec (*F)(Vec, Vec)>
void run_function(float* value, const float*, std::int64_t count, float alpha, float) {
  const Vec factor = set(alpha);
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) store(value + i, F(load(value + i), factor));
  if (i == count) return;
  const int left = static_cast<int>(count - i);
  store_part(value + i, F(load_part(value + i, left), factor), left);
}

inline constexpr FunctionSetF32 kFunctionSetF32 = {{{"exp", run_function<do_exp>},
                                                    {"erf", run_function<do_erf>},
                                                    {"tanh", run_function<do_tanh>},
                                                    {"sigmoid", run_function<do_sigmoid>},
                                                    {"silu", run_function<do_silu>},
                                                    {"gelu", run_function<do_gelu>},
                                                    {"gelu_tanh", run_function<do_gelu_tanh>}}};
