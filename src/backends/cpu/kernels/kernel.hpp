// SPDX-License-Identifier: Apache-2.0
// A kernel of the CPU backend and the table it is found in. Each <name>_kernel.cpp registers its
// own:
//
//   void register_transpose_kernel(KernelTable& table) { table.add("transpose",
//   make<TransposeKernel>); }
//
// A kernel is made once per step and context, prepared for each set of shapes, and run by one
// thread at a time. What it throws reaches the user as an Error.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/cpu/parameters.hpp"
#include "base/dtype.hpp"
#include "base/error.hpp"
#include "base/shape.hpp"
#include "base/tensor.hpp"

namespace strop::cpu {

// A contiguous tensor that somebody else owns. dtype is undefined for an absent input.
struct View {
  DType dtype = DType::undefined;
  std::span<const std::int64_t> dims;
  void* data = nullptr;  // null in prepare, except for constants
  std::uint64_t bytes = 0;

  bool present() const { return dtype != DType::undefined; }
  std::int64_t size() const {
    std::int64_t count = 1;
    for (const std::int64_t dim : dims) {
      if (dim == 0) return 0;
    }
    for (const std::int64_t dim : dims) count *= dim;  // the runtime has checked that this fits
    return count;
  }
  Shape shape() const { return {dims.begin(), dims.end()}; }
  template <class T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

// Everything that a kernel is told comes from an engine file, and may be anything:
// Error(engine_invalid) unless `holds`.
inline void require(bool holds, const char* kernel, const char* why) {
  if (!holds) throw Error(ErrorCode::engine_invalid, kernel, why, "build the engine again");
}

struct KernelInit {
  Parameters parameters;
  struct Operand {
    DType dtype = DType::undefined;
    const void* constant = nullptr;  // contents, where the input is a constant; outlives the kernel
    Shape constant_shape;
  };
  std::vector<Operand> inputs;
  std::vector<Operand> outputs;
};

// A constant of a step in the form that its kernel reads on this processor.
struct PackedConstant {
  std::size_t input = 0;   // of the step
  std::string parameters;  // to be added to the step's
  Tensor form;
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // For the builder, before prepare: a form to be kept in the engine instead of the plain constant.
  // A kernel made from it gives the same results, on every processor; on this one it uses the form
  // where it lies. Nothing: the kernel packs nothing, or the engine holds the form already.
  virtual std::optional<PackedConstant> pack_constant() const { return std::nullopt; }
  // Returns the bytes of workspace that run needs. Views have no data but for constants.
  virtual std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                                int threads) = 0;
  // Allocates nothing. `workspace` is 64-byte aligned.
  virtual void run(std::span<const View> inputs, std::span<const View> outputs,
                   void* workspace) = 0;
};

using KernelFactory = std::unique_ptr<Kernel> (*)(const KernelInit&);

template <class K>
std::unique_ptr<Kernel> make(const KernelInit& init) {
  return std::make_unique<K>(init);
}

class KernelTable {
 public:
  void add(std::string_view name, KernelFactory factory) { factories_.emplace(name, factory); }
  KernelFactory find(std::string_view name) const {
    const auto it = factories_.find(std::string(name));
    return it == factories_.end() ? nullptr : it->second;
  }

 private:
  std::map<std::string, KernelFactory> factories_;
};

// Generated from the file names of this folder.
void register_all_kernels(KernelTable& table);

}  // namespace strop::cpu
