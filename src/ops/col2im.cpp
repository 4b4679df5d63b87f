// SPDX-License-Identifier: Apache-2.0
// Columns back to an image: column l of channel c holds the block at position l (row-major), and
// elements of the image that several blocks cover become the sum over the blocks. Sums are in float
// for the 16-bit floats; integers wrap; bools are or-ed. What lies in the padding is dropped.
#include "ops/col2im.hpp"

#include <complex>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

// The axes as far as an input of their sizes tells; 0: not known.
std::size_t axis_count(const InferContext& context, std::size_t input) {
  std::int64_t axes = 0;
  if (const auto sizes = context.elements(input)) {
    axes = static_cast<std::int64_t>(sizes->size());
  } else {
    const SymShape* length = context.shape(input);
    if (length == nullptr || !(*length)[0].is_constant()) return 0;
    axes = (*length)[0].value();
  }
  context.require(axes >= 1 && axes <= kMaxTrackedElements, ErrorCode::bad_shape,
                  std::string(context.op().inputs[input].name) + " has " + std::to_string(axes) +
                      " sizes; it takes 1 to " + std::to_string(kMaxTrackedElements));
  return static_cast<std::size_t>(axes);
}

void infer(InferContext& context) {
  const DType dtype = context.dtype(0);
  context.require_rank(0, 3);
  context.require_rank(1, 1);
  context.require_rank(2, 1);
  const std::size_t of_image = axis_count(context, 1), of_block = axis_count(context, 2);
  const std::size_t axes = std::max(of_image, of_block);
  if (axes == 0) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  context.require(
      of_image == 0 || of_block == 0 || of_image == of_block, ErrorCode::bad_shape,
      "image has " + std::to_string(of_image) + " axes, and block has " + std::to_string(of_block));
  const WindowSpec window = context.attributes<Col2imAttributes>().window();
  check_window(context, window, axes);
  const auto image = context.elements(1);
  const auto block = context.integers(2);
  const SymShape* columns = context.shape(0);
  SymShape y = context.fresh_shape(2);
  if (columns != nullptr) y[0] = (*columns)[0];
  if (columns != nullptr && block) {
    Dim taps(1);
    for (const std::int64_t size : *block) {
      context.require(size >= 1 && size <= kMaxWindow, ErrorCode::bad_shape,
                      "a block of size " + std::to_string(size));
      taps = taps * Dim(size);
    }
    y[1] = floordiv((*columns)[1], taps);
    context.require_equal((*columns)[1], y[1] * taps,
                          "axis 1 of the columns, and channels times the block's elements");
  }
  Dim positions(1);
  for (std::size_t i = 0; i < axes; ++i) {
    y.push_back(image ? (*image)[i] : context.fresh_dim());
    context.require(!y.back().is_constant() || y.back().value() >= 0, ErrorCode::bad_shape,
                    "the image has size " + y.back().to_string() + " along an axis");
    if (image && block) {
      positions = positions * window_output(context, window, i, axes, y.back(), (*block)[i]);
    }
  }
  if (columns != nullptr && image && block) {
    context.require_equal((*columns)[2], positions,
                          "axis 2 of the columns and the number of blocks in the image");
  }
  context.set_output(0, dtype, std::move(y));
}

template <class C>
C sum_of(C a, C b) {
  if constexpr (std::is_integral_v<C>) {
    return static_cast<C>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  } else {
    return a + b;
  }
}

struct Geometry {
  std::vector<WindowAxis> axes;
  std::int64_t image = 1, taps = 1, positions = 1;
};

