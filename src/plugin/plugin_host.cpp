// SPDX-License-Identifier: Apache-2.0
// The host functions of plugin.h. Each is a C function around a body that may throw: what it throws
// is recorded in the call.
#include <algorithm>
#include <cstring>
#include <new>

#include "base/os/clock.hpp"
#include "base/parallel.hpp"
#include "plugin/plugin_functions.hpp"

void strop_plugin_call::record(strop::Error error) noexcept {
  try {
    const std::scoped_lock lock(failure_mutex);
    if (!failure) failure.emplace(std::move(error));
  } catch (...) {
    // No memory for the text; that it failed is kept.
  }
  failed = true;
}

namespace strop {
namespace {

using Call = strop_plugin_call;

constexpr std::int32_t kMaxRank = 64;
constexpr std::size_t kMaxDims = 100'000;  // handles of one call

// Memory of empty tensors.
alignas(64) std::byte empty_memory[64];

template <class Result, class Body>
Result guarded(Call* call, Result otherwise, Body&& body) noexcept {
  try {
    return body();
  } catch (Error& error) {
    call->record(std::move(error));
  } catch (const std::bad_alloc&) {
    call->failed = true;
  } catch (...) {  // nothing here throws anything else
    try {
      call->record(
          Error(ErrorCode::plugin_failed, "operator " + call->op.ir_name,
                "an exception left a body that it gave to parallel_for",
                "that is a fault of plugin " + call->op.library->name + ": tell its maker"));
    } catch (...) {
      call->failed = true;
    }
  }
  return otherwise;
}

[[noreturn]] void misuse(const Call& call, std::string why) {
  throw Error(ErrorCode::plugin_failed, "operator " + call.op.ir_name, std::move(why),
              "that is a fault of plugin " + call.op.library->name + ": tell its maker");
}

InferContext& shapes(const Call& call, const char* function) {
  if (call.shapes == nullptr)
    misuse(call, std::string("it called ") + function + " outside of infer and accepts");
  return *call.shapes;
}

// ---- failures, attributes ----

strop_status fail(Call* call, strop_status code, const char* why, const char* hint) {
  return guarded(call, code != 0 ? code : STROP_PLUGIN_FAILED, [&] {
    const std::string reason = why != nullptr ? why : "it says no reason";
    const std::string advice = hint != nullptr ? hint : "";
    const bool known = code > STROP_INTERNAL && code <= 0xffff &&
                       error_code_name(static_cast<ErrorCode>(code)) != "unknown";
    const auto number = known ? static_cast<ErrorCode>(code) : ErrorCode::plugin_failed;
    if (call->shapes != nullptr) {
      try {
        call->shapes->fail(number, reason, advice);
      } catch (Error& error) {
        call->record(std::move(error));
      }
    } else {
      call->record(Error(number, "operator " + call->op.ir_name, reason, advice));
    }
    return static_cast<strop_status>(number);
  });
}

std::int32_t has_failed(const Call* call) { return call->failed ? 1 : 0; }

const strop_plugin_operator* operator_of(const Call* call) { return call->op.description; }

template <class T>
const T& attribute(const Call& call, const char* name) {
  const auto& list = call.op.attribute_list;
  const std::string_view wanted = name != nullptr ? name : "";
  const auto at = std::ranges::find(list, wanted, &PluginAttribute::name);
  if (at == list.end())
    misuse(call, "it reads attribute " + std::string(wanted) + ", which it has not");
  const auto* value =
      std::get_if<T>(&call.values.values[static_cast<std::size_t>(at - list.begin())]);
  if (value == nullptr) misuse(call, "it reads attribute " + at->name + " as another kind");
  return *value;
}

std::int64_t attribute_int(Call* call, const char* name) {
  return guarded(call, std::int64_t{0}, [&] { return attribute<std::int64_t>(*call, name); });
}

double attribute_float(Call* call, const char* name) {
  return guarded(call, 0.0, [&] { return attribute<double>(*call, name); });
}

const char* attribute_string(Call* call, const char* name) {
  return guarded<const char*>(call, "",
                              [&] { return attribute<std::string>(*call, name).c_str(); });
}

template <class T>
const T* attribute_list(Call* call, const char* name, std::size_t* count) {
  if (count != nullptr) *count = 0;
  return guarded<const T*>(call, nullptr, [&] {
    const auto& list = attribute<std::vector<T>>(*call, name);
    if (count != nullptr) *count = list.size();
    return list.data();
  });
}

const std::int64_t* attribute_ints(Call* call, const char* name, std::size_t* count) {
  return attribute_list<std::int64_t>(call, name, count);
}

const double* attribute_floats(Call* call, const char* name, std::size_t* count) {
  return attribute_list<double>(call, name, count);
}

std::size_t attribute_string_count(Call* call, const char* name) {
  return guarded(call, std::size_t{0},
                 [&] { return attribute<std::vector<std::string>>(*call, name).size(); });
}

const char* attribute_string_at(Call* call, const char* name, std::size_t index) {
  return guarded<const char*>(call, "", [&] {
    const auto& list = attribute<std::vector<std::string>>(*call, name);
    if (index >= list.size())
      misuse(*call, std::string("it reads past the end of attribute ") + name);
    return list[index].c_str();
  });
}

std::int32_t attribute_tensor(Call* call, const char* name, strop_tensor* tensor) {
  *tensor = strop_tensor{};
  return guarded(call, 0, [&] {
    const auto& value = attribute<Tensor>(*call, name);
    if (!value.defined()) return 0;
    *tensor = plugin_tensor(value);
    return 1;
  });
}

// ---- inputs and outputs ----

std::size_t input_count(const Call* call) {
  return call->shapes != nullptr ? call->shapes->input_count() : call->inputs.size();
}

std::size_t output_count(const Call* call) {
  return call->shapes != nullptr ? call->shapes->output_count() : call->outputs.size();
}

std::int32_t has_input(const Call* call, std::size_t input) {
  if (call->shapes != nullptr) return call->shapes->has_input(input) ? 1 : 0;
  return input < call->inputs.size() && call->inputs[input].dtype != STROP_UNDEFINED ? 1 : 0;
}

void require_input(const Call& call, std::size_t input) {
  if (has_input(&call, input) == 0)
    misuse(call, "it reads input " + std::to_string(input) + ", which is absent");
}

strop_dtype input_dtype(Call* call, std::size_t input) {
  return guarded(call, strop_dtype{STROP_UNDEFINED}, [&] {
    require_input(*call, input);
    return call->shapes != nullptr ? static_cast<strop_dtype>(call->shapes->dtype(input))
                                   : call->inputs[input].dtype;
  });
}

std::int32_t read_tensor(Call* call, std::span<const strop_tensor> list, std::size_t index,
                         strop_tensor* tensor) {
  *tensor = strop_tensor{};
  return guarded(call, 0, [&] {
    if (!call->has_tensors) misuse(*call, "it reads a tensor in infer or accepts");
    if (index >= list.size() || list[index].dtype == STROP_UNDEFINED) return 0;
    *tensor = list[index];
    return 1;
  });
}

std::int32_t input(Call* call, std::size_t index, strop_tensor* tensor) {
  return read_tensor(call, call->inputs, index, tensor);
}

std::int32_t output(Call* call, std::size_t index, strop_tensor* tensor) {
  return read_tensor(call, call->outputs, index, tensor);
}

void* allocate_output(Call* call, std::size_t index, strop_dtype dtype, std::uint32_t rank,
                      const std::int64_t* dims) {
  return guarded<void*>(call, nullptr, [&]() -> void* {
    if (call->allocate == nullptr) misuse(*call, "it allocates an output that has its memory");
    const auto& operands = call->op.outputs;
    const Operand& operand = operands[std::min(index, operands.size() - 1)];
    if ((index >= operands.size() && operand.arity != Operand::variadic) || dtype == 0 ||
        dtype >= static_cast<strop_dtype>(kDTypeCount) ||
        !operand.types.contains(static_cast<DType>(dtype)) ||
        rank > static_cast<std::uint32_t>(kMaxRank) || (rank > 0 && dims == nullptr))
      misuse(*call, "it allocates output " + std::to_string(index) + " of no type it may have");
    // One that nobody wants gets memory too: the kernel need not look.
    strop_tensor unwanted{};
    strop_tensor& made = index < call->outputs.size() ? call->outputs[index] : unwanted;
    void* memory = call->allocate(call->allocate_user, index, static_cast<DType>(dtype),
                                  Shape(dims, dims + rank), made);
    return memory != nullptr ? memory : empty_memory;
  });
}

// ---- sizes ----

strop_dim keep(Call& call, Dim dim) {
  if (call.dims.size() >= kMaxDims) misuse(call, "it makes more than 100,000 dimensions");
  call.dims.push_back(std::move(dim));
  return static_cast<strop_dim>(call.dims.size());
}

const Dim& dim_at(const Call& call, strop_dim handle) {
  if (handle == 0 || handle > call.dims.size())
    misuse(call, "it uses a dimension that was never made");
  return call.dims[handle - 1];
}

std::int32_t input_rank(Call* call, std::size_t input) {
  return guarded(call, -1, [&] {
    InferContext& context = shapes(*call, "input_rank");
    require_input(*call, input);
    if (const SymShape* shape = context.shape(input))
      return static_cast<std::int32_t>(shape->size());
    const std::uint32_t stated = PluginOperator::rank_of(call->op.input_ranks, input);
    return stated != 0 ? static_cast<std::int32_t>(stated) : -1;
  });
}

// Of an input of unknown rank whose operand states one, dimensions are sizes that nobody knows.
strop_dim input_dim(Call* call, std::size_t input, std::int32_t axis) {
  return guarded(call, strop_dim{0}, [&] {
    InferContext& context = shapes(*call, "input_dim");
    require_input(*call, input);
    const std::int32_t rank = input_rank(call, input);
    if (axis < 0 || axis >= rank) {
      misuse(*call, "it reads dimension " + std::to_string(axis) + " of input " +
                        std::to_string(input) + ", which has " +
                        (rank < 0 ? "no known rank" : std::to_string(rank) + " dimensions"));
    }
    if (call->input_dims.size() <= input) call->input_dims.resize(input + 1);
    std::vector<strop_dim>& handles = call->input_dims[input];
    if (handles.empty()) {
      const SymShape* shape = context.shape(input);
      for (std::int32_t i = 0; i < rank; ++i) {
        handles.push_back(keep(
            *call, shape != nullptr ? (*shape)[static_cast<std::size_t>(i)] : context.fresh_dim()));
      }
    }
    return handles[static_cast<std::size_t>(axis)];
  });
}

bool is_parameter(const Call& call, std::size_t input) {
  return input < 32 && ((call.op.traits.parameter_inputs >> input) & 1u) != 0;
}

void require_parameter(const Call& call, std::size_t input) {
  require_input(call, input);
  if (!is_parameter(call, input)) {
    misuse(call, "it looks into input " + std::to_string(input) +
                     ", which is not marked STROP_OPERAND_PARAMETER");
  }
}

std::int64_t input_element_count(Call* call, std::size_t input) {
  return guarded(call, std::int64_t{-1}, [&] {
    InferContext& context = shapes(*call, "input_element_count");
    require_parameter(*call, input);
    const auto elements = context.elements(input);
    return elements ? static_cast<std::int64_t>(elements->size()) : std::int64_t{-1};
  });
}

strop_dim input_element(Call* call, std::size_t input, std::size_t index) {
  return guarded(call, strop_dim{0}, [&] {
    InferContext& context = shapes(*call, "input_element");
    require_parameter(*call, input);
    const auto elements = context.elements(input);
    if (!elements || index >= elements->size())
      misuse(*call, "it reads an element of input " + std::to_string(input) + " that is not known");
    return keep(*call, (*elements)[index]);
  });
}

std::int32_t input_values(Call* call, std::size_t input, strop_tensor* tensor) {
  *tensor = strop_tensor{};
  return guarded(call, 0, [&] {
    InferContext& context = shapes(*call, "input_values");
    require_parameter(*call, input);
    const Tensor* constant = context.constant(input);
    if (constant == nullptr) return 0;
    *tensor = plugin_tensor(*constant);
    return 1;
  });
}

strop_dim dim_constant(Call* call, std::int64_t value) {
  return guarded(call, strop_dim{0}, [&] { return keep(*call, Dim(value)); });
}

std::int32_t dim_value(Call* call, strop_dim handle, std::int64_t* value) {
  if (value != nullptr) *value = 0;
  return guarded(call, 0, [&] {
    const Dim& dim = dim_at(*call, handle);
    if (!dim.is_constant()) return 0;
    if (value != nullptr) *value = dim.value();
    return 1;
  });
}

std::int32_t dim_equal(Call* call, strop_dim a, strop_dim b) {
  return guarded(call, 0, [&] { return dim_at(*call, a) == dim_at(*call, b) ? 1 : 0; });
}

strop_dim dim_require_equal(Call* call, strop_dim a, strop_dim b, const char* what) {
  return guarded(call, strop_dim{0}, [&] {
    InferContext& context = shapes(*call, "dim_require_equal");
    return keep(*call, context.require_equal(dim_at(*call, a), dim_at(*call, b),
                                             what != nullptr ? what : "two sizes"));
  });
}

template <class Combine>
strop_dim combined(Call* call, strop_dim a, strop_dim b, Combine combine) {
  return guarded(call, strop_dim{0},
                 [&] { return keep(*call, combine(dim_at(*call, a), dim_at(*call, b))); });
}

strop_dim dim_add(Call* call, strop_dim a, strop_dim b) {
  return combined(call, a, b, [](const Dim& x, const Dim& y) { return x + y; });
}
strop_dim dim_sub(Call* call, strop_dim a, strop_dim b) {
  return combined(call, a, b, [](const Dim& x, const Dim& y) { return x - y; });
}
strop_dim dim_mul(Call* call, strop_dim a, strop_dim b) {
  return combined(call, a, b, [](const Dim& x, const Dim& y) { return x * y; });
}

// Known now, or found when the size is computed.
void require_divisor(const Dim& dim) {
  if (dim.is_constant() && dim.value() <= 0)
    throw Error(ErrorCode::bad_shape, "a dimension is divided by " + dim.to_string());
}

strop_dim dim_floordiv(Call* call, strop_dim a, strop_dim b) {
  return combined(call, a, b, [](const Dim& x, const Dim& y) {
    require_divisor(y);
    return floordiv(x, y);
  });
}
strop_dim dim_ceildiv(Call* call, strop_dim a, strop_dim b) {
  return combined(call, a, b, [](const Dim& x, const Dim& y) {
    require_divisor(y);
    return ceildiv(x, y);
  });
}
strop_dim dim_min(Call* call, strop_dim a, strop_dim b) {
  return combined(call, a, b, [](const Dim& x, const Dim& y) { return min(x, y); });
}
strop_dim dim_max(Call* call, strop_dim a, strop_dim b) {
  return combined(call, a, b, [](const Dim& x, const Dim& y) { return max(x, y); });
}

strop_dim dim_fresh(Call* call) {
  return guarded(call, strop_dim{0},
                 [&] { return keep(*call, shapes(*call, "dim_fresh").fresh_dim()); });
}

void set_output(Call* call, std::size_t index, strop_dtype dtype, std::int32_t rank,
                const strop_dim* dims) {
  guarded(call, 0, [&] {
    InferContext& context = shapes(*call, "set_output");
    if (!call->may_set_outputs) misuse(*call, "it calls set_output outside of infer");
    if (dtype == 0 || dtype >= static_cast<strop_dtype>(kDTypeCount) || rank < -1 ||
        rank > kMaxRank || (rank > 0 && dims == nullptr))
      misuse(*call, "it gives output " + std::to_string(index) + " no possible type");
    if (rank < 0) {
      context.set_output(index, Type::tensor_of_unknown_rank(static_cast<DType>(dtype)));
      return 0;
    }
    SymShape shape;
    for (std::int32_t i = 0; i < rank; ++i) {
      shape.push_back(dim_at(*call, dims[i]));
      if (shape.back().is_constant() && shape.back().value() < 0) {
        context.fail(ErrorCode::bad_shape, "dimension " + std::to_string(i) + " of output " +
                                               std::to_string(index) + " would be " +
                                               shape.back().to_string());
      }
    }
    context.set_output(index, static_cast<DType>(dtype), std::move(shape));
    return 0;
  });
}

std::int32_t precise(const Call* call) { return call->precise ? 1 : 0; }

// ---- running ----

void run_in_parallel(Call* call, std::int64_t count, std::int64_t grain,
                     void (*body)(void*, std::int64_t, std::int64_t), void* user) {
  guarded(call, 0, [&] {
    if (!call->may_run || body == nullptr)
      misuse(*call, "it calls parallel_for where nothing runs");
    parallel_for(count, std::max<std::int64_t>(1, grain),
                 [&](std::int64_t begin, std::int64_t end) { body(user, begin, end); });
    return 0;
  });
}

std::int32_t should_stop(Call* call) {
  if (call->deadline_ns == 0 || os::monotonic_ns() <= call->deadline_ns) return 0;
  // A kernel that stops early has not written its outputs, so the run must fail.
  return guarded(call, 1, [&] {
    call->record(Error(ErrorCode::limit_exceeded, "the run passed its deadline",
                       "operator " + call->op.ir_name + " stopped", "allow more time"));
    return 1;
  });
}

}  // namespace

strop_tensor plugin_tensor(const Tensor& tensor) {
  strop_tensor out{};
  out.dtype = static_cast<strop_dtype>(tensor.dtype());
  out.rank = static_cast<std::uint32_t>(tensor.rank());
  out.dims = tensor.shape().data();
  out.data = tensor.bytes() > 0 ? const_cast<std::byte*>(tensor.data()) : empty_memory;
  out.bytes = static_cast<std::uint64_t>(tensor.bytes());
  return out;
}

void finish_plugin_call(strop_plugin_call& call, strop_status status, const char* function) {
  if (call.failure) throw std::move(*call.failure);
  if (call.failed) throw std::bad_alloc();
  if (status == STROP_OK) return;
  misuse(call, std::string("its function ") + function + " returned " + std::to_string(status) +
                   " and gave no reason");
}

const strop_plugin_host& plugin_host() {
  static const strop_plugin_host host = [] {
    strop_plugin_host h{};
    h.struct_size = sizeof h;
    h.api_version = STROP_PLUGIN_API_VERSION;
    h.fail = fail;
    h.failed = has_failed;
    h.operator_of = operator_of;
    h.attribute_int = attribute_int;
    h.attribute_float = attribute_float;
    h.attribute_string = attribute_string;
    h.attribute_ints = attribute_ints;
    h.attribute_floats = attribute_floats;
    h.attribute_string_count = attribute_string_count;
    h.attribute_string_at = attribute_string_at;
    h.attribute_tensor = attribute_tensor;
    h.input_count = input_count;
    h.output_count = output_count;
    h.has_input = has_input;
    h.input_dtype = input_dtype;
    h.input_rank = input_rank;
    h.input_dim = input_dim;
    h.input_element_count = input_element_count;
    h.input_element = input_element;
    h.input_values = input_values;
    h.dim_constant = dim_constant;
    h.dim_value = dim_value;
    h.dim_equal = dim_equal;
    h.dim_require_equal = dim_require_equal;
    h.dim_add = dim_add;
    h.dim_sub = dim_sub;
    h.dim_mul = dim_mul;
    h.dim_floordiv = dim_floordiv;
    h.dim_ceildiv = dim_ceildiv;
    h.dim_min = dim_min;
    h.dim_max = dim_max;
    h.dim_fresh = dim_fresh;
    h.set_output = set_output;
    h.precise = precise;
    h.input = input;
    h.output = output;
    h.allocate_output = allocate_output;
    h.parallel_for = run_in_parallel;
    h.should_stop = should_stop;
    return h;
  }();
  return host;
}

}  // namespace strop
