// SPDX-License-Identifier: Apache-2.0
#include "ops/einsum.hpp"

#include "base/parallel.hpp"
#include "ops/det.hpp"
#include "ops/run_data.hpp"
#include "ops/run_op.hpp"

namespace strop {
namespace {

Tensor sum(const std::string& equation, const std::vector<Tensor>& operands) {
  return run_op(op_einsum(), EinsumAttributes{equation}, operands);
}
ErrorCode refused(const std::string& equation, const std::vector<Tensor>& operands) {
  return error_of(op_einsum(), EinsumAttributes{equation}, operands);
}
std::string type_of(const std::string& equation, const std::vector<std::string>& operands) {
  return infer_op(op_einsum(), EinsumAttributes{equation}, operands)[0].type.to_string();
}

const Tensor kA = ramp({2, 3}, 1);    // 1 2 3 / 4 5 6
const Tensor kB = ramp({3, 2}, 1);    // 1 2 / 3 4 / 5 6
const Tensor kSquare = ramp({2, 2});  // 0 1 / 2 3

TEST(Einsum, moves_sums_and_multiplies) {
  expect_near(sum("ij->ji", {kA}), {3, 2}, {1, 4, 2, 5, 3, 6});
  expect_near(sum("ij->", {kA}), {}, {21});
  expect_near(sum("ij->j", {kA}), {3}, {5, 7, 9});
  expect_near(sum("ij,jk->ik", {kA, kB}), {2, 2}, {22, 28, 49, 64});
  expect_near(sum("ij,jk->ki", {kA, kB}), {2, 2}, {22, 49, 28, 64});
  expect_near(sum("i,j->ij", {ramp({2}, 1), ramp({3}, 1)}), {2, 3}, {1, 2, 3, 2, 4, 6});
  expect_near(sum("i,i->i", {ramp({3}, 1), ramp({3}, 1)}), {3}, {1, 4, 9});
  expect_near(sum("i,i", {ramp({3}, 1), ramp({3}, 1)}), {}, {14});
  expect_near(sum("bij,bjk->bik", {ramp({2, 1, 2}), ramp({2, 2, 1})}), {2, 1, 1}, {1, 13});
  // Indices of one operand alone are summed before anything is multiplied.
  expect_near(sum("ij,kl->ik", {kA, kB}), {2, 3}, {18, 42, 66, 45, 105, 165});
}

TEST(Einsum, takes_diagonals) {
  expect_near(sum("ii->i", {kSquare}), {2}, {0, 3});
  expect_near(sum("ii", {kSquare}), {}, {3});
  expect_near(sum("iji->j", {ramp({2, 3, 2})}), {3}, {7, 11, 15});
  expect_near(sum("ii,ij->j", {kSquare, kA}), {3}, {12, 15, 18});
}

TEST(Einsum, orders_an_implicit_result_by_the_alphabet) {
  expect_near(sum("ba", {kA}), {3, 2}, {1, 4, 2, 5, 3, 6});
  expect_near(sum("ij,jk", {kA, kB}), {2, 2}, {22, 28, 49, 64});
  // Capitals come first.
  expect_near(sum("aB", {kA}), {3, 2}, {1, 4, 2, 5, 3, 6});
  expect_near(sum("b...", {kA}), {3, 2}, {1, 4, 2, 5, 3, 6});
}

TEST(Einsum, broadcasts_behind_an_ellipsis) {
  expect_near(sum("...ij,...jk->...ik", {ramp({2, 1, 2}), ramp({1, 2, 1}, 1)}), {2, 1, 1}, {2, 8});
  expect_near(sum("...i->...", {kA}), {2}, {6, 15});
  expect_near(sum("...ii->...i", {ramp({2, 2, 2})}), {2, 2}, {0, 3, 4, 7});
  expect_near(sum("i...->...i", {kA}), {3, 2}, {1, 4, 2, 5, 3, 6});
  // Left out of the result, its axes are summed.
  expect_near(sum("...i->i", {kA}), {3}, {5, 7, 9});
  // It may stand for no axis.
  expect_near(sum("...ij->...ji", {kA}), {3, 2}, {1, 4, 2, 5, 3, 6});
  // Letters broadcast too.
  expect_near(sum("ij,ij->ij", {kA, floats({2, 1}, {10, 100})}), {2, 3},
              {10, 20, 30, 400, 500, 600});
}

TEST(Einsum, contracts_any_number_of_operands) {
  // A chain whose first product would have 10^8 elements if taken from left to right.
  const Tensor x = ramp({100, 100}, 0, 0.01f), y = ramp({100, 100}, 1, -0.001f);
  Tensor unit = Tensor::zeros(DType::f32, {100, 100});
  for (std::size_t i = 0; i < 100; ++i) unit.mutable_values<float>()[i * 101] = 1;
  const Tensor direct = sum("ij,jk->ik", {x, y});
  const Tensor chain = sum("ab,cd,bc,ed->ae", {x, unit, y, unit});
  expect_near(chain, {100, 100}, doubles_of(direct), 1e-4);
  expect_near(sum("i,i,i,i,i->i", std::vector<Tensor>(5, ramp({3}))), {3}, {0, 1, 32});
  const std::vector<Tensor> scalars(3000, Tensor::scalar(1.0f));
  expect_near(sum(std::string(2999, ',') + "->", scalars), {}, {1});
  expect_near(sum("->", {Tensor::scalar(5.0f)}), {}, {5});
  expect_near(sum("", {Tensor::scalar(5.0f)}), {}, {5});
  expect_near(sum(" i j , j k -> i k ", {kA, kB}), {2, 2}, {22, 28, 49, 64});
}

TEST(Einsum, computes_in_the_type_of_its_operands) {
  const auto squares = [](DType dtype, double value) {
    Tensor x = Tensor::allocate(dtype, {4});
    for (std::int64_t i = 0; i < 4; ++i) store_from_double(dtype, x.mutable_data(), i, value);
    return doubles_of(sum("i,i->", {x, x}))[0];
  };
  for (const DType dtype : {DType::f64, DType::f32, DType::f16, DType::i16, DType::u32}) {
    EXPECT_EQ(squares(dtype, 20), 1600) << to_string(dtype);
  }
  EXPECT_EQ(squares(DType::i8, 20), 64);
  EXPECT_EQ(squares(DType::u8, 20), 64);
  EXPECT_EQ(squares(DType::i64, -9e9), static_cast<double>(static_cast<std::int64_t>(
                                           4 * std::uint64_t{9'000'000'000} * 9'000'000'000)));
  // 16-bit sums are kept in float: 4096 ones and a small number.
  Tensor ones = Tensor::allocate(DType::f16, {4097});
  for (float16& value : ones.mutable_values<float16>()) value = float16(1.0f);
  EXPECT_EQ(doubles_of(sum("i->", {ones}))[0], 4096);  // 4097 rounded once
}

TEST(Einsum, takes_empty_tensors) {
  EXPECT_EQ(sum("ij,jk->ik", {floats({0, 3}, {}), kB}).shape(), (Shape{0, 2}));
  expect_near(sum("ij,jk->ik", {floats({2, 0}, {}), floats({0, 2}, {})}), {2, 2}, {0, 0, 0, 0});
  expect_near(sum("i->", {floats({0}, {})}), {}, {0});
  EXPECT_EQ(sum("ii->i", {floats({0, 0}, {})}).shape(), Shape{0});
}

TEST(Einsum, gives_the_same_for_any_number_of_threads) {
  const Tensor x = ramp({3, 70, 130}, -1, 1e-3f), y = ramp({3, 130, 600}, 1, -1e-4f);
  set_thread_count(1);
  const Tensor one = sum("bij,bjk->kbi", {x, y});
  set_thread_count(4);
  const Tensor four = sum("bij,bjk->kbi", {x, y});
  set_thread_count(0);
  EXPECT_TRUE(one.identical(four));
}

TEST(Einsum, refuses_equations_without_meaning) {
  EXPECT_EQ(refused("ij,jk->ik", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("ij->ik", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("ij,jk->ik", {kA, Tensor()}), ErrorCode::model_malformed);
  EXPECT_EQ(refused("ij->ij", {Tensor()}), ErrorCode::model_malformed);
  EXPECT_EQ(refused("", {}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("ij->ii", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("ij->i->j", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("i1->i", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("i.j->i", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("..", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("...i...->i", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("ij->...i", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("ij->i,j", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("i\xff", {kA}), ErrorCode::bad_attribute);
  EXPECT_EQ(refused("ij-", {kA}), ErrorCode::bad_attribute);
}

TEST(Einsum, refuses_shapes_that_do_not_fit) {
  EXPECT_EQ(refused("ijk->i", {kA}), ErrorCode::bad_shape);
  EXPECT_EQ(refused("i->i", {kA}), ErrorCode::bad_shape);
  EXPECT_EQ(refused("...ijk->i", {kA}), ErrorCode::bad_shape);
  EXPECT_EQ(refused("ij,ij->ij", {kA, kB}), ErrorCode::bad_shape);
  EXPECT_EQ(refused("ii->i", {kA}), ErrorCode::bad_shape);
  EXPECT_EQ(refused("ii->i", {floats({1, 3}, {1, 2, 3})}), ErrorCode::bad_shape);
  EXPECT_EQ(refused("...,...->...", {kA, ramp({3})}), ErrorCode::bad_shape);
  EXPECT_EQ(refused("i,i->", {ramp({2}), Tensor::zeros(DType::f64, {2})}), ErrorCode::bad_type);
}

TEST(Einsum, refuses_products_past_the_limit) {
  RunLimits limits;
  limits.tensor_bytes = 4 * 1000 * 10;
  const Tensor x = ramp({1000});
  const auto code = [&](const std::string& equation, std::vector<Datum> operands) {
    return test::code_of(
        [&] { test::run_data(op_einsum(), EinsumAttributes{equation}, operands, 1, {}, limits); });
  };
  EXPECT_EQ(code("i,j,k,ijk->", {x, x, x, ramp({10, 10, 10})}), ErrorCode::bad_shape);
  // No order avoids a product of a million elements here.
  EXPECT_EQ(code("i,j,i,j->ij", {x, x, x, x}), ErrorCode::limit_exceeded);
  EXPECT_EQ(code("i,j,k->", {x, x, x}), ErrorCode::ok);
}

TEST(Einsum, infers_open_shapes) {
  EXPECT_EQ(type_of("bij,bjk->bik", {"f32[N,M,4]", "f32[N,4,K]"}), "f32[N,M,K]");
  EXPECT_EQ(type_of("...ij->...ji", {"f32[A,B,C]"}), "f32[A,C,B]");
  EXPECT_EQ(type_of("...ij->...ji", {"f32[*]"}), "f32[*]");
  EXPECT_EQ(type_of("ij->ji", {"f32[*]"}), "f32[#test.0,#test.1]");
  EXPECT_EQ(type_of("...i,...i->...", {"f32[*]", "f32[2,3]"}), "f32[2]");
  EXPECT_EQ(type_of("...i->i", {"i32[*]"}), "i32[#test.0]");
}

TEST(Det, eliminates_with_pivots) {
  const auto det = [](Shape shape, const std::vector<float>& values) {
    return doubles_of(run_op(op_det(), NoAttributes{}, {floats(std::move(shape), values)}));
  };
  EXPECT_EQ(det({1, 1}, {-3}), std::vector<double>{-3});
  EXPECT_EQ(det({2, 2}, {1, 2, 3, 4}), std::vector<double>{-2});
  EXPECT_EQ(det({2, 2}, {0, 1, 1, 0}), std::vector<double>{-1});
  EXPECT_EQ(det({3, 3}, {0, 2, 0, 0, 0, 3, 4, 0, 0}), std::vector<double>{24});
  EXPECT_NEAR(det({3, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9})[0], 0, 1e-14);
  EXPECT_EQ(det({2, 2, 2}, {1, 2, 3, 4, 2, 0, 0, 2}), (std::vector<double>{-2, 4}));
  EXPECT_EQ(det({0, 0}, {}), std::vector<double>{1});
  EXPECT_EQ(det({2, 0, 0}, {}), (std::vector<double>{1, 1}));
  EXPECT_TRUE(det({0, 2, 2}, {}).empty());
  EXPECT_TRUE(std::isnan(det({2, 2}, {NAN, 1, 1, 1})[0]));
  EXPECT_TRUE(std::isnan(det({2, 2}, {0, 0, 0, NAN})[0]));
  const Tensor half = Tensor::from<bfloat16>({1, 1}, {bfloat16(2.5f)});
  expect_near(run_op(op_det(), NoAttributes{}, {half}), {}, {2.5});
}

TEST(Det, needs_square_matrices) {
  const auto code = [](Shape shape) {
    return error_of(op_det(), NoAttributes{}, {Tensor::zeros(DType::f32, std::move(shape))});
  };
  EXPECT_EQ(code({2, 3}), ErrorCode::bad_shape);
  EXPECT_EQ(code({4}), ErrorCode::bad_shape);
  EXPECT_EQ(code({}), ErrorCode::bad_shape);
  EXPECT_EQ(infer_op(op_det(), NoAttributes{}, {"f32[N,M,M]"})[0].type.to_string(), "f32[N]");
  EXPECT_EQ(infer_op(op_det(), NoAttributes{}, {"f32[*]"})[0].type.to_string(), "f32[*]");
}

}  // namespace
}  // namespace strop
