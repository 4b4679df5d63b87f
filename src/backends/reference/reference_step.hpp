// SPDX-License-Identifier: Apache-2.0
// One step of the reference backend: an operator with its attributes and nested graphs, read from
// text, run by the operator's reference kernel. Throws Error; the C boundary is in backend.cpp.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "ir/graph.hpp"
#include "plan/backend_abi.h"

namespace strop::reference {

class ReferenceStep {
 public:
  // `kernel` is the name of an operator; `parameters` its attributes' text on the first line, then
  // the text of each nested graph, in the order of OpDef::subgraphs. Throws Error(unknown_operator,
  // bad_attribute, engine_invalid).
  ReferenceStep(std::string_view kernel, std::string_view parameters, std::size_t input_count,
                std::size_t output_count);

  // Tensors are read and written in place; what has another shape than foreseen goes through the
  // callbacks of `run`.
  void run(const StropAbiValue* inputs, StropAbiValue* outputs, const StropAbiRun& run) const;

 private:
  const OpDef* op_ = nullptr;
  Attributes attributes_;
  std::vector<std::shared_ptr<const Graph>> subgraphs_;
  std::size_t input_count_;
  std::size_t output_count_;
};

}  // namespace strop::reference
