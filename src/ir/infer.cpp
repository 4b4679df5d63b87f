// SPDX-License-Identifier: Apache-2.0
#include "ir/infer.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace strop {

InferContext::InferContext(const OpDef& op, const Attributes& attributes,
                           std::span<const InferInput> inputs,
                           std::span<const Graph* const> subgraphs, std::size_t output_count,
                           std::string scope)
    : op_(op),
      attributes_(attributes),
      inputs_(inputs),
      subgraphs_(subgraphs),
      outputs_(output_count),
      scope_(std::move(scope)) {}

const Type& InferContext::input(std::size_t i) const {
  STROP_CHECK(has_input(i), "an operator reads inputs that are present");
  return *inputs_[i].type;
}

const SymShape* InferContext::shape(std::size_t i) const {
  const Type& type = input(i);
  return type.shape ? &*type.shape : nullptr;
}

const Tensor* InferContext::constant(std::size_t i) const {
  return has_input(i) ? inputs_[i].constant : nullptr;
}

std::optional<std::vector<Dim>> InferContext::elements(std::size_t i) const {
  if (!has_input(i)) return std::nullopt;
  if (inputs_[i].elements != nullptr) return *inputs_[i].elements;
  const Tensor* tensor = inputs_[i].constant;
  if (tensor == nullptr || tensor->size() > kMaxTrackedElements || tensor->rank() > 1)
    return std::nullopt;
  if (!is_integer(tensor->dtype()) || bits_of(tensor->dtype()) < 8) return std::nullopt;
  std::vector<Dim> out;
  for (std::int64_t value : tensor->to_i64()) out.emplace_back(value);
  return out;
}

std::optional<std::vector<std::int64_t>> InferContext::integers(std::size_t i) const {
  const Tensor* tensor = constant(i);
  if (tensor != nullptr && (is_integer(tensor->dtype()) || tensor->dtype() == DType::boolean) &&
      bits_of(tensor->dtype()) >= 8) {
    return tensor->to_i64();
  }
  const auto dims = elements(i);
  if (!dims) return std::nullopt;
  std::vector<std::int64_t> out;
  for (const Dim& dim : *dims) {
    if (!dim.is_constant()) return std::nullopt;
    out.push_back(dim.value());
  }
  return out;
}

void InferContext::set_output(std::size_t i, Type type) {
  if (i < outputs_.size()) outputs_[i].type = std::move(type);
}

void InferContext::set_elements(std::size_t i, std::vector<Dim> elements) {
  if (i < outputs_.size() && static_cast<std::int64_t>(elements.size()) <= kMaxTrackedElements) {
    outputs_[i].elements = std::move(elements);
  }
}

Dim InferContext::fresh_dim() { return Dim::symbol("#" + scope_ + "." + std::to_string(fresh_++)); }

SymShape InferContext::fresh_shape(std::size_t rank) {
  SymShape out;
  for (std::size_t i = 0; i < rank; ++i) out.push_back(fresh_dim());
  return out;
}

Dim InferContext::require_equal(const Dim& a, const Dim& b, std::string_view what) {
  if (a == b) return a;
  if (a.is_constant() && b.is_constant()) {
    fail(ErrorCode::bad_shape,
         std::string(what) + " must be equal, but are " + a.to_string() + " and " + b.to_string());
  }
  constraints_.push_back({a, b, std::string(op_.name) + ": " + std::string(what)});
  return a.is_constant()                                ? a
         : b.is_constant()                              ? b
         : a.to_string().size() <= b.to_string().size() ? a
                                                        : b;
}

SymShape InferContext::broadcast(const SymShape& a, const SymShape& b) {
  SymShape out(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < out.size(); ++i) {
    const Dim one(1);
    const Dim& x = i < a.size() ? a[a.size() - 1 - i] : one;
    const Dim& y = i < b.size() ? b[b.size() - 1 - i] : one;
    if (x.is_constant() && y.is_constant() && !x.is(1) && !y.is(1) && !(x == y)) {
      fail(ErrorCode::bad_shape, "shapes " + to_string(a) + " and " + to_string(b) +
                                     " do not broadcast: " + x.to_string() + " against " +
                                     y.to_string());
    }
    out[out.size() - 1 - i] = Dim::apply(DimFunction::broadcast, x, y);
  }
  return out;
}

void InferContext::require_rank(std::size_t i, std::int64_t rank) {
  const SymShape* known = shape(i);
  if (known == nullptr || static_cast<std::int64_t>(known->size()) == rank) return;
  const std::string name(i < op_.inputs.size() ? op_.inputs[i].name : op_.inputs.back().name);
  fail(ErrorCode::bad_shape, "input " + name + " must have rank " + std::to_string(rank) +
                                 ", but is " + input(i).to_string());
}

void InferContext::fail(ErrorCode code, std::string why, std::string hint) const {
  std::string what = "operator " + std::string(op_.name) + "(";
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (i > 0) what += ", ";
    if (i >= 8) {
      what += "...";
      break;
    }
    what += inputs_[i].type != nullptr ? inputs_[i].type->to_string() : std::string("-");
  }
  throw Error(code, what + ")", std::move(why), std::move(hint));
}

