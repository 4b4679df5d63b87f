// SPDX-License-Identifier: Apache-2.0
// What one import may take beside the bytes of its file, so that a small file cannot ask for much:
// memory is charged before it is allocated, and nodes before they are converted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "base/error.hpp"

namespace strop::onnx {

// Ends an import at once, where other errors are problems of one node.
class BudgetExceeded : public Error {
 public:
  using Error::Error;
};

class ImportBudget {
 public:
  // `list_bytes`: what claim_for_lists may add in all.
  ImportBudget(std::int64_t bytes, std::int64_t nodes, std::int64_t list_bytes = 0)
      : bytes_(bytes), nodes_(nodes), list_bytes_(list_bytes) {}

  // Throws Error(limit_exceeded).
  void charge_bytes(std::int64_t bytes) {
    if (bytes > bytes_) fail_bytes(bytes);
    bytes_ -= bytes;
  }
  void charge_elements(std::int64_t count, std::int64_t size_of_one) {
    if (count > bytes_ / size_of_one) fail_bytes(count);
    bytes_ -= count * size_of_one;
  }
  void charge_node() {
    if (--nodes_ < 0) {
      throw BudgetExceeded(
          ErrorCode::limit_exceeded, "the model's functions expand into too many nodes",
          "an import converts no more nodes than its limit, which grows with the file",
          "raise ImportLimits::nodes if the model is trusted");
    }
  }
  // External files add what they hold.
  void grow(std::int64_t bytes) { bytes_ += bytes; }
  // Lists that are a model's parameters (the nodes of its trees) take many times their packed size.
  void claim_for_lists(std::int64_t packed_bytes) {
    const std::int64_t bytes = std::min(list_bytes_ / kBytesInLists, packed_bytes) * kBytesInLists;
    list_bytes_ -= bytes;
    bytes_ += bytes;
  }

  // Memory for one byte of such a list: a number of one byte becomes one of eight, in a vector that
  // grows by doubling; a string of six bytes a view and a copy.
  static constexpr std::int64_t kBytesInLists = 16;

 private:
  [[noreturn]] static void fail_bytes(std::int64_t asked) {
    throw BudgetExceeded(
        ErrorCode::limit_exceeded, "the model needs too much memory for its size",
        std::to_string(asked) + " more bytes or elements were asked for than are allowed",
        "raise ImportLimits::extra_bytes if the model is trusted");
  }
  std::int64_t bytes_;
  std::int64_t nodes_;
  std::int64_t list_bytes_;
};

}  // namespace strop::onnx
