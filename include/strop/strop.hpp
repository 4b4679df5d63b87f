// SPDX-License-Identifier: Apache-2.0
// Strop for C++20: a header over strop.h that owns handles, throws strop::Exception and reads
// tensors as spans. Nothing of it crosses a library boundary. strop.h documents shapes, units,
// lifetimes and errors; the names are the same.
//
//   auto engine = strop::load("model.strop");            // or strop::build("model.onnx"), with
//   libstrop_builder auto context = engine.create_context(); context.bind("images", {1, 3, 224,
//   224}, pixels);    // checked: name, type, shape, size; pixels is read by run() context.run();
//   std::span<const float> scores = context.output("scores").values<float>();
//
// Engine and Context are moved, not copied. An Engine may be used by many threads, a Context by one
// at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "strop/strop.h"

namespace strop {
// Keeps these names apart from those inside of Strop's libraries where both are linked into one
// program.
inline namespace api {

// What a function of strop.h reported.
class Exception : public std::exception {
 public:
  Exception(strop_status status, std::string what_text, std::string why_text, std::string hint_text,
            std::string message)
      : code(status),
        what_it_is(std::move(what_text)),
        why(std::move(why_text)),
        hint(std::move(hint_text)),
        message_(std::move(message)) {}

  strop_status code;                                                       // STROP_INPUT_TYPE, ...
  std::string what_it_is;                                                  // the subject
  std::string why;                                                         // expected and got
  std::string hint;                                                        // what to do
  const char* what() const noexcept override { return message_.c_str(); }  // all of it

 private:
  std::string message_;
};

namespace c_api {

// Throws unless `status` is STROP_OK; takes the error.
inline void check(strop_status status, strop_error* error) {
  const std::unique_ptr<strop_error, void (*)(strop_error*)> owner(error, strop_error_destroy);
  if (status == STROP_OK) return;
  if (error == nullptr) throw Exception(status, {}, {}, {}, strop_status_name(status));
  throw Exception(status, strop_error_what(error), strop_error_why(error), strop_error_hint(error),
                  strop_error_message(error));
}

// Calls `function(arguments..., &error)`.
template <class Function, class... Arguments>
void call(Function* function, Arguments... arguments) {
  strop_error* error = nullptr;
  const strop_status status = function(arguments..., &error);
  check(status, error);
}

inline std::string take_text(char* text) {
  const std::unique_ptr<char, void (*)(char*)> owner(text, strop_text_free);
  return text != nullptr ? std::string(text) : std::string();
}

}  // namespace c_api

// The element type of a C++ type; 16-bit floats and types below a byte have none and are bound as
// raw tensors.
template <class T>
constexpr strop_dtype dtype_of() {
  using V = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<V, float>)
    return STROP_F32;
  else if constexpr (std::is_same_v<V, double>)
    return STROP_F64;
  else if constexpr (std::is_same_v<V, bool>)
    return STROP_BOOL;
  else if constexpr (std::is_integral_v<V> && sizeof(V) == 1)
    return std::is_signed_v<V> ? STROP_I8 : STROP_U8;
  else if constexpr (std::is_integral_v<V> && sizeof(V) == 2)
    return std::is_signed_v<V> ? STROP_I16 : STROP_U16;
  else if constexpr (std::is_integral_v<V> && sizeof(V) == 4)
    return std::is_signed_v<V> ? STROP_I32 : STROP_U32;
  else if constexpr (std::is_integral_v<V> && sizeof(V) == 8)
    return std::is_signed_v<V> ? STROP_I64 : STROP_U64;
  else
    static_assert(sizeof(V) == 0, "no element type of Strop is this C++ type");
}

// A tensor in memory of the context, valid until its next run.
class TensorView {
 public:
  explicit TensorView(const strop_tensor& tensor) : tensor_(tensor) {}

  strop_dtype dtype() const { return tensor_.dtype; }
  std::span<const std::int64_t> dims() const { return {tensor_.dims, tensor_.rank}; }
  std::span<const std::byte> bytes() const {
    return {static_cast<const std::byte*>(tensor_.data), static_cast<std::size_t>(tensor_.bytes)};
  }
  // All elements, row-major. Throws STROP_BAD_ARGUMENT unless T is the element type.
  template <class T>
  std::span<const T> values() const {
    if (dtype_of<T>() != tensor_.dtype) {
      const char* name = strop_dtype_name(tensor_.dtype);
      throw Exception(STROP_BAD_ARGUMENT, "a tensor is read as another type", {}, {},
                      std::string("a tensor of ") + (name != nullptr ? name : "no type") +
                          " is read as " + strop_dtype_name(dtype_of<T>()));
    }
    return {static_cast<const T*>(tensor_.data),
            static_cast<std::size_t>(tensor_.bytes / sizeof(T))};
  }
  template <class T>
  std::vector<T> to_vector() const {
    const auto all = values<T>();
    return std::vector<T>(all.begin(), all.end());
  }

