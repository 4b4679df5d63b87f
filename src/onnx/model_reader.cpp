// SPDX-License-Identifier: Apache-2.0
#include "onnx/model_reader.hpp"

#include <protozero/pbf_reader.hpp>

#include <string>

namespace strop::onnx {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

constexpr std::uint32_t bytes_field(std::uint32_t number) {
  return protozero::tag_and_type(number, pbf_wire_type::length_delimited);
}
constexpr std::uint32_t varint_field(std::uint32_t number) {
  return protozero::tag_and_type(number, pbf_wire_type::varint);
}
constexpr std::uint32_t fixed32_field(std::uint32_t number) {
  return protozero::tag_and_type(number, pbf_wire_type::fixed32);
}
constexpr std::uint32_t fixed64_field(std::uint32_t number) {
  return protozero::tag_and_type(number, pbf_wire_type::fixed64);
}

std::string_view view(pbf_reader& reader) {
  const auto data = reader.get_view();
  return {data.data(), data.size()};
}

pbf_reader reader_of(std::string_view message) { return {message.data(), message.size()}; }

// A field of a known number but another wire type is an unknown field, as for every protobuf
// reader.
template <class F>
void for_each_field(std::string_view message, F&& field) {
  pbf_reader reader = reader_of(message);
  while (reader.next()) {
    if (!field(reader, static_cast<std::uint32_t>(reader.tag_and_type()))) reader.skip();
  }
}

// Room for one more element; the growth of a vector at most doubles what it holds.
template <class T>
T& append(std::vector<T>& into, ImportBudget& budget) {
  budget.charge_bytes(2 * static_cast<std::int64_t>(sizeof(T)));
  return into.emplace_back();
}

void append_view(std::vector<std::string_view>& into, std::string_view text, ImportBudget& budget) {
  append(into, budget) = text;
}

// A repeated int64, packed or not.
bool append_ints(pbf_reader& reader, std::uint32_t key, std::uint32_t number,
                 std::vector<std::int64_t>& into, ImportBudget& budget) {
  if (key == varint_field(number)) {
    append(into, budget) = reader.get_int64();
    return true;
  }
  if (key != bytes_field(number)) return false;
  for (const std::int64_t value : reader.get_packed_int64()) append(into, budget) = value;
  return true;
}

void check_depth(int depth, const char* what) {
  if (depth > kMaxNesting) {
    throw Error(ErrorCode::limit_exceeded, std::string(what) + " are nested too deeply",
                "at most " + std::to_string(kMaxNesting) + " levels are read");
  }
}

void parse_dimension(std::string_view message, DimensionProto& out) {
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    switch (key) {
      case varint_field(1):
        out.value = r.get_int64();
        out.param = {};
        return true;
      case bytes_field(2):
        out.param = view(r);
        out.value.reset();
        return true;
      default:
        return false;
    }
  });
}

void parse_shape(std::string_view message, TypeProto& out, ImportBudget& budget) {
  if (!out.shape) out.shape.emplace();
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    if (key != bytes_field(1)) return false;
    parse_dimension(view(r), append(*out.shape, budget));
    return true;
  });
}

void parse_type(std::string_view message, TypeProto& out, int depth, ImportBudget& budget);

// A message of an element type in field 1 and a shape or type in field 2.
void parse_type_case(std::string_view message, TypeProto& out, int depth, ImportBudget& budget) {
  const auto element = [&](pbf_reader& r) {
    budget.charge_bytes(sizeof(TypeProto));
    out.element = std::make_unique<TypeProto>();
    parse_type(view(r), *out.element, depth + 1, budget);
  };
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    switch (out.kind) {
      case TypeProto::tensor:
      case TypeProto::sparse_tensor:
        if (key == varint_field(1)) {
          out.elem_type = r.get_int32();
        } else if (key == bytes_field(2)) {
          parse_shape(view(r), out, budget);
        } else {
          return false;
        }
        return true;
      case TypeProto::sequence:
      case TypeProto::optional:
        if (key != bytes_field(1)) return false;
        element(r);
        return true;
      case TypeProto::map:
        if (key == varint_field(1)) {
          out.elem_type = r.get_int32();
        } else if (key == bytes_field(2)) {
          element(r);
        } else {
          return false;
        }
        return true;
      default:
        return false;
    }
  });
}

