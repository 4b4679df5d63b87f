// SPDX-License-Identifier: Apache-2.0
// resize of axes whose sizes are known, in any layout: where elements come from, and with which
// weights, are tables made at build, as the reference makes them. An axis whose size is not known
// may become a whole multiple of itself, each element repeated.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "backends/cuda/codegen/scalar_source.hpp"
#include "backends/cuda/codegen/strided_copy.hpp"
#include "base/error.hpp"
#include "ops/resize_filter_support.hpp"
#include "tactic/layout_support.hpp"

namespace strop::cuda {
const Tactic& tactic_resize_cuda();
namespace {

constexpr std::int64_t kTriedSize = 1 << 12;  // longer axes are not told apart from these
constexpr std::int64_t kMostRepeats = 16;
constexpr std::int64_t kMostTaps = 64;

struct Axis {
  std::size_t axis = 0;
  std::int64_t repeat = 0;  // 0: by tables
  ResizedAxis resized;
};

bool repeats_elements(const ResizeAttributes& resize, std::int64_t repeat) {
  if (resize.mode != ResizeMode::nearest || (resize.coordinates != ResizeCoordinates::asymmetric &&
                                             resize.coordinates != ResizeCoordinates::half_pixel)) {
    return false;  // their coordinates depend on the size
  }
  const auto indices =
      nearest_indices(resize, {kTriedSize, kTriedSize * repeat, static_cast<float>(repeat)});
  for (std::size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] != static_cast<std::int64_t>(i) / repeat) return false;
  }
  return true;
}

// The axes that change; nothing where their sizes or scales are not known.
std::optional<std::vector<Axis>> changing_axes(const Problem& problem) {
  const auto& resize = problem.attributes<ResizeAttributes>();
  const SymShape &x = *problem.input_type(0).shape, &y = *problem.output_type(0).shape;
  std::vector<float> scales(x.size(), 0);  // 0: what the sizes say
  if (problem.has_input(2)) {
    const Tensor* given = problem.constant(2);
    if (given == nullptr || given->dtype() != DType::f32) return std::nullopt;
    std::vector<std::int64_t> axes = resize.axes;
    if (axes.empty()) {
      axes.resize(x.size());
      std::iota(axes.begin(), axes.end(), 0);
    }
    if (given->size() > 0 && static_cast<std::int64_t>(axes.size()) != given->size())
      return std::nullopt;
    for (std::size_t i = 0; given->size() > 0 && i < axes.size(); ++i) {
      scales[static_cast<std::size_t>(normalize_axis(
          axes[i], static_cast<std::int64_t>(x.size())))] = given->values<float>()[i];
    }
  }
  std::vector<Axis> out;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (x[i] == y[i] && (scales[i] == 0 || scales[i] == 1)) continue;
    if (x[i].is_constant() && y[i].is_constant()) {
      if (x[i].value() < 1 || y[i].value() < 1) return std::nullopt;
      const float scale = scales[i] != 0
                              ? scales[i]
                              : static_cast<float>(y[i].value()) / static_cast<float>(x[i].value());
      out.push_back({i, 0, {x[i].value(), y[i].value(), scale}});
      continue;
    }
    Axis axis{i, 0, {}};
    for (std::int64_t repeat = 2; repeat <= kMostRepeats && axis.repeat == 0; ++repeat) {
      const bool fits =
          y[i] == x[i] * Dim(repeat) && (scales[i] == 0 || scales[i] == static_cast<float>(repeat));
      if (fits && repeats_elements(resize, repeat)) axis.repeat = repeat;
    }
    if (axis.repeat == 0) return std::nullopt;
    out.push_back(axis);
  }
  return out;
}

Acceptance accepts(const Problem& problem) {
  const auto& resize = problem.attributes<ResizeAttributes>();
  const Type& x = problem.input_type(0);
  if (!x.shape || !problem.output_type(0).shape)
    return Acceptance::refuse("the rank of x is not known");
  if (const std::string why = not_moved(x.dtype); !why.empty()) return Acceptance::refuse(why);
  if (resize.mode != ResizeMode::nearest && !kFloats.contains(x.dtype))
    return Acceptance::refuse("what is between elements is for floats");
  if (resize.coordinates == ResizeCoordinates::tf_crop_and_resize ||
      resize.aspect != ResizeAspect::stretch) {
    return Acceptance::refuse("it takes no cropping, and reaches the sizes it is given");
  }
  const auto axes = changing_axes(problem);
  if (!axes) return Acceptance::refuse("its sizes or scales are not known");
  for (const Axis& axis : *axes) {
    if (resize.mode != ResizeMode::nearest &&
        interpolation_filter(resize, axis.resized).taps > kMostTaps)
      return Acceptance::refuse("its filter is wide");
  }
  return Acceptance::accept();
}

std::vector<OperandLayouts> layouts(const Problem& problem, std::string_view) {
  return any_layout(problem, 1);
}

class Source {
 public:
  Source(const Problem& problem, const LaunchShapes& shapes)
      : problem_(problem),
        shapes_(shapes),
        resize_(problem.attributes<ResizeAttributes>()),
        axes_(*changing_axes(problem)),
        writer_(problem, shapes, "resize") {}

