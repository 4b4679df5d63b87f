// SPDX-License-Identifier: Apache-2.0
// Every problem of one model, so that they are reported together. Texts that come from the model
// are made printable and short here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace strop::onnx {

// "\"name\"": control characters escaped, at most 120 bytes of it.
std::string in_quotes(std::string_view text);
// The same without the quotes.
std::string printable(std::string_view text);

// Where in the model.
struct NodePlace {
  std::string name;
  std::string_view op;
  std::string_view domain;
  std::int64_t opset = 0;
};

class ProblemList {
 public:
  // Problems shown; what is above that is only counted.
  static constexpr std::size_t kShown = 100;

  void add(ErrorCode code, std::string what, std::string why, std::string hint = {});
  void add(const NodePlace& place, ErrorCode code, std::string what, std::string why,
           std::string hint = {});
  // What was thrown while `place` was looked at.
  void add(const NodePlace& place, const Error& error);
  void add(const Error& error);

  std::size_t count() const { return count_; }
  // Whether an operator was refused after the first `from` problems; those that are only counted
  // are taken for such.
  bool refuses_operator_since(std::size_t from) const;
  // Adds to what can be done about the last operator that was refused.
  void advise(const std::string& way_out);
  // Throws Error with all of them, if there are any.
  void throw_if_any();

 private:
  void add(Diagnostic problem);
  std::vector<Diagnostic> problems_;
  std::size_t count_ = 0;
};

}  // namespace strop::onnx
