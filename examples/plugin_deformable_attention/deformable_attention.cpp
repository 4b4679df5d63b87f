// SPDX-License-Identifier: Apache-2.0
// A plugin for Strop: multi-scale deformable attention, the operator at the heart of Deformable
// DETR (Zhu et al., 2021, equation 3), DINO and BEVFormer. MMDeploy exports it as
// mmdeploy::MMCVMultiScaleDeformableAttention, which no ONNX standard has.
//
//   value               f32[N, S, M, D]        all levels of a feature pyramid, one after the other
//   spatial_shapes      i32|i64[L, 2]          height and width of each level
//   level_start_index   i32|i64[L]             where each level begins on the axis S
//   sampling_locations  f32[N, Q, M, L, P, 2]  x and y, from 0 to 1 over the level
//   attention_weights   f32[N, Q, M, L, P]
//   output              f32[N, Q, M * D]
//
// output[n, q, m * D + d] is the sum over l and p of attention_weights[n, q, m, l, p] times
// value[n, level l, m, d] at pixel (x * width - 0.5, y * height - 0.5), interpolated bilinearly
// between the four pixels around it; pixels outside of the level are 0.
#include <strop/plugin.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace {

enum Input : std::size_t { kValue, kSpatialShapes, kLevelStart, kLocations, kWeights };

// ---- Shapes -------------------------------------------------------------------------------------

strop_status infer(const strop_plugin_host* host, strop_plugin_call* call) {
  const auto dim = [&](std::size_t input, std::int32_t axis) {
    return host->input_dim(call, input, axis);
  };
  const auto equal = [&](strop_dim a, strop_dim b, const char* what) {
    return host->dim_require_equal(call, a, b, what);
  };
  // The operands state their ranks, so every dimension below is there. Open ones stay open.
  const strop_dim batch =
      equal(equal(dim(kValue, 0), dim(kLocations, 0), "batches of value and sampling_locations"),
            dim(kWeights, 0), "batches of value and attention_weights");
  const strop_dim queries = equal(dim(kLocations, 1), dim(kWeights, 1),
                                  "queries of sampling_locations and attention_weights");
  const strop_dim heads =
      equal(equal(dim(kValue, 2), dim(kLocations, 2), "heads of value and sampling_locations"),
            dim(kWeights, 2), "heads of value and attention_weights");
  const strop_dim levels = equal(dim(kSpatialShapes, 0), dim(kLevelStart, 0),
                                 "levels of spatial_shapes and level_start_index");
  equal(levels, dim(kLocations, 3), "levels of spatial_shapes and sampling_locations");
  equal(levels, dim(kWeights, 3), "levels of spatial_shapes and attention_weights");
  equal(dim(kLocations, 4), dim(kWeights, 4), "points of sampling_locations and attention_weights");
  const strop_dim two = host->dim_constant(call, 2);
  equal(dim(kSpatialShapes, 1), two, "columns of spatial_shapes and a height and a width");
  equal(dim(kLocations, 5), two, "the last axis of sampling_locations and an x and a y");
  const strop_dim out[3] = {batch, queries, host->dim_mul(call, heads, dim(kValue, 3))};
  host->set_output(call, 0, STROP_F32, 3, out);
  return STROP_OK;
}

// ---- What both kernels share --------------------------------------------------------------------

struct Level {
  std::int64_t height = 0, width = 0;
  std::int64_t start = 0;  // on the axis S
};

struct Problem {
  const float* value = nullptr;      // [N, S, M, D]
  const float* locations = nullptr;  // [N, Q, M, L, P, 2]
  const float* weights = nullptr;    // [N, Q, M, L, P]
  float* output = nullptr;           // [N, Q, M, D]
  const Level* levels = nullptr;     // [L]
  std::int64_t batch = 0, length = 0, heads = 0, depth = 0, queries = 0, level_count = 0,
               points = 0;
};

std::int64_t integer_at(const strop_tensor& tensor, std::int64_t index) {
  return tensor.dtype == STROP_I64 ? static_cast<const std::int64_t*>(tensor.data)[index]
                                   : static_cast<const std::int32_t*>(tensor.data)[index];
}

