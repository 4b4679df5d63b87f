// SPDX-License-Identifier: Apache-2.0
#include "onnx/importer.hpp"

#include <algorithm>
#include <new>

#include "base/os/mapped_file.hpp"
#include "onnx/external_data.hpp"
#include "onnx/graph_importer.hpp"
#include "onnx/import_budget.hpp"
#include "onnx/model_reader.hpp"
#include "onnx/tensor_decoder.hpp"

namespace strop::onnx {
namespace {

std::string utf8(const std::filesystem::path& path) {
  const std::u8string text = path.u8string();
  return {text.begin(), text.end()};
}

Graph import_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                   ExternalData& external, const ImportOptions& options, std::string path) {
  const auto size = static_cast<std::int64_t>(bytes.size());
  const ImportLimits& limits = options.limits;
  const std::int64_t structure = std::min(size, limits.structure_bytes);
  ImportBudget budget(limits.extra_bytes + limits.bytes_per_structure_byte * structure + size,
                      limits.nodes + size, ImportBudget::kBytesInLists * (size - structure));
  try {
    const ModelProto model =
        read_model({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, budget);
    TensorDecoder decoder(std::move(owner), external, budget);
    return GraphImporter(model, options, decoder, budget, std::move(path)).import();
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "no memory to import the model",
                "the model is " + std::to_string(size) + " bytes long");
  }
}

}  // namespace

Graph import_model(const std::filesystem::path& path, const ImportOptions& options) {
  try {
    const os::FileView file =
        os::read_file(utf8(path), os::FileAccess::map, options.limits.file_bytes);
    ExternalData external(utf8(path.parent_path()), options.external_data_root);
    Graph graph = import_bytes(file.bytes(), file.owner(), external, options, utf8(path));
    file.check_unchanged();
    external.check_unchanged();
    return graph;
  } catch (Error& error) {
    error.add_context("importing " + utf8(path));
    throw;
  }
}

Graph import_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                   const ImportOptions& options) {
  ExternalData external;
  return import_bytes(bytes, std::move(owner), external, options, "MODEL");
}

}  // namespace strop::onnx
