// SPDX-License-Identifier: Apache-2.0
#include "conformance/hostile.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <random>

#include "base/float_types.hpp"
#include "base/os/process_memory.hpp"
#include "conformance/case.hpp"
#include "ir/evaluate.hpp"
#include "onnx/importer.hpp"
#include "ops/op_list.hpp"

namespace strop::conformance {
namespace {

constexpr std::int64_t kLimitBytes = std::int64_t{1} << 20;
constexpr double kLimitSeconds = 5;

// A node with the values it reads; undefined data are absent inputs.
struct Call {
  const OpDef* op = nullptr;
  Attributes attributes;
  std::vector<Datum> inputs;
  std::vector<std::shared_ptr<const Graph>> subgraphs;
  std::size_t output_count = 1;
};

// Written before each call, printed by the handler when the call ends the process.
std::array<char, 4096> current_call{};

void print_current_call(int signal_number) {
  const char* const head = "\nended the process: ";
  [[maybe_unused]] const auto written =
      std::fwrite(head, 1, std::strlen(head), stderr) +
      std::fwrite(current_call.data(), 1, std::strlen(current_call.data()), stderr);
  std::fflush(stderr);
  std::signal(signal_number, SIG_DFL);
  std::raise(signal_number);
}

std::string describe(const Datum& datum) {
  if (!datum.has_value()) return "_";
  if (datum.is_tensor()) return strop::describe(datum.tensor());
  return "boxed";
}

std::string describe(const Call& call) {
  std::string out = std::string(call.op->name) + call.attributes.to_string() + "(";
  for (const Datum& input : call.inputs) out += describe(input) + ", ";
  return out + ") -> " + std::to_string(call.output_count);
}

Type type_of(const Datum& datum) {
  if (datum.is_tensor())
    return Type::tensor(datum.tensor().dtype(), to_symbolic(datum.tensor().shape()));
  if (const auto* sequence = std::get_if<Sequence>(&datum.value)) {
    return Type::sequence(sequence->empty() ? Type::tensor_of_unknown_rank(DType::f32)
                                            : type_of(sequence->front()));
  }
  if (const auto* optional = std::get_if<Optional>(&datum.value)) {
    return Type::optional(optional->value ? type_of(*optional->value)
                                          : Type::tensor_of_unknown_rank(DType::f32));
  }
  const Map& map = std::get<Map>(datum.value);
  return Type::map(map.keys.dtype(),
                   map.values.empty() ? Type::tensor(DType::f32, {}) : type_of(map.values.front()));
}

class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : random_(seed) {}

  // One to three changes.
  Call change(const Call& call) {
    Call out = call;
    for (std::uint64_t n = 1 + below(3); n > 0; --n) {
      switch (below(6)) {
        case 0:
          change_attributes(out);
          break;
        case 1:
          change_arity(out);
          break;
        default:
          change_input(out);
          break;
      }
    }
    return out;
  }

 private:
  std::uint64_t below(std::uint64_t n) { return random_() % n; }

  std::int64_t hostile_integer() {
    static constexpr std::array<std::int64_t, 20> kValues = {
        0,
        1,
        -1,
        2,
        -2,
        3,
        5,
        -7,
        8,
        64,
        -64,
        255,
        65536,
        1 << 30,
        -(1 << 30),
        std::int64_t{1} << 31,
        -(std::int64_t{1} << 31),
        std::int64_t{1} << 62,
        std::numeric_limits<std::int64_t>::max(),
        std::numeric_limits<std::int64_t>::min()};
    return kValues[below(kValues.size())];
  }

  double hostile_number() {
    static constexpr std::array<double, 10> kValues = {0,
                                                       -0.0,
                                                       1,
                                                       -1,
                                                       0.5,
                                                       1e-40,
                                                       1e30,
                                                       -1e300,
                                                       std::numeric_limits<double>::infinity(),
                                                       std::numeric_limits<double>::quiet_NaN()};
    return kValues[below(kValues.size())];
  }

