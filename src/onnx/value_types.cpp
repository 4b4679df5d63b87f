// SPDX-License-Identifier: Apache-2.0
#include "onnx/value_types.hpp"

#include "onnx/problem_list.hpp"

namespace strop::onnx {
namespace {

[[noreturn]] void fail(std::string_view name, std::string why) {
  throw Error(ErrorCode::bad_type, "value " + in_quotes(name) + " has no type that can be read",
              std::move(why));
}

DType element_type(std::int64_t number, std::string_view name) {
  const auto dtype = dtype_from_onnx(number);
  if (!dtype) fail(name, "element type number " + std::to_string(number) + " is not one of ONNX's");
  return *dtype;
}

// Exporters write "?", "" and "None" for sizes they know nothing of.
bool says_nothing(std::string_view param) {
  return param.empty() || param == "?" || param == "None" || param == "-1";
}

}  // namespace

Type to_type(const TypeProto& proto, std::string_view name, const OpenDimension& open) {
  const auto element = [&]() -> Type {
    if (proto.element == nullptr) fail(name, "its element has no type");
    return to_type(*proto.element, name, open);
  };
  switch (proto.kind) {
    case TypeProto::tensor: {
      const DType dtype = element_type(proto.elem_type, name);
      if (!proto.shape) return Type::tensor_of_unknown_rank(dtype);
      if (proto.shape->size() > 64)
        fail(name, "it has rank " + std::to_string(proto.shape->size()) + "; at most 64 is read");
      SymShape shape;
      for (const DimensionProto& dim : *proto.shape) {
        if (dim.value && *dim.value > 0) {
          shape.emplace_back(*dim.value);
        } else {
          shape.push_back(open(dim.param, shape.size()));
        }
      }
      return Type::tensor(dtype, std::move(shape));
    }
    case TypeProto::sequence:
      return Type::sequence(element());
    case TypeProto::optional:
      return Type::optional(element());
    case TypeProto::map:
      return Type::map(element_type(proto.elem_type, name), element());
    case TypeProto::sparse_tensor:
      fail(name, "sparse tensors are read as constants only");
    case TypeProto::opaque:
      fail(name, "opaque types mean nothing outside the program that wrote them");
    case TypeProto::none:
      fail(name, "no type is given");
  }
  fail(name, "no type is given");
}

void SymbolNames::reserve(const TypeProto& proto) {
  for (const TypeProto* type = &proto; type != nullptr; type = type->element.get()) {
    if (!type->shape) continue;
    for (const DimensionProto& dim : *type->shape) {
      if (!says_nothing(dim.param)) named(dim.param);
    }
  }
}

Dim SymbolNames::open(std::string_view param, std::string_view value, std::size_t axis) {
  if (!says_nothing(param)) return named(param);
  return unique(std::string(value.substr(0, 200)) + "." + std::to_string(axis));
}

Dim SymbolNames::named(std::string_view param) {
  const auto known = params_.find(param);
  if (known != params_.end()) return known->second;
  // '#' begins the symbols that inference makes up.
  const Dim symbol = unique(param.starts_with('#') ? "_" + std::string(param.substr(1, 200))
                                                   : std::string(param.substr(0, 200)));
  params_.emplace(param, symbol);
  return symbol;
}

Dim SymbolNames::unique(std::string_view wanted) {
  // Two names can become one when their characters are replaced.
  Dim symbol = Dim::symbol(wanted);
  for (int i = 2; !taken_.insert(symbol.symbol_name()).second; ++i) {
    symbol = Dim::symbol(std::string(wanted) + "_" + std::to_string(i));
  }
  return symbol;
}

namespace {

[[noreturn]] void contradict(ErrorCode code, const Type& known, const Type& declared,
                             std::string_view name) {
  throw Error(code, "the declared type of value " + in_quotes(name) + " cannot be true",
              "declared is " + declared.to_string() + ", but it is " + known.to_string());
}

void check_types(const Type& known, const Type& declared, std::string_view name) {
  const Type* a = &known;
  const Type* b = &declared;
  while (a != nullptr && b != nullptr) {
    if (a->dtype == DType::undefined && a->is_tensor()) return;
    if (a->kind != b->kind || a->dtype != b->dtype)
      contradict(ErrorCode::bad_type, known, declared, name);
    if (a->shape && b->shape) {
      if (a->shape->size() != b->shape->size())
        contradict(ErrorCode::bad_shape, known, declared, name);
      for (std::size_t i = 0; i < a->shape->size(); ++i) {
        const Dim& x = (*a->shape)[i];
        const Dim& y = (*b->shape)[i];
        if (x.is_constant() && y.is_constant() && x.value() != y.value())
          contradict(ErrorCode::bad_shape, known, declared, name);
      }
    }
    a = a->element.get();
    b = b->element.get();
  }
}

}  // namespace

Type sharpen(const Type& known, const Type& declared) {
  check_types(known, declared, "");
  if (!known.is_tensor()) return known;
  if (known.dtype == DType::undefined) return declared;
  if (!declared.shape) return known;
  if (!known.shape) return declared;
  Type out = known;
  for (std::size_t i = 0; i < out.shape->size(); ++i) {
    if ((*declared.shape)[i].is_constant()) (*out.shape)[i] = (*declared.shape)[i];
  }
  return out;
}

void check_declared(const Type& inferred, const Type& declared, std::string_view name) {
  check_types(inferred, declared, name);
}

}  // namespace strop::onnx
