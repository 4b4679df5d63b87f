// SPDX-License-Identifier: Apache-2.0
// The plugin of the tests, loaded into this process and into this program's copy of the operators.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "builder/pipeline.hpp"
#include "builder/plugin_use.hpp"
#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "plugin/plugin_registry.hpp"
#include "runtime/context.hpp"
#include "runtime/engine.hpp"
#include "runtime/plan_maker.hpp"

namespace strop::testing {

inline void load_sample_plugin() { use_plugins({STROP_SAMPLE_PLUGIN}); }

inline Graph parse(std::string_view text) { return parse_graph(text, find_operator); }

inline Tensor floats(Shape shape, const std::vector<float>& values) {
  return Tensor::from<float>(std::move(shape), values);
}

inline std::vector<float> values_of(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

// The only output of a graph, by the reference.
inline Tensor evaluate_one(const Graph& graph, const std::vector<Datum>& inputs) {
  return evaluate_graph(graph, inputs).at(0).tensor();
}

inline void expect_error(const Error& error, ErrorCode code, const std::string& part) {
  EXPECT_EQ(error.code(), code) << error.message();
  EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
}

}  // namespace strop::testing
