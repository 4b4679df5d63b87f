// SPDX-License-Identifier: Apache-2.0
#include "onnx/graph_importer.hpp"

#include <algorithm>
#include <set>

#include "onnx/aten_operators.hpp"
#include "onnx/cut_advice.hpp"
#include "onnx/node_context.hpp"
#include "onnx/plugin_operators.hpp"
#include "onnx/standard_operators.hpp"

namespace strop::onnx {
namespace {

// Calls of functions and nested graphs inside each other; each level takes some stack.
constexpr int kMaxDepth = 64;
// Of nested graphs alone. Plans and graph texts nest as deeply and hardly deeper.
constexpr int kMaxGraphDepth = 30;

std::string_view plain_domain(std::string_view domain) {
  return domain == "ai.onnx" ? std::string_view{} : domain;
}

std::string domain_text(std::string_view domain) {
  return domain.empty() ? "ai.onnx" : in_quotes(domain);
}

std::string function_key(std::string_view domain, std::string_view name,
                         std::string_view overload) {
  std::string key(plain_domain(domain));
  return key.append(1, '\0').append(name).append(1, '\0').append(overload);
}

const ConverterTable& all_converters() {
  static const ConverterTable table = [] {
    ConverterTable out;
    register_all_converters(out);
    return out;
  }();
  return table;
}

// A plugin's operator goes before a function of the model with its name: the function is what
// exporters write for those who have no plugin.
bool is_of_plugin(const NodeProto& node, const NodePlace& place) {
  bool known = false;
  return node.overload.empty() &&
         find_plugin_converter(place.domain, node.op_type, place.opset, &known) != nullptr;
}

class DepthGuard {
 public:
  DepthGuard(int& depth, int most, const char* what) : depth_(depth) {
    if (depth_ >= most) {
      throw Error(ErrorCode::limit_exceeded, std::string(what) + " are nested too deeply",
                  "at most " + std::to_string(most) + " levels are imported");
    }
    ++depth_;
  }
  ~DepthGuard() { --depth_; }

