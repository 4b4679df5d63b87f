// SPDX-License-Identifier: Apache-2.0
// How ONNX operators become nodes of the graph. One file of src/onnx/convert per operator family
// registers functions here:
//
//   void softmax_from_13(ConvertContext& c) {
//     c.set_output(0, c.emit(op_softmax(), SoftmaxAttributes{.axis = c.axis(c.int_attribute("axis",
//     -1), 0)}, {c.input(0)}));
//   }
//   void register_softmax(ConverterTable& table) { table.add("Softmax", 13, softmax_from_13); }
//
// A converter registered from opset N on serves every opset >= N up to the next registration of
// that operator.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ir/graph.hpp"

namespace strop::onnx {

class ConvertContext;
using Converter = void (*)(ConvertContext&);

class ConverterTable {
 public:
  // Operators of ai.onnx.
  void add(std::string_view op, int since_opset, Converter converter) {
    add("", op, since_opset, converter);
  }
  void add(std::string_view domain, std::string_view op, int since_opset, Converter converter);
  // The converter for an opset; null when there is none. `known` tells whether any opset has the
  // operator.
  Converter find(std::string_view domain, std::string_view op, std::int64_t opset,
                 bool* known = nullptr) const;
  // Everything registered: domain ("" is ai.onnx) and operator, with the opsets from which on one
  // converter serves.
  struct Entry {
    std::string domain, op;
    std::vector<int> since;
  };
  std::vector<Entry> entries() const;

 private:
  std::map<std::pair<std::string, std::string>, std::map<int, Converter>> converters_;
};

// One ONNX node under conversion. Errors thrown from here become problems that name the node,
// operator, domain and opset.
class ConvertContext {
 public:
  virtual ~ConvertContext() = default;

  virtual const std::string& node_name() const = 0;
  virtual const std::string& op_type() const = 0;
  virtual std::string_view domain() const = 0;  // "" is ai.onnx
  virtual std::int64_t opset() const = 0;       // of that domain

  // Inputs as the node lists them; an empty name is an absent input.
  virtual std::size_t input_count() const = 0;
  virtual bool has_input(std::size_t i) const = 0;
  virtual ValueId input(std::size_t i) = 0;  // throws model_malformed when absent
  ValueId optional_input(std::size_t i) { return has_input(i) ? input(i) : ValueId::none(); }
  std::vector<ValueId> all_inputs();  // absent ones as none()
  virtual std::size_t output_count() const = 0;
  virtual bool has_output(std::size_t i) const = 0;  // somebody may want it
  virtual void set_output(std::size_t i, ValueId value) = 0;
  void set_outputs(const std::vector<ValueId>& values);

  // Attributes; a wrong type throws bad_attribute. An attribute that is present and never asked for
  // is reported as a bad_attribute problem too, so a converter asks for everything it understands.
  virtual bool has_attribute(std::string_view name) = 0;
  virtual std::int64_t int_attribute(std::string_view name) = 0;  // required
  virtual std::int64_t int_attribute(std::string_view name, std::int64_t otherwise) = 0;
  virtual float float_attribute(std::string_view name) = 0;
  virtual float float_attribute(std::string_view name, float otherwise) = 0;
  virtual std::string string_attribute(std::string_view name) = 0;
  virtual std::string string_attribute(std::string_view name, std::string_view otherwise) = 0;
  virtual std::vector<std::int64_t> ints_attribute(std::string_view name,
                                                   std::vector<std::int64_t> otherwise = {}) = 0;
  virtual std::vector<float> floats_attribute(std::string_view name,
                                              std::vector<float> otherwise = {}) = 0;
  virtual std::vector<std::string> strings_attribute(std::string_view name) = 0;
  virtual Tensor tensor_attribute(std::string_view name) = 0;
  virtual Type type_attribute(std::string_view name) = 0;
  // Says that the node's lists are parameters of the model, and may be as large as it is. To be
  // called before they are read.
  virtual void expect_long_lists() = 0;
  // Marks an attribute as understood without reading it.
  virtual void ignore_attribute(std::string_view name) = 0;
  // A nested graph. Its formal inputs get `input_types` where the model declares nothing sharper.
  // What it captures from outside is appended to `captures` (values of this graph) and to the
  // nested graph's inputs, in the same order. Several nested graphs of one node share one
  // `captures` list: import them all, then call finish_subgraphs().
  virtual void import_subgraph(std::string_view name, std::vector<Type> input_types) = 0;
  // What begins the names of symbols that are known in that nested graph alone, and in no other.
  virtual std::string subgraph_scope(std::string_view name) = 0;
  // The nested graphs imported so far, all with the same captured inputs after their formal ones,
  // and the captures.
  virtual std::vector<std::shared_ptr<const Graph>> finish_subgraphs(
      std::vector<ValueId>& captures) = 0;

  // What is known of values.
  virtual Emitter& emitter() = 0;
  const Type& type(ValueId id) { return emitter().type(id); }
  const Tensor* constant(ValueId id);  // null unless known now
  std::optional<std::vector<std::int64_t>> constant_integers(ValueId id);
  // Rank of a value; throws bad_shape when it is unknown and this converter needs it.
  std::int64_t rank(ValueId id);
  // Axis normalised against the rank of input i.
  std::int64_t axis(std::int64_t value, std::size_t input_index);

  // Adds a node named after this ONNX node.
  ValueId emit(const OpDef& op, Attributes attributes, std::vector<ValueId> inputs);
  std::vector<ValueId> emit_many(const OpDef& op, Attributes attributes,
                                 std::vector<ValueId> inputs, std::size_t output_count,
                                 std::vector<std::shared_ptr<const Graph>> subgraphs = {});
  [[noreturn]] void fail(ErrorCode code, std::string why, std::string hint = {}) const;

 private:
  int emitted_ = 0;  // nodes so far; the first one has the plain name
};

// Every converter of src/onnx/convert; the list behind it is generated from the file names.
void register_all_converters(ConverterTable& table);

}  // namespace strop::onnx
