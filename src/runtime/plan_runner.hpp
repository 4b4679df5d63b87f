// SPDX-License-Identifier: Apache-2.0
// Interprets a plan: sizes and memory for the shapes at hand (kept per shape), then step after
// step. Nested plans run in runners of their own under the same session. Throws Error; used by one
// thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/dim.hpp"
#include "plan/backend_abi.h"
#include "runtime/context_options.hpp"
#include "runtime/device_session.hpp"
#include "runtime/memory.hpp"
#include "runtime/plan_layout.hpp"
#include "runtime/step_instance.hpp"

namespace strop {

// What a plan and the plans nested in it share.
struct RunSession {
  explicit RunSession(const ContextOptions& the_options);
  // Of the library that owns boxed values; opened when first needed.
  const StropBackendTable& boxes();
  // Of the backend whose memory the plans name as theirs; opened when first needed.
  DeviceSession& device(const std::string& backend);

  ContextOptions options;
  int threads = 1;
  MemoryBudget memory;
  MemoryBlock workspace{memory};
  std::int64_t deadline_ns = 0;                   // 0: none
  std::int64_t iterations = 0;                    // of loops, in this run
  std::unique_ptr<DeviceSession> open_device;     // null as long as no plan needs it
  std::unique_ptr<DeviceBlock> device_workspace;  // with it

 private:
  const StropBackendTable* boxes_ = nullptr;
};

struct StepTime {
  std::uint64_t runs = 0;
  std::int64_t total_ns = 0;
  std::int64_t last_ns = 0;
};

class PlanRunner {
 public:
  // `layout` outlives the runner.
  PlanRunner(const PlanLayout& layout, RunSession& session, std::size_t prepared_limit);
  ~PlanRunner();
  PlanRunner(const PlanRunner&) = delete;
  PlanRunner& operator=(const PlanRunner&) = delete;

  const Plan& plan() const { return plan_; }
  // Input i by reference: dims and data (or boxed value) stay where they are until the runs are
  // over. Element type and kind must be the slot's; shapes are checked by prepare and run.
  // `on_device`: the data is in the memory of the plan's device, aligned to 256 bytes.
  void set_input(std::size_t i, const StropAbiValue& value, bool on_device = false);
  // The shape alone, for prepare.
  void set_input_shape(std::size_t i, const Shape& shape);
  // Makes the first segment ready for the shapes of the inputs (their data may still be null).
  void prepare();
  void run();
  // As run, but work on the device may go on after it: synchronize waits for it.
  void run_async();
  void synchronize();
  // Runs the steps on the device and no others, nor copies, and waits for them: of a plan that is
  // one segment, after prepare with these inputs.
  void run_device_steps();
  // Orders those `copies` times at once, `launches` times in a row, and returns how many
  // nanoseconds one of them took, for each of `samples`. After a run, or run_device_steps, with
  // these inputs.
  std::vector<double> time_device_steps(int copies, int launches, int samples);
  // Of the last run; memory of this runner, of an input, or of the engine.
  const StropAbiValue& output(std::size_t i) const { return values_[plan_.outputs[i]]; }
  // Computes output i in memory of the caller where that spares a copy: the output is planned
  // memory and the address aligned to 64 bytes. Otherwise, and with null, it stays where it is; the
  // caller compares addresses. The run fails with Error(bad_argument) when `bytes` is not enough.
  // `on_device`: the memory is the device's.
  void place_output(std::size_t i, void* memory, std::int64_t bytes, bool on_device = false);
  // One per step of the plan when profiling.
  std::span<const StepTime> times() const { return times_; }

 private:
  struct SizedSlot {
    Shape shape;
    std::int64_t bytes = 0;
    std::int64_t offset = -1;            // in the segment's arena; -1: not there
    std::vector<std::int64_t> elements;  // never empty for a slot made of sizes
  };
  // What the device does for a group of steps, once it was seen twice with the same addresses.
  struct CapturedGroup {
    std::uint64_t place = 0;  // of the addresses that were seen last
    void* graph = nullptr;
  };
  struct Prepared {
    std::vector<std::int64_t> key;
    std::vector<SizedSlot> sized;  // parallel to Segment::sized
    std::int64_t arena_bytes = 0;
    std::int64_t device_bytes = 0;      // of the arena on the device
    std::vector<CapturedGroup> groups;  // parallel to Segment::groups
    std::vector<StepInstance> steps;
    std::uint64_t last_used = 0;
  };
  struct SegmentState {
    std::vector<std::unique_ptr<Prepared>> cache;
    Prepared* current = nullptr;
    std::unique_ptr<MemoryBlock> arena;
    std::unique_ptr<DeviceBlock> device_arena;  // where the plan has a device
    bool placed = false;                        // values_ are those of `current`
  };

