// SPDX-License-Identifier: Apache-2.0
// A position of a grid_sample along one axis: which elements stand around it, and their weights, as
// ops/grid_sample.cpp says.

__device__ __forceinline__ float reflected(float at, float lowest, float highest) {
  const float range = highest - lowest;
  if (!(range > 0)) return lowest;
  const float distance = at < lowest ? lowest - at : at - highest;
  const float twice = fmod(distance, 2 * range);
  const float from_border = twice < range ? twice : 2 * range - twice;
  return at < lowest ? lowest + from_border : highest - from_border;
}

// kMode: 0 linear, 1 nearest, 2 cubic. kPadding: 0 zeros, 1 border, 2 reflection.
template <int kMode, int kPadding, bool kAlignCorners, class I>
struct AlongAxis {
  static constexpr int kNeighbours = kMode == 0 ? 2 : kMode == 1 ? 1 : 4;

  I index[kNeighbours];  // -1: outside, which counts as 0
  float weight[kNeighbours];

  // `normalized`: -1 to 1 along an axis of `size` elements.
  __device__ __forceinline__ AlongAxis(float normalized, I size)
      : size_(size),
        lowest_(kAlignCorners ? 0.f : -0.5f),
        highest_(static_cast<float>(size) - (kAlignCorners ? 1.f : 0.5f)) {
    const float at = moved_inside(normalized);
    if constexpr (kMode == 1) {
      index[0] = element_at(at);
      weight[0] = 1;
    } else {
      const float below = floor(at), t = at - below;
      if constexpr (kMode == 2) {
        weight[0] = far(t + 1), weight[1] = near(t), weight[2] = near(1 - t),
        weight[3] = far(2 - t);
      } else {
        weight[0] = 1 - t, weight[1] = t;
      }
#pragma unroll
      for (int k = 0; k < kNeighbours; ++k)
        index[k] = element_at(below + static_cast<float>(kMode == 2 ? k - 1 : k));
    }
  }

 private:
  static constexpr float kCubic = -0.75f;
  static __device__ __forceinline__ float near(float d) {
    return ((kCubic + 2) * d - (kCubic + 3)) * d * d + 1;
  }
  static __device__ __forceinline__ float far(float d) {
    return ((kCubic * d - 5 * kCubic) * d + 8 * kCubic) * d - 4 * kCubic;
  }

  __device__ __forceinline__ float moved_inside(float normalized) const {
    const float size = static_cast<float>(size_);
    float at =
        kAlignCorners ? (normalized + 1) / 2 * (size - 1) : ((normalized + 1) * size - 1) / 2;
    if (kMode == 1) at = rint(at);
    if (!(at - at == 0)) at = kPadding == 0 ? -10.f : 0.f;  // NaN or infinite
    if (at >= lowest_ && at <= highest_) return at;
    if (kPadding == 1) return at < 0 ? 0.f : at > size - 1 ? size - 1 : at;
    if (kPadding == 2) return reflected(at, lowest_, highest_);
    return at < -10 ? -10.f : at > size + 10 ? size + 10 : at;  // no neighbour is inside
  }

  // The element that whole number `at` stands for.
  __device__ __forceinline__ I element_at(float at) const {
    if (at >= 0 && at < static_cast<float>(size_)) return static_cast<I>(at);
    if (kPadding == 0 || size_ == 0) return -1;
    if (kPadding == 2) at = reflected(at, lowest_, highest_);
    const I whole = static_cast<I>(at);
    return whole < 0 ? 0 : whole > size_ - 1 ? size_ - 1 : whole;
  }

  I size_;
  float lowest_, highest_;  // of what is inside
};