void parse_type(std::string_view message, TypeProto& out, int depth, ImportBudget& budget) {
  check_depth(depth, "types");
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    TypeProto::Kind kind = TypeProto::none;
    switch (key) {
      case bytes_field(1):
        kind = TypeProto::tensor;
        break;
      case bytes_field(4):
        kind = TypeProto::sequence;
        break;
      case bytes_field(5):
        kind = TypeProto::map;
        break;
      case bytes_field(7):
        kind = TypeProto::opaque;
        break;
      case bytes_field(8):
        kind = TypeProto::sparse_tensor;
        break;
      case bytes_field(9):
        kind = TypeProto::optional;
        break;
      default:
        return false;
    }
    if (out.kind != kind) out = TypeProto{};
    out.kind = kind;
    parse_type_case(view(r), out, depth, budget);
    return true;
  });
}

void parse_value_info(std::string_view message, ValueInfoProto& out, ImportBudget& budget) {
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    switch (key) {
      case bytes_field(1):
        out.name = view(r);
        return true;
      case bytes_field(2):
        parse_type(view(r), out.type, 1, budget);
        return true;
      default:
        return false;
    }
  });
}

void parse_entry(std::string_view message, StringEntry& out) {
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    switch (key) {
      case bytes_field(1):
        out.key = view(r);
        return true;
      case bytes_field(2):
        out.value = view(r);
        return true;
      default:
        return false;
    }
  });
}

void parse_tensor(std::string_view message, TensorProto& out, ImportBudget& budget) {
  out = TensorProto{};
  out.message = message;
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    if (append_ints(r, key, 1, out.dims, budget)) return true;
    switch (key) {
      case varint_field(2):
        out.data_type = r.get_int32();
        return true;
      case bytes_field(3):
        out.has_segment = true;
        return false;
      case bytes_field(8):
        out.name = view(r);
        return true;
      case bytes_field(9):
        out.raw_data = view(r);
        return true;
      case bytes_field(13):
        parse_entry(view(r), append(out.external_data, budget));
        return true;
      case varint_field(14):
        out.external = r.get_int32() == 1;
        return true;
      default:
        return false;
    }
  });
}

void parse_sparse_tensor(std::string_view message, SparseTensorProto& out, ImportBudget& budget) {
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    if (append_ints(r, key, 3, out.dims, budget)) return true;
    switch (key) {
      case bytes_field(1):
        parse_tensor(view(r), out.values, budget);
        return true;
      case bytes_field(2):
        parse_tensor(view(r), out.indices, budget);
        return true;
      default:
        return false;
    }
  });
}

void parse_graph(std::string_view message, GraphProto& out, int depth, ImportBudget& budget);

// The kind of value a field of AttributeProto holds.
AttributeProto::Type kind_of_field(std::uint32_t number) {
  switch (number) {
    case 2:
      return AttributeProto::float_;
    case 3:
      return AttributeProto::int_;
    case 4:
      return AttributeProto::string;
    case 5:
      return AttributeProto::tensor;
    case 6:
      return AttributeProto::graph;
    case 7:
      return AttributeProto::floats;
    case 8:
      return AttributeProto::ints;
    case 9:
      return AttributeProto::strings;
    case 10:
      return AttributeProto::tensors;
    case 11:
      return AttributeProto::graphs;
    case 14:
      return AttributeProto::type;
    case 15:
      return AttributeProto::types;
    case 22:
      return AttributeProto::sparse_tensor;
    case 23:
      return AttributeProto::sparse_tensors;
    default:
      return AttributeProto::undefined;
  }
}

void parse_attribute(std::string_view message, AttributeProto& out, int depth,
                     ImportBudget& budget) {
  out.message = message;
  std::int64_t declared = 0;
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    const AttributeProto::Type found = kind_of_field(r.tag());
    if (found != AttributeProto::undefined) out.kind = found;
    switch (key) {
      case bytes_field(1):
        out.name = view(r);
        return true;
      case bytes_field(5):
        budget.charge_bytes(sizeof(TensorProto));
        out.t = std::make_unique<TensorProto>();
        parse_tensor(view(r), *out.t, budget);
        return true;
      case bytes_field(6):
        if (out.g == nullptr) {
          budget.charge_bytes(sizeof(GraphProto));
          out.g = std::make_unique<GraphProto>();
        }
        parse_graph(view(r), *out.g, depth + 1, budget);
        return true;
      case varint_field(20):
        declared = r.get_int32();
        return true;
      case bytes_field(21):
        out.ref_attr_name = view(r);
        return true;
      default:
        return false;
    }
  });
  if (declared > 0 && declared <= AttributeProto::types) {
    out.kind = static_cast<AttributeProto::Type>(declared);
  } else if (declared != 0) {
    throw Error(ErrorCode::bad_attribute,
                "attribute \"" + std::string(out.name.substr(0, 100)) + "\" has an unknown type",
                "its type number is " + std::to_string(declared));
  }
}

