// SPDX-License-Identifier: Apache-2.0
// Convolutions by cuDNN: what the tactic takes, what its parameters may say, and on a GPU that the
// results are the reference's.
#include "backends/cuda/cudnn_library.hpp"

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
    if (tactic->name == "conv_cudnn") return tactic;
  }
  return nullptr;
}

#define STROP_SKIP_WITHOUT_CUDNN() \
  if (find_tactic() == nullptr) GTEST_SKIP() << "built without cuDNN"

struct Case {
  std::string x;  // the shape
  Shape w;
  std::string attributes{};
  std::string residual{};  // its shape, if it has one
  std::string activation{};
  SymbolValues sizes{};
  bool wide_bias = false;  // in f32 whatever the type
};

Question question_of(const Case& from, DType type, const DeviceProperties& chip) {
  const std::string t(to_string(type));
  const std::string w = t + to_string(from.w);
  const DType bias = from.wide_bias ? DType::f32 : type;
  const std::string b = std::string(to_string(bias)) + "[" + std::to_string(from.w[0]) + "]";
  std::string inputs = "%x: " + t + "[" + from.x + "]";
  std::string residual, steps = "%y = conv{" + from.attributes + "}(%x, %w, %b)";
  if (!from.residual.empty() || !from.activation.empty()) {
    steps = "%c = conv{" + from.attributes + "}(%x, %w, %b) ";
    if (!from.residual.empty()) residual = ", %r: " + t + "[" + from.residual + "]";
    if (!from.residual.empty())
      steps += (from.activation.empty() ? "%y" : "%s") + std::string(" = binary(%c, %r) ");
    if (!from.activation.empty())
      steps += "%y = unary{function=" + from.activation + "}(" +
               (from.residual.empty() ? "%c" : "%s") + ")";
    steps = "%y = fused{kind=\"conv\"}(%x, %w, %b" +
            std::string(from.residual.empty() ? "" : ", %r") + ") body graph body(" + inputs +
            ", %w: " + w + ", %b: " + b + residual + ") -> (%y) { " + steps + " }";
  }
  return Question("graph main(" + inputs + residual + ") -> (%y) {\nconst %w: " + w +
                      " = @0\nconst %b: " + b + " = @1\n" + steps + " }",
                  testing::made_up({{type, from.w}, {bias, {from.w[0]}}}), chip);
}

std::vector<Case> cases() {
  const SymbolValues open{{"N", 2}, {"H", 9}};
  const std::string pads = "pads=[1, 1, 1, 1]";
  return {
      {"2,32,14,14", {64, 32, 1, 1}},
      {"N,16,H,10", {32, 16, 3, 3}, pads, "", "", open},
      {"N,16,H,10", {32, 16, 3, 3}, pads, "", "\"relu\"", open},
      {"1,32,9,11", {48, 32, 3, 3}, "strides=[2, 1], dilations=[1, 2], pads=[0, 1, 2, 3]"},
      {"1,3,20,20", {16, 3, 7, 7}, "strides=[2, 2], pads=[3, 3, 3, 3]", "", "\"relu\""},
      {"2,16,8,8", {64, 16, 1, 1}, "", "2,64,8,8", "\"relu\""},
      {"2,16,8,8", {64, 16, 1, 1}, "", "2,64,8,8"},
      {"1,32,8,8", {32, 8, 3, 3}, "group=4, " + pads, "", "\"relu\""},
      {"1,32,8,8", {32, 1, 3, 3}, "group=32, " + pads},
      {"2,16,30", {32, 16, 5}, "pads=[2, 2]"},
      {"1,8,5,6,7", {16, 8, 3, 3, 3}, "auto_pad=\"same_upper\""},
      {"0,8,6,6", {16, 8, 3, 3}},
      {"1,16,9,9", {32, 16, 3, 3}, pads, "", "\"relu\"", {}, true},
  };
}

