// SPDX-License-Identifier: Apache-2.0
// strop/strop.h: contexts, their inputs, outputs and values.
#include <algorithm>

#include "runtime/c_api_handles.hpp"
#include "runtime/context.hpp"

// A value as the caller sees it; elements are made when they are asked for.
struct strop_value {
  StropAbiValue value{};
  const StropBackendTable* boxes = nullptr;  // of a boxed value
  std::uint32_t kind = 0;
  std::uint64_t count = 0;
  std::int64_t dims = 0;  // behind value.dims of keys
  mutable std::vector<std::unique_ptr<strop_value>> elements;
  mutable std::unique_ptr<strop_value> keys;
};

struct strop_context {
  strop_context(std::shared_ptr<const strop::Engine> engine, const strop::ContextOptions& options)
      : context(std::move(engine), options) {}

  strop::Context context;
  std::vector<std::unique_ptr<strop_value>> values;  // per output
  std::vector<strop_step_profile> profile;
};

using strop::guarded;
using strop::require;

namespace {

using strop::Error;
using strop::ErrorCode;

strop::ContextOptions context_options(const strop_context_options* given) {
  const strop_context_options options = strop::read_options(given);
  strop::ContextOptions out;
  const auto refuse_negative = [](std::int64_t value, const char* name) {
    if (value >= 0) return;
    throw Error(ErrorCode::bad_option, std::string(name) + " is " + std::to_string(value),
                "it must be 0, the default, or more");
  };
  refuse_negative(options.threads, "threads");
  refuse_negative(options.prepared_shapes, "prepared_shapes");
  out.threads = options.threads;
  if (options.prepared_shapes > 0) out.prepared_shapes = options.prepared_shapes;
  out.profile = options.profile != 0;
  const auto limit = [](std::int64_t value, const char* name, std::int64_t& into) {
    if (value < -1) {
      throw Error(ErrorCode::bad_option, std::string(name) + " is " + std::to_string(value),
                  "0 is the default, -1 no limit");
    }
    if (value != 0) into = value == -1 ? 0 : value;
  };
  limit(options.deadline_ms, "deadline_ms", out.deadline_ms);
  limit(options.loop_iterations, "loop_iterations", out.loop_iterations);
  limit(options.tensor_bytes, "tensor_bytes", out.tensor_bytes);
  limit(options.sequence_length, "sequence_length", out.sequence_length);
  limit(options.memory_bytes, "memory_bytes", out.memory_bytes);
  refuse_negative(options.device, "device");
  out.device = options.device;
  limit(options.device_memory_bytes, "device_memory_bytes", out.device_memory_bytes);
  if ((options.allocate_device == nullptr) != (options.release_device == nullptr)) {
    throw Error(ErrorCode::bad_option, "one of allocate_device and release_device is null",
                "what one gives the other takes back", "set both or neither");
  }
  out.device_allocator = {options.allocate_device, options.release_device, options.allocator_user};
  return out;
}

std::span<const std::int64_t> dims_of(std::uint32_t rank, const std::int64_t* dims) {
  require(dims != nullptr || rank == 0, "dims");
  if (rank > 64) {
    throw Error(ErrorCode::bad_argument, "rank " + std::to_string(rank), "it is at most 64");
  }
  return {dims, rank};
}

strop::DType dtype_of(strop_dtype dtype) {
  if (dtype == 0 || dtype >= static_cast<strop_dtype>(strop::kDTypeCount)) {
    throw Error(ErrorCode::bad_argument, "element type number " + std::to_string(dtype),
                "there is no such type", "use one of STROP_F32, STROP_U8, ...");
  }
  return static_cast<strop::DType>(dtype);
}

// Checked, as an element of a boxed value.
StropAbiValue element_of(const strop_tensor& tensor, const char* name) {
  const auto dims = dims_of(tensor.rank, tensor.dims);
  const strop::DType dtype = dtype_of(tensor.dtype);
  if (dtype == strop::DType::string) {
    throw Error(ErrorCode::bad_argument, "input " + std::string(name),
                "strings cannot be elements here");
  }
  const std::int64_t bytes = strop::byte_size(dtype, strop::Shape(dims.begin(), dims.end()));
  if (tensor.bytes != static_cast<std::uint64_t>(bytes)) {
    throw Error(ErrorCode::input_bytes, "an element of input " + std::string(name),
                std::to_string(tensor.bytes) + " bytes instead of " + std::to_string(bytes));
  }
  require(tensor.data != nullptr || bytes == 0, "data");
  StropAbiValue value{};
  value.dtype = tensor.dtype;
  value.rank = tensor.rank;
  value.dims = tensor.dims;
  value.data = tensor.data;
  value.bytes = tensor.bytes;
  return value;
}

std::vector<StropAbiValue> elements_of(const char* name, const strop_tensor* tensors,
                                       std::uint64_t count) {
  std::vector<StropAbiValue> elements;
  for (std::uint64_t i = 0; i < count; ++i) elements.push_back(element_of(tensors[i], name));
  return elements;
}

// Binds a value that was just made, and frees it; null: there was no memory for it.
void bind_made(strop_context& context, const char* name, void* boxed) {
  if (boxed == nullptr) {
    throw Error(ErrorCode::out_of_memory, "no memory for a copy of input " + std::string(name));
  }
  const std::unique_ptr<void, void (*)(void*)> owner(boxed, context.context.boxes().box_free);
  context.context.bind_boxed(name, boxed);
}

void bind_elements(strop_context& context, const char* name, std::uint32_t kind,
                   const strop_tensor* tensors, std::uint64_t count) {
  const auto elements = elements_of(name, tensors, count);
  bind_made(context, name, context.context.boxes().box_make(kind, count, elements.data()));
}

// `lengths` may be null: each string ends with a zero.
std::vector<std::string_view> views_of(const char* const* strings, const std::uint64_t* lengths,
                                       std::uint64_t count) {
  require(strings != nullptr || count == 0, "strings");
  std::vector<std::string_view> views;
  for (std::uint64_t i = 0; i < count; ++i) {
    require(strings[i] != nullptr || (lengths != nullptr && lengths[i] == 0), "strings");
    if (strings[i] == nullptr) {
      views.emplace_back();
    } else if (lengths != nullptr) {
      views.emplace_back(strings[i], static_cast<std::size_t>(lengths[i]));
    } else {
      views.emplace_back(strings[i]);
    }
  }
  return views;
}

std::unique_ptr<strop_value> make_value(const StropAbiValue& from, const StropBackendTable* boxes) {
  auto out = std::make_unique<strop_value>();
  out->value = from;
  if (from.boxed == nullptr) {
    out->count = static_cast<std::uint64_t>(
        strop::element_count(strop::Shape(from.dims, from.dims + from.rank)));
    return out;
  }
  out->boxes = boxes;
  std::uint32_t rank = 0;
  const std::int64_t* dims = nullptr;
  boxes->box_describe(from.boxed, &out->kind, &rank, &dims, &out->count);
  if (out->kind == STROP_VALUE_TENSOR) {
    out->value.dtype = STROP_STRING;
    out->value.rank = rank;
    out->value.dims = dims;
  }
  return out;
}

void fill(const StropAbiValue& value, strop_tensor& tensor) {
  tensor.dtype = value.dtype;
  tensor.rank = value.rank;
  tensor.dims = value.dims;
  tensor.data = value.data;
  tensor.bytes = value.bytes;
}

}  // namespace

