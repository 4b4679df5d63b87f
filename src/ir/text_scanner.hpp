// SPDX-License-Identifier: Apache-2.0
// Reads the text form of graphs, attributes and tensors. Positions in errors are line and column of
// the whole text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/tensor.hpp"

namespace strop {

class TextScanner {
 public:
  explicit TextScanner(std::string_view text) : text_(text) {}

  // Spaces, line ends and comments ("//" to the end of the line).
  void skip_space();
  bool at_end();
  // The next character after space; 0 at the end.
  char peek();
  bool take(char c);                        // skips space first
  bool take(std::string_view word);         // a whole word or a punctuation sequence such as "->"
  bool take_prefix(std::string_view text);  // whatever follows it
  void expect(char c);
  void expect(std::string_view word);
  // Letters, digits and "_.:/#?-" ; throws when there is none.
  std::string_view identifier();
  // Letters, digits, '_' and '.' only, so that a ':' may follow; throws when there is none.
  std::string_view word();
  // "..." with \" \\ \n \t \xHH; throws.
  std::string quoted();
  std::int64_t integer();
  double number();  // also inf, -inf, nan
  // Up to and not including the bracket that closes the one just taken, minding nesting and quotes.
  std::string_view balanced(char open, char close);
  // Characters up to the first of `stops` outside of brackets.
  std::string_view until(std::string_view stops);
  [[noreturn]] void fail(std::string_view why) const;

  std::size_t position() const { return at_; }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

std::string quote(std::string_view text);

// "i64[2]{1, -1}", "string[1]{\"a\"}"; types without a plain literal, and floats that hold NaN, as
// hex bytes: "f16[2]{0x003c003c}".
std::string tensor_to_text(const Tensor& tensor);
Tensor parse_tensor(TextScanner& scanner);

}  // namespace strop
