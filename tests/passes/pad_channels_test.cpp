// SPDX-License-Identifier: Apache-2.0
#include "ops/conv_integer.hpp"
#include "passes/pass_check.hpp"
#include "passes/passes.hpp"

namespace strop {
namespace {

const Target kDevice{.backend = "cuda", .compute_capability = 90};

// A constant of `count` elements: whole numbers in a range, times a unit.
std::string constant(const std::string& name, const std::string& type, int count, int low, int high,
                     double unit = 1) {
  std::string out = "const %" + name + " = " + type + "{";
  for (int i = 0; i < count; ++i) {
    const int value = low + (i * 37 + count * 11) % (high - low + 1);
    out += (i > 0 ? ", " : "");
    out += unit == 1 ? std::to_string(value) : std::to_string(value * unit);
  }
  return out + "}\n";
}

std::string number(int n) { return std::to_string(n); }

// "name": its sums of x by weights of `kernel` pixels, each made a byte. Filters have zero points
// of their own where `has_zeros`.
struct Convolution {
  int filters, channels;
  int kernel = 1, group = 1;
  bool has_zeros = false;
};
std::string convolution(const std::string& name, const std::string& x, const Convolution& c) {
  const int per_group = c.channels / c.group, depth = per_group * c.kernel * c.kernel;
  const std::string k = number(c.kernel), pad = number(c.kernel / 2), m = number(c.filters);
  std::string out =
      constant(name + "_w", "i8[" + m + "," + number(per_group) + "," + k + "," + k + "]",
               c.filters * depth, -60, 60);
  out += constant(name + "_m", "f32[" + m + "]", c.filters, 5, 9, 2e-5 / std::sqrt(depth));
  out += constant(name + "_c", "f32[" + m + "]", c.filters, 30, 60, 0.01);
  if (c.has_zeros) out += constant(name + "_z", "i8[" + m + "]", c.filters, -9, 9);
  out += "%" + name + "_s = conv_integer{pads=[" + pad + ", " + pad + ", " + pad + ", " + pad +
         "], group=" + number(c.group) + "}(%" + x + ", %" + name + "_w, %zero" +
         (c.has_zeros ? ", %" + name + "_z)\n" : ")\n");
  return out + "%" + name + " = requantize{low=0, high=255, to=u8}(%" + name + "_s, %" + name +
         "_m, %" + name + "_c)\n";
}

std::string graph_of(const std::string& x, const std::string& outputs, const std::string& body) {
  return "graph main(%x: " + x + ") -> (" + outputs + ") {\nconst %zero = u8[]{3}\n" + body + "}";
}

std::vector<Tensor> results_of(const Graph& graph) {
  std::mt19937 random(7);
  std::uniform_int_distribution<int> byte(0, 255);
  std::vector<Datum> inputs;
  for (const ValueId id : graph.inputs()) {
    const Type& type = graph.value(id).type;
    Tensor x = Tensor::allocate(type.dtype, evaluate(*type.shape, {{"N", 2}}));
    for (std::int64_t i = 0; i < x.bytes(); ++i)
      x.mutable_data()[i] = static_cast<std::byte>(byte(random));
    inputs.emplace_back(x);
  }
  std::vector<Tensor> out;
  for (const Datum& datum : evaluate_graph(graph, inputs)) out.push_back(datum.tensor());
  return out;
}

// Whether enough bytes differ from their neighbours for the comparison to show something.
bool is_varied(const Tensor& tensor) {
  int distinct = 0;
  for (std::int64_t i = 1; i < tensor.bytes(); ++i)
    distinct += tensor.data()[i] != tensor.data()[i - 1] ? 1 : 0;
  return distinct > tensor.bytes() / 8;
}

struct Outcome {
  Graph graph;
  std::vector<std::string> notes;
  int sets = 0;
};

Outcome run(const std::string& text, const Target& target = kDevice) {
  Outcome out{testing::parse_test_graph(text), {}, 0};
  const Graph before = out.graph.clone();
  const Pass pass = pad_channels();
  const auto records = run_passes(out.graph, {&pass, 1}, target);
  out.sets = records[0].rewrites;
  out.notes = records[0].notes;
  EXPECT_EQ(run_passes(out.graph, {&pass, 1}, target)[0].rewrites, 0);
  const auto expected = results_of(before), results = results_of(out.graph);
  EXPECT_EQ(expected.size(), results.size());
  for (std::size_t i = 0; i < results.size(); ++i) {
    EXPECT_TRUE(out.sets == 0 || is_varied(expected[i])) << "output " << i << " shows nothing";
    EXPECT_TRUE(expected[i].identical(results[i])) << "output " << i;
  }
  return out;
}

// Of what convolutions read, by value.
std::vector<std::int64_t> channels_read(const Graph& graph) {
  std::vector<std::int64_t> out;
  for (const NodeId id : graph.order()) {
    const Node& node = graph.node(id);
    if (node.is(op_conv_integer()))
      out.push_back((*graph.value(node.inputs[0]).type.shape)[1].value());
  }
  return out;
}

using Channels = std::vector<std::int64_t>;

// A 1 x 1 convolution to `channels`, whatever is between, and one of the result %t.
std::string around(int channels, const std::string& between,
                   const std::string& type = "u8[N,16,6,6]", const std::string& outputs = "%y") {
  return graph_of(
      type, outputs,
      convolution("a", "x", {channels, 16}) + between + convolution("y", "t", {16, channels}));
}

TEST(PadChannels, inverted_residual_with_squeeze_and_excitation) {
  const std::string text =
      graph_of("u8[N,16,6,6]", "%y",
               convolution("a", "x", {24, 16}) + convolution("b", "a", {72, 24, 1, 1, true}) +
                   constant("table", "u8[256]", 256, 0, 255) + "%h = table_lookup(%b, %table)\n" +
                   convolution("d", "h", {72, 72, 3, 72, true}) + R"(
      const %axes = i64[2]{2, 3}
      const %three = i32[]{3}
      const %m1 = f32[]{0.0001}
      const %c1 = f32[]{0.02}
      const %m2 = f32[]{0.00002}
      const %c2 = f32[]{0.1}
      const %m3 = f32[]{0.003}
      const %c3 = f32[]{0.1}
      %wide = cast{to=i32}(%d)
      %centred = binary{function="sub"}(%wide, %three)
      %sum = reduce(%centred, %axes)
      %mean = requantize{axis=0, low=0, high=255, to=u8}(%sum, %m1, %c1)
      )" + convolution("f", "mean", {24, 72}) +
                   convolution("g", "f", {72, 24}) + R"(
      %scale = cast{to=i32}(%g)
      %product = binary{function="mul"}(%scale, %centred)
      %scaled = requantize{axis=0, low=0, high=255, to=u8}(%product, %m2, %c2)
      )" + convolution("p", "scaled", {24, 72}) +
                   R"(
      %r = requantize{x_zero=9, residual_multiplier=0.002, residual_zero=5, low=0, high=255, to=u8}(%p, %m3, %c3, %a)
      )" + convolution("y", "r", {16, 24}));
  const Outcome out = run(text);
  EXPECT_EQ(out.sets, 3);
  EXPECT_EQ(channels_read(out.graph), (Channels{16, 32, 80, 80, 32, 80, 32}));
}

