// SPDX-License-Identifier: Apache-2.0
// A program in C++20 that uses strop.hpp and libstrop_runtime alone. Arguments as those of
// consumer.c. Exit status 0: all as wanted.
#include "strop/strop.hpp"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <type_traits>

namespace {

int failures = 0;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "not so: %s\n", what);
  ++failures;
}

template <class Body>
void expect_error(strop_status code, const char* part, Body&& body) {
  try {
    body();
  } catch (const strop::Exception& error) {
    expect(error.code == code, "the code of the error");
    expect(std::string(error.what()).find(part) != std::string::npos, error.what());
    return;
  }
  expect(false, part);
}

static_assert(!std::is_copy_constructible_v<strop::Engine> &&
              std::is_nothrow_move_constructible_v<strop::Engine>);
static_assert(!std::is_copy_constructible_v<strop::Context> &&
              std::is_nothrow_move_constructible_v<strop::Context>);

void use(const char* path, const char* missing) {
  expect_error(STROP_FILE_NOT_FOUND, "STROP-E200", [&] { strop::load(missing); });
  expect_error(STROP_NOT_A_PLUGIN, "STROP-E604", [&] { strop::load_plugin(path); });
  strop::Engine loaded = strop::load(path);
  const strop::Engine engine = std::move(loaded);
  const auto inputs = engine.inputs();
  expect(inputs.size() == 2 && inputs[0].name == "x" && inputs[0].symbols[0] == "N" &&
             inputs[0].dims[1] == 3,
         "the inputs");
  expect(engine.outputs()[0].type == "f32[N,3]", "the outputs");
  expect(engine.header() == strop::read_header(path), "the header is the file's");

  auto context = engine.create_context({.threads = 1, .profile = true});
  const std::vector<float> data = {0, 0, 0, 1000, 0, 0};
  expect_error(STROP_INPUT_SHAPE, "dimension 1 is 2", [&] { context.bind("x", {3, 2}, data); });
  context.bind("x", {2, 3}, data);
  context.bind_strings("s", {2}, {"one", std::string("t\0o", 3)});
  context.run();
  const std::span<const float> scores = context.output("y").values<float>();
  expect(scores.size() == 6 && std::fabs(scores[0] - 1.0f / 3) < 1e-6f && scores[3] == 1.0f,
         "the scores");
  expect(context.output("y").dims()[0] == 2, "the shape");
  expect_error(STROP_BAD_ARGUMENT, "read as i32",
               [&] { (void)context.output("y").values<std::int32_t>(); });
  expect(context.output_value("t").string(1) == std::string("t\0o", 3), "the strings");
  expect_error(STROP_UNKNOWN_NAME, "y, t", [&] { (void)context.output("scores"); });
  expect(context.profile().size() == 2 && context.profile()[0].op == "softmax", "the profile");

  std::vector<float> own(6);
  context.bind_output("y", std::span<float>(own));
  context.bind("x", {2, 3}, std::vector<float>{1000, 0, 0, 0, 0, 0});  // a temporary is copied
  strop::Context moved = std::move(context);
  moved.run();
  expect(own[0] == 1.0f, "the output in memory of the caller");
  moved.unbind_output("y");
  moved.prepare({{"x", {5, 3}}, {"s", {5}}});

  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  const auto again = strop::load(std::as_bytes(std::span(bytes.data(), bytes.size())));
  expect(again.inputs().size() == 2, "an engine from memory");
  expect(strop::doctor().find("Strop 0.1.0") == 0, "doctor");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    use(argv[1], argv[2]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  if (failures == 0) std::puts("C++ consumer: all as wanted");
  return failures == 0 ? 0 : 1;
}
