// SPDX-License-Identifier: Apache-2.0
// The same numbers in another element type. Into floats: rounded once, half to even. Into integers:
// towards zero, then modulo 2^bits (NaN and infinity give 0). Into bool: whether other than 0.
// Strings hold plain decimal or scientific numbers, INF, -INF and NaN.
#include "ops/cast.hpp"

#include <array>
#include <charconv>
#include <cstring>

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const auto& attributes = context.attributes<CastAttributes>();
  Type type = context.input(0);
  const DType from = type.dtype;
  context.require(context.op().outputs[0].types.contains(attributes.to), ErrorCode::bad_type,
                  "cannot cast to " + std::string(to_string(attributes.to)));
  type.dtype = attributes.to;
  context.set_output(0, std::move(type));
  if (!kIndices.contains(from) || !kIndices.contains(attributes.to)) return;
  const auto elements = context.elements(0);
  if (!elements) return;
  for (const Dim& dim : *elements) {  // what wraps is left unknown
    if (attributes.to == DType::i32 && dim.is_constant() &&
        dim.value() != static_cast<std::int32_t>(dim.value())) {
      return;
    }
  }
  context.set_elements(0, *elements);
}

bool equal_ignoring_case(std::string_view text, std::string_view upper) {
  return std::equal(text.begin(), text.end(), upper.begin(), upper.end(), [](char a, char b) {
    return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
  });
}

[[noreturn]] void refuse_text(const KernelContext& context, const std::string& text) {
  context.fail("the string \"" + text.substr(0, 40) + "\" is no number",
               "strings that are cast to numbers hold decimal numbers, INF, -INF or NaN");
}

// C++17's from_chars for floating point, which knows neither '+' nor our names of infinity.
double parse_double(const KernelContext& context, const std::string& text) {
  std::string_view rest = text;
  if (rest.starts_with('+') && !rest.starts_with("+-")) rest.remove_prefix(1);
  if (equal_ignoring_case(rest, "INF")) return std::numeric_limits<double>::infinity();
  if (equal_ignoring_case(rest, "-INF")) return -std::numeric_limits<double>::infinity();
  if (equal_ignoring_case(rest, "NAN")) return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
  const bool letters = rest.find_first_not_of("0123456789+-.eE") != std::string_view::npos;
  if (end != rest.data() + rest.size() || rest.empty() || letters) refuse_text(context, text);
  if (error == std::errc::result_out_of_range) {
    // Too large or too small: the exponent's sign tells which.
    const bool small = rest.find("e-") != rest.npos || rest.find("E-") != rest.npos ||
                       rest.find_first_of("eE") == rest.npos;
    const double magnitude = small ? 0.0 : std::numeric_limits<double>::infinity();
    return rest.starts_with('-') ? -magnitude : magnitude;
  }
  if (error != std::errc()) refuse_text(context, text);
  return value;
}

// From strings; integers beyond 2^53 are read as integers.
void parse_all(const KernelContext& context, const CastAttributes& attributes, const Tensor& x,
               Tensor& y) {
  const auto texts = x.values<std::string>();
  for (std::int64_t i = 0; i < y.size(); ++i) {
    const std::string& text = texts[static_cast<std::size_t>(i)];
    if (y.dtype() == DType::i64 || y.dtype() == DType::u64) {
      std::uint64_t bits = 0;
      std::int64_t value = 0;
      const char* end = text.data() + text.size();
      const auto as_signed = std::from_chars(text.data(), end, value);
      const auto as_unsigned = std::from_chars(text.data(), end, bits);
      const bool is_signed = as_signed.ec == std::errc() && as_signed.ptr == end;
      if (is_signed) bits = static_cast<std::uint64_t>(value);
      if (is_signed || (as_unsigned.ec == std::errc() && as_unsigned.ptr == end)) {
        std::memcpy(y.mutable_data() + i * 8, &bits, 8);
        continue;
      }
    }
    const double value = parse_double(context, text);
    if (kFloat8s.contains(y.dtype())) {
      const float narrow = f64_to_f32_odd(value);
      y.mutable_data()[i] = static_cast<std::byte>(
          y.dtype() == DType::f8e8m0
              ? f32_to_f8e8m0(narrow, attributes.round_mode, attributes.saturate)
              : f32_to_small_float(y.dtype(), narrow, attributes.saturate));
    } else {
      store_from_double(y.dtype(), y.mutable_data(), i, value);
    }
  }
}

