// SPDX-License-Identifier: Apache-2.0
#include "onnx/problem_list.hpp"

#include <algorithm>

namespace strop::onnx {

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 120;
  std::string out;
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      constexpr std::string_view digits = "0123456789abcdef";
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 15];
    }
  }
  if (text.size() > kLongest) out += "...";
  return out;
}

std::string in_quotes(std::string_view text) { return '"' + printable(text) + '"'; }

void ProblemList::add(Diagnostic problem) {
  ++count_;
  if (problems_.size() < kShown) problems_.push_back(std::move(problem));
}

void ProblemList::add(ErrorCode code, std::string what, std::string why, std::string hint) {
  add(NodePlace{}, code, std::move(what), std::move(why), std::move(hint));
}

void ProblemList::add(const NodePlace& place, ErrorCode code, std::string what, std::string why,
                      std::string hint) {
  add(place, Error(code, std::move(what), std::move(why), std::move(hint)));
}

void ProblemList::add(const NodePlace& place, const Error& error) {
  for (Diagnostic problem : error.diagnostics()) {
    if (problem.node.empty()) problem.node = printable(place.name);
    if (problem.op.empty() && !place.op.empty()) {
      problem.op = printable(place.op);
      problem.domain = printable(place.domain);
      problem.opset = place.opset;
    }
    add(std::move(problem));
  }
}

void ProblemList::add(const Error& error) { add(NodePlace{}, error); }

namespace {

bool refuses_operator(const Diagnostic& problem) {
  return !problem.op.empty() && (problem.code == ErrorCode::unsupported_operator ||
                                 problem.code == ErrorCode::unknown_operator);
}

}  // namespace

bool ProblemList::refuses_operator_since(std::size_t from) const {
  if (count_ > from && count_ > problems_.size()) return true;
  return std::any_of(
      problems_.begin() + static_cast<std::ptrdiff_t>(std::min(from, problems_.size())),
      problems_.end(), refuses_operator);
}

void ProblemList::advise(const std::string& way_out) {
  const auto last = std::find_if(problems_.rbegin(), problems_.rend(), refuses_operator);
  if (last == problems_.rend()) return;
  last->hint += (last->hint.empty() ? "" : "; ") + way_out;
}

void ProblemList::throw_if_any() {
  if (count_ == 0) return;
  if (count_ > problems_.size()) {
    Diagnostic rest;
    rest.code = problems_.back().code;
    rest.what = std::to_string(count_ - problems_.size()) + " more problems are not shown";
    problems_.push_back(std::move(rest));
  }
  throw Error(std::move(problems_));
}

}  // namespace strop::onnx
