// SPDX-License-Identifier: Apache-2.0
// What models become: names, symbols, constants, functions, nested graphs.
#include "onnx/importer.hpp"

#include <gtest/gtest.h>

#include "ops/softmax.hpp"
#include "support/model_writer.hpp"

namespace strop::onnx {
namespace {

using namespace wire;

Graph import(const std::string& bytes, const ImportOptions& options = {}) {
  return import_model(as_bytes(bytes), std::make_shared<std::string>(bytes), options);
}

TEST(Importer, keeps_names_of_values_and_nodes) {
  const Graph graph = import(one_node_model({"Softmax", {"x"}, {"y"}, {}, "the softmax", "", ""}));
  ASSERT_EQ(graph.inputs().size(), 1u);
  EXPECT_EQ(graph.value(graph.inputs()[0]).name, "x");
  EXPECT_EQ(graph.value(graph.inputs()[0]).type.to_string(), "f32[N,3]");
  ASSERT_EQ(graph.outputs().size(), 1u);
  EXPECT_EQ(graph.value(graph.outputs()[0]).name, "y");
  EXPECT_EQ(graph.output_name(0), "y");
  ASSERT_EQ(graph.node_count(), 1u);
  EXPECT_EQ(graph.node(graph.order()[0]).name, "the softmax");
  EXPECT_TRUE(graph.node(graph.order()[0]).is(op_softmax()));
}

}  // namespace
}  // namespace strop::onnx
