// SPDX-License-Identifier: Apache-2.0
// What the oneDNN kernels share: the engine, memory descriptors of plain tensors, post-ops from an
// epilogue, and a list of arguments that is filled once and executed without allocating.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>
#include <optional>
#include <span>
#include <vector>

#include "backends/cpu/epilogue.hpp"
#include "backends/cpu/kernels/kernel.hpp"

namespace strop::cpu {

// The process's CPU engine. Throws Error(missing_library) when oneDNN is not there.
const dnnl::engine& onednn_engine();

dnnl::memory::data_type onednn_type(DType dtype);
// Plain row-major layout, dims as given.
dnnl::memory::desc plain_desc(DType dtype, const Shape& dims);

// Which inputs of a kernel are the operands of its main sum (parameter "inputs": three indices, the
// last -1 for none).
struct OnednnInputs {
  std::size_t x = 0, w = 0, bias = 0;
  bool has_bias = false;
};
OnednnInputs read_inputs(const KernelInit& init);

// Strides and dilations of 1 and more, pads of 0 and more, `spatial` (pads: twice as many) of each,
// small enough that no arithmetic on them overflows. Throws Error(engine_invalid).
void require_window(const char* kernel, std::size_t spatial, const Shape& strides,
                    const Shape& dilations, const Shape& pads);

// oneDNN's convolutions and products through a general GEMM divide their sums by the number of
// threads, so that their results depend on it; such a primitive is made and run for one thread.
bool depends_on_threads(const char* implementation);

// A primitive with its arguments. Handles are set before every run.
class OnednnCall {
 public:
  void reset(const dnnl::primitive& primitive);
  void add(int argument, const dnnl::memory::desc& desc);
  void set(int argument, void* data);
  void execute(const dnnl::stream& stream) const;

 private:
  dnnl::primitive primitive_;
  std::vector<dnnl::memory> memories_;
  std::vector<dnnl_exec_arg_t> arguments_;
};

// Post-ops for the epilogue on an output of shape `dims`. Operands of binary steps are added to
// `operands` as (input index, descriptor) in the order of their post-op; input shapes are broadcast
// to the output's rank.
//
// One added tensor of the output's own shape is not an operand: oneDNN runs such a step in its slow
// reference code unless operand and output share a layout. It becomes a `sum`, whose operand the
// caller puts into the output beforehand.
struct PostOpOperand {
  int post_op = 0;
  std::uint32_t input = 0;
  dnnl::memory::desc desc;
};
struct PostOps {
  dnnl::primitive_attr attributes;
  std::vector<PostOpOperand> operands;
  std::optional<std::uint32_t>
      summand;  // input that the output must hold before the primitive runs
};
PostOps onednn_post_ops(const Epilogue& epilogue, std::span<const View> inputs, const Shape& dims);

// Sets OpenMP's thread count for what this thread runs next.
void use_onednn_threads(int threads);

// Opens the library if nothing has done so yet. Error(missing_library).
void require_onednn();

// For tables of kernels, instead of make: even the members of a kernel call the library.
template <class K>
std::unique_ptr<Kernel> make_onednn(const KernelInit& init) {
  require_onednn();
  return std::make_unique<K>(init);
}

// dnnl::error as Error(no_implementation) with the words of the library.
template <class F>
auto with_onednn_errors(const char* what, F&& body) -> decltype(body()) {
  try {
    return body();
  } catch (const dnnl::error& error) {
    throw Error(ErrorCode::no_implementation, what, std::string("oneDNN: ") + error.message,
                "leave oneDNN out with --tactics=-onednn");
  }
}

}  // namespace strop::cpu