  // Preparing (plan_prepare.cpp).
  void ensure_prepared(std::size_t segment);
  void write_key(std::size_t segment);
  void bind_input_symbols();
  std::unique_ptr<Prepared> take_room(SegmentState& state);
  void size_slots(std::size_t segment, Prepared& prepared);
  void check_constraints(const Segment& segment) const;
  void plan_arena(const Segment& segment, Prepared& prepared) const;
  void place_bound_device_memory(const Segment& segment);
  void drop_graphs(Prepared& prepared) noexcept;
  void prepare_steps(std::size_t segment, Prepared& prepared);
  void place_slots(std::size_t segment);
  void bind_symbols_after(const Segment& segment);

  // Running (plan_runner.cpp).
  void run_step(const Step& step, StepInstance& instance);
  void run_kernel(const Step& step, StepInstance& instance);
  // Steps on the device (device_steps.cpp).
  bool has_device() const { return !plan_.device.empty(); }
  DeviceSession& device() { return session_.device(plan_.device); }
  bool lies_on_device(std::uint32_t slot) const;
  void fetch_inputs();
  void run_copy(const Step& step);
  void run_group(std::size_t segment, std::size_t group);
  void order_group(std::size_t segment, std::size_t group);
  void order_groups();
  std::uint64_t place_of(std::size_t segment, std::size_t group) const;
  void profile_group(std::size_t segment, std::size_t group);
  void add_time(const Step& step, std::int64_t nanoseconds);
  void gather(const Step& step);
  void throw_callback_error();
  void check_written(const Step& step) const;
  void check_deadline() const;
  void* allocate_output(const Step& step, std::uint32_t i, std::uint32_t dtype, std::uint32_t rank,
                        const std::int64_t* dims);
  void set_boxed(std::uint32_t slot, void* boxed);  // takes ownership
  void free_boxed(std::uint32_t slot);
  static void* on_allocate(void* user, std::uint32_t i, std::uint32_t dtype, std::uint32_t rank,
                           const std::int64_t* dims) noexcept;
  static void on_boxed(void* user, std::uint32_t i, void* boxed) noexcept;

  // Steps with nested plans (control_flow.cpp).
  void run_branch(const Step& step);
  void run_loop(const Step& step);
  void count_iterations(std::int64_t count);
  PlanRunner& child(const Step& step, std::size_t which);
  bool read_condition(const StropAbiValue& value, const char* what) const;
  // Copies a value (of a nested plan) into a slot; a boxed value that nobody else needs is moved.
  void store(const Step& step, std::uint32_t output, const StropAbiValue& value);
  struct Carried;
  class ScanOutput;
  void hand_over(std::size_t output, Carried& carried);

  const PlanLayout& layout_;
  const Plan& plan_;
  RunSession& session_;
  std::size_t prepared_limit_;
  std::vector<StropAbiValue> values_;                  // per slot
  std::vector<std::unique_ptr<MemoryBlock>> dynamic_;  // per slot; of dynamic ones
  std::vector<Shape> dynamic_shapes_;                  // per slot
  std::vector<std::uint64_t> written_;                 // per slot: number of the run that wrote it
  std::vector<bool> on_device_;  // per slot: an input whose data the device has
  // Per slot: an input on the device that the host reads too, and where it is fetched to.
  std::vector<const void*> fetched_from_;
  std::vector<std::unique_ptr<MemoryBlock>> fetched_;
  std::vector<std::shared_ptr<const DeviceMemory>> device_constants_;
  struct Place {
    void* memory = nullptr;
    std::int64_t bytes = 0;
    bool on_device = false;
    bool operator==(const Place&) const = default;
  };
  std::vector<Place> output_places_;  // per slot; null: planned memory
  std::vector<SegmentState> segments_;
  SymbolValues symbols_;
  const PlanRunner* parent_ = nullptr;
  std::vector<std::vector<std::unique_ptr<PlanRunner>>> children_;  // per step
  std::vector<StropAbiValue> arguments_, results_;                  // of the step that runs
  std::vector<std::int64_t> key_;
  std::uint64_t run_number_ = 0;
  const Step* step_ = nullptr;           // that runs
  std::optional<Error> callback_error_;  // what a callback could not throw
  std::vector<StepTime> times_;
};

}  // namespace strop