TEST(PadChannels, residual_of_a_sum_and_a_convolution_within_a_set) {
  const Outcome out = run(graph_of(
      "u8[N,16,5,5]", "%y",
      convolution("a", "x", {13, 16}) + convolution("b", "a", {13, 13, 3, 1, true}) +
          constant("m", "f32[13]", 13, 20, 30, 1e-4) + constant("c", "f32[1]", 1, 1, 1, 0.1) + R"(
      %t = requantize{x_zero=9, residual_multiplier=0.002, residual_zero=5, low=0, high=255, to=u8}(%b, %m, %c, %a)
      )" + convolution("y", "t", {16, 13, 1, 1, true})));
  EXPECT_EQ(out.sets, 1);
  EXPECT_EQ(channels_read(out.graph), (Channels{16, 16, 16}));
}

TEST(PadChannels, residual_that_only_its_sum_reads) {
  const std::string sum = R"(
      const %m = f32[]{0.002} const %c = f32[]{0.1}
      %t = requantize{x_zero=9, residual_multiplier=0.002, residual_zero=5, low=0, high=255, to=u8}(%a, %m, %c, %b)
      )";
  EXPECT_EQ(run(around(24, convolution("b", "x", {24, 16}) + sum)).sets, 1);
  // Its maker is no convolution.
  EXPECT_EQ(run(around(24, sum, "u8[N,16,6,6], %b: u8[N,24,6,6]")).sets, 0);
}