 private:
  strop_tensor tensor_;
};

// Any output: a tensor of numbers or strings, a sequence, an optional, a map. Valid until the next
// run of its context.
class Value {
 public:
  explicit Value(const strop_value* value) : value_(value) {}

  strop_value_kind kind() const { return strop_value_get_kind(value_); }
  std::uint64_t count() const { return strop_value_count(value_); }
  TensorView tensor() const {
    strop_tensor tensor{};
    c_api::call(strop_value_tensor, value_, &tensor);
    return TensorView(tensor);
  }
  std::string string(std::uint64_t index) const {
    const char* text = nullptr;
    std::uint64_t length = 0;
    c_api::call(strop_value_string, value_, index, &text, &length);
    return std::string(text, static_cast<std::size_t>(length));
  }
  Value element(std::uint64_t index) const {
    const strop_value* element = nullptr;
    c_api::call(strop_value_element, value_, index, &element);
    return Value(element);
  }
  Value keys() const {
    const strop_value* keys = nullptr;
    c_api::call(strop_value_keys, value_, &keys);
    return Value(keys);
  }

 private:
  const strop_value* value_;
};

// As strop_context_options: 0 is the default, -1 no limit.
struct ContextOptions {
  std::int32_t threads = 0;
  std::int32_t prepared_shapes = 0;
  bool profile = false;
  std::int64_t deadline_ms = 0;
  std::int64_t loop_iterations = 0;
  std::int64_t tensor_bytes = 0;
  std::int64_t sequence_length = 0;
  std::int64_t memory_bytes = 0;
  std::int32_t device = 0;
  std::int64_t device_memory_bytes = 0;
  // As in strop_context_options.
  void* (*allocate_device)(void* user, std::uint64_t bytes, std::int32_t device) = nullptr;
  void (*release_device)(void* user, void* memory, std::uint64_t bytes,
                         std::int32_t device) = nullptr;
  void* allocator_user = nullptr;
};

struct NamedShape {
  std::string name;
  std::vector<std::int64_t> dims;
};

struct StepProfile {
  std::string name, op, backend, kernel, tactic;
  std::uint64_t runs = 0;
  std::int64_t total_ns = 0;
  std::int64_t last_ns = 0;
};

class Context {
 public:
  explicit Context(strop_context* handle) : handle_(handle, strop_context_destroy) {}
  strop_context* handle() const { return handle_.get(); }

