// SPDX-License-Identifier: Apache-2.0
// Follows a kernel's source and host_prelude.inl: calls by the addresses of arguments.
#include <type_traits>
#include <utility>

#include STROP_KERNEL_ENTRY

template <auto kKernel, class Function = decltype(kKernel)>
struct HostCall;

template <auto kKernel, class... T>
struct HostCall<kKernel, void (*)(T...)> {
  template <std::size_t... I>
  static void call(void** arguments, std::index_sequence<I...>) {
    kKernel(*static_cast<std::remove_cv_t<T>*>(arguments[I])...);
  }
  static void run(const unsigned (&grid)[3], unsigned threads, void** arguments) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {threads, 1, 1};
    host::entry = [=] { call(arguments, std::index_sequence_for<T...>()); };
    for (unsigned z = 0; z < grid[2]; ++z) {
      for (unsigned y = 0; y < grid[1]; ++y) {
        for (unsigned x = 0; x < grid[0]; ++x) {
          blockIdx = {x, y, z};
          host::run_block(threads);
        }
      }
    }
  }
  static HostKernel kernel() {
    HostKernel out;
    for (const unsigned bytes : {static_cast<unsigned>(sizeof(T))...}) out.bytes[out.arguments++] = bytes;
    out.run = run;
    return out;
  }
};
