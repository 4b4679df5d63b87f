// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/epilogue.hpp"

#include <fmt/format.h>

#include <charconv>

#include "base/error.hpp"

namespace strop::cpu {

std::string to_text(const Epilogue& epilogue) {
  std::string out;
  for (const EpilogueStep& step : epilogue) {
    if (!out.empty()) out += '|';
    switch (step.kind) {
      case EpilogueStep::unary:
        out += fmt::format("unary:{}:{}:{}", step.function, step.alpha, step.beta);
        break;
      case EpilogueStep::binary:
        out += fmt::format("binary:{}:{}:{}", step.function, step.input, step.swapped ? 1 : 0);
        break;
      case EpilogueStep::clip:
        out += fmt::format("clip::{}:{}", step.alpha, step.beta);
        break;
    }
  }
  return out;
}

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

double number(std::string_view text) {
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || end != text.data() + text.size()) {
    throw Error(ErrorCode::engine_invalid, "epilogue of a cpu kernel", "a number cannot be read");
  }
  return value;
}

}  // namespace

Epilogue parse_epilogue(std::string_view text) {
  Epilogue epilogue;
  if (text.empty()) return epilogue;
  for (std::string_view entry : split(text, '|')) {
    const std::vector<std::string_view> parts = split(entry, ':');
    if (parts.size() != 4)
      throw Error(ErrorCode::engine_invalid, "epilogue of a cpu kernel", "a step has four parts");
    EpilogueStep step;
    step.function = parts[1];
    if (parts[0] == "binary") {
      step.kind = EpilogueStep::binary;
      const double input = number(parts[2]);
      if (!(input >= 0 && input < 64))
        throw Error(ErrorCode::engine_invalid, "epilogue of a cpu kernel", "no such input");
      step.input = static_cast<std::uint32_t>(input);
      step.swapped = parts[3] == "1";
    } else if (parts[0] == "unary" || parts[0] == "clip") {
      step.kind = parts[0] == "clip" ? EpilogueStep::clip : EpilogueStep::unary;
      step.alpha = number(parts[2]);
      step.beta = number(parts[3]);
    } else {
      throw Error(ErrorCode::engine_invalid, "epilogue of a cpu kernel",
                  "unknown step " + std::string(parts[0]));
    }
    epilogue.push_back(std::move(step));
  }
  return epilogue;
}

}  // namespace strop::cpu
