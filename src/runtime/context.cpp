// SPDX-License-Identifier: Apache-2.0
#include "runtime/context.hpp"

#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "base/os/clock.hpp"
#include "runtime/input_check.hpp"

namespace strop {
namespace {

ContextOptions checked(const ContextOptions& options) {
  const std::int64_t smallest =
      std::min({std::int64_t{options.threads}, std::int64_t{options.prepared_shapes},
                options.deadline_ms, options.loop_iterations, options.tensor_bytes,
                options.sequence_length, options.memory_bytes});
  if (smallest < 0) {
    throw Error(ErrorCode::bad_option, "a context option is " + std::to_string(smallest),
                "options of a context are not negative", "0 is the default or no limit");
  }
  return options;
}

// The kind box_describe gives for a value of this type.
std::uint32_t boxed_kind(const EnginePort& port) {
  if (port.type.starts_with("seq(")) return 1;
  if (port.type.starts_with("opt(")) return 2;
  if (port.type.starts_with("map(")) return 3;
  return 0;
}

bool is_plain_tensor(const EnginePort& port) {
  return port.dtype != DType::undefined && port.dtype != DType::string;
}

constexpr const char* kKindNames[] = {"a string tensor", "a sequence", "an optional", "a map"};

}  // namespace

Context::Context(std::shared_ptr<const Engine> engine, const ContextOptions& options)
    : engine_(std::move(engine)),
      session_(checked(options)),
      outputs_(engine_->outputs().size()),
      runner_(engine_->layout(), session_, static_cast<std::size_t>(options.prepared_shapes)) {
  for (std::size_t i = 0; i < engine_->inputs().size(); ++i) {
    inputs_.push_back(std::make_unique<Input>(session_.memory));
  }
}

Context::~Context() {
  for (const auto& input : inputs_) {
    if (input->boxed != nullptr) session_.boxes().box_free(input->boxed);
  }
}

void Context::bind(std::string_view name, DType dtype, std::span<const std::int64_t> dims,
                   const void* data, std::uint64_t bytes, BindMode mode) {
  const std::size_t index = find_port(engine_->inputs(), name, "input");
  const EnginePort& port = engine_->inputs()[index];
  if (dtype == DType::string || dtype == DType::undefined) {
    throw Error(ErrorCode::bad_argument,
                "input " + port.name + " is given memory of type " + std::string(to_string(dtype)),
                "only numbers lie in plain memory", "bind strings as strings");
  }
  check_input_memory(port, dtype, dims, data, bytes, mode != BindMode::copy);
  if (mode == BindMode::device) require_device("input " + port.name);
  Input& input = *inputs_[index];
  if (mode == BindMode::copy) {
    void* copy = input.copy.reserve(static_cast<std::int64_t>(bytes));
    if (bytes > 0) std::memcpy(copy, data, static_cast<std::size_t>(bytes));
    if (dtype == DType::boolean) {
      // Any byte but 0 is true; kernels rely on 1.
      auto* flags = static_cast<std::uint8_t*>(copy);
      for (std::uint64_t i = 0; i < bytes; ++i) flags[i] = flags[i] != 0 ? 1 : 0;
    }
    data = copy;
  }
  input.tensor = Tensor();
  input.shape.assign(dims.begin(), dims.end());
  input.value = StropAbiValue{};
  input.value.dtype = static_cast<std::uint32_t>(dtype);
  input.value.rank = static_cast<std::uint32_t>(dims.size());
  input.value.dims = input.shape.data();
  input.value.data = bytes > 0 ? const_cast<void*>(data) : empty_memory();  // kernels read it only
  input.value.bytes = bytes;
  input.bound = true;
  input.on_device = mode == BindMode::device;
  runner_.set_input(index, input.value, input.on_device);
}

void Context::require_device(const std::string& what) const {
  if (!engine_->plan().device.empty()) return;
  throw Error(ErrorCode::bad_argument, what + " is given memory of a device",
              "the engine is for " + engine_->header().target, "give memory of the host");
}

void Context::bind(std::string_view name, const Tensor& tensor) {
  if (tensor.dtype() == DType::string) {
    std::vector<std::string_view> views;
    for (const std::string& text : tensor.values<std::string>()) views.emplace_back(text);
    return bind_strings(name, tensor.shape(), views);
  }
  bind(name, tensor.dtype(), tensor.shape(), tensor.data(),
       static_cast<std::uint64_t>(tensor.bytes()), BindMode::reference);
  inputs_[find_port(engine_->inputs(), name, "input")]->tensor = tensor;
}

void Context::take(std::size_t index, void* boxed) {
  Input& input = *inputs_[index];
  if (boxed == nullptr) {
    throw Error(ErrorCode::out_of_memory,
                "no memory for a copy of input " + engine_->inputs()[index].name);
  }
  if (input.boxed != nullptr) session_.boxes().box_free(input.boxed);
  input.boxed = boxed;
  input.value = StropAbiValue{};
  input.value.boxed = boxed;
  std::uint32_t kind = 0;
  std::uint64_t count = 0;
  session_.boxes().box_describe(boxed, &kind, &input.value.rank, &input.value.dims, &count);
  if (kind == 0) input.value.dtype = static_cast<std::uint32_t>(DType::string);
  input.bound = true;
  input.on_device = false;
  runner_.set_input(index, input.value);
}

void Context::bind_strings(std::string_view name, std::span<const std::int64_t> dims,
                           std::span<const std::string_view> strings) {
  const std::size_t index = find_port(engine_->inputs(), name, "input");
  const EnginePort& port = engine_->inputs()[index];
  check_input_shape(port, DType::string, dims);
  const std::int64_t wanted = element_count(Shape(dims.begin(), dims.end()));
  if (static_cast<std::int64_t>(strings.size()) != wanted) {
    throw Error(ErrorCode::input_bytes, "input " + port.name,
                std::to_string(strings.size()) + " strings instead of " + std::to_string(wanted));
  }
  std::vector<const char*> texts;
  std::vector<std::uint64_t> lengths;
  for (const std::string_view text : strings) {
    texts.push_back(text.data());
    lengths.push_back(text.size());
  }
  take(index, session_.boxes().box_strings(static_cast<std::uint32_t>(dims.size()), dims.data(),
                                           texts.data(), lengths.data()));
}

void Context::bind_boxed(std::string_view name, const void* boxed) {
  const std::size_t index = find_port(engine_->inputs(), name, "input");
  const EnginePort& port = engine_->inputs()[index];
  if (boxed == nullptr) throw Error(ErrorCode::bad_argument, "input " + port.name, "it is null");
  std::uint32_t kind = 0, rank = 0;
  const std::int64_t* dims = nullptr;
  std::uint64_t count = 0;
  session_.boxes().box_describe(boxed, &kind, &rank, &dims, &count);
  if (is_plain_tensor(port) || kind != boxed_kind(port)) {
    throw Error(ErrorCode::input_type,
                "input " + port.name + " is given " + kKindNames[std::min(kind, 3u)],
                "the engine takes " + port.type, "give " + port.type);
  }
  if (kind == 0) check_input_shape(port, DType::string, {dims, rank});
  take(index, session_.boxes().box_clone(boxed));
}

void Context::bind_output(std::string_view name, void* data, std::uint64_t bytes, bool on_device) {
  const std::size_t index = find_port(engine_->outputs(), name, "output");
  const EnginePort& port = engine_->outputs()[index];
  if (data != nullptr && !is_plain_tensor(port)) {
    throw Error(ErrorCode::bad_argument, "memory for output " + port.name,
                "it is " + port.type + ", which does not lie in plain memory",
                "read it from the context after the run");
  }
  if (on_device) require_device("output " + port.name);
  outputs_[index].memory = data;
  outputs_[index].on_device = on_device;
  outputs_[index].bytes = static_cast<std::int64_t>(std::min<std::uint64_t>(
      bytes, static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())));
}

