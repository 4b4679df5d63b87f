// SPDX-License-Identifier: Apache-2.0

// e^x within a unit in the last place: x = n ln 2 + r with |r| <= ln 2 / 2, and a polynomial of r
// (J.-M. Muller, Elementary Functions, ch. 11). Beyond the bounds the result is infinity or zero;
// NaN stays.
inline Vec exponential(Vec x) {
  // The bounds first: max(bound, x) is x where x is NaN.
  x = min(set(89.0f), max(set(-104.0f), x));
  const Vec magic = set(12582912.0f);  // 1.5 * 2^23: rounds to a whole number
  const Vec n = sub(add(mul(x, set(1.44269504088896f)), magic), magic);
  Vec r = fma(n, set(-0.693359375f), x);
  r = fma(n, set(2.12194440e-4f), r);
  Vec p = set(1.9875691500e-4f);
  p = fma(p, r, set(1.3981999507e-3f));
  p = fma(p, r, set(8.3334519073e-3f));
  p = fma(p, r, set(4.1665795894e-2f));
  p = fma(p, r, set(1.6666665459e-1f));
  p = fma(p, r, set(5.0000001201e-1f));
  return power(add(fma(p, mul(r, r), r), set(1.0f)), n);
}
