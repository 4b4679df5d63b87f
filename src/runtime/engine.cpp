// SPDX-License-Identifier: Apache-2.0
#include "runtime/engine.hpp"

#include <utility>

#include "plan/engine_header.hpp"
#include "runtime/plugins.hpp"

namespace strop {
namespace {

EngineContents contents_of(Plan plan) {
  EngineContents contents;
  contents.plan = std::move(plan);
  return contents;
}

}  // namespace

Engine::Engine(EngineContents contents) : contents_(std::move(contents)) {
  verify(contents_.plan);
  set_ports(contents_.header, contents_.plan);
  layout_ = make_layout(contents_.plan);
  header_json_ = header_to_json(contents_.header);
}

Engine::Engine(Plan plan) : Engine(contents_of(std::move(plan))) {}

std::shared_ptr<const Engine> Engine::load(const std::string& path) {
  EngineContents contents = load_engine(path);
  require_this_machine(contents.header);
  require_plugins(contents.header);
  return std::make_shared<const Engine>(std::move(contents));
}

std::shared_ptr<const Engine> Engine::load(std::span<const std::byte> bytes,
                                           std::shared_ptr<const void> owner) {
  EngineContents contents = load_engine(bytes, std::move(owner));
  require_this_machine(contents.header);
  require_plugins(contents.header);
  return std::make_shared<const Engine>(std::move(contents));
}

}  // namespace strop
