// SPDX-License-Identifier: Apache-2.0
// Maps through the C interface and the runtime.
#include <gtest/gtest.h>

#include "backends/reference/reference_backend.hpp"
#include "runtime/backend_loader.hpp"
#include "runtime/c_api_handles.hpp"
#include "runtime/plan_maker.hpp"

namespace strop {
namespace {

using testing::PlanMaker;

// map(T,f32[]) -> map_to_tensor -> y, and the map itself as an output; then x -> zip_map -> maps.
class Maps : public ::testing::Test {
 protected:
  Maps() { register_backend(reference_backend()); }
  ~Maps() override { strop_context_destroy(context_); }

  void start(const std::string& key, const std::string& vocabulary, const std::string& zip_keys) {
    PlanMaker maker;
    const auto map = maker.input("map", "map(" + key + ",f32[])");
    const auto x = maker.input("x", "f32[N,2]");
    const auto y = maker.arena("y", "f32[1,3]");
    const auto maps = maker.boxed("maps", "seq(map(" + key + ",f32[]))");
    maker.step("map_to_tensor", {map}, {y},
               "{order=\"vocabulary\", vocabulary=" + vocabulary + "}");
    maker.step("zip_map", {x}, {maps}, "{keys=" + zip_keys + "}").cut = true;
    maker.output("y", y);
    maker.output("again", map);
    maker.output("maps", maps);
    engine_ = std::make_unique<strop_engine>(maker.engine());
    ASSERT_EQ(strop_context_create(engine_.get(), nullptr, &context_, nullptr), STROP_OK);
    static float scores[4] = {0.25f, 0.75f, 1, 0};
    static const std::int64_t dims[2] = {2, 2};
    const strop_tensor tensor{STROP_F32, 2, dims, scores, sizeof scores};
    ASSERT_EQ(strop_context_bind(context_, "x", &tensor, STROP_BIND_COPY, nullptr), STROP_OK);
  }
  static strop_tensor scalar(float& value) { return {STROP_F32, 0, nullptr, &value, sizeof value}; }
  std::vector<float> row() {
    strop_tensor y{};
    EXPECT_EQ(strop_context_output(context_, "y", &y, nullptr), STROP_OK);
    const auto* data = static_cast<const float*>(y.data);
    return {data, data + 3};
  }
  const strop_value* output(const char* name) {
    const strop_value* value = nullptr;
    EXPECT_EQ(strop_context_output_value(context_, name, &value, nullptr), STROP_OK);
    return value;
  }

  std::unique_ptr<strop_engine> engine_;
  strop_context* context_ = nullptr;
};

TEST_F(Maps, with_string_keys_go_in_and_out) {
  start("string", "string[3]{\"a\", \"b\", \"c\"}", "string[2]{\"no\", \"yes\"}");
  float values[2] = {8, 4};
  const strop_tensor tensors[2] = {scalar(values[0]), scalar(values[1])};
  const char* keys[2] = {"c", "ab"};
  const std::uint64_t lengths[2] = {1, 1};  // "c" and "a"
  ASSERT_EQ(strop_context_bind_map(context_, "map", 2, nullptr, keys, lengths, tensors, nullptr),
            STROP_OK);
  ASSERT_EQ(strop_context_run(context_, nullptr), STROP_OK);
  EXPECT_EQ(row(), (std::vector<float>{4, 0, 8}));

  const strop_value* again = output("again");
  EXPECT_EQ(strop_value_get_kind(again), STROP_VALUE_MAP);
  EXPECT_EQ(strop_value_count(again), 2u);
  const strop_value* found = nullptr;
  ASSERT_EQ(strop_value_keys(again, &found, nullptr), STROP_OK);
  strop_tensor shape{};
  ASSERT_EQ(strop_value_tensor(found, &shape, nullptr), STROP_OK);
  EXPECT_EQ(shape.dtype, static_cast<strop_dtype>(STROP_STRING));
  EXPECT_EQ(shape.dims[0], 2);
  const char* text = nullptr;
  std::uint64_t length = 0;
  ASSERT_EQ(strop_value_string(found, 1, &text, &length, nullptr), STROP_OK);
  EXPECT_EQ(std::string(text, length), "a");
  EXPECT_EQ(strop_value_string(found, 2, &text, &length, nullptr), STROP_BAD_ARGUMENT);
}

TEST_F(Maps, with_numeric_keys_go_in_and_out) {
  start("i64", "i64[3]{7, -1, 5}", "i64[2]{0, 1}");
  float values[2] = {8, 4};
  const strop_tensor tensors[2] = {scalar(values[0]), scalar(values[1])};
  const std::int64_t keys[2] = {5, 7};
  ASSERT_EQ(strop_context_bind_map(context_, "map", 2, keys, nullptr, nullptr, tensors, nullptr),
            STROP_OK);
  ASSERT_EQ(strop_context_run(context_, nullptr), STROP_OK);
  EXPECT_EQ(row(), (std::vector<float>{4, 0, 8}));

  const strop_value* maps = output("maps");
  ASSERT_EQ(strop_value_count(maps), 2u);
  const strop_value* second = nullptr;
  ASSERT_EQ(strop_value_element(maps, 1, &second, nullptr), STROP_OK);
  const strop_value *found = nullptr, *value = nullptr;
  ASSERT_EQ(strop_value_keys(second, &found, nullptr), STROP_OK);
  strop_tensor tensor{};
  ASSERT_EQ(strop_value_tensor(found, &tensor, nullptr), STROP_OK);
  EXPECT_EQ(tensor.bytes, 16u);
  EXPECT_EQ(static_cast<const std::int64_t*>(tensor.data)[1], 1);
  ASSERT_EQ(strop_value_element(second, 0, &value, nullptr), STROP_OK);
  ASSERT_EQ(strop_value_tensor(value, &tensor, nullptr), STROP_OK);
  EXPECT_EQ(*static_cast<const float*>(tensor.data), 1.0f);
  EXPECT_EQ(strop_value_keys(maps, &found, nullptr), STROP_BAD_ARGUMENT);
  EXPECT_EQ(found, nullptr);
}

TEST_F(Maps, that_are_none_are_refused) {
  start("i64", "i64[3]{7, -1, 5}", "i64[2]{0, 1}");
  float value = 1;
  const strop_tensor one = scalar(value);
  const std::int64_t key = 1;
  const char* text = "a";
  const auto bind = [&](std::uint64_t count, const std::int64_t* numbers,
                        const char* const* strings, const strop_tensor* values) {
    return strop_context_bind_map(context_, "map", count, numbers, strings, nullptr, values,
                                  nullptr);
  };
  EXPECT_EQ(bind(1, nullptr, nullptr, &one), STROP_BAD_ARGUMENT);
  EXPECT_EQ(bind(1, &key, &text, &one), STROP_BAD_ARGUMENT);
  EXPECT_EQ(bind(1, &key, nullptr, nullptr), STROP_BAD_ARGUMENT);
  EXPECT_EQ(strop_context_bind_map(context_, "x", 1, &key, nullptr, nullptr, &one, nullptr),
            STROP_INPUT_TYPE);
  // Keys of the other kind are found when the map is used.
  EXPECT_EQ(bind(1, nullptr, &text, &one), STROP_OK);
  EXPECT_EQ(strop_context_run(context_, nullptr), STROP_BAD_ATTRIBUTE);
}

}  // namespace
}  // namespace strop
