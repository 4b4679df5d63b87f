// SPDX-License-Identifier: Apache-2.0
// Regions of random moves and pointwise nodes that round nothing: to the byte what the reference
// makes of them.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "backends/cuda/on_host/tactic_check.hpp"
#include "base/shape.hpp"

namespace strop::testing {
namespace {

class RandomRegion {
 public:
  explicit RandomRegion(std::uint32_t seed) : random_(seed) {}

  std::string write() {
    std::string value = input(shape());
    const int nodes = 2 + below(6);
    for (int i = 0; i < nodes; ++i) value = node(value);
    value = unary(value);
    std::string inputs, arguments;
    for (std::size_t i = 0; i < types_.size(); ++i) {
      const std::string comma = i > 0 ? ", " : "";
      inputs += fmt::format("{}%x{}: {}", comma, i, types_[i]);
      arguments += fmt::format("{}%x{}", comma, i);
    }
    return fmt::format(
        "graph main({0}) -> (%y) {{\n  %y = fused{{kind=\"moves\", moves=true}}({1}) body graph "
        "body({0}) -> ({2}) {{\n{3}  }}\n}}\n",
        inputs, arguments, value, body_);
  }

 private:
  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::int64_t size() {
    constexpr std::int64_t kSizes[] = {1, 2, 3, 4, 5, 8, 8, 16, 16, 24, 40};
    return kSizes[below(11)];
  }

  Shape shape() {
    // Every other one in rows that no group fits into.
    Shape out{below(2) == 0 ? 33 + 2 * below(3) : size()};
    std::int64_t all = out[0];
    const int rank = 2 + below(3);
    while (static_cast<int>(out.size()) < rank) {
      out.insert(out.begin(), all > 400 ? 1 + below(2) : size());
      all *= out[0];
    }
    return out;
  }

  static std::string numbers(const Shape& all) {
    std::string out;
    for (const std::int64_t each : all) out += fmt::format("{}{}", out.empty() ? "" : ",", each);
    return out;
  }

  std::string input(Shape of) {
    types_.push_back(fmt::format("{}[{}]", type_, numbers(of)));
    shape_ = std::move(of);
    return fmt::format("%x{}", types_.size() - 1);
  }

  std::string constant(const Shape& values) {
    std::string name = fmt::format("%c{}", names_++);
    body_ += fmt::format("    const {} = i64[{}]{{{}}}\n", name, values.size(), numbers(values));
    return name;
  }

  std::string emit(const std::string& made) {
    std::string name = fmt::format("%v{}", names_++);
    body_ += fmt::format("    {} = {}\n", name, made);
    return name;
  }

  std::string unary(const std::string& x) {
    return emit(fmt::format("unary{{function=\"neg\"}}({})", x));
  }

  std::string node(const std::string& x) {
    const Shape own = shape_;
    const int rank = static_cast<int>(own.size());
    const auto axis = static_cast<std::size_t>(below(rank));
    switch (below(7)) {
      case 0:
        return unary(x);
      case 1:
        return with_another(x, own);
      case 2:
        return transposed(x);
      case 3:
      case 4:
        return reshaped(x);
      case 5: {
        if (own[axis] < 2) return unary(x);
        const std::int64_t step = 1 + below(2), begin = below(static_cast<int>(own[axis]));
        const std::int64_t end = own[axis] - below(static_cast<int>(own[axis] - begin));
        shape_[axis] = (end - begin + step - 1) / step;
        const std::string s = constant({begin}), e = constant({end}),
                          a = constant({static_cast<std::int64_t>(axis)}), t = constant({step});
        return emit(fmt::format("slice({}, {}, {}, {}, {})", x, s, e, a, t));
      }
      default: {
        Shape other = own;
        other[axis] = size();
        const std::string z = below(3) == 0 ? x : input(other);
        shape_ = own;
        shape_[axis] += z == x ? own[axis] : other[axis];
        const bool first = below(2) == 0;
        return emit(fmt::format("concat{{axis={}}}({}, {})", axis, first ? z : x, first ? x : z));
      }
    }
  }

  std::string with_another(const std::string& x, const Shape& own) {
    Shape other(own.begin() + below(static_cast<int>(own.size())), own.end());
    for (std::int64_t& each : other) each = below(3) == 0 ? 1 : each;
    const std::string z = input(other);
    shape_ = own;
    return emit(fmt::format("binary{{function=\"max\"}}({}, {})", x, z));
  }

  std::string transposed(const std::string& x) {
    std::vector<std::int64_t> perm(shape_.size());
    for (std::size_t i = 0; i < perm.size(); ++i) perm[i] = static_cast<std::int64_t>(i);
    const std::size_t last = perm.size() - (below(4) == 0 ? 0 : 1);
    for (std::size_t i = last; i-- > 1;)
      std::swap(perm[i], perm[static_cast<std::size_t>(below(static_cast<int>(i) + 1))]);
    const Shape own = shape_;
    for (std::size_t i = 0; i < perm.size(); ++i)
      shape_[i] = own[static_cast<std::size_t>(perm[i])];
    return emit(fmt::format("transpose{{perm=[{}]}}({})", numbers(perm), x));
  }

  // An axis cut into two, or two made one.
  std::string reshaped(const std::string& x) {
    Shape to = shape_;
    const auto axis = static_cast<std::size_t>(below(static_cast<int>(to.size())));
    if (below(2) == 0 && axis + 1 < to.size()) {
      to[axis + 1] *= to[axis];
      to.erase(to.begin() + static_cast<std::ptrdiff_t>(axis));
    } else if (to.size() < 6) {
      std::int64_t part = 1 + below(16);
      while (to[axis] % part != 0) --part;
      to[axis] /= part;
      to.insert(to.begin() + static_cast<std::ptrdiff_t>(axis) + 1, part);
    }
    shape_ = to;
    const std::string c = constant(to);
    return emit(fmt::format("reshape({}, {})", x, c));
  }

  std::mt19937 random_;
  std::string type_ = random_() % 2 == 0 ? "f16" : "f32";
  Shape shape_;
  std::string body_;
  std::vector<std::string> types_;
  int names_ = 0;
};

TEST(CudaRandomRegion, is_as_the_reference) {
  for (std::uint32_t seed = 0; seed < 8; ++seed)
    check_cuda(RandomRegion(seed).write(), {"region_cuda"}, {.tolerance = 0, .may_refuse = true});
}

}  // namespace
}  // namespace strop::testing
