// SPDX-License-Identifier: Apache-2.0
// What a plugin says of itself, read once and held against plugin.h, so that nothing behind it
// looks again. Pointers into the plugin are taken as they are: a plugin is trusted code, but its
// author is to be told what is wrong with it.
#include <algorithm>
#include <cstring>
#include <set>

#include "base/error.hpp"
#include "base/os/cpu_features.hpp"
#include "plugin/plugin.hpp"
#include "plugin/plugin_functions.hpp"

namespace strop {
namespace {

constexpr std::size_t kMaxStruct = 4096;
constexpr std::size_t kMaxOperators = 10'000;
constexpr std::size_t kMaxList = 1'000;  // attributes, operands, kernels of one operator; choices
constexpr std::uint32_t kMaxRank = 64;
constexpr std::size_t kMaxParameters = 32;  // bits of OpTraits::parameter_inputs

bool is_name(std::string_view text, std::string_view others) {
  return !text.empty() && text.size() <= 200 && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

std::string text_or_empty(const char* text) { return text != nullptr ? text : ""; }

class Reader {
 public:
  explicit Reader(std::string path) : path_(std::move(path)) {}

  std::unique_ptr<const PluginLibrary> read(const strop_plugin* description) {
    if (description == nullptr) {
      mismatch("its strop_plugin_entry gave nothing for version " +
               std::to_string(STROP_PLUGIN_API_VERSION) + " of the interface");
    }
    if (description->api_version != STROP_PLUGIN_API_VERSION) {
      mismatch("it speaks version " + std::to_string(description->api_version) +
               " of the plugin interface, this Strop version " +
               std::to_string(STROP_PLUGIN_API_VERSION));
    }
    const auto given = read_struct(description, description->struct_size, "strop_plugin");
    auto out = std::make_unique<PluginLibrary>();
    out->name = text_or_empty(given.name);
    if (!is_name(out->name, "_.-")) bad("its name is \"" + out->name + "\"");
    where_ = "plugin " + out->name + " (" + path_ + ")";
    out->version_major = given.version_major;
    out->version_minor = given.version_minor;
    out->doc = text_or_empty(given.doc);
    out->path = path_;
    out->description = description;
    const Array operators(*this, given.operators, given.operator_count, kMaxOperators, "operators");
    if (operators.size() == 0) bad("it offers no operator");
    std::set<std::string> names;
    for (std::size_t i = 0; i < operators.size(); ++i) {
      out->operators.push_back(read_operator(operators.at(i), operators.original(i), *out));
      const std::string& name = out->operators.back()->ir_name;
      if (!names.insert(name).second) bad("it registers operator " + name + " twice");
    }
    return out;
  }

 private:
  [[noreturn]] void mismatch(std::string why) const {
    throw Error(ErrorCode::plugin_mismatch, where(), std::move(why),
                "compile the plugin with the plugin.h of this Strop");
  }
  [[noreturn]] void bad(std::string why) const {
    throw Error(ErrorCode::bad_plugin, where(), std::move(why),
                "plugin.h says what a plugin must give: tell its maker");
  }
  std::string where() const { return where_.empty() ? "plugin " + path_ : where_; }

  // A struct of the plugin as this version knows it.
  template <class T>
  T read_struct(const T* given, std::size_t size, const std::string& what) const {
    if (size < sizeof(T) || size > kMaxStruct || size % alignof(T) != 0)
      bad(what + " has struct_size " + std::to_string(size));
    const auto* bytes = reinterpret_cast<const unsigned char*>(given);
    if (std::any_of(bytes + sizeof(T), bytes + size, [](unsigned char b) { return b != 0; }))
      mismatch(what + " sets members that this Strop does not know");
    T out{};
    std::memcpy(&out, given, sizeof(T));
    return out;
  }

  // Elements lie struct_size apart.
  template <class T>
  class Array {
   public:
    Array(const Reader& reader, const T* first, std::size_t count, std::size_t most,
          std::string what)
        : reader_(reader), first_(first), count_(count), what_(std::move(what)) {
      if (count > most) reader.bad("it has " + std::to_string(count) + " " + what_);
      if (count > 0 && first == nullptr) reader.bad("its " + what_ + " are null");
    }
    std::size_t size() const { return count_; }
    const T* original(std::size_t i) const {
      return reinterpret_cast<const T*>(reinterpret_cast<const char*>(first_) +
                                        i * first_->struct_size);
    }
    T at(std::size_t i) const {
      if (original(i)->struct_size != first_->struct_size)
        reader_.bad("its " + what_ + " differ in struct_size");
      return reader_.read_struct(original(i), first_->struct_size,
                                 "element " + std::to_string(i) + " of its " + what_);
    }

   private:
    const Reader& reader_;
    const T* first_;
    std::size_t count_;
    std::string what_;
  };

  std::unique_ptr<const PluginOperator> read_operator(const strop_plugin_operator& given,
                                                      const strop_plugin_operator* original,
                                                      const PluginLibrary& library) {
    auto out = std::make_unique<PluginOperator>();
    out->library = &library;
    out->domain = text_or_empty(given.domain);
    out->op_type = text_or_empty(given.name);
    out->since_version = given.since_version;
    out->doc = text_or_empty(given.doc);
    out->functions = given;
    out->description = original;
    out->ir_name = out->domain + "::" + out->op_type + ":" + std::to_string(given.since_version);
    const std::string what = "operator " + out->ir_name;
    if (out->domain.empty() || out->domain.starts_with("ai.onnx")) {
      bad(what + " is in domain " + (out->domain.empty() ? "ai.onnx" : out->domain) +
          ", which is the standard's");
    }
    if (!is_name(out->domain, "_.-")) bad(what + " has an impossible domain");
    if (!is_name(out->op_type, "_.")) bad(what + " has an impossible name");
    if (given.since_version < 1) bad(what + " has a since_version below 1");
    if (given.infer == nullptr) bad(what + " has no infer");
    if (given.reference == nullptr) bad(what + " has no reference kernel");
    if ((given.flags & ~(STROP_OPERATOR_DATA_DEPENDENT | STROP_OPERATOR_NONDETERMINISTIC)) != 0)
      bad(what + " has flags that are none");

    read_attributes(given, what, *out);
    const Array inputs(*this, given.inputs, given.input_count, kMaxList, "inputs of " + what);
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      add_operand(inputs.at(i), what, out->inputs);
      out->input_ranks.push_back(inputs.at(i).rank);
      if ((inputs.at(i).flags & STROP_OPERAND_PARAMETER) != 0)
        out->traits.parameter_inputs |= 1u << i;
    }
    const Array outputs(*this, given.outputs, given.output_count, kMaxList, "outputs of " + what);
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      add_operand(outputs.at(i), what, out->outputs);
      if (outputs.at(i).flags != 0)
        bad("output " + std::to_string(i) + " of " + what + " has flags");
      out->output_ranks.push_back(outputs.at(i).rank);
    }
    if (out->outputs.empty() || out->outputs.front().arity != Operand::required)
      bad(what + " has no required output");
    read_kernels(given, what, *out);

    out->name = out->ir_name;
    out->summary = out->doc;
    out->schema = plugin_schema(out->attribute_list);
    out->attributes = &out->schema;
    out->traits.data_dependent = (given.flags & STROP_OPERATOR_DATA_DEPENDENT) != 0;
    out->traits.nondeterministic = (given.flags & STROP_OPERATOR_NONDETERMINISTIC) != 0;
    out->infer = infer_plugin_operator;
    out->reference = run_plugin_reference;
    return out;
  }