namespace {

const Operand& operand_at(const std::vector<Operand>& operands, std::size_t i) {
  return i < operands.size() ? operands[i] : operands.back();
}

std::string type_names(DTypeSet set) {
  std::string out;
  for (const DTypeInfo& info : all_dtypes()) {
    if (info.type == DType::undefined || !set.contains(info.type)) continue;
    if (!out.empty()) out += ", ";
    out += info.name;
  }
  return out;
}

const char* kind_name(Operand::Kind kind) {
  switch (kind) {
    case Operand::tensor:
      return "a tensor";
    case Operand::sequence:
      return "a sequence";
    case Operand::optional_value:
      return "an optional";
    case Operand::map:
      return "a map";
    case Operand::any:
      return "anything";
  }
  return "?";
}

bool kind_fits(Operand::Kind wanted, ValueKind got) {
  switch (wanted) {
    case Operand::tensor:
      return got == ValueKind::tensor;
    case Operand::sequence:
      return got == ValueKind::sequence;
    case Operand::optional_value:
      return got == ValueKind::optional;
    case Operand::map:
      return got == ValueKind::map;
    case Operand::any:
      return true;
  }
  return false;
}

void check_inputs(const InferContext& context) {
  const OpDef& op = context.op();
  const bool variadic = !op.inputs.empty() && op.inputs.back().arity == Operand::variadic;
  if (context.input_count() > op.inputs.size() && !variadic && op.subgraphs.empty()) {
    context.fail(ErrorCode::model_malformed, "takes at most " + std::to_string(op.inputs.size()) +
                                                 " inputs, but has " +
                                                 std::to_string(context.input_count()));
  }
  std::map<char, DType> letters;
  for (std::size_t i = 0; i < std::max(context.input_count(), op.inputs.size()); ++i) {
    if (op.inputs.empty() || (i >= op.inputs.size() && !variadic))
      break;  // captured values of nested graphs
    const Operand& operand = operand_at(op.inputs, i);
    if (!context.has_input(i)) {
      if (operand.arity == Operand::required) {
        context.fail(ErrorCode::model_malformed,
                     "input " + std::string(operand.name) + " is missing");
      }
      continue;
    }
    const Type& type = context.input(i);
    if (!kind_fits(operand.kind, type.kind)) {
      context.fail(ErrorCode::bad_type, "input " + std::string(operand.name) + " must be " +
                                            kind_name(operand.kind) + ", but is " +
                                            type.to_string());
    }
    if (operand.kind != Operand::tensor) continue;
    if (!operand.types.contains(type.dtype)) {
      context.fail(ErrorCode::bad_type, "input " + std::string(operand.name) + " is " +
                                            std::string(to_string(type.dtype)) + "; it takes " +
                                            type_names(operand.types));
    }
    if (operand.same_as != 0) {
      const auto [it, first] = letters.try_emplace(operand.same_as, type.dtype);
      if (!first && it->second != type.dtype) {
        context.fail(ErrorCode::bad_type,
                     "input " + std::string(operand.name) + " is " +
                         std::string(to_string(type.dtype)) + ", but must be " +
                         std::string(to_string(it->second)) + " like the inputs before it");
      }
    }
  }
}

void check_output_count(const InferContext& context) {
  const OpDef& op = context.op();
  const auto required = static_cast<std::size_t>(std::ranges::count(
      op.outputs, Operand::required, [](const Operand& operand) { return operand.arity; }));
  const bool variadic = !op.outputs.empty() && op.outputs.back().arity == Operand::variadic;
  const std::size_t count = context.output_count();
  if (count >= required && (variadic || count <= op.outputs.size())) return;
  context.fail(
      ErrorCode::model_malformed,
      "gives " + std::to_string(required) +
          (variadic                       ? " outputs or more"
           : required < op.outputs.size() ? " to " + std::to_string(op.outputs.size()) + " outputs"
                                          : " outputs") +
          ", but is asked for " + std::to_string(count));
}

// A fresh size that stands alone in no output's shape cannot be read off when the node has run. A
// size made of one (half of a size of an input of unknown rank) becomes a fresh size itself, and a
// constraint on one is left to the kernel.
void settle_fresh_dims(InferContext& context) {
  const auto made_of_unknown = [](const Dim& dim) {
    std::set<std::string> symbols;
    if (!dim.is_constant()) dim.collect_symbols(symbols);
    return std::ranges::any_of(symbols, [](const std::string& s) { return s.starts_with('#'); });
  };
  std::set<std::string> readable;
  bool any = std::ranges::any_of(context.constraints(), [&](const ShapeConstraint& constraint) {
    return made_of_unknown(constraint.a) || made_of_unknown(constraint.b);
  });
  for (const InferOutput& output : context.outputs()) {
    if (!output.type.is_tensor() || !output.type.shape) continue;
    for (const Dim& dim : *output.type.shape) {
      if (dim.is_symbol()) readable.insert(dim.symbol_name());
      any = any || (!dim.is_symbol() && made_of_unknown(dim));
    }
  }
  if (!any) return;
  // Fresh symbols of this node differ in their number alone.
  const std::string fresh = context.fresh_dim().symbol_name();
  const std::string prefix = fresh.substr(0, fresh.rfind('.') + 1);
  const auto unreadable = [&](const Dim& dim) {
    std::set<std::string> symbols;
    if (!dim.is_constant()) dim.collect_symbols(symbols);
    return std::ranges::any_of(symbols, [&](const std::string& symbol) {
      return symbol.starts_with(prefix) && !readable.contains(symbol);
    });
  };
  std::map<std::string, Dim> settled;
  for (InferOutput& output : context.outputs()) {
    if (!output.type.is_tensor() || !output.type.shape) continue;
    for (Dim& dim : *output.type.shape) {
      if (!unreadable(dim)) continue;
      const auto [known, first] = settled.try_emplace(dim.to_string());
      if (first) known->second = context.fresh_dim();
      dim = known->second;
    }
  }
  std::erase_if(context.constraints(), [&](const ShapeConstraint& constraint) {
    return unreadable(constraint.a) || unreadable(constraint.b);
  });
}

}  // namespace

void infer_outputs(InferContext& context) {
  check_output_count(context);
  check_inputs(context);
  context.op().infer(context);
  settle_fresh_dims(context);
}

}  // namespace strop