  LaunchStep step() {
    const DType dtype = problem_.input_type(0).dtype;
    const bool nearest = resize_.mode == ResizeMode::nearest;
    const std::string type = nearest ? moved_type(dtype) : element_type(dtype);
    writer_.input(0, type);
    writer_.output(0, type);
    const SymShape& y = shapes_.output(0);
    const auto order =
        memory_order(static_cast<std::int64_t>(y.size()), problem_.layouts.output(0));
    int pack = 1;
    if (!order.empty() && !changes(order.back())) {
      pack = std::max(1, 128 / bits_of(dtype));
      while (pack > 1 && !is_multiple(y[order.back()], pack)) pack /= 2;
    }
    SymShape sizes;
    for (const std::size_t axis : order) sizes.push_back(y[axis]);
    if (pack > 1) sizes.back() = floordiv(sizes.back(), Dim(pack));
    LaunchStep out;
    std::string text = coordinates(writer_, "index", sizes) + "  I from = 0;\n";
    for (std::size_t place = 0; place < order.size(); ++place) {
      if (changes(order[place])) continue;
      text += fmt::format("  from += c{}{} * {};\n", place,
                          pack > 1 && place + 1 == order.size() ? fmt::format(" * {}", pack) : "",
                          stride(order[place]));
    }
    text += nearest ? copied(out, order, type, pack) : interpolated(out, order, type, pack);
    writer_.finish_items(out, text, product(sizes));
    return out;
  }

 private:
  bool changes(std::size_t axis) const {
    return std::ranges::any_of(axes_, [axis](const Axis& each) { return each.axis == axis; });
  }
  std::string stride(std::size_t axis) { return writer_.number(shapes_.input_strides(0)[axis]); }

  // The name of a pointer to a table that becomes a constant of the step.
  template <class T>
  std::string table(LaunchStep& step, const std::vector<T>& values, const std::string& type) {
    step.constants.push_back(Tensor::from<T>({static_cast<std::int64_t>(values.size())}, values));
    return writer_.input(constant_input(problem_, step.constants.size() - 1), type);
  }
  static std::vector<std::int32_t> narrowed(const std::vector<std::int64_t>& values) {
    return {values.begin(), values.end()};
  }
  static std::size_t place_of(const std::vector<std::size_t>& order, std::size_t axis) {
    return static_cast<std::size_t>(std::ranges::find(order, axis) - order.begin());
  }

  std::string copied(LaunchStep& step, const std::vector<std::size_t>& order,
                     const std::string& type, int pack) {
    std::string out;
    for (const Axis& each : axes_) {
      const std::size_t place = place_of(order, each.axis);
      const std::string index =
          each.repeat > 0
              ? fmt::format("c{} / {}", place, each.repeat)
              : fmt::format("static_cast<I>({}[c{}])",
                            table(step, narrowed(nearest_indices(resize_, each.resized)), "int"),
                            place);
      out += fmt::format("  from += {} * {};\n", index, stride(each.axis));
    }
    return out + fmt::format(
                     "  *reinterpret_cast<Pack<{0}, {1}>*>(y0 + index * {1}) =\n"
                     "      *reinterpret_cast<const Pack<{0}, {1}>*>(x0 + from);\n",
                     type, pack);
  }

  std::string interpolated(LaunchStep& step, const std::vector<std::size_t>& order,
                           const std::string& type, int pack) {
    const std::string compute = compute_type(problem_.input_type(0).dtype);
    std::string out = fmt::format("  {} sums[{}] = {{}};\n", compute, pack);
    std::string weight = "1", at = "from", close;
    for (std::size_t n = 0; n < axes_.size(); ++n) {
      const Axis& each = axes_[n];
      const AxisFilter filter = interpolation_filter(resize_, each.resized);
      const std::string indices = table(step, narrowed(filter.indices), "int");
      const std::string weights = table(step, filter.weights, "float");
      out += fmt::format(
          "  for (int t{n} = 0; t{n} < {taps}; ++t{n}) {{\n"
          "    const I tap{n} = c{place} * {taps} + t{n};\n"
          "    const {compute} weight{n} = {before}static_cast<{compute}>({weights}[tap{n}]);\n"
          "    const I at{n} = {at} + static_cast<I>({indices}[tap{n}]) * {stride};\n",
          fmt::arg("n", n), fmt::arg("taps", filter.taps),
          fmt::arg("place", place_of(order, each.axis)), fmt::arg("compute", compute),
          fmt::arg("before", n > 0 ? weight + " * " : std::string()), fmt::arg("weights", weights),
          fmt::arg("at", at), fmt::arg("indices", indices), fmt::arg("stride", stride(each.axis)));
      weight = fmt::format("weight{}", n);
      at = fmt::format("at{}", n);
      close += "  }\n";
    }
    out += fmt::format(
        "    const Pack<{0}, {1}> p = *reinterpret_cast<const Pack<{0}, {1}>*>(x0 + {2});\n"
        "#pragma unroll\n"
        "    for (int k = 0; k < {1}; ++k) sums[k] += {3} * wide(p.v[k]);\n{4}"
        "  Pack<{0}, {1}> q;\n#pragma unroll\n"
        "  for (int k = 0; k < {1}; ++k) q.v[k] = narrow<{0}>(sums[k]);\n"
        "  *reinterpret_cast<Pack<{0}, {1}>*>(y0 + index * {1}) = q;\n",
        type, pack, at, weight, close);
    return out;
  }

  const Problem& problem_;
  const LaunchShapes& shapes_;
  const ResizeAttributes& resize_;
  std::vector<Axis> axes_;
  KernelWriter writer_;
};

KernelChoice lower(const Problem& problem, std::string_view) {
  const LaunchShapes shapes(problem);
  return to_choice(problem, Source(problem, shapes).step());
}

}  // namespace

const Tactic& tactic_resize_cuda() {
  static const Tactic tactic{.name = "resize_cuda",
                             .backend = "cuda",
                             .ops = {op_resize},
                             .accepts = accepts,
                             .layouts = layouts,
                             .lower = lower};
  return tactic;
}

}  // namespace strop::cuda