std::vector<Case> activation_cases(DType type) {
  std::vector<Case> out;
  std::vector<std::string> activations{"\"sigmoid\"", "\"tanh\"", "\"elu\", alpha=0.7"};
  if (type != DType::f32) {
    for (const char* more : {"\"silu\"", "\"gelu\"", "\"gelu_tanh\"", "\"leaky_relu\", alpha=0.1",
                             "\"silu\", alpha=1.5"})
      activations.push_back(more);
  }
  for (const std::string& activation : activations)
    out.push_back({"1,32,8,8", {32, 32, 3, 3}, "pads=[1, 1, 1, 1]", "", activation});
  return out;
}

TEST(conv_cudnn, takes_convolutions_in_every_float_type) {
  STROP_SKIP_WITHOUT_CUDNN();
  for (const DType type : {DType::f32, DType::f16, DType::bf16}) {
    for (const Case& one : cases()) {
      Question question = question_of(one, type, testing::some_chip());
      const Acceptance acceptance = find_tactic()->accepts(question.problem);
      ASSERT_TRUE(acceptance.yes) << one.x << acceptance.reason;
      question.problem.layouts = find_tactic()->layouts(question.problem, "2").at(0);
      const KernelChoice choice = find_tactic()->lower(question.problem, "2");
      const cuda::LibraryConv record = cuda::parse_library_conv(choice.parameters);
      EXPECT_EQ(choice.kernel, "cudnn_conv");
      EXPECT_EQ(record.choice.number, 2u);
      EXPECT_EQ(record.channels_last, type != DType::f32);
      EXPECT_EQ(choice.replaced.size(), type == DType::f32 ? 0u : one.wide_bias ? 2u : 1u);
      EXPECT_EQ(to_text(record), choice.parameters);
    }
  }
}

TEST(conv_cudnn, says_why_it_refuses) {
  STROP_SKIP_WITHOUT_CUDNN();
  const auto reason = [](const Case& one, DType type = DType::f16) {
    const Question question = question_of(one, type, testing::some_chip());
    return find_tactic()->accepts(question.problem).reason;
  };
  EXPECT_EQ(reason({"N,8,H,8", {8, 8, 3, 3}, "auto_pad=\"same_upper\""}),
            "its pads depend on a size that is open");
  EXPECT_EQ(reason({"1,8,4,4,4,4", {8, 8, 1, 1, 1, 1}}), "it takes convolutions along 1 to 3 axes");
  EXPECT_EQ(reason({"1,8,8,8", {8, 8, 1, 1}, "", "8,1,1"}), "what is added is not like the output");
  EXPECT_EQ(reason({"1,8,8,8", {8, 8, 1, 1}, "", "", "\"sin\""}), "the library has no sin");
  EXPECT_EQ(reason({"1,8,8,8", {8, 8, 1, 1}, "", "", "\"gelu\""}, DType::f32),
            "the library has no such activation in f32");
  EXPECT_EQ(reason({"1,8,8,8", {8, 8, 1, 1}}, DType::f64), "it is for f32, f16 and bf16");
}

TEST(conv_cudnn, is_left_out_by_the_library_s_name) {
  STROP_SKIP_WITHOUT_CUDNN();
  const Question question = question_of(cases()[0], DType::f16, testing::some_chip());
  const std::vector<std::string> excluded{"cudnn"};
  for (const Candidate& candidate :
       list_candidates(question.problem, cuda::cuda_tactics(), excluded).candidates)
    EXPECT_NE(candidate.tactic, find_tactic());
}

TEST(library_conv, parameters_that_are_none_are_refused) {
  cuda::LibraryConv conv;
  conv.strides = conv.dilations = {1, 1};
  conv.pads_begin = conv.pads_end = {0, 0};
  const std::string good = to_text(conv);
  EXPECT_NO_THROW(cuda::parse_library_conv(good));
  const auto changed = [&](const std::string& from, const std::string& to) {
    std::string out = good;
    out.replace(out.find(from), from.size(), to);
    return out;
  };
  for (const std::string& text :
       {std::string(), std::string("{}"), changed("\"x\":0", "\"x\":-1"), changed("[1,1]", "[1,0]"),
        changed("[1,1]", "[1]"), changed("[1,1]", "[1,1,1,1]"), changed("[1,1]", "[1,99999999999]"),
        changed("[0,0]", "[0,-1]"), changed("[0,0]", "[]"), changed("[0,0]", "\"x\""),
        changed("false", "0")}) {
    try {
      cuda::parse_library_conv(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::engine_invalid) << error.message();
    }
  }
}

