// SPDX-License-Identifier: Apache-2.0
#include "onnx/convert/aten_support.hpp"

#include <algorithm>
#include <cmath>

#include "onnx/aten_operators.hpp"
#include "onnx/problem_list.hpp"
#include "ops/expand.hpp"
#include "ops/gather.hpp"
#include "ops/select.hpp"
#include "ops/sequence_construct.hpp"
#include "ops/slice.hpp"

namespace strop::onnx {
namespace {

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> out;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    if (end > at) out.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

// What a list was made of, where a node of this graph made it; else null.
const std::vector<ValueId>* elements_of(ConvertContext& c, ValueId list) {
  const auto* builder = dynamic_cast<const GraphBuilder*>(&c.emitter());
  const Node* producer = builder != nullptr ? builder->graph().producer(list) : nullptr;
  return producer != nullptr && producer->is(op_sequence_construct()) ? &producer->inputs : nullptr;
}

std::string_view plain_name(std::string_view word) {
  return word.ends_with("...") ? word.substr(0, word.size() - 3) : word;
}

}  // namespace

AtenCall::AtenCall(ConvertContext& context, std::initializer_list<AtenForm> forms) : c_(context) {
  AtenOperator op;
  op.name = c_.op_type() == "ATen" || c_.has_attribute("operator") ? c_.string_attribute("operator")
                                                                   : c_.op_type();
  op.overload = c_.string_attribute("overload_name", "");
  name_ = aten_name(op);
  const std::size_t inputs = c_.input_count();
  const auto attributes_of = [&](const AtenForm& form) {
    return std::ranges::count_if(words_of(form.arguments), [&](std::string_view word) {
      return c_.has_attribute(plain_name(word));
    });
  };
  const AtenForm* form = nullptr;
  if (!op.overload.empty()) {
    const auto known = std::ranges::find(forms, op.overload, &AtenForm::overload);
    if (known != forms.end()) form = known;
    if (form == nullptr) {
      std::string others;
      for (const AtenForm& other : forms) {
        if (!other.overload.empty())
          others += (others.empty() ? "" : ", ") + std::string(other.overload);
      }
      refuse("overload \"" + printable(op.overload) + "\" is not known; " +
             (others.empty() ? "it has one without a name" : "known are " + others));
    }
  } else {
    std::ptrdiff_t attributes = 0;
    for (const AtenForm& each : forms) attributes = std::max(attributes, attributes_of(each));
    const std::size_t count = inputs + static_cast<std::size_t>(attributes);
    const AtenForm* roomy = nullptr;
    for (const AtenForm& each : forms) {
      if (attributes_of(each) != attributes) continue;
      const std::size_t room = words_of(each.arguments).size();
      const bool list = each.arguments.find("...") != std::string_view::npos;
      if (form == nullptr && count == room) form = &each;
      if (roomy == nullptr && (count <= room || list)) roomy = &each;
    }
    if (form == nullptr) form = roomy;
    if (form == nullptr) form = forms.end() - 1;
  }
  overload_ = form->overload;
  std::size_t by_input = 0;
  for (const std::string_view word : words_of(form->arguments)) {
    Argument argument{.name = plain_name(word), .list = word.ends_with("...")};
    argument.attribute = c_.has_attribute(argument.name);
    by_input += !argument.attribute;
    arguments_.push_back(argument);
  }
  std::size_t at = 0;
  for (Argument& argument : arguments_) {
    if (argument.attribute) continue;
    argument.first = at;
    argument.count = argument.list && inputs > by_input ? inputs - by_input + 1 : 1;
    at += argument.count;
  }
  if (at < inputs) {
    refuse("it has " + std::to_string(inputs) + " inputs; \"" + std::string(form->arguments) +
           "\" is what is known of it");
  }
}

const AtenCall::Argument& AtenCall::find(std::string_view name) const {
  const auto found = std::ranges::find(arguments_, name, &Argument::name);
  return found != arguments_.end() ? *found : absent_;
}

bool AtenCall::given(std::string_view name) const {
  const Argument& argument = find(name);
  return argument.attribute || c_.has_input(argument.first) || argument.count > 1;
}

ValueId AtenCall::tensor(std::string_view name) {
  const Argument& argument = find(name);
  if (!given(name)) malformed("argument \"" + std::string(name) + "\" is missing");
  if (!argument.attribute) {
    const ValueId id = c_.input(argument.first);
    if (!c_.type(id).is_tensor())
      refuse("argument \"" + std::string(name) + "\" is a list where a tensor is known");
    return id;
  }
  // A number where the signature has a number or a tensor.
  try {
    return scalar(c_, DType::i64, static_cast<double>(c_.int_attribute(name)));
  } catch (const Error&) {
    return scalar(c_, DType::f32, static_cast<double>(c_.float_attribute(name)));
  }
}

ValueId AtenCall::optional_tensor(std::string_view name) {
  return given(name) ? tensor(name) : ValueId::none();
}

std::vector<ValueId> AtenCall::tensors(std::string_view name) {
  const Argument& argument = find(name);
  if (argument.attribute) malformed("argument \"" + std::string(name) + "\" is no list of tensors");
  std::vector<ValueId> out;
  for (std::size_t i = argument.first; i < argument.first + argument.count; ++i) {
    const ValueId id = c_.optional_input(i);
    if (id.exists() && !c_.type(id).is_tensor()) {
      const std::vector<ValueId>* elements = elements_of(c_, id);
      if (elements == nullptr)
        refuse("argument \"" + std::string(name) +
               "\" is a list that is not made where it is read");
      out.insert(out.end(), elements->begin(), elements->end());
    } else if (id.exists() || argument.first + argument.count <= c_.input_count()) {
      out.push_back(id);
    }
  }
  return out;
}

const Tensor& AtenCall::constant_of(std::string_view name, ValueId id) {
  const Tensor* tensor = c_.constant(id);
  if (tensor == nullptr)
    refuse("argument \"" + std::string(name) +
           "\" is computed by the graph; it must be a constant");
  return *tensor;
}

std::vector<std::int64_t> AtenCall::integers(std::string_view name) {
  const Argument& argument = find(name);
  if (!given(name)) malformed("argument \"" + std::string(name) + "\" is missing");
  if (argument.attribute) {
    try {
      return c_.ints_attribute(name);
    } catch (const Error&) {
      return {c_.int_attribute(name)};
    }
  }
  const ValueId id = tensor(name);
  if (const auto known = c_.constant_integers(id)) return *known;
  if (const Tensor* floats = c_.constant(id);
      floats != nullptr && kFloats.contains(floats->dtype()))
    malformed("argument \"" + std::string(name) + "\" must be whole numbers");
  refuse("argument \"" + std::string(name) + "\" is computed by the graph; it must be a constant");
}

std::vector<std::int64_t> AtenCall::integers(std::string_view name,
                                             std::vector<std::int64_t> otherwise) {
  return given(name) ? integers(name) : std::move(otherwise);
}

std::int64_t AtenCall::integer(std::string_view name) {
  const auto all = integers(name);
  if (all.size() != 1) {
    malformed("argument \"" + std::string(name) + "\" has " + std::to_string(all.size()) +
              " elements, not one");
  }
  return all.front();
}

std::int64_t AtenCall::integer(std::string_view name, std::int64_t otherwise) {
  return given(name) ? integer(name) : otherwise;
}

bool AtenCall::boolean(std::string_view name, bool otherwise) {
  return integer(name, otherwise ? 1 : 0) != 0;
}

std::vector<double> AtenCall::numbers(std::string_view name) {
  const Argument& argument = find(name);
  if (!given(name)) malformed("argument \"" + std::string(name) + "\" is missing");
  std::vector<double> out;
  if (argument.attribute) {
    for (const auto read : {0, 1, 2}) {
      try {
        if (read == 0) return {static_cast<double>(c_.float_attribute(name))};
        if (read == 1) return {static_cast<double>(c_.int_attribute(name))};
        for (const float value : c_.floats_attribute(name)) out.push_back(value);
        return out;
      } catch (const Error&) {
        if (read == 2) throw;
      }
    }
  }
  const Tensor& values = constant_of(name, tensor(name));
  constexpr std::int64_t kMost = 1 << 16;
  if (!(kFloats | kIntegers | kBool).contains(values.dtype()) || bits_of(values.dtype()) < 8 ||
      values.size() > kMost)
    malformed("argument \"" + std::string(name) + "\" is no number");
  for (std::int64_t i = 0; i < values.size(); ++i)
    out.push_back(load_as_double(values.dtype(), values.data(), i));
  return out;
}

double AtenCall::number(std::string_view name) {
  const auto all = numbers(name);
  if (all.size() != 1) malformed("argument \"" + std::string(name) + "\" is no single number");
  return all.front();
}

double AtenCall::number(std::string_view name, double otherwise) {
  return given(name) ? number(name) : otherwise;
}

std::string AtenCall::text(std::string_view name, std::string_view otherwise) {
  if (!given(name)) return std::string(otherwise);
  if (find(name).attribute) return c_.string_attribute(name);
  const Tensor& value = constant_of(name, tensor(name));
  if (value.dtype() != DType::string || value.size() != 1)
    malformed("argument \"" + std::string(name) + "\" is no text");
  return value.values<std::string>()[0];
}

ValueId AtenCall::sizes(std::string_view name) {
  if (find(name).attribute) return strop::onnx::integers(c_, integers(name));
  return reshaped(c_, cast_to(c_, tensor(name), DType::i64), {-1});
}

std::int64_t AtenCall::axis(std::string_view name, ValueId x) {
  const std::int64_t rank = c_.rank(x);
  // A tensor without axes may be addressed as if it had one; nothing is done along it here.
  if (rank == 0) refuse("its tensor has no axes");
  return normalize_axis(integer(name), rank, "its axis");
}

std::int64_t AtenCall::axis(std::string_view name, ValueId x, std::int64_t otherwise) {
  return given(name) ? axis(name, x) : normalize_axis(otherwise, c_.rank(x), "its axis");
}

std::vector<std::int64_t> AtenCall::axes(std::string_view name, ValueId x) {
  std::vector<std::int64_t> out = integers(name, {});
  const std::int64_t rank = c_.rank(x);
  for (std::int64_t& axis : out) axis = normalize_axis(axis, rank, "an axis");
  std::ranges::sort(out);
  if (std::ranges::adjacent_find(out) != out.end())
    malformed("argument \"" + std::string(name) + "\" names an axis twice");
  if (out.empty()) {
    for (std::int64_t axis = 0; axis < rank; ++axis) out.push_back(axis);
  }
  return out;
}

void AtenCall::refuse(const std::string& why) {
  c_.fail(ErrorCode::unsupported_operator, name_ + ": " + why, std::string(aten_way_out()));
}

void AtenCall::malformed(const std::string& why) {
  c_.fail(ErrorCode::model_malformed, name_ + ": " + why);
}

namespace {

int kind_of(DType dtype) { return dtype == DType::boolean ? 0 : kFloats.contains(dtype) ? 2 : 1; }

DType wider(DType a, DType b) {
  if (a == b) return a;
  if (kind_of(a) != kind_of(b)) return kind_of(a) > kind_of(b) ? a : b;
  if (bits_of(a) != bits_of(b)) {
    const DType large = bits_of(a) > bits_of(b) ? a : b;
    return large;
  }
  // f16 with bf16, or signed with unsigned of one width.
  if (kind_of(a) == 2) return DType::f32;
  return bits_of(a) == 8 ? DType::i16 : bits_of(a) == 16 ? DType::i32 : DType::i64;
}

}  // namespace

DType promoted_type(ConvertContext& c, ValueId a, ValueId b) {
  const DType ta = c.type(a).dtype, tb = c.type(b).dtype;
  const bool scalar_a = c.type(a).rank() == 0, scalar_b = c.type(b).rank() == 0;
  if (scalar_a == scalar_b) return wider(ta, tb);
  const DType dims = scalar_a ? tb : ta, other = scalar_a ? ta : tb;
  if (kind_of(other) <= kind_of(dims)) return dims;
  // A number of the program has PyTorch's default type, whatever the exporter wrote it as.
  const bool written = c.constant(scalar_a ? a : b) != nullptr;
  if (!written) return other;
  return kind_of(other) == 2 ? DType::f32 : kind_of(other) == 1 ? DType::i64 : other;
}

DType floating_type(ConvertContext& c, ValueId x) {
  const DType dtype = c.type(x).dtype;
  return kFloats.contains(dtype) ? dtype : DType::f32;
}

ValueId floating(ConvertContext& c, ValueId x) { return cast_to(c, x, floating_type(c, x)); }

DType aten_dtype(AtenCall& a, std::int64_t scalar_type) {
  static constexpr DType kTypes[] = {
      DType::u8,        DType::i8,        DType::i16,       DType::i32,
      DType::i64,       DType::f16,       DType::f32,       DType::f64,
      DType::undefined, DType::undefined, DType::undefined, DType::boolean,
      DType::undefined, DType::undefined, DType::undefined, DType::bf16};
  const bool known = scalar_type >= 0 && scalar_type < std::int64_t{std::size(kTypes)};
  const DType dtype = known ? kTypes[scalar_type] : DType::undefined;
  if (dtype == DType::undefined) a.refuse("element type " + std::to_string(scalar_type));
  return dtype;
}

ValueId shape_of(ConvertContext& c, ValueId x) {
  return c.emit(op_shape(), ShapeAttributes{}, {x});
}

ValueId expanded(ConvertContext& c, ValueId x, ValueId shape) {
  return c.emit(op_expand(), NoAttributes{}, {x, shape});
}

ValueId zeros_like(ConvertContext& c, ValueId x, double value) {
  return expanded(c, scalar(c, c.type(x).dtype, value), shape_of(c, x));
}

ValueId gathered(ConvertContext& c, ValueId x, ValueId indices, std::int64_t axis) {
  return c.emit(op_gather(), GatherAttributes{.axis = axis}, {x, indices});
}

ValueId sliced(ConvertContext& c, ValueId x, std::int64_t axis, ValueId start, ValueId end,
               std::int64_t step) {
  return c.emit(op_slice(), NoAttributes{},
                {x, start, end, integers(c, {axis}), integers(c, {step})});
}

ValueId chosen(ConvertContext& c, ValueId condition, ValueId a, ValueId b) {
  return c.emit(op_select(), NoAttributes{}, {condition, a, b});
}

ValueId reduced(ConvertContext& c, ReduceFunction function, ValueId x,
                const std::vector<std::int64_t>& axes, bool keep) {
  const ReduceAttributes attributes{.function = function, .keep_dims = keep};
  std::vector<ValueId> inputs = {x};
  if (!axes.empty()) inputs.push_back(integers(c, axes));
  return c.emit(op_reduce(), attributes, inputs);
}

}  // namespace strop::onnx
