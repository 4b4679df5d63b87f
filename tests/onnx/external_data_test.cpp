// SPDX-License-Identifier: Apache-2.0
// Weights in other files: every form of a name that could lead out of the model's folder, at every
// place of a model that can hold a tensor.
#include "onnx/external_data.hpp"

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <limits>

#include "onnx/import_fixture.hpp"
#include "support/temporary_folder.hpp"

namespace strop::onnx {
namespace {

using strop::testing::TemporaryFolder;
using wire::kFloat;
using wire::Message;
using wire::value_info;

// Twelve bytes of a float[3] or of an int64 index cut short; `place` is what refers to it.
struct Place {
  std::string location;
  std::int64_t offset = 0;
  std::int64_t length = 12;
};

Message floats(const Place& place) {
  return wire::external_tensor("w", {3}, place.location, place.offset, place.length);
}

Message indices(const Place& place) {
  const auto entry = [](std::string_view key, std::string_view value) {
    return Message().bytes(1, key).bytes(2, value);
  };
  Message out = Message().numbers(1, {3}).number(2, wire::kInt64).bytes(8, "indices");
  out.message(13, entry("location", place.location));
  out.message(13, entry("offset", std::to_string(place.offset)));
  return out.number(14, 1);
}

Message inline_floats() { return wire::float_tensor("w", {3}, {1, 2, 3}); }
Message inline_indices() { return wire::int64_tensor("indices", {3}, {0, 1, 2}); }

wire::Node constant(const Message& attribute, const std::string& out = "c") {
  return {"Constant", {}, {out}, {attribute}, "", "", ""};
}

wire::Node softmax(const std::string& in, const std::string& out) {
  return {"Softmax", {in}, {out}, {}, "", "", ""};
}

wire::ModelParts around(std::vector<wire::Node> nodes) {
  nodes.push_back(softmax("x", "y"));
  return parts_of(std::move(nodes));
}

struct Site {
  const char* name;
  std::function<wire::ModelParts(const Place&)> model;
};

std::vector<Site> sites() {
  return {
      {"initializer",
       [](const Place& place) {
         wire::ModelParts parts = around({softmax("w", "z")});
         parts.graph.initializers = {floats(place)};
         return parts;
       }},
      {"sparse values",
       [](const Place& place) {
         wire::ModelParts parts = around({});
         parts.graph.sparse_initializers = {
             wire::sparse_tensor(floats(place), inline_indices(), {9})};
         return parts;
       }},
      {"sparse indices",
       [](const Place& place) {
         wire::ModelParts parts = around({});
         parts.graph.sparse_initializers = {
             wire::sparse_tensor(inline_floats(), indices(place), {9})};
         return parts;
       }},
      {"Constant",
       [](const Place& place) {
         return around({constant(wire::tensor_attribute("value", floats(place)))});
       }},
      {"sparse values of Constant",
       [](const Place& place) {
         return around({constant(wire::sparse_attribute(
             "sparse_value", wire::sparse_tensor(floats(place), inline_indices(), {9})))});
       }},
      {"sparse indices of Constant",
       [](const Place& place) {
         return around({constant(wire::sparse_attribute(
             "sparse_value", wire::sparse_tensor(inline_floats(), indices(place), {9})))});
       }},
      {"attribute of a node",
       [](const Place& place) {
         return around({{"Either",
                         {},
                         {"c"},
                         {wire::tensor_attribute("value", floats(place))},
                         "",
                         "test",
                         ""}});
       }},
      {"initializer of a nested graph",
       [](const Place& place) {
         wire::GraphParts body;
         body.initializers = {floats(place)};
         body.outputs = {value_info("w", {})};
         return around({{"Nest",
                         {},
                         {"c"},
                         {wire::graph_attribute("body", wire::graph(body))},
                         "",
                         "test",
                         ""}});
       }},
      {"Constant of a function",
       [](const Place& place) {
         wire::ModelParts parts = around({{"F", {}, {"c"}, {}, "", "mine", ""}});
         wire::FunctionParts function;
         function.domain = "mine";
         function.name = "F";
         function.outputs = {"out"};
         function.nodes = {constant(wire::tensor_attribute("value", floats(place)), "out")};
         parts.functions = {function};
         return parts;
       }},
      {"attribute given to a function",
       [](const Place& place) {
         wire::ModelParts parts = around(
             {{"F", {}, {"c"}, {wire::tensor_attribute("which", floats(place))}, "", "mine", ""}});
         wire::FunctionParts function;
         function.domain = "mine";
         function.name = "F";
         function.outputs = {"out"};
         function.nodes = {constant(wire::reference_attribute("value", "which", 4), "out")};
         function.attributes = {"which"};
         parts.functions = {function};
         return parts;
       }},
  };
}

class ExternalDataTest : public ::testing::Test {
 protected:
  ExternalDataTest() {
    const float weights[] = {1, 2, 3};
    bytes_.assign(reinterpret_cast<const char*>(weights), sizeof weights);
    folder_.file("model/weights.bin", bytes_ + bytes_);
    folder_.file("model/sub/weights.bin", bytes_ + bytes_);
    folder_.file("outside.bin", bytes_ + bytes_);
    folder_.file("other/hard.bin", bytes_ + bytes_);
    namespace fs = std::filesystem;
    fs::create_hard_link(folder_.path("other/hard.bin"), folder_.path("model/hard.bin"));
    fs::create_symlink("../outside.bin", folder_.path("model/link.bin"));
    fs::create_directory_symlink("..", folder_.path("model/parent"));
    fs::create_directory(folder_.path("model/folder.bin"));
    EXPECT_EQ(mkfifo(folder_.path("model/fifo.bin").c_str(), 0600), 0);
    has_device_ = mknod(folder_.path("model/zero.bin").c_str(), S_IFCHR | 0600,
                        static_cast<dev_t>((1 << 8) | 5)) == 0;
  }