void parse_node(std::string_view message, NodeProto& out, int depth, ImportBudget& budget) {
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    switch (key) {
      case bytes_field(1):
        append_view(out.input, view(r), budget);
        return true;
      case bytes_field(2):
        append_view(out.output, view(r), budget);
        return true;
      case bytes_field(3):
        out.name = view(r);
        return true;
      case bytes_field(4):
        out.op_type = view(r);
        return true;
      case bytes_field(5):
        parse_attribute(view(r), append(out.attribute, budget), depth, budget);
        return true;
      case bytes_field(7):
        out.domain = view(r);
        return true;
      case bytes_field(8):
        out.overload = view(r);
        return true;
      default:
        return false;
    }
  });
}

void parse_graph(std::string_view message, GraphProto& out, int depth, ImportBudget& budget) {
  check_depth(depth, "graphs");
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    switch (key) {
      case bytes_field(1):
        parse_node(view(r), append(out.node, budget), depth, budget);
        return true;
      case bytes_field(2):
        out.name = view(r);
        return true;
      case bytes_field(5):
        parse_tensor(view(r), append(out.initializer, budget), budget);
        return true;
      case bytes_field(11):
        parse_value_info(view(r), append(out.input, budget), budget);
        return true;
      case bytes_field(12):
        parse_value_info(view(r), append(out.output, budget), budget);
        return true;
      case bytes_field(13):
        parse_value_info(view(r), append(out.value_info, budget), budget);
        return true;
      case bytes_field(15):
        parse_sparse_tensor(view(r), append(out.sparse_initializer, budget), budget);
        return true;
      default:
        return false;
    }
  });
}

void parse_opset(std::string_view message, OperatorSetIdProto& out) {
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    switch (key) {
      case bytes_field(1):
        out.domain = view(r);
        return true;
      case varint_field(2):
        out.version = r.get_int64();
        return true;
      default:
        return false;
    }
  });
}

void parse_function(std::string_view message, FunctionProto& out, ImportBudget& budget) {
  for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
    switch (key) {
      case bytes_field(1):
        out.name = view(r);
        return true;
      case bytes_field(4):
        append_view(out.input, view(r), budget);
        return true;
      case bytes_field(5):
        append_view(out.output, view(r), budget);
        return true;
      case bytes_field(6):
        append_view(out.attribute, view(r), budget);
        return true;
      case bytes_field(7):
        parse_node(view(r), append(out.node, budget), 1, budget);
        return true;
      case bytes_field(9):
        parse_opset(view(r), append(out.opset_import, budget));
        return true;
      case bytes_field(10):
        out.domain = view(r);
        return true;
      case bytes_field(11):
        parse_attribute(view(r), append(out.attribute_proto, budget), 1, budget);
        return true;
      case bytes_field(13):
        out.overload = view(r);
        return true;
      default:
        return false;
    }
  });
}

bool parse_model_field(pbf_reader& r, std::uint32_t key, ModelProto& out, ImportBudget& budget) {
  switch (key) {
    case varint_field(1):
      out.ir_version = r.get_int64();
      return true;
    case bytes_field(2):
      out.producer_name = view(r);
      return true;
    case bytes_field(3):
      out.producer_version = view(r);
      return true;
    case bytes_field(7): {
      const std::string_view message = view(r);
      if (!out.graph) out.graph.emplace();
      parse_graph(message, *out.graph, 1, budget);
      return true;
    }
    case bytes_field(8):
      parse_opset(view(r), append(out.opset_import, budget));
      return true;
    case bytes_field(14):
      parse_entry(view(r), append(out.metadata_props, budget));
      return true;
    case bytes_field(25):
      parse_function(view(r), append(out.functions, budget), budget);
      return true;
    default:
      return false;
  }
}

std::string offset_text(std::string_view bytes, const char* position) {
  return "at byte " + std::to_string(position - bytes.data()) + " of " +
         std::to_string(bytes.size());
}

// Whether the top-level fields, whatever is in them, end where the bytes end.
bool top_level_is_whole(std::string_view bytes) {
  try {
    for_each_field(bytes, [](pbf_reader&, std::uint32_t) { return false; });
    return true;
  } catch (const protozero::exception&) {
    return false;
  }
}

[[noreturn]] void fail_not_onnx(std::string_view bytes, const std::string& why) {
  std::string hint = "give a file written by an ONNX exporter";
  if (bytes.starts_with("version https://git-lfs")) {
    hint = "this is a pointer of Git LFS, not the file itself: run `git lfs pull`";
  } else if (bytes.starts_with("<") || bytes.starts_with("{")) {
    hint = "this looks like a web page or a text file; was the download refused?";
  }
  throw Error(ErrorCode::not_onnx, "the file is not an ONNX model", why, hint);
}

