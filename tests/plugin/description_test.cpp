// SPDX-License-Identifier: Apache-2.0
// What a plugin says of itself, held against strop/plugin.h: descriptions that live in this
// program.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <fstream>
#include <functional>
#include <thread>

#include "plugin/plugin_registry.hpp"
#include "plugin/plugin_support.hpp"
#include "runtime/plugins.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

using testing::error_of;
using testing::expect_error;

template <class T>
T sized() {
  T out{};
  out.struct_size = sizeof out;
  return out;
}

strop_status infer(const strop_plugin_host*, strop_plugin_call*) { return STROP_OK; }

// y = op(x), with one attribute and one kernel; each test breaks something.
struct Description {
  strop_plugin_attribute attributes[2] = {sized<strop_plugin_attribute>(),
                                          sized<strop_plugin_attribute>()};
  strop_plugin_operand inputs[2] = {sized<strop_plugin_operand>(), sized<strop_plugin_operand>()};
  strop_plugin_operand outputs[1] = {sized<strop_plugin_operand>()};
  strop_plugin_kernel kernels[2] = {sized<strop_plugin_kernel>(), sized<strop_plugin_kernel>()};
  strop_plugin_operator operators[2] = {sized<strop_plugin_operator>(),
                                        sized<strop_plugin_operator>()};
  strop_plugin plugin = sized<strop_plugin>();

  explicit Description(const char* name = "described", const char* domain = "test.described") {
    attributes[0].name = "axis";
    attributes[0].kind = STROP_ATTRIBUTE_INT;
    attributes[1].name = "mode";
    attributes[1].kind = STROP_ATTRIBUTE_STRING;
    inputs[0].name = "x";
    inputs[0].types = STROP_TYPES_FLOAT;
    inputs[1].name = "bias";
    inputs[1].types = STROP_TYPES_FLOAT;
    inputs[1].arity = STROP_OPERAND_OPTIONAL;
    outputs[0].name = "y";
    outputs[0].types = STROP_TYPES_FLOAT;
    const char* kernel_names[] = {"one", "two"};
    for (int i = 0; i < 2; ++i) {
      kernels[i].name = kernel_names[i];
      kernels[i].run = [](const strop_plugin_host*, strop_plugin_call*, void*,
                          void*) -> strop_status { return STROP_OK; };
      strop_plugin_operator& op = operators[i];
      op.domain = domain;
      op.name = "Op";
      op.since_version = i + 1;
      op.attributes = attributes;
      op.attribute_count = 2;
      op.inputs = inputs;
      op.input_count = 2;
      op.outputs = outputs;
      op.output_count = 1;
      op.infer = infer;
      op.reference = infer;
      op.kernels = kernels;
      op.kernel_count = 2;
    }
    plugin.api_version = STROP_PLUGIN_API_VERSION;
    plugin.version_major = 3;
    plugin.version_minor = 7;
    plugin.name = name;
    plugin.operators = operators;
    plugin.operator_count = 2;
  }
};

TEST(PluginDescription, is_read_whole) {
  const Description description;
  const auto plugin = read_plugin(&description.plugin, "here.so");
  EXPECT_EQ(plugin->name, "described");
  EXPECT_EQ(plugin->version(), "3.7");
  ASSERT_EQ(plugin->operators.size(), 2u);
  const PluginOperator& op = *plugin->operators[1];
  EXPECT_EQ(op.name, "test.described::Op:2");
  EXPECT_EQ(plugin_operator(op), &op);
  EXPECT_EQ(op.inputs[1].arity, Operand::optional);
  EXPECT_EQ(op.inputs[0].types, kFloats);
  EXPECT_EQ(op.attributes->fields[1].name, "mode");
  EXPECT_EQ(op.attributes->fields[1].type, "string");
  EXPECT_NE(op.find_kernel("two"), nullptr);
  EXPECT_EQ(op.find_kernel("three"), nullptr);
}

struct Fault {
  const char* part;  // of the message
  std::function<void(Description&)> make;
  ErrorCode code = ErrorCode::bad_plugin;
};