 private:
  int& depth_;
};

}  // namespace

GraphImporter::GraphImporter(const ModelProto& model, const ImportOptions& options,
                             TensorDecoder& decoder, ImportBudget& budget, std::string path)
    : model_(model),
      options_(options),
      decoder_(decoder),
      budget_(budget),
      table_(options.converters != nullptr ? *options.converters : all_converters()),
      path_(std::move(path)),
      orders_(budget) {}

Graph GraphImporter::import() {
  const GraphProto& graph = *model_.graph;
  Building building{GraphBuilder(graph.name.empty() ? "main" : printable(graph.name)), {}};
  try {
    read_opsets(model_.opset_import, "the model", opsets_);
    // Before version 3 of the format there was one opset.
    if (model_.opset_import.empty() && model_.ir_version > 0 && model_.ir_version < 3)
      opsets_.emplace("", 1);
    read_functions();
    const bool opsets_known = problems_.count() == 0;

    Frame frame;
    frame.building = &building;
    frame.opsets = &opsets_;
    frame.wanted.insert(options_.outputs.begin(), options_.outputs.end());
    for (const ValueInfoProto& input : graph.input) symbols_.reserve(input.type);
    const NodeOrder& order = orders_.of(graph);
    std::optional<Needed> needed;
    if (!frame.wanted.empty()) needed = needed_for(frame.wanted, order, graph.node);
    bind_initializers(frame, graph, needed ? &needed->names : nullptr);
    bind_inputs(frame, graph, needed ? &needed->names : nullptr);
    convert_nodes(frame, graph.node, order);
    if (options_.outputs.empty()) {
      add_outputs(frame, graph);
    } else {
      select_outputs(frame);
    }
    if (opsets_known) suggest_cut(frame, graph);
  } catch (const BudgetExceeded& error) {
    problems_.add(error);
  }
  problems_.throw_if_any();
  return building.builder.take();
}

void GraphImporter::read_opsets(const std::vector<OperatorSetIdProto>& imports,
                                const std::string& of_what, Opsets& into) {
  for (const OperatorSetIdProto& import : imports) {
    const std::string_view domain = plain_domain(import.domain);
    const auto [known, first] = into.emplace(domain, import.version);
    if (!first && known->second != import.version) {
      problems_.add(ErrorCode::model_malformed,
                    of_what + " imports two opsets of domain " + domain_text(domain),
                    std::to_string(known->second) + " and " + std::to_string(import.version));
    }
    if (!domain.empty()) continue;
    if (import.version > kNewestOpset) {
      problems_.add(ErrorCode::unsupported_opset,
                    of_what + " imports opset " + std::to_string(import.version),
                    "opsets " + std::to_string(kOldestOpset) + " to " +
                        std::to_string(kNewestOpset) + " are read",
                    "export with an older opset, or convert the model with "
                    "onnx.version_converter");
    } else if (import.version < kOldestOpset) {
      problems_.add(ErrorCode::unsupported_opset,
                    of_what + " imports opset " + std::to_string(import.version),
                    "opsets begin at " + std::to_string(kOldestOpset),
                    "export the model again; its opset_import is broken");
    }
    // Its nodes are skipped: what they would be is not known.
    if (import.version > kNewestOpset || import.version < kOldestOpset) into[domain] = -1;
  }
}

void GraphImporter::read_functions() {
  for (const FunctionProto& proto : model_.functions) {
    const std::string what = "function " + in_quotes(proto.name);
    budget_.charge_bytes(static_cast<std::int64_t>(sizeof(Function) + proto.name.size() + 128));
    const auto [entry, first] =
        functions_.try_emplace(function_key(proto.domain, proto.name, proto.overload));
    if (!first) {
      problems_.add(ErrorCode::model_malformed, what + " is defined twice",
                    "domain " + domain_text(plain_domain(proto.domain)));
      continue;
    }
    entry->second.proto = &proto;
    read_opsets(proto.opset_import, what, entry->second.opsets);
  }
}

Tensor GraphImporter::tensor(const TensorProto& proto) {
  const auto known = tensors_.find(&proto);
  if (known != tensors_.end()) return known->second;
  return tensors_.emplace(&proto, decoder_.decode(proto)).first->second;
}

void GraphImporter::bind_initializers(Frame& frame, const GraphProto& graph,
                                      const std::unordered_set<std::string_view>* needed) {
  const auto bind = [&](std::string_view name, const auto& decode) {
    const bool skipped = needed != nullptr && !needed->contains(name);
    Binding binding;
    try {
      if (!skipped) {
        binding.tensor = decode();
        binding.state = Binding::constant;
      }
    } catch (const BudgetExceeded&) {
      throw;
    } catch (const Error& error) {
      problems_.add(error);
    }
    if (name.empty() || !frame.names.emplace(name, std::move(binding)).second) {
      problems_.add(ErrorCode::model_malformed,
                    name.empty() ? "an initializer has no name"
                                 : "initializer " + in_quotes(name) + " is there twice",
                    "each value of a graph has a name of its own");
    }
  };
  frame.names.reserve(graph.initializer.size() + graph.node.size());
  for (const TensorProto& proto : graph.initializer) {
    bind(proto.name, [&] { return tensor(proto); });
  }
  for (const SparseTensorProto& proto : graph.sparse_initializer) {
    bind(proto.values.name, [&] { return decoder_.decode(proto); });
  }
}

void GraphImporter::bind_inputs(Frame& frame, const GraphProto& graph,
                                const std::unordered_set<std::string_view>* needed) {
  std::unordered_set<std::string_view> seen;
  for (const ValueInfoProto& input : graph.input) {
    if (input.name.empty() || !seen.insert(input.name).second) {
      problems_.add(ErrorCode::model_malformed,
                    input.name.empty() ? "an input of the graph has no name"
                                       : "input " + in_quotes(input.name) + " is there twice",
                    "each value of a graph has a name of its own");
      continue;
    }
    const auto initialized = frame.names.find(input.name);
    try {
      if (initialized != frame.names.end()) {  // an input with a default: a constant
        if (initialized->second.state != Binding::constant || input.type.kind == TypeProto::none)
          continue;
        const Tensor& tensor = initialized->second.tensor;
        check_declared(Type::tensor(tensor.dtype(), to_symbolic(tensor.shape())),
                       to_type(input.type, input.name,
                               [](std::string_view, std::size_t) { return Dim::symbol("open"); }),
                       input.name);
        continue;
      }
      Type type = to_type(input.type, input.name, [&](std::string_view param, std::size_t axis) {
        return symbols_.open(param, input.name, axis);
      });
      const ValueId id =
          frame.building->builder.add_input(std::string(input.name), std::move(type));
      frame.building->named.emplace(id.index, 0);
      frame.names.emplace(input.name, Binding{Binding::value, id, {}});
    } catch (const Error& error) {
      if (needed == nullptr || needed->contains(input.name)) problems_.add(error);
      frame.names.emplace(input.name, Binding{});
    }
  }
}

void GraphImporter::add_outputs(Frame& frame, const GraphProto& graph) {
  if (graph.output.empty()) {
    problems_.add(ErrorCode::model_malformed, "the graph has no outputs",
                  "nothing that it computes could be seen", "export the model again");
  }
  std::unordered_set<std::string_view> seen;
  for (const ValueInfoProto& output : graph.output) {
    if (!seen.insert(output.name).second) {
      problems_.add(ErrorCode::model_malformed,
                    "output " + in_quotes(output.name) + " is there twice",
                    "outputs are told apart by their names");
      continue;
    }
    const auto bound = frame.names.find(output.name);
    if (bound == frame.names.end() || bound->second.state == Binding::absent) {
      problems_.add(ErrorCode::model_malformed,
                    "output " + in_quotes(output.name) + " of the graph has no value",
                    "no node, input or initializer has that name");
      continue;
    }
    if (bound->second.state == Binding::poisoned) continue;
    const ValueId id = resolve(frame, output.name, bound->second);
    frame.building->builder.add_output(id, std::string(output.name));
    if (output.type.kind == TypeProto::none ||
        (output.type.kind == TypeProto::tensor && output.type.elem_type == 0))
      continue;
    try {
      const Type declared = to_type(output.type, output.name, [](std::string_view, std::size_t) {
        return Dim::symbol("open");
      });
      check_declared(frame.building->builder.value(id).type, declared, output.name);
    } catch (const Error& error) {
      problems_.add(error);
    }
  }
}

void GraphImporter::select_outputs(Frame& frame) {
  for (const std::string& name : options_.outputs) {
    const auto bound = frame.names.find(name);
    if (bound == frame.names.end() || bound->second.state == Binding::absent) {
      problems_.add(ErrorCode::unknown_name, "the graph has no value " + in_quotes(name),
                    "it was asked for as an output", "list the model's values with strop inspect");
    } else if (bound->second.state != Binding::poisoned) {
      frame.building->builder.add_output(resolve(frame, name, bound->second), name);
    }
  }
}

void GraphImporter::suggest_cut(const Frame& frame, const GraphProto& graph) {
  if (problems_.count() == 0) return;
  std::vector<std::string_view> candidates = cut_;
  if (options_.outputs.empty()) {
    for (const ValueInfoProto& output : graph.output) candidates.push_back(output.name);
  } else {
    candidates.insert(candidates.end(), options_.outputs.begin(), options_.outputs.end());
  }
  std::unordered_set<std::string_view> seen;
  std::vector<std::string_view> names;
  for (const std::string_view name : candidates) {
    const auto bound = frame.names.find(name);
    if (bound == frame.names.end() || bound->second.state != Binding::value) continue;
    const Value& value = frame.building->builder.value(bound->second.id);
    if (!value.is_input && !value.is_constant() && seen.insert(name).second) names.push_back(name);
  }
  problems_.advise(cut_advice(path_, options_, names));
}

ValueId GraphImporter::resolve(Frame& frame, std::string_view name, Binding& binding) {
  if (binding.state == Binding::constant) {
    binding.id = frame.building->builder.constant(std::move(binding.tensor), std::string(name));
    frame.building->named.emplace(binding.id.index, 0);
    binding.state = Binding::value;
  }
  STROP_CHECK(binding.state == Binding::value, "a name that is read has a value");
  return binding.id;
}

NodePlace GraphImporter::place_of(const Frame& frame, const NodeProto& node,
                                  std::size_t index) const {
  NodePlace place;
  const bool named = !node.name.empty();
  if (frame.in_function || !named) place.name = frame.prefix;
  place.name += named ? std::string(node.name)
                      : std::string(node.op_type.substr(0, 100)) + "_" + std::to_string(index);
  place.op = node.op_type;
  place.domain = plain_domain(node.domain);
  const auto opset = frame.opsets->find(place.domain);
  if (opset != frame.opsets->end()) {
    place.opset = opset->second;
  } else if (!place.domain.empty() && place.domain != "ai.onnx.ml") {
    place.opset = 1;  // exporters forget the domains of other vendors
  }
  return place;
}

GraphImporter::Needed GraphImporter::needed_for(const std::unordered_set<std::string_view>& wanted,
                                                const NodeOrder& order,
                                                const std::vector<NodeProto>& nodes) const {
  Needed out;
  out.names = wanted;
  for (std::size_t i = order.sorted.size(); i-- > 0;) {
    const std::size_t index = order.sorted[i];
    if (std::ranges::none_of(nodes[index].output,
                             [&](std::string_view name) { return out.names.contains(name); }))
      continue;
    out.nodes.push_back(index);
    out.names.insert(nodes[index].input.begin(), nodes[index].input.end());
    const auto captured = order.captures.find(index);
    if (captured != order.captures.end())
      out.names.insert(captured->second.begin(), captured->second.end());
  }
  std::ranges::reverse(out.nodes);
  return out;
}

void GraphImporter::convert_nodes(Frame& frame, const std::vector<NodeProto>& nodes,
                                  const NodeOrder& order) {
  const auto redefines = [&](std::size_t i) {
    problems_.add(place_of(frame, nodes[i], i), ErrorCode::model_malformed,
                  "an output of the node has the name of another value",
                  "each value of a graph is defined once; see " +
                      (nodes[i].output.empty() ? std::string("its outputs")
                                               : in_quotes(nodes[i].output.front())));
  };
  for (const std::size_t i : order.redefining) redefines(i);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (std::ranges::any_of(nodes[i].output, [&](std::string_view name) {
          return !name.empty() && frame.names.contains(name);
        }))
      redefines(i);
  }
  if (!order.cycle.empty()) {
    std::string path;
    constexpr std::size_t kShown = 8;
    for (std::size_t i = 0; i < std::min(order.cycle.size(), kShown); ++i) {
      path += in_quotes(place_of(frame, nodes[order.cycle[i]], order.cycle[i]).name) + " -> ";
    }
    if (order.cycle.size() > kShown)
      path += "(" + std::to_string(order.cycle.size() - kShown) + " more) -> ";
    const NodePlace first = place_of(frame, nodes[order.cycle.front()], order.cycle.front());
    problems_.add(first, ErrorCode::model_malformed, "the graph has a cycle",
                  path + in_quotes(first.name), "export the model again");
    for (const std::size_t i : order.unsorted) poison_outputs(frame, nodes[i]);
  }
  if (frame.wanted.empty()) {
    for (const std::size_t i : order.sorted) convert_node(frame, nodes, order, i);
  } else {
    for (const std::size_t i : needed_for(frame.wanted, order, nodes).nodes) {
      convert_node(frame, nodes, order, i);
    }
    return;
  }
  for (const std::size_t i : order.unsorted) {
    check_operators(frame, nodes[i], place_of(frame, nodes[i], i));
  }
}

