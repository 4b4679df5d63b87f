// SPDX-License-Identifier: Apache-2.0
// Saving and loading engines; docs/engine-file.md is the format. A saved engine is whole or not
// there; a loaded one is the one that was saved, to the bit. Engines are data: nothing in a file
// runs, and any bytes are answered with an engine or an Error.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/tensor.hpp"
#include "plan/plan.hpp"

namespace strop {

// An input or output as the header tells it.
struct EnginePort {
  std::string name;
  std::string type;                // "f32[N,3,224,224]", "seq(f32[*])"
  DType dtype = DType::undefined;  // of a tensor
  std::optional<SymShape> shape;   // of a tensor; nothing: rank unknown
  bool operator==(const EnginePort&) const = default;
};

// A plugin whose operators the engine has. Nothing of it is in the file.
struct EnginePlugin {
  std::string name;
  std::uint32_t version_major = 0;
  std::uint32_t version_minor = 0;
  std::vector<std::string> operators;  // "domain::name:version"; at least one
  std::string version() const {
    return std::to_string(version_major) + "." + std::to_string(version_minor);
  }
  bool operator==(const EnginePlugin&) const = default;
};

struct EngineHeader {
  // Stated by whoever saves.
  std::string target;  // "cpu", "reference"
  std::vector<std::string>
      instruction_sets;  // that the machine must have; names of os::CpuFeatures
  std::map<std::string, std::string> libraries;  // name -> version that packed weights rely on
  std::map<std::string, std::string> options;    // of the build, as on the command line
  std::vector<EnginePlugin> plugins;             // that must be loaded before it
  bool portable = false;  // graph and weights allow to plan it anew on another machine

  // Follow from the rest; set by load_engine and read_engine_header, not looked at when saving.
  std::uint32_t format = 0;
  std::string strop_version;
  std::vector<EnginePort> inputs;
  std::vector<EnginePort> outputs;
  std::string content_id;      // hash of the whole file, 32 hex digits
  std::string computation_id;  // hash of plan and weights alone: what a self-check verdict is for
  std::uint64_t file_size = 0;
};

struct EngineContents {
  EngineHeader header;
  Plan plan;
  std::string graph_text;             // without weights; may be empty
  std::vector<Tensor> graph_tensors;  // the weights the text refers to, in its order
  std::string calibration;            // text; may be empty
  std::string self_check;             // verdict as JSON; may be empty
};

// The header alone: nothing else of the file is read, but its length must be right. Throws Error
// file_not_found, file_unreadable, not_an_engine, engine_truncated, engine_corrupted (names the
// section), engine_newer_format, engine_invalid.
EngineHeader read_engine_header(const std::string& path);

struct EngineSection {
  std::string name;
  std::uint64_t offset = 0;  // in the file
  std::uint64_t bytes = 0;
};
// What the file is made of. Throws like read_engine_header.
std::vector<EngineSection> read_engine_sections(const std::string& path);

// Throws Error(engine_other_target) if this machine's processor lacks an instruction set that the
// engine was built for.
void require_this_machine(const EngineHeader& header);

// Equal contents give equal bytes. Throws Error(limit_exceeded), and Error(engine_invalid) where
// verify() refuses the plan.
std::vector<std::byte> serialize_engine(const EngineContents& contents);
std::string engine_computation_id(const EngineContents& contents);
// Whole or not at all. Throws like serialize_engine, and Error(file_unwritable).
void save_engine(const EngineContents& contents, const std::string& path);

// Every byte is checked before anything is returned. Large files are mapped and tensors lie in the
// mapping, so that processes share them; nobody may write to a loaded tensor. Throws like
// read_engine_header.
EngineContents load_engine(const std::string& path);
// From memory that `owner` keeps alive (null: the caller does); copied if it is not aligned to 64
// bytes.
EngineContents load_engine(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

}  // namespace strop
