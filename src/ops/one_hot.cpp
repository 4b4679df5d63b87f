// SPDX-License-Identifier: Apache-2.0
// y[i..., d, j...] = on where indices[i..., j...] is d, else off. An index out of range is on
// nowhere.
#include "ops/one_hot.hpp"

#include "ops/indexing_support.hpp"
#include "ops/move_elements_support.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  if (const SymShape* size = context.shape(1)) {
    context.require(size->size() <= 1, ErrorCode::bad_shape,
                    "depth must be a number or a vector of one");
    context.require_equal(product(*size), Dim(1), "the size of depth and 1");
  }
  context.require_rank(2, 1);
  if (const SymShape* values = context.shape(2)) {
    context.require_equal(values->front(), Dim(2), "the size of values, [off, on], and 2");
  }
  const SymShape* indices = context.shape(0);
  const DType dtype = context.dtype(2);
  if (indices == nullptr) return context.set_output(0, Type::tensor_of_unknown_rank(dtype));
  const std::int64_t axis = normalize_axis(context.attributes<OneHotAttributes>().axis,
                                           static_cast<std::int64_t>(indices->size()) + 1);
  const auto known = context.elements(1);
  const Dim depth = known && known->size() == 1 ? known->front() : context.fresh_dim();
  context.require(!depth.is_constant() || depth.value() >= 0, ErrorCode::bad_value,
                  "depth is " + depth.to_string() + "; it must not be negative");
  SymShape y = *indices;
  y.insert(y.begin() + axis, depth);
  context.set_output(0, dtype, std::move(y));
}

// The places along the new axis; -1 where the index is out of range.
std::vector<std::int64_t> places_of(const Tensor& indices, std::int64_t depth, bool from_end) {
  std::vector<std::int64_t> places = offset_table(indices.size());
  dispatch_integer(indices.dtype(), [&]<class T>() {
    const auto from = indices.values<T>();
    for (std::size_t i = 0; i < places.size(); ++i) {
      if constexpr (std::is_unsigned_v<T>) {
        const bool inside = std::uint64_t{from[i]} < static_cast<std::uint64_t>(depth);
        places[i] = inside ? static_cast<std::int64_t>(from[i]) : -1;
      } else {
        places[i] = from[i] < 0 && !from_end ? -1 : place_on_axis(from[i], depth);
      }
    }
  });
  return places;
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<OneHotAttributes>();
  Tensor& y = context.output(0);
  if (y.size() == 0) return;
  const AxisSplit split(y.shape(), normalize_axis(attributes.axis, y.rank()));
  const auto places = places_of(context.input(0), split.size, attributes.from_end);
  const Tensor values = unpack_elements(context.input(2));
  const bool packed = values.dtype() != y.dtype();
  Tensor whole = packed ? Tensor::allocate(values.dtype(), y.shape()) : y;
  dispatch_element(values.dtype(), [&]<class T>() {
    const T *off = elements_of<T>(values), *on = off + 1;
    T* to = mutable_elements_of<T>(whole);
    parallel_for(split.outer * split.size, 1 + 16384 / split.inner,
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     const std::int64_t d = row % split.size;
                     const std::int64_t* place = places.data() + row / split.size * split.inner;
                     T* out = to + row * split.inner;
                     for (std::int64_t i = 0; i < split.inner; ++i) {
                       out[i] = place[i] == d ? *on : *off;
                     }
                   }
                 });
  });
  if (packed) pack_elements(whole, y);
}

}  // namespace

const OpDef& op_one_hot() {
  static const OpDef def{
      .name = "one_hot",
      .summary = "on where the place along a new axis is the index, off elsewhere",
      .attributes = &attribute_schema<OneHotAttributes>(),
      .inputs = {{.name = "indices", .types = kIntegers},
                 {.name = "depth", .types = {DType::i64}},
                 {.name = "values", .types = kAny, .same_as = 'T'}},
      .outputs = {{.name = "y", .types = kAny, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 1u << 1},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