TEST(PadChannels, what_works_channel_by_channel_carries_them) {
  const Channels padded{16, 32};
  for (const std::string between : {
           R"(%t = pool{kernel=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]}(%a))",
           R"(const %scales = f32[4]{1, 1, 2, 2}
              %t = resize{coordinates="asymmetric", nearest="floor"}(%a, _, %scales))",
           R"(const %scales = f32[2]{2, 2}
              %t = resize{axes=[2, 3]}(%a, _, %scales))",
           R"(const %low = u8[]{20} const %high = u8[]{200}
              %t = clip(%a, %low, %high))",
           R"(%l = cast{to=i32}(%a) %n = unary{function="neg"}(%l)
              %k = binary{function="add"}(%n, %row) %z = binary{function="mul"}(%many, %k)
              const %m = f32[]{-0.00001} const %c = f32[]{0.9}
              %t = requantize{low=0, high=255, to=u8}(%z, %m, %c))",
       }) {
    const Outcome out = run(around(30, constant("many", "i32[1,30,1,1]", 30, -30, -10) +
                                           constant("row", "i32[6]", 6, 0, 40) + between + "\n"));
    EXPECT_EQ(out.sets, 1) << between;
    EXPECT_EQ(channels_read(out.graph), padded) << between;
  }
}

TEST(PadChannels, zero_point_that_all_filters_share) {
  const Outcome out = run(graph_of("u8[N,16,4,4]", "%y",
                                   constant("v", "u8[24,16,1,1]", 24 * 16, 0, 255) +
                                       constant("w", "u8[16,24,1,1]", 24 * 16, 0, 255) +
                                       constant("b", "i32[24]", 24, -999, 999) + R"(
      const %z = u8[]{131}
      const %m = f32[]{0.00002}
      const %c = f32[]{0.4}
      %s = conv_integer(%x, %v, %zero, %z, %b)
      %a = requantize{low=0, high=255, to=u8}(%s, %m, %c)
      %q = conv_integer(%a, %w, %zero, %z)
      %y = requantize{low=0, high=255, to=u8}(%q, %m, %c)
      )"));
  EXPECT_EQ(out.sets, 1);
  EXPECT_EQ(channels_read(out.graph), (Channels{16, 32}));
}

TEST(PadChannels, product_of_flattened_pixels) {
  for (const std::string flatten :
       {"%f = reshape{flatten_axis=1}(%a)", "const %to = i64[2]{0, -1} %f = reshape(%a, %to)"}) {
    const Outcome out = run(graph_of("u8[N,16,1,1]", "%y",
                                     convolution("a", "x", {9, 16}) + flatten +
                                         constant("w", "i8[9,20]", 180, -60, 60) +
                                         constant("z", "i8[20]", 20, -9, 9) + R"(
        const %m = f32[]{0.00002}
        const %c = f32[]{0.4}
        %s = matmul_integer(%f, %w, %zero, %z)
        %y = requantize{low=0, high=255, to=u8}(%s, %m, %c)
        )"));
    EXPECT_EQ(out.sets, 1) << flatten;
    EXPECT_NE(testing::canonical_text(out.graph).find("i8[16,20]"), std::string::npos) << flatten;
  }
}

TEST(PadChannels, leaves_what_others_see) {
  const struct {
    std::string between, outputs = "%y", type = "u8[N,16,6,6]";
  } cases[] = {
      {"%t = pool{kernel=[1, 1]}(%a)", "%y, %a"},
      {"%t = pool{kernel=[1, 1]}(%a) %o = concat{axis=1}(%x, %t)", "%y, %o"},
      {"const %to = i64[4]{0, 24, 9, 4} %t = reshape(%a, %to)"},
      {"%t = transpose{perm=[0, 1, 3, 2]}(%a)"},
      {"const %from = i64[1]{0} const %to = i64[1]{24} const %one = i64[1]{1} "
       "%t = slice(%a, %from, %to, %one)"},
      {"%t = pool{kernel=[1, 1]}(%a) const %one = i64[1]{1} %o = reduce{function=\"max\"}(%a, "
       "%one)",
       "%y, %o"},
      {convolution("t", "a", {24, 24, 1, 2})},
  };
  for (const auto& c : cases) {
    const std::string text = around(24, c.between + "\n", c.type, c.outputs);
    const Outcome out = run(text);
    EXPECT_EQ(out.sets, 0) << c.between;
    ASSERT_EQ(out.notes.size(), 1u) << c.between;
    EXPECT_NE(out.notes[0].find("left 24 channels"), std::string::npos) << out.notes[0];
    EXPECT_EQ(testing::canonical_text(out.graph),
              testing::canonical_text(testing::parse_test_graph(text)));
  }
  // An input of the graph.
  EXPECT_EQ(run(graph_of("u8[N,24,4,4]", "%y", convolution("y", "x", {16, 24}))).sets, 0);
}

TEST(PadChannels, leaves_every_sum_of_what_cannot_be_padded) {
  const auto sum = [](const std::string& name, const std::string& x, const std::string& residual) {
    return "%" + name + " = requantize{residual_multiplier=0.002, low=0, high=255, to=u8}(%" + x +
           ", %m, %c, %" + residual + ")\n";
  };
  const std::string factors = "const %m = f32[]{0.002} const %c = f32[]{0.1}\n";
  const std::string body = factors + convolution("a", "x", {24, 16}) + sum("s", "a", "r") +
                           convolution("y", "s", {16, 24}) + convolution("b", "x", {24, 16}) +
                           sum("t", "b", "r") + convolution("z", "t", {16, 24});
  for (const std::string residual : {"u8[N,24,4,4]", "u8[N,C,4,4]", "u8[*]"}) {
    Graph graph =
        testing::parse_test_graph(graph_of("u8[N,16,4,4], %r: " + residual, "%y, %z", body));
    const Pass pass = pad_channels();
    EXPECT_EQ(run_passes(graph, {&pass, 1}, kDevice)[0].rewrites, 0) << residual;
  }
}

TEST(PadChannels, leaves_sums_with_what_has_no_known_rank) {
  Graph graph = testing::parse_test_graph(
      graph_of("u8[N,16,4,4], %r: i32[*]", "%y, %s",
               convolution("a", "x", {24, 16}) + convolution("y", "a", {16, 24}) +
                   "%i = cast{to=i32}(%a)\n%s = binary{function=\"add\"}(%i, %r)\n"));
  const Pass pass = pad_channels();
  EXPECT_EQ(run_passes(graph, {&pass, 1}, kDevice)[0].rewrites, 0);
}

TEST(PadChannels, leaves_rows_that_are_added_to_images) {
  const Outcome out = run(around(24, R"(
      const %axes = i64[2]{2, 3} const %m = f32[]{0.00002} const %c = f32[]{0.1}
      %l = cast{to=i32}(%a) %rows = reduce{keep_dims=false}(%l, %axes)
      %sum = binary{function="add"}(%l, %rows)
      %t = requantize{axis=0, low=0, high=255, to=u8}(%sum, %m, %c)
      )",
                                 "u8[6,16,6,24]"));
  EXPECT_EQ(out.sets, 0);
}

TEST(PadChannels, leaves_weights_that_are_not_known) {
  EXPECT_EQ(run(R"(graph main(%x: u8[N,16,4,4], %w: i8[24,16,1,1]) -> (%y) {
              const %zero = u8[]{3}
              const %m = f32[]{0.00002}
              const %c = f32[]{0.4}
              %s = conv_integer(%x, %w)
              %a = requantize{low=0, high=255, to=u8}(%s, %m, %c)
              )" +
                convolution("y", "a", {16, 24}) + "}")
                .sets,
            0);
}

