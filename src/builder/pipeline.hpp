// SPDX-License-Identifier: Apache-2.0
// The whole compiler: ONNX bytes -> import -> Graph -> passes -> Graph -> lower -> Plan -> tune ->
// Engine.
#pragma once

#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "builder/build_config.hpp"
#include "builder/report.hpp"
#include "plan/engine_file.hpp"

namespace strop {

struct BuildResult {
  EngineContents engine;
  BuildReport report;
  std::string stopped;  // with stop_after: the value of that stage as text; there is no engine then
};

// Throws Error. Nothing is written but the timing cache and what dump_directory asks for.
BuildResult build_model(const std::filesystem::path& model, const BuildConfig& config);
// From memory; external data is refused then. `owner` keeps the bytes alive, null: the caller does,
// as long as the result.
BuildResult build_model(std::span<const std::byte> model, std::shared_ptr<const void> owner,
                        const BuildConfig& config);

// The passes in the order in which they run.
std::span<const Pass> default_passes();

}  // namespace strop
