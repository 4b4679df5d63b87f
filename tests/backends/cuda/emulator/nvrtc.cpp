// SPDX-License-Identifier: Apache-2.0
// Stands for NVRTC where whole engines run without a GPU: its "machine code" is a shared library of
// this processor, which driver.cpp loads. Kernels of Hopper's tensor cores, which have no stand-ins
// on the processor, become a library without entries.
#include <nvrtc.h>
#include <unistd.h>

#include <atomic>
#include <cctype>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "backends/cuda/on_host/host_source.hpp"

#define STROP_PUBLIC __attribute__((visibility("default")))

struct _nvrtcProgram {
  std::string source, log, image;
};

namespace {

// The condition that the text at `at` stands under, as a line; empty: none.
std::string condition_at(const std::string& source, std::size_t at) {
  const std::size_t opened = source.rfind("\n#if", at), closed = source.rfind("\n#endif", at);
  if (opened == std::string::npos || (closed != std::string::npos && closed > opened)) return {};
  return source.substr(opened + 1, source.find('\n', opened + 1) - opened);
}

// A line for every kernel, `extern "C" __global__ void __launch_bounds__(...) name(`.
std::string entry_table(const std::string& source) {
  static constexpr std::string_view kMark = "extern \"C\" __global__ void __launch_bounds__";
  std::string out;
  for (std::size_t at = source.find(kMark); at != std::string::npos; at = source.find(kMark, at)) {
    const std::string condition = condition_at(source, at);
    at = source.find(')', at) + 1;
    while (std::isspace(static_cast<unsigned char>(source[at])) != 0) ++at;
    const std::string name = source.substr(at, source.find('(', at) - at);
    out += condition + "  if (!std::strcmp(name, \"" + name + "\")) return HostCall<&" + name +
           ">::kernel();\n" + (condition.empty() ? "" : "#endif\n");
  }
  return out;
}

std::string with_entries(const std::string& source) {
  return strop::testing::as_host_source(source) +
         "\n#define STROP_KERNEL_ENTRY \"" STROP_SOURCE_DIR
         "/tests/backends/cuda/emulator/kernel_entry.hpp\"\n#include \"" STROP_SOURCE_DIR
         "/tests/backends/cuda/emulator/kernel_entry.inl\"\n"
         "extern \"C\" HostKernel host_find(const char* name) {\n" +
         entry_table(source) + "  return {};\n}\n";
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

extern "C" {

STROP_PUBLIC nvrtcResult nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 990;
  return NVRTC_SUCCESS;
}
STROP_PUBLIC const char* nvrtcGetErrorString(nvrtcResult) { return "the emulated compiler failed"; }
STROP_PUBLIC nvrtcResult nvrtcCreateProgram(nvrtcProgram* out, const char* source, const char*, int,
                                            const char* const*, const char* const*) {
  *out = new _nvrtcProgram{source, {}, {}};
  return NVRTC_SUCCESS;
}
STROP_PUBLIC nvrtcResult nvrtcDestroyProgram(nvrtcProgram* program) {
  delete *program;
  *program = nullptr;
  return NVRTC_SUCCESS;
}
STROP_PUBLIC nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int, const char* const*) {
  static std::atomic<int> number = 0;
  const std::string file =
      (std::filesystem::temp_directory_path() /
       ("strop_emulated_" + std::to_string(getpid()) + "_" + std::to_string(number++)))
          .string();
  const bool hopper = program->source.find("wgmma") != std::string::npos;
  std::ofstream(file + ".cpp") << (hopper ? "" : with_entries(program->source));
  const std::string command =
      "g++ -std=c++20 -O1 -w -ffp-contract=off -shared -fPIC -fno-gnu-unique " + file + ".cpp -o " +
      file + ".so 2> " + file + ".log";
  const int status = std::system(command.c_str());
  // What ptxas would say.
  program->log = "Used 32 registers\n" + read_file(file + ".log");
  program->image = read_file(file + ".so");
  if (status == 0) std::filesystem::remove(file + ".cpp");
  std::filesystem::remove(file + ".log");
  std::filesystem::remove(file + ".so");
  return status == 0 ? NVRTC_SUCCESS : NVRTC_ERROR_COMPILATION;
}
STROP_PUBLIC nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, std::size_t* size) {
  *size = program->log.size() + 1;
  return NVRTC_SUCCESS;
}
STROP_PUBLIC nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char* out) {
  std::memcpy(out, program->log.c_str(), program->log.size() + 1);
  return NVRTC_SUCCESS;
}
STROP_PUBLIC nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, std::size_t* size) {
  *size = program->image.size();
  return NVRTC_SUCCESS;
}
STROP_PUBLIC nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char* out) {
  std::memcpy(out, program->image.data(), program->image.size());
  return NVRTC_SUCCESS;
}
STROP_PUBLIC nvrtcResult nvrtcGetPTXSize(nvrtcProgram, std::size_t* size) {
  *size = 1;
  return NVRTC_SUCCESS;
}
STROP_PUBLIC nvrtcResult nvrtcGetPTX(nvrtcProgram, char* out) {
  *out = 0;
  return NVRTC_SUCCESS;
}
STROP_PUBLIC nvrtcResult nvrtcGetNumSupportedArchs(int* count) {
  *count = 2;
  return NVRTC_SUCCESS;
}
STROP_PUBLIC nvrtcResult nvrtcGetSupportedArchs(int* out) {
  out[0] = 80, out[1] = 90;
  return NVRTC_SUCCESS;
}
}