// Adds the columns of one channel, [taps, positions], to its image.
template <class C>
void add_columns(const Geometry& geometry, const C* columns, C* image) {
  const WindowAxis& inner = geometry.axes.back();
  const std::int64_t rows = geometry.positions / inner.output;
  for (std::int64_t tap = 0; tap < geometry.taps; ++tap) {
    // What the innermost axis of the image gets of a row: positions [first, last).
    const std::int64_t shift = tap % inner.kernel * inner.dilation - inner.begin;
    const std::int64_t first = shift >= 0 ? 0 : (-shift + inner.stride - 1) / inner.stride;
    const std::int64_t room = inner.input - shift;
    const std::int64_t last =
        room <= 0 ? 0 : std::min(inner.output, (room + inner.stride - 1) / inner.stride);
    for (std::int64_t row = 0; row < rows; ++row) {
      std::int64_t offset = 0, stride = inner.input, t = tap / inner.kernel, r = row;
      bool inside = true;
      for (std::size_t i = geometry.axes.size() - 1; i-- > 0;) {
        const WindowAxis& axis = geometry.axes[i];
        const std::int64_t at =
            r % axis.output * axis.stride + t % axis.kernel * axis.dilation - axis.begin;
        r /= axis.output;
        t /= axis.kernel;
        inside = inside && at >= 0 && at < axis.input;
        offset += at * stride;
        stride *= axis.input;
      }
      if (!inside) continue;
      const C* from = columns + (tap * rows + row) * inner.output;
      C* to = image + offset + shift;
      for (std::int64_t o = first; o < last; ++o) {
        to[o * inner.stride] = sum_of(to[o * inner.stride], from[o]);
      }
    }
  }
}

Geometry geometry_of(const KernelContext& context) {
  const std::vector<std::int64_t> image = context.input(1).to_i64();
  const std::vector<std::int64_t> block = context.input(2).to_i64();
  const WindowSpec window = context.attributes<Col2imAttributes>().window();
  Geometry out;
  out.axes = resolve_window(window, image, image, block);
  for (std::size_t i = 0; i < out.axes.size(); ++i) {
    WindowAxis& axis = out.axes[i];
    const std::int64_t room =
        axis.input + axis.begin + axis.end - window_extent(window, i, axis.kernel);
    axis.output = room / axis.stride + 1;
    out.image *= axis.input;
    out.taps *= axis.kernel;
    out.positions *= axis.output;
  }
  return out;
}

template <class C>
void complex_columns(const Geometry& geometry, const Tensor& columns, Tensor& y) {
  const auto* from = reinterpret_cast<const C*>(columns.data());
  auto* to = reinterpret_cast<C*>(y.mutable_data());
  parallel_for(y.dim(0) * y.dim(1), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      C* image = to + plane * geometry.image;
      std::fill_n(image, geometry.image, C{});
      add_columns(geometry, from + plane * geometry.taps * geometry.positions, image);
    }
  });
}

void reference(KernelContext& context) {
  const Tensor& columns = context.input(0);
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  const Geometry geometry = geometry_of(context);
  if (y.dtype() == DType::c64) return complex_columns<std::complex<float>>(geometry, columns, y);
  if (y.dtype() == DType::c128) return complex_columns<std::complex<double>>(geometry, columns, y);
  dispatch_compute(compute_kind(y.dtype()), [&]<class C>() {
    std::vector<C> copy;
    const C* from = load_all<C>(columns, copy);
    parallel_for(y.dim(0) * y.dim(1), 1, [&](std::int64_t begin, std::int64_t end) {
      std::vector<C> image(static_cast<std::size_t>(geometry.image));
      for (std::int64_t plane = begin; plane < end; ++plane) {
        std::ranges::fill(image, C(0));
        add_columns(geometry, from + plane * geometry.taps * geometry.positions, image.data());
        for (std::int64_t i = 0; i < geometry.image; i += kChunk) {
          store_chunk<C>(y, plane * geometry.image + i, std::min(kChunk, geometry.image - i),
                         image.data() + i);
        }
      }
    });
  });
}

}  // namespace

const OpDef& op_col2im() {
  static constexpr DTypeSet kTypes = kNumbers | kBool | kComplex;
  static const OpDef def{
      .name = "col2im",
      .summary =
          "an image of which each element is the sum of what the columns, one per block of "
          "the image, hold for it",
      .limits = "1 to 64 spatial axes; no strings, which have no sum",
      .attributes = &attribute_schema<Col2imAttributes>(),
      .inputs = {{.name = "columns", .types = kTypes, .same_as = 'T'},
                 {.name = "image", .types = {DType::i64}},
                 {.name = "block", .types = {DType::i64}}},
      .outputs = {{.name = "y", .types = kTypes, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 0b110},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
