// SPDX-License-Identifier: Apache-2.0
// The CPU backend behind the C boundary of plan/backend_abi.h. No exception leaves this file.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "backends/cpu/kernels/backend.hpp"
#include "backends/cpu/kernels/kernel.hpp"
#include "backends/cpu/onednn_library.hpp"
#include "base/os/cpu_features.hpp"
#include "base/parallel.hpp"
#include "plan/backend_abi.h"

namespace strop::cpu {
namespace {

struct Instance {
  std::unique_ptr<Kernel> kernel;
  std::vector<View> inputs;  // reused by every run, so that running allocates nothing
  std::vector<View> outputs;
  std::optional<PackedConstant> packed;  // what pack has handed out
};

char* copy_text(const std::string& text) {
  char* out = static_cast<char*>(std::malloc(text.size() + 1));
  if (out != nullptr) std::memcpy(out, text.c_str(), text.size() + 1);
  return out;
}

int32_t report(StropAbiError* error, ErrorCode code, const std::string& what,
               const std::string& why, const std::string& hint) {
  if (error != nullptr) {
    error->code = static_cast<int32_t>(code);
    error->what = copy_text(what);
    error->why = copy_text(why);
    error->hint = copy_text(hint);
  }
  return static_cast<int32_t>(code);
}

template <class F>
int32_t guarded(StropAbiError* error, F&& body) {
  try {
    body();
    return 0;
  } catch (const Error& e) {
    const Diagnostic& first = e.diagnostics().front();
    return report(error, first.code, first.what, first.why, first.hint);
  } catch (const std::bad_alloc&) {
    return report(error, ErrorCode::out_of_memory, "no memory for a kernel of the cpu backend", {},
                  {});
  } catch (const std::exception& e) {
    return report(error, ErrorCode::internal, "a kernel of the cpu backend failed", e.what(), {});
  } catch (...) {
    return report(error, ErrorCode::internal, "a kernel of the cpu backend failed", {}, {});
  }
}

const KernelTable& kernels() {
  static const KernelTable table = [] {
    KernelTable out;
    register_all_kernels(out);
    return out;
  }();
  return table;
}

View view_of(const StropAbiValue& value) {
  View view;
  if (value.dtype == 0 && value.boxed == nullptr) return view;
  // Kernels of this backend are chosen for planned tensors; an engine that says otherwise is wrong.
  const bool known =
      value.rank != STROP_ABI_UNKNOWN_RANK &&
      std::all_of(value.dims, value.dims + value.rank, [](std::int64_t dim) { return dim >= 0; });
  if (value.boxed != nullptr || value.dtype == static_cast<std::uint32_t>(DType::string) ||
      !known) {
    throw Error(ErrorCode::engine_invalid, "a kernel of the cpu backend",
                "it is given a value that is no tensor of known shape", "build the engine again");
  }
  view.dtype = static_cast<DType>(value.dtype);
  view.dims = {value.dims, value.rank};
  view.data = value.data;
  view.bytes = value.bytes;
  return view;
}

void set_views(std::vector<View>& views, const StropAbiValue* values) {
  for (std::size_t i = 0; i < views.size(); ++i) views[i] = view_of(values[i]);
}

// In run everything has memory; an output of dynamic shape, which has none, is not for these
// kernels.
void require_memory(const std::vector<View>& views) {
  for (const View& view : views) {
    require(!view.present() || view.data != nullptr, "a kernel of the cpu backend",
            "an operand has no memory");
  }
}

int32_t create(const StropAbiStep* step, void** out, StropAbiError* error) {
  return guarded(error, [&] {
    const KernelFactory factory = kernels().find(step->kernel);
    if (factory == nullptr) {
      throw Error(ErrorCode::library_mismatch,
                  "the cpu backend has no kernel " + std::string(step->kernel),
                  "the engine was built by another version of Strop, or libstrop_cpu was built "
                  "without a library",
                  "rebuild the engine with this version");
    }
    require(step->output_count > 0 && step->input_count > 0, "a kernel of the cpu backend",
            "the step has no inputs or no outputs");
    KernelInit init;
    init.parameters = Parameters({step->parameters, step->parameters_size});
    for (std::uint32_t i = 0; i < step->input_count; ++i) {
      KernelInit::Operand& operand = init.inputs.emplace_back();
      operand.dtype = static_cast<DType>(step->inputs[i].dtype);
      if (step->input_constant[i] == 0) continue;
      operand.constant = step->inputs[i].data;
      operand.constant_shape.assign(step->inputs[i].dims,
                                    step->inputs[i].dims + step->inputs[i].rank);
    }
    for (std::uint32_t i = 0; i < step->output_count; ++i) {
      init.outputs.emplace_back().dtype = static_cast<DType>(step->outputs[i].dtype);
    }
    auto instance = std::make_unique<Instance>();
    instance->kernel = factory(init);
    instance->inputs.resize(step->input_count);
    instance->outputs.resize(step->output_count);
    *out = instance.release();
  });
}

int32_t prepare(void* handle, const StropAbiValue* inputs, const StropAbiValue* outputs,
                int32_t thread_count, uint64_t* workspace_bytes, StropAbiError* error) {
  return guarded(error, [&] {
    auto& instance = *static_cast<Instance*>(handle);
    set_views(instance.inputs, inputs);
    set_views(instance.outputs, outputs);
    *workspace_bytes = instance.kernel->prepare(instance.inputs, instance.outputs, thread_count);
  });
}

int32_t run(void* handle, const StropAbiValue* inputs, StropAbiValue* outputs,
            const StropAbiRun* run, StropAbiError* error) {
  return guarded(error, [&] {
    auto& instance = *static_cast<Instance*>(handle);
    set_views(instance.inputs, inputs);
    set_views(instance.outputs, outputs);
    require_memory(instance.inputs);
    require_memory(instance.outputs);
    // Nothing to compute; kernels need not think of it.
    bool empty = !instance.outputs.empty();
    for (const View& output : instance.outputs) empty = empty && output.bytes == 0;
    if (empty) return;
    set_thread_count(run->thread_count);
    instance.kernel->run(instance.inputs, instance.outputs, run->workspace);
  });
}

int32_t pack(void* handle, StropAbiPacked* out, StropAbiError* error) {
  return guarded(error, [&] {
    auto& instance = *static_cast<Instance*>(handle);
    *out = {};
    out->input = STROP_ABI_NOTHING_PACKED;
    instance.packed = instance.kernel->pack_constant();
    if (!instance.packed) return;
    const PackedConstant& packed = *instance.packed;
    out->input = static_cast<std::uint32_t>(packed.input);
    out->parameters = packed.parameters.c_str();
    out->form.dtype = static_cast<std::uint32_t>(packed.form.dtype());
    out->form.rank = static_cast<std::uint32_t>(packed.form.rank());
    out->form.dims = packed.form.shape().data();
    out->form.data = const_cast<std::byte*>(packed.form.data());
    out->form.bytes = static_cast<std::uint64_t>(packed.form.bytes());
  });
}

void destroy(void* handle) { delete static_cast<Instance*>(handle); }

void free_error(StropAbiError* error) {
  if (error == nullptr) return;
  std::free(error->what);
  std::free(error->why);
  std::free(error->hint);
  *error = {};
}

const char* description() {
  static const std::string text =
      os::instruction_sets(os::cpu_features()) + "; " + onednn_description();
  return text.c_str();
}

}  // namespace

const StropBackendTable* backend_table() {
  static const StropBackendTable table = [] {
    StropBackendTable out{};
    out.abi_version = STROP_BACKEND_ABI_VERSION;
    out.struct_size = sizeof(StropBackendTable);
    out.name = "cpu";
    out.version = STROP_VERSION;
    out.description = description;
    out.create = create;
    out.prepare = prepare;
    out.run = run;
    out.destroy = destroy;
    out.free_error = free_error;
    out.pack = pack;
    return out;
  }();
  return &table;
}

}  // namespace strop::cpu
