// SPDX-License-Identifier: Apache-2.0
// Bodies that hand values from one iteration to the next. The types of those values are guessed to
// be those of the initial values; where the body returns something else, they are widened and the
// body is imported again.
#pragma once

#include <memory>
#include <vector>

#include "onnx/converter_table.hpp"

namespace strop::onnx {

// Which inputs and outputs of a body are carried: as many from either place on.
struct CarriedValues {
  std::size_t first_input = 0;
  std::size_t first_output = 0;
  std::size_t count = 0;
};

struct CarryingBody {
  std::shared_ptr<const Graph> graph;
  std::vector<ValueId> captures;
  // Carried values that are optional in the graph, though the model's body returns what they hold.
  std::vector<bool> made_optional;
};

// Imports the graph attribute "body"; `types` are those of its formal inputs.
CarryingBody import_carrying_body(ConvertContext& c, std::vector<Type> types,
                                  const CarriedValues& carried);

}  // namespace strop::onnx
