// SPDX-License-Identifier: Apache-2.0
// MaxPool, AveragePool and LpPool. Later opsets added attributes whose defaults are what earlier
// ones did; an opset that does not have an attribute refuses it by not asking for it.
#include "onnx/convert/pool_attributes.hpp"
#include "onnx/converter_table.hpp"

namespace strop::onnx {
namespace {

void max_pool(ConvertContext& c) {
  PoolAttributes attributes = pool_attributes(c, PoolFunction::max);
  if (c.opset() >= 8) attributes.column_major = c.int_attribute("storage_order", 0) != 0;
  if (c.opset() >= 10) {
    attributes.ceil_mode = c.int_attribute("ceil_mode", 0) != 0;
    attributes.dilations = c.ints_attribute("dilations");
  }
  c.set_outputs(c.emit_many(op_pool(), attributes, {c.input(0)}, c.has_output(1) ? 2 : 1));
}

void average_pool(ConvertContext& c) {
  PoolAttributes attributes = pool_attributes(c, PoolFunction::average);
  if (c.opset() >= 7) attributes.count_include_pad = c.int_attribute("count_include_pad", 0) != 0;
  if (c.opset() >= 10) attributes.ceil_mode = c.int_attribute("ceil_mode", 0) != 0;
  if (c.opset() >= 19) attributes.dilations = c.ints_attribute("dilations");
  c.set_output(0, c.emit(op_pool(), attributes, {c.input(0)}));
}

void lp_pool(ConvertContext& c) {
  PoolAttributes attributes = pool_attributes(c, PoolFunction::lp);
  if (c.opset() < 2) {  // a float in opset 1
    const float p = c.float_attribute("p", 2.0f);
    if (!(p >= 1.0f && p <= 1e6f) || p != static_cast<float>(static_cast<std::int64_t>(p))) {
      c.fail(ErrorCode::bad_attribute, "p must be a whole number of at least 1");
    }
    attributes.p = static_cast<std::int64_t>(p);
  } else {
    attributes.p = c.int_attribute("p", 2);
  }
  if (c.opset() >= 18) {
    attributes.ceil_mode = c.int_attribute("ceil_mode", 0) != 0;
    attributes.dilations = c.ints_attribute("dilations");
  }
  c.set_output(0, c.emit(op_pool(), attributes, {c.input(0)}));
}

}  // namespace

void register_pool(ConverterTable& table) {
  table.add("MaxPool", 1, max_pool);
  table.add("AveragePool", 1, average_pool);
  table.add("LpPool", 1, lp_pool);
}

}  // namespace strop::onnx
