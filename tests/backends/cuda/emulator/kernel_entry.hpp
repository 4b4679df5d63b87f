// SPDX-License-Identifier: Apache-2.0
// How a kernel that was compiled for the processor is called; for nvrtc.cpp's libraries and
// driver.cpp.
#pragma once

struct HostKernel {
  int arguments = 0;  // no kernel: run is null
  unsigned bytes[64] = {};
  void (*run)(const unsigned (&grid)[3], unsigned threads, void** arguments) = nullptr;
};
