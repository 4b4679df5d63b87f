// SPDX-License-Identifier: Apache-2.0
// A small network of what mobile networks are made of: a stem, convolutions of groups, shuffles of
// channels, halves that go their own ways, depthwise convolutions, pools, a residual, a classifier.
#pragma once

#include <string>
#include <vector>

#include "builder/plan_execution.hpp"
#include "support/model_writer.hpp"

namespace strop::testing {

class ShuffleModel {
 public:
  // f32[1,3,23,21] to f32[1,10].
  std::string write() {
    namespace wire = onnx::wire;
    std::string x = relu(conv("x", 3, 16, 3, 2, 1));  // [16,12,11]
    x = add(x, conv(shuffle(conv(x, 16, 16, 1, 1, 4), 4, 4), 16, 16, 3, 1, 16));
    parts_.graph.nodes.push_back(
        {"Split", {x}, {"low", "high"}, {wire::int_attribute("axis", 1)}, {}, {}, {}});
    x = conv(relu(conv("high", 8, 24, 1, 1, 1)), 24, 8, 1, 1, 1);
    x = shuffle(concat("low", x), 2, 8);
    const std::string side =
        emit("AveragePool", {x},
             {wire::ints_attribute("kernel_shape", {3, 3}), wire::ints_attribute("strides", {2, 2}),
              wire::ints_attribute("pads", {1, 1, 1, 1})});
    x = conv(conv(x, 16, 12, 1, 1, 4), 12, 12, 3, 2, 12);
    x = relu(concat(x, side));  // [28,6,6]
    x = emit("GlobalAveragePool", {x}, {});
    x = emit("Flatten", {x}, {});
    x = emit("Gemm", {x, weights({28, 10}), weights({10})}, {});
    parts_.graph.inputs = {wire::value_info("x", wire::tensor_type(wire::kFloat, {1, 3, 23, 21}))};
    parts_.graph.outputs = {wire::value_info(x, wire::tensor_type(wire::kFloat, {1, 10}))};
    return wire::model(parts_);
  }

 private:
  std::string emit(const std::string& op, std::vector<std::string> inputs,
                   std::vector<onnx::wire::Message> attributes) {
    const std::string name = "v" + std::to_string(names_++);
    parts_.graph.nodes.push_back(
        {op, std::move(inputs), {name}, std::move(attributes), {}, {}, {}});
    return name;
  }
  std::string weights(const Shape& shape) {
    const std::string name = "w" + std::to_string(names_);
    const Tensor values = random_tensor(DType::f32, shape, static_cast<std::uint64_t>(++names_));
    const auto all = values.values<float>();
    parts_.graph.initializers.push_back(
        onnx::wire::float_tensor(name, shape, std::vector<float>(all.begin(), all.end())));
    return name;
  }
  std::string conv(const std::string& x, int from, int to, int kernel, int stride, int groups) {
    namespace wire = onnx::wire;
    const int pad = kernel / 2;
    return emit(
        "Conv", {x, weights({to, from / groups, kernel, kernel}), weights({to})},
        {wire::ints_attribute("strides", {stride, stride}),
         wire::ints_attribute("pads", {pad, pad, pad, pad}), wire::int_attribute("group", groups)});
  }
  std::string relu(const std::string& x) { return emit("Relu", {x}, {}); }
  std::string add(const std::string& a, const std::string& b) { return emit("Add", {a, b}, {}); }
  std::string concat(const std::string& a, const std::string& b) {
    return emit("Concat", {a, b}, {onnx::wire::int_attribute("axis", 1)});
  }
  // Of 12 x 11 pixels.
  std::string shuffle(const std::string& x, int groups, int size) {
    namespace wire = onnx::wire;
    const auto reshape = [&](const std::string& from, const std::vector<std::int64_t>& sizes) {
      const std::string name = "s" + std::to_string(names_);
      parts_.graph.initializers.push_back(
          wire::int64_tensor(name, {static_cast<std::int64_t>(sizes.size())}, sizes));
      return emit("Reshape", {from, name}, {});
    };
    const std::string split = reshape(x, {1, groups, size, 12, 11});
    const std::string swapped =
        emit("Transpose", {split}, {wire::ints_attribute("perm", {0, 2, 1, 3, 4})});
    return reshape(swapped, {1, groups * size, 12, 11});
  }

  onnx::wire::ModelParts parts_;
  int names_ = 0;
};

}  // namespace strop::testing