void GraphImporter::convert_node(Frame& frame, const std::vector<NodeProto>& nodes,
                                 const NodeOrder& order, std::size_t index) {
  const NodeProto& node = nodes[index];
  const NodePlace place = place_of(frame, node, index);
  const std::size_t problems_before = problems_.count();
  budget_.charge_node();
  const auto found = order.captures.find(index);
  const std::vector<std::string_view>* captured =
      found != order.captures.end() ? &found->second : nullptr;

  bool poisoned = false;
  const auto read = [&](std::string_view name) {
    if (name.empty()) return;
    const auto [bound, undefined] = frame.names.try_emplace(name);
    if (undefined) {
      problems_.add(place, ErrorCode::model_malformed, "the node reads a value that does not exist",
                    "no node, input or initializer is called " + in_quotes(name),
                    "export the model again");
    }
    poisoned = poisoned || bound->second.state == Binding::poisoned;
  };
  for (const std::string_view name : node.input) read(name);
  if (captured != nullptr) {
    for (const std::string_view name : *captured) read(name);
  }
  const auto refused = [&] {
    if (depth_ > 0 || !problems_.refuses_operator_since(problems_before)) return;
    cut_.insert(cut_.end(), node.input.begin(), node.input.end());
    if (captured != nullptr) cut_.insert(cut_.end(), captured->begin(), captured->end());
  };
  if (poisoned) {
    check_operators(frame, node, place);
    refused();
    poison_outputs(frame, node);
    return;
  }
  try {
    const Function* function = find_function(node);
    if (function != nullptr && !is_of_plugin(node, place)) {
      call_function(frame, node, place, *function);
    } else if (const Converter converter = find_converter(node, place)) {
      convert_operator(frame, node, place, order, captured, converter);
    }
  } catch (const BudgetExceeded&) {
    throw;
  } catch (const NestedGraphFailed&) {
  } catch (const Error& error) {
    problems_.add(place, error);
  }
  refused();
  // What is bound already stays.
  poison_outputs(frame, node);
}

