// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <exception>

#include "base/parallel.hpp"
#include "ops/dispatch.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

struct Bytes16 {
  std::uint64_t low, high;
};

bool is_packed(DType dtype) { return dtype != DType::string && bits_of(dtype) < 8; }

// Fewer, longer axes: sizes of one go into the base offset, and neighbours that together are one
// arithmetic progression become one axis. Returns the base offset.
std::int64_t simplify(std::vector<AxisMap>& axes) {
  std::int64_t base = 0;
  std::vector<AxisMap> kept;
  for (AxisMap& axis : axes) {
    if (axis.table.empty()) {
      base += axis.start;
      if (axis.size == 1) continue;
      axis.start = 0;
      if (!kept.empty() && kept.back().table.empty() && kept.back().step == axis.size * axis.step) {
        kept.back().size *= axis.size;
        kept.back().step = axis.step;
        continue;
      }
    }
    kept.push_back(std::move(axis));
  }
  if (kept.empty()) kept.push_back({.size = 1, .start = 0, .step = 1});
  axes = std::move(kept);
  return base;
}

template <class T>
void move_row(const T* in, T* out, const AxisMap& axis, const T* fill) {
  if (!axis.table.empty()) {
    for (std::int64_t i = 0; i < axis.size; ++i) {
      const std::int64_t offset = axis.table[static_cast<std::size_t>(i)];
      out[i] = offset == AxisMap::kFill ? *fill : in[offset];
    }
  } else if (axis.step == 1) {
    std::copy_n(in, axis.size, out);
  } else {
    for (std::int64_t i = 0; i < axis.size; ++i) out[i] = in[i * axis.step];
  }
}

template <class T>
void move_typed(const T* in, T* out, std::span<const AxisMap> axes, std::int64_t base,
                const T* fill) {
  const AxisMap& inner = axes.back();
  const auto outer = axes.first(axes.size() - 1);
  std::int64_t rows = 1;
  for (const AxisMap& axis : outer) rows *= axis.size;
  parallel_for(rows, 1 + 16384 / inner.size, [&](std::int64_t begin, std::int64_t end) {
    // Index of the current row along the outer axes, counted up like an odometer.
    std::vector<std::int64_t> index(outer.size());
    std::int64_t rest = begin;
    for (std::size_t a = outer.size(); a-- > 0;) {
      index[a] = rest % outer[a].size;
      rest /= outer[a].size;
    }
    for (std::int64_t row = begin; row < end; ++row) {
      std::int64_t offset = base;
      bool filled = false;
      for (std::size_t a = 0; a < outer.size(); ++a) {
        if (outer[a].table.empty()) {
          offset += index[a] * outer[a].step;
        } else {
          const std::int64_t entry = outer[a].table[static_cast<std::size_t>(index[a])];
          filled = filled || entry == AxisMap::kFill;
          offset += entry;
        }
      }
      T* target = out + row * inner.size;
      if (filled) {
        std::fill_n(target, inner.size, *fill);
      } else {
        move_row(in + offset, target, inner, fill);
      }
      for (std::size_t a = outer.size(); a-- > 0;) {
        if (++index[a] < outer[a].size) break;
        index[a] = 0;
      }
    }
  });
}

}  // namespace

void move_elements(const Tensor& x, Tensor& y, std::vector<AxisMap> axes, const Tensor* fill) {
  if (y.size() == 0) return;
  if (is_packed(y.dtype())) {
    const Tensor from = unpack_elements(x);
    Tensor to = Tensor::allocate(DType::u8, y.shape());
    Tensor value;
    if (fill != nullptr) value = unpack_elements(*fill);
    move_elements(from, to, std::move(axes), fill != nullptr ? &value : nullptr);
    return pack_elements(to, y);
  }
  const std::int64_t base = simplify(axes);
  const auto typed = [&]<class T>() {
    move_typed(reinterpret_cast<const T*>(x.data()), reinterpret_cast<T*>(y.mutable_data()), axes,
               base, fill != nullptr ? reinterpret_cast<const T*>(fill->data()) : nullptr);
  };
  if (y.dtype() == DType::string) return typed.operator()<std::string>();
  if (bits_of(y.dtype()) == 128) return typed.operator()<Bytes16>();
  dispatch_width(bits_of(y.dtype()), typed);
}