  AttributeValue hostile_value(const AttributeField& field, const AttributeValue& now) {
    if (!field.enum_names.empty())
      return std::string(field.enum_names[below(field.enum_names.size())]);
    return std::visit(
        [&]<class T>(const T& value) -> AttributeValue {
          if constexpr (std::is_same_v<T, bool>)
            return !value;
          else if constexpr (std::is_same_v<T, std::int64_t>)
            return hostile_integer();
          else if constexpr (std::is_same_v<T, double>)
            return hostile_number();
          else if constexpr (std::is_same_v<T, std::string>)
            return std::string(below(40), static_cast<char>('!' + below(90)));
          else if constexpr (std::is_same_v<T, DType>)
            return any_dtype();
          else if constexpr (std::is_same_v<T, std::optional<std::int64_t>>)
            return below(2) == 0 ? T() : T(hostile_integer());
          else if constexpr (std::is_same_v<T, std::vector<std::int64_t>>)
            return hostile_list(value, [&] { return hostile_integer(); });
          else if constexpr (std::is_same_v<T, std::vector<double>>)
            return hostile_list(value, [&] { return hostile_number(); });
          else if constexpr (std::is_same_v<T, std::vector<Dim>>)
            return hostile_list(value, [&] { return Dim(hostile_integer()); });
          else
            return value;
        },
        now);
  }

  template <class T, class F>
  std::vector<T> hostile_list(std::vector<T> values, F&& make) {
    switch (below(3)) {
      case 0:
        values.resize(below(9), make());
        break;
      case 1:
        values.push_back(make());
        break;
      default:
        if (!values.empty()) values[below(values.size())] = make();
    }
    return values;
  }

  void change_attributes(Call& call) {
    const AttributeSchema& schema = call.attributes.schema();
    if (schema.fields.empty()) return;
    const std::size_t chosen = below(schema.fields.size());
    std::string text = "{";
    for (std::size_t i = 0; i < schema.fields.size(); ++i) {
      const AttributeField& field = schema.fields[i];
      AttributeValue value = field.get(call.attributes.data());
      if (i == chosen) value = hostile_value(field, value);
      std::string printed = to_string(value);
      text += (i == 0 ? "" : ", ") + std::string(field.name) + "=" + printed;
    }
    try {
      call.attributes = Attributes::parse(schema, text + "}");
    } catch (const Error&) {
      // The text form refuses it already.
    }
  }

  void change_arity(Call& call) {
    switch (below(4)) {
      case 0:
        if (!call.inputs.empty()) call.inputs[below(call.inputs.size())] = Datum();
        break;
      case 1:
        if (!call.inputs.empty()) call.inputs.pop_back();
        break;
      case 2:
        call.inputs.push_back(call.inputs.empty() ? any_tensor()
                                                  : call.inputs[below(call.inputs.size())]);
        break;
      default:
        call.output_count = below(5);
    }
  }

  void change_input(Call& call) {
    if (call.inputs.empty()) return;
    Datum& input = call.inputs[below(call.inputs.size())];
    if (!input.is_tensor() || below(8) == 0) {
      input = any_tensor();
      return;
    }
    switch (below(4)) {
      case 0:
        input = reshaped(input.tensor());
        break;
      case 1:
        input = retyped(input.tensor());
        break;
      default:
        input = with_other_contents(input.tensor());
    }
  }

  DType any_dtype() { return all_dtypes()[1 + below(all_dtypes().size() - 1)].type; }

  Shape any_shape() {
    static constexpr std::array<std::int64_t, 6> kSizes = {0, 1, 2, 3, 4, 7};
    Shape shape(below(6));
    for (std::int64_t& size : shape) size = kSizes[below(kSizes.size())];
    return shape;
  }

  Tensor any_tensor() { return with_other_contents(Tensor::zeros(any_dtype(), any_shape())); }

