// SPDX-License-Identifier: Apache-2.0
#include "cli/npy.hpp"

#include <charconv>
#include <cstring>
#include <optional>
#include <vector>

namespace strop::cli {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

struct Descr {
  std::string_view text;
  DType dtype;
};
constexpr Descr kDescrs[] = {{"|b1", DType::boolean}, {"|i1", DType::i8},   {"|u1", DType::u8},
                             {"<i2", DType::i16},     {"<u2", DType::u16},  {"<i4", DType::i32},
                             {"<u4", DType::u32},     {"<i8", DType::i64},  {"<u8", DType::u64},
                             {"<f2", DType::f16},     {"<f4", DType::f32},  {"<f8", DType::f64},
                             {"<c8", DType::c64},     {"<c16", DType::c128}};

[[noreturn]] void fail(const std::string& source, std::string why) {
  throw Error(ErrorCode::bad_argument, "file " + source + " is not a readable .npy file",
              std::move(why), "write it with numpy.save, little-endian");
}

// The value of a key in the header, which is a Python dictionary literal; up to the comma or brace
// that ends it.
std::string_view header_value(std::string_view header, std::string_view key,
                              const std::string& source) {
  const std::string quoted = "'" + std::string(key) + "'";
  std::size_t at = header.find(quoted);
  if (at == std::string_view::npos) fail(source, "its header has no " + quoted);
  at = header.find(':', at);
  if (at == std::string_view::npos) fail(source, "its header is broken");
  std::string_view rest = header.substr(at + 1);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  if (!rest.empty() && rest.front() == '(') {
    const std::size_t end = rest.find(')');
    if (end == std::string_view::npos) fail(source, "its header is broken");
    return rest.substr(1, end - 1);
  }
  return rest.substr(0, std::min(rest.find(','), rest.find('}')));
}

Shape read_shape(std::string_view text, const std::string& source) {
  Shape shape;
  while (!text.empty()) {
    while (!text.empty() && (text.front() == ' ' || text.front() == ',')) text.remove_prefix(1);
    if (text.empty()) break;
    std::int64_t value = 0;
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (status != std::errc() || value < 0 || shape.size() >= 64)
      fail(source, "its shape cannot be read");
    shape.push_back(value);
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
  return shape;
}

// Columns first to rows first.
void reorder(const std::byte* from, std::byte* to, const Shape& shape, std::size_t width) {
  Shape strides(shape.size(), 1);  // of the source, first axis fastest
  for (std::size_t i = 1; i < shape.size(); ++i) strides[i] = strides[i - 1] * shape[i - 1];
  const std::int64_t count = element_count(shape);
  Shape index(shape.size(), 0);
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t offset = 0;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) offset += index[axis] * strides[axis];
    std::memcpy(to + static_cast<std::size_t>(i) * width,
                from + static_cast<std::size_t>(offset) * width, width);
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++index[axis] < shape[axis]) break;
      index[axis] = 0;
    }
  }
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | ((code >> 18) & 0x07));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

std::vector<std::uint32_t> utf8_codes(std::string_view text) {
  std::vector<std::uint32_t> codes;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const std::size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    std::uint32_t code = length == 1 ? lead : lead & (0x7fu >> length);
    for (std::size_t k = 1; k < length && i + k < text.size(); ++k) {
      code = (code << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3f);
    }
    codes.push_back(code);
    i += length;
  }
  return codes;
}

// Fixed-width strings of 4-byte characters, padded with zeros.
Tensor read_strings(std::span<const std::byte> data, const Shape& shape, std::size_t length) {
  Tensor tensor = Tensor::allocate(DType::string, shape);
  const std::byte* at = data.data();
  for (std::string& value : tensor.mutable_values<std::string>()) {
    for (std::size_t i = 0; i < length; ++i, at += 4) {
      std::uint32_t code = 0;
      std::memcpy(&code, at, 4);
      if (code != 0) append_utf8(value, code);
    }
  }
  return tensor;
}

}  // namespace

