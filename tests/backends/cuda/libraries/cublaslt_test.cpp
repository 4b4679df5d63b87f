// SPDX-License-Identifier: Apache-2.0
// Products by cuBLASLt: what the tactic takes, what its parameters may say, and on a GPU that the
// results are the reference's.
#include "backends/cuda/cublaslt_library.hpp"

#include "backends/cuda/libraries/library_check.hpp"
#include "backends/cuda/library_records.hpp"
#include "base/error.hpp"
#include "tactic/candidates.hpp"

namespace strop::cuda {
std::span<const Tactic* const> cuda_tactics();
}

namespace strop {
namespace {

using testing::Question;

const Tactic* find_tactic() {
  for (const Tactic* tactic : cuda::cuda_tactics()) {
    if (tactic->name == "matmul_cublaslt") return tactic;
  }
  return nullptr;
}

#define STROP_SKIP_WITHOUT_CUBLASLT() \
  if (find_tactic() == nullptr) GTEST_SKIP() << "built without cuBLASLt"

struct Case {
  std::string inputs;  // of the graph
  std::string body;    // of the graph, or of a fused node whose operands are given
  testing::ConstantTypes constants{};
  SymbolValues sizes{};
};

// T stands for the element type.
Question question_of(const Case& from, DType type, const DeviceProperties& chip) {
  std::string text = "graph main(" + from.inputs + ") -> (%y) {\n" + from.body + " }";
  for (std::size_t at = text.find(": T["); at != std::string::npos; at = text.find(": T["))
    text.replace(at + 2, 1, to_string(type));
  testing::ConstantTypes constants = from.constants;
  for (auto& constant : constants) constant.first = type;
  return Question(text, testing::made_up(constants), chip);
}

std::string fused(const std::string& operands, const std::string& inputs, const std::string& body) {
  return "%y = fused{kind=\"matmul\"}(" + operands + ") body graph body(" + inputs +
         ") -> (%y) { " + body + " }";
}

const DType kF16 = DType::f16;

std::vector<Case> cases() {
  const SymbolValues open{{"N", 3}, {"S", 17}};
  std::vector<Case> out{
      {"%a: T[64,96]", "const %b: T[96,80] = @0\n%y = matmul(%a, %b)", {{kF16, {96, 80}}}},
      {"%a: T[N,S,40]", "const %b: T[40,24] = @0\n%y = matmul(%a, %b)", {{kF16, {40, 24}}}, open},
      {"%a: T[N,4,S,32], %b: T[N,4,32,S]", "%y = matmul(%a, %b)", {}, open},
      {"%a: T[N,4,S,S], %b: T[N,4,S,32]", "%y = matmul(%a, %b)", {}, open},
      {"%a: T[5,7], %b: T[6,7,3]", "%y = matmul(%a, %b)"},
      {"%a: T[33,65]",
       "const %b: T[129,65] = @0\nconst %c: T[129] = @1\n%y = gemm{trans_b=true}(%a, %b, %c)",
       {{kF16, {129, 65}}, {kF16, {129}}}},
      {"%a: T[64,S]",
       "const %b: T[64,48] = @0\n%y = gemm{trans_a=true}(%a, %b)",
       {{kF16, {64, 48}}},
       open},
      {"%a: T[0,16]", "const %b: T[16,8] = @0\n%y = matmul(%a, %b)", {{kF16, {16, 8}}}},
  };
  const auto chain = [&](const std::string& steps, bool residual) {
    out.push_back({std::string("%a: T[N,S,64]") + (residual ? ", %r: T[N,S,128]" : ""),
                   "const %b: T[64,128] = @0\nconst %c: T[128] = @1\n" +
                       fused(residual ? "%a, %b, %c, %r" : "%a, %b, %c",
                             std::string("%a: T[N,S,64], %b: T[64,128], %c: T[128]") +
                                 (residual ? ", %r: T[N,S,128]" : ""),
                             "%m = matmul(%a, %b) %s = binary(%m, %c) " + steps),
                   {{kF16, {64, 128}}, {kF16, {128}}},
                   open});
  };
  chain("%y = unary(%s)", false);
  chain("%y = unary{function=\"gelu_tanh\"}(%s)", false);
  chain("%y = binary(%s, %r)", true);
  chain("%t = binary(%s, %r) %y = unary(%t)", true);
  // A bias for every matrix of a batch.
  out.push_back({"%a: T[N,8,32], %b: T[N,32,16], %c: T[16]",
                 fused("%a, %b, %c", "%a: T[N,8,32], %b: T[N,32,16], %c: T[16]",
                       "%m = matmul(%a, %b) %s = binary(%m, %c) %y = unary(%s)"),
                 {},
                 open});
  return out;
}

TEST(matmul_cublaslt, takes_products_in_every_float_type) {
  STROP_SKIP_WITHOUT_CUBLASLT();
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    for (const Case& one : cases()) {
      const Question question = question_of(one, type, testing::some_chip());
      const Acceptance acceptance = find_tactic()->accepts(question.problem);
      EXPECT_TRUE(acceptance.yes) << one.inputs << one.body << acceptance.reason;
      const KernelChoice choice = find_tactic()->lower(question.problem, "3");
      const cuda::LibraryProduct record = cuda::parse_library_product(choice.parameters);
      EXPECT_EQ(choice.kernel, "cublaslt_matmul");
      EXPECT_EQ(record.choice.number, 3u);
      EXPECT_EQ(to_text(record), choice.parameters);
    }
  }
}

TEST(matmul_cublaslt, says_why_it_refuses) {
  STROP_SKIP_WITHOUT_CUBLASLT();
  const auto reason = [](const Case& one) {
    const Question question = question_of(one, DType::f16, testing::some_chip());
    return find_tactic()->accepts(question.problem).reason;
  };
  EXPECT_EQ(reason({"%a: T[8], %b: T[8,4]", "%y = matmul(%a, %b)"}),
            "it takes operands of 2 to 8 axes");
  EXPECT_EQ(reason({"%a: T[2,1,8,8], %b: T[1,3,8,8]", "%y = matmul(%a, %b)"}),
            "its batches are repeated in part");
  const auto step = [&](const std::string& function) {
    return reason({"%a: T[8,4], %b: T[4,8]",
                   fused("%a, %b", "%a: T[8,4], %b: T[4,8]",
                         "%m = matmul(%a, %b) %y = unary{function=\"" + function + "\"}(%m)")});
  };
  EXPECT_EQ(step("gelu"), "the library has ReLU and GELU by tanh");
  EXPECT_EQ(step("sin"), "the library has no sin");
  EXPECT_EQ(reason({"%a: T[8,S], %b: T[S,8], %c: T[8]",
                    fused("%a, %b, %c", "%a: T[8,S], %b: T[S,8], %c: T[8]",
                          "%m = matmul(%a, %b) %y = binary(%m, %c)")}),
            "how much it sums is open, and may be nothing");
}

TEST(matmul_cublaslt, is_left_out_by_the_library_s_name) {
  STROP_SKIP_WITHOUT_CUBLASLT();
  const Question question = question_of(cases()[0], DType::f16, testing::some_chip());
  const std::vector<std::string> excluded{"cublaslt"};
  for (const Candidate& candidate :
       list_candidates(question.problem, cuda::cuda_tactics(), excluded).candidates)
    EXPECT_NE(candidate.tactic, find_tactic());
}

TEST(library_product, parameters_that_are_none_are_refused) {
  const std::string good = to_text(cuda::LibraryProduct{});
  EXPECT_NO_THROW(cuda::parse_library_product(good));
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string out = good;
    out.replace(out.find(from), from.size(), to);
    return out;
  };
  for (const std::string& text :
       {std::string(), std::string("{"), std::string("[]"), std::string("{}"),
        std::string(5000, ' '), changed("\"a\":0", "\"a\":-1"),
        changed("\"a\":0", "\"a\":99999999"), changed("\"a\":0", "\"a\":\"x\""),
        changed("false", "2"), changed("\"choice\":0", "\"choice\":-1"),
        changed("\"choice\":0", "\"choice\":1e9"),
        changed("\"choice\"", "\"activation\":\"sine\",\"choice\""),
        changed("\"choice\"", "\"activation\":\"elu\",\"alpha\":null,\"choice\""),
        changed("\"choice\"", "\"bias\":-3,\"choice\"")}) {
    try {
      cuda::parse_library_product(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::engine_invalid) << error.message();
    }
  }
}

