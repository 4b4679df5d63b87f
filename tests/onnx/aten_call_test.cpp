// SPDX-License-Identifier: Apache-2.0
// The forms in which exporters wrote calls of PyTorch, and calls that are refused.
#include <chrono>

#include "onnx/aten_call.hpp"

namespace strop::onnx {
namespace {

const Tensor kX = ramp({2, 3});

bool mentions(const Diagnostic& problem, const std::string& text) {
  const bool found = problem.text().find(text) != std::string::npos;
  EXPECT_TRUE(found) << problem.text();
  return found;
}

TEST(AtenCall, is_known_in_all_domains) {
  for (const char* domain : {"", "aten", "org.pytorch.aten"})
    expect_near(run_aten({"t", {kX}, {}, 1, domain}), {3, 2}, {0, 3, 1, 4, 2, 5});
}

TEST(AtenCall, an_operator_of_the_domain_is_called_by_its_own_name) {
  wire::ModelParts parts = parts_of({{"relu", {"x"}, {"y"}, {}, "here", "aten", ""}});
  EXPECT_EQ(import_parts(parts).node_count(), 1u);
}

TEST(AtenCall, a_list_may_be_a_sequence) {
  wire::ModelParts parts = parts_of(
      {{"SequenceConstruct", {"i", "j"}, {"list"}, {}, "", "", ""},
       {"ATen", {"w", "list"}, {"y"}, {wire::string_attribute("operator", "index")}, "", "", ""}});
  parts.graph.initializers = {wire::float_tensor("w", {2, 3}, {0, 1, 2, 3, 4, 5}),
                              wire::int64_tensor("i", {2}, {1, 0}),
                              wire::int64_tensor("j", {2}, {2, 1})};
  parts.graph.inputs = {};
  parts.graph.outputs = {wire::value_info("y", wire::tensor_type_without_shape(wire::kFloat))};
  expect_near(evaluate_graph(import_parts(parts), {})[0].tensor(), {2}, {5, 1});
}

TEST(AtenCall, sizes_may_be_computed) {
  expect_near(run_aten({"view", {kX, list({3, 2})}}, {0, 1}), {3, 2}, {0, 1, 2, 3, 4, 5});
}

TEST(AtenCall, what_is_unknown_is_refused_by_name_within_a_second) {
  const auto begin = std::chrono::steady_clock::now();
  const Diagnostic problem = aten_problem({"frobnicate.Tensor", {kX}});
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  EXPECT_EQ(problem.code, ErrorCode::unsupported_operator);
  EXPECT_EQ(problem.node, "here");
  EXPECT_EQ(problem.op, "ATen");
  mentions(problem, "aten::frobnicate.Tensor");
  mentions(problem, "operator_export_type");
}

TEST(AtenCall, overloads_that_are_not_known_are_listed) {
  const Diagnostic problem = aten_problem({"add.complex", {kX, kX}});
  EXPECT_EQ(problem.code, ErrorCode::unsupported_operator);
  mentions(problem, "aten::add.complex");
  mentions(problem, "Tensor, Scalar");
}

TEST(AtenCall, hostile_arguments_are_refused) {
  const auto code = [](const AtenNode& call) { return aten_problem(call).code; };
  EXPECT_EQ(code({"t", {none()}}), ErrorCode::model_malformed);
  EXPECT_EQ(code({"unfold", {kX, text("0"), whole(1), whole(1)}}), ErrorCode::unsupported_operator);
  EXPECT_EQ(code({"unfold", {kX, real(0), whole(1), whole(1)}}), ErrorCode::model_malformed);
  EXPECT_EQ(code({"unfold", {kX, list({}), whole(1), whole(1)}}), ErrorCode::model_malformed);
  EXPECT_EQ(code({"unfold", {kX, whole(INT64_MIN), whole(1), whole(1)}}), ErrorCode::bad_attribute);
  EXPECT_EQ(code({"softmax", {kX}, {wire::string_attribute("dim", "last")}}),
            ErrorCode::bad_attribute);
  EXPECT_EQ(code({"softmax.int", {kX, whole(0), none(), kX, kX}}), ErrorCode::unsupported_operator);
  EXPECT_EQ(code({"softmax.int", {kX, whole(0)}, {wire::int_attribute("axes", 1)}}),
            ErrorCode::bad_attribute);
  // An operator that is no text, or none at all.
  for (wire::Message which :
       {wire::int_attribute("operator", 1), wire::string_attribute("o", "t")}) {
    EXPECT_EQ(
        problems_of(wire::model(parts_of({{"ATen", {"x"}, {"y"}, {which}, "", "", ""}})))[0].code,
        ErrorCode::unsupported_operator);
  }
}

}  // namespace
}  // namespace strop::onnx