// Sizes and starts of the levels are data of whoever runs the model: none may lead out of `value`.
strop_status read_levels(const strop_plugin_host* host, strop_plugin_call* call,
                         const Problem& problem, Level* levels) {
  strop_tensor shapes, starts;
  host->input(call, kSpatialShapes, &shapes);
  host->input(call, kLevelStart, &starts);
  for (std::int64_t l = 0; l < problem.level_count; ++l) {
    const Level level{integer_at(shapes, 2 * l), integer_at(shapes, 2 * l + 1),
                      integer_at(starts, l)};
    const bool fits =
        level.height >= 0 && level.width >= 0 && level.start >= 0 &&
        level.start <= problem.length &&
        (level.width == 0 || level.height <= (problem.length - level.start) / level.width);
    if (!fits) {
      return host->fail(
          call, STROP_BAD_VALUE,
          "a level of spatial_shapes does not fit into value at its level_start_index",
          "give the shapes that value was made of");
    }
    levels[l] = level;
  }
  return STROP_OK;
}

Problem read_problem(const strop_plugin_host* host, strop_plugin_call* call) {
  strop_tensor value, locations, weights, output;
  host->input(call, kValue, &value);
  host->input(call, kLocations, &locations);
  host->input(call, kWeights, &weights);
  host->output(call, 0, &output);
  Problem out;
  out.value = static_cast<const float*>(value.data);
  out.locations = static_cast<const float*>(locations.data);
  out.weights = static_cast<const float*>(weights.data);
  out.output = static_cast<float*>(output.data);
  out.batch = value.dims[0];
  out.length = value.dims[1];
  out.heads = value.dims[2];
  out.depth = value.dims[3];
  out.queries = locations.dims[1];
  out.level_count = locations.dims[3];
  out.points = locations.dims[4];
  return out;
}

// ---- The reference: one output element after the other ------------------------------------------

// value[n, level, m, d] at a pixel; 0 outside.
float pixel(const Problem& p, const Level& level, std::int64_t n, std::int64_t m, std::int64_t d,
            std::int64_t row, std::int64_t column) {
  if (row < 0 || column < 0 || row >= level.height || column >= level.width) return 0;
  const std::int64_t s = level.start + row * level.width + column;
  return p.value[((n * p.length + s) * p.heads + m) * p.depth + d];
}

float output_element(const Problem& p, std::int64_t n, std::int64_t q, std::int64_t m,
                     std::int64_t d) {
  float sum = 0;
  for (std::int64_t l = 0; l < p.level_count; ++l) {
    const Level& level = p.levels[l];
    for (std::int64_t i = 0; i < p.points; ++i) {
      const std::int64_t at =
          (((n * p.queries + q) * p.heads + m) * p.level_count + l) * p.points + i;
      const float x = p.locations[2 * at] * static_cast<float>(level.width) - 0.5f;
      const float y = p.locations[2 * at + 1] * static_cast<float>(level.height) - 0.5f;
      // Beyond these no pixel is near; neither is it from NaN.
      if (!(x > -1 && y > -1 && x < static_cast<float>(level.width) &&
            y < static_cast<float>(level.height)))
        continue;
      const auto left = static_cast<std::int64_t>(std::floor(x));
      const auto top = static_cast<std::int64_t>(std::floor(y));
      const float fx = x - static_cast<float>(left);
      const float fy = y - static_cast<float>(top);
      const float near_top = (1 - fx) * pixel(p, level, n, m, d, top, left) +
                             fx * pixel(p, level, n, m, d, top, left + 1);
      const float near_bottom = (1 - fx) * pixel(p, level, n, m, d, top + 1, left) +
                                fx * pixel(p, level, n, m, d, top + 1, left + 1);
      sum += p.weights[at] * ((1 - fy) * near_top + fy * near_bottom);
    }
  }
  return sum;
}

strop_status reference(const strop_plugin_host* host, strop_plugin_call* call) {
  Problem problem = read_problem(host, call);
  const std::unique_ptr<Level[]> levels(new (std::nothrow)
                                            Level[static_cast<std::size_t>(problem.level_count)]);
  if (!levels)
    return host->fail(call, STROP_OUT_OF_MEMORY, "no memory for the sizes of the levels", nullptr);
  problem.levels = levels.get();
  if (const strop_status status = read_levels(host, call, problem, levels.get())) return status;
  host->parallel_for(
      call, problem.batch * problem.queries, 1,
      [](void* user, std::int64_t begin, std::int64_t end) {
        const Problem& p = *static_cast<const Problem*>(user);
        float* out = p.output + begin * p.heads * p.depth;
        for (std::int64_t nq = begin; nq < end; ++nq) {
          for (std::int64_t m = 0; m < p.heads; ++m) {
            for (std::int64_t d = 0; d < p.depth; ++d)
              *out++ = output_element(p, nq / p.queries, nq % p.queries, m, d);
          }
        }
      },
      &problem);
  return STROP_OK;
}

