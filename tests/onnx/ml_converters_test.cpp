// SPDX-License-Identifier: Apache-2.0
// Operators of ai.onnx.ml as models have them: what each opset means, and what is refused and why.
// tests/models/compare_ml.py compares whole models with ONNX Runtime.
#include <cmath>

#include "ir/evaluate.hpp"
#include "onnx/import_fixture.hpp"

namespace strop::onnx {
namespace {

using Numbers = std::vector<std::int64_t>;
using Words = std::vector<std::string>;
using wire::Message;

Message floats(std::string_view name, const std::vector<float>& values) {
  Message out;
  out.bytes(1, name);
  for (const float value : values) out.real(7, value);
  return out.number(20, 6);
}
Message strings(std::string_view name, const Words& values) {
  Message out;
  out.bytes(1, name);
  for (const std::string& value : values) out.bytes(9, value);
  return out.number(20, 8);
}
Message ints(std::string_view name, const Numbers& values) {
  return wire::ints_attribute(name, values);
}
Message text(std::string_view name, std::string_view value) {
  return wire::string_attribute(name, value);
}
Message number(std::string_view name, std::int64_t value) {
  return wire::int_attribute(name, value);
}

struct Call {
  std::string op;
  std::vector<Message> attributes;
  Numbers outputs = {wire::kFloat};
  std::int64_t input = wire::kFloat;
  std::vector<wire::Size> shape = {"N", 2};
  std::int64_t opset = 1;
  std::string domain = "ai.onnx.ml";
};

std::string model_of(const Call& call) {
  wire::ModelParts parts;
  parts.opsets = {{"", 20}, {"ai.onnx.ml", call.opset}};
  if (call.domain.empty()) parts.opsets = {{"", call.opset}};
  wire::Node node{call.op, {"x"}, {}, call.attributes, "node", call.domain, ""};
  for (std::size_t i = 0; i < call.outputs.size(); ++i) {
    node.outputs.push_back("y" + std::to_string(i));
    parts.graph.outputs.push_back(
        wire::value_info(node.outputs.back(), wire::tensor_type_without_shape(call.outputs[i])));
  }
  parts.graph.inputs = {wire::value_info("x", wire::tensor_type(call.input, call.shape))};
  parts.graph.nodes = {node};
  return wire::model(parts);
}

std::vector<Datum> run(const Call& call, Tensor x) {
  return evaluate_graph(import_bytes(model_of(call)), std::vector<Datum>{Datum(std::move(x))});
}

void expect_refused(const Call& call, const std::string& why) {
  const auto problems = problems_of(model_of(call));
  EXPECT_NE(problems.front().text().find(why), std::string::npos) << problems.front().text();
}

Call without(Call call, std::size_t attribute) {
  call.attributes.erase(call.attributes.begin() + static_cast<std::ptrdiff_t>(attribute));
  return call;
}
Call with(Call call, std::size_t attribute, Message message) {
  call.attributes[attribute] = std::move(message);
  return call;
}

Tensor pair(float a, float b) { return Tensor::from<float>({1, 2}, {a, b}); }

// x0 <= 0 ? (x1 > 1 ? 1 : 2) : 3, for the classes 7 and 9.
Call classifier() {
  return {"TreeEnsembleClassifier",
          {ints("nodes_treeids", {4, 4, 4, 4, 4}), ints("nodes_nodeids", {10, 11, 12, 13, 14}),
           strings("nodes_modes", {"BRANCH_LEQ", "BRANCH_GT", "LEAF", "LEAF", "LEAF"}),
           ints("nodes_featureids", {0, 1, 0, 0, 0}), floats("nodes_values", {0, 1, 0, 0, 0}),
           ints("nodes_truenodeids", {11, 12, 0, 0, 0}),
           ints("nodes_falsenodeids", {14, 13, 0, 0, 0}), ints("class_treeids", {4, 4, 4, 4, 4}),
           ints("class_nodeids", {12, 12, 13, 14, 11}), ints("class_ids", {0, 1, 1, 0, 0}),
           floats("class_weights", {1, 3, 2, 3, 100}), ints("classlabels_int64s", {7, 9})},
          {wire::kInt64, wire::kFloat}};
}

TEST(MlConverters, trees_are_found_by_tree_and_node) {
  const auto out = run(classifier(), Tensor::from<float>({3, 2}, {0, 2, 0, 1, 1, 0}));
  EXPECT_EQ(out[0].tensor().to_i64(), (Numbers{9, 9, 7}));
  EXPECT_TRUE(out[1].tensor().identical(Tensor::from<float>({3, 2}, {1, 3, 0, 2, 3, 0})));
}

TEST(MlConverters, trees_that_are_none_are_refused) {
  const Call good = classifier();
  expect_refused(with(good, 1, ints("nodes_nodeids", {10, 10, 12, 13, 14})), "more than once");
  expect_refused(with(good, 1, ints("nodes_nodeids", {10, 11})), "differ in length");
  expect_refused(
      with(good, 2, strings("nodes_modes", {"BRANCH_LEQ", "BRANCH", "LEAF", "LEAF", "LEAF"})),
      "BRANCH");
  expect_refused(with(good, 5, ints("nodes_truenodeids", {10, 12, 0, 0, 0})), "leads back");
  expect_refused(with(good, 5, ints("nodes_truenodeids", {99, 12, 0, 0, 0})), "has no node 99");
  expect_refused(with(good, 8, ints("class_nodeids", {12, 12, 13, 14, 99})), "has no node 99");
  expect_refused(with(good, 9, ints("class_ids", {0, 1, 2, 0, 0})), "target 2");
  expect_refused(with(good, 9, ints("class_ids", {0, 1})), "differ in length");
  expect_refused(without(good, 11), "classlabels_strings");
  expect_refused(without(good, 0), "differ in length");
  Call both = good;
  both.attributes.push_back(strings("classlabels_strings", {"a", "b"}));
  expect_refused(both, "not both");
  Call transform = good;
  transform.attributes.push_back(text("post_transform", "SOFT"));
  expect_refused(transform, "SOFT");
  Call base = good;
  base.attributes.push_back(floats("base_values", {1, 2, 3}));
  expect_refused(base, "base_values");
  Call narrow = good;
  narrow.shape = {"N", 1};
  expect_refused(narrow, "2 features");
}

TEST(MlConverters, an_attribute_of_a_later_opset_is_meaningless_before) {
  Call call = classifier();
  call.attributes.push_back(
      wire::tensor_attribute("base_values_as_tensor", wire::float_tensor("", {2}, {1, 2})));
  expect_refused(call, "base_values_as_tensor");
  call.opset = 3;
  const auto out = run(call, pair(1, 0));
  EXPECT_TRUE(out[1].tensor().identical(Tensor::from<float>({1, 2}, {4, 2})));
}

TEST(MlConverters, one_score_of_two_classes_becomes_two) {
  Call call = with(classifier(), 9, ints("class_ids", {0, 0, 0, 0, 0}));
  call = with(call, 10, floats("class_weights", {0.25f, 0.25f, 0.75f, -0.5f, 0}));
  auto out = run(call, Tensor::from<float>({2, 2}, {0, 1, 1, 0}));
  EXPECT_EQ(out[0].tensor().to_i64(), (Numbers{9, 7}));
  EXPECT_TRUE(out[1].tensor().identical(Tensor::from<float>({2, 2}, {-0.75f, 0.75f, 0.5f, -0.5f})));
  // Weights that are all positive are probabilities.
  call = with(call, 10, floats("class_weights", {0.25f, 0.25f, 0.75f, 0.125f, 0}));
  out = run(call, Tensor::from<float>({2, 2}, {0, 1, 1, 0}));
  EXPECT_EQ(out[0].tensor().to_i64(), (Numbers{9, 7}));
  EXPECT_TRUE(
      out[1].tensor().identical(Tensor::from<float>({2, 2}, {0.25f, 0.75f, 0.875f, 0.125f})));
}

Message mode_tensor(const std::string& modes) {
  Message tensor;
  tensor.number(1, static_cast<std::int64_t>(modes.size())).number(2, wire::kUint8).bytes(9, modes);
  return wire::tensor_attribute("nodes_modes", tensor);
}
Message float_tensor(const char* name, const std::vector<float>& values) {
  return wire::tensor_attribute(
      name, wire::float_tensor("", {static_cast<std::int64_t>(values.size())}, values));
}

// x0 < 1 ? -1 : (x1 in {5, 6} ? 10 : 20)
Call ensemble() {
  return {"TreeEnsemble",
          {ints("tree_roots", {0}), mode_tensor(std::string("\x01\x06", 2)),
           float_tensor("nodes_splits", {1, 0}), ints("nodes_featureids", {0, 1}),
           ints("nodes_truenodeids", {0, 1}), ints("nodes_trueleafs", {1, 1}),
           ints("nodes_falsenodeids", {1, 2}), ints("nodes_falseleafs", {0, 1}),
           float_tensor("membership_values", {5, 6, NAN}), ints("leaf_targetids", {0, 0, 0}),
           float_tensor("leaf_weights", {-1, 10, 20})},
          {wire::kFloat},
          wire::kFloat,
          {"N", 2},
          5};
}

TEST(MlConverters, an_ensemble_of_opset_5_has_leaves_of_its_own) {
  const auto out = run(ensemble(), Tensor::from<float>({3, 2}, {0, 5, 1, 6, 1, 7}));
  EXPECT_TRUE(out[0].tensor().identical(Tensor::from<float>({3, 1}, {-1, 10, 20})));
  expect_refused(without(ensemble(), 8), "no set");
  expect_refused(with(ensemble(), 8, float_tensor("membership_values", {5, 6})), "no set");
  expect_refused(with(ensemble(), 8, float_tensor("membership_values", {5, NAN, 6, NAN})),
                 "more sets");
  expect_refused(with(ensemble(), 0, ints("tree_roots", {-1})), "tree_roots");
  expect_refused(with(ensemble(), 4, ints("nodes_truenodeids", {INT64_MIN, 1})),
                 "nodes_truenodeids");
  expect_refused(with(ensemble(), 4, ints("nodes_truenodeids", {3, 1})), "leads to nothing");
  expect_refused(with(ensemble(), 6, ints("nodes_falsenodeids", {0, 2})), "leads back");
  expect_refused(with(ensemble(), 9, ints("leaf_targetids", {0, INT64_MAX, 0})), "target");
}

TEST(MlConverters, labels_are_looked_up_as_each_opset_has_it) {
  Call call{"LabelEncoder",
            {ints("keys_int64s", {1, 2, 1}), floats("values_floats", {0.5f, 1, 2})},
            {wire::kFloat},
            wire::kInt64,
            {"N"}};
  const Tensor x = Tensor::from<std::int64_t>({3}, {1, 2, 3});
  expect_refused(call, "keys_int64s");  // opset 1 has other attributes
  call.opset = 2;
  EXPECT_TRUE(run(call, x)[0].tensor().identical(Tensor::from<float>({3}, {0.5f, 1, -0.0f})));
  call.opset = 4;
  EXPECT_TRUE(run(call, x)[0].tensor().identical(Tensor::from<float>({3}, {2, 1, -0.0f})));
  call.attributes.push_back(ints("values_int64s", {1, 2, 3}));
  expect_refused(call, "one attribute values_*");
  expect_refused(with(without(call, 2), 1, floats("values_floats", {1})), "one length");
}

TEST(MlConverters, a_scaler_and_an_imputer_keep_to_the_features) {
  const Call scaler{"Scaler", {floats("offset", {1, 2}), floats("scale", {2, 3})}};
  EXPECT_TRUE(run(scaler, pair(2, 4))[0].tensor().identical(pair(2, 6)));
  expect_refused(with(scaler, 1, floats("scale", {1, 2, 3})), "3 elements");
  const Call imputer{
      "Imputer",
      {floats("imputed_value_floats", {8, 9}), wire::float_attribute("replaced_value_float", NAN)}};
  EXPECT_TRUE(run(imputer, pair(NAN, NAN))[0].tensor().identical(pair(8, 9)));
  expect_refused(with(imputer, 0, floats("imputed_value_floats", {1, 2, 3})), "3 values");
  expect_refused(without(imputer, 0), "imputed_value_floats");
}

TEST(MlConverters, a_binarizer_compares_integers_exactly) {
  const auto binarize = [](float threshold, std::int64_t value) {
    const Call call{"Binarizer",
                    {wire::float_attribute("threshold", threshold)},
                    {wire::kInt64},
                    wire::kInt64,
                    {"N"}};
    return run(call, Tensor::from<std::int64_t>({1}, {value}))[0].tensor().to_i64().front();
  };
  EXPECT_EQ(binarize(0.5f, 0), 0);
  EXPECT_EQ(binarize(0.5f, 1), 1);
  EXPECT_EQ(binarize(-0.5f, 0), 1);
  EXPECT_EQ(binarize(1e30f, INT64_MAX), 0);
  EXPECT_EQ(binarize(-1e30f, INT64_MIN), 1);
  EXPECT_EQ(binarize(NAN, 5), 0);
}

TEST(MlConverters, linear_models_and_machines_check_their_lists) {
  const Call linear{"LinearClassifier",
                    {floats("coefficients", {1, 2, 3, 4}), floats("intercepts", {0, 1}),
                     strings("classlabels_strings", {"no", "yes"})},
                    {wire::kString, wire::kFloat}};
  EXPECT_EQ(run(linear, pair(1, 1))[0].tensor().values<std::string>()[0], "yes");
  expect_refused(with(linear, 0, floats("coefficients", {1, 2, 3})), "equal rows");
  expect_refused(with(linear, 1, floats("intercepts", {0, 1, 2})), "intercepts");
  expect_refused(without(linear, 0), "coefficients");
  expect_refused(with(linear, 0, floats("coefficients", {1, 2, 3, 4, 5, 6})), "equal");
  const Call machine{
      "SVMClassifier",
      {ints("vectors_per_class", {1, 1}), floats("support_vectors", {0, 0, 1, 1}),
       floats("coefficients", {1, -1}), floats("rho", {0.5f}), ints("classlabels_ints", {0, 1})},
      {wire::kInt64, wire::kFloat}};
  EXPECT_EQ(run(machine, pair(1, 1))[0].tensor().to_i64(), (Numbers{1}));
  expect_refused(with(machine, 0, ints("vectors_per_class", {2, 2})), "features");
  expect_refused(with(machine, 0, ints("vectors_per_class", {INT64_MAX, 2})), "vectors_per_class");
  expect_refused(with(machine, 0, ints("vectors_per_class", {1, 1, 1})), "2 classes");
  expect_refused(with(machine, 3, floats("rho", {1, 2})), "rho");
  Call kernel = machine;
  kernel.attributes.push_back(text("kernel_type", "GAUSS"));
  expect_refused(kernel, "GAUSS");
  kernel = machine;
  kernel.attributes.push_back(floats("kernel_params", {1}));
  expect_refused(kernel, "kernel_params");
}

TEST(MlConverters, a_dft_has_its_axis_as_attribute_or_input) {
  const Tensor x = Tensor::from<float>({2, 2, 1}, {1, 2, 3, 5});
  const std::vector<wire::Size> shape = {2, 2, 1};
  const Call old{"DFT", {number("axis", 0)}, {wire::kFloat}, wire::kFloat, shape, 17, ""};
  EXPECT_TRUE(run(old, x)[0].tensor().identical(
      Tensor::from<float>({2, 2, 2}, {4, 0, 7, 0, -2, 0, -3, 0})));
  EXPECT_TRUE(run(without(old, 0), x)[0].tensor().identical(
      Tensor::from<float>({2, 2, 2}, {3, 0, -1, 0, 8, 0, -2, 0})));
  expect_refused(with(old, 0, number("axis", 2)), "axis 2");
  Call fresh = old;
  fresh.opset = 20;
  expect_refused(fresh, "axis");
}

TEST(MlConverters, text_operators_check_their_attributes) {
  const Call regex{
      "RegexFullMatch", {text("pattern", "a(")}, {wire::kBool}, wire::kString, {"N"}, 20, ""};
  expect_refused(regex, "a ( without a )");
  const Call normalizer{"StringNormalizer",
                        {text("case_change_action", "TITLE")},
                        {wire::kString},
                        wire::kString,
                        {"N"},
                        10,
                        ""};
  expect_refused(normalizer, "TITLE");
  expect_refused(with(normalizer, 0, text("locale", "tr_TR")), "Turkish");
  const Call grams{"TfIdfVectorizer",
                   {text("mode", "TF"), number("min_gram_length", 1), number("max_gram_length", 1),
                    number("max_skip_count", 0), ints("ngram_counts", {0}),
                    ints("ngram_indexes", {0, 1}), ints("pool_int64s", {4, 5})},
                   {wire::kFloat},
                   wire::kInt64,
                   {"N"},
                   9,
                   ""};
  EXPECT_TRUE(run(grams, Tensor::from<std::int64_t>({3}, {5, 5, 4}))[0].tensor().identical(
      Tensor::from<float>({2}, {1, 2})));
  expect_refused(with(grams, 0, text("mode", "DF")), "DF");
  expect_refused(without(grams, 6), "pool_strings");
  expect_refused(without(grams, 0), "mode");
  const Call image{
      "ImageDecoder", {text("pixel_format", "CMYK")}, {wire::kUint8}, wire::kUint8, {"N"}, 20, ""};
  expect_refused(image, "CMYK");
}

}  // namespace
}  // namespace strop::onnx
