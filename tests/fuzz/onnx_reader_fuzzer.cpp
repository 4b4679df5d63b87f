// SPDX-License-Identifier: Apache-2.0
// Any bytes as an ONNX model and as the values of test data: an answer or an Error, and never one
// that blames Strop itself.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "fuzz/wire_mutator.hpp"
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

#ifndef STROP_FUZZ_REPLAY
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return strop::fuzz::mutate_message(data, size, max_size, seed);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* a, std::size_t a_size,
                                                 const std::uint8_t* b, std::size_t b_size,
                                                 std::uint8_t* out, std::size_t max_size,
                                                 unsigned seed) {
  if (a_size > max_size) return 0;
  std::copy_n(a, a_size, out);
  return strop::fuzz::mutate_message(out, a_size, max_size, seed,
                                     {reinterpret_cast<const char*>(b), b_size});
}
#endif
