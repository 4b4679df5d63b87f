// SPDX-License-Identifier: Apache-2.0
// The handler calls nothing but what POSIX allows in one: open, read, write, sigaction, raise.
#include "base/os/fault_report.hpp"

#include <fcntl.h>
#include <signal.h>
#if defined(__linux__)
#include <ucontext.h>
#endif
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace strop::os {
namespace {

struct Known {
  int number;
  const char* text;
};
constexpr Known kSignals[] = {{SIGSEGV, "SIGSEGV, an access to memory that is not there"},
                              {SIGBUS, "SIGBUS, memory whose file or device has gone"},
                              {SIGFPE, "SIGFPE, arithmetic that has no result"},
                              {SIGILL, "SIGILL, an instruction that this processor does not have"},
                              {SIGABRT, "SIGABRT, somebody called abort"}};

const char* program_name = "";
char activity[256];
std::atomic<std::size_t> activity_length{0};

// A text of limited length, for the one write that says all.
class Line {
 public:
  Line& add(std::string_view text) {
    const std::size_t bytes = std::min(text.size(), sizeof(text_) - length_);
    std::memcpy(text_ + length_, text.data(), bytes);
    length_ += bytes;
    return *this;
  }
  void say() const {
    for (std::size_t done = 0; done < length_;) {
      const ssize_t written = write(STDERR_FILENO, text_ + done, length_ - done);
      if (written <= 0 && errno != EINTR) return;
      done += static_cast<std::size_t>(std::max<ssize_t>(written, 0));
    }
  }

 private:
  char text_[1024];
  std::size_t length_ = 0;
};

std::uintptr_t code_address([[maybe_unused]] const void* context) {
#if defined(__linux__) && defined(__x86_64__)
  const auto* all = static_cast<const ucontext_t*>(context);
  return static_cast<std::uintptr_t>(all->uc_mcontext.gregs[REG_RIP]);
#else
  return 0;
#endif
}

// Lines of /proc/self/maps, "begin-end rights offset device inode   path", one character at a time.
class MapsReader {
 public:
  // The path that the address belongs to, in `path`; its length, 0: none is known.
  std::size_t find(std::uintptr_t address, char (&path)[512]) {
    const int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    if (file < 0) return 0;
    std::size_t found = 0;
    for (bool more = true; more && found == 0;) more = read_line(file, address, path, found);
    close(file);
    return found;
  }

 private:
  bool next(int file, char& out) {
    if (at_ == end_) {
      const ssize_t got = read(file, buffer_, sizeof(buffer_));
      if (got <= 0) return false;
      at_ = 0, end_ = static_cast<std::size_t>(got);
    }
    out = buffer_[at_++];
    return true;
  }

  bool read_line(int file, std::uintptr_t address, char (&path)[512], std::size_t& found) {
    std::uintptr_t bounds[2] = {0, 0};
    int field = 0;  // 0, 1: the bounds; then what spaces part
    std::size_t length = 0;
    bool in_path = false;
    for (char c; next(file, c);) {
      if (c == '\n') {
        if (address >= bounds[0] && address < bounds[1]) found = length;
        return true;
      }
      if (field < 2) {
        if (c == '-' || c == ' ') {
          ++field;
        } else {
          const int digit = c >= 'a' ? c - 'a' + 10 : c - '0';
          bounds[field] = bounds[field] * 16 + static_cast<std::uintptr_t>(digit);
        }
        continue;
      }
      in_path = in_path || c == '/' || c == '[';
      if (in_path && length < sizeof(path)) path[length++] = c;
    }
    return false;
  }

  char buffer_[1024];
  std::size_t at_ = 0, end_ = 0;
};

void on_fault(int signal, siginfo_t*, void* context) {
  // Whatever happens from here on takes its default course.
  struct sigaction fallback {};
  fallback.sa_handler = SIG_DFL;
  for (const Known& known : kSignals) sigaction(known.number, &fallback, nullptr);
  const char* name = "a signal";
  for (const Known& known : kSignals) {
    if (known.number == signal) name = known.text;
  }
  Line line;
  line.add(program_name).add(": STROP-E100 internal fault: ").add(name);
  char path[512];
  const std::size_t length = signal == SIGABRT ? 0 : MapsReader().find(code_address(context), path);
  if (length > 0) line.add("\n  where: in the code of ").add(std::string_view(path, length));
  const std::size_t known = activity_length.load();
  if (known > 0) line.add("\n  while: ").add(std::string_view(activity, known));
  line.add("\n  do: please report it, with the command and the model\n").say();
  raise(signal);
}

}  // namespace

void report_faults(const char* program) {
  program_name = program;
  // For faults of a stack that is full.
  static char stack[64 << 10];
  stack_t other{};
  other.ss_sp = stack;
  other.ss_size = sizeof(stack);
  stack_t before{};
  if (sigaltstack(nullptr, &before) == 0 && (before.ss_flags & SS_DISABLE) != 0)
    sigaltstack(&other, nullptr);
  for (const Known& known : kSignals) {
    struct sigaction old {};
    if (sigaction(known.number, nullptr, &old) != 0 || (old.sa_flags & SA_SIGINFO) != 0 ||
        old.sa_handler != SIG_DFL)
      continue;
    struct sigaction action {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    sigaction(known.number, &action, nullptr);
  }
}

void note_activity(std::string_view what, std::string_view detail) {
  // A fault meanwhile, in another thread, says nothing rather than half of it.
  activity_length.store(0);
  std::size_t length = 0;
  for (const std::string_view part : {what, std::string_view(detail.empty() ? "" : ", "), detail}) {
    const std::size_t bytes = std::min(part.size(), sizeof(activity) - length);
    std::memcpy(activity + length, part.data(), bytes);
    length += bytes;
  }
  activity_length.store(length);
}

}  // namespace strop::os
