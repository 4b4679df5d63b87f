// SPDX-License-Identifier: Apache-2.0
// From coefficients to pixels, with the arithmetic of libjpeg: its accurate integer transform
// (Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications",
// 1989, with 13 bits after the point), colours between samples by linear interpolation, rounded up
// and down by turns, and colours by tables of 16 bits after the point.
#include <algorithm>

#include "ops/picture_jpeg_support.hpp"

namespace strop {
namespace {

using Plane = std::vector<std::uint8_t>;

std::uint8_t clamped(std::int64_t value) {
  return static_cast<std::uint8_t>(std::clamp<std::int64_t>(value, 0, 255));
}

constexpr int kPoint = 13;  // bits after the point of the constants
constexpr int kExtra = 2;   // and of what is between the passes

std::int64_t rounded(std::int64_t value, int bits) {
  return (value + (std::int64_t{1} << (bits - 1))) >> bits;
}

// Eight values `stride` apart, in place; `bits` are dropped.
void transform_row(std::int64_t* v, int stride, int bits) {
  const auto at = [&](int i) -> std::int64_t& { return v[i * stride]; };
  const std::int64_t shared = (at(2) + at(6)) * 4433;
  const std::int64_t low = shared - at(6) * 15137, high = shared + at(2) * 6270;
  const std::int64_t sum = (at(0) + at(4)) * (1 << kPoint), gap = (at(0) - at(4)) * (1 << kPoint);
  const std::int64_t even[4] = {sum + high, gap + low, gap - low, sum - high};

  const std::int64_t a = at(7), b = at(5), c = at(3), d = at(1);
  const std::int64_t turn = (a + c + b + d) * 9633;
  const std::int64_t ad = (a + d) * -7373, bc = (b + c) * -20995;
  const std::int64_t ac = (a + c) * -16069 + turn, bd = (b + d) * -3196 + turn;
  const std::int64_t odd[4] = {d * 12299 + ad + bd, c * 25172 + bc + ac, b * 16819 + bc + bd,
                               a * 2446 + ad + ac};
  for (int i = 0; i < 4; ++i) {
    at(i) = rounded(even[i] + odd[i], bits);
    at(7 - i) = rounded(even[i] - odd[i], bits);
  }
}

Plane samples_of(const JpegComponent& component) {
  const std::int64_t stride = component.columns * 8;
  Plane out(static_cast<std::size_t>(stride * component.rows * 8));
  std::array<std::int64_t, 64> block{};
  for (std::int64_t row = 0; row < component.rows; ++row) {
    for (std::int64_t column = 0; column < component.columns; ++column) {
      const std::int16_t* from =
          component.coefficients.data() + (row * component.columns + column) * 64;
      for (std::size_t i = 0; i < 64; ++i) block[i] = std::int64_t{from[i]} * component.steps[i];
      for (int i = 0; i < 8; ++i) transform_row(block.data() + i, 8, kPoint - kExtra);
      for (int i = 0; i < 8; ++i) transform_row(block.data() + 8 * i, 1, kPoint + kExtra + 3);
      std::uint8_t* to = out.data() + row * 8 * stride + column * 8;
      for (std::size_t i = 0; i < 64; ++i) {
        to[static_cast<std::int64_t>(i / 8) * stride + static_cast<std::int64_t>(i % 8)] =
            clamped(block[i] + 128);
      }
    }
  }
  return out;
}

// A row of twice as many samples, from sums that are `scale` times them. A sample is three parts of
// the nearer one and one of the other; those on the left round down from half, those on the right
// up.
template <class From>
void double_row(const From* from, std::int64_t count, int scale, std::uint8_t* to) {
  const int bits = scale == 4 ? 4 : 2;
  const int left = scale == 4 ? 8 : 1, right = scale == 4 ? 7 : 2;
  for (std::int64_t i = 0; i < count; ++i) {
    const int here = from[i];
    const int before = i > 0 ? from[i - 1] : here, after = i + 1 < count ? from[i + 1] : here;
    to[2 * i] = static_cast<std::uint8_t>((3 * here + before + left) >> bits);
    to[2 * i + 1] = static_cast<std::uint8_t>((3 * here + after + right) >> bits);
  }
}

// The samples of one row of the picture.
class RowMaker {
 public:
  RowMaker(const JpegImage& image, const JpegComponent& component)
      : component_(component),
        samples_(samples_of(component)),
        stride_(component.columns * 8),
        across_(image.most_across / component.across),
        down_(image.most_down / component.down),
        row_(static_cast<std::size_t>((component.width + 1) * across_)) {}