template <class Iterators>
void append_all(const Iterators& range, auto& into) {
  for (const auto value : range)
    into.push_back(static_cast<typename std::decay_t<decltype(into)>::value_type>(value));
}

template <class F>
auto guarded(const std::string& subject, F&& body) {
  try {
    return body();
  } catch (const protozero::exception& error) {
    throw Error(ErrorCode::model_malformed, subject + " is not encoded properly",
                std::string("protobuf: ") + error.what());
  }
}

std::string tensor_subject(const TensorProto& tensor) {
  return "tensor \"" + std::string(tensor.name.substr(0, 100)) + "\"";
}

std::uint32_t number_of(TensorField field) { return static_cast<std::uint32_t>(field); }

}  // namespace

AttributeProto::AttributeProto() = default;
AttributeProto::~AttributeProto() = default;
AttributeProto::AttributeProto(AttributeProto&&) noexcept = default;
AttributeProto& AttributeProto::operator=(AttributeProto&&) noexcept = default;

std::string_view kind_name(AttributeProto::Type type) {
  constexpr std::string_view names[] = {"undefined",      "float",   "int",    "string",
                                        "tensor",         "graph",   "floats", "ints",
                                        "strings",        "tensors", "graphs", "sparse tensor",
                                        "sparse tensors", "type",    "types"};
  return names[type];
}

float AttributeProto::as_float() const {
  float out = 0;
  guarded("an attribute", [&] {
    for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
      if (key != fixed32_field(2)) return false;
      out = r.get_float();
      return true;
    });
  });
  return out;
}

std::int64_t AttributeProto::as_int() const {
  std::int64_t out = 0;
  guarded("an attribute", [&] {
    for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
      if (key != varint_field(3)) return false;
      out = r.get_int64();
      return true;
    });
  });
  return out;
}

std::string_view AttributeProto::as_string() const {
  std::string_view out;
  guarded("an attribute", [&] {
    for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
      if (key != bytes_field(4)) return false;
      out = view(r);
      return true;
    });
  });
  return out;
}

std::vector<float> AttributeProto::as_floats(ImportBudget& budget) const {
  std::vector<float> out;
  guarded("an attribute", [&] {
    for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
      if (key == fixed32_field(7)) {
        append(out, budget) = r.get_float();
      } else if (key == bytes_field(7)) {
        for (const float value : r.get_packed_float()) append(out, budget) = value;
      } else {
        return false;
      }
      return true;
    });
  });
  return out;
}

std::vector<std::int64_t> AttributeProto::as_ints(ImportBudget& budget) const {
  std::vector<std::int64_t> out;
  guarded("an attribute", [&] {
    for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
      return append_ints(r, key, 8, out, budget);
    });
  });
  return out;
}

std::vector<std::string_view> AttributeProto::as_strings(ImportBudget& budget) const {
  std::vector<std::string_view> out;
  guarded("an attribute", [&] {
    for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
      if (key != bytes_field(9)) return false;
      append_view(out, view(r), budget);
      return true;
    });
  });
  return out;
}

SparseTensorProto AttributeProto::as_sparse_tensor(ImportBudget& budget) const {
  SparseTensorProto out;
  guarded("an attribute", [&] {
    for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
      if (key != bytes_field(22)) return false;
      parse_sparse_tensor(view(r), out, budget);
      return true;
    });
  });
  return out;
}

TypeProto AttributeProto::as_type(ImportBudget& budget) const {
  TypeProto out;
  guarded("an attribute", [&] {
    for_each_field(message, [&](pbf_reader& r, std::uint32_t key) {
      if (key != bytes_field(14)) return false;
      parse_type(view(r), out, 1, budget);
      return true;
    });
  });
  return out;
}

ModelProto read_model(std::string_view bytes, ImportBudget& budget) {
  if (bytes.empty()) {
    throw Error(ErrorCode::not_onnx, "the file is empty", "an ONNX model has at least a graph",
                "was the download or the export interrupted?");
  }
  ModelProto model;
  pbf_reader reader = reader_of(bytes);
  try {
    while (reader.next()) {
      const auto key = static_cast<std::uint32_t>(reader.tag_and_type());
      if (!parse_model_field(reader, key, model, budget)) reader.skip();
    }
  } catch (const protozero::exception& error) {
    const std::string where = offset_text(bytes, reader.data().data());
    const std::string why = std::string("protobuf: ") + error.what() + " " + where;
    const bool looks_like_onnx = model.ir_version > 0 && model.ir_version < 1000;
    if (!looks_like_onnx) fail_not_onnx(bytes, why);
    if (top_level_is_whole(bytes)) {
      if (!model.graph) fail_not_onnx(bytes, why);
    } else {
      throw Error(ErrorCode::model_truncated, "the model ends in the middle", why,
                  "copy or download the file again");
    }
    throw Error(ErrorCode::model_malformed, "the model is not encoded properly", why,
                "export or download the model again");
  }
  if (!model.graph) {
    fail_not_onnx(bytes, "it holds no graph (it may also have been cut short)");
  }
  return model;
}

