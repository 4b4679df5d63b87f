// SPDX-License-Identifier: Apache-2.0
// The handler uses lock-free atomics, mmap and sigaction alone. Ranges stand in a fixed table,
// because a handler may not wait for a lock that the interrupted thread might hold.
#include "base/os/sigbus_guard.hpp"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>

namespace strop::os {
namespace {

struct Slot {
  std::atomic<bool> taken{false};
  std::atomic<std::uintptr_t> begin{0};  // 0: not in force
  std::atomic<std::uintptr_t> end{0};
  std::atomic<bool> hit{false};
};
static_assert(std::atomic<std::uintptr_t>::is_always_lock_free &&
              std::atomic<bool>::is_always_lock_free);

std::array<Slot, 1024> slots;
struct sigaction previous;
std::uintptr_t page_size = 4096;

void on_bus_error(int signal, siginfo_t* info, void* context) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  if (info->si_code > 0) {  // raised by the processor, not sent by a process
    for (Slot& slot : slots) {
      const std::uintptr_t begin = slot.begin.load();
      const std::uintptr_t end = slot.end.load();
      if (begin == 0 || address < begin || address >= end) continue;
      const std::uintptr_t page = address & ~(page_size - 1);
      const int error_number = errno;
      const void* zeros = mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
      errno = error_number;
      if (zeros == MAP_FAILED) break;
      slot.hit.store(true);
      return;
    }
  }
  if ((previous.sa_flags & SA_SIGINFO) != 0) {
    previous.sa_sigaction(signal, info, context);
  } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
    previous.sa_handler(signal);
  } else if (info->si_code > 0 || previous.sa_handler == SIG_DFL) {
    // Back to the default, which ends the process: for a fault when the instruction runs again.
    struct sigaction fallback {};
    fallback.sa_handler = SIG_DFL;
    sigaction(signal, &fallback, nullptr);
    if (info->si_code <= 0) raise(signal);
  }
}

bool install() {
  const long page = sysconf(_SC_PAGESIZE);
  if (page > 0) page_size = static_cast<std::uintptr_t>(page);
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK;
  sigemptyset(&action.sa_mask);
  // Read first: a bus error may come as soon as the handler stands.
  return sigaction(SIGBUS, nullptr, &previous) == 0 && sigaction(SIGBUS, &action, nullptr) == 0;
}

}  // namespace

SigbusGuard::SigbusGuard(void* begin, std::size_t length) {
  static const bool installed = install();
  if (!installed) return;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    bool free = false;
    if (!slots[i].taken.compare_exchange_strong(free, true)) continue;
    const auto address = reinterpret_cast<std::uintptr_t>(begin);
    slots[i].hit.store(false);
    slots[i].end.store(address + length);
    slots[i].begin.store(address);
    slot_ = static_cast<int>(i);
    return;
  }
}

SigbusGuard::~SigbusGuard() {
  if (slot_ < 0) return;
  Slot& slot = slots[static_cast<std::size_t>(slot_)];
  slot.begin.store(0);
  slot.taken.store(false);
}

bool SigbusGuard::hit() const {
  return slot_ >= 0 && slots[static_cast<std::size_t>(slot_)].hit.load();
}

}  // namespace strop::os
