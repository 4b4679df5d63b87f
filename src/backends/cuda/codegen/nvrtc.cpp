// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/codegen/nvrtc.hpp"

#include <nvrtc.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "backends/cuda/codegen/kernel_cache.hpp"
#include "backends/cuda/library_search.hpp"
#include "backends/cuda/module_image.hpp"
#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/os/clock.hpp"

namespace strop::cuda {
namespace {

struct Nvrtc {
  os::DynamicLibrary library;
  decltype(&nvrtcVersion) version;
  decltype(&nvrtcGetErrorString) error_string;
  decltype(&nvrtcCreateProgram) create;
  decltype(&nvrtcDestroyProgram) destroy;
  decltype(&nvrtcCompileProgram) compile;
  decltype(&nvrtcGetProgramLogSize) log_size;
  decltype(&nvrtcGetProgramLog) log;
  decltype(&nvrtcGetCUBINSize) cubin_size;
  decltype(&nvrtcGetCUBIN) cubin;
  decltype(&nvrtcGetPTXSize) ptx_size;
  decltype(&nvrtcGetPTX) ptx;
  decltype(&nvrtcGetNumSupportedArchs) architecture_count;
  decltype(&nvrtcGetSupportedArchs) architectures;
};

struct Opened {
  std::unique_ptr<const Nvrtc> nvrtc;
  std::string problem;
};

Opened open_nvrtc() {
  std::string tried;
  std::optional<os::DynamicLibrary> library = open_library(kNvrtcNames, kNvrtcWheels, tried);
  if (!library) return {nullptr, tried};
  try {
    const auto get = [&]<class Function>(Function*, const char* name) {
      return library->function<Function>(name);
    };
    auto nvrtc = std::make_unique<const Nvrtc>(
        Nvrtc{*library, get(&nvrtcVersion, "nvrtcVersion"),
              get(&nvrtcGetErrorString, "nvrtcGetErrorString"),
              get(&nvrtcCreateProgram, "nvrtcCreateProgram"),
              get(&nvrtcDestroyProgram, "nvrtcDestroyProgram"),
              get(&nvrtcCompileProgram, "nvrtcCompileProgram"),
              get(&nvrtcGetProgramLogSize, "nvrtcGetProgramLogSize"),
              get(&nvrtcGetProgramLog, "nvrtcGetProgramLog"),
              get(&nvrtcGetCUBINSize, "nvrtcGetCUBINSize"), get(&nvrtcGetCUBIN, "nvrtcGetCUBIN"),
              get(&nvrtcGetPTXSize, "nvrtcGetPTXSize"), get(&nvrtcGetPTX, "nvrtcGetPTX"),
              get(&nvrtcGetNumSupportedArchs, "nvrtcGetNumSupportedArchs"),
              get(&nvrtcGetSupportedArchs, "nvrtcGetSupportedArchs")});
    return {std::move(nvrtc), {}};
  } catch (const Error& error) {
    return {nullptr, error.message()};
  }
}

const Opened& opened() {
  static const Opened* instance = new Opened(open_nvrtc());
  return *instance;
}

const Nvrtc& nvrtc() {
  if (!opened().nvrtc) {
    throw Error(ErrorCode::missing_library, "kernels for NVIDIA GPUs are compiled with NVRTC",
                opened().problem,
                "install CUDA's NVRTC (part of the toolkit; on PyPI: nvidia-cuda-nvrtc) and see "
                "`strop doctor`");
  }
  return *opened().nvrtc;
}

void check(nvrtcResult result, const char* what) {
  if (result == NVRTC_SUCCESS) return;
  throw Error(ErrorCode::internal, std::string("NVRTC: ") + what, nvrtc().error_string(result));
}

class Program {
 public:
  explicit Program(const std::string& source) {
    check(nvrtc().create(&program_, source.c_str(), "strop_kernel.cu", 0, nullptr, nullptr),
          "creating a program");
  }
  ~Program() { nvrtc().destroy(&program_); }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  nvrtcResult compile(const std::vector<const char*>& options) {
    return nvrtc().compile(program_, static_cast<int>(options.size()), options.data());
  }
  std::string log() const {
    std::size_t size = 0;
    if (nvrtc().log_size(program_, &size) != NVRTC_SUCCESS || size == 0) return {};
    std::string out(size, '\0');
    if (nvrtc().log(program_, out.data()) != NVRTC_SUCCESS) return {};
    out.resize(std::strlen(out.c_str()));
    return out;
  }
  std::string cubin() const { return bytes(nvrtc().cubin_size, nvrtc().cubin, "machine code"); }
  std::string ptx() const {
    std::string out = bytes(nvrtc().ptx_size, nvrtc().ptx, "PTX");
    out.resize(std::strlen(out.c_str()));
    return out;
  }

 private:
  std::string bytes(decltype(&nvrtcGetPTXSize) size_of, decltype(&nvrtcGetPTX) read,
                    const char* what) const {
    std::size_t size = 0;
    check(size_of(program_, &size), what);
    std::string out(size, '\0');
    check(read(program_, out.data()), what);
    return out;
  }

