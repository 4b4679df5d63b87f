// SPDX-License-Identifier: Apache-2.0
// The section "Building" of strop/strop.h.
#include <nlohmann/json.hpp>

#include "builder/build_options.hpp"
#include "builder/pipeline.hpp"
#include "plan/engine_file.hpp"
#include "runtime/c_api_handles.hpp"

namespace strop {
namespace {

std::string text_or(const char* text, const char* otherwise) {
  return text != nullptr ? text : otherwise;
}

BuildConfig read_config(const strop_build_options* given) {
  const strop_build_options options = read_options(given);
  BuildConfig config;
  config.device = text_or(options.device, "auto");
  config.precision = text_or(options.precision, "fp32");
  config.precise = options.precise != 0;
  config.threads = options.threads;
  config.tuning = options.budget_ms >= 0;
  if (options.budget_ms > 0) config.budget_seconds = static_cast<double>(options.budget_ms) / 1000;
  config.timing_cache = text_or(options.timing_cache, "");
  config.tactics = split_list(text_or(options.tactics, ""), ',');
  for (const std::string& entry : split_list(text_or(options.shapes, ""), ';'))
    add_wanted_shape(entry, config.shapes);
  config.outputs = split_list(text_or(options.outputs, ""), ',');
  if (options.verify < STROP_VERIFY_AUTO || options.verify > STROP_VERIFY_NEVER) {
    throw Error(ErrorCode::bad_option, "verify is " + std::to_string(options.verify),
                "it is no strop_verify");
  }
  config.verify = static_cast<Verify>(options.verify);
  config.portable = options.portable != 0;
  config.external_data_root = text_or(options.external_data_root, "");
  config.stop_after = text_or(options.stop_after, "");
  config.dump_directory = text_or(options.dump_dir, "");
  for (const char* const* path = options.plugins; path != nullptr && *path != nullptr; ++path)
    config.plugins.emplace_back(*path);
  if (options.progress != nullptr) {
    config.progress = [call = options.progress,
                       user = options.progress_user](const BuildProgress& progress) {
      return call(user, progress.stage.c_str(), progress.detail.c_str(), progress.fraction) == 0;
    };
  }
  return config;
}

// The report as the caller gets it; with stop_after the stage's text is part of it.
std::string report_text(const BuildResult& result) {
  if (result.stopped.empty()) return result.report.to_json();
  auto json = nlohmann::ordered_json::parse(result.report.to_json());
  json["text"] = result.stopped;
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

void hand_over(BuildResult result, strop_engine** engine, char** report_json) {
  if (report_json != nullptr) *report_json = give_text(report_text(result));
  if (!result.stopped.empty()) return;
  *engine = new strop_engine(std::make_shared<const Engine>(std::move(result.engine)));
}

}  // namespace
}  // namespace strop

using strop::guarded;

strop_status strop_build_file(const char* path, const strop_build_options* options,
                              strop_engine** engine, char** report_json, strop_error** error) {
  if (engine != nullptr) *engine = nullptr;
  if (report_json != nullptr) *report_json = nullptr;
  return guarded(error, [&] {
    strop::require(path != nullptr, "path");
    strop::require(engine != nullptr, "engine");
    strop::hand_over(strop::build_model(path, strop::read_config(options)), engine, report_json);
  });
}

strop_status strop_build_memory(const void* data, size_t size, const strop_build_options* options,
                                strop_engine** engine, char** report_json, strop_error** error) {
  if (engine != nullptr) *engine = nullptr;
  if (report_json != nullptr) *report_json = nullptr;
  return guarded(error, [&] {
    strop::require(data != nullptr, "data");
    strop::require(engine != nullptr, "engine");
    // The engine outlives the caller's bytes, and weights stay where the model holds them: keep a
    // copy.
    const auto copy = std::make_shared<std::vector<std::byte>>(
        static_cast<const std::byte*>(data), static_cast<const std::byte*>(data) + size);
    strop::hand_over(strop::build_model(*copy, copy, strop::read_config(options)), engine,
                     report_json);
  });
}

strop_status strop_engine_save(const strop_engine* engine, const char* path, strop_error** error) {
  return guarded(error, [&] {
    strop::require(engine != nullptr, "engine");
    strop::require(path != nullptr, "path");
    strop::save_engine(engine->engine->contents(), path);
  });
}