  // Another shape; as much of the contents as fits.
  Tensor reshaped(const Tensor& tensor) {
    Shape shape = tensor.shape();
    switch (below(5)) {
      case 0:
        shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(below(shape.size() + 1)),
                     below(3));
        break;
      case 1:
        if (!shape.empty())
          shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(below(shape.size())));
        break;
      case 2:
        if (!shape.empty()) ++shape[below(shape.size())];
        break;
      case 3:
        if (!shape.empty()) shape[below(shape.size())] = 0;
        break;
      default:
        shape = any_shape();
    }
    if (element_count(shape) > 4096) return tensor;
    Tensor out = Tensor::zeros(tensor.dtype(), shape);
    if (tensor.dtype() != DType::string && tensor.bytes() > 0 && out.bytes() > 0) {
      std::memcpy(out.mutable_data(), tensor.data(),
                  static_cast<std::size_t>(std::min(tensor.bytes(), out.bytes())));
    }
    return out;
  }

  Tensor retyped(const Tensor& tensor) {
    const DType dtype = any_dtype();
    Tensor out = Tensor::zeros(dtype, tensor.shape());
    return below(2) == 0 ? out : with_other_contents(std::move(out));
  }

  Tensor with_other_contents(const Tensor& tensor) {
    Tensor out = tensor.clone();
    if (out.size() == 0) return out;
    for (std::uint64_t n = 1 + below(3); n > 0; --n) {
      const auto at = static_cast<std::int64_t>(below(static_cast<std::uint64_t>(out.size())));
      if (out.dtype() == DType::string) {
        out.mutable_values<std::string>()[static_cast<std::size_t>(at)] =
            std::string(below(50), static_cast<char>(below(256)));
      } else if (out.dtype() == DType::boolean) {
        out.mutable_data()[at] = std::byte{static_cast<unsigned char>(below(2))};
      } else if (out.dtype() == DType::i64 || out.dtype() == DType::u64) {
        const std::int64_t value = hostile_integer();
        std::memcpy(out.mutable_data() + at * 8, &value, 8);
      } else if (out.dtype() != DType::c64 && out.dtype() != DType::c128) {
        const double value =
            is_integer(out.dtype()) ? static_cast<double>(hostile_integer()) : hostile_number();
        store_from_double(out.dtype(), out.mutable_data(), at, value);
      }
    }
    return out;
  }

  std::mt19937_64 random_;
};

// Collects calls of every operator from the standard's cases.
std::map<const OpDef*, std::vector<Call>> collect_calls(const HostileOptions& options) {
  constexpr std::size_t kPerOperator = 60;
  std::map<const OpDef*, std::vector<Call>> calls;
  for (const Case& test : find_cases(options.data)) {
    try {
      const Graph graph = onnx::import_model(test.model());
      std::vector<Type> inputs, outputs;
      for (const ValueId id : graph.inputs()) inputs.push_back(graph.value(id).type);
      for (const ValueId id : graph.outputs()) outputs.push_back(graph.value(id).type);
      const std::vector<DataSet> sets = read_data_sets(test, inputs, outputs);
      if (sets.empty()) continue;
      std::map<std::uint32_t, Datum> values;
      for (std::uint32_t i = 0; i < graph.value_count(); ++i) {
        if (graph.value(ValueId{i}).is_constant()) values[i] = graph.value(ValueId{i}).constant;
      }
      evaluate_graph(graph, sets[0].inputs, {},
                     [&](ValueId id, const Datum& datum) { values[id.index] = datum; });
      for (std::size_t i = 0; i < graph.inputs().size(); ++i)
        values[graph.inputs()[i].index] = sets[0].inputs[i];
      for (const NodeId id : graph.order()) {
        const Node& node = graph.node(id);
        std::vector<Call>& list = calls[node.op];
        if (list.size() >= kPerOperator) continue;
        Call call{node.op, node.attributes, {}, node.subgraphs, node.outputs.size()};
        for (const ValueId input : node.inputs)
          call.inputs.push_back(input.exists() ? values[input.index] : Datum());
        list.push_back(std::move(call));
      }
    } catch (const Error&) {
      // Cases that do not pass are another target's business.
    }
  }
  for (const OpDef* op : all_ops()) {
    if (calls[op].empty())
      calls[op].push_back({op, Attributes::parse(*op->attributes, ""), {}, {}, 1});
  }
  return calls;
}

