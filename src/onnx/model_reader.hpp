// SPDX-License-Identifier: Apache-2.0
// The ONNX wire format as plain structs that point into the bytes of the file: nothing is copied,
// so the bytes outlive what is read from them. Repeated numbers stay encoded until somebody asks
// for them. Fields that are not known are skipped. Nothing here judges a model beyond its encoding.
// Nesting is bounded, and memory is charged to a budget before it is taken.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "onnx/import_budget.hpp"

namespace strop::onnx {

// Graphs in attributes of nodes, types in types: no deeper than this.
inline constexpr int kMaxNesting = 32;

struct DimensionProto {
  std::optional<std::int64_t> value;
  std::string_view param;
};

struct TypeProto {
  enum Kind : std::uint8_t { none, tensor, sparse_tensor, sequence, optional, map, opaque };
  Kind kind = none;
  std::int64_t elem_type = 0;  // TensorProto.DataType; of a map: of its keys
  std::optional<std::vector<DimensionProto>> shape;
  std::unique_ptr<TypeProto> element;  // of a sequence or optional; of a map: its values
};

struct ValueInfoProto {
  std::string_view name;
  TypeProto type;
};

struct StringEntry {
  std::string_view key;
  std::string_view value;
};

struct TensorProto {
  std::string_view name;
  std::vector<std::int64_t> dims;
  std::int64_t data_type = 0;
  std::optional<std::string_view> raw_data;
  bool external = false;
  bool has_segment = false;
  std::vector<StringEntry> external_data;
  std::string_view message;  // the whole, for the typed fields
};

struct SparseTensorProto {
  TensorProto values;
  TensorProto indices;
  std::vector<std::int64_t> dims;
};

struct GraphProto;

struct AttributeProto {
  enum Type : std::uint8_t {
    undefined = 0,
    float_ = 1,
    int_ = 2,
    string = 3,
    tensor = 4,
    graph = 5,
    floats = 6,
    ints = 7,
    strings = 8,
    tensors = 9,
    graphs = 10,
    sparse_tensor = 11,
    sparse_tensors = 12,
    type = 13,
    types = 14,
  };

  AttributeProto();
  ~AttributeProto();
  AttributeProto(AttributeProto&&) noexcept;
  AttributeProto& operator=(AttributeProto&&) noexcept;

  std::string_view name;
  std::string_view ref_attr_name;  // of the function's attribute that this one stands for
  Type kind = undefined;           // of what is there, where the file does not say
  std::unique_ptr<GraphProto> g;
  std::unique_ptr<TensorProto> t;
  std::string_view message;

  float as_float() const;
  std::int64_t as_int() const;
  std::string_view as_string() const;
  std::vector<float> as_floats(ImportBudget& budget) const;
  std::vector<std::int64_t> as_ints(ImportBudget& budget) const;
  std::vector<std::string_view> as_strings(ImportBudget& budget) const;
  SparseTensorProto as_sparse_tensor(ImportBudget& budget) const;
  TypeProto as_type(ImportBudget& budget) const;
};

// "int", "floats", "tensor", ...
std::string_view kind_name(AttributeProto::Type type);

struct NodeProto {
  std::vector<std::string_view> input;
  std::vector<std::string_view> output;
  std::string_view name;
  std::string_view op_type;
  std::string_view domain;
  std::string_view overload;
  std::vector<AttributeProto> attribute;
};

struct GraphProto {
  std::string_view name;
  std::vector<NodeProto> node;
  std::vector<TensorProto> initializer;
  std::vector<SparseTensorProto> sparse_initializer;
  std::vector<ValueInfoProto> input;
  std::vector<ValueInfoProto> output;
  std::vector<ValueInfoProto> value_info;
};

struct OperatorSetIdProto {
  std::string_view domain;
  std::int64_t version = 0;
};

struct FunctionProto {
  std::string_view name;
  std::string_view domain;
  std::string_view overload;
  std::vector<std::string_view> input;
  std::vector<std::string_view> output;
  std::vector<std::string_view> attribute;      // without a default
  std::vector<AttributeProto> attribute_proto;  // with one
  std::vector<NodeProto> node;
  std::vector<OperatorSetIdProto> opset_import;
};

struct ModelProto {
  std::int64_t ir_version = 0;
  std::string_view producer_name;
  std::string_view producer_version;
  std::vector<OperatorSetIdProto> opset_import;
  std::optional<GraphProto> graph;
  std::vector<FunctionProto> functions;
  std::vector<StringEntry> metadata_props;
};

// Throws Error(not_onnx, model_truncated, model_malformed, limit_exceeded).
ModelProto read_model(std::string_view bytes, ImportBudget& budget);
TensorProto read_tensor(std::string_view bytes, ImportBudget& budget);

// Elements of the typed fields of a tensor, in order, as they were encoded. `each` gets a value of
// its field's type (float, double, std::int32_t, std::int64_t, std::uint64_t, std::string_view).
enum class TensorField : std::uint8_t {
  float_data = 4,
  int32_data = 5,
  string_data = 6,
  int64_data = 7,
  double_data = 10,
  uint64_data = 11,
};
// How many elements the field has; nothing is decoded yet.
std::int64_t count_elements(const TensorProto& tensor, TensorField field);
// The bytes of float_data or double_data where they lie in one piece.
std::optional<std::string_view> contiguous_elements(const TensorProto& tensor, TensorField field);
void read_elements(const TensorProto& tensor, TensorField field, std::vector<float>& into);
void read_elements(const TensorProto& tensor, TensorField field, std::vector<double>& into);
void read_elements(const TensorProto& tensor, TensorField field, std::vector<std::int32_t>& into);
void read_elements(const TensorProto& tensor, TensorField field, std::vector<std::int64_t>& into);
void read_elements(const TensorProto& tensor, TensorField field, std::vector<std::uint64_t>& into);
void read_elements(const TensorProto& tensor, TensorField field,
                   std::vector<std::string_view>& into);

}  // namespace strop::onnx
