// SPDX-License-Identifier: Apache-2.0
// Stand-ins for kernels/hopper_primitives.cuh and the products that codegen writes for warpgroups;
// after host_elements.inl. Products take place when they are ordered, copies of tensors at any time
// until somebody waits for them, in any order.
#include <map>

using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long long;

namespace host {

struct TransactionBarrier {
  int arrivals = 0, pending = 0;
  long long bytes = 0;
  unsigned phase = 0;

  void end_if_complete() {
    if (pending > 0 || bytes != 0) return;
    pending = arrivals;
    ++phase;
  }
};
static std::map<u32, TransactionBarrier> transactions;
static std::vector<std::function<void()>> copies_under_way;
static unsigned long long dice = 1;

inline void end_some_copy() {
  if (copies_under_way.empty()) return;
  dice = dice * 6364136223846793005ull + 1442695040888963407ull;
  const std::size_t which = (dice >> 33) % (copies_under_way.size() + 1);
  if (which == copies_under_way.size()) return;
  const auto copy = copies_under_way[which];
  copies_under_way.erase(copies_under_way.begin() + static_cast<std::ptrdiff_t>(which));
  copy();
}

// Chunks of 16 bytes of a row of 128 change places by the row.
inline unsigned short* swizzled(u32 address) {
  return reinterpret_cast<unsigned short*>(dynamic_shared + (address ^ (address >> 7 & 7) << 4));
}

static std::map<int, Barrier> named;

}  // namespace host

struct TensorMap {
  const unsigned char* base;
  long long sizes[4], strides[3];  // elements of two bytes, innermost first; bytes
  int box[2];
};

inline void barrier_init(u32 barrier, u32 arrivals) {
  host::transactions[barrier] = {static_cast<int>(arrivals), static_cast<int>(arrivals)};
}
inline void fence_barrier_init() {}
inline void barrier_arrive(u32 barrier) {
  host::TransactionBarrier& at = host::transactions.at(barrier);
  if (--at.pending < 0) __builtin_trap();  // more arrivals than a phase has
  at.end_if_complete();
}
inline void barrier_expect(u32 barrier, u32 bytes) {
  host::transactions.at(barrier).bytes += bytes;
  barrier_arrive(barrier);
}
inline void barrier_wait(u32 barrier, u32 parity) {
  constexpr int kForever = 1 << 22;
  for (int tries = 0; (host::transactions.at(barrier).phase & 1) == parity; ++tries) {
    if (tries == kForever) __builtin_trap();  // nobody comes
    host::end_some_copy();
    host::yield();
  }
}
inline void load_box_4d(u32 to, const TensorMap& map, int c, int w, int h, int n, u32 barrier) {
  host::copies_under_way.push_back([=] {
    for (int row = 0; row < map.box[1]; ++row) {
      for (int column = 0; column < map.box[0]; ++column) {
        const long long at[] = {c + column, w + row, h, n};
        bool inside = true;
        for (int i = 0; i < 4; ++i) inside = inside && at[i] >= 0 && at[i] < map.sizes[i];
        const unsigned char* from = map.base + 2 * at[0];
        for (int i = 1; i < 4; ++i) from += at[i] * map.strides[i - 1];
        unsigned short element = 0;
        if (inside) std::memcpy(&element, from, 2);
        *host::swizzled(to + static_cast<u32>(128 * row + 2 * column)) = element;
      }
    }
    host::TransactionBarrier& done = host::transactions.at(barrier);
    done.bytes -= 2ll * map.box[0] * map.box[1];
    done.end_if_complete();
  });
}
inline void sync_threads(int barrier, int threads) {
  host::Barrier& at = host::named[barrier];
  at.live = static_cast<unsigned>(threads);
  at.wait();
}

// wgmma.m64nNk16: sums (+)= A B for the thread's elements. A descriptor has the address in units of
// 16 bytes and, for rows of k, the distance of panels of 64 columns.
namespace host {
inline u32 address_of(u64 descriptor) { return static_cast<u32>(descriptor & 0x3fff) << 4; }

template <class T, int N, class RowOfA>
void product(float (&sums)[N][4], const RowOfA& a, u64 b, bool add, bool by_rows) {
  const unsigned lane = running->thread % 32;
  const u32 panel_bytes = static_cast<u32>(b >> 16 & 0x3fff) << 4;
  for (unsigned j = 0; j < N; ++j) {
    for (unsigned e = 0; e < 4; ++e) {
      const unsigned row = lane / 4 + 8 * (e / 2), n = 8 * j + lane % 4 * 2 + e % 2;
      float sum = add ? sums[j][e] : 0.f;
      for (unsigned k = 0; k < 16; ++k) {
        const u32 at = by_rows ? n / 64 * panel_bytes + 128 * k + n % 64 * 2 : 128 * n + 2 * k;
        sum += a(row, k) * to_float(T{*swizzled(address_of(b) + at)});
      }
      sums[j][e] = sum;
    }
  }
}
}  // namespace host

template <class T, int N>
void host_product(float (&sums)[N][4], const unsigned (&a)[4], u64 b, bool add, bool by_rows) {
  const unsigned t = host::running->thread, warp = t / 32 * 32;
  for (int i = 0; i < 4; ++i) operand_a[t][i] = a[i];
  host::sync_warp();
  const auto element = [&](unsigned row, unsigned k) {
    const unsigned pair = operand_a[warp + row % 8 * 4 + k % 8 / 2][row / 8 + 2 * (k / 8)];
    return to_float(T{static_cast<unsigned short>(pair >> (16 * (k % 2)))});
  };
  host::product<T>(sums, element, b, add, by_rows);
  host::sync_warp();
}
template <class T, int N>
void host_product(float (&sums)[N][4], u64 a, u64 b, bool add, bool by_rows) {
  const unsigned first = host::running->thread % 128 / 32 * 16;
  const auto element = [&](unsigned row, unsigned k) {
    return to_float(T{*host::swizzled(host::address_of(a) + 128 * (first + row) + 2 * k)});
  };
  host::product<T>(sums, element, b, add, by_rows);
}
