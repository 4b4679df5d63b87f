// SPDX-License-Identifier: Apache-2.0
// A model for the example plugin: value f32[1,5,1,8], one level of 1 x 5 pixels; queries of two
// points each. Sizes of the levels are constants, as exporters write them.
#pragma once

#include <string>

#include "support/model_writer.hpp"

namespace strop::testing {

inline std::string attention_model() {
  namespace wire = onnx::wire;
  wire::ModelParts parts;
  parts.graph.nodes = {{"MMCVMultiScaleDeformableAttention",
                        {"value", "shapes", "starts", "locations", "weights"},
                        {"y"},
                        {wire::int_attribute("im2col_step", 64)},
                        "attention",
                        "mmdeploy",
                        {}}};
  const auto input = [](const char* name, const std::vector<wire::Size>& shape) {
    return wire::value_info(name, wire::tensor_type(wire::kFloat, shape));
  };
  parts.graph.inputs = {input("value", {1, 5, 1, 8}), input("locations", {1, "Q", 1, 1, 2, 2}),
                        input("weights", {1, "Q", 1, 1, 2})};
  parts.graph.outputs = {input("y", {1, "Q", 8})};
  parts.graph.initializers = {wire::int64_tensor("shapes", {1, 2}, {1, 5}),
                              wire::int64_tensor("starts", {1}, {0})};
  parts.opsets = {{"", 17}, {"mmdeploy", 1}};
  return wire::model(parts);
}

}  // namespace strop::testing