TEST(PluginDescription, faults_are_named) {
  static const std::int64_t eleven[] = {11};
  static const char* const choices[] = {"a", "b"};
  static const char* const broken[] = {"a", nullptr};
  const Fault faults[] = {
      {"version 2 of the plugin interface", [](Description& d) { d.plugin.api_version = 2; },
       ErrorCode::plugin_mismatch},
      {"struct_size 8", [](Description& d) { d.plugin.struct_size = 8; }},
      {"its name is", [](Description& d) { d.plugin.name = "no name"; }},
      {"its name is", [](Description& d) { d.plugin.name = nullptr; }},
      {"no operator", [](Description& d) { d.plugin.operator_count = 0; }},
      {"operators are null", [](Description& d) { d.plugin.operators = nullptr; }},
      {"registers operator test.described::Op:1 twice",
       [](Description& d) { d.operators[1].since_version = 1; }},
      {"the standard's", [](Description& d) { d.operators[0].domain = ""; }},
      {"the standard's", [](Description& d) { d.operators[0].domain = nullptr; }},
      {"the standard's", [](Description& d) { d.operators[0].domain = "ai.onnx"; }},
      {"the standard's", [](Description& d) { d.operators[1].domain = "ai.onnx.ml"; }},
      {"impossible domain", [](Description& d) { d.operators[0].domain = "a::b"; }},
      {"impossible name", [](Description& d) { d.operators[0].name = "O p"; }},
      {"since_version", [](Description& d) { d.operators[0].since_version = 0; }},
      {"no infer", [](Description& d) { d.operators[0].infer = nullptr; }},
      {"no reference", [](Description& d) { d.operators[0].reference = nullptr; }},
      {"flags", [](Description& d) { d.operators[0].flags = 64; }},
      {"differ in struct_size", [](Description& d) { d.operators[1].struct_size -= 8; }},
      {"attribute axis twice", [](Description& d) { d.attributes[1].name = "axis"; }},
      {"impossible name", [](Description& d) { d.attributes[0].name = "9lives"; }},
      {"no kind", [](Description& d) { d.attributes[0].kind = static_cast<strop_plugin_kind>(9); }},
      {"bounded to nothing",
       [](Description& d) {
         d.attributes[0].flags = STROP_ATTRIBUTE_BOUNDED;
         d.attributes[0].minimum = 1;
       }},
      {"default of attribute \"axis\"",
       [](Description& d) {
         d.attributes[0].flags = STROP_ATTRIBUTE_BOUNDED;
         d.attributes[0].minimum = 1;
         d.attributes[0].maximum = 2;
       }},
      {"11 is not in [0, 10]",
       [](Description& d) {
         d.attributes[0].kind = STROP_ATTRIBUTE_INTS;
         d.attributes[0].flags = STROP_ATTRIBUTE_BOUNDED;
         d.attributes[0].maximum = 10;
         d.attributes[0].ints_default = eleven;
         d.attributes[0].default_count = 1;
       }},
      {"no number", [](Description& d) { d.attributes[1].flags = STROP_ATTRIBUTE_BOUNDED; }},
      {"no text",
       [](Description& d) {
         d.attributes[0].choices = choices;
         d.attributes[0].choice_count = 2;
       }},
      {"\"\" is none of a, b",
       [](Description& d) {
         d.attributes[1].choices = choices;
         d.attributes[1].choice_count = 2;
       }},
      {"null text",
       [](Description& d) {
         d.attributes[1].choices = broken;
         d.attributes[1].choice_count = 2;
       }},
      {"operand \"x\" of operator test.described::Op:1 is there twice",
       [](Description& d) { d.inputs[1].name = "x"; }},
      {"element types", [](Description& d) { d.inputs[0].types = 0; }},
      {"element types", [](Description& d) { d.inputs[0].types = STROP_TYPE(STROP_STRING); }},
      {"element types", [](Description& d) { d.inputs[0].types |= STROP_TYPE(40); }},
      {"behind a variadic", [](Description& d) { d.inputs[0].arity = STROP_OPERAND_VARIADIC; }},
      {"behind an optional",
       [](Description& d) {
         d.inputs[0].arity = STROP_OPERAND_OPTIONAL;
         d.inputs[1].arity = STROP_OPERAND_REQUIRED;
       }},
      {"outputs of", [](Description& d) { d.operators[0].outputs = nullptr; }},
      {"output 0 of operator test.described::Op:1 has flags",
       [](Description& d) { d.outputs[0].flags = STROP_OPERAND_PARAMETER; }},
      {"but is variadic",
       [](Description& d) {
         d.inputs[1].arity = STROP_OPERAND_VARIADIC;
         d.inputs[1].flags = STROP_OPERAND_PARAMETER;
       }},
      {"64 dimensions", [](Description& d) { d.inputs[0].rank = 65; }},
      {"no required output", [](Description& d) { d.operators[0].output_count = 0; }},
      {"there twice", [](Description& d) { d.kernels[1].name = "one"; }},
      {"has no run", [](Description& d) { d.kernels[1].run = nullptr; }},
  };
  for (const Fault& fault : faults) {
    SCOPED_TRACE(fault.part);
    Description description;
    fault.make(description);
    const Error error = error_of([&] { read_plugin(&description.plugin, "faulty.so"); });
    expect_error(error, fault.code, fault.part);
    expect_error(error, fault.code, "faulty.so");
  }
  expect_error(error_of([] { read_plugin(nullptr, "faulty.so"); }), ErrorCode::plugin_mismatch,
               "gave nothing");
}

