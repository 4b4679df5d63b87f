// SPDX-License-Identifier: Apache-2.0
// One node under conversion, as its converter sees it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "onnx/graph_importer.hpp"

namespace strop::onnx {

// Thrown when a nested graph has problems: they are in the list already.
struct NestedGraphFailed {};

class NodeContext final : public ConvertContext {
 public:
  // The inputs and what the nested graphs capture are bound, and none of it is poisoned. Throws
  // Error(bad_attribute) when an attribute is there twice or refers to nothing.
  NodeContext(GraphImporter& importer, Frame& frame, const NodeProto& node, const NodePlace& place,
              const NodeOrder& order, const std::vector<std::string_view>* captured);

  const std::string& node_name() const override { return place_.name; }
  const std::string& op_type() const override { return op_type_; }
  std::string_view domain() const override { return place_.domain; }
  std::int64_t opset() const override { return place_.opset; }

  std::size_t input_count() const override { return node_.input.size(); }
  bool has_input(std::size_t i) const override;
  ValueId input(std::size_t i) override;
  std::size_t output_count() const override { return node_.output.size(); }
  bool has_output(std::size_t i) const override;
  void set_output(std::size_t i, ValueId value) override;

  bool has_attribute(std::string_view name) override;
  std::int64_t int_attribute(std::string_view name) override;
  std::int64_t int_attribute(std::string_view name, std::int64_t otherwise) override;
  float float_attribute(std::string_view name) override;
  float float_attribute(std::string_view name, float otherwise) override;
  std::string string_attribute(std::string_view name) override;
  std::string string_attribute(std::string_view name, std::string_view otherwise) override;
  std::vector<std::int64_t> ints_attribute(std::string_view name,
                                           std::vector<std::int64_t> otherwise) override;
  std::vector<float> floats_attribute(std::string_view name, std::vector<float> otherwise) override;
  std::vector<std::string> strings_attribute(std::string_view name) override;
  Tensor tensor_attribute(std::string_view name) override;
  Type type_attribute(std::string_view name) override;
  void expect_long_lists() override;
  void ignore_attribute(std::string_view name) override;
  void import_subgraph(std::string_view name, std::vector<Type> input_types) override;
  std::string subgraph_scope(std::string_view name) override;
  std::vector<std::shared_ptr<const Graph>> finish_subgraphs(
      std::vector<ValueId>& captures) override;

  Emitter& emitter() override { return frame_.building->builder; }

  ValueId output(std::size_t i) const { return outputs_[i]; }
  // Attributes that nobody asked for, in the node's order.
  std::vector<std::string_view> unused_attributes() const;

 private:
  // Marks it as asked for; null when absent.
  const AttributeProto* find(std::string_view name);
  // The same, of that kind; throws bad_attribute.
  const AttributeProto* find(std::string_view name, AttributeProto::Type kind);
  const AttributeProto& require(std::string_view name, AttributeProto::Type kind);
  [[noreturn]] void fail_kind(std::string_view name, std::string_view expected,
                              AttributeProto::Type got) const;
  void collect_captured();

  struct Attribute {
    const AttributeProto* proto = nullptr;  // null: the function's caller left it out
    bool asked = false;
    bool given_by_caller = false;
  };

  GraphImporter& importer_;
  Frame& frame_;
  const NodeProto& node_;
  const NodePlace& place_;
  const NodeOrder& order_;
  const std::vector<std::string_view>* captured_names_;
  std::string op_type_;
  std::unordered_map<std::string_view, Attribute> attributes_;
  std::vector<ValueId> outputs_;
  bool captured_known_ = false;
  std::vector<GraphImporter::Captured> captured_;
  std::vector<std::shared_ptr<const Graph>> subgraphs_;
  bool subgraph_failed_ = false;
};

// The attribute itself, or what the function's caller gave for it; null when it gave nothing.
// Throws Error(bad_attribute) outside of functions.
const AttributeProto* resolve_attribute(const Frame& frame, const AttributeProto& attribute);

}  // namespace strop::onnx
