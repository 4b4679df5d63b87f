// SPDX-License-Identifier: Apache-2.0
// Runs an engine: inputs bound by name and checked, outputs by name. Used by one thread at a time;
// several contexts share an engine. Once a shape is prepared, bind by reference and run allocate
// nothing, lock nothing and log nothing, unless the engine has boxed or data-dependent values.
// Everything throws Error.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.hpp"
#include "runtime/context_options.hpp"
#include "runtime/engine.hpp"
#include "runtime/plan_runner.hpp"

namespace strop {

enum class BindMode : std::uint8_t {
  copy,       // the data is copied by bind
  reference,  // the data is read by every run until something else is bound
  device,     // as reference; the data is in the memory of the device that the engine is for
};

struct NamedShape {
  std::string name;
  Shape shape;
};

// What a step of the main plan took. Steps with nested plans include them.
struct StepProfile {
  const Step* step = nullptr;
  StepTime time;
};

class Context {
 public:
  explicit Context(std::shared_ptr<const Engine> engine, const ContextOptions& options = {});
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  const Engine& engine() const { return *engine_; }

  // Throws Error(unknown_name, input_type, input_rank, input_shape, input_bytes, bad_argument);
  // what was bound before stays bound then. NaN and infinities are data like any other.
  void bind(std::string_view name, DType dtype, std::span<const std::int64_t> dims,
            const void* data, std::uint64_t bytes, BindMode mode);
  // Shares the tensor's storage. String tensors are copied.
  void bind(std::string_view name, const Tensor& tensor);
  void bind_strings(std::string_view name, std::span<const std::int64_t> dims,
                    std::span<const std::string_view> strings);
  // A copy of a boxed value of libstrop_ops: a string tensor, sequence, optional or map.
  void bind_boxed(std::string_view name, const void* boxed);

  // The output is written to `data`, which must not overlap inputs or other outputs; null ends
  // that. A run whose output takes more than `bytes` fails with Error(bad_argument). Throws
  // Error(unknown_name), Error(bad_argument) for outputs that are no plain tensors.
  // `on_device`: the memory is that of the device that the engine is for.
  void bind_output(std::string_view name, void* data, std::uint64_t bytes, bool on_device = false);

  // Plans and prepares for these shapes, so that the first run with them does not have to. Inputs
  // that are not named have the shape of what is bound to them. Throws as bind and run.
  void prepare(std::span<const NamedShape> shapes);
  // Throws Error(missing_input), what the shapes contradict (input_shape, bad_shape), what the data
  // or the limits forbid (bad_value, limit_exceeded), naming step and operator.
  void run();
  // As run, but returns when all work is ordered: the device may still be at it, in `stream` (a
  // CUstream; null: the context's own). Inputs stay as they are, and outputs are not read, until
  // synchronize has waited for it, or that stream. Engines without a device have run when it
  // returns.
  void run_async(void* stream = nullptr);
  void synchronize();
  // Nanoseconds that the device takes for its steps with what is bound now, again and again without
  // copies: `launches` in a row for each of `samples`. Throws Error(bad_argument) for an engine
  // that is for no device.
  std::vector<double> time_on_device(int launches, int samples);

  // Of the last successful run; valid until the next run or the end of the context. Throws
  // Error(unknown_name), and Error(bad_argument) without such a run.
  const StropAbiValue& output(std::string_view name) const;
  const StropAbiValue& output(std::size_t index) const;
  // A view, of a plain tensor.
  Tensor output_tensor(std::string_view name) const;

  // Empty unless the options ask for it.
  std::vector<StepProfile> profile() const;
  // Largest number of bytes held so far: planned, dynamic and working memory.
  std::int64_t peak_memory_bytes() const { return session_.memory.peak; }
  // The same in the memory of the device.
  std::int64_t peak_device_memory_bytes() const;
  // The functions that look into boxed outputs.
  const StropBackendTable& boxes() { return session_.boxes(); }

 private:
  struct Input {
    explicit Input(MemoryBudget& budget) : copy(budget) {}
    bool bound = false;
    StropAbiValue value{};
    Shape shape;           // behind value.dims
    Shape prepared_shape;  // given to prepare
    bool on_device = false;
    MemoryBlock copy;
    Tensor tensor;  // shared
    void* boxed = nullptr;
  };
  struct Output {
    void* memory = nullptr;
    std::int64_t bytes = 0;
    bool on_device = false;
    StropAbiValue value{};
  };
  void take(std::size_t index, void* boxed);
  void finish_outputs();
  void require_device(const std::string& what) const;

  std::shared_ptr<const Engine> engine_;
  RunSession session_;
  std::vector<std::unique_ptr<Input>> inputs_;
  std::vector<Output> outputs_;
  PlanRunner runner_;
  bool has_outputs_ = false;
};

}  // namespace strop