  void read_attributes(const strop_plugin_operator& given, const std::string& what,
                       PluginOperator& out) {
    const Array list(*this, given.attributes, given.attribute_count, kMaxList,
                     "attributes of " + what);
    std::set<std::string> names;
    for (std::size_t i = 0; i < list.size(); ++i) {
      out.attribute_list.push_back(read_attribute(list.at(i), what));
      const std::string& name = out.attribute_list.back().name;
      if (!names.insert(name).second) bad(what + " has attribute " + name + " twice");
    }
  }

  PluginAttribute read_attribute(const strop_plugin_attribute& given, const std::string& of) {
    PluginAttribute out;
    out.name = text_or_empty(given.name);
    const std::string what = "attribute \"" + out.name + "\" of " + of;
    if (!is_name(out.name, "_") || (out.name.front() >= '0' && out.name.front() <= '9'))
      bad(what + " has an impossible name");
    out.doc = text_or_empty(given.doc);
    out.kind = given.kind;
    if ((given.flags & ~(STROP_ATTRIBUTE_REQUIRED | STROP_ATTRIBUTE_BOUNDED)) != 0)
      bad(what + " has flags that are none");
    out.required = (given.flags & STROP_ATTRIBUTE_REQUIRED) != 0;
    out.bounded = (given.flags & STROP_ATTRIBUTE_BOUNDED) != 0;
    out.minimum = given.minimum;
    out.maximum = given.maximum;
    if (out.bounded && !(out.minimum <= out.maximum)) bad(what + " is bounded to nothing");
    const bool is_text = out.kind == STROP_ATTRIBUTE_STRING || out.kind == STROP_ATTRIBUTE_STRINGS;
    if (out.bounded && (is_text || out.kind == STROP_ATTRIBUTE_TENSOR))
      bad(what + " is bounded, but no number");
    if (given.choice_count > 0 && !is_text) bad(what + " has choices, but is no text");
    for (const char* choice : texts(given.choices, given.choice_count, what))
      out.choices.emplace_back(choice);
    out.initial = default_of(given, what);
    if (out.required) {
      if (out.kind != STROP_ATTRIBUTE_TENSOR) out.initial = kNotGiven;
    } else if (const std::string refusal = refusal_of(out, out.initial); !refusal.empty()) {
      bad("the default of " + what + " is none that it may have: " + refusal);
    }
    return out;
  }