  // Elements of type T; read by every run until something else is bound, or copied now.
  template <class T>
  void bind(const std::string& name, std::span<const std::int64_t> dims, std::span<const T> values,
            strop_bind_mode mode = STROP_BIND_REFERENCE) {
    bind(name, dtype_of<T>(), dims, values.data(), values.size_bytes(), mode);
  }
  template <class T>
  void bind(const std::string& name, std::initializer_list<std::int64_t> dims,
            const std::vector<T>& values) {
    bind(name, std::span<const std::int64_t>(dims.begin(), dims.size()),
         std::span<const T>(values));
  }
  // A temporary does not live until the run: it is copied.
  template <class T>
  void bind(const std::string& name, std::initializer_list<std::int64_t> dims,
            std::vector<T>&& values) {
    bind(name, std::span<const std::int64_t>(dims.begin(), dims.size()), std::span<const T>(values),
         STROP_BIND_COPY);
  }
  // Of any element type.
  void bind(const std::string& name, strop_dtype dtype, std::span<const std::int64_t> dims,
            const void* data, std::size_t bytes, strop_bind_mode mode = STROP_BIND_REFERENCE) {
    const strop_tensor tensor{dtype, static_cast<std::uint32_t>(dims.size()), dims.data(),
                              const_cast<void*>(data), bytes};
    c_api::call(strop_context_bind, handle(), name.c_str(), &tensor, mode);
  }
  // An output of another context, copied.
  void bind(const std::string& name, const TensorView& tensor) {
    bind(name, tensor.dtype(), tensor.dims(), tensor.bytes().data(), tensor.bytes().size(),
         STROP_BIND_COPY);
  }
  void bind_strings(const std::string& name, std::initializer_list<std::int64_t> dims,
                    const std::vector<std::string>& strings) {
    std::uint64_t count = 1;
    for (const std::int64_t dim : dims) count *= static_cast<std::uint64_t>(dim);
    if (count != strings.size()) {
      throw Exception(STROP_INPUT_BYTES, "input " + name, {}, {},
                      "input " + name + " is given " + std::to_string(strings.size()) +
                          " strings for " + std::to_string(count) + " elements");
    }
    std::vector<const char*> texts;
    std::vector<std::uint64_t> lengths;
    for (const std::string& text : strings) {
      texts.push_back(text.data());
      lengths.push_back(text.size());
    }
    c_api::call(strop_context_bind_strings, handle(), name.c_str(),
                static_cast<std::uint32_t>(dims.size()), dims.begin(), texts.data(),
                lengths.data());
  }
  void bind_sequence(const std::string& name, const std::vector<strop_tensor>& tensors) {
    c_api::call(strop_context_bind_sequence, handle(), name.c_str(), tensors.data(),
                static_cast<std::uint64_t>(tensors.size()));
  }
  void bind_optional(const std::string& name, const strop_tensor* tensor) {
    c_api::call(strop_context_bind_optional, handle(), name.c_str(), tensor);
  }
  // A map from keys[i] to values[i].
  void bind_map(const std::string& name, const std::vector<std::int64_t>& keys,
                const std::vector<strop_tensor>& values) {
    check_map(name, keys.size(), values.size());
    c_api::call(strop_context_bind_map, handle(), name.c_str(),
                static_cast<std::uint64_t>(keys.size()), keys.data(), nullptr, nullptr,
                values.data());
  }
  void bind_map(const std::string& name, const std::vector<std::string>& keys,
                const std::vector<strop_tensor>& values) {
    check_map(name, keys.size(), values.size());
    std::vector<const char*> texts;
    std::vector<std::uint64_t> lengths;
    for (const std::string& key : keys) {
      texts.push_back(key.data());
      lengths.push_back(key.size());
    }
    c_api::call(strop_context_bind_map, handle(), name.c_str(),
                static_cast<std::uint64_t>(keys.size()), nullptr, texts.data(), lengths.data(),
                values.data());
  }
  // Where the output is written; must stay until it is bound elsewhere.
  template <class T>
  void bind_output(const std::string& name, std::span<T> memory) {
    c_api::call(strop_context_bind_output, handle(), name.c_str(),
                static_cast<void*>(memory.data()), static_cast<std::uint64_t>(memory.size_bytes()));
  }
  void unbind_output(const std::string& name) {
    c_api::call(strop_context_bind_output, handle(), name.c_str(), static_cast<void*>(nullptr),
                std::uint64_t{0});
  }

  // In the memory of the GPU that the engine is for; stays until something else is bound.
  void bind_device(const std::string& name, strop_dtype dtype, std::span<const std::int64_t> dims,
                   const void* data, std::size_t bytes) {
    const strop_tensor tensor{dtype, static_cast<std::uint32_t>(dims.size()), dims.data(),
                              const_cast<void*>(data), bytes};
    c_api::call(strop_context_bind_device, handle(), name.c_str(), &tensor);
  }
  void bind_output_device(const std::string& name, void* data, std::size_t bytes) {
    c_api::call(strop_context_bind_output_device, handle(), name.c_str(), data,
                static_cast<std::uint64_t>(bytes));
  }

  void prepare(const std::vector<NamedShape>& shapes) {
    std::vector<strop_shape> out;
    for (const NamedShape& shape : shapes) {
      out.push_back(
          {shape.name.c_str(), static_cast<std::uint32_t>(shape.dims.size()), shape.dims.data()});
    }
    c_api::call(strop_context_prepare, handle(), out.data(), out.size());
  }
  void run() { c_api::call(strop_context_run, handle()); }
  // `stream`: a CUstream; null is CUDA's default stream.
  void run_async(void* stream) { c_api::call(strop_context_run_async, handle(), stream); }
  void synchronize() { c_api::call(strop_context_synchronize, handle()); }

