// SPDX-License-Identifier: Apache-2.0
// A call of a PyTorch operator as its arguments by name. Exporters wrote them in three ways: as
// inputs in the order of the operator's signature, numbers, booleans and lists as constants and
// None as an absent input; in older files all but the tensors as attributes of the arguments'
// names; and a list of tensors either as one sequence or as so many inputs in its place.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "onnx/aten_operators.hpp"
#include "onnx/convert/emit_support.hpp"
#include "ops/reduce.hpp"

namespace strop::onnx {

// One signature: names of arguments, separated by blanks; "name..." is a list of tensors.
struct AtenForm {
  std::string_view overload;
  std::string_view arguments;
};

class AtenCall {
 public:
  // Chooses the form of the node's overload; where it names none, the one that its arguments fill,
  // else the first that has room for them. Refuses other overloads.
  AtenCall(ConvertContext& context, std::initializer_list<AtenForm> forms);

  bool is(std::string_view overload) const { return overload_ == overload; }
  // Whether the argument is there and not None.
  bool given(std::string_view name) const;

  // Throw where the argument is missing, or, of those that give numbers, not known at import.
  ValueId tensor(std::string_view name);
  ValueId optional_tensor(std::string_view name);
  // Absent ones as none().
  std::vector<ValueId> tensors(std::string_view name);
  std::int64_t integer(std::string_view name);
  std::int64_t integer(std::string_view name, std::int64_t otherwise);
  bool boolean(std::string_view name, bool otherwise);
  double number(std::string_view name);
  double number(std::string_view name, double otherwise);
  std::string text(std::string_view name, std::string_view otherwise);
  std::vector<std::int64_t> integers(std::string_view name);
  std::vector<std::int64_t> integers(std::string_view name, std::vector<std::int64_t> otherwise);
  std::vector<double> numbers(std::string_view name);
  // i64[n], which may be computed by the graph: one size, or several.
  ValueId sizes(std::string_view name);
  // The number as an axis of x.
  std::int64_t axis(std::string_view name, ValueId x);
  std::int64_t axis(std::string_view name, ValueId x, std::int64_t otherwise);
  // All axes where none are given, normalised and without repeats.
  std::vector<std::int64_t> axes(std::string_view name, ValueId x);

  [[noreturn]] void refuse(const std::string& why);  // what Strop has no meaning for
  [[noreturn]] void malformed(const std::string& why);

 private:
  struct Argument {
    std::string_view name;
    bool list = false;
    bool attribute = false;
    std::size_t first = 0, count = 0;  // inputs
  };
  const Argument& find(std::string_view name) const;
  const Tensor& constant_of(std::string_view name, ValueId id);

  ConvertContext& c_;
  std::string name_, overload_;
  std::vector<Argument> arguments_;
  Argument absent_{.name = {}, .first = ~std::size_t{0}};  // of a name that the form lacks
};

// The element type of a result, as PyTorch chooses it: the widest of the highest kind (bool,
// integer, float) among tensors with axes; a number or a tensor without axes counts only where its
// kind is higher.
DType promoted_type(ConvertContext& c, ValueId a, ValueId b);
// Integers and bools become f32.
DType floating_type(ConvertContext& c, ValueId x);
ValueId floating(ConvertContext& c, ValueId x);

// The element type of PyTorch's number for it (c10::ScalarType).
DType aten_dtype(AtenCall& a, std::int64_t scalar_type);

ValueId zeros_like(ConvertContext& c, ValueId x, double value = 0);
ValueId expanded(ConvertContext& c, ValueId x, ValueId shape);
ValueId shape_of(ConvertContext& c, ValueId x);
ValueId gathered(ConvertContext& c, ValueId x, ValueId indices, std::int64_t axis);
ValueId sliced(ConvertContext& c, ValueId x, std::int64_t axis, ValueId start, ValueId end,
               std::int64_t step = 1);
ValueId chosen(ConvertContext& c, ValueId condition, ValueId a, ValueId b);
// Over all axes where none are given.
ValueId reduced(ConvertContext& c, ReduceFunction function, ValueId x,
                const std::vector<std::int64_t>& axes, bool keep);

}  // namespace strop::onnx
