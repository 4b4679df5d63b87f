// SPDX-License-Identifier: Apache-2.0
#include "runtime/step_instance.hpp"

#include <cstring>
#include <utility>
#include <vector>

#include "base/error.hpp"
#include "runtime/backend_loader.hpp"

namespace strop {

void throw_reported(const StropBackendTable& table, std::int32_t code, StropAbiError& error) {
  if (code == 0) return;
  const auto text = [](const char* s) { return std::string(s != nullptr ? s : ""); };
  Error out(static_cast<ErrorCode>(code), text(error.what), text(error.why), text(error.hint));
  table.free_error(&error);
  throw out;
}

std::string step_text(const Plan& plan, const Step& step) {
  std::string out = "step " + std::to_string(&step - plan.steps.data());
  if (!step.name.empty()) out += " " + step.name;
  out += " (operator " + (step.op.empty() ? step.kernel : step.op);
  if (step.kind == StepKind::kernel) {
    out += ", kernel " + step.kernel + " of backend " + step.backend;
  }
  return out + ")";
}

StepInstance::StepInstance(const Plan& plan, const Step& step,
                           std::span<const StropAbiValue> values, void* device) {
  if (step.kind != StepKind::kernel) return;
  const StropBackendTable& table = find_backend(step.backend);
  if ((table.device != nullptr) != (!plan.device.empty() && step.backend == plan.device)) {
    throw Error(ErrorCode::engine_invalid, step_text(plan, step),
                "its backend works on memory that the plan does not give it",
                "build the engine again");
  }
  std::vector<Shape> shapes;  // -1: not known
  shapes.reserve(step.inputs.size() + step.outputs.size());
  const auto describe = [&](std::uint32_t index) {
    StropAbiValue value{};
    if (index == kNoSlot) return value;
    const Slot& slot = plan.slots[index];
    value.dtype = static_cast<std::uint32_t>(slot.dtype);
    value.rank = STROP_ABI_UNKNOWN_RANK;
    if (!slot.shape) return value;
    Shape& shape = shapes.emplace_back();
    for (const Dim& dim : *slot.shape) shape.push_back(dim.is_constant() ? dim.value() : -1);
    value.rank = static_cast<std::uint32_t>(shape.size());
    value.dims = shape.data();
    return value;
  };
  std::vector<StropAbiValue> inputs, outputs;
  std::vector<std::uint8_t> constant;
  for (const std::uint32_t index : step.inputs) {
    const bool is_constant = index != kNoSlot && plan.slots[index].kind == SlotKind::constant;
    inputs.push_back(is_constant ? values[index] : describe(index));
    const bool on_device = is_constant && plan.slots[index].space == MemorySpace::device;
    constant.push_back(on_device ? 2 : is_constant ? 1 : 0);
  }
  for (const std::uint32_t index : step.outputs) outputs.push_back(describe(index));
  StropAbiStep abi{};
  abi.kernel = step.kernel.c_str();
  abi.parameters = step.parameters.c_str();
  abi.parameters_size = step.parameters.size();
  abi.input_count = static_cast<std::uint32_t>(inputs.size());
  abi.output_count = static_cast<std::uint32_t>(outputs.size());
  abi.inputs = inputs.data();
  abi.input_constant = constant.data();
  abi.outputs = outputs.data();
  abi.device = device;
  StropAbiError error{};
  void* instance = nullptr;
  throw_reported(table, table.create(&abi, &instance, &error), error);
  table_ = &table;
  instance_ = instance;
}

StepInstance::~StepInstance() {
  if (instance_ != nullptr) table_->destroy(instance_);
}

StepInstance::StepInstance(StepInstance&& other) noexcept
    : table_(other.table_), instance_(std::exchange(other.instance_, nullptr)) {}

StepInstance& StepInstance::operator=(StepInstance&& other) noexcept {
  std::swap(table_, other.table_);
  std::swap(instance_, other.instance_);
  return *this;
}

std::optional<PackedConstant> StepInstance::pack() {
  if (table_ == nullptr || table_->pack == nullptr) return std::nullopt;
  StropAbiPacked packed{};
  StropAbiError error{};
  throw_reported(*table_, table_->pack(instance_, &packed, &error), error);
  if (packed.input == STROP_ABI_NOTHING_PACKED) return std::nullopt;
  const StropAbiValue& form = packed.form;
  PackedConstant out{
      packed.input, packed.parameters,
      Tensor::allocate(static_cast<DType>(form.dtype), Shape(form.dims, form.dims + form.rank))};
  STROP_CHECK(static_cast<std::uint64_t>(out.form.bytes()) == form.bytes,
              "a packed constant has as many bytes as its shape says");
  if (form.bytes > 0) std::memcpy(out.form.mutable_data(), form.data, form.bytes);
  return out;
}

std::int64_t StepInstance::prepare(std::span<const StropAbiValue> inputs,
                                   std::span<const StropAbiValue> outputs, int threads) {
  if (table_ == nullptr) return 0;
  StropAbiError error{};
  std::uint64_t bytes = 0;
  throw_reported(*table_,
                 table_->prepare(instance_, inputs.data(), outputs.data(), threads, &bytes, &error),
                 error);
  if (bytes > (std::uint64_t{1} << 62)) {
    throw Error(ErrorCode::limit_exceeded,
                "a kernel asks for " + std::to_string(bytes) + " bytes of working memory");
  }
  return static_cast<std::int64_t>(bytes);
}

void StepInstance::run(std::span<const StropAbiValue> inputs, std::span<StropAbiValue> outputs,
                       const StropAbiRun& run) {
  StropAbiError error{};
  throw_reported(*table_, table_->run(instance_, inputs.data(), outputs.data(), &run, &error),
                 error);
}

}  // namespace strop