  const std::uint8_t* make(std::int64_t y) {
    const std::int64_t i = y / down_;
    // Narrow components are only repeated.
    const bool smooth_across = across_ == 2 && component_.width > 2;
    if (down_ == 2 && across_ == 2 && smooth_across) {
      const std::uint8_t *near = row(i), *far = row(neighbour(y, i));
      sums_.resize(static_cast<std::size_t>(component_.width));
      for (std::int64_t x = 0; x < component_.width; ++x) {
        sums_[static_cast<std::size_t>(x)] = 3 * near[x] + far[x];
      }
      double_row(sums_.data(), component_.width, 4, row_.data());
    } else if (down_ == 1 && smooth_across) {
      double_row(row(i), component_.width, 1, row_.data());
    } else if (down_ == 2 && across_ == 1) {
      const std::uint8_t *near = row(i), *far = row(neighbour(y, i));
      const int half = y % 2 == 0 ? 1 : 2;
      for (std::int64_t x = 0; x < component_.width; ++x) {
        row_[static_cast<std::size_t>(x)] =
            static_cast<std::uint8_t>((3 * near[x] + far[x] + half) >> 2);
      }
    } else {
      const std::uint8_t* from = row(i);
      for (std::int64_t x = 0; x < component_.width * across_; ++x) {
        row_[static_cast<std::size_t>(x)] = from[x / across_];
      }
    }
    return row_.data();
  }

 private:
  // Rows beyond the edges are those at the edges.
  const std::uint8_t* row(std::int64_t i) const {
    return samples_.data() + std::clamp<std::int64_t>(i, 0, component_.height - 1) * stride_;
  }
  static std::int64_t neighbour(std::int64_t y, std::int64_t i) {
    return y % 2 == 0 ? i - 1 : i + 1;
  }

  const JpegComponent& component_;
  Plane samples_;
  std::int64_t stride_, across_, down_;
  Plane row_;
  std::vector<int> sums_;
};

bool is_rgb(const JpegImage& image) {
  if (image.components.size() != 3) return false;
  if (image.jfif) return false;
  if (image.adobe_transform >= 0) return image.adobe_transform == 0;
  return image.components[0].id == 'R' && image.components[1].id == 'G' &&
         image.components[2].id == 'B';
}

// Y, Cb, Cr to red, green, blue.
void write_colour(int y, int cb, int cr, std::uint8_t* to) {
  const std::int64_t blue = cb - 128, red = cr - 128;
  to[0] = clamped(y + ((91881 * red + 32768) >> 16));
  to[1] = clamped(y + ((-22554 * blue + 32768 - 46802 * red) >> 16));
  to[2] = clamped(y + ((116130 * blue + 32768) >> 16));
}

}  // namespace

Picture render_jpeg(const JpegImage& image) {
  Picture out{.height = image.height, .width = image.width};
  std::vector<RowMaker> makers;
  for (const JpegComponent& component : image.components) makers.emplace_back(image, component);
  out.pixels.resize(static_cast<std::size_t>(out.height * out.width * 3));
  std::uint8_t* pixel = out.pixels.data();
  const bool rgb = is_rgb(image);
  for (std::int64_t y = 0; y < out.height; ++y) {
    std::array<const std::uint8_t*, 3> rows{};
    for (std::size_t i = 0; i < 3; ++i) {
      rows[i] = i < makers.size() ? makers[i].make(y) : rows[0];
    }
    for (std::int64_t x = 0; x < out.width; ++x, pixel += 3) {
      if (rgb || makers.size() == 1) {
        for (std::size_t i = 0; i < 3; ++i) pixel[i] = rows[i][x];
      } else {
        write_colour(rows[0][x], rows[1][x], rows[2][x], pixel);
      }
    }
  }
  return out;
}

}  // namespace strop