std::vector<AxisMap> identity_axes(const Shape& shape) {
  const Shape strides = contiguous_strides(shape);
  std::vector<AxisMap> axes(shape.size());
  for (std::size_t a = 0; a < shape.size(); ++a) {
    axes[a].size = shape[a];
    axes[a].step = strides[a];
  }
  return axes;
}

std::vector<std::int64_t> offset_table(std::int64_t size) {
  try {
    return std::vector<std::int64_t>(static_cast<std::size_t>(size));
  } catch (const std::exception&) {  // bad_alloc or length_error
    throw Error(ErrorCode::out_of_memory,
                "no memory for the offsets of " + std::to_string(size) + " elements");
  }
}

void copy_whole(const Tensor& x, Tensor& y) {
  if (x.dtype() == DType::string) {
    std::ranges::copy(x.values<std::string>(), y.mutable_values<std::string>().begin());
  } else if (x.bytes() > 0 && y.data() != x.data()) {
    std::memcpy(y.mutable_data(), x.data(), static_cast<std::size_t>(x.bytes()));
  }
}

void broadcast_elements(const Tensor& x, Tensor& y) {
  const Shape strides = contiguous_strides(x.shape());
  std::vector<AxisMap> axes(y.shape().size());
  const std::size_t added = axes.size() - x.shape().size();
  for (std::size_t a = 0; a < axes.size(); ++a) {
    axes[a].size = y.shape()[a];
    if (a >= added && x.shape()[a - added] != 1) axes[a].step = strides[a - added];
  }
  move_elements(x, y, std::move(axes));
}

void concat_elements(std::span<const Tensor> inputs, Tensor& y, std::int64_t axis) {
  const AxisSplit split(y.shape(), axis);  // y as [outer, size, inner]
  Tensor whole = is_packed(y.dtype()) ? Tensor::allocate(DType::u8, y.shape()) : y;
  std::int64_t start = 0;
  for (const Tensor& input : inputs) {
    const Tensor x = unpack_elements(input);
    const std::int64_t run = x.dim(axis) * split.inner;  // elements that stay together
    parallel_for(split.outer, 1 + 65536 / (run + 1), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t row = begin; row < end; ++row) {
        copy_elements(x, row * run, whole, (row * split.size + start) * split.inner, run);
      }
    });
    start += x.dim(axis);
  }
  if (is_packed(y.dtype())) pack_elements(whole, y);
}

Tensor unpack_elements(const Tensor& x) {
  if (!is_packed(x.dtype())) return x;
  Tensor out = Tensor::allocate(DType::u8, x.shape());
  auto values = out.mutable_values<std::uint8_t>();
  for (std::int64_t i = 0; i < x.size(); ++i) {
    values[static_cast<std::size_t>(i)] = load_packed(x.data(), i, bits_of(x.dtype()));
  }
  return out;
}

void pack_elements(const Tensor& unpacked, Tensor& y) {
  if (y.bytes() > 0) std::memset(y.mutable_data(), 0, static_cast<std::size_t>(y.bytes()));
  const auto values = unpacked.values<std::uint8_t>();
  for (std::int64_t i = 0; i < y.size(); ++i) {
    store_packed(y.mutable_data(), i, bits_of(y.dtype()), values[static_cast<std::size_t>(i)]);
  }
}

void copy_elements(const Tensor& from, std::int64_t from_index, Tensor& to, std::int64_t to_index,
                   std::int64_t count) {
  if (count == 0) return;
  if (to.dtype() == DType::string) {
    std::copy_n(from.values<std::string>().data() + from_index, count,
                to.mutable_values<std::string>().data() + to_index);
    return;
  }
  const std::int64_t bytes = bits_of(to.dtype()) / 8;
  std::memcpy(to.mutable_data() + to_index * bytes, from.data() + from_index * bytes,
              static_cast<std::size_t>(count * bytes));
}

}  // namespace strop