strop_status strop_context_create(const strop_engine* engine, const strop_context_options* options,
                                  strop_context** context, strop_error** error) {
  if (context != nullptr) *context = nullptr;
  return guarded(error, [&] {
    require(engine != nullptr, "engine");
    require(context != nullptr, "context");
    *context = new strop_context(engine->engine, context_options(options));
  });
}

void strop_context_destroy(strop_context* context) { delete context; }

strop_status strop_context_bind(strop_context* context, const char* name,
                                const strop_tensor* tensor, strop_bind_mode mode,
                                strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(name != nullptr, "name");
    require(tensor != nullptr, "tensor");
    context->context.bind(
        name, dtype_of(tensor->dtype), dims_of(tensor->rank, tensor->dims), tensor->data,
        tensor->bytes,
        mode == STROP_BIND_REFERENCE ? strop::BindMode::reference : strop::BindMode::copy);
  });
}

strop_status strop_context_bind_strings(strop_context* context, const char* name, uint32_t rank,
                                        const int64_t* dims, const char* const* strings,
                                        const uint64_t* lengths, strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(name != nullptr, "name");
    const auto shape = dims_of(rank, dims);
    const std::int64_t count = strop::element_count(strop::Shape(shape.begin(), shape.end()));
    const auto views = views_of(strings, lengths, static_cast<std::uint64_t>(count));
    context->context.bind_strings(name, shape, views);
  });
}

strop_status strop_context_bind_sequence(strop_context* context, const char* name,
                                         const strop_tensor* tensors, uint64_t count,
                                         strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(name != nullptr, "name");
    require(tensors != nullptr || count == 0, "tensors");
    bind_elements(*context, name, STROP_VALUE_SEQUENCE, tensors, count);
  });
}

