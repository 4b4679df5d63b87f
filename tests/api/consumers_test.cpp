// SPDX-License-Identifier: Apache-2.0
// Programs that are linked with libstrop_runtime alone and load the backends on demand.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "plan/engine_file.hpp"
#include "runtime/plan_maker.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

EngineContents contents() {
  testing::PlanMaker maker;
  const auto x = maker.input("x", "f32[N,3]");
  const auto s = maker.input("s", "string[N]");
  const auto shape = maker.constant("shape", Tensor::from<std::int64_t>({2}, {-1, 1}));
  const auto y = maker.arena("y", "f32[N,3]");
  const auto t = maker.boxed("t", "string[N,1]");
  maker.step("softmax", {x}, {y});
  maker.step("reshape", {s, shape}, {t});
  maker.output("y", y);
  maker.output("t", t);
  EngineContents out;
  out.header.target = "reference";
  out.plan = maker.take();
  return out;
}

int run(const char* program) {
  const testing::TemporaryFolder folder;
  const std::string engine = folder.path("model.strop");
  save_engine(contents(), engine);
  const std::string command =
      std::string("\"") + program + "\" \"" + engine + "\" \"" + folder.path("missing") + "\"";
  return std::system(command.c_str());
}

TEST(Consumers, c_program_uses_the_whole_interface) { EXPECT_EQ(run(STROP_C_CONSUMER), 0); }

TEST(Consumers, cpp_program_uses_the_wrapper) { EXPECT_EQ(run(STROP_CPP_CONSUMER), 0); }

}  // namespace
}  // namespace strop
