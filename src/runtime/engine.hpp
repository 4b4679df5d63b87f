// SPDX-License-Identifier: Apache-2.0
// An engine ready to run: a verified plan with its weights, and what its file says about it.
// Immutable; contexts in any number of threads share it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "plan/engine_file.hpp"
#include "runtime/plan_layout.hpp"

namespace strop {

class Engine {
 public:
  // Verifies the plan; inputs and outputs of the header are filled in from it. Throws
  // Error(engine_invalid).
  explicit Engine(EngineContents contents);
  // Without a file, for tests and for a build that goes on to run.
  explicit Engine(Plan plan);
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Throws as load_engine does, Error(engine_other_target) when this machine lacks an instruction
  // set, and Error(missing_plugin, plugin_mismatch) when a plugin it needs is not loaded.
  static std::shared_ptr<const Engine> load(const std::string& path);
  // `owner` keeps the bytes alive; null: the caller does, as long as the engine.
  static std::shared_ptr<const Engine> load(std::span<const std::byte> bytes,
                                            std::shared_ptr<const void> owner);

  const EngineContents& contents() const { return contents_; }
  const EngineHeader& header() const { return contents_.header; }
  const Plan& plan() const { return contents_.plan; }
  const PlanLayout& layout() const { return *layout_; }
  std::span<const EnginePort> inputs() const { return contents_.header.inputs; }
  std::span<const EnginePort> outputs() const { return contents_.header.outputs; }
  // The header as JSON.
  const std::string& header_json() const { return header_json_; }

 private:
  EngineContents contents_;
  std::unique_ptr<PlanLayout> layout_;
  std::string header_json_;
};

}  // namespace strop
