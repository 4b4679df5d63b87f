// SPDX-License-Identifier: Apache-2.0
#include "backends/cuda/on_host/host_source.hpp"

#include <cctype>
#include <string_view>

#include "backends/cuda/codegen/kernel_source.hpp"

namespace strop::testing {
namespace {

// An operand list of an asm statement, its constraints dropped: `"=r"(a[0]), "n"(4)`.
void add_operands(std::string_view list, std::string& arguments) {
  for (std::size_t at = list.find('"'); at != std::string_view::npos; at = list.find('"', at)) {
    const std::size_t open = list.find('(', list.find('"', at + 1));
    std::size_t end = open + 1;
    for (int depth = 1; depth > 0; ++end) depth += list[end] == '(' ? 1 : list[end] == ')' ? -1 : 0;
    arguments += (arguments.empty() ? "" : ", ") + std::string(list.substr(open, end - open));
    at = end;
  }
}

// asm("a.b %0, ..." : "=r"(x) : "r"(y)) as host_a_b(x, y).
std::string call_of_asm(std::string_view text) {
  std::string name, arguments;
  std::size_t at = text.find('"') + 1;
  for (; std::isalnum(static_cast<unsigned char>(text[at])) != 0 || text[at] == '.' ||
         text[at] == '_';
       ++at)
    name += text[at] == '.' ? '_' : text[at];
  bool quoted = true;
  int section = 0;
  std::size_t begin = at;
  for (; at <= text.size(); ++at) {
    const bool end = at == text.size();
    if (!end && text[at] == '"') quoted = !quoted;
    if (!end && (quoted || text[at] != ':')) continue;
    if (section == 1 || section == 2) add_operands(text.substr(begin, at - begin), arguments);
    ++section;
    begin = at + 1;
  }
  return "host_" + name + "(" + arguments + ")";
}

std::string with_calls_for_asm(const std::string& source) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = source.find("asm"); at != std::string::npos; at = source.find("asm", at)) {
    const std::size_t open = source.find('(', at);
    const std::string between = source.substr(at + 3, open - at - 3);
    if (between != "" && between != " volatile") {
      at += 3;
      continue;
    }
    const std::size_t end = source.find(");", open);
    out += source.substr(done, at - done) +
           call_of_asm(std::string_view(source).substr(open + 1, end - open - 1));
    done = at = end + 1;
  }
  return out + source.substr(done);
}

// The products of warpgroups that codegen/flash_attention.cpp writes, as calls of host_product.
std::string with_products(const std::string& source) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = source.find("wgmma.mma_async"); at != std::string::npos;
       at = source.find("wgmma.mma_async", at)) {
    const std::size_t begin = source.rfind("asm volatile(", at), end = source.find(");\n}", at);
    const std::string text = source.substr(begin, end - begin);
    const bool add = text.find("setp.ne.b32 add, 1") != std::string::npos;
    const bool by_rows = text.find(", 1;\\n}") != std::string::npos;
    const bool bfloat = text.find(".bf16.") != std::string::npos;
    out += source.substr(done, begin - done) + "host_product<" + (bfloat ? "bf16" : "f16") +
           ">(sums, a, b, " + (add ? "true" : "false") + ", " + (by_rows ? "true" : "false");
    done = at = end;
  }
  return out + source.substr(done);
}

// What CUDA has and C++ has not, in the text of a kernel.
std::string translated(std::string source, bool with_ptx) {
  const auto replace = [&](const std::string& from, const std::string& to) {
    for (std::size_t at = source.find(from); at != std::string::npos;
         at = source.find(from, at + to.size()))
      source.replace(at, from.size(), to);
  };
  if (!with_ptx) {
    const bool by_warpgroups = source.find("wgmma") != std::string::npos;
    const std::string folder = STROP_SOURCE_DIR "/tests/backends/cuda/on_host/";
    replace(std::string(cuda::kernel_source("elements")),
            "#include \"" + folder + "host_elements.inl\"\n" +
                (by_warpgroups ? "#include \"" + folder + "host_warpgroups.inl\"\n" : ""));
    replace(std::string(cuda::kernel_source("tensor_core")), "");
    for (const char* line :
         {"  asm volatile(\"fence.proxy.async.shared::cta;\" ::: \"memory\");\n",
          "  asm volatile(\"wgmma.fence.sync.aligned;\" ::: \"memory\");\n",
          "  asm volatile(\"wgmma.commit_group.sync.aligned;\" ::: \"memory\");\n",
          "  asm volatile(\"wgmma.wait_group.sync.aligned %0;\" ::\"n\"(N) : \"memory\");\n",
          " asm volatile(\"\" : \"+f\"(value)::\"memory\");",
          " asm volatile(\"\" : \"+r\"(value)::\"memory\");"})
      replace(line, "");
    replace(std::string(cuda::kernel_source("hopper_primitives")), "");
    source = with_products(source);
  }
  replace(R"(  float out;
  asm("cvt.f32.f16 %0, %1;" : "=f"(out) : "h"(bits));
  return out;)",
          "  return host_half_to_float(bits);");
  replace(R"(  unsigned short out;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(out) : "f"(value));
  return out;)",
          "  return host_float_to_half(value);");
  replace(R"(  unsigned short out;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(out) : "f"(value));
  return out;)",
          "  return host_float_to_bfloat(value);");
  replace(R"(  float out;
  asm("rcp.approx.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;)",
          "  return host_reciprocal(x);");
  replace(R"(  float out;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(out) : "f"(x));
  return out;)",
          "  return std::exp2(x);");
  // Launches follow one another here.
  replace("  asm volatile(\"griddepcontrol.wait;\" ::: \"memory\");\n", "");
  replace("  asm volatile(\"griddepcontrol.launch_dependents;\" ::: \"memory\");\n", "");
  replace("extern \"C\" __global__ void __launch_bounds__", "extern \"C\" void LAUNCH");
  replace("extern __shared__ __align__(128) unsigned char shared[];",
          with_ptx ? "unsigned char* const shared = host_shared;"
                   : "unsigned char* const shared = host::dynamic_shared;");
  replace("extern __shared__ __align__(16) float shared[];",
          "float* const shared = reinterpret_cast<float*>(host_shared);");
  return with_ptx ? with_calls_for_asm(source) : source;
}

}  // namespace

std::string as_host_source(const std::string& source) {
  // Kernels that copy with zeros filled in run on host_ptx.inl, the others on host_elements.inl.
  const bool with_ptx = source.find("copy_filled") != std::string::npos;
  return std::string(with_ptx ? "#define HOST_PTX\n" : "") +
         "#include \"" STROP_SOURCE_DIR
         "/tests/backends/cuda/on_host/host_prelude.inl\"\n"
         "#define LAUNCH(...)\n" +
         translated(source, with_ptx);
}

}  // namespace strop::testing