void Context::prepare(std::span<const NamedShape> shapes) {
  std::vector<const NamedShape*> given(inputs_.size(), nullptr);
  for (const NamedShape& shape : shapes) {
    const std::size_t index = find_port(engine_->inputs(), shape.name, "input");
    const EnginePort& port = engine_->inputs()[index];
    if (port.dtype == DType::undefined) continue;  // no shape
    check_input_shape(port, port.dtype, shape.shape);
    given[index] = &shape;
  }
  has_outputs_ = false;
  for (std::size_t i = 0; i < outputs_.size(); ++i) runner_.place_output(i, nullptr, 0);
  const auto restore = [&] {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (inputs_[i]->bound) runner_.set_input(i, inputs_[i]->value, inputs_[i]->on_device);
    }
  };
  try {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      Input& input = *inputs_[i];
      const EnginePort& port = engine_->inputs()[i];
      if (given[i] != nullptr) {
        input.prepared_shape = given[i]->shape;
      } else if (!input.bound && port.dtype != DType::undefined) {
        const auto fixed = port.shape ? to_concrete(*port.shape) : std::nullopt;
        if (!fixed) {
          throw Error(ErrorCode::missing_input, "no shape for input " + port.name,
                      "it is " + port.type + " and nothing is bound to it",
                      "name it among the shapes, or bind it first");
        }
        input.prepared_shape = *fixed;
      } else {
        continue;
      }
      runner_.set_input_shape(i, input.prepared_shape);
    }
    runner_.prepare();
  } catch (...) {
    restore();
    throw;
  }
  restore();
}

