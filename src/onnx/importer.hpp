// SPDX-License-Identifier: Apache-2.0
// From an ONNX model to a Graph. Every problem of the model is reported in one Error: one
// Diagnostic each, with node, operator, domain, opset, reason and hint. A model is data from
// outside: what an import takes is bounded by the size of its files (ImportLimits).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ir/graph.hpp"

namespace strop::onnx {

class ConverterTable;

inline constexpr std::int64_t kOldestOpset = 1;
inline constexpr std::int64_t kNewestOpset = 28;

struct ImportLimits {
  std::int64_t file_bytes = std::int64_t{1} << 40;  // of the model itself
  // Memory beside the files, for structure and copies; the sizes of the files are added. A node of
  // 70 bytes in the file takes about a kilobyte here, so the model's own file counts more than once
  // up to the size beyond which it is weights rather than structure. Beyond it, attributes that are
  // a model's parameters (the nodes of its trees) count 16 times.
  std::int64_t extra_bytes = std::int64_t{40} << 20;
  std::int64_t bytes_per_structure_byte = 16;
  std::int64_t structure_bytes = std::int64_t{16} << 20;
  // Nodes converted, functions expanded; the size of the model in bytes is added.
  std::int64_t nodes = 4000;
};

struct ImportOptions {
  // External data may be reached through links that end inside this folder; empty: through none.
  std::string external_data_root;
  // Names of values to be the outputs instead of the model's own; empty: the model's own.
  std::vector<std::string> outputs;
  // Null: Strop's own. Must outlive the import.
  const ConverterTable* converters = nullptr;
  ImportLimits limits;
};

// Weights stay in the file's memory where they are aligned. Throws Error: file_not_found,
// file_unreadable, not_onnx, model_truncated, limit_exceeded, and every problem of the model.
Graph import_model(const std::filesystem::path& path, const ImportOptions& options = {});

// `owner` keeps the bytes alive; null: the caller does, as long as the graph lives. Such a model
// has no folder, so external data is refused.
Graph import_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                   const ImportOptions& options = {});

}  // namespace strop::onnx