// ---- For speed: the channels of one head lie side by side ---------------------------------------

#define ALWAYS_INLINE inline __attribute__((always_inline))

// Adds `weight` times the channels of one pixel.
ALWAYS_INLINE void add_pixel(float* __restrict out, const float* __restrict channels, float weight,
                             std::int64_t depth) {
  for (std::int64_t d = 0; d < depth; ++d) out[d] += weight * channels[d];
}

// All channels of one query and head.
ALWAYS_INLINE void attend(const Problem& p, std::int64_t n, std::int64_t q, std::int64_t m) {
  const std::int64_t head = (n * p.queries + q) * p.heads + m;
  float* out = p.output + head * p.depth;
  for (std::int64_t d = 0; d < p.depth; ++d) out[d] = 0;
  const std::int64_t step = p.heads * p.depth;  // from one pixel to the next
  for (std::int64_t l = 0; l < p.level_count; ++l) {
    const Level level = p.levels[l];
    const float* map = p.value + ((n * p.length + level.start) * p.heads + m) * p.depth;
    const float* at = p.locations + (head * p.level_count + l) * p.points * 2;
    const float* weights = p.weights + (head * p.level_count + l) * p.points;
    for (std::int64_t i = 0; i < p.points; ++i) {
      const float x = at[2 * i] * static_cast<float>(level.width) - 0.5f;
      const float y = at[2 * i + 1] * static_cast<float>(level.height) - 0.5f;
      if (!(x > -1 && y > -1 && x < static_cast<float>(level.width) &&
            y < static_cast<float>(level.height)))
        continue;
      const auto left = static_cast<std::int64_t>(std::floor(x));
      const auto top = static_cast<std::int64_t>(std::floor(y));
      const float fx = x - static_cast<float>(left);
      const float fy = y - static_cast<float>(top);
      const float w = weights[i];
      const bool has_left = left >= 0, has_right = left + 1 < level.width;
      std::int64_t pixel = (top * level.width + left) * step;
      if (top >= 0) {
        if (has_left) add_pixel(out, map + pixel, w * (1 - fy) * (1 - fx), p.depth);
        if (has_right) add_pixel(out, map + pixel + step, w * (1 - fy) * fx, p.depth);
      }
      pixel += level.width * step;
      if (top + 1 < level.height) {
        if (has_left) add_pixel(out, map + pixel, w * fy * (1 - fx), p.depth);
        if (has_right) add_pixel(out, map + pixel + step, w * fy * fx, p.depth);
      }
    }
  }
}

void attend_range(void* user, std::int64_t begin, std::int64_t end) {
  const Problem& p = *static_cast<const Problem*>(user);
  for (std::int64_t i = begin; i < end; ++i)
    attend(p, i / p.heads / p.queries, i / p.heads % p.queries, i % p.heads);
}

using Range = void (*)(void* user, std::int64_t begin, std::int64_t end);

strop_status run_with(const strop_plugin_host* host, strop_plugin_call* call, void* workspace,
                      Range range) {
  Problem problem = read_problem(host, call);
  auto* levels = static_cast<Level*>(workspace);
  problem.levels = levels;
  if (const strop_status status = read_levels(host, call, problem, levels)) return status;
  // Some ten thousand multiply-adds a range, so that handing it over costs little.
  const std::int64_t work = problem.level_count * problem.points * 4 * problem.depth + 1;
  host->parallel_for(call, problem.batch * problem.queries * problem.heads, 1 + 10000 / work, range,
                     &problem);
  return STROP_OK;
}

strop_status prepare(const strop_plugin_host* host, strop_plugin_call* call, void**,
                     std::uint64_t* workspace_bytes) {
  strop_tensor starts;
  host->input(call, kLevelStart, &starts);
  *workspace_bytes = static_cast<std::uint64_t>(starts.dims[0]) * sizeof(Level);
  return STROP_OK;
}

strop_status run_rows(const strop_plugin_host* host, strop_plugin_call* call, void*,
                      void* workspace) {
  return run_with(host, call, workspace, attend_range);
}

// On Windows GCC does not align the stack for vectors of 32 bytes.
#if defined(__x86_64__) && !defined(_WIN32)
#define HAS_AVX2_KERNEL

