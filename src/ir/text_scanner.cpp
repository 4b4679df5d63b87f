// SPDX-License-Identifier: Apache-2.0
#include "ir/text_scanner.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>

#include "ir/type.hpp"

namespace strop {
namespace {

bool word_character(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == ':' ||
         c == '/' || c == '#' || c == '?' || c == '-';
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void TextScanner::skip_space() {
  while (at_ < text_.size()) {
    if (std::isspace(static_cast<unsigned char>(text_[at_])) != 0) {
      ++at_;
    } else if (text_.substr(at_).starts_with("//")) {
      while (at_ < text_.size() && text_[at_] != '\n') ++at_;
    } else {
      return;
    }
  }
}

bool TextScanner::at_end() {
  skip_space();
  return at_ == text_.size();
}

char TextScanner::peek() {
  skip_space();
  return at_ < text_.size() ? text_[at_] : '\0';
}

bool TextScanner::take(char c) {
  if (peek() != c || at_ == text_.size()) return false;
  ++at_;
  return true;
}

bool TextScanner::take(std::string_view word) {
  skip_space();
  if (!text_.substr(at_).starts_with(word)) return false;
  const std::size_t end = at_ + word.size();
  if (word_character(word.back()) && word.back() != '-' && end < text_.size() &&
      word_character(text_[end])) {
    return false;
  }
  at_ = end;
  return true;
}

bool TextScanner::take_prefix(std::string_view text) {
  skip_space();
  if (!text_.substr(at_).starts_with(text)) return false;
  at_ += text.size();
  return true;
}

void TextScanner::expect(char c) {
  if (!take(c)) fail(std::string("expected '") + c + "'");
}

void TextScanner::expect(std::string_view word) {
  if (!take(word)) fail("expected \"" + std::string(word) + "\"");
}

std::string_view TextScanner::identifier() {
  skip_space();
  const std::size_t start = at_;
  while (at_ < text_.size() && word_character(text_[at_])) ++at_;
  if (at_ == start) fail("expected a name");
  return text_.substr(start, at_ - start);
}

std::string_view TextScanner::word() {
  skip_space();
  const std::size_t start = at_;
  while (at_ < text_.size() && (std::isalnum(static_cast<unsigned char>(text_[at_])) != 0 ||
                                text_[at_] == '_' || text_[at_] == '.')) {
    ++at_;
  }
  if (at_ == start) fail("expected a name");
  return text_.substr(start, at_ - start);
}

std::string TextScanner::quoted() {
  expect('"');
  std::string out;
  while (true) {
    if (at_ >= text_.size()) fail("a string is not closed");
    const char c = text_[at_++];
    if (c == '"') return out;
    if (c != '\\') {
      out += c;
      continue;
    }
    if (at_ >= text_.size()) fail("a string is not closed");
    const char escaped = text_[at_++];
    if (escaped == 'n') {
      out += '\n';
    } else if (escaped == 't') {
      out += '\t';
    } else if (escaped == 'x') {
      if (at_ + 2 > text_.size()) fail("\\x takes two digits");
      const int high = hex_digit(text_[at_]);
      const int low = hex_digit(text_[at_ + 1]);
      if (high < 0 || low < 0) fail("\\x takes two digits");
      out += static_cast<char>(high * 16 + low);
      at_ += 2;
    } else {
      out += escaped;
    }
  }
}

std::int64_t TextScanner::integer() {
  skip_space();
  std::int64_t value = 0;
  const auto [end, status] =
      std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
  if (status != std::errc()) fail("expected an integer");
  at_ = static_cast<std::size_t>(end - text_.data());
  return value;
}

double TextScanner::number() {
  skip_space();
  double value = 0;
  const auto [end, status] =
      std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
  if (status != std::errc()) fail("expected a number");
  at_ = static_cast<std::size_t>(end - text_.data());
  return value;
}

std::string_view TextScanner::balanced(char open, char close) {
  const std::size_t start = at_;
  int depth = 1;
  bool in_string = false;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (in_string) {
      if (c == '\\') ++at_;
      if (c == '"') in_string = false;
      continue;
    }
    if (c == '"') in_string = true;
    if (c == open) ++depth;
    if (c == close && --depth == 0) return text_.substr(start, at_++ - start);
  }
  at_ = start;
  fail(std::string("'") + open + "' is not closed");
}

std::string_view TextScanner::until(std::string_view stops) {
  skip_space();
  const std::size_t start = at_;
  int depth = 0;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (depth == 0 && stops.find(c) != std::string_view::npos) break;
    if (c == '(' || c == '[') ++depth;
    if (c == ')' || c == ']') --depth;
  }
  std::size_t end = at_;
  while (end > start && std::isspace(static_cast<unsigned char>(text_[end - 1])) != 0) --end;
  return text_.substr(start, end - start);
}

void TextScanner::fail(std::string_view why) const {
  std::size_t line = 1;
  std::size_t column = 1;
  for (std::size_t i = 0; i < std::min(at_, text_.size()); ++i) {
    ++column;
    if (text_[i] == '\n') {
      ++line;
      column = 1;
    }
  }
  std::string_view near = text_.substr(std::min(at_, text_.size()), 24);
  if (const auto newline = near.find('\n'); newline != std::string_view::npos)
    near = near.substr(0, newline);
  throw Error(ErrorCode::model_malformed,
              fmt::format("text form, line {}, column {}", line, column),
              fmt::format("{}, at \"{}\"", why, near));
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (static_cast<unsigned char>(c) < 32 || static_cast<unsigned char>(c) == 127) {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

namespace {

template <class T>
void print_list(const Tensor& tensor, std::string& out) {
  bool first = true;
  for (const T value : tensor.values<T>()) {
    if (!first) out += ", ";
    first = false;
    fmt::format_to(std::back_inserter(out), "{}", +value);
  }
}

template <class T>
bool has_nan(const Tensor& tensor) {
  return std::ranges::any_of(tensor.values<T>(), [](T value) { return std::isnan(value); });
}

// How a tensor of this type is written.
enum class Literal { integers, unsigned64, numbers, strings, hex };

Literal literal_of(DType dtype) {
  switch (dtype) {
    case DType::i8:
    case DType::i16:
    case DType::i32:
    case DType::i64:
    case DType::u8:
    case DType::u16:
    case DType::u32:
    case DType::boolean:
      return Literal::integers;
    case DType::u64:
      return Literal::unsigned64;
    case DType::f32:
    case DType::f64:
      return Literal::numbers;
    case DType::string:
      return Literal::strings;
    default:
      return Literal::hex;
  }
}

template <class T>
void read_integers(TextScanner& scanner, Tensor& tensor) {
  for (T& value : tensor.mutable_values<T>()) {
    const std::int64_t read = scanner.integer();
    if (read < static_cast<std::int64_t>(std::numeric_limits<T>::min()) ||
        read > static_cast<std::int64_t>(std::numeric_limits<T>::max())) {
      scanner.fail("the number does not fit its type");
    }
    value = static_cast<T>(read);
    scanner.take(',');
  }
}

}  // namespace

std::string tensor_to_text(const Tensor& tensor) {
  std::string out = describe(tensor) + "{";
  bool hex = literal_of(tensor.dtype()) == Literal::hex;
  if (tensor.dtype() == DType::f32) hex = has_nan<float>(tensor);
  if (tensor.dtype() == DType::f64) hex = has_nan<double>(tensor);
  if (hex) {
    out += "0x";
    for (std::int64_t i = 0; i < tensor.bytes(); ++i) {
      fmt::format_to(std::back_inserter(out), "{:02x}", static_cast<unsigned>(tensor.data()[i]));
    }
    return out + "}";
  }
  switch (tensor.dtype()) {
    case DType::i8:
      print_list<std::int8_t>(tensor, out);
      break;
    case DType::i16:
      print_list<std::int16_t>(tensor, out);
      break;
    case DType::i32:
      print_list<std::int32_t>(tensor, out);
      break;
    case DType::i64:
      print_list<std::int64_t>(tensor, out);
      break;
    case DType::u8:
      print_list<std::uint8_t>(tensor, out);
      break;
    case DType::u16:
      print_list<std::uint16_t>(tensor, out);
      break;
    case DType::u32:
      print_list<std::uint32_t>(tensor, out);
      break;
    case DType::u64:
      print_list<std::uint64_t>(tensor, out);
      break;
    case DType::boolean:
      print_list<bool>(tensor, out);
      break;
    case DType::f32:
      print_list<float>(tensor, out);
      break;
    case DType::f64:
      print_list<double>(tensor, out);
      break;
    default: {
      bool first = true;
      for (const std::string& value : tensor.values<std::string>()) {
        if (!first) out += ", ";
        first = false;
        out += quote(value);
      }
    }
  }
  return out + "}";
}

Tensor parse_tensor(TextScanner& scanner) {
  const Type type = Type::parse(scanner.until("{"));
  scanner.expect('{');
  const auto shape = type.shape ? to_concrete(*type.shape) : std::nullopt;
  if (!type.is_tensor() || !shape) scanner.fail("a tensor literal has a type with a fixed shape");
  // Each element takes at least one character, so a literal cannot ask for more memory than its
  // text.
  if (element_count(*shape) > (std::int64_t{1} << 28)) scanner.fail("the literal is too large");
  if (scanner.take_prefix("0x")) {
    if (type.dtype == DType::string) scanner.fail("strings are not written as bytes");
    const std::string_view digits = scanner.balanced('{', '}');
    const std::int64_t bytes = byte_size(type.dtype, *shape);
    if (static_cast<std::int64_t>(digits.size()) != bytes * 2)
      scanner.fail("wrong number of bytes");
    Tensor tensor = Tensor::allocate(type.dtype, *shape);
    for (std::int64_t i = 0; i < bytes; ++i) {
      const int high = hex_digit(digits[static_cast<std::size_t>(i) * 2]);
      const int low = hex_digit(digits[static_cast<std::size_t>(i) * 2 + 1]);
      if (high < 0 || low < 0) scanner.fail("expected hexadecimal digits");
      tensor.mutable_data()[i] = static_cast<std::byte>(high * 16 + low);
    }
    return tensor;
  }
  const std::string_view body = scanner.balanced('{', '}');
  if (static_cast<std::int64_t>(body.size()) < element_count(*shape))
    scanner.fail("too few elements");
  TextScanner list(body);
  Tensor tensor = Tensor::allocate(type.dtype, *shape);
  switch (type.dtype) {
    case DType::i8:
      read_integers<std::int8_t>(list, tensor);
      break;
    case DType::i16:
      read_integers<std::int16_t>(list, tensor);
      break;
    case DType::i32:
      read_integers<std::int32_t>(list, tensor);
      break;
    case DType::i64:
      read_integers<std::int64_t>(list, tensor);
      break;
    case DType::u8:
      read_integers<std::uint8_t>(list, tensor);
      break;
    case DType::u16:
      read_integers<std::uint16_t>(list, tensor);
      break;
    case DType::u32:
      read_integers<std::uint32_t>(list, tensor);
      break;
    case DType::boolean:
      read_integers<bool>(list, tensor);
      break;
    case DType::u64:
      for (std::uint64_t& value : tensor.mutable_values<std::uint64_t>()) {
        const std::string_view digits = list.until(",");
        const auto [end, status] =
            std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (status != std::errc() || end != digits.data() + digits.size())
          list.fail("expected an integer");
        list.take(',');
      }
      break;
    case DType::f32:
      for (float& value : tensor.mutable_values<float>()) {
        value = static_cast<float>(list.number());
        list.take(',');
      }
      break;
    case DType::f64:
      for (double& value : tensor.mutable_values<double>()) {
        value = list.number();
        list.take(',');
      }
      break;
    case DType::string:
      for (std::string& value : tensor.mutable_values<std::string>()) {
        value = list.quoted();
        list.take(',');
      }
      break;
    default:
      scanner.fail("this type is written as hexadecimal bytes");
  }
  if (!list.at_end()) list.fail("too many elements");
  return tensor;
}

}  // namespace strop
