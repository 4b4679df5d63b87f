// SPDX-License-Identifier: Apache-2.0
// The small windows onto the operating system: processor, clock, terminal, memory, shared
// libraries.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <vector>

#include "base/error.hpp"
#include "base/os/clock.hpp"
#include "base/os/cpu_features.hpp"
#include "base/os/dynamic_library.hpp"
#include "base/os/process_memory.hpp"
#include "base/os/terminal.hpp"

namespace strop::os {
namespace {

TEST(CpuFeatures, agree_with_the_compiler) {
  const CpuFeatures& features = cpu_features();
  EXPECT_FALSE(features.vendor.empty());
#if defined(__x86_64__)
  __builtin_cpu_init();
  EXPECT_EQ(features.sse41, __builtin_cpu_supports("sse4.1") != 0);
  EXPECT_EQ(features.avx, __builtin_cpu_supports("avx") != 0);
  EXPECT_EQ(features.avx2, __builtin_cpu_supports("avx2") != 0);
  EXPECT_EQ(features.fma, __builtin_cpu_supports("fma") != 0);
  EXPECT_EQ(features.avx512f, __builtin_cpu_supports("avx512f") != 0);
  EXPECT_EQ(features.avx512bw, __builtin_cpu_supports("avx512bw") != 0);
  EXPECT_EQ(features.avx512_vnni, __builtin_cpu_supports("avx512vnni") != 0);
  EXPECT_EQ(features.avx512_bf16, __builtin_cpu_supports("avx512bf16") != 0);
#endif
  CpuFeatures two;
  two.avx2 = two.bf16 = true;
  EXPECT_EQ(instruction_sets(two), "avx2 bf16");
}

TEST(CpuFeatures, counts_are_plausible) {
  EXPECT_GE(available_cpus(), 1);
  EXPECT_GT(memory_bytes(), 64u << 20);
}

TEST(Clock, does_not_go_back) {
  const std::int64_t first = monotonic_ns();
  EXPECT_LE(first, monotonic_ns());
}

TEST(Terminal, width_is_zero_where_there_is_none) {
  for (const Stream stream : {Stream::out, Stream::err}) {
    if (!is_terminal(stream)) {
      EXPECT_EQ(terminal_width(stream), 0);
    }
  }
}

TEST(ProcessMemory, peak_keeps_what_was_freed) {
  {
    std::vector<char> block(64u << 20, 'x');
    EXPECT_GE(resident_bytes(), 64u << 20);
    EXPECT_EQ(block[12345], 'x');
  }
  EXPECT_GE(peak_resident_bytes(), 64u << 20);
  const std::uint64_t resident = resident_bytes();  // first: it may still grow between two readings
  EXPECT_LE(resident, peak_resident_bytes());
}

TEST(DynamicLibrary, missing_library_is_an_error_with_the_reason) {
  std::string reason;
  EXPECT_FALSE(DynamicLibrary::try_open("libstrop_absent.so", &reason));
  EXPECT_NE(reason.find("libstrop_absent.so"), std::string::npos) << reason;
  try {
    DynamicLibrary::open("libstrop_absent.so");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::missing_library);
  }
  EXPECT_FALSE(DynamicLibrary::try_open(""));
  EXPECT_FALSE(DynamicLibrary::try_open(std::string("libm.so.6\0x", 11)));
}

TEST(DynamicLibrary, functions_are_found_by_name) {
  const DynamicLibrary library = DynamicLibrary::open("libm.so.6");
  EXPECT_DOUBLE_EQ(library.function<double(double)>("cbrt")(27.0), 3.0);
  EXPECT_EQ(library.find("strop_absent"), nullptr);
  EXPECT_THROW(library.function<void()>("strop_absent"), Error);
}

TEST(DynamicLibrary, module_of_an_address_is_an_absolute_path) {
  static const int here = 0;
  const std::filesystem::path program = module_path(&here);
  EXPECT_TRUE(program.is_absolute());
  EXPECT_EQ(program, std::filesystem::canonical("/proc/self/exe"));
  EXPECT_EQ(std::filesystem::path(module_directory(&here)), program.parent_path());
  void* cbrt_address = DynamicLibrary::open("libm.so.6").find("cbrt");
  EXPECT_EQ(std::filesystem::path(module_path(cbrt_address)).filename().string().substr(0, 4),
            "libm");
  pin_module(&here);
  EXPECT_EQ(module_path(nullptr), "");
  EXPECT_EQ(library_file_name("strop_cpu"), "libstrop_cpu.so");
}

}  // namespace
}  // namespace strop::os
