// SPDX-License-Identifier: Apache-2.0
// Any bytes as an ONNX model and as the values of test data: an answer or an Error, and never one
// that blames Strop itself.
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "onnx/importer.hpp"
#include "onnx/tensor_file.hpp"

namespace {

template <class F>
void expect_answer(F&& body) {
  try {
    body();
  } catch (const strop::Error& error) {
    for (const strop::Diagnostic& problem : error.diagnostics()) {
      if (problem.code == strop::ErrorCode::internal ||
          problem.code == strop::ErrorCode::out_of_memory) {
        std::cerr << error.message() << "\n";
        std::abort();
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
  expect_answer([&] { strop::onnx::import_model(bytes, nullptr); });
  for (const strop::ValueKind kind : {strop::ValueKind::tensor, strop::ValueKind::sequence,
                                      strop::ValueKind::optional, strop::ValueKind::map}) {
    expect_answer([&] { strop::onnx::read_tensor_bytes(bytes, nullptr, kind); });
  }
  return 0;
}