void GraphImporter::convert_operator(Frame& frame, const NodeProto& node, const NodePlace& place,
                                     const NodeOrder& order,
                                     const std::vector<std::string_view>* captured,
                                     Converter converter) {
  NodeContext context(*this, frame, node, place, order, captured);
  converter(context);
  const std::string subject = printable(node.op_type) + " cannot be imported";
  bool failed = false;
  for (const std::string_view name : context.unused_attributes()) {
    failed = true;
    problems_.add(place, ErrorCode::bad_attribute, subject,
                  "attribute " + in_quotes(name) + " means nothing to this operator",
                  "is the attribute from another opset? otherwise remove it from the model");
  }
  for (std::size_t i = 0; i < node.output.size(); ++i) {
    if (!context.has_output(i) || context.output(i).exists()) continue;
    failed = true;
    problems_.add(place, ErrorCode::unsupported_operator, subject,
                  "its output " + std::to_string(i) + ", " + in_quotes(node.output[i]) +
                      ", is used, but the operator gives no such output here");
  }
  if (failed) return;
  for (std::size_t i = 0; i < node.output.size(); ++i) {
    if (node.output[i].empty() || !context.output(i).exists()) continue;
    name_value(frame, node.output[i], context.output(i));
    bind_output(frame, node.output[i], Binding{Binding::value, context.output(i), {}});
  }
}