// A plugin that was compiled with a later header: fine as long as it uses nothing of it.
TEST(PluginDescription, longer_structs_are_taken_while_their_ends_are_zero) {
  struct Longer {
    strop_plugin_operand known = sized<strop_plugin_operand>();
    std::uint64_t unknown = 0;
  } inputs[2];
  Description description;
  for (int i = 0; i < 2; ++i) {
    inputs[i].known = description.inputs[i];
    inputs[i].known.struct_size = sizeof(Longer);
  }
  for (strop_plugin_operator& op : description.operators) op.inputs = &inputs[0].known;
  const auto plugin = read_plugin(&description.plugin, "newer.so");
  EXPECT_EQ(plugin->operators[0]->inputs[1].name, "bias");
  inputs[1].unknown = 1;
  expect_error(error_of([&] { read_plugin(&description.plugin, "newer.so"); }),
               ErrorCode::plugin_mismatch, "does not know");
}

TEST(PluginRegistry, takes_a_plugin_once_and_no_name_or_operator_twice) {
  static const Description first("first", "test.registry");
  const PluginLibrary& added = add_plugin(&first.plugin, "first.so");
  EXPECT_EQ(&added, &add_plugin(&first.plugin, "again.so"));
  static const Description same_name("first", "test.registry.other");
  expect_error(error_of([] { add_plugin(&same_name.plugin, "second.so"); }), ErrorCode::bad_plugin,
               "loaded already, from first.so");
  static const Description same_operator("second", "test.registry");
  expect_error(error_of([] { add_plugin(&same_operator.plugin, "second.so"); }),
               ErrorCode::bad_plugin, "test.registry::Op:1, which plugin first");
  EXPECT_EQ(find_plugin_operators("test.registry", "Op").size(), 2u);
  EXPECT_NE(find_operator("test.registry::Op:2"), nullptr);
  EXPECT_EQ(find_operator("test.registry::Op:3"), nullptr);
  EXPECT_EQ(find_operator("relu"), nullptr);
  EXPECT_NE(find_operator("unary"), nullptr);
}

TEST(PluginFiles, that_are_none_are_told_apart) {
  const testing::TemporaryFolder folder;
  expect_error(error_of([&] { load_plugin(folder.path("absent.so")); }), ErrorCode::file_not_found,
               "absent.so");
  expect_error(error_of([&] { load_plugin(""); }), ErrorCode::file_not_found, "no such file");
  expect_error(error_of([&] { load_plugin(folder.path()); }), ErrorCode::not_a_plugin,
               "no regular file");
  expect_error(error_of([&] { load_plugin(folder.file("text.so", "not a library")); }),
               ErrorCode::not_a_plugin, "cannot be opened as a library");
  expect_error(error_of([&] { load_plugin(STROP_NO_PLUGIN); }), ErrorCode::not_a_plugin,
               "no function strop_plugin_entry");
  expect_error(error_of([&] { load_plugin(STROP_OTHER_API_PLUGIN); }), ErrorCode::plugin_mismatch,
               "version 2 of the plugin interface");
  expect_error(error_of([&] { load_plugin(STROP_THROWING_PLUGIN); }), ErrorCode::bad_plugin,
               "an exception left its strop_plugin_entry");
}

// What a copy that was interrupted leaves.
TEST(PluginFiles, that_are_cut_short_are_refused) {
  std::ifstream whole(STROP_SAMPLE_PLUGIN, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(whole), {}};
  ASSERT_GT(bytes.size(), 4096u);
  const testing::TemporaryFolder folder;
  for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{64}, std::size_t{200},
                                 std::size_t{1000}, bytes.size() / 4, bytes.size() / 2}) {
    SCOPED_TRACE(size);
    const std::string path = folder.file("cut.so", bytes.substr(0, size));
    expect_error(error_of([&] { load_plugin(path); }), ErrorCode::not_a_plugin,
                 "cannot be opened as a library");
  }
}

// Threads that load and look at once see one plugin.
TEST(PluginFiles, are_loaded_by_many_threads_at_once) {
  std::vector<std::thread> threads;
  std::atomic<int> seen = 0;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      load_plugin(STROP_SAMPLE_PLUGIN);
      seen += static_cast<int>(
          std::ranges::count(loaded_plugins(), std::string("sample"), &LoadedPlugin::name));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(seen, 8);
}

TEST(PluginFiles, are_loaded_once) {
  load_plugin(STROP_SAMPLE_PLUGIN);
  const std::size_t count = loaded_plugins().size();
  load_plugin(STROP_SAMPLE_PLUGIN);
  EXPECT_EQ(loaded_plugins().size(), count);
  // The same plugin in another file is another plugin of that name.
  expect_error(error_of([] { load_plugin(STROP_OTHER_VERSION_PLUGIN); }), ErrorCode::bad_plugin,
               "loaded already");
}

}  // namespace
}  // namespace strop
