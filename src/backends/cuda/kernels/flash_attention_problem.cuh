// SPDX-License-Identifier: Apache-2.0
// What kernels of attention are given, and which keys a query sees. Included as text after
// elements.cuh and these:
//
//   using Element, Bias, Length, Start, Sink; enum BiasKind kBias;
//   constexpr int kLeft, kRight (negative: no limit), kTileRows;
//   constexpr bool kBiasRows (the bias differs between queries), kHasLengths, kHasStart, kHasSink;
//   constexpr float kScale, kSoftcap (0: none);
//   constexpr bool kZeroNan (a query whose weights are no numbers gives zeros);
//
// Elements (b, h, l, d) of an operand lie at b * batch + h * head + l * row + d.

struct Strides {
  long long batch, head, row;
};

struct Problem {
  const Element *q, *k, *v;
  Element* y;
  const Bias* bias;
  const Length* lengths;
  const Start* start;
  const Sink* sink;
  int heads, group;  // so many neighbouring heads of q share one of k and v
  int queries, keys;
  int lengths_count, start_count;
  int bias_sizes[4];
  Strides q_strides, k_strides, v_strides, y_strides;
};

#define PROBLEM_PARAMETERS                                                                        \
  const Element *__restrict__ q, const Element *__restrict__ k, const Element *__restrict__ v,    \
      Element *__restrict__ y, const Bias *__restrict__ bias, const Length *__restrict__ lengths, \
      const Start *__restrict__ start, const Sink *__restrict__ sink, int heads, int group,       \
      int queries, int keys, int lengths_count, int start_count, int bias0, int bias1, int bias2, \
      int bias3, long long q_batch, long long q_head, long long q_row, long long k_batch,         \
      long long k_head, long long k_row, long long v_batch, long long v_head, long long v_row,    \
      long long y_batch, long long y_head, long long y_row
#define PROBLEM                                                                         \
  Problem {                                                                             \
    q, k, v, y, bias, lengths, start, sink, heads, group, queries, keys, lengths_count, \
        start_count, {bias0, bias1, bias2, bias3}, {q_batch, q_head, q_row},            \
        {k_batch, k_head, k_row}, {v_batch, v_head, v_row}, {                           \
      y_batch, y_head, y_row                                                            \
    }                                                                                   \
  }

#define HIDDEN __int_as_float(static_cast<int>(0xff800000u))  // the score of a key that is not seen

// A weighted sum of values over the sum of the weights.
__device__ __forceinline__ float divided(float values, float factor, float weights) {
  return kZeroNan && weights != weights ? 0.f : values * factor;
}

__device__ __forceinline__ int clamp_to(long long x, int low, int high) {
  return static_cast<int>(x < low ? low : x > high ? high : x);
}

// The rows of one head that a block computes, and the keys that are there for them.
struct Block {
  int batch, head, row;
  int end;       // number of keys
  int position;  // of query 0 among the keys

  // Of a row: sees key i when first <= i < end.
  __device__ __forceinline__ bool sees(int query, int key) const {
    bool out = key < end;
    if (kLeft >= 0) out = out && key >= position + query - kLeft;
    if (kRight >= 0) out = out && key <= position + query + kRight;
    return out;
  }
  // Whether queries [first, last] see all keys [key, key + count).
  __device__ __forceinline__ bool all_seen(int first, int last, int key, int count) const {
    bool out = key + count <= end;
    if (kLeft >= 0) out = out && key >= position + last - kLeft;
    if (kRight >= 0) out = out && key + count - 1 <= position + first + kRight;
    return out;
  }
  // The keys that some of the block's queries see lie in [first_key, end_key).
  __device__ __forceinline__ int first_key() const {
    return kLeft >= 0 ? clamp_to(position + row - kLeft, 0, end) : 0;
  }
  __device__ __forceinline__ int end_key() const {
    return kRight >= 0 ? clamp_to(position + row + kTileRows + kRight, 0, end) : end;
  }
};

__device__ __forceinline__ Block block_of(const Problem& p, unsigned tile) {
  const unsigned tiles = static_cast<unsigned>((p.queries + kTileRows - 1) / kTileRows);
  Block out;
  // The last rows first: where queries see the keys before them, those have most to do.
  out.row = static_cast<int>(tiles - 1 - tile % tiles) * kTileRows;
  tile /= tiles;
  out.head = static_cast<int>(tile % p.heads);
  out.batch = static_cast<int>(tile / p.heads);
  out.end = p.keys;
  out.position = 0;
  if (kHasLengths) out.end = clamp_to(p.lengths[p.lengths_count == 1 ? 0 : out.batch], 0, p.keys);
  if (kHasStart)
    out.position = clamp_to(p.start[p.start_count == 1 ? 0 : out.batch], -p.queries, p.keys);
  return out;
}

__device__ __forceinline__ long long offset_of(const Strides& strides, int batch, int head) {
  return batch * strides.batch + head * strides.head;
}

// Where the bias of a head lies, and how far apart its rows and its keys are.
struct BiasOfHead {
  const Bias* data;
  long long row;
  int key;
};
__device__ __forceinline__ BiasOfHead bias_of(const Problem& p, const Block& block) {
  const auto& size = p.bias_sizes;
  const long long matrix = static_cast<long long>(size[2]) * size[3];
  BiasOfHead out{p.bias, size[2] == 1 ? 0 : size[3], size[3] == 1 ? 0 : 1};
  if (size[1] != 1) out.data += block.head * matrix;
  if (size[0] != 1) out.data += block.batch * (size[1] * matrix);
  return out;
}
