// SPDX-License-Identifier: Apache-2.0
#include "ops/tree_ensemble.hpp"

#include "ops/probit.hpp"
#include "ops/run_op.hpp"
#include "ops/softmax_zero.hpp"

namespace strop {
namespace {

// x0 <= 1 ? (x1 < -2 ? leaf 0 : leaf 1) : leaf 2; leaves weigh 1, 10, 100 for target 0.
TreeEnsembleAttributes two_nodes() {
  TreeEnsembleAttributes out;
  out.roots = {0};
  out.node_feature = {0, 1};
  out.node_mode = {0, 1};
  out.node_split = floats({2}, {1, -2});
  out.node_true = {1, -1};
  out.node_false = {-3, -2};
  out.leaf_begin = {0, 1, 2, 3};
  out.weight_target = {0, 0, 0};
  out.weight = floats({3}, {1, 10, 100});
  return out;
}

// One node with this comparison to 0: weight 1 if it holds, else 0.
TreeEnsembleAttributes one_node(std::int64_t mode) {
  TreeEnsembleAttributes out;
  out.roots = {0};
  out.node_feature = {0};
  out.node_mode = {mode};
  out.node_split = floats({1}, {0});
  out.node_true = {-1};
  out.node_false = {-2};
  out.leaf_begin = {0, 1, 2};
  out.weight_target = {0, 0};
  out.weight = floats({2}, {1, 0});
  return out;
}

TEST(TreeEnsemble, leads_each_row_to_its_leaf) {
  const Tensor y =
      run_op(op_tree_ensemble(), two_nodes(), {floats({4, 2}, {1, -3, 1, -2, 2, -3, NAN, 0})});
  expect_near(y, {4, 1}, {1, 10, 100, 100});
}

TEST(TreeEnsemble, compares_in_every_mode) {
  const Tensor x = floats({4, 1}, {-1, 0, 1, NAN});
  const std::vector<std::vector<double>> wanted = {{1, 1, 0, 0}, {1, 0, 0, 0}, {0, 1, 1, 0},
                                                   {0, 0, 1, 0}, {0, 1, 0, 0}, {1, 0, 1, 1}};
  for (std::size_t mode = 0; mode < wanted.size(); ++mode) {
    auto attributes = one_node(static_cast<std::int64_t>(mode));
    expect_near(run_op(op_tree_ensemble(), attributes, {x}), {4, 1}, wanted[mode]);
    attributes.node_nan_is_true = {1};
    std::vector<double> with_nan = wanted[mode];
    with_nan[3] = 1;
    expect_near(run_op(op_tree_ensemble(), attributes, {x}), {4, 1}, with_nan);
  }
}

TEST(TreeEnsemble, asks_whether_a_value_is_in_a_set) {
  auto attributes = one_node(6);
  attributes.member_begin = {0, 3};
  attributes.members = Tensor::from<double>({3}, {7, -1, 2.5});
  const Tensor y = run_op(op_tree_ensemble(), attributes, {floats({5, 1}, {7, 0, 2.5f, -1, NAN})});
  expect_near(y, {5, 1}, {1, 0, 1, 1, 0});
}

TEST(TreeEnsemble, puts_weights_together_by_target) {
  TreeEnsembleAttributes attributes;  // three trees of a leaf each; target 2 gets no weight
  attributes.targets = 3;
  attributes.roots = {-1, -2, -3};
  attributes.node_split = floats({0}, {});
  attributes.leaf_begin = {0, 2, 3, 4};
  attributes.weight_target = {0, 1, 0, 0};
  attributes.weight = floats({4}, {1, -6, 3, -1});
  attributes.base_values = floats({3}, {0.5f, 0, 7});
  const Tensor x = Tensor::zeros(DType::f64, {1, 0});
  const auto run = [&](TreeAggregate aggregate) {
    attributes.aggregate = aggregate;
    return run_op(op_tree_ensemble(), attributes, {x});
  };
  expect_near(run(TreeAggregate::sum), {1, 3}, {3.5, -6, 7});
  expect_near(run(TreeAggregate::average), {1, 3}, {1.5, -2, 7});
  expect_near(run(TreeAggregate::min), {1, 3}, {-0.5, -6, 7});
  expect_near(run(TreeAggregate::max), {1, 3}, {3.5, -6, 7});
}

TEST(TreeEnsemble, takes_nodes_that_two_paths_share) {
  auto attributes = two_nodes();
  attributes.node_true = {1, -1};
  attributes.node_false = {1, -2};  // both ways lead to node 1
  const Tensor y = run_op(op_tree_ensemble(), attributes, {floats({2, 2}, {0, -3, 9, 0})});
  expect_near(y, {2, 1}, {1, 10});
}

TEST(TreeEnsemble, gives_nothing_for_no_rows) {
  EXPECT_EQ(run_op(op_tree_ensemble(), two_nodes(), {floats({0, 2}, {})}).shape(), (Shape{0, 1}));
}

TEST(TreeEnsemble, keeps_symbolic_rows) {
  const auto y = infer_op(op_tree_ensemble(), two_nodes(), {"f32[N,F]"});
  EXPECT_EQ(y[0].type.to_string(), "f32[N,1]");
}

TEST(TreeEnsemble, survives_its_text) {
  const Attributes attributes(two_nodes());
  const Attributes read = Attributes::parse(*op_tree_ensemble().attributes, attributes.to_string());
  EXPECT_TRUE(read == attributes);
  expect_near(run_op(op_tree_ensemble(), read, {floats({1, 2}, {1, -3})}), {1, 1}, {1});
}

TEST(TreeEnsemble, refuses_what_is_no_tree) {
  const Tensor x = floats({1, 2}, {0, 0});
  const auto refused = [&](auto change) {
    auto attributes = two_nodes();
    change(attributes);
    EXPECT_EQ(error_of(op_tree_ensemble(), attributes, {x}), ErrorCode::bad_attribute);
  };
  refused([](auto& a) { a.node_true = {0, -1}; });   // to itself
  refused([](auto& a) { a.node_false = {-3, 0}; });  // around
  refused([](auto& a) { a.node_true = {2, -1}; });   // no such node
  refused([](auto& a) { a.node_true = {1, -4}; });   // no such leaf
  refused([](auto& a) { a.roots = {INT64_MIN}; });
  refused([](auto& a) { a.roots = {}; });
  refused([](auto& a) { a.node_mode = {7, 0}; });
  refused([](auto& a) { a.node_mode = {6, 0}; });  // a set that is not there
  refused([](auto& a) { a.node_mode = {0}; });
  refused([](auto& a) { a.node_feature = {-1, 0}; });
  refused([](auto& a) { a.node_split = Tensor(); });
  refused([](auto& a) { a.leaf_begin = {0, 2, 1, 3}; });
  refused([](auto& a) { a.leaf_begin = {0, 1, 2, 4}; });
  refused([](auto& a) { a.weight_target = {0, 1, 0}; });
  refused([](auto& a) { a.targets = 0; });
  refused([](auto& a) { a.base_values = floats({2}, {0, 0}); });
  refused([](auto& a) { a.node_nan_is_true = {1}; });
  EXPECT_EQ(error_of(op_tree_ensemble(), two_nodes(), {floats({1, 1}, {0})}), ErrorCode::bad_shape);
  EXPECT_EQ(error_of(op_tree_ensemble(), two_nodes(), {floats({2}, {0, 0})}), ErrorCode::bad_shape);
}

TEST(TreeEnsemble, refuses_a_path_that_is_too_long) {
  TreeEnsembleAttributes attributes;
  constexpr std::int64_t kNodes = 70'000;
  for (std::int64_t i = 0; i < kNodes; ++i) {
    attributes.node_true.push_back(i + 1 < kNodes ? i + 1 : -1);
    attributes.node_false.push_back(-1);
  }
  attributes.node_feature.assign(kNodes, 0);
  attributes.node_mode.assign(kNodes, 0);
  attributes.node_split = Tensor::zeros(DType::f32, {kNodes});
  attributes.leaf_begin = {0, 1};
  attributes.weight_target = {0};
  attributes.weight = floats({1}, {1});
  attributes.roots = {0};
  EXPECT_EQ(error_of(op_tree_ensemble(), attributes, {floats({1, 1}, {0})}),
            ErrorCode::bad_attribute);
  // Shorter ones, but very many of them over the same nodes.
  attributes.roots.assign(100'000, kNodes - 60'000);
  EXPECT_EQ(error_of(op_tree_ensemble(), attributes, {floats({1, 1}, {0})}),
            ErrorCode::bad_attribute);
}

TEST(Probit, is_the_approximate_inverse_of_the_normal_distribution) {
  const Tensor y =
      run_op(op_probit(), NoAttributes{}, {floats({7}, {0.5f, 0.975f, 0.025f, 0, 1, -0.5f, NAN})});
  expect_near(y, {7}, {0, 1.96, -1.96, -INFINITY, INFINITY, NAN, NAN}, 3e-3);
}

TEST(SoftmaxZero, leaves_out_what_has_no_score) {
  const Tensor y =
      run_op(op_softmax_zero(), NoAttributes{}, {floats({3, 3}, {0, 1, 1, 0, 0, 0, 0, -2, 0})});
  expect_near(y, {3, 3}, {0, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 1, 0});
  EXPECT_EQ(error_of(op_softmax_zero(), NoAttributes{}, {floats({}, {1})}), ErrorCode::bad_shape);
  EXPECT_EQ(run_op(op_softmax_zero(), NoAttributes{}, {floats({2, 0}, {})}).size(), 0);
}

}  // namespace
}  // namespace strop