void GraphImporter::name_value(Frame& frame, std::string_view name, ValueId id) {
  const auto [known, fresh] = frame.building->named.emplace(id.index, frame.call_depth);
  if (!fresh && known->second <= frame.call_depth) return;
  known->second = frame.call_depth;
  const std::string prefix = frame.in_function ? frame.prefix : std::string();
  frame.building->builder.set_name(id, prefix + std::string(name));
}

void GraphImporter::bind_output(Frame& frame, std::string_view name, Binding binding) {
  frame.names.emplace(name, std::move(binding));
}

void GraphImporter::poison_outputs(Frame& frame, const NodeProto& node) {
  for (const std::string_view name : node.output) {
    if (!name.empty()) bind_output(frame, name, Binding{});
  }
}

const GraphImporter::Function* GraphImporter::find_function(const NodeProto& node) const {
  if (functions_.empty()) return nullptr;
  const auto found = functions_.find(function_key(node.domain, node.op_type, node.overload));
  return found == functions_.end() ? nullptr : &found->second;
}

void GraphImporter::call_function(Frame& frame, const NodeProto& node, const NodePlace& place,
                                  const Function& function) {
  const FunctionProto& proto = *function.proto;
  const auto again = std::ranges::find(calls_, &function);
  if (again != calls_.end()) {
    std::string path;
    for (auto at = again; at != calls_.end(); ++at) path += in_quotes((*at)->proto->name) + " -> ";
    throw Error(ErrorCode::model_malformed, "a function calls itself", path + in_quotes(proto.name),
                "functions of ONNX may not be recursive");
  }
  const DepthGuard depth(depth_, kMaxDepth, "functions and graphs");
  if (node.input.size() > proto.input.size() || node.output.size() > proto.output.size()) {
    throw Error(ErrorCode::model_malformed,
                "function " + in_quotes(proto.name) + " is called with too many values",
                "it has " + std::to_string(proto.input.size()) + " inputs and " +
                    std::to_string(proto.output.size()) + " outputs, the call " +
                    std::to_string(node.input.size()) + " and " +
                    std::to_string(node.output.size()));
  }
  Frame inner;
  inner.building = frame.building;
  inner.opsets = &function.opsets;
  inner.prefix = place.name + "/";
  inner.call_depth = frame.call_depth + 1;
  inner.in_function = true;
  for (std::size_t i = 0; i < proto.input.size(); ++i) {
    Binding binding;
    binding.state = Binding::absent;
    if (i < node.input.size() && !node.input[i].empty()) {
      Binding& given = frame.names.at(node.input[i]);
      if (given.state != Binding::absent) {
        binding = Binding{Binding::value, resolve(frame, node.input[i], given), {}};
      }
    }
    inner.names.emplace(proto.input[i], std::move(binding));
  }
  for (const std::string_view name : proto.attribute) inner.attributes.emplace(name, nullptr);
  for (const AttributeProto& attribute : proto.attribute_proto) {
    inner.attributes.emplace(attribute.name, &attribute);
  }
  for (const AttributeProto& attribute : node.attribute) {
    const auto known = inner.attributes.find(attribute.name);
    if (known == inner.attributes.end()) {
      throw Error(
          ErrorCode::bad_attribute,
          "function " + in_quotes(proto.name) + " has no attribute " + in_quotes(attribute.name),
          "the call gives it one");
    }
    if (const AttributeProto* given = resolve_attribute(frame, attribute)) known->second = given;
  }
  calls_.push_back(&function);
  struct Leave {
    std::vector<const Function*>& calls;
    ~Leave() { calls.pop_back(); }
  } const leave{calls_};
  convert_nodes(inner, proto.node, orders_.of(proto));
  for (std::size_t i = 0; i < node.output.size(); ++i) {
    if (node.output[i].empty()) continue;
    const auto bound = inner.names.find(proto.output[i]);
    if (bound == inner.names.end()) {
      throw Error(ErrorCode::model_malformed,
                  "output " + in_quotes(proto.output[i]) + " of function " + in_quotes(proto.name) +
                      " has no value",
                  "no node or input of the function has that name");
    }
    Binding binding = bound->second;
    if (binding.state == Binding::value) name_value(frame, node.output[i], binding.id);
    bind_output(frame, node.output[i], std::move(binding));
  }
}

