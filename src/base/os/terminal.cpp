// SPDX-License-Identifier: Apache-2.0
#include "base/os/terminal.hpp"

#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <sys/ioctl.h>
#include <unistd.h>
#endif

namespace strop::os {

#if defined(_WIN32)
namespace {
HANDLE handle_of(Stream stream) {
  return GetStdHandle(stream == Stream::out ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE);
}
}  // namespace

bool is_terminal(Stream stream) {
  DWORD mode = 0;
  return GetConsoleMode(handle_of(stream), &mode) != 0;
}

int terminal_width(Stream stream) {
  CONSOLE_SCREEN_BUFFER_INFO info;
  if (GetConsoleScreenBufferInfo(handle_of(stream), &info) == 0) return 0;
  return info.srWindow.Right - info.srWindow.Left + 1;
}
#else
namespace {
int descriptor_of(Stream stream) { return stream == Stream::out ? STDOUT_FILENO : STDERR_FILENO; }
}  // namespace

bool is_terminal(Stream stream) { return isatty(descriptor_of(stream)) == 1; }

int terminal_width(Stream stream) {
  if (!is_terminal(stream)) return 0;
  winsize size{};
  return ioctl(descriptor_of(stream), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
#endif

}  // namespace strop::os