TEST(matmul_cublaslt, parameters_of_another_step_are_refused) {
  STROP_SKIP_WITHOUT_CUBLASLT();
  STROP_SKIP_WITHOUT_GPU();
  if (!cuda::cublaslt_problem().empty()) GTEST_SKIP() << cuda::cublaslt_problem();
  Question question = question_of(
      {"%a: T[24,40], %c: T[16]",
       "const %b: T[40,16] = @0\n" + fused("%a, %b, %c", "%a: T[24,40], %b: T[40,16], %c: T[16]",
                                           "%m = matmul(%a, %b) %y = binary(%m, %c)"),
       {{kF16, {40, 16}}}},
      DType::f16, *testing::gpu()->device);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"a\":0", "\"a\":7"},
           {"\"a\":0", "\"a\":1"},
           {"\"b\":1", "\"b\":2"},
           {"\"bias\":2", "\"bias\":0"},
           {"\"bias\":2", "\"bias\":3"},
           {"\"bias\":2", "\"residual\":0"},
           {"\"trans_a\":false", "\"trans_a\":true"},
           {"\"trans_b\":false", "\"trans_b\":true"},
           {"\"choice\"", "\"activation\":\"elu\",\"alpha\":1,\"choice\""}})
    testing::expect_refused(*find_tactic(), question, from, to);
}

class CublasLtOnGpu : public ::testing::TestWithParam<DType> {};

TEST_P(CublasLtOnGpu, gives_the_reference_s_results) {
  STROP_SKIP_WITHOUT_CUBLASLT();
  STROP_SKIP_WITHOUT_GPU();
  if (!cuda::cublaslt_problem().empty()) GTEST_SKIP() << cuda::cublaslt_problem();
  for (const Case& one : cases()) {
    SCOPED_TRACE(one.inputs + "\n" + one.body);
    Question question = question_of(one, GetParam(), *testing::gpu()->device);
    testing::check_on_gpu(*find_tactic(), question, one.sizes);
  }
}

INSTANTIATE_TEST_SUITE_P(types, CublasLtOnGpu,
                         ::testing::Values(DType::f32, DType::f16, DType::bf16),
                         [](const auto& type) { return std::string(to_string(type.param)); });

}  // namespace
}  // namespace strop
