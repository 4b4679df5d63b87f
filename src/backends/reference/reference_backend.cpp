// SPDX-License-Identifier: Apache-2.0
// The C boundary of the reference backend: every operator of the IR as a kernel of its name, and
// the boxed values (strings, sequences, optionals, maps), which are Datum objects of this library.
#include "backends/reference/reference_backend.hpp"

#include <cstring>
#include <memory>
#include <optional>
#include <string>

#include "backends/plugin/plugin_backend.hpp"
#include "backends/reference/reference_step.hpp"
#include "base/parallel.hpp"
#include "base/version.hpp"
#include "plan/abi_error.hpp"

namespace strop {
namespace {

using reference::ReferenceStep;

void use_threads(std::int32_t count) {
  if (count >= 1 && count != thread_count()) set_thread_count(count);
}

std::int32_t create(const StropAbiStep* step, void** instance, StropAbiError* error) {
  *instance = nullptr;
  return guarded(error, [&] {
    const std::string_view parameters =
        step->parameters_size == 0
            ? std::string_view()
            : std::string_view(step->parameters, static_cast<std::size_t>(step->parameters_size));
    *instance = new ReferenceStep(step->kernel, parameters, step->input_count, step->output_count);
  });
}

// Reference kernels look at shapes when they run.
std::int32_t prepare(void*, const StropAbiValue*, const StropAbiValue*, std::int32_t,
                     std::uint64_t* workspace_bytes, StropAbiError*) {
  *workspace_bytes = 0;
  return 0;
}

std::int32_t run(void* instance, const StropAbiValue* inputs, StropAbiValue* outputs,
                 const StropAbiRun* run, StropAbiError* error) {
  return guarded(error, [&] {
    use_threads(run->thread_count);
    static_cast<const ReferenceStep*>(instance)->run(inputs, outputs, *run);
  });
}

void destroy(void* instance) { delete static_cast<ReferenceStep*>(instance); }

const Datum& datum(const void* boxed) { return *static_cast<const Datum*>(boxed); }

void* box_clone(const void* boxed) {
  try {
    return new Datum(datum(boxed));
  } catch (...) {
    return nullptr;
  }
}

void box_free(void* boxed) { delete static_cast<Datum*>(boxed); }

void* box_strings(std::uint32_t rank, const std::int64_t* dims, const char* const* strings,
                  const std::uint64_t* lengths) {
  try {
    Tensor tensor = Tensor::allocate(DType::string, Shape(dims, dims + rank));
    const auto target = tensor.mutable_values<std::string>();
    for (std::size_t i = 0; i < target.size(); ++i) {
      if (lengths[i] > 0) target[i].assign(strings[i], static_cast<std::size_t>(lengths[i]));
    }
    return new Datum(std::move(tensor));
  } catch (...) {
    return nullptr;
  }
}

// A copy of a value that crosses the boundary; nothing when it is none.
std::optional<Datum> copied(const StropAbiValue& value) {
  if (value.boxed != nullptr) return datum(value.boxed);
  if (value.dtype == 0 || value.dtype >= static_cast<std::uint32_t>(kDTypeCount) ||
      static_cast<DType>(value.dtype) == DType::string) {
    return std::nullopt;
  }
  Shape shape(value.dims, value.dims + value.rank);
  Tensor copy = Tensor::allocate(static_cast<DType>(value.dtype), std::move(shape));
  if (copy.bytes() > 0) {
    std::memcpy(copy.mutable_data(), value.data, static_cast<std::size_t>(copy.bytes()));
  }
  return Datum(std::move(copy));
}

void* box_make(std::uint32_t kind, std::uint64_t count, const StropAbiValue* elements) {
  try {
    Sequence sequence;
    sequence.reserve(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      auto element = copied(elements[i]);
      if (!element) return nullptr;
      sequence.push_back(std::move(*element));
    }
    if (kind == 1) return new Datum(std::move(sequence));
    if (kind != 2 || count > 1) return nullptr;
    Optional optional;
    if (count == 1) optional.value = std::make_shared<const Datum>(std::move(sequence.front()));
    return new Datum(std::move(optional));
  } catch (...) {
    return nullptr;
  }
}

void* box_make_map(std::uint64_t count, const std::int64_t* numbers, const char* const* strings,
                   const std::uint64_t* lengths, const StropAbiValue* values) {
  try {
    const DType dtype = numbers != nullptr ? DType::i64 : DType::string;
    Map map;
    map.keys = Tensor::allocate(dtype, {static_cast<std::int64_t>(count)});
    for (std::size_t i = 0; i < count; ++i) {
      if (numbers != nullptr) {
        map.keys.mutable_values<std::int64_t>()[i] = numbers[i];
      } else if (lengths[i] > 0) {
        map.keys.mutable_values<std::string>()[i].assign(strings[i],
                                                         static_cast<std::size_t>(lengths[i]));
      }
      auto value = copied(values[i]);
      if (!value) return nullptr;
      map.values.push_back(std::move(*value));
    }
    return new Datum(std::move(map));
  } catch (...) {
    return nullptr;
  }
}

std::int32_t box_keys(const void* boxed, std::uint32_t* dtype, const std::int64_t** numbers) {
  *dtype = 0;
  *numbers = nullptr;
  const auto* map = std::get_if<Map>(&datum(boxed).value);
  if (map == nullptr || map->keys.size() != static_cast<std::int64_t>(map->values.size())) {
    return static_cast<std::int32_t>(ErrorCode::bad_argument);
  }
  *dtype = static_cast<std::uint32_t>(map->keys.dtype());
  if (map->keys.dtype() == DType::i64) *numbers = map->keys.values<std::int64_t>().data();
  return 0;
}

void box_describe(const void* boxed, std::uint32_t* kind, std::uint32_t* rank,
                  const std::int64_t** dims, std::uint64_t* count) {
  const Datum& value = datum(boxed);
  *kind = 0;
  *rank = 0;
  *dims = nullptr;
  *count = 0;
  if (const auto* tensor = std::get_if<Tensor>(&value.value)) {
    *rank = static_cast<std::uint32_t>(tensor->rank());
    *dims = tensor->shape().data();
    *count = static_cast<std::uint64_t>(tensor->size());
  } else if (const auto* sequence = std::get_if<Sequence>(&value.value)) {
    *kind = 1;
    *count = sequence->size();
  } else if (const auto* optional = std::get_if<Optional>(&value.value)) {
    *kind = 2;
    *count = optional->value ? 1 : 0;
  } else if (const auto* map = std::get_if<Map>(&value.value)) {
    *kind = 3;
    *count = map->values.size();
  }
}

const char* box_string(const void* boxed, std::uint64_t index, std::uint64_t* length) {
  *length = 0;
  const auto* tensor = std::get_if<Tensor>(&datum(boxed).value);
  if (const auto* map = std::get_if<Map>(&datum(boxed).value)) tensor = &map->keys;
  if (tensor == nullptr || tensor->dtype() != DType::string ||
      index >= static_cast<std::uint64_t>(tensor->size())) {
    return nullptr;
  }
  const std::string& text =
      reinterpret_cast<const std::string*>(tensor->data())[static_cast<std::size_t>(index)];
  *length = text.size();
  return text.data();
}

void describe_element(const Datum& element, StropAbiValue* value) {
  *value = StropAbiValue{};
  const auto* tensor = std::get_if<Tensor>(&element.value);
  if (tensor == nullptr || tensor->dtype() == DType::string) {
    value->boxed = const_cast<Datum*>(&element);
    if (tensor == nullptr) return;
  }
  value->dtype = static_cast<std::uint32_t>(tensor->dtype());
  value->rank = static_cast<std::uint32_t>(tensor->rank());
  value->dims = tensor->shape().data();
  if (tensor->dtype() == DType::string) return;
  value->data = const_cast<std::byte*>(tensor->data());
  value->bytes = static_cast<std::uint64_t>(tensor->bytes());
}

std::int32_t box_element(const void* boxed, std::uint64_t index, StropAbiValue* value) {
  *value = StropAbiValue{};
  const Datum& whole = datum(boxed);
  const Datum* element = nullptr;
  if (const auto* sequence = std::get_if<Sequence>(&whole.value)) {
    if (index < sequence->size()) element = &(*sequence)[static_cast<std::size_t>(index)];
  } else if (const auto* optional = std::get_if<Optional>(&whole.value)) {
    if (index == 0) element = optional->value.get();
  } else if (const auto* map = std::get_if<Map>(&whole.value)) {
    if (index < map->values.size()) element = &map->values[static_cast<std::size_t>(index)];
  }
  if (element == nullptr) return static_cast<std::int32_t>(ErrorCode::bad_argument);
  describe_element(*element, value);
  return 0;
}

}  // namespace

const StropBackendTable* reference_backend() {
  static const StropBackendTable table = [] {
    StropBackendTable t{};
    t.abi_version = STROP_BACKEND_ABI_VERSION;
    t.struct_size = sizeof(StropBackendTable);
    t.name = "reference";
    t.version = STROP_VERSION;
    t.description = [] { return "reference kernels of all operators"; };
    t.create = create;
    t.prepare = prepare;
    t.run = run;
    t.destroy = destroy;
    t.free_error = free_abi_error;
    t.box_clone = box_clone;
    t.box_free = box_free;
    t.box_strings = box_strings;
    t.box_describe = box_describe;
    t.box_string = box_string;
    t.box_element = box_element;
    t.box_make = box_make;
    t.box_keys = box_keys;
    t.box_make_map = box_make_map;
    t.load_plugin = load_plugin_for_abi;
    t.plugin_count = plugin_count_for_abi;
    t.plugin_at = plugin_at_for_abi;
    return t;
  }();
  return &table;
}

}  // namespace strop