TEST(PadChannels, leaves_what_would_not_pay) {
  const std::string same = "%t = pool{kernel=[1, 1]}(%a)\n";
  EXPECT_EQ(run(around(24, same)).sets, 1);
  EXPECT_EQ(run(around(32, same)).sets, 0);
  EXPECT_EQ(run(around(21, same)).sets, 0);  // more than half as many again
  EXPECT_EQ(run(around(6, same, "u8[N,16,1,1]")).sets, 1);
  EXPECT_EQ(run(around(4, same, "u8[N,16,1,1]")).sets, 0);
  // Images for the sake of single pixels.
  EXPECT_EQ(run(around(24, R"(
      const %axes = i64[2]{2, 3} const %m = f32[]{0.0001} const %c = f32[]{0}
      %l = cast{to=i32}(%a) %s = reduce(%l, %axes)
      %t = requantize{axis=0, low=0, high=255, to=u8}(%s, %m, %c)
      )"))
                .sets,
            0);
  // Sums that are not requantised.
  EXPECT_EQ(run(graph_of("u8[N,16,4,4]", "%y",
                         convolution("a", "x", {24, 16}) +
                             constant("w", "i8[16,24,1,1]", 16 * 24, -60, 60) +
                             "%y = conv_integer(%a, %w)\n"))
                .sets,
            0);
}

TEST(PadChannels, is_for_gpus_whose_kernels_copy_so) {
  const std::string text = around(24, "%t = pool{kernel=[1, 1]}(%a)\n");
  EXPECT_EQ(run(text, {}).sets, 0);
  EXPECT_EQ(run(text, {.backend = "cpu"}).sets, 0);
  EXPECT_EQ(run(text, {.backend = "cuda", .compute_capability = 80}).sets, 0);
  Target precise = kDevice;
  precise.precise = true;
  EXPECT_EQ(run(text, precise).sets, 1);
}

}  // namespace
}  // namespace strop
