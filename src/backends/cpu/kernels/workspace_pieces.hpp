// SPDX-License-Identifier: Apache-2.0
// Pieces of a kernel's workspace, one for each thread that works at a time: a task takes any that
// is free.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace strop::cpu {

class WorkspacePieces {
 public:
  class Use {
   public:
    explicit Use(WorkspacePieces& pieces) : pieces_(pieces) {
      while (pieces_.taken_[index_].exchange(true, std::memory_order_acquire)) {
        if (++index_ < pieces_.taken_.size()) continue;
        index_ = 0;
        std::this_thread::yield();  // more threads than the context was prepared for
      }
    }
    ~Use() { pieces_.taken_[index_].store(false, std::memory_order_release); }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    std::int64_t index() const { return static_cast<std::int64_t>(index_); }

   private:
    WorkspacePieces& pieces_;
    std::size_t index_ = 0;
  };

  void resize(int count) {
    if (taken_.size() != static_cast<std::size_t>(count))
      taken_ = std::vector<std::atomic<bool>>(static_cast<std::size_t>(count));
  }
  std::int64_t count() const { return static_cast<std::int64_t>(taken_.size()); }

 private:
  std::vector<std::atomic<bool>> taken_;
};

}  // namespace strop::cpu
