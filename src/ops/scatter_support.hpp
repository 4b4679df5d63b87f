// SPDX-License-Identifier: Apache-2.0
// The part that scatter_elements and scatter_nd share: copying x and choosing the C++ types in
// which updates join it.
#pragma once

#include <complex>

#include "ops/indexing_support.hpp"
#include "ops/move_elements_support.hpp"
#include "ops/scatter_reduction.hpp"

namespace strop {

// Whether the elements of input 0 can be joined so.
inline void check_reduction(const InferContext& context, ScatterReduction reduction) {
  const DType dtype = context.dtype(0);
  const bool orders = reduction == ScatterReduction::min || reduction == ScatterReduction::max;
  context.require(reduction == ScatterReduction::none || (kNumbers | kBool).contains(dtype) ||
                      (kComplex.contains(dtype) && !orders),
                  ErrorCode::bad_type,
                  "elements of type " + std::string(to_string(dtype)) + " cannot be joined by " +
                      std::string(enum_names(reduction)[static_cast<std::size_t>(reduction)]));
}

// Where all three inputs are known, and input 0 is a vector: the elements of output 0.
inline void scatter_known_elements(InferContext& context) {
  auto elements = context.elements(0);
  const auto indices = context.integers(1);
  const auto updates = context.elements(2);
  if (!elements || !indices || !updates || indices->size() != updates->size()) return;
  for (std::size_t i = 0; i < indices->size(); ++i) {
    const std::int64_t place =
        place_on_axis((*indices)[i], static_cast<std::int64_t>(elements->size()));
    if (place < 0) return;  // refused when it runs
    (*elements)[static_cast<std::size_t>(place)] = (*updates)[i];
  }
  context.set_elements(0, std::move(*elements));
}

// Two's complement arithmetic for integers.
template <class C, class F>
C joined_modulo(C a, C b, F f) {
  if constexpr (std::is_integral_v<C>) {
    return static_cast<C>(f(static_cast<std::uint64_t>(a), static_cast<std::uint64_t>(b)));
  } else {
    return f(a, b);
  }
}

// body(join) with a function of what is there and the update.
template <class C, class F>
void with_join(ScatterReduction reduction, F&& body) {
  using R = ScatterReduction;
  if (reduction == R::add) {
    body([](C a, C b) { return joined_modulo(a, b, [](auto x, auto y) { return x + y; }); });
  } else if (reduction == R::mul) {
    body([](C a, C b) { return joined_modulo(a, b, [](auto x, auto y) { return x * y; }); });
  }
  if constexpr (std::is_arithmetic_v<C>) {
    if (reduction == R::min) body([](C a, C b) { return a < b || a != a ? a : b; });
    if (reduction == R::max) body([](C a, C b) { return a > b || a != a ? a : b; });
  }
}

// y = x joined with updates: calls body(to, updates, join) once, with pointers to elements of one
// C++ type. The body sets to[i] = join(to[i], updates[j]) for the pairs it knows.
template <class F>
void scatter(const Tensor& x, const Tensor& updates, Tensor& y, ScatterReduction reduction,
             F&& body) {
  if (reduction == ScatterReduction::none) {
    const Tensor from = unpack_elements(updates);
    const bool packed = from.dtype() != y.dtype();
    Tensor to = packed ? unpack_elements(x) : y;
    if (!packed) copy_whole(x, y);
    dispatch_element(to.dtype(), [&]<class T>() {
      body(mutable_elements_of<T>(to), elements_of<T>(from),
           [](const T&, const T& update) -> const T& { return update; });
    });
    if (packed) pack_elements(to, y);
    return;
  }
  if (kComplex.contains(y.dtype())) {
    copy_whole(x, y);
    const auto complex = [&]<class T>() {
      with_join<T>(reduction, [&](auto join) {
        body(mutable_elements_of<T>(y), elements_of<T>(updates), join);
      });
    };
    return y.dtype() == DType::c64 ? complex.template operator()<std::complex<float>>()
                                   : complex.template operator()<std::complex<double>>();
  }
  dispatch_compute(compute_kind(y.dtype()), [&]<class C>() {
    std::vector<C> wide, wide_updates;
    const C* from = load_all<C>(updates, wide_updates);
    const bool in_place = y.dtype() == DTypeOf<C>::value;
    if (in_place) {
      copy_whole(x, y);
    } else {
      load_all<C>(x, wide);
    }
    C* to = in_place ? mutable_elements_of<C>(y) : wide.data();
    with_join<C>(reduction, [&](auto join) { body(to, from, join); });
    if (in_place) return;
    for (std::int64_t i = 0; i < y.size(); i += kChunk) {
      store_chunk<C>(y, i, std::min(kChunk, y.size() - i), to + i);
    }
  });
}

}  // namespace strop
