// SPDX-License-Identifier: Apache-2.0
// Mutations of graphs in their text form that mostly stay graphs: lines move, operands are
// exchanged for other values of the text, new nodes of any operator with any attributes appear
// between the lines, values become outputs. What is made need not be legal; the reader says so.
#pragma once

#include <cctype>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "ir/op_def.hpp"
#include "ops/op_list.hpp"

namespace strop::fuzz {

class GraphMutator {
 public:
  explicit GraphMutator(unsigned seed) : random_(seed) {}

  // One to three changes; `other` may lend lines.
  std::string change(std::string_view text, std::string_view other) {
    lines_ = split(text);
    for (std::size_t n = 1 + below(3); n > 0 && lines_.size() > 1; --n) change_once(split(other));
    std::string out;
    for (const std::string& line : lines_) out += (out.empty() ? "" : "\n") + line;
    return out;
  }

 private:
  using Lines = std::vector<std::string>;

  std::size_t below(std::size_t n) { return random_() % n; }
  template <class T>
  const T& any(const std::vector<T>& list) {
    return list[below(list.size())];
  }

  static Lines split(std::string_view text) {
    Lines out(1);
    for (const char c : text) {
      if (c == '\n') {
        out.emplace_back();
      } else {
        out.back() += c;
      }
    }
    return out;
  }

  // A place between the first line and the last.
  std::size_t inside() { return 1 + below(lines_.size() - 1); }
  Lines::iterator at(std::size_t line) {
    return lines_.begin() + static_cast<std::ptrdiff_t>(line);
  }

  void change_once(const Lines& other) {
    const std::size_t line = inside();
    switch (below(9)) {
      case 0:
        lines_.erase(at(line));
        return;
      case 1:
        std::swap(lines_[line], lines_[inside()]);
        return;
      case 2:
        if (!other.empty()) lines_.insert(at(line), any(other));
        return;
      case 3:
        replace_number(lines_[below(lines_.size())]);
        return;
      case 4:
      case 5:
        replace_operand(line);
        return;
      case 6:
        add_output();
        return;
      default:
        add_node(line);
    }
  }

  // Names after '%' in the lines up to `last`.
  std::vector<std::string> values(std::size_t last) const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i <= last && i < lines_.size(); ++i) {
      const std::string& line = lines_[i];
      const std::size_t end = i == 0 ? line.find("->") : line.find('=');
      for (std::size_t at = line.find('%'); at < end && at != line.npos;
           at = line.find('%', at + 1)) {
        out.push_back(name_at(line, at));
      }
    }
    return out;
  }

  static std::string name_at(const std::string& line, std::size_t at) {
    std::size_t end = at + 1;
    while (end < line.size() && (std::isalnum(static_cast<unsigned char>(line[end])) != 0 ||
                                 line[end] == '_' || line[end] == '.')) {
      ++end;
    }
    return line.substr(at, end - at);
  }

  void replace_number(std::string& line) {
    static const std::vector<std::string> numbers = {
        "0",   "1",    "2",  "3",  "4", "7", "-1", "-2", "0.5", "1e30", "9223372036854775807",
        "nan", "-0.0", "-3", "64", "N", "M", "H"};
    std::vector<std::size_t> places;
    for (std::size_t i = 1; i < line.size(); ++i) {
      const bool digit = std::isdigit(static_cast<unsigned char>(line[i])) != 0;
      if (digit && std::string_view("[{(=, ").find(line[i - 1]) != std::string_view::npos)
        places.push_back(i);
    }
    if (places.empty()) return;
    const std::size_t at = any(places);
    const std::size_t end = line.find_first_not_of("0123456789.", at);
    line.replace(at, (end == line.npos ? line.size() : end) - at, any(numbers));
  }

  void replace_operand(std::size_t line) {
    std::string& text = lines_[line];
    const auto known = values(line - 1);
    std::vector<std::size_t> places;
    for (std::size_t at = text.find('%', text.find('=')); at != text.npos;
         at = text.find('%', at + 1))
      places.push_back(at);
    if (places.empty() || known.empty()) return;
    const std::size_t at = any(places);
    text.replace(at, name_at(text, at).size(), any(known));
  }

  void add_output() {
    const auto known = values(lines_.size());
    const std::size_t at = lines_[0].find("-> (");
    if (at == lines_[0].npos || known.empty()) return;
    lines_[0].insert(at + 4, any(known) + ", ");
  }

  void add_node(std::size_t line) {
    const auto known = values(line - 1);
    if (known.empty()) return;
    const OpDef& op = *all_ops()[below(all_ops().size())];
    const std::string name = "%f" + std::to_string(below(1000));
    const bool variadic = !op.inputs.empty() && op.inputs.back().arity == Operand::variadic;
    std::string operands;
    for (std::size_t i = 0; i < op.inputs.size() + (variadic ? below(2) : 0); ++i) {
      const bool optional = i < op.inputs.size() && op.inputs[i].arity == Operand::optional;
      if (optional && below(2) == 0) break;
      operands += (i == 0 ? "" : ", ") + any(known);
    }
    std::string outputs = name;
    if (op.outputs.size() > 1 && below(3) == 0) outputs += ", " + name + "b";
    lines_.insert(at(line), "  " + outputs + " = " + std::string(op.name) + attributes(op) + "(" +
                                operands + ")");
    // Somebody reads it, as a rule.
    if (line + 1 < lines_.size() - 1 && below(4) != 0) {
      const std::size_t reader = line + 1 + below(lines_.size() - 1 - (line + 1));
      std::string& text = lines_[reader];
      const std::size_t at = text.find('%', text.find('('));
      if (at != text.npos) text.replace(at, name_at(text, at).size(), name);
    } else if (const std::size_t at = lines_[0].find("-> ("); at != std::string::npos) {
      lines_[0].insert(at + 4, name + ", ");
    }
  }

  std::string attributes(const OpDef& op) {
    std::string out;
    for (const AttributeField& field : op.attributes->fields) {
      if (below(2) == 0) continue;
      std::string value = std::to_string(static_cast<int>(below(6)) - 2);
      if (!field.enum_names.empty()) {
        value = '"' + std::string(field.enum_names[below(field.enum_names.size())]) + '"';
      } else if (field.type == "bool") {
        value = below(2) == 0 ? "false" : "true";
      } else if (field.type.ends_with("[]")) {
        value = "[";
        for (std::size_t n = below(5); n > 0; --n)
          value += std::to_string(below(4)) + (n > 1 ? ", " : "");
        value += "]";
      } else if (field.type == "float") {
        value = below(2) == 0 ? "0.5" : "2";
      } else if (field.type == "type" || field.type == "dtype") {
        value = below(2) == 0 ? "f32" : "i64";
      }
      out += (out.empty() ? "{" : ", ") + std::string(field.name) + "=" + value;
    }
    return out.empty() ? out : out + "}";
  }

  std::minstd_rand random_;
  Lines lines_;
};

}  // namespace strop::fuzz