void GraphImporter::check_operators(const Frame& frame, const NodeProto& node,
                                    const NodePlace& place) {
  if (find_function(node) != nullptr && !is_of_plugin(node, place))
    return;  // looked at where it is called in full
  find_converter(node, place);
  for (const AttributeProto& attribute : node.attribute) {
    if (attribute.g == nullptr) continue;
    Frame inner;
    inner.opsets = frame.opsets;
    inner.prefix = place.name + "/" + printable(attribute.name) + "/";
    const auto& nodes = attribute.g->node;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      budget_.charge_node();
      check_operators(inner, nodes[i], place_of(inner, nodes[i], i));
    }
  }
}

Converter GraphImporter::find_converter(const NodeProto& node, const NodePlace& place) {
  if (place.opset < 0) return nullptr;  // the opset itself is a problem that was reported
  if (place.opset == 0) {
    if (domains_missing_.insert(place.domain).second) {
      problems_.add(place, ErrorCode::unsupported_opset,
                    "no opset is imported for domain " + domain_text(place.domain),
                    "opset_import does not name it, so the meaning of its operators is not known",
                    "export the model again; the file may also have been cut short");
    }
    return nullptr;
  }
  bool known = false;
  bool known_to_plugin = false;
  // A plugin that somebody named is preferred to what Strop has of other domains itself.
  if (const Converter converter =
          find_plugin_converter(place.domain, node.op_type, place.opset, &known_to_plugin))
    return converter;
  if (is_aten(node.op_type, place.domain)) {
    if (const Converter converter = find_aten_converter(table_, aten_operator(node)))
      return converter;
  } else if (const Converter converter =
                 table_.find(place.domain, node.op_type, place.opset, &known)) {
    return converter;
  }

  const std::string name = in_quotes(node.op_type);
  const auto since = standard_operator_since(place.domain, node.op_type);
  if (is_aten(node.op_type, place.domain)) {
    problems_.add(place, refuse_aten(table_, aten_operator(node)));
  } else if (since && place.opset < *since) {
    problems_.add(place, ErrorCode::unknown_operator,
                  "operator " + name + " is not in the opset of the model",
                  "it came with opset " + std::to_string(*since) + ", the model imports " +
                      std::to_string(place.opset),
                  "export with opset " + std::to_string(*since) + " or newer");
  } else if (known_to_plugin) {
    problems_.add(place, ErrorCode::unsupported_operator, "operator " + name + " is not supported",
                  "the plugins have " + plugins_in_domain(place.domain) +
                      ", the model imports version " + std::to_string(place.opset) + " of " +
                      domain_text(place.domain),
                  "load a plugin that has it in that version (--plugin FILE), or correct the "
                  "model's opset_import");
  } else if (since || known) {
    problems_.add(place, ErrorCode::unsupported_operator, "operator " + name + " is not supported",
                  known ? "there is support for it in newer opsets only"
                        : "the standard has it, Strop does not yet",
                  "write that part of the model with other operators");
  } else if (place.domain.empty() || place.domain == "ai.onnx.ml") {
    problems_.add(place, ErrorCode::unknown_operator, "operator " + name + " is unknown",
                  "domain " + domain_text(place.domain) + " has no operator of that name",
                  "is it an operator of your own? then it needs its own domain");
  } else if (place.domain == "com.microsoft") {
    problems_.add(place, ErrorCode::unsupported_operator, "operator " + name + " is not supported",
                  "it belongs to ONNX Runtime, not to the standard",
                  "export the model without ONNX Runtime's optimizer or quantizer extensions, or "
                  "load a plugin that has it (--plugin FILE)");
  } else {
    const std::string others = plugins_in_domain(place.domain);
    problems_.add(place, ErrorCode::unsupported_operator,
                  "operator " + name + " of a domain of its own is not supported",
                  "domain " + domain_text(place.domain) +
                      " is not the standard's, and neither the model has a function of that name "
                      "nor a plugin the operator" +
                      (others.empty() ? std::string() : "; plugins have " + others),
                  "load the plugin that has it (--plugin FILE), or export it as a function of the "
                  "model");
  }
  return nullptr;
}

