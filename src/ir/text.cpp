// SPDX-License-Identifier: Apache-2.0
#include "ir/text.hpp"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cctype>
#include <unordered_map>
#include <unordered_set>

#include "ir/text_scanner.hpp"

namespace strop {
namespace {

constexpr int kMaxDepth = 32;  // of nested graphs

bool is_word(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.';
  });
}

std::string word_or_quoted(std::string_view name) {
  return is_word(name) ? std::string(name) : quote(name);
}

class Printer {
 public:
  explicit Printer(const TextOptions& options) : options_(options) {}

  void print(const Graph& graph, const std::string& indent, std::string& out) {
    const std::vector<std::string> names = unique_names(graph);
    const auto reference = [&](ValueId id) {
      return id.exists() ? "%" + word_or_quoted(names[id.index]) : std::string("_");
    };
    out += "graph " + word_or_quoted(graph.name()) + "(";
    for (std::size_t i = 0; i < graph.inputs().size(); ++i) {
      const ValueId id = graph.inputs()[i];
      out += (i > 0 ? ", " : "") + reference(id) + ": " + graph.value(id).type.to_string();
    }
    out += ") -> (";
    for (std::size_t i = 0; i < graph.outputs().size(); ++i) {
      const ValueId id = graph.outputs()[i];
      out += (i > 0 ? ", " : "") + reference(id);
      if (graph.output_name(i) != names[id.index]) out += " " + quote(graph.output_name(i));
    }
    out += ") {\n";
    for (std::uint32_t i = 0; i < graph.value_count(); ++i) {
      const Value& value = graph.value(ValueId{i});
      if (value.is_constant() && !names[i].empty()) {
        out += indent + "  const " + reference(ValueId{i}) + constant(value) + "\n";
      }
    }
    for (const NodeId id : graph.order()) {
      const Node& node = graph.node(id);
      out += indent + "  ";
      if (node.outputs.empty()) out += "()";
      for (std::size_t i = 0; i < node.outputs.size(); ++i) {
        out += (i > 0 ? ", " : "") + reference(node.outputs[i]) + ": " +
               graph.value(node.outputs[i]).type.to_string();
      }
      out += " = " + std::string(node.op->name) + node.attributes.to_string() + "(";
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        out += (i > 0 ? ", " : "") + reference(node.inputs[i]);
      }
      out += ")";
      if (!node.name.empty()) out += " " + quote(node.name);
      if (!node.origins.empty()) {
        out += " from " + to_string(AttributeValue(node.origins));
      }
      for (std::size_t i = 0; i < node.subgraphs.size(); ++i) {
        out += " " + std::string(node.op->subgraphs[i]) + " ";
        print(*node.subgraphs[i], indent + "  ", out);
      }
      out += "\n";
    }
    out += indent + "}";
  }

 private:
  // By value index; empty for values that are not printed.
  static std::vector<std::string> unique_names(const Graph& graph) {
    std::vector<ValueId> printed(graph.inputs().begin(), graph.inputs().end());
    std::vector<bool> used(graph.value_count(), false);
    for (const ValueId id : graph.outputs()) used[id.index] = true;
    for (std::uint32_t i = 0; i < graph.value_count(); ++i) {
      const Value& value = graph.value(ValueId{i});
      if (value.is_constant() && (used[i] || !value.uses.empty())) printed.push_back(ValueId{i});
    }
    for (const NodeId id : graph.order()) {
      const Node& node = graph.node(id);
      printed.insert(printed.end(), node.outputs.begin(), node.outputs.end());
    }
    std::vector<std::string> names(graph.value_count());
    std::unordered_set<std::string> taken;
    std::vector<ValueId> unnamed;
    for (const ValueId id : printed) {  // the first of a name keeps it
      const std::string& name = graph.value(id).name;
      if (!name.empty() && taken.insert(name).second) {
        names[id.index] = name;
      } else {
        unnamed.push_back(id);
      }
    }
    std::unordered_map<std::string, int> next;
    for (const ValueId id : unnamed) {
      const std::string base = graph.value(id).name.empty() ? "v" : graph.value(id).name;
      int& number = next[base];
      std::string name;
      do {
        name = base + "_" + std::to_string(++number);
      } while (!taken.insert(name).second);
      names[id.index] = std::move(name);
    }
    return names;
  }

  std::string constant(const Value& value) {
    const Tensor& tensor = value.constant;
    if (tensor.dtype() == DType::string || tensor.size() <= options_.literal_elements) {
      return " = " + tensor_to_text(tensor);
    }
    const std::string head = ": " + value.type.to_string() + " = ";
    switch (options_.constants) {
      case ConstantText::omitted:
        return head + "...";
      case ConstantText::hashes:
        return head +
               fmt::format("hash {:016x}",
                           XXH3_64bits(tensor.data(), static_cast<std::size_t>(tensor.bytes())));
      case ConstantText::references:
        break;
    }
    const std::string key = fmt::format("{} {}", describe(tensor), fmt::ptr(tensor.data()));
    const auto [at, inserted] = references_.try_emplace(key, references_.size());
    if (inserted && options_.tensors != nullptr) options_.tensors->push_back(tensor);
    return head + "@" + std::to_string(at->second);
  }

  const TextOptions& options_;
  std::unordered_map<std::string, std::size_t> references_;
};