strop_status strop_context_bind_optional(strop_context* context, const char* name,
                                         const strop_tensor* tensor, strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(name != nullptr, "name");
    bind_elements(*context, name, STROP_VALUE_OPTIONAL, tensor, tensor != nullptr ? 1 : 0);
  });
}

strop_status strop_context_bind_map(strop_context* context, const char* name, uint64_t count,
                                    const int64_t* numbers, const char* const* strings,
                                    const uint64_t* lengths, const strop_tensor* values,
                                    strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(name != nullptr, "name");
    require(values != nullptr || count == 0, "values");
    if (count > 0 && (numbers == nullptr) == (strings == nullptr)) {
      throw Error(ErrorCode::bad_argument, "the keys of input " + std::string(name),
                  "they are numbers or strings, one of the two");
    }
    const auto elements = elements_of(name, values, count);
    std::vector<const char*> texts;
    std::vector<std::uint64_t> sizes;
    if (numbers == nullptr) {
      for (const std::string_view view : views_of(strings, lengths, count)) {
        texts.push_back(view.data());
        sizes.push_back(view.size());
      }
    }
    bind_made(*context, name,
              context->context.boxes().box_make_map(count, numbers, texts.data(), sizes.data(),
                                                    elements.data()));
  });
}

strop_status strop_context_bind_output(strop_context* context, const char* name, void* data,
                                       uint64_t bytes, strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(name != nullptr, "name");
    context->context.bind_output(name, data, bytes);
  });
}

strop_status strop_context_bind_device(strop_context* context, const char* name,
                                       const strop_tensor* tensor, strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(name != nullptr, "name");
    require(tensor != nullptr, "tensor");
    context->context.bind(name, dtype_of(tensor->dtype), dims_of(tensor->rank, tensor->dims),
                          tensor->data, tensor->bytes, strop::BindMode::device);
  });
}

strop_status strop_context_bind_output_device(strop_context* context, const char* name, void* data,
                                              uint64_t bytes, strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(name != nullptr, "name");
    context->context.bind_output(name, data, bytes, true);
  });
}

strop_status strop_context_prepare(strop_context* context, const strop_shape* shapes, size_t count,
                                   strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(shapes != nullptr || count == 0, "shapes");
    std::vector<strop::NamedShape> named;
    for (std::size_t i = 0; i < count; ++i) {
      require(shapes[i].name != nullptr, "shapes");
      const auto dims = dims_of(shapes[i].rank, shapes[i].dims);
      named.push_back({shapes[i].name, strop::Shape(dims.begin(), dims.end())});
    }
    context->context.prepare(named);
  });
}

strop_status strop_context_run(strop_context* context, strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    context->context.run();
  });
}

strop_status strop_context_run_async(strop_context* context, void* stream, strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    // CUDA's name for its default stream, which null stands for in its own interface.
    context->context.run_async(stream != nullptr ? stream : reinterpret_cast<void*>(1));
  });
}

strop_status strop_context_synchronize(strop_context* context, strop_error** error) {
  return guarded(error, [&] {
    require(context != nullptr, "context");
    context->context.synchronize();
  });
}

strop_status strop_context_output(const strop_context* context, const char* name,
                                  strop_tensor* tensor, strop_error** error) {
  if (tensor != nullptr) *tensor = strop_tensor{};
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(name != nullptr, "name");
    require(tensor != nullptr, "tensor");
    const StropAbiValue& value = context->context.output(name);
    if (value.boxed != nullptr) {
      throw Error(ErrorCode::bad_argument, "output " + std::string(name),
                  "it does not lie in plain memory", "read it with strop_context_output_value");
    }
    fill(value, *tensor);
  });
}

strop_status strop_context_output_value(strop_context* context, const char* name,
                                        const strop_value** value, strop_error** error) {
  if (value != nullptr) *value = nullptr;
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(name != nullptr, "name");
    require(value != nullptr, "value");
    const StropAbiValue& from = context->context.output(name);
    const auto outputs = context->context.engine().outputs();
    const auto index = static_cast<std::size_t>(
        std::ranges::find(outputs, name, &strop::EnginePort::name) - outputs.begin());
    context->values.resize(outputs.size());
    context->values[index] =
        make_value(from, from.boxed != nullptr ? &context->context.boxes() : nullptr);
    *value = context->values[index].get();
  });
}

strop_value_kind strop_value_get_kind(const strop_value* value) {
  return value != nullptr ? static_cast<strop_value_kind>(value->kind) : STROP_VALUE_TENSOR;
}

uint64_t strop_value_count(const strop_value* value) { return value != nullptr ? value->count : 0; }