namespace {

// Sizes that can be read off a value of the type.
void collect_readable(const Type& type, std::set<std::string>& into) {
  if (!type.is_tensor() || !type.shape) return;
  for (const Dim& dim : *type.shape) {
    if (dim.is_symbol()) into.insert(dim.symbol_name());
  }
}

// The type as an input of a nested graph has it. The symbols of unknown sizes change when types are
// inferred anew outside, so in there they mean what an input says and nothing else: a size made of
// others becomes a symbol that begins with `symbol`.
Type readable_type(Type type, const std::set<std::string>& readable, const std::string& symbol) {
  if (!type.is_tensor() || !type.shape) return type;
  for (std::size_t axis = 0; axis < type.shape->size(); ++axis) {
    std::set<std::string> symbols;
    (*type.shape)[axis].collect_symbols(symbols);
    const bool stays = std::ranges::all_of(symbols, [&](const std::string& name) {
      return !name.starts_with('#') || readable.contains(name);
    });
    if (!stays) (*type.shape)[axis] = Dim::symbol(symbol + std::to_string(axis));
  }
  return type;
}

}  // namespace

std::optional<Graph> GraphImporter::import_nested(const Frame& outer, const GraphProto& graph,
                                                  const std::string& prefix,
                                                  const std::string& scope,
                                                  const std::vector<Type>& input_types,
                                                  const std::vector<Captured>& captured) {
  const DepthGuard depth(depth_, kMaxDepth, "functions and graphs");
  const DepthGuard graph_depth(graph_depth_, kMaxGraphDepth, "graphs");
  const std::size_t problems_before = problems_.count();
  Building building{GraphBuilder(graph.name.empty() ? "nested" : printable(graph.name), scope), {}};
  Frame frame;
  frame.building = &building;
  frame.opsets = outer.opsets;
  frame.prefix = prefix;
  frame.in_function = outer.in_function;
  frame.attributes = outer.attributes;

  if (input_types.size() > graph.input.size()) {
    throw Error(ErrorCode::model_malformed,
                "nested graph " + in_quotes(graph.name) + " has too few inputs",
                "it has " + std::to_string(graph.input.size()) + ", and gets " +
                    std::to_string(input_types.size()));
  }
  bind_initializers(frame, graph);
  for (std::size_t i = 0; i < graph.input.size(); ++i) {
    const ValueInfoProto& input = graph.input[i];
    Type type = i < input_types.size() ? input_types[i] : Type{};
    if (input.type.kind != TypeProto::none &&
        !(input.type.kind == TypeProto::tensor && input.type.elem_type == 0)) {
      // Sizes may change from one iteration to the next, so their names mean nothing outside.
      const Type declared =
          to_type(input.type, input.name, [&](std::string_view, std::size_t axis) {
            return Dim::symbol("#" + scope + "in" + std::to_string(i) + "." + std::to_string(axis));
          });
      type = sharpen(type, declared);
    }
    if (type.is_tensor() && type.dtype == DType::undefined) {
      throw Error(ErrorCode::bad_type,
                  "input " + in_quotes(input.name) + " of nested graph " + in_quotes(graph.name) +
                      " has no type",
                  "neither the graph nor its node says what it is");
    }
    const ValueId id = building.builder.add_input(std::string(input.name), std::move(type));
    building.named.emplace(id.index, 0);
    if (!frame.names.insert_or_assign(input.name, Binding{Binding::value, id, {}}).second) {
      problems_.add(ErrorCode::model_malformed,
                    "input " + in_quotes(input.name) +
                        " of a nested graph has the name of another "
                        "value of it",
                    "each value of a graph has a name of its own");
    }
  }
  std::set<std::string> readable;
  for (const ValueId input : building.builder.graph().inputs())
    collect_readable(building.builder.type(input), readable);
  for (const Captured& outside : captured) collect_readable(outside.type, readable);
  for (std::size_t i = 0; i < captured.size(); ++i) {
    const Captured& outside = captured[i];
    Binding binding = outside.binding;
    if (binding.state == Binding::value) {
      const std::string symbol = "#" + scope + "captured" + std::to_string(i) + ".";
      binding.id = building.builder.add_input(std::string(outside.name),
                                              readable_type(outside.type, readable, symbol));
      building.named.emplace(binding.id.index, 0);
    }
    frame.names.emplace(outside.name, std::move(binding));
  }
  convert_nodes(frame, graph.node, orders_.of(graph));
  for (const ValueInfoProto& output : graph.output) {
    const auto bound = frame.names.find(output.name);
    if (bound == frame.names.end() || bound->second.state == Binding::absent) {
      problems_.add(ErrorCode::model_malformed,
                    "output " + in_quotes(output.name) + " of nested graph " +
                        in_quotes(graph.name) + " has no value",
                    "no node, input or initializer has that name");
    } else if (bound->second.state != Binding::poisoned) {
      building.builder.add_output(resolve(frame, output.name, bound->second),
                                  std::string(output.name));
    }
  }
  if (problems_.count() != problems_before ||
      building.builder.graph().outputs().size() != graph.output.size())
    return std::nullopt;
  return building.builder.take();
}

}  // namespace strop::onnx