  Graph import(const wire::ModelParts& parts, ImportOptions options = {}) {
    options.converters = &test_converters();
    return import_model(folder_.file("model/model.onnx", wire::model(parts)), options);
  }

  TemporaryFolder folder_;
  std::string bytes_;
  bool has_device_ = false;
};

TEST_F(ExternalDataTest, is_read_at_every_site) {
  for (const Site& site : sites()) {
    if (std::string(site.name).find("indices") != std::string::npos) continue;  // next test
    for (const std::string location : {"weights.bin", "sub/weights.bin"}) {
      EXPECT_NO_THROW(import(site.model({location, 12, 12}))) << site.name << " " << location;
    }
  }
}

TEST_F(ExternalDataTest, is_the_value_of_a_constant) {
  wire::ModelParts parts =
      parts_of({constant(wire::tensor_attribute("value", floats({"weights.bin", 12, 12})))});
  parts.graph.outputs = {value_info("c", {})};
  const Graph graph = import(parts);
  EXPECT_EQ(graph.value(graph.outputs()[0]).constant.values<float>()[2], 3.0f);
}

TEST_F(ExternalDataTest, without_a_length_is_as_long_as_the_tensor) {
  EXPECT_NO_THROW(import(sites()[0].model({"weights.bin", 0, -1})));
  EXPECT_NO_THROW(import(sites()[0].model({"weights.bin", 12, -1})));
}

TEST_F(ExternalDataTest, no_form_of_a_name_escapes_at_any_site) {
  const std::int64_t largest = std::numeric_limits<std::int64_t>::max();
  std::vector<std::pair<std::string, Place>> forms = {
      {"parent", {"../outside.bin"}},
      {"parent inside of the name", {"sub/../../outside.bin"}},
      {"absolute", {folder_.path("outside.bin")}},
      {"symbolic link", {"link.bin"}},
      {"symbolic link on the way", {"parent/outside.bin"}},
      {"hard link", {"hard.bin"}},
      {"named pipe", {"fifo.bin"}},
      {"directory", {"folder.bin"}},
      {"NUL", {std::string("weights.bin\0/../../outside.bin", 30)}},
      {"offset and length overflow", {"weights.bin", largest, 12}},
      {"past the end", {"weights.bin", 20, 12}},
      {"empty", {""}},
      {"missing", {"no such file.bin"}},
  };
  if (has_device_) forms.emplace_back("device", Place{"zero.bin"});
  for (const Site& site : sites()) {
    for (const auto& [form, place] : forms) {
      try {
        import(site.model(place));
        ADD_FAILURE() << site.name << ": " << form << " was read";
      } catch (const Error& error) {
        ASSERT_EQ(error.diagnostics().size(), 1u) << error.message();
        EXPECT_EQ(error_code_text(error.code()), error_code_text(ErrorCode::external_data))
            << site.name << ": " << form << "\n"
            << error.message();
        EXPECT_NE(error.message().find("of tensor \""), std::string::npos) << error.message();
      }
    }
  }
}

TEST_F(ExternalDataTest, model_from_memory_has_none_at_any_site) {
  for (const Site& site : sites()) {
    const auto problems = problems_of(wire::model(site.model({"weights.bin", 0, 12})));
    ASSERT_EQ(problems.size(), 1u);
    EXPECT_EQ(problems[0].code, ErrorCode::external_data) << site.name;
    EXPECT_NE(problems[0].why.find("in memory"), std::string::npos) << problems[0].text();
  }
}

TEST_F(ExternalDataTest, length_that_differs_from_the_shape_is_refused) {
  for (const std::int64_t length : {8, 16, 0}) {
    try {
      import(sites()[0].model({"weights.bin", 0, length}));
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::bad_weights);
      EXPECT_NE(error.message().find("\"w\""), std::string::npos);
    }
  }
}

TEST_F(ExternalDataTest, offset_that_is_no_number_is_refused) {
  for (const std::string offset : {"-1", "1e3", "", "12 ", "99999999999999999999"}) {
    Message tensor = Message().numbers(1, {3}).number(2, kFloat).bytes(8, "w");
    tensor.message(13, Message().bytes(1, "location").bytes(2, "weights.bin"));
    tensor.message(13, Message().bytes(1, "offset").bytes(2, offset));
    tensor.number(14, 1);
    wire::ModelParts parts = around({});
    parts.graph.initializers = {tensor};
    try {
      import(parts);
      ADD_FAILURE() << offset;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::external_data);
    }
  }
}

TEST_F(ExternalDataTest, root_allows_links_that_end_inside_it) {
  ImportOptions options;
  options.external_data_root = folder_.path();
  EXPECT_NO_THROW(import(sites()[0].model({"link.bin", 0, 12}), options));
  options.external_data_root = folder_.path("model/sub");
  EXPECT_THROW(import(sites()[0].model({"link.bin", 0, 12}), options), Error);
}

}  // namespace
}  // namespace strop::onnx