// Names of symbols of unknown sizes hold the place of the node that made them. The text may come
// from a graph whose nodes had other places, so each printed symbol is bound to the one inference
// finds at the same spot. A symbol whose node is gone keeps a name of its own that no node makes.
class SymbolNames {
 public:
  Type rename(const Type& type) {
    Type out = type;
    if (out.element) out.element = std::make_shared<const Type>(rename(*out.element));
    if (out.shape) {
      for (Dim& dim : *out.shape) dim = rename(dim);
    }
    return out;
  }

  Dim rename(const Dim& dim) {
    const std::vector<std::string> names = unknowns(dim);
    if (names.empty()) return dim;
    for (const std::string& name : names) {
      if (bound_.contains(name)) continue;
      const std::string own = name.starts_with("#x") ? name : "#x" + name.substr(1);
      bound_.emplace(name, Dim::symbol(own));
    }
    return dim.substitute(bound_);
  }

  void bind(const Type& printed, const Type& inferred) {
    if (printed.element && inferred.element) bind(*printed.element, *inferred.element);
    if (!printed.shape || !inferred.shape || printed.shape->size() != inferred.shape->size())
      return;
    for (std::size_t i = 0; i < printed.shape->size(); ++i) {
      std::vector<std::string> left = unknowns((*printed.shape)[i]);
      std::erase_if(left, [&](const std::string& name) { return bound_.contains(name); });
      if (left.empty()) continue;
      std::vector<std::string> right = unknowns((*inferred.shape)[i]);
      std::erase_if(right, [&](const std::string& name) { return targets_.contains(name); });
      for (std::size_t k = 0; k < std::min(left.size(), right.size()); ++k) {
        bound_.emplace(left[k], Dim::symbol(right[k]));
        targets_.insert(right[k]);
      }
    }
  }

 private:
  static std::vector<std::string> unknowns(const Dim& dim) {
    if (dim.is_constant()) return {};
    std::set<std::string> symbols;
    dim.collect_symbols(symbols);
    std::erase_if(symbols, [](const std::string& name) { return !name.starts_with('#'); });
    std::vector<std::string> out(symbols.begin(), symbols.end());
    // #2.9 before #2.10 before #10.0, as inference makes them.
    std::ranges::stable_sort(out, {}, &std::string::size);
    return out;
  }

  std::unordered_map<std::string, Dim> bound_;
  std::unordered_set<std::string> targets_;
};

class Parser {
 public:
  Parser(std::string_view text, const OpLookup& find_op, const TensorResolver& resolve)
      : scanner_(text), find_op_(find_op), resolve_(resolve) {}

  Graph parse_all() {
    Graph graph = parse({}, 0);
    if (!scanner_.at_end()) scanner_.fail("text after the graph");
    return graph;
  }

 private:
  using Names = std::unordered_map<std::string, ValueId>;

  std::string word_or_quoted() {
    return scanner_.peek() == '"' ? scanner_.quoted() : std::string(scanner_.word());
  }

  std::string value_name() {
    scanner_.expect('%');
    return word_or_quoted();
  }

  ValueId known_value(const Names& names) {
    const std::string name = value_name();
    const auto at = names.find(name);
    if (at == names.end()) scanner_.fail("%" + name + " is not defined before this use");
    return at->second;
  }

  void define(Names& names, const std::string& name, ValueId id) {
    if (!names.emplace(name, id).second) scanner_.fail("%" + name + " is defined twice");
  }

  Type type(std::string_view stops) {
    std::string text(scanner_.until(stops));
    std::erase_if(text, [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; });
    return Type::parse(text);
  }

  Graph parse(std::string scope, int depth) {
    if (depth > kMaxDepth) scanner_.fail("graphs are nested too deeply");
    scanner_.expect("graph");
    GraphBuilder builder(word_or_quoted(), std::move(scope));
    Names names;
    scanner_.expect('(');
    while (!scanner_.take(')')) {
      const std::string name = value_name();
      scanner_.expect(':');
      // What begins with '#' is of a graph around this one, printed or not.
      define(names, name, builder.add_input(name, symbols_.rename(type(",)"))));
      if (!scanner_.take(',') && scanner_.peek() != ')') scanner_.fail("expected ',' or ')'");
    }
    scanner_.expect("->");
    scanner_.expect('(');
    std::vector<std::pair<std::string, std::string>> outputs;  // value, name
    while (!scanner_.take(')')) {
      const std::string name = value_name();
      outputs.emplace_back(name, scanner_.peek() == '"' ? scanner_.quoted() : name);
      if (!scanner_.take(',') && scanner_.peek() != ')') scanner_.fail("expected ',' or ')'");
    }
    scanner_.expect('{');
    while (!scanner_.take('}')) {
      if (scanner_.take("const")) {
        parse_constant(builder, names);
      } else {
        parse_node(builder, names, depth);
      }
    }
    for (const auto& [value, name] : outputs) {
      const auto at = names.find(value);
      if (at == names.end()) scanner_.fail("output %" + value + " is not defined");
      builder.add_output(at->second, name);
    }
    return builder.take();
  }