  AttributeValue default_of(const strop_plugin_attribute& given, const std::string& what) const {
    const std::size_t count = given.default_count;
    const auto require_list = [&](const void* list) {
      if (count > kMaxList || (count > 0 && list == nullptr)) bad(what + " has a broken default");
    };
    switch (given.kind) {
      case STROP_ATTRIBUTE_INT:
        return given.int_default;
      case STROP_ATTRIBUTE_FLOAT:
        return given.float_default;
      case STROP_ATTRIBUTE_STRING:
        return text_or_empty(given.string_default);
      case STROP_ATTRIBUTE_INTS:
        require_list(given.ints_default);
        return std::vector<std::int64_t>(given.ints_default, given.ints_default + count);
      case STROP_ATTRIBUTE_FLOATS:
        require_list(given.floats_default);
        return std::vector<double>(given.floats_default, given.floats_default + count);
      case STROP_ATTRIBUTE_STRINGS: {
        std::vector<std::string> out;
        for (const char* text : texts(given.strings_default, count, what)) out.emplace_back(text);
        return out;
      }
      case STROP_ATTRIBUTE_TENSOR:
        return Tensor();
    }
    bad(what + " is of no kind");
  }

  std::vector<const char*> texts(const char* const* list, std::size_t count,
                                 const std::string& what) const {
    if (count > kMaxList || (count > 0 && list == nullptr))
      bad(what + " has a broken list of texts");
    std::vector<const char*> out;
    for (std::size_t i = 0; i < count; ++i) {
      if (list[i] == nullptr) bad(what + " has a null text in a list");
      out.push_back(list[i]);
    }
    return out;
  }

