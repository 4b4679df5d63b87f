// SPDX-License-Identifier: Apache-2.0
// Each byte replaced by its entry in a table of 256 bytes, the second input.
#include <algorithm>

#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/kernels/simd/table_bytes.hpp"
#include "base/parallel.hpp"

namespace strop::cpu {
namespace {

constexpr const char* kWhat = "kernel table_lookup";

class TableLookupKernel final : public Kernel {
 public:
  explicit TableLookupKernel(const KernelInit& init) {
    const auto bytes = [](DType dtype) { return dtype == DType::i8 || dtype == DType::u8; };
    require(init.inputs.size() == 2 && init.outputs.size() == 1 && bytes(init.inputs[0].dtype) &&
                bytes(init.inputs[1].dtype) && init.outputs[0].dtype == init.inputs[1].dtype,
            kWhat, "its operands do not fit");
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs, int) override {
    require(std::ranges::equal(inputs[0].dims, outputs[0].dims) && inputs[1].size() == 256, kWhat,
            "its shapes do not fit");
    return 0;
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void*) override {
    const auto* x = inputs[0].as<const std::uint8_t>();
    const auto* table = inputs[1].as<const std::uint8_t>();
    auto* y = outputs[0].as<std::uint8_t>();
    parallel_for(outputs[0].size(), 16384, [&](std::int64_t begin, std::int64_t end) {
      look_up_(y + begin, x + begin, table, end - begin);
    });
  }

 private:
  LookUp look_up_ = look_up_bytes();
};

}  // namespace

void register_table_lookup_kernel(KernelTable& table) {
  table.add("table_lookup", make<TableLookupKernel>);
}

}  // namespace strop::cpu