  void parse_constant(GraphBuilder& builder, Names& names) {
    const std::string name = value_name();
    std::optional<Type> printed;
    if (scanner_.take(':')) printed = type("=");
    scanner_.expect('=');
    if (scanner_.take("...") || scanner_.take("hash")) {
      scanner_.fail("the text was printed without the contents of its constants");
    }
    Tensor tensor;
    if (scanner_.take('@')) {
      const std::int64_t index = scanner_.integer();
      if (index < 0 || !resolve_) scanner_.fail("there is no tensor behind this reference");
      tensor = resolve_(static_cast<std::size_t>(index));
      if (!tensor.defined()) scanner_.fail("there is no tensor behind this reference");
    } else {
      tensor = parse_tensor(scanner_);
    }
    const Type actual = Type::tensor(tensor.dtype(), to_symbolic(tensor.shape()));
    if (printed && !(*printed == actual)) {
      scanner_.fail("constant %" + name + " is declared " + printed->to_string() + ", but is " +
                    actual.to_string());
    }
    define(names, name, builder.constant(std::move(tensor), name));
  }

  void parse_node(GraphBuilder& builder, Names& names, int depth) {
    Emitter::Options options;
    std::vector<std::optional<Type>> printed;
    if (scanner_.take('(')) {
      scanner_.expect(')');
      scanner_.expect('=');
    } else {
      do {
        options.output_names.push_back(value_name());
        printed.emplace_back();
        if (scanner_.take(':')) printed.back() = type(",=");
      } while (scanner_.take(','));
      scanner_.expect('=');
    }
    const std::string op_name(scanner_.identifier());  // of a plugin: "domain::name:version"
    const OpDef* op = find_op_(op_name);
    if (op == nullptr) scanner_.fail("there is no operator " + op_name);
    std::string attributes;
    if (scanner_.take('{')) attributes = "{" + std::string(scanner_.balanced('{', '}')) + "}";
    scanner_.expect('(');
    std::vector<ValueId> inputs;
    while (!scanner_.take(')')) {
      inputs.push_back(scanner_.take('_') ? ValueId::none() : known_value(names));
      if (!scanner_.take(',') && scanner_.peek() != ')') scanner_.fail("expected ',' or ')'");
    }
    if (scanner_.peek() == '"') options.name = scanner_.quoted();
    if (scanner_.take("from")) {
      scanner_.expect('[');
      while (!scanner_.take(']')) {
        options.origins.push_back(scanner_.quoted());
        if (!scanner_.take(',') && scanner_.peek() != ']') scanner_.fail("expected ',' or ']'");
      }
    }
    for (const std::string_view which : op->subgraphs) {
      scanner_.expect(which);
      options.subgraphs.push_back(
          std::make_shared<const Graph>(parse(builder.nested_scope(which), depth + 1)));
    }
    const bool variadic = !op->outputs.empty() && op->outputs.back().arity == Operand::variadic;
    const std::size_t count = options.output_names.size();
    if (count > op->outputs.size() && !variadic) {
      scanner_.fail("operator " + op_name + " has no " + std::to_string(count) + " outputs");
    }
    const std::vector<std::string> output_names = options.output_names;
    std::vector<ValueId> outputs;
    try {
      Attributes values = Attributes::parse(*op->attributes, attributes);
      if (values.has_symbols()) {
        values = values.map_dims([this](const Dim& dim) { return symbols_.rename(dim); });
      }
      outputs = builder.emit(*op, std::move(values), std::move(inputs), count, std::move(options));
    } catch (Error& error) {
      error.add_context("%" + (output_names.empty() ? op_name : output_names.front()) +
                        " of the graph text");
      throw;
    }
    for (std::size_t i = 0; i < count; ++i) {
      const Type& inferred = builder.value(outputs[i]).type;
      if (printed[i]) symbols_.bind(*printed[i], inferred);
      if (printed[i] && !(symbols_.rename(*printed[i]) == inferred)) {
        scanner_.fail("%" + output_names[i] + " is declared " + printed[i]->to_string() +
                      ", but its operator makes it " + inferred.to_string());
      }
      define(names, output_names[i], outputs[i]);
    }
  }

  TextScanner scanner_;
  const OpLookup& find_op_;
  const TensorResolver& resolve_;
  SymbolNames symbols_;
};

}  // namespace

std::string to_text(const Graph& graph, const TextOptions& options) {
  std::string out;
  Printer(options).print(graph, "", out);
  return out + "\n";
}

Graph parse_graph(std::string_view text, const OpLookup& find_op, const TensorResolver& resolve) {
  return Parser(text, find_op, resolve).parse_all();
}

}  // namespace strop