strop_status strop_value_tensor(const strop_value* value, strop_tensor* tensor,
                                strop_error** error) {
  if (tensor != nullptr) *tensor = strop_tensor{};
  return guarded(error, [&] {
    require(value != nullptr, "value");
    require(tensor != nullptr, "tensor");
    if (value->kind != STROP_VALUE_TENSOR) {
      throw Error(ErrorCode::bad_argument, "the value", "it is no tensor",
                  "read its elements with strop_value_element");
    }
    fill(value->value, *tensor);
  });
}

strop_status strop_value_string(const strop_value* value, uint64_t index, const char** text,
                                uint64_t* length, strop_error** error) {
  if (text != nullptr) *text = nullptr;
  if (length != nullptr) *length = 0;
  return guarded(error, [&] {
    require(value != nullptr, "value");
    require(text != nullptr, "text");
    require(length != nullptr, "length");
    if (value->value.boxed == nullptr || value->kind != STROP_VALUE_TENSOR) {
      throw Error(ErrorCode::bad_argument, "the value", "it is no tensor of strings");
    }
    if (index >= value->count) {
      throw Error(ErrorCode::bad_argument, "string number " + std::to_string(index),
                  "the tensor has " + std::to_string(value->count) + " elements");
    }
    *text = value->boxes->box_string(value->value.boxed, index, length);
  });
}

strop_status strop_value_element(const strop_value* value, uint64_t index,
                                 const strop_value** element, strop_error** error) {
  if (element != nullptr) *element = nullptr;
  return guarded(error, [&] {
    require(value != nullptr, "value");
    require(element != nullptr, "element");
    if (value->kind == STROP_VALUE_TENSOR || index >= value->count) {
      throw Error(ErrorCode::bad_argument, "element number " + std::to_string(index),
                  value->kind == STROP_VALUE_TENSOR
                      ? "the value is a tensor"
                      : "the value has " + std::to_string(value->count) + " elements");
    }
    value->elements.resize(static_cast<std::size_t>(value->count));
    auto& made = value->elements[static_cast<std::size_t>(index)];
    if (made == nullptr) {
      StropAbiValue inner{};
      if (value->boxes->box_element(value->value.boxed, index, &inner) != 0) {
        throw Error(ErrorCode::internal, "an element of a boxed value cannot be read");
      }
      made = make_value(inner, value->boxes);
    }
    *element = made.get();
  });
}

strop_status strop_value_keys(const strop_value* value, const strop_value** keys,
                              strop_error** error) {
  if (keys != nullptr) *keys = nullptr;
  return guarded(error, [&] {
    require(value != nullptr, "value");
    require(keys != nullptr, "keys");
    if (value->kind != STROP_VALUE_MAP) {
      throw Error(ErrorCode::bad_argument, "the value", "it is no map, and has no keys");
    }
    if (value->keys == nullptr) {
      auto made = std::make_unique<strop_value>();
      const std::int64_t* numbers = nullptr;
      if (value->boxes->box_keys(value->value.boxed, &made->value.dtype, &numbers) != 0) {
        throw Error(ErrorCode::internal, "the keys of a map cannot be read");
      }
      made->count = value->count;
      made->dims = static_cast<std::int64_t>(value->count);
      made->value.rank = 1;
      made->value.dims = &made->dims;
      if (numbers != nullptr) {
        made->value.data = const_cast<std::int64_t*>(numbers);
        made->value.bytes = value->count * sizeof(std::int64_t);
      } else {
        made->boxes = value->boxes;
        made->value.boxed = value->value.boxed;  // whose strings are the keys
      }
      value->keys = std::move(made);
    }
    *keys = value->keys.get();
  });
}

strop_status strop_context_profile(strop_context* context, const strop_step_profile** steps,
                                   size_t* count, strop_error** error) {
  if (steps != nullptr) *steps = nullptr;
  if (count != nullptr) *count = 0;
  return guarded(error, [&] {
    require(context != nullptr, "context");
    require(steps != nullptr, "steps");
    require(count != nullptr, "count");
    context->profile.clear();
    for (const strop::StepProfile& step : context->context.profile()) {
      strop_step_profile out{};
      out.name = step.step->name.c_str();
      out.op = step.step->op.c_str();
      out.backend = step.step->backend.c_str();
      out.kernel = step.step->kernel.c_str();
      out.tactic = step.step->tactic.c_str();
      out.runs = step.time.runs;
      out.total_ns = step.time.total_ns;
      out.last_ns = step.time.last_ns;
      context->profile.push_back(out);
    }
    *steps = context->profile.data();
    *count = context->profile.size();
  });
}

int64_t strop_context_peak_memory(const strop_context* context) {
  return context != nullptr ? context->context.peak_memory_bytes() : 0;
}