void Context::run() {
  try {
    run_async();
  } catch (...) {
    // What was ordered before it failed still reads and writes memory of the caller's.
    try {
      synchronize();
    } catch (const Error&) {
      // The first error says more.
    }
    throw;
  }
  synchronize();
}

void Context::synchronize() { runner_.synchronize(); }

std::vector<double> Context::time_on_device(int launches, int samples) {
  require_device("time_on_device");
  run();
  return runner_.time_device_steps(1, launches, samples);
}

std::int64_t Context::peak_device_memory_bytes() const {
  return session_.open_device ? session_.open_device->memory().peak : 0;
}

void Context::run_async(void* stream) {
  has_outputs_ = false;
  if (session_.open_device) session_.open_device->use_stream(stream);
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (inputs_[i]->bound) continue;
    throw Error(ErrorCode::missing_input, "nothing is bound to input " + engine_->inputs()[i].name,
                "every input needs a value: this one is " + engine_->inputs()[i].type,
                "bind it before the run");
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    runner_.place_output(i, outputs_[i].memory, outputs_[i].bytes, outputs_[i].on_device);
  }
  session_.iterations = 0;
  session_.deadline_ns = 0;
  if (session_.options.deadline_ms > 0) {
    const auto ns = try_mul(session_.options.deadline_ms, 1'000'000);
    const auto end = ns ? try_add(os::monotonic_ns(), *ns) : std::nullopt;
    session_.deadline_ns = end.value_or(0);  // centuries away: none
  }
  runner_.run_async();
  finish_outputs();
  has_outputs_ = true;
}

// Outputs that could not be computed in the caller's memory are copied there.
void Context::finish_outputs() {
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    Output& output = outputs_[i];
    output.value = runner_.output(i);
    if (output.memory == nullptr || output.value.data == output.memory) continue;
    if (static_cast<std::int64_t>(output.value.bytes) > output.bytes) {
      throw Error(
          ErrorCode::bad_argument,
          "the memory bound to output " + engine_->outputs()[i].name + " has " +
              std::to_string(output.bytes) + " bytes",
          "the output takes " + std::to_string(output.value.bytes) + " bytes for these inputs",
          "bind more memory, or none and read the output from the context");
    }
    if (output.on_device) {
      runner_.synchronize();
      session_.open_device->copy(output.memory, output.value.data,
                                 static_cast<std::int64_t>(output.value.bytes),
                                 STROP_ABI_TO_DEVICE);
    } else if (output.value.bytes > 0) {
      runner_.synchronize();
      std::memcpy(output.memory, output.value.data, static_cast<std::size_t>(output.value.bytes));
    }
    output.value.data = output.memory;
  }
}

const StropAbiValue& Context::output(std::size_t index) const {
  if (index >= outputs_.size()) {
    throw Error(ErrorCode::bad_argument, "output number " + std::to_string(index),
                "the engine has " + std::to_string(outputs_.size()) + " outputs");
  }
  if (!has_outputs_) {
    throw Error(ErrorCode::bad_argument, "output " + engine_->outputs()[index].name,
                "there is no successful run since the last change", "call run first");
  }
  return outputs_[index].value;
}

const StropAbiValue& Context::output(std::string_view name) const {
  return output(find_port(engine_->outputs(), name, "output"));
}

Tensor Context::output_tensor(std::string_view name) const {
  const StropAbiValue& value = output(name);
  if (value.boxed != nullptr) {
    throw Error(ErrorCode::bad_argument, "output " + std::string(name), "it is no plain tensor");
  }
  return Tensor::wrap(static_cast<DType>(value.dtype), Shape(value.dims, value.dims + value.rank),
                      value.data, nullptr);
}

std::vector<StepProfile> Context::profile() const {
  std::vector<StepProfile> out;
  const auto times = runner_.times();
  for (std::size_t i = 0; i < times.size(); ++i) {
    out.push_back({&engine_->plan().steps[i], times[i]});
  }
  return out;
}

}  // namespace strop