// Inference alone, on the types as they are and with less and less known of them.
void infer_all_ways(const Call& call) {
  std::vector<const Graph*> subgraphs;
  for (const auto& nested : call.subgraphs) subgraphs.push_back(nested.get());
  for (int way = 0; way < 4; ++way) {
    std::vector<Type> types(call.inputs.size());
    std::vector<InferInput> inputs(call.inputs.size());
    for (std::size_t i = 0; i < call.inputs.size(); ++i) {
      if (!call.inputs[i].has_value()) continue;
      types[i] = type_of(call.inputs[i]);
      if (types[i].shape && way == 2) {
        for (std::size_t axis = 0; axis < types[i].shape->size(); ++axis)
          (*types[i].shape)[axis] =
              Dim::symbol("s" + std::to_string(i) + "_" + std::to_string(axis));
      }
      if (types[i].shape && way == 3) types[i].shape.reset();
      inputs[i].type = &types[i];
      if (way == 0 && call.inputs[i].is_tensor()) inputs[i].constant = &call.inputs[i].tensor();
    }
    InferContext context(*call.op, call.attributes, inputs, subgraphs, call.output_count, "t");
    try {
      infer_outputs(context);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::internal) throw;
    }
  }
}

void run_call(const Call& call) {
  infer_all_ways(call);
  std::vector<const Datum*> inputs;
  for (const Datum& input : call.inputs) inputs.push_back(input.has_value() ? &input : nullptr);
  std::vector<const Graph*> subgraphs;
  for (const auto& nested : call.subgraphs) subgraphs.push_back(nested.get());
  RunLimits limits;
  limits.tensor_bytes = kLimitBytes;
  limits.loop_iterations = 1000;
  limits.sequence_length = 1000;
  limits.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  std::vector<Datum> outputs;
  evaluate_op(*call.op, call.attributes, inputs, subgraphs, call.output_count, outputs, limits);
}

}  // namespace

int run_hostile(const HostileOptions& options) {
  for (const int number : {SIGSEGV, SIGABRT, SIGFPE, SIGILL, SIGBUS})
    std::signal(number, print_current_call);
  const auto calls = collect_calls(options);
  const std::uint64_t before = os::peak_resident_bytes();
  int failures = 0;
  std::int64_t made = 0, answered = 0, operators = 0;
  for (const OpDef* op : all_ops()) {
    if (std::string(op->name).find(options.filter) == std::string::npos) continue;
    ++operators;
    const std::vector<Call>& starts = calls.at(op);
    Mutator mutator(options.seed * 1'000'003 + std::hash<std::string_view>()(op->name));
    int failures_here = 0;
    for (std::int64_t i = 0; i < options.calls && failures_here < 5; ++i) {
      const Call call = mutator.change(starts[static_cast<std::size_t>(i) % starts.size()]);
      const std::string text = describe(call);
      std::snprintf(current_call.data(), current_call.size(), "%s\n", text.c_str());
      const auto start = std::chrono::steady_clock::now();
      std::string why;
      try {
        ++made;
        run_call(call);
        ++answered;
      } catch (const Error& error) {
        if (error.code() == ErrorCode::internal) why = error.message();
      } catch (const std::exception& error) {
        why = std::string("an exception of its own: ") + error.what();
      }
      const double seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      if (why.empty() && seconds > kLimitSeconds) why = "it took " + std::to_string(seconds) + " s";
      if (why.empty()) continue;
      ++failures_here;
      std::printf("FAILED %s: %s\n", text.c_str(), why.c_str());
    }
    failures += failures_here;
  }
  constexpr std::uint64_t kMemory = std::uint64_t{512} << 20;
  const std::uint64_t grown = os::peak_resident_bytes() - before;
  if (grown > kMemory) {
    ++failures;
    std::printf("FAILED: the calls took %llu MiB of memory\n",
                static_cast<unsigned long long>(grown >> 20));
  }
  std::printf(
      "hostile calls: %lld of %lld operators, %lld with a result, the others refused; %d failed\n",
      static_cast<long long>(made), static_cast<long long>(operators),
      static_cast<long long>(answered), failures);
  return failures;
}

}  // namespace strop::conformance
