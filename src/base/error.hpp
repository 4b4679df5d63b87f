// SPDX-License-Identifier: Apache-2.0
// One error type for everything a user can cause. Each error says what happened, why, and what to
// do about it, under a stable code (docs/errors.md). Programmer errors are STROP_CHECK: always on,
// and reported as ErrorCode::internal.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace strop {

// Numbers are part of the ABI and of the documentation: never renumbered, never reused.
enum class ErrorCode : std::uint16_t {
  ok = 0,
  internal = 100,  // a fault in Strop itself

  // Files and the operating system.
  file_not_found = 200,
  file_unreadable = 201,
  file_unwritable = 202,
  out_of_memory = 203,
  limit_exceeded = 204,  // a documented limit (RunLimits, file limits) would be passed
  cancelled = 205,

  // ONNX import.
  not_onnx = 300,
  model_truncated = 301,
  model_malformed = 302,  // well-formed protobuf, but not a valid model (cycle, missing value, ...)
  unknown_operator = 303,
  unsupported_operator = 304,
  bad_attribute = 305,
  bad_shape = 306,      // shapes that contradict the operator or each other
  bad_type = 307,       // an element type the operator does not take
  bad_weights = 308,    // weights shorter than their shape, wrong encoding
  external_data = 309,  // missing, or outside the model's folder
  unsupported_opset = 310,
  several_problems = 311,  // more than one of the above; see Error::diagnostics

  // Build.
  no_implementation = 400,
  self_check_failed = 401,
  bad_option = 402,
  pass_failed = 403,

  // Engine files.
  not_an_engine = 500,
  engine_truncated = 501,
  engine_corrupted = 502,
  engine_newer_format = 503,
  engine_other_target = 504,
  engine_invalid = 505,  // intact, but its content contradicts itself

  // Libraries and devices.
  missing_library = 600,
  library_mismatch = 601,
  missing_device = 602,
  device_failure = 603,
  not_a_plugin = 604,     // no library, or one without the entry of a plugin
  plugin_mismatch = 605,  // of another version of the interface, or of itself than an engine needs
  bad_plugin = 606,       // what it says of itself contradicts itself or another plugin
  missing_plugin = 607,   // an engine needs it, and it was not loaded
  plugin_failed = 608,    // a function of a plugin failed without a reason, or broke the contract

  // Inputs and outputs of a run.
  unknown_name = 700,
  missing_input = 701,
  input_type = 702,
  input_rank = 703,
  input_shape = 704,
  input_bytes = 705,
  bad_value = 706,  // data that an operator refuses at run time (index out of range, ...)
  bad_argument = 707,
};

// "STROP-E303" and a short name, "unknown operator".
std::string error_code_text(ErrorCode code);
std::string_view error_code_name(ErrorCode code);

// One thing that is wrong. Empty parts are left out when printed.
struct Diagnostic {
  ErrorCode code = ErrorCode::internal;
  std::string what;  // the subject: node, operator, tensor, file and offset
  std::string why;   // expected and got
  std::string hint;  // what to do
  // Where in an ONNX model, if anywhere.
  std::string node;
  std::string op;
  std::string domain;
  std::int64_t opset = 0;

  std::string text() const;
};

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string what, std::string why = {}, std::string hint = {});
  explicit Error(std::vector<Diagnostic> diagnostics);

  ErrorCode code() const;  // of the only problem, or several_problems
  const std::vector<Diagnostic>& diagnostics() const { return diagnostics_; }
  // Says where the error passed through ("pass fuse_bias", "loading model.onnx"); outermost first
  // when printed.
  Error& add_context(std::string context);
  const std::vector<std::string>& context() const { return context_; }

  // The whole message, one problem a paragraph.
  std::string message() const;
  const char* what() const noexcept override;

 private:
  std::vector<Diagnostic> diagnostics_;
  std::vector<std::string> context_;
  mutable std::string text_;
};

[[noreturn]] void check_failed(const char* condition, const char* file, int line,
                               std::string_view note);

}  // namespace strop

// An invariant of Strop's own code; `note` is a string saying what was relied on.
#define STROP_CHECK(condition, note)                   \
  (static_cast<bool>(condition) ? static_cast<void>(0) \
                                : ::strop::check_failed(#condition, __FILE__, __LINE__, (note)))