// A clip from 0 to a half after sums without bias, in f16.
Question clipped() {
  const std::string operands = "%x: f16[1,16,6,6]";
  const std::string constants = "%w: f16[16,16,3,3], %l: f16[], %h: f16[]";
  return Question(
      "graph main(" + operands +
          ") -> (%y) {\nconst %w: f16[16,16,3,3] = @0\nconst %l: f16[] = @1\nconst %h: f16[] = "
          "@2\n%y = fused{kind=\"conv\"}(%x, %w, %l, %h) body graph body(" +
          operands + ", " + constants + ") -> (%y) { %c = conv(%x, %w) %y = clip(%c, %l, %h) } }",
      {random_tensor(DType::f16, {16, 16, 3, 3}, 1), Tensor::from<float16>({}, {float16(0)}),
       Tensor::from<float16>({}, {float16(0.5f)})},
      testing::gpu() ? *testing::gpu()->device : testing::some_chip());
}

TEST(conv_cudnn, takes_a_clip_from_zero) {
  STROP_SKIP_WITHOUT_CUDNN();
  const Question question = clipped();
  const Acceptance acceptance = find_tactic()->accepts(question.problem);
  ASSERT_TRUE(acceptance.yes) << acceptance.reason;
  const auto record =
      cuda::parse_library_conv(find_tactic()->lower(question.problem, "0").parameters);
  EXPECT_EQ(record.chain.activation, cuda::LibraryActivation::clip);
  EXPECT_EQ(record.chain.alpha, 0.5);
}

TEST(conv_cudnn, parameters_of_another_step_are_refused) {
  STROP_SKIP_WITHOUT_CUDNN();
  STROP_SKIP_WITHOUT_GPU();
  if (!cuda::cudnn_problem().empty()) GTEST_SKIP() << cuda::cudnn_problem();
  Question question = question_of({"2,16,8,9", {32, 16, 3, 3}, "", "2,32,6,7"}, DType::f16,
                                  *testing::gpu()->device);
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"\"x\":0", "\"x\":9"},
           {"\"x\":0", "\"x\":1"},
           {"\"w\":1", "\"w\":0"},
           {"\"bias\":2", "\"bias\":1"},
           {"\"residual\":3", "\"residual\":0"},
           {"\"channels_last\":true", "\"channels_last\":false"},
           {"\"strides\":[1,1]", "\"strides\":[2,1]"},
           {"\"dilations\":[1,1]", "\"dilations\":[1,1000000]"},
           {"\"begin\":[0,0]", "\"begin\":[1,0]"},
           {"\"end\":[0,0]", "\"end\":[0,1073741824]"}})
    testing::expect_refused(*find_tactic(), question, from, to);
}

class CudnnOnGpu : public ::testing::TestWithParam<DType> {};

void check(const std::vector<Case>& list, DType type, std::size_t most) {
  for (const Case& one : list) {
    SCOPED_TRACE(one.x + " " + to_string(one.w) + " " + one.attributes + " " + one.residual + " " +
                 one.activation);
    Question question = question_of(one, type, *testing::gpu()->device);
    testing::check_on_gpu(*find_tactic(), question, one.sizes, most);
  }
}

TEST_P(CudnnOnGpu, gives_the_reference_s_results) {
  STROP_SKIP_WITHOUT_CUDNN();
  STROP_SKIP_WITHOUT_GPU();
  if (!cuda::cudnn_problem().empty()) GTEST_SKIP() << cuda::cudnn_problem();
  check(cases(), GetParam(), GetParam() == DType::bf16 ? 2 : 6);
  check(activation_cases(GetParam()), GetParam(), 1);
  Question question = clipped();
  if (GetParam() == DType::f16) testing::check_on_gpu(*find_tactic(), question, {}, 1);
}

INSTANTIATE_TEST_SUITE_P(types, CudnnOnGpu, ::testing::Values(DType::f32, DType::f16, DType::bf16),
                         [](const auto& type) { return std::string(to_string(type.param)); });

}  // namespace
}  // namespace strop
