// SPDX-License-Identifier: Apache-2.0
// Tuning on a device without a chip: what is timed in which order, and what a budget leaves.
#include "builder/device_tuner.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "builder/tuner.hpp"
#include "ir/text.hpp"
#include "ops/op_list.hpp"
#include "ops/unary.hpp"
#include "runtime/test_device.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

// Of all tactics here: "tactic/config of node".
struct Lowered {
  std::mutex mutex;
  std::vector<std::string> order;
  std::atomic<bool> slow = false;
  std::vector<std::string> take() {
    const std::scoped_lock lock(mutex);
    return std::exchange(order, {});
  }
};
Lowered& lowered() {
  static Lowered instance;
  return instance;
}

template <char Name>
KernelChoice lower_as(const Problem& problem, std::string_view config) {
  {
    const std::scoped_lock lock(lowered().mutex);
    lowered().order.push_back(std::string(1, Name) + "/" + std::string(config) + " of " +
                              problem.node->name);
  }
  if (config == "refuses") throw Error(ErrorCode::no_implementation, "lowering", "it refuses");
  if (config == "slow" && lowered().slow) std::this_thread::sleep_for(std::chrono::seconds(4));
  KernelChoice out;
  out.kernel = "twice";
  return out;
}

Acceptance accept(const Problem&) { return Acceptance::accept(); }

const Tactic& own() {
  static const Tactic tactic{.name = "own",
                             .backend = "testdevice",
                             .ops = {op_unary},
                             .accepts = accept,
                             .configs =
                                 [](const Problem&) {
                                   return std::vector<std::string>{"first", "second"};
                                 },
                             .lower = lower_as<'o'>};
  return tactic;
}

const Tactic& library() {
  static const Tactic tactic{.name = "library",
                             .backend = "testdevice",
                             .opens_library = true,
                             .ops = {op_unary},
                             .accepts = accept,
                             .configs =
                                 [](const Problem&) {
                                   return std::vector<std::string>{"refuses", "refuses2"};
                                 },
                             .lower = lower_as<'l'>};
  return tactic;
}

const Tactic& slow() {
  static const Tactic tactic{.name = "slow",
                             .backend = "testdevice",
                             .ops = {op_unary},
                             .accepts = accept,
                             .configs =
                                 [](const Problem&) {
                                   return std::vector<std::string>{"quick", "slow"};
                                 },
                             .lower = lower_as<'s'>};
  return tactic;
}

class DeviceTuning : public ::testing::Test {
 protected:
  DeviceTuning() {
    testing::register_test_device();
    target_.backend = "testdevice";
    target_.device.emplace();
    target_.device->backend = "testdevice";
    target_.device->ordinal = 0;
    config_.threads = 1;
    config_.timing_cache = folder_.path("timings");
    lowered().take();
  }
  std::vector<CandidateQuestion> questions(const std::vector<const Tactic*>& tactics) {
    reports_.assign(graph_.order().size(), {});
    std::vector<CandidateQuestion> out;
    for (const NodeId id : graph_.order()) {
      CandidateQuestion& question = out.emplace_back();
      question.problem = {&graph_.node(id), &graph_};
      question.problem.device = &*target_.device;
      question.candidates = list_candidates(question.problem, tactics, {}).candidates;
      question.report = &reports_[out.size() - 1];
    }
    return out;
  }
  std::vector<std::vector<double>> tune(const std::vector<const Tactic*>& tactics) {
    Tuner tuner(config_, target_, sample_);
    EXPECT_EQ(tuner.load_cache(), std::nullopt);
    const auto out = tuner.times(questions(tactics));
    EXPECT_EQ(tuner.save_cache(), std::nullopt);
    timed_ = tuner.timed();
    notes_ = tuner.notes();
    return out;
  }

