// SPDX-License-Identifier: Apache-2.0
// Identity, Transpose and Tile.
#include "ops/transpose.hpp"

#include "onnx/converter_table.hpp"
#include "ops/identity.hpp"
#include "ops/tile.hpp"

namespace strop::onnx {
namespace {

void identity(ConvertContext& c) {
  c.set_output(0, c.emit(op_identity(), NoAttributes{}, {c.input(0)}));
}

void transpose(ConvertContext& c) {
  const auto perm = c.ints_attribute("perm");
  c.set_output(0, c.emit(op_transpose(), TransposeAttributes{.perm = perm}, {c.input(0)}));
}

// Opset 1: `tiles` copies along `axis`, both of them numbers of the input's type.
void tile_one_axis(ConvertContext& c) {
  const auto number = [&c](std::size_t i, const char* name) {
    const Tensor* value = c.constant(c.input(i));
    if (value == nullptr || value->size() != 1 || !kNumbers.contains(value->dtype())) {
      c.fail(ErrorCode::unsupported_operator,
             std::string("input ") + name + " of Tile before opset 6 must be a constant number",
             "convert the model to opset 6 or later");
    }
    const double read = load_as_double(value->dtype(), value->data(), 0);
    if (!(read >= -1e9 && read <= 1e9)) {
      c.fail(ErrorCode::bad_value, std::string("input ") + name + " is out of range");
    }
    return static_cast<std::int64_t>(read);
  };
  std::vector<std::int64_t> repeats(static_cast<std::size_t>(c.rank(c.input(0))), 1);
  repeats[static_cast<std::size_t>(c.axis(number(2, "axis"), 0))] = number(1, "tiles");
  c.set_output(0, c.emit(op_tile(), NoAttributes{}, {c.input(0), c.emitter().integers(repeats)}));
}

void tile(ConvertContext& c) {
  c.set_output(0, c.emit(op_tile(), NoAttributes{}, {c.input(0), c.input(1)}));
}

}  // namespace

void register_transpose(ConverterTable& table) {
  table.add("Identity", 1, identity);
  table.add("Transpose", 1, transpose);
  table.add("Tile", 1, tile_one_axis);
  table.add("Tile", 6, tile);
}

}  // namespace strop::onnx