// The same source for a processor with AVX2; the compiler makes vectors of eight of it.
__attribute__((target("avx2"))) void attend_range_avx2(void* user, std::int64_t begin,
                                                       std::int64_t end) {
  const Problem& p = *static_cast<const Problem*>(user);
  for (std::int64_t i = begin; i < end; ++i)
    attend(p, i / p.heads / p.queries, i / p.heads % p.queries, i % p.heads);
}

strop_status accepts_avx2(const strop_plugin_host* host, strop_plugin_call* call) {
  std::int64_t depth = 0;
  if (host->dim_value(call, host->input_dim(call, kValue, 3), &depth) == 0 || depth < 8) {
    return host->fail(call, STROP_NO_IMPLEMENTATION,
                      "a head is not known to have 8 channels or more", nullptr);
  }
  return STROP_OK;
}

strop_status run_avx2(const strop_plugin_host* host, strop_plugin_call* call, void*,
                      void* workspace) {
  return run_with(host, call, workspace, attend_range_avx2);
}
#endif

// ---- The description ----------------------------------------------------------------------------

strop_plugin_operand operand(const char* name, std::uint64_t types, std::uint32_t rank,
                             char same_type_as, std::uint32_t flags = 0) {
  strop_plugin_operand out{};
  out.struct_size = sizeof out;
  out.name = name;
  out.types = types;
  out.rank = rank;
  out.same_type_as = same_type_as;
  out.flags = flags;
  return out;
}

struct Description {
  strop_plugin_attribute attributes[1]{};
  strop_plugin_operand inputs[5]{};
  strop_plugin_operand outputs[1]{};
  strop_plugin_kernel kernels[2]{};
  strop_plugin_operator operators[1]{};
  strop_plugin plugin{};

  Description() {
    attributes[0].struct_size = sizeof attributes[0];
    attributes[0].name = "im2col_step";
    attributes[0].doc =
        "how many pictures the CUDA kernel of MMCV takes at once; changes nothing here";
    attributes[0].kind = STROP_ATTRIBUTE_INT;
    attributes[0].flags = STROP_ATTRIBUTE_BOUNDED;
    attributes[0].minimum = 1;
    attributes[0].maximum = 1e9;
    attributes[0].int_default = 64;

    const std::uint64_t f32 = STROP_TYPE(STROP_F32);
    inputs[kValue] = operand("value", f32, 4, 'T');
    inputs[kSpatialShapes] = operand("spatial_shapes", STROP_TYPES_INDEX, 2, 'I');
    inputs[kLevelStart] = operand("level_start_index", STROP_TYPES_INDEX, 1, 'I');
    inputs[kLocations] = operand("sampling_locations", f32, 6, 'T');
    inputs[kWeights] = operand("attention_weights", f32, 5, 'T');
    outputs[0] = operand("output", f32, 3, 'T');

    std::size_t kernel_count = 0;
    const auto add_kernel = [&](const char* name, const char* instruction_sets, auto accepts,
                                auto run) {
      strop_plugin_kernel& kernel = kernels[kernel_count++];
      kernel.struct_size = sizeof kernel;
      kernel.name = name;
      kernel.instruction_sets = instruction_sets;
      kernel.accepts = accepts;
      kernel.prepare = prepare;
      kernel.run = run;
    };
#if defined(HAS_AVX2_KERNEL)
    add_kernel("rows_avx2", "avx2", accepts_avx2, run_avx2);
#endif
    add_kernel("rows", nullptr, nullptr, run_rows);

    strop_plugin_operator& op = operators[0];
    op.struct_size = sizeof op;
    op.domain = "mmdeploy";
    op.name = "MMCVMultiScaleDeformableAttention";
    op.since_version = 1;
    op.doc =
        "for each query and head, the weighted sum of values at sampling locations on several "
        "levels";
    op.attributes = attributes;
    op.attribute_count = 1;
    op.inputs = inputs;
    op.input_count = 5;
    op.outputs = outputs;
    op.output_count = 1;
    op.infer = infer;
    op.reference = reference;
    op.kernels = kernels;
    op.kernel_count = kernel_count;

    plugin.struct_size = sizeof plugin;
    plugin.api_version = STROP_PLUGIN_API_VERSION;
    plugin.version_major = 1;
    plugin.version_minor = 0;
    plugin.name = "deformable_attention";
    plugin.doc = "multi-scale deformable attention as MMDeploy exports it";
    plugin.operators = operators;
    plugin.operator_count = 1;
  }
};

}  // namespace

const strop_plugin* strop_plugin_entry(std::uint32_t) {
  static const Description description;
  return &description.plugin;
}