Tensor read_npy(std::span<const std::byte> bytes, const std::string& source) {
  const auto* text = reinterpret_cast<const char*>(bytes.data());
  if (bytes.size() < 10 || std::string_view(text, 6) != kMagic)
    fail(source, "it does not begin like one");
  const auto byte = [&](std::size_t i) { return static_cast<std::size_t>(bytes[i]); };
  const std::size_t version = byte(6);
  std::size_t start = 10;
  std::size_t length = byte(8) | byte(9) << 8;
  if (version == 2 || version == 3) {
    if (bytes.size() < 12) fail(source, "it is truncated");
    start = 12;
    length |= byte(10) << 16 | byte(11) << 24;
  } else if (version != 1) {
    fail(source, "it has version " + std::to_string(version));
  }
  if (length > bytes.size() - start) fail(source, "it is truncated");
  const std::string_view header(text + start, length);
  std::string_view descr = header_value(header, "descr", source);
  if (descr.size() >= 2 && descr.front() == '\'') descr = descr.substr(1, descr.rfind('\'') - 1);
  const bool fortran = header_value(header, "fortran_order", source).starts_with("True");
  const Shape shape = read_shape(header_value(header, "shape", source), source);
  const std::span<const std::byte> data = bytes.subspan(start + length);

  if (descr.starts_with("<U")) {
    std::size_t characters = 0;
    const auto [end, status] =
        std::from_chars(descr.data() + 2, descr.data() + descr.size(), characters);
    const auto needed = try_mul(element_count(shape), static_cast<std::int64_t>(characters) * 4);
    if (status != std::errc() || characters > (1u << 20) || fortran)
      fail(source, "strings of type " + std::string(descr));
    if (!needed || static_cast<std::int64_t>(data.size()) != *needed)
      fail(source, "its data does not fit its shape");
    if (characters == 0 && element_count(shape) > (1 << 20)) fail(source, "too many empty strings");
    return read_strings(data, shape, characters);
  }
  std::optional<DType> dtype;
  for (const Descr& known : kDescrs) {
    if (known.text == descr) dtype = known.dtype;
  }
  if (!dtype)
    fail(source, "element type " + std::string(descr.substr(0, 40)) + " is not supported");
  if (static_cast<std::int64_t>(data.size()) != byte_size(*dtype, shape)) {
    fail(source, "shape " + to_string(shape) + " needs " +
                     std::to_string(byte_size(*dtype, shape)) + " bytes of data, it has " +
                     std::to_string(data.size()));
  }
  Tensor tensor = Tensor::allocate(*dtype, shape);
  if (data.empty()) return tensor;
  if (fortran && shape.size() > 1) {
    reorder(data.data(), tensor.mutable_data(), shape,
            static_cast<std::size_t>(bits_of(*dtype)) / 8);
  } else {
    std::memcpy(tensor.mutable_data(), data.data(), data.size());
  }
  return tensor;
}

std::string write_npy(const Tensor& tensor) {
  std::string descr;
  std::string data;
  if (tensor.dtype() == DType::string) {
    std::vector<std::vector<std::uint32_t>> rows;
    std::size_t longest = 1;
    for (const std::string& value : tensor.values<std::string>()) {
      rows.push_back(utf8_codes(value));
      longest = std::max(longest, rows.back().size());
    }
    descr = "<U" + std::to_string(longest);
    for (std::vector<std::uint32_t>& row : rows) {
      row.resize(longest, 0);
      data.append(reinterpret_cast<const char*>(row.data()), row.size() * 4);
    }
  } else {
    for (const Descr& known : kDescrs) {
      if (known.dtype == tensor.dtype()) descr = known.text;
    }
    if (descr.empty() && bits_of(tensor.dtype()) == 16) descr = "<u2";
    if (descr.empty() && bits_of(tensor.dtype()) == 8) descr = "|u1";
    if (descr.empty()) {
      throw Error(ErrorCode::bad_type, "tensor " + describe(tensor),
                  "NumPy has no such element type", "cast it to a wider type in the model");
    }
    data.assign(reinterpret_cast<const char*>(tensor.data()),
                static_cast<std::size_t>(tensor.bytes()));
  }
  std::string shape;
  for (std::int64_t dim : tensor.shape()) shape += std::to_string(dim) + ",";
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (" + shape + "), }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string out(kMagic);
  out += '\x01';
  out += '\x00';
  out += static_cast<char>(header.size() & 0xff);
  out += static_cast<char>(header.size() >> 8);
  return out + header + data;
}

}  // namespace strop::cli