  testing::TemporaryFolder folder_;
  BuildConfig config_;
  BuildTarget target_;
  SymbolValues sample_;
  // Two problems, the second one larger; the third is the first again.
  const Graph graph_ = parse_graph(R"(graph main(%x: f32[8], %z: f32[1048576]) -> (%a, %b, %c) {
    %a = unary{function="neg"}(%x) "small"
    %b = unary{function="abs"}(%z) "large"
    %c = unary{function="neg"}(%a) "again"
  })",
                                   [](std::string_view name) { return find_op(name); });
  std::vector<NodeReport> reports_;
  std::size_t timed_ = 0;
  std::vector<std::string> notes_;
};

TEST_F(DeviceTuning, times_best_guesses_first_and_libraries_last) {
  const auto times = tune({&library(), &own()});
  EXPECT_EQ(
      lowered().take(),
      (std::vector<std::string>{"o/first of large", "o/first of small", "o/second of large",
                                "o/second of small", "l/refuses of large", "l/refuses of small"}));
  EXPECT_EQ(timed_, 2u);
  ASSERT_EQ(times.size(), 3u);
  for (const std::vector<double>& of_node : times) {
    ASSERT_EQ(of_node.size(), 4u);
    EXPECT_GT(of_node[0], of_node[2]);  // what refuses is taken last
    EXPECT_GT(of_node[1], of_node[3]);
  }
  EXPECT_EQ(times[0], times[2]);
  EXPECT_EQ(reports_[0].timings.size(), 2u);
  ASSERT_EQ(notes_.size(), 2u);
  EXPECT_NE(notes_[0].find("library/refuses was not timed for node large"), std::string::npos);
}

TEST_F(DeviceTuning, with_its_timings_lowers_nothing) {
  const auto first = tune({&own(), &library()});
  lowered().take();
  EXPECT_EQ(tune({&own(), &library()}), first);
  EXPECT_EQ(lowered().take(), std::vector<std::string>{});
  EXPECT_EQ(timed_, 0u);
}

TEST_F(DeviceTuning, what_a_budget_cut_off_is_timed_with_a_larger_one_alone) {
  config_.budget_seconds = 3;
  lowered().slow = true;
  const auto first = tune({&slow()});
  EXPECT_EQ(notes_.size(), 1u);
  EXPECT_EQ(first[0].size(), 2u);
  lowered().take();
  lowered().slow = false;
  EXPECT_EQ(tune({&slow()}), first);
  EXPECT_EQ(lowered().take(), std::vector<std::string>{});
  config_.budget_seconds = 60;
  const auto whole = tune({&slow()});
  EXPECT_EQ(lowered().take(), (std::vector<std::string>{"s/slow of large", "s/slow of small"}));
  EXPECT_EQ(notes_, std::vector<std::string>{});
  EXPECT_EQ(whole[0][0], whole[0][1]);
}

TEST_F(DeviceTuning, without_a_budget_times_and_keeps_nothing) {
  config_.budget_seconds = 0;
  EXPECT_EQ(tune({&own()}), std::vector<std::vector<double>>(3));
  EXPECT_EQ(timed_, 0u);
  config_.budget_seconds = 60;
  tune({&own()});
  EXPECT_EQ(timed_, 2u);
}

TEST_F(DeviceTuning, tries_fewer_ways_of_a_tactic_that_is_thought_slow) {
  static const auto many = [](const Problem&) {
    std::vector<std::string> out;
    for (int i = 0; i < 20; ++i) out.push_back(std::to_string(i));
    return out;
  };
  Tactic fast = own(), slower = own();
  fast.configs = slower.configs = many;
  slower.name = "slower";
  slower.slowdown = [](const Problem&, std::string_view) { return 2.0; };
  const CandidateQuestion question = questions({&fast, &slower})[0];
  const auto kept = promising_candidates(question.problem, question.candidates);
  EXPECT_EQ(std::ranges::count(kept, &fast, &Candidate::tactic), 8);
  EXPECT_EQ(std::ranges::count(kept, &slower, &Candidate::tactic), 2);
  EXPECT_EQ(kept[0].config, "0");
}

}  // namespace
}  // namespace strop