  TensorView output(const std::string& name) const {
    strop_tensor tensor{};
    c_api::call(strop_context_output, static_cast<const strop_context*>(handle()), name.c_str(),
                &tensor);
    return TensorView(tensor);
  }
  Value output_value(const std::string& name) {
    const strop_value* value = nullptr;
    c_api::call(strop_context_output_value, handle(), name.c_str(), &value);
    return Value(value);
  }

  std::vector<StepProfile> profile() {
    const strop_step_profile* steps = nullptr;
    std::size_t count = 0;
    c_api::call(strop_context_profile, handle(), &steps, &count);
    std::vector<StepProfile> out;
    for (std::size_t i = 0; i < count; ++i) {
      const strop_step_profile& step = steps[i];
      out.push_back({step.name, step.op, step.backend, step.kernel, step.tactic, step.runs,
                     step.total_ns, step.last_ns});
    }
    return out;
  }
  std::int64_t peak_memory_bytes() const { return strop_context_peak_memory(handle()); }

 private:
  static void check_map(const std::string& name, std::size_t keys, std::size_t values) {
    if (keys == values) return;
    throw Exception(STROP_INPUT_BYTES, "input " + name, {}, {},
                    "input " + name + " is given " + std::to_string(keys) + " keys for " +
                        std::to_string(values) + " values");
  }

  std::unique_ptr<strop_context, void (*)(strop_context*)> handle_;
};

// An input or output of an engine.
struct Port {
  std::string name;
  std::string type;                     // "f32[N,3,224,224]"
  strop_dtype dtype = STROP_UNDEFINED;  // of a tensor
  bool has_rank = false;
  std::vector<std::int64_t> dims;    // -1: open
  std::vector<std::string> symbols;  // "" for a fixed size
};

class Engine {
 public:
  explicit Engine(strop_engine* handle) : handle_(handle, strop_engine_destroy) {}
  strop_engine* handle() const { return handle_.get(); }

  Context create_context(const ContextOptions& options = {}) const {
    strop_context_options raw{};
    raw.struct_size = sizeof raw;
    raw.threads = options.threads;
    raw.prepared_shapes = options.prepared_shapes;
    raw.profile = options.profile ? 1 : 0;
    raw.deadline_ms = options.deadline_ms;
    raw.loop_iterations = options.loop_iterations;
    raw.tensor_bytes = options.tensor_bytes;
    raw.sequence_length = options.sequence_length;
    raw.memory_bytes = options.memory_bytes;
    raw.device = options.device;
    raw.device_memory_bytes = options.device_memory_bytes;
    raw.allocate_device = options.allocate_device;
    raw.release_device = options.release_device;
    raw.allocator_user = options.allocator_user;
    strop_context* context = nullptr;
    c_api::call(strop_context_create, static_cast<const strop_engine*>(handle()),
                static_cast<const strop_context_options*>(&raw), &context);
    return Context(context);
  }
  std::vector<Port> inputs() const {
    return ports(strop_engine_input_count(handle()), strop_engine_input);
  }
  std::vector<Port> outputs() const {
    return ports(strop_engine_output_count(handle()), strop_engine_output);
  }
  // JSON.
  std::string header() const { return strop_engine_header(handle()); }
  // Needs libstrop_builder.
  void save(const std::string& path) const {
    c_api::call(strop_engine_save, static_cast<const strop_engine*>(handle()), path.c_str());
  }

 private:
  template <class Read>
  std::vector<Port> ports(std::size_t count, Read read) const {
    std::vector<Port> out;
    for (std::size_t i = 0; i < count; ++i) {
      const strop_port* from = read(handle(), i);
      Port port;
      port.name = from->name;
      port.type = from->type;
      port.dtype = from->dtype;
      port.has_rank = from->rank >= 0;
      for (std::int32_t axis = 0; axis < from->rank; ++axis) {
        port.dims.push_back(from->dims[axis]);
        port.symbols.emplace_back(from->symbols[axis] != nullptr ? from->symbols[axis] : "");
      }
      out.push_back(std::move(port));
    }
    return out;
  }