template <class T>
std::string print(T value) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(value)) return "NaN";
    if (std::isinf(value)) return value < 0 ? "-INF" : "INF";
  }
  char text[400];  // plain notation of the largest double has 309 digits, of the smallest 326
  if constexpr (std::is_floating_point_v<T>) {
    return {text, std::to_chars(text, text + sizeof text, value, std::chars_format::fixed).ptr};
  } else {
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
  }
}

template <class C>
void print_all(const Tensor& x, Tensor& y) {
  const auto out = y.mutable_values<std::string>();
  C buffer{};
  for (std::int64_t i = 0; i < x.size(); ++i) {
    out[static_cast<std::size_t>(i)] = print(*load_chunk<C>(x, i, 1, &buffer));
  }
}

template <class C>
void convert(const CastAttributes& attributes, const Tensor& x, Tensor& y) {
  const bool small = kFloat8s.contains(y.dtype());
  parallel_for(x.size(), 32 * kChunk, [&](std::int64_t begin, std::int64_t end) {
    std::array<C, kChunk> buffer;
    for (std::int64_t i = begin; i < end; i += kChunk) {
      const std::int64_t count = std::min(kChunk, end - i);
      const C* from = load_chunk<C>(x, i, count, buffer.data());
      if (!small) {
        store_chunk<C>(y, i, count, from);
        continue;
      }
      for (std::int64_t k = 0; k < count; ++k) {
        const float value = std::is_same_v<C, float> ? static_cast<float>(from[k])
                                                     : f64_to_f32_odd(static_cast<double>(from[k]));
        y.mutable_data()[i + k] = static_cast<std::byte>(
            y.dtype() == DType::f8e8m0
                ? f32_to_f8e8m0(value, attributes.round_mode, attributes.saturate)
                : f32_to_small_float(y.dtype(), value, attributes.saturate));
      }
    }
  });
}

void reference(KernelContext& context) {
  const auto& attributes = context.attributes<CastAttributes>();
  const Tensor& x = context.input(0);
  Tensor& y = context.output(0);
  if (x.dtype() == y.dtype()) {
    if (x.dtype() == DType::string) {
      const auto from = x.values<std::string>();
      std::copy(from.begin(), from.end(), y.mutable_values<std::string>().begin());
    } else if (x.bytes() > 0) {
      std::memcpy(y.mutable_data(), x.data(), static_cast<std::size_t>(x.bytes()));
    }
    return;
  }
  if (y.dtype() != DType::string) clear_padding(y);
  if (x.dtype() == DType::string) return parse_all(context, attributes, x, y);
  dispatch_compute(compute_kind(x.dtype()), [&]<class C>() {
    if (y.dtype() == DType::string) {
      print_all<C>(x, y);
    } else {
      convert<C>(attributes, x, y);
    }
  });
}

}  // namespace

const OpDef& op_cast() {
  static constexpr DTypeSet kTypes =
      kNumbers | kFloat8s | kSubByte | kBool | DTypeSet{DType::string};
  static const OpDef def{
      .name = "cast",
      .summary = "the same numbers in another element type",
      .attributes = &attribute_schema<CastAttributes>(),
      .inputs = {{.name = "x", .types = kTypes}},
      .outputs = {{.name = "y", .types = kTypes}},
      .subgraphs = {},
      .traits = {.pointwise = true},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
