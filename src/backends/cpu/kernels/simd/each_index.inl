// SPDX-License-Identifier: Apache-2.0
// f(0), f(1), ... with indices that are constants from the start: arrays of vectors which nothing
// else indexes are registers then. STROP_INLINE is needed on every f as well.

template <int kIndex>
struct Index {
  constexpr int operator()() const { return kIndex; }
};

template <int kIndex, int kEnd, class F>
STROP_INLINE inline void for_each_index(F&& f) {
  if constexpr (kIndex < kEnd) {
    f(Index<kIndex>{});
    for_each_index<kIndex + 1, kEnd>(f);
  }
}

template <int kEnd, class F>
STROP_INLINE inline void for_each_index(F&& f) {
  for_each_index<0, kEnd>(f);
}
