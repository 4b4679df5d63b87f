// SPDX-License-Identifier: Apache-2.0
#include "backends/reference/reference_step.hpp"

#include <chrono>
#include <cstring>
#include <string>

#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "plugin/plugin_registry.hpp"

namespace strop::reference {
namespace {

DType checked_dtype(std::uint32_t number) {
  if (number == 0 || number >= static_cast<std::uint32_t>(kDTypeCount)) {
    throw Error(ErrorCode::internal,
                "the reference backend was given element type number " + std::to_string(number));
  }
  return static_cast<DType>(number);
}

Shape shape_of(const StropAbiValue& value) { return Shape(value.dims, value.dims + value.rank); }

RunLimits limits_of(const StropAbiRun& run) {
  RunLimits limits;
  limits.loop_iterations = run.loop_iterations;
  limits.tensor_bytes = run.tensor_bytes;
  limits.sequence_length = run.sequence_length;
  limits.iterations = run.iterations;
  if (run.deadline_ns != 0) {
    limits.deadline =
        std::chrono::steady_clock::time_point(std::chrono::nanoseconds(run.deadline_ns));
  }
  return limits;
}

// Tensors of a step are views of memory that is written again by other steps. A tensor inside of a
// boxed value lives longer, so a view there becomes a copy.
class Keeper {
 public:
  explicit Keeper(std::span<const Datum> views) {
    for (const Datum& datum : views) {
      if (!datum.is_tensor() || datum.tensor().bytes() == 0) continue;
      const std::byte* begin = datum.tensor().data();
      ranges_.emplace_back(begin, begin + datum.tensor().bytes());
    }
  }
  Datum keep(Datum datum) const {
    if (ranges_.empty()) return datum;
    if (auto* tensor = std::get_if<Tensor>(&datum.value)) {
      if (is_view(*tensor)) *tensor = tensor->clone();
    } else if (auto* sequence = std::get_if<Sequence>(&datum.value)) {
      for (Datum& element : *sequence) element = keep(std::move(element));
    } else if (auto* optional = std::get_if<Optional>(&datum.value)) {
      if (optional->value && holds_view(*optional->value)) {
        optional->value = std::make_shared<const Datum>(keep(*optional->value));
      }
    } else if (auto* map = std::get_if<Map>(&datum.value)) {
      if (is_view(map->keys)) map->keys = map->keys.clone();
      for (Datum& value : map->values) value = keep(std::move(value));
    }
    return datum;
  }

 private:
  bool is_view(const Tensor& tensor) const {
    if (tensor.dtype() == DType::string) return false;
    for (const auto& [begin, end] : ranges_) {
      if (tensor.data() >= begin && tensor.data() < end) return true;
    }
    return false;
  }
  bool holds_view(const Datum& datum) const {
    if (const auto* tensor = std::get_if<Tensor>(&datum.value)) return is_view(*tensor);
    return true;  // anything nested is looked at again
  }

  std::vector<std::pair<const std::byte*, const std::byte*>> ranges_;
};

// Takes the text of one graph off the front: it ends with the first line that is "}" (nested ones
// are indented, and line ends within quotes are escaped).
std::string_view take_graph(std::string_view& text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = std::min(end + 1, text.size());
    if (line != "}") continue;
    const std::string_view graph = text.substr(0, at);
    text.remove_prefix(at);
    return graph;
  }
  const std::string_view graph = text;
  text = {};
  return graph;
}

}  // namespace

