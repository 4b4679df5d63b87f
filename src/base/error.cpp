// SPDX-License-Identifier: Apache-2.0
#include "base/error.hpp"

#include <utility>

namespace strop {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::ok:
      return "ok";
    case ErrorCode::internal:
      return "internal fault";
    case ErrorCode::file_not_found:
      return "file not found";
    case ErrorCode::file_unreadable:
      return "file unreadable";
    case ErrorCode::file_unwritable:
      return "file unwritable";
    case ErrorCode::out_of_memory:
      return "out of memory";
    case ErrorCode::limit_exceeded:
      return "limit exceeded";
    case ErrorCode::cancelled:
      return "cancelled";
    case ErrorCode::not_onnx:
      return "not an ONNX model";
    case ErrorCode::model_truncated:
      return "model truncated";
    case ErrorCode::model_malformed:
      return "malformed model";
    case ErrorCode::unknown_operator:
      return "unknown operator";
    case ErrorCode::unsupported_operator:
      return "unsupported operator";
    case ErrorCode::bad_attribute:
      return "bad attribute";
    case ErrorCode::bad_shape:
      return "bad shape";
    case ErrorCode::bad_type:
      return "bad element type";
    case ErrorCode::bad_weights:
      return "bad weights";
    case ErrorCode::external_data:
      return "external data";
    case ErrorCode::unsupported_opset:
      return "unsupported opset";
    case ErrorCode::several_problems:
      return "several problems";
    case ErrorCode::no_implementation:
      return "no implementation";
    case ErrorCode::self_check_failed:
      return "self-check failed";
    case ErrorCode::bad_option:
      return "bad option";
    case ErrorCode::pass_failed:
      return "pass failed";
    case ErrorCode::not_an_engine:
      return "not an engine";
    case ErrorCode::engine_truncated:
      return "engine truncated";
    case ErrorCode::engine_corrupted:
      return "engine corrupted";
    case ErrorCode::engine_newer_format:
      return "engine of a newer format";
    case ErrorCode::engine_other_target:
      return "engine for another target";
    case ErrorCode::engine_invalid:
      return "engine invalid";
    case ErrorCode::missing_library:
      return "missing library";
    case ErrorCode::library_mismatch:
      return "library mismatch";
    case ErrorCode::missing_device:
      return "missing device";
    case ErrorCode::device_failure:
      return "device failure";
    case ErrorCode::not_a_plugin:
      return "not a plugin";
    case ErrorCode::plugin_mismatch:
      return "plugin mismatch";
    case ErrorCode::bad_plugin:
      return "bad plugin";
    case ErrorCode::missing_plugin:
      return "missing plugin";
    case ErrorCode::plugin_failed:
      return "plugin failed";
    case ErrorCode::unknown_name:
      return "unknown name";
    case ErrorCode::missing_input:
      return "missing input";
    case ErrorCode::input_type:
      return "wrong input type";
    case ErrorCode::input_rank:
      return "wrong input rank";
    case ErrorCode::input_shape:
      return "wrong input shape";
    case ErrorCode::input_bytes:
      return "wrong input size";
    case ErrorCode::bad_value:
      return "bad value";
    case ErrorCode::bad_argument:
      return "bad argument";
  }
  return "unknown";
}

std::string error_code_text(ErrorCode code) {
  return "STROP-E" + std::to_string(static_cast<int>(code));
}

std::string Diagnostic::text() const {
  std::string out = error_code_text(code) + " " + std::string(error_code_name(code)) + ": " + what;
  if (!node.empty() || !op.empty()) {
    out += "\n  where: ";
    if (!op.empty()) {
      out += "operator " + op;
      out += " (domain " + (domain.empty() ? std::string("ai.onnx") : domain);
      if (opset > 0) out += ", opset " + std::to_string(opset);
      out += ")";
      if (!node.empty()) out += ", ";
    }
    if (!node.empty()) out += "node " + node;
  }
  if (!why.empty()) out += "\n  why: " + why;
  if (!hint.empty()) out += "\n  do: " + hint;
  return out;
}

Error::Error(ErrorCode code, std::string what, std::string why, std::string hint) {
  Diagnostic problem;
  problem.code = code;
  problem.what = std::move(what);
  problem.why = std::move(why);
  problem.hint = std::move(hint);
  diagnostics_.push_back(std::move(problem));
}

Error::Error(std::vector<Diagnostic> diagnostics) : diagnostics_(std::move(diagnostics)) {
  STROP_CHECK(!diagnostics_.empty(), "an error has at least one problem");
}

ErrorCode Error::code() const {
  return diagnostics_.size() == 1 ? diagnostics_.front().code : ErrorCode::several_problems;
}

Error& Error::add_context(std::string context) {
  context_.push_back(std::move(context));
  text_.clear();
  return *this;
}

std::string Error::message() const {
  std::string out;
  for (auto it = context_.rbegin(); it != context_.rend(); ++it) out += *it + ": ";
  if (diagnostics_.size() > 1) out += std::to_string(diagnostics_.size()) + " problems\n";
  for (std::size_t i = 0; i < diagnostics_.size(); ++i) {
    if (i > 0) out += "\n";
    out += diagnostics_[i].text();
  }
  return out;
}

const char* Error::what() const noexcept {
  try {
    if (text_.empty()) text_ = message();
    return text_.c_str();
  } catch (...) {
    return "strop::Error (no memory left to print it)";
  }
}

void check_failed(const char* condition, const char* file, int line, std::string_view note) {
  std::string path(file);
  if (const auto at = path.rfind("src/"); at != std::string::npos) path.erase(0, at);
  throw Error(ErrorCode::internal, "broken invariant: " + std::string(note),
              std::string(condition) + " is false at " + path + ":" + std::to_string(line),
              "this is a fault in Strop; please report it with the model and the command");
}

}  // namespace strop