TensorProto read_tensor(std::string_view bytes, ImportBudget& budget) {
  TensorProto tensor;
  guarded("a tensor", [&] { parse_tensor(bytes, tensor, budget); });
  return tensor;
}

std::int64_t count_elements(const TensorProto& tensor, TensorField field) {
  const std::uint32_t number = number_of(field);
  std::int64_t count = 0;
  guarded(tensor_subject(tensor), [&] {
    for_each_field(tensor.message, [&](pbf_reader& r, std::uint32_t) {
      if (r.tag() != number) return false;
      const bool delimited = r.wire_type() == pbf_wire_type::length_delimited;
      if (field == TensorField::string_data) {
        count += delimited ? 1 : 0;  // what is none is not read as a string either
        return false;
      }
      if (!delimited) {
        ++count;
        return false;
      }
      const std::string_view packed = view(r);
      if (field == TensorField::float_data) {
        count += static_cast<std::int64_t>(packed.size() / sizeof(float));
      } else if (field == TensorField::double_data) {
        count += static_cast<std::int64_t>(packed.size() / sizeof(double));
      } else {  // every varint ends in a byte without the high bit
        for (const char c : packed) count += (static_cast<unsigned char>(c) & 0x80u) == 0 ? 1 : 0;
      }
      return true;
    });
  });
  return count;
}

std::optional<std::string_view> contiguous_elements(const TensorProto& tensor, TensorField field) {
  std::optional<std::string_view> out;
  bool pieces = false;
  for_each_field(tensor.message, [&](pbf_reader& r, std::uint32_t key) {
    if (r.tag() != number_of(field)) return false;
    pieces = pieces || out || key != bytes_field(number_of(field));
    if (pieces) return false;
    out = view(r);
    return true;
  });
  return pieces ? std::nullopt : out;
}

void read_elements(const TensorProto& tensor, TensorField field, std::vector<float>& into) {
  guarded(tensor_subject(tensor), [&] {
    for_each_field(tensor.message, [&](pbf_reader& r, std::uint32_t key) {
      if (key == bytes_field(number_of(field))) {
        append_all(r.get_packed_float(), into);
      } else if (key == fixed32_field(number_of(field))) {
        into.push_back(r.get_float());
      } else {
        return false;
      }
      return true;
    });
  });
}

void read_elements(const TensorProto& tensor, TensorField field, std::vector<double>& into) {
  guarded(tensor_subject(tensor), [&] {
    for_each_field(tensor.message, [&](pbf_reader& r, std::uint32_t key) {
      if (key == bytes_field(number_of(field))) {
        append_all(r.get_packed_double(), into);
      } else if (key == fixed64_field(number_of(field))) {
        into.push_back(r.get_double());
      } else {
        return false;
      }
      return true;
    });
  });
}

namespace {

template <class T>
void read_varints(const TensorProto& tensor, TensorField field, std::vector<T>& into) {
  guarded(tensor_subject(tensor), [&] {
    for_each_field(tensor.message, [&](pbf_reader& r, std::uint32_t key) {
      if (key == bytes_field(number_of(field))) {
        append_all(r.get_packed_uint64(), into);
      } else if (key == varint_field(number_of(field))) {
        into.push_back(static_cast<T>(r.get_uint64()));
      } else {
        return false;
      }
      return true;
    });
  });
}

}  // namespace

void read_elements(const TensorProto& tensor, TensorField field, std::vector<std::int32_t>& into) {
  read_varints(tensor, field, into);
}

void read_elements(const TensorProto& tensor, TensorField field, std::vector<std::int64_t>& into) {
  read_varints(tensor, field, into);
}

void read_elements(const TensorProto& tensor, TensorField field, std::vector<std::uint64_t>& into) {
  read_varints(tensor, field, into);
}

void read_elements(const TensorProto& tensor, TensorField field,
                   std::vector<std::string_view>& into) {
  for_each_field(tensor.message, [&](pbf_reader& r, std::uint32_t key) {
    if (key != bytes_field(number_of(field))) return false;
    into.push_back(view(r));
    return true;
  });
}

}  // namespace strop::onnx