  std::unique_ptr<strop_engine, void (*)(strop_engine*)> handle_;
};

inline std::string version() { return strop_version(); }

// Operators of a model's own, out of a shared library that strop/plugin.h describes. Runs code of
// it, serves the whole process and is never unloaded; strop_load_plugin says more.
inline void load_plugin(const std::string& path) { c_api::call(strop_load_plugin, path.c_str()); }

inline Engine load(const std::string& path) {
  strop_engine* engine = nullptr;
  c_api::call(strop_engine_load_file, path.c_str(), &engine);
  return Engine(engine);
}

inline Engine load(std::span<const std::byte> bytes) {
  strop_engine* engine = nullptr;
  c_api::call(strop_engine_load_memory, static_cast<const void*>(bytes.data()), bytes.size(),
              &engine);
  return Engine(engine);
}

// The header of an engine file as JSON; nothing else of the file is loaded.
inline std::string read_header(const std::string& path) {
  char* json = nullptr;
  c_api::call(strop_engine_read_header, path.c_str(), &json);
  return c_api::take_text(json);
}

// What Strop finds on this machine.
inline std::string doctor(bool json = false) {
  char* text = nullptr;
  c_api::call(strop_doctor, static_cast<std::int32_t>(json ? 1 : 0), &text);
  return c_api::take_text(text);
}

enum class Precision { fp32, tf32, bf16, fp16, int8, fp8, best };

inline const char* to_text(Precision precision) {
  constexpr const char* names[] = {"fp32", "tf32", "bf16", "fp16", "int8", "fp8", "best"};
  return names[static_cast<std::size_t>(precision)];
}

// As strop_build_options, whose comments say what each does.
struct BuildOptions {
  std::string device = "auto";
  Precision precision = Precision::fp32;
  bool precise = false;
  std::int32_t threads = 0;
  std::int64_t budget_ms = 0;
  std::string timing_cache{};
  std::string tactics{};
  std::string shapes{};
  std::string outputs{};
  strop_verify verify = STROP_VERIFY_AUTO;
  bool portable = false;
  std::string external_data_root{};
  std::string dump_dir{};
  std::vector<std::string> plugins{};  // paths; loaded as load_plugin does
  // stage, detail, fraction; false cancels. An exception cancels too and comes out of build().
  std::function<bool(const char*, const char*, double)> progress{};
  std::string* report = nullptr;  // receives the build report, JSON
};

namespace c_api {

template <class Build>
Engine build(const BuildOptions& options, Build&& run) {
  struct Progress {
    const BuildOptions& options;
    std::exception_ptr thrown;
  } progress{options, nullptr};
  const auto text = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
  strop_build_options raw{};
  raw.struct_size = sizeof raw;
  raw.device = text(options.device);
  raw.precision = to_text(options.precision);
  raw.precise = options.precise ? 1 : 0;
  raw.threads = options.threads;
  raw.budget_ms = options.budget_ms;
  raw.timing_cache = text(options.timing_cache);
  raw.tactics = text(options.tactics);
  raw.shapes = text(options.shapes);
  raw.outputs = text(options.outputs);
  raw.verify = options.verify;
  raw.portable = options.portable ? 1 : 0;
  raw.external_data_root = text(options.external_data_root);
  raw.dump_dir = text(options.dump_dir);
  std::vector<const char*> plugins;
  for (const std::string& plugin : options.plugins) plugins.push_back(plugin.c_str());
  plugins.push_back(nullptr);
  raw.plugins = plugins.data();
  if (options.progress) {
    raw.progress = [](void* user, const char* stage, const char* detail,
                      double fraction) -> std::int32_t {
      auto& self = *static_cast<Progress*>(user);
      try {
        return self.options.progress(stage, detail, fraction) ? 0 : 1;
      } catch (...) {
        self.thrown = std::current_exception();
        return 1;
      }
    };
    raw.progress_user = &progress;
  }
  strop_engine* engine = nullptr;
  char* report = nullptr;
  strop_error* error = nullptr;
  const strop_status status =
      run(&raw, &engine, options.report != nullptr ? &report : nullptr, &error);
  Engine out(engine);
  std::string report_text = take_text(report);
  if (options.report != nullptr) *options.report = std::move(report_text);
  if (progress.thrown != nullptr) {
    strop_error_destroy(error);
    std::rethrow_exception(progress.thrown);
  }
  check(status, error);
  return out;
}

}  // namespace c_api

// Compiles an ONNX model. Needs libstrop_builder.
inline Engine build(const std::string& path, const BuildOptions& options = {}) {
  return c_api::build(options,
                      [&](auto... rest) { return strop_build_file(path.c_str(), rest...); });
}

inline Engine build(std::span<const std::byte> model, const BuildOptions& options = {}) {
  return c_api::build(options, [&](auto... rest) {
    return strop_build_memory(model.data(), model.size(), rest...);
  });
}

}  // namespace api
}  // namespace strop