  nvrtcProgram program_ = nullptr;
};

bool knows(int compute_capability) {
  int count = 0;
  if (nvrtc().architecture_count(&count) != NVRTC_SUCCESS || count <= 0) return false;
  std::vector<int> known(static_cast<std::size_t>(count));
  if (nvrtc().architectures(known.data()) != NVRTC_SUCCESS) return false;
  return std::ranges::find(known, compute_capability) != known.end();
}

// Numbers that stand before `unit` in ptxas' report: its largest, or their sum.
int number_before(const std::string& log, std::string_view unit, bool sum) {
  int out = 0;
  for (std::size_t at = log.find(unit); at != std::string::npos; at = log.find(unit, at + 1)) {
    std::size_t begin = at;
    while (begin > 0 && log[begin - 1] >= '0' && log[begin - 1] <= '9') --begin;
    int number = 0;
    std::from_chars(log.data() + begin, log.data() + at, number);
    out = sum ? out + number : std::max(out, number);
  }
  return out;
}

std::string numbered_lines(const std::string& source) {
  std::string out;
  int line = 1;
  for (std::size_t at = 0; at < source.size() && line <= 2000; ++line) {
    const std::size_t end = std::min(source.find('\n', at), source.size());
    out += std::to_string(line) + ": " + source.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return out;
}

// Newer ones have instructions that the next do not have.
bool runs_on_later_chips(int compute_capability) { return compute_capability < 90; }

CompiledKernel compile_now(const std::string& source, int compute_capability) {
  if (!knows(compute_capability)) {
    throw Error(ErrorCode::library_mismatch,
                "machine code for compute capability " + std::to_string(compute_capability),
                nvrtc_description() + " does not know it",
                "install an NVRTC that is as new as the GPU");
  }
  const std::string target = "--gpu-architecture=" + architecture(compute_capability);
  // Contraction is written out where it is wanted.
  const std::vector<const char*> options{target.c_str(), "--std=c++17", "--fmad=false",
                                         "-default-device", "--ptxas-options=-v"};
  Program program(source);
  const nvrtcResult result = program.compile(options);
  const std::string log = program.log();
  if (result != NVRTC_SUCCESS) {
    throw Error(ErrorCode::internal, "a generated kernel does not compile",
                log + "\n" + numbered_lines(source));
  }
  CompiledKernel out;
  const std::string cubin = program.cubin();
  out.image = join_image(std::as_bytes(std::span(cubin)),
                         runs_on_later_chips(compute_capability) ? program.ptx() : "");
  out.registers = number_before(log, " registers", false);
  out.spill_bytes = number_before(log, " bytes spill stores", true) +
                    number_before(log, " bytes spill loads", true);
  out.shared_bytes = number_before(log, " bytes smem", false);
  return out;
}

}  // namespace

std::string architecture(int compute_capability) {
  return "sm_" + std::to_string(compute_capability) +
         (runs_on_later_chips(compute_capability) ? "" : "a");
}

std::string nvrtc_version() {
  if (!opened().nvrtc) return {};
  int major = 0, minor = 0;
  if (opened().nvrtc->version(&major, &minor) != NVRTC_SUCCESS) return {};
  return std::to_string(major) + "." + std::to_string(minor);
}

std::string nvrtc_description() {
  if (!opened().nvrtc) return "no NVRTC: " + opened().problem;
  return "NVRTC " + nvrtc_version() + " (" + opened().nvrtc->library.path() + ")";
}

namespace {

struct Known {
  std::mutex mutex;
  // Those that another thread is compiling are waited for.
  std::map<Hash, std::shared_future<CompiledKernel>> kernels;
  CompileCounts counts;
};

Known& known() {
  static Known* instance = new Known;
  return *instance;
}

CompiledKernel load_or_compile(const Hash& key, std::string_view source, int compute_capability) {
  const std::int64_t before = os::monotonic_ns();
  std::optional<CompiledKernel> kernel = load_cached_kernel(key);
  const bool loaded = kernel.has_value();
  if (!loaded) {
    kernel = compile_now(std::string(source), compute_capability);
    store_cached_kernel(key, *kernel);
  }
  const std::scoped_lock lock(known().mutex);
  ++(loaded ? known().counts.loaded : known().counts.compiled);
  known().counts.seconds += static_cast<double>(os::monotonic_ns() - before) / 1e9;
  return std::move(*kernel);
}

}  // namespace

CompileCounts compile_counts() {
  const std::scoped_lock lock(known().mutex);
  return known().counts;
}

CompiledKernel compile(std::string_view source, int compute_capability) {
  const Hash key = Hasher()
                       .add(source)
                       .add(architecture(compute_capability))
                       .add(nvrtc_version())
                       .add(runs_on_later_chips(compute_capability) ? "with PTX" : "")
                       .result();
  std::promise<CompiledKernel> promise;
  std::shared_future<CompiledKernel> others;
  {
    const std::scoped_lock lock(known().mutex);
    const auto [at, fresh] = known().kernels.try_emplace(key);
    if (fresh) {
      at->second = promise.get_future().share();
    } else {
      others = at->second;
    }
  }
  if (others.valid()) return others.get();
  try {
    promise.set_value(load_or_compile(key, source, compute_capability));
  } catch (...) {
    promise.set_exception(std::current_exception());
    const std::scoped_lock lock(known().mutex);
    known().kernels.erase(key);  // another attempt may do better
    throw;
  }
  const std::scoped_lock lock(known().mutex);
  return known().kernels.at(key).get();
}

}  // namespace strop::cuda
