// SPDX-License-Identifier: Apache-2.0
// Numbers from f32 to bf16, rounded to nearest even, or back, as the tensor lies in memory.
#include "backends/cpu/kernels/narrow_operands.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel cast";

class CastKernel final : public Kernel {
 public:
  explicit CastKernel(const KernelInit& init) : tiles_(tile_set_bf16()) {
    require(init.inputs.size() == 1 && init.outputs.size() == 1, kWhat,
            "it has one input and one output");
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    const DType from = inputs[0].dtype, to = outputs[0].dtype;
    require(
        ((from == DType::f32 && to == DType::bf16) || (from == DType::bf16 && to == DType::f32)) &&
            inputs[0].size() == outputs[0].size(),
        kWhat, "its types or shapes do not fit");
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const View &x = inputs[0], &y = outputs[0];
    if (y.dtype == DType::bf16) {
      narrow_all(tiles_, x.as<const float>(), y.as<std::uint16_t>(), x.size());
      return;
    }
    parallel_for(x.size(), kNarrowGrain, [&](std::int64_t begin, std::int64_t end) {
      tiles_.widen(y.as<float>() + begin, x.as<const std::uint16_t>() + begin, end - begin);
    });
  }

 private:
  const TileSetBf16& tiles_;
};

}  // namespace

void register_cast_kernel(KernelTable& table) { table.add("cast", make<CastKernel>); }

}  // namespace strop::cpu