  void add_operand(const strop_plugin_operand& given, const std::string& of,
                   std::vector<Operand>& list) const {
    Operand operand;
    operand.name = given.name != nullptr ? std::string_view(given.name) : std::string_view();
    const std::string what = "operand \"" + std::string(operand.name) + "\" of " + of;
    if (!is_name(operand.name, "_")) bad(what + " has an impossible name");
    if (std::ranges::find(list, operand.name, &Operand::name) != list.end())
      bad(what + " is there twice");
    operand.types = DTypeSet();
    std::uint64_t left = given.types;
    for (const DTypeInfo& info : all_dtypes()) {
      const std::uint64_t bit = STROP_TYPE(static_cast<unsigned>(info.type));
      if (!kPlain.contains(info.type) || (given.types & bit) == 0) continue;
      operand.types = operand.types | DTypeSet{info.type};
      left &= ~bit;
    }
    if (given.types == 0 || left != 0) bad(what + " has element types that a plugin cannot take");
    switch (given.arity) {
      case STROP_OPERAND_REQUIRED:
        operand.arity = Operand::required;
        break;
      case STROP_OPERAND_OPTIONAL:
        operand.arity = Operand::optional;
        break;
      case STROP_OPERAND_VARIADIC:
        operand.arity = Operand::variadic;
        break;
      default:
        bad(what + " has no known arity");
    }
    if (!list.empty() && list.back().arity == Operand::variadic)
      bad(what + " stands behind a variadic one");
    if (operand.arity == Operand::required && !list.empty() &&
        list.back().arity == Operand::optional)
      bad(what + " is required, but stands behind an optional one");
    if ((given.flags & ~static_cast<std::uint32_t>(STROP_OPERAND_PARAMETER)) != 0)
      bad(what + " has flags that are none");
    if (given.flags != 0 && (operand.arity == Operand::variadic || list.size() >= kMaxParameters))
      bad(what + " is marked STROP_OPERAND_PARAMETER, but is variadic or behind 32 others");
    if (given.rank > kMaxRank) bad(what + " has more than 64 dimensions");
    operand.same_as = given.same_type_as;
    list.push_back(operand);
  }

  void read_kernels(const strop_plugin_operator& given, const std::string& of,
                    PluginOperator& out) {
    const Array list(*this, given.kernels, given.kernel_count, kMaxList, "kernels of " + of);
    for (std::size_t i = 0; i < list.size(); ++i) {
      PluginKernel kernel;
      kernel.functions = list.at(i);
      kernel.name = text_or_empty(kernel.functions.name);
      const std::string what = "kernel \"" + kernel.name + "\" of " + of;
      if (!is_name(kernel.name, "_")) bad(what + " has an impossible name");
      if (out.find_kernel(kernel.name) != nullptr) bad(what + " is there twice");
      if (kernel.functions.run == nullptr) bad(what + " has no run");
      std::string_view sets = kernel.functions.instruction_sets != nullptr
                                  ? kernel.functions.instruction_sets
                                  : std::string_view();
      while (!sets.empty()) {
        const std::size_t end = std::min(sets.find(' '), sets.size());
        if (end > 0) kernel.instruction_sets.emplace_back(sets.substr(0, end));
        sets.remove_prefix(std::min(end + 1, sets.size()));
      }
      out.kernels.push_back(std::move(kernel));
    }
  }

  std::string path_;
  std::string where_;
};

}  // namespace

std::string PluginKernel::missing_instruction_set() const {
  const std::string have = " " + os::instruction_sets(os::cpu_features()) + " ";
  for (const std::string& name : instruction_sets) {
    if (have.find(" " + name + " ") == std::string::npos) return name;
  }
  return {};
}

const PluginKernel* PluginOperator::find_kernel(std::string_view kernel) const {
  const auto at = std::ranges::find(kernels, kernel, &PluginKernel::name);
  return at != kernels.end() ? &*at : nullptr;
}

const PluginOperator* plugin_operator(const OpDef& op) {
  return op.infer == infer_plugin_operator ? static_cast<const PluginOperator*>(&op) : nullptr;
}

std::unique_ptr<const PluginLibrary> read_plugin(const strop_plugin* description,
                                                 std::string path) {
  return Reader(std::move(path)).read(description);
}

}  // namespace strop