ReferenceStep::ReferenceStep(std::string_view kernel, std::string_view parameters,
                             std::size_t input_count, std::size_t output_count)
    : op_(find_operator(kernel)), input_count_(input_count), output_count_(output_count) {
  if (op_ == nullptr && is_plugin_operator_name(kernel)) {
    throw Error(ErrorCode::missing_plugin,
                "the engine needs operator " + std::string(kernel.substr(0, 200)),
                "no plugin that was loaded has it", "load its plugin first: --plugin FILE");
  }
  if (op_ == nullptr) {
    throw Error(ErrorCode::unknown_operator,
                "the reference backend has no operator " + std::string(kernel.substr(0, 80)),
                "the engine names an operator that this version of Strop does not know",
                "build the engine again with this version");
  }
  const std::size_t line_end = parameters.find('\n');
  attributes_ = Attributes::parse(*op_->attributes, parameters.substr(0, line_end));
  std::string_view rest =
      line_end == std::string_view::npos ? std::string_view() : parameters.substr(line_end + 1);
  for (const std::string_view name : op_->subgraphs) {
    if (rest.empty()) {
      throw Error(ErrorCode::engine_invalid, "operator " + std::string(op_->name),
                  "its nested graph " + std::string(name) + " is not in the engine",
                  "build the engine again");
    }
    subgraphs_.push_back(
        std::make_shared<const Graph>(parse_graph(take_graph(rest), find_operator)));
  }
  if (rest.find_first_not_of("\n ") != std::string_view::npos) {
    throw Error(ErrorCode::engine_invalid, "operator " + std::string(op_->name),
                "it has " + std::to_string(op_->subgraphs.size()) +
                    " nested graphs, but the engine gives more",
                "build the engine again");
  }
}

void ReferenceStep::run(const StropAbiValue* inputs, StropAbiValue* outputs,
                        const StropAbiRun& run) const {
  std::vector<Datum> views(input_count_);
  std::vector<const Datum*> arguments(input_count_, nullptr);
  for (std::size_t i = 0; i < input_count_; ++i) {
    const StropAbiValue& input = inputs[i];
    if (input.boxed != nullptr) {
      arguments[i] = static_cast<const Datum*>(input.boxed);
    } else if (input.dtype != 0) {
      views[i] = Tensor::wrap(checked_dtype(input.dtype), shape_of(input), input.data, nullptr);
      arguments[i] = &views[i];
    }
  }
  std::vector<Datum> results(output_count_);
  for (std::size_t i = 0; i < output_count_; ++i) {
    const StropAbiValue& output = outputs[i];
    if (output.data == nullptr) continue;
    results[i] = Tensor::wrap(checked_dtype(output.dtype), shape_of(output), output.data, nullptr);
  }
  std::vector<const Graph*> subgraphs;
  for (const auto& graph : subgraphs_) subgraphs.push_back(graph.get());
  evaluate_op(*op_, attributes_, arguments, subgraphs, output_count_, results, limits_of(run));

  const Keeper keeper(views);
  for (std::size_t i = 0; i < output_count_; ++i) {
    StropAbiValue& output = outputs[i];
    Datum& result = results[i];
    if (!result.has_value()) {
      if (output.dtype == 0) continue;
      throw Error(ErrorCode::internal, "operator " + std::string(op_->name) + " left output " +
                                           std::to_string(i) + " unwritten");
    }
    const Tensor* tensor = std::get_if<Tensor>(&result.value);
    if (tensor == nullptr || tensor->dtype() == DType::string) {
      auto box = std::make_unique<Datum>(keeper.keep(std::move(result)));
      run.set_boxed_output(run.user, static_cast<std::uint32_t>(i), box.release());
      continue;
    }
    if (output.dtype == 0) continue;  // nobody wants it
    if (static_cast<std::uint32_t>(tensor->dtype()) != output.dtype) {
      throw Error(ErrorCode::bad_type,
                  "operator " + std::string(op_->name) + " gives output " + std::to_string(i) +
                      " as " + describe(*tensor),
                  "the engine foresees " + std::string(to_string(checked_dtype(output.dtype))));
    }
    void* target = output.data;
    if (target != nullptr) {
      if (tensor->shape() != shape_of(output)) {
        throw Error(ErrorCode::bad_shape,
                    "operator " + std::string(op_->name) + " gives output " + std::to_string(i) +
                        " as " + describe(*tensor),
                    "the engine foresees " + to_string(shape_of(output)));
      }
    } else {
      target =
          run.allocate_output(run.user, static_cast<std::uint32_t>(i), output.dtype,
                              static_cast<std::uint32_t>(tensor->rank()), tensor->shape().data());
      if (target == nullptr) {
        throw Error(ErrorCode::limit_exceeded, "no memory for " + describe(*tensor));
      }
    }
    if (tensor->bytes() > 0 && tensor->data() != target) {
      std::memcpy(target, tensor->data(), static_cast<std::size_t>(tensor->bytes()));
    }
  }
}

}  // namespace strop::reference
