// SPDX-License-Identifier: Apache-2.0
// Scan. From opset 9 on each input and output has an axis and a direction. In opset 8 there is a
// batch: a scan over the batch, the body of which is a scan over axis 1, and the states are scanned
// too.
#include <algorithm>
#include <limits>

#include "onnx/convert/carried_values_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/scan.hpp"
#include "ops/slice.hpp"
#include "ops/transpose.hpp"

namespace strop::onnx {
namespace {

struct Parts {
  std::size_t states, scanned;
};

// The node's inputs from `first` on: states, then what is scanned.
Parts read_parts(ConvertContext& c, std::size_t first) {
  const std::int64_t scanned = c.int_attribute("num_scan_inputs");
  const std::size_t inputs = c.input_count() > first ? c.input_count() - first : 0;
  if (scanned < 1 || scanned > static_cast<std::int64_t>(inputs)) {
    c.fail(ErrorCode::bad_attribute, "num_scan_inputs is " + std::to_string(scanned) +
                                         ", but the node has " + std::to_string(inputs) +
                                         " states and scanned inputs");
  }
  return {inputs - static_cast<std::size_t>(scanned), static_cast<std::size_t>(scanned)};
}

// An attribute with one number for each scanned input or output; all are 0 when it is absent.
std::vector<std::int64_t> numbers(ConvertContext& c, const char* name, std::size_t count) {
  const auto given = c.ints_attribute(name);
  if (!c.has_attribute(name)) return std::vector<std::int64_t>(count, 0);
  if (given.size() != count) {
    c.fail(ErrorCode::bad_attribute, std::string(name) + " has " + std::to_string(given.size()) +
                                         " entries; it needs " + std::to_string(count));
  }
  return given;
}

std::vector<std::int64_t> flags(ConvertContext& c, const char* name, std::size_t count) {
  auto out = numbers(c, name, count);
  for (const std::int64_t flag : out) {
    if (flag == 0 || flag == 1) continue;
    c.fail(ErrorCode::bad_attribute, "an entry of " + std::string(name) + " is " +
                                         std::to_string(flag) + "; it may be 0 or 1");
  }
  return out;
}

// Type of a slice: without this axis.
Type without_axis(ConvertContext& c, const Type& type, std::int64_t axis) {
  if (!type.is_tensor()) {
    c.fail(ErrorCode::bad_type, "only tensors can be scanned, not " + type.to_string());
  }
  if (!type.shape) return type;
  Type out = type;
  out.shape->erase(out.shape->begin() + normalize_axis(axis, type.rank()));
  return out;
}

bool any(const std::vector<std::int64_t>& flags) {
  return std::ranges::any_of(flags, [](std::int64_t flag) { return flag != 0; });
}

void scan(ConvertContext& c) {
  const Parts parts = read_parts(c, 0);
  ScanAttributes attributes{.states = static_cast<std::int64_t>(parts.states)};
  attributes.axes = numbers(c, "scan_input_axes", parts.scanned);
  attributes.reverse = flags(c, "scan_input_directions", parts.scanned);
  if (!any(attributes.reverse)) attributes.reverse.clear();
  std::vector<ValueId> inputs{ValueId::none()};
  std::vector<Type> types;
  for (std::size_t i = 0; i < parts.states + parts.scanned; ++i) {
    inputs.push_back(c.input(i));
    const Type& type = c.type(inputs.back());
    const bool state = i < parts.states;
    types.push_back(state ? type : without_axis(c, type, attributes.axes[i - parts.states]));
  }
  const CarryingBody body = import_carrying_body(c, std::move(types), {.count = parts.states});
  inputs.insert(inputs.end(), body.captures.begin(), body.captures.end());
  const std::size_t stacked = body.graph->outputs().size() - parts.states;
  const auto axes = numbers(c, "scan_output_axes", stacked);
  const auto backwards = flags(c, "scan_output_directions", stacked);
  auto outputs = c.emit_many(op_scan(), attributes, std::move(inputs), body.graph->outputs().size(),
                             {body.graph});
  for (std::size_t i = 0; i < stacked; ++i) {
    ValueId& output = outputs[parts.states + i];
    if (backwards[i] != 0) {
      Emitter& e = c.emitter();
      output =
          c.emit(op_slice(), NoAttributes{},
                 {output, e.integers({-1}), e.integers({std::numeric_limits<std::int64_t>::min()}),
                  e.integers({0}), e.integers({-1})});
    }
    if (axes[i] == 0) continue;
    const std::int64_t rank = c.rank(output), axis = normalize_axis(axes[i], rank);
    TransposeAttributes order;
    for (std::int64_t k = 0; k < rank; ++k)
      order.perm.push_back(k < axis ? k + 1 : k == axis ? 0 : k);
    if (axis != 0) output = c.emit(op_transpose(), order, {output});
  }
  c.set_outputs(outputs);
}

void batched_scan(ConvertContext& c) {
  const Parts parts = read_parts(c, 1);
  ScanAttributes inner{.states = static_cast<std::int64_t>(parts.states)};
  inner.axes.assign(parts.scanned, 0);
  inner.reverse = flags(c, "directions", parts.scanned);
  if (!any(inner.reverse)) inner.reverse.clear();
  std::vector<ValueId> inputs{ValueId::none()};
  GraphBuilder batch("batch", c.subgraph_scope("batch"));
  std::vector<ValueId> inside{ValueId::none()};
  if (c.has_input(0)) {
    inputs.push_back(c.input(0));
    inside[0] = batch.add_input("length", without_axis(c, c.type(inputs.back()), 0));
  }
  std::vector<Type> body_types;
  for (std::size_t i = 0; i < parts.states + parts.scanned; ++i) {
    inputs.push_back(c.input(i + 1));
    Type type = without_axis(c, c.type(inputs.back()), 0);
    inside.push_back(batch.add_input("in" + std::to_string(i), type));
    body_types.push_back(i < parts.states ? type : without_axis(c, type, 0));
  }
  const std::size_t sliced = inputs.size() - 1;
  const CarryingBody body = import_carrying_body(c, std::move(body_types), {.count = parts.states});
  for (const ValueId capture : body.captures) {
    inputs.push_back(capture);
    const Value& value = c.emitter().value(capture);
    inside.push_back(batch.add_input(value.name, value.type));
  }
  Emitter::Options options;
  options.name = c.node_name();
  options.origins = {c.node_name()};
  options.subgraphs = {body.graph};
  const auto results = batch.emit(op_scan(), inner, std::move(inside), body.graph->outputs().size(),
                                  std::move(options));
  for (std::size_t i = 0; i < results.size(); ++i)
    batch.add_output(results[i], body.graph->output_name(i));
  ScanAttributes outer;
  outer.axes.assign(sliced, 0);
  c.set_outputs(c.emit_many(op_scan(), outer, std::move(inputs), results.size(),
                            {std::make_shared<const Graph>(batch.take())}));
}

}  // namespace

void register_scan(ConverterTable& table) {
  table.add("Scan", 8, batched_scan);
  table.add("Scan", 9, scan);
}

}  // namespace strop::onnx
