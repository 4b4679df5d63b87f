// SPDX-License-Identifier: Apache-2.0
#include "cli/boxed_values.hpp"

#include <cstring>
#include <memory>

namespace strop::cli {
namespace {

using Box = std::unique_ptr<void, void (*)(void*)>;

Box keep(void* boxed, const StropBackendTable& boxes) {
  if (boxed == nullptr) throw Error(ErrorCode::out_of_memory, "no memory for an input");
  return {boxed, boxes.box_free};
}

struct Texts {
  std::vector<const char*> data;
  std::vector<std::uint64_t> lengths;

  explicit Texts(const Tensor& strings) {
    for (const std::string& text : strings.values<std::string>()) {
      data.push_back(text.data());
      lengths.push_back(text.size());
    }
  }
};

Box make_box(const Datum& value, const StropBackendTable& boxes);

// The elements of a sequence, optional or map, as the table takes them; it copies them.
class Elements {
 public:
  void add(const Datum& element, const StropBackendTable& boxes) {
    StropAbiValue value{};
    const auto* tensor = std::get_if<Tensor>(&element.value);
    if (tensor == nullptr || tensor->dtype() == DType::string) {
      owners_.push_back(make_box(element, boxes));
      value.boxed = owners_.back().get();
    } else {
      value.dtype = static_cast<std::uint32_t>(tensor->dtype());
      value.rank = static_cast<std::uint32_t>(tensor->rank());
      value.dims = tensor->shape().data();
      value.data = const_cast<std::byte*>(tensor->data());
      value.bytes = static_cast<std::uint64_t>(tensor->bytes());
    }
    values_.push_back(value);
  }
  std::uint64_t count() const { return values_.size(); }
  const StropAbiValue* data() const { return values_.data(); }

 private:
  std::vector<Box> owners_;
  std::vector<StropAbiValue> values_;
};

Box make_box(const Datum& value, const StropBackendTable& boxes) {
  Elements elements;
  if (const auto* sequence = std::get_if<Sequence>(&value.value)) {
    for (const Datum& element : *sequence) elements.add(element, boxes);
    return keep(boxes.box_make(1, elements.count(), elements.data()), boxes);
  }
  if (const auto* optional = std::get_if<Optional>(&value.value)) {
    if (optional->value != nullptr) elements.add(*optional->value, boxes);
    return keep(boxes.box_make(2, elements.count(), elements.data()), boxes);
  }
  if (const auto* map = std::get_if<Map>(&value.value)) {
    for (const Datum& element : map->values) elements.add(element, boxes);
    if (map->keys.dtype() == DType::string) {
      const Texts keys(map->keys);
      return keep(boxes.box_make_map(elements.count(), nullptr, keys.data.data(),
                                     keys.lengths.data(), elements.data()),
                  boxes);
    }
    // Without elements any address does: null would mean that the keys are strings.
    const std::int64_t none = 0;
    const auto* keys = map->keys.size() > 0 ? map->keys.values<std::int64_t>().data() : &none;
    return keep(boxes.box_make_map(elements.count(), keys, nullptr, nullptr, elements.data()),
                boxes);
  }
  const Tensor& tensor = value.tensor();
  const Texts texts(tensor);
  return keep(boxes.box_strings(static_cast<std::uint32_t>(tensor.rank()), tensor.shape().data(),
                                texts.data.data(), texts.lengths.data()),
              boxes);
}

std::string read_string(const void* boxed, std::uint64_t index, const StropBackendTable& boxes) {
  std::uint64_t length = 0;
  const char* text = boxes.box_string(boxed, index, &length);
  return length > 0 ? std::string(text, static_cast<std::size_t>(length)) : std::string();
}

Datum read(const StropAbiValue& value, const StropBackendTable& boxes);

std::vector<Datum> read_elements(const void* boxed, std::uint64_t count,
                                 const StropBackendTable& boxes) {
  std::vector<Datum> out;
  for (std::uint64_t i = 0; i < count; ++i) {
    StropAbiValue element{};
    if (boxes.box_element(boxed, i, &element) != 0) {
      throw Error(ErrorCode::internal, "an element of an output cannot be read");
    }
    out.push_back(read(element, boxes));
  }
  return out;
}

Tensor read_keys(const void* boxed, std::uint64_t count, const StropBackendTable& boxes) {
  std::uint32_t dtype = 0;
  const std::int64_t* numbers = nullptr;
  if (boxes.box_keys(boxed, &dtype, &numbers) != 0) {
    throw Error(ErrorCode::internal, "the keys of an output cannot be read");
  }
  Tensor keys = Tensor::allocate(static_cast<DType>(dtype), {static_cast<std::int64_t>(count)});
  for (std::uint64_t i = 0; i < count; ++i) {
    if (keys.dtype() == DType::string) {
      keys.mutable_values<std::string>()[i] = read_string(boxed, i, boxes);
    } else {
      keys.mutable_values<std::int64_t>()[i] = numbers[i];
    }
  }
  return keys;
}

Datum read(const StropAbiValue& value, const StropBackendTable& boxes) {
  if (value.boxed == nullptr) {
    return Tensor::wrap(static_cast<DType>(value.dtype), Shape(value.dims, value.dims + value.rank),
                        value.data, nullptr)
        .clone();
  }
  std::uint32_t kind = 0, rank = 0;
  const std::int64_t* dims = nullptr;
  std::uint64_t count = 0;
  boxes.box_describe(value.boxed, &kind, &rank, &dims, &count);
  if (kind == 1) return read_elements(value.boxed, count, boxes);
  if (kind == 2) {
    Optional out;
    if (count > 0) {
      out.value =
          std::make_shared<const Datum>(std::move(read_elements(value.boxed, 1, boxes).front()));
    }
    return out;
  }
  if (kind == 3) {
    Map out;
    out.keys = read_keys(value.boxed, count, boxes);
    out.values = read_elements(value.boxed, count, boxes);
    return out;
  }
  Tensor out = Tensor::allocate(DType::string, Shape(dims, dims + rank));
  const auto texts = out.mutable_values<std::string>();
  for (std::uint64_t i = 0; i < count; ++i) texts[i] = read_string(value.boxed, i, boxes);
  return out;
}

}  // namespace

void bind_value(Context& context, const std::string& name, const Datum& value) {
  if (value.is_tensor()) return context.bind(name, value.tensor());
  context.bind_boxed(name, make_box(value, context.boxes()).get());
}

Datum output_value(Context& context, const std::string& name) {
  const StropAbiValue& value = context.output(name);
  if (value.boxed == nullptr) return context.output_tensor(name);
  return read(value, context.boxes());
}

}  // namespace strop::cli
