// SPDX-License-Identifier: Apache-2.0
// Walks the elements of a broadcast output together with its inputs. Axes along which all inputs
// move alike are merged first, so equal shapes are one long run, and a scalar or a per-channel
// operand gives runs as long as the axes to its right.
#pragma once

#include <algorithm>
#include <array>

#include "base/parallel.hpp"
#include "base/shape.hpp"

namespace strop {

template <std::size_t N>
class BroadcastWalk {
 public:
  BroadcastWalk(const Shape& output, const std::array<const Shape*, N>& inputs) {
    for (std::size_t axis = 0; axis < output.size(); ++axis) {
      if (output[axis] == 1) continue;
      total_ *= output[axis];
      Axis next;
      next.size = output[axis];
      for (std::size_t k = 0; k < N; ++k) {
        const Shape& shape = *inputs[k];
        const std::size_t missing = output.size() - shape.size();
        next.moves[k] = axis >= missing && shape[axis - missing] != 1;
      }
      if (!axes_.empty() && axes_.back().moves == next.moves) {
        axes_.back().size *= next.size;
      } else {
        axes_.push_back(next);
      }
    }
    if (axes_.empty()) axes_.push_back({});
    for (std::size_t k = 0; k < N; ++k) {
      std::int64_t stride = 1;
      for (std::size_t axis = axes_.size(); axis-- > 0;) {
        if (!axes_[axis].moves[k]) continue;
        axes_[axis].strides[k] = stride;
        stride *= axes_[axis].size;
      }
    }
  }

  // Along a run, input k moves with the output (true) or stands still.
  bool moves(std::size_t k) const { return axes_.back().moves[k]; }

  // body(first output element, first element of each input, count <= longest) from several threads.
  template <class F>
  void for_each_run(std::int64_t longest, F&& body) const {
    const std::int64_t inner = axes_.back().size;
    parallel_for(total_, 64 * longest, [&](std::int64_t begin, std::int64_t end) {
      while (begin < end) {
        std::int64_t row = begin / inner;
        const std::int64_t column = begin % inner;
        std::array<std::int64_t, N> from{};
        for (std::size_t k = 0; k < N; ++k) from[k] = column * axes_.back().strides[k];
        for (std::size_t axis = axes_.size() - 1; axis-- > 0;) {
          const std::int64_t index = row % axes_[axis].size;
          row /= axes_[axis].size;
          for (std::size_t k = 0; k < N; ++k) from[k] += index * axes_[axis].strides[k];
        }
        const std::int64_t count = std::min({inner - column, end - begin, longest});
        body(begin, from, count);
        begin += count;
      }
    });
  }

 private:
  struct Axis {
    std::int64_t size = 1;
    std::array<bool, N> moves{};
    std::array<std::int64_t, N> strides{};
  };
  std::vector<Axis> axes_;
  std::int64_t total_ = 1;
};

}  // namespace strop
