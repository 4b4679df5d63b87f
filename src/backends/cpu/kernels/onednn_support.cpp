// SPDX-License-Identifier: Apache-2.0
#include "backends/cpu/kernels/onednn_support.hpp"

#include "backends/cpu/onednn_library.hpp"

// Of the OpenMP library that oneDNN brings; reached like oneDNN itself.
extern "C" void omp_set_num_threads(int threads);

namespace strop::cpu {

void require_onednn() {
  if (onednn_available()) return;
  throw Error(
      ErrorCode::missing_library, "this engine has steps of oneDNN", onednn_description(),
      "put libdnnl.so.3 beside libstrop_cpu.so, or build the engine with --tactics=-onednn");
}

const dnnl::engine& onednn_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

dnnl::memory::data_type onednn_type(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return dnnl::memory::data_type::f32;
    case DType::bf16:
      return dnnl::memory::data_type::bf16;
    case DType::f16:
      return dnnl::memory::data_type::f16;
    case DType::i32:
      return dnnl::memory::data_type::s32;
    case DType::i8:
      return dnnl::memory::data_type::s8;
    case DType::u8:
      return dnnl::memory::data_type::u8;
    default:
      throw Error(ErrorCode::engine_invalid,
                  "a oneDNN kernel with element type " + std::string(to_string(dtype)));
  }
}

dnnl::memory::desc plain_desc(DType dtype, const Shape& dims) {
  dnnl::memory::dims strides(dims.size(), 1);
  for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
  return {dims, onednn_type(dtype), strides};
}

OnednnInputs read_inputs(const KernelInit& init) {
  const std::vector<std::int64_t> indices = init.parameters.integers("inputs");
  const auto count = static_cast<std::int64_t>(init.inputs.size());
  const auto fits = [count](std::int64_t i) { return i >= 0 && i < count; };
  if (indices.size() != 3 || !fits(indices[0]) || !fits(indices[1]) ||
      (indices[2] != -1 && !fits(indices[2]))) {
    throw Error(ErrorCode::engine_invalid, "a oneDNN kernel", "its inputs are not there");
  }
  OnednnInputs out{static_cast<std::size_t>(indices[0]), static_cast<std::size_t>(indices[1]), 0,
                   indices[2] >= 0};
  if (out.has_bias) out.bias = static_cast<std::size_t>(indices[2]);
  return out;
}

void require_window(const char* kernel, std::size_t spatial, const Shape& strides,
                    const Shape& dilations, const Shape& pads) {
  constexpr std::int64_t kMost = std::int64_t{1} << 30;
  const auto within = [&](const Shape& values, std::size_t count, std::int64_t lowest) {
    bool fits = values.size() == count;
    for (std::int64_t value : values) fits = fits && value >= lowest && value <= kMost;
    require(fits, kernel, "strides, dilations or pads do not fit");
  };
  within(strides, spatial, 1);
  within(dilations, spatial, 1);
  within(pads, 2 * spatial, 0);
}

bool depends_on_threads(const char* implementation) {
  const std::string_view name = implementation;
  return name.starts_with("gemm") || name.find(":gemm") != std::string_view::npos;
}

void OnednnCall::reset(const dnnl::primitive& primitive) {
  primitive_ = primitive;
  memories_.clear();
  arguments_.clear();
}

void OnednnCall::add(int argument, const dnnl::memory::desc& desc) {
  memories_.emplace_back(desc, onednn_engine(),
                         static_cast<void*>(nullptr));  // set before each run
  arguments_.push_back({argument, memories_.back().get()});
}

void OnednnCall::set(int argument, void* data) {
  for (std::size_t i = 0; i < arguments_.size(); ++i) {
    if (arguments_[i].arg == argument) memories_[i].set_data_handle(data);
  }
}

void OnednnCall::execute(const dnnl::stream& stream) const {
  const dnnl_status_t status = dnnl_primitive_execute(
      primitive_.get(), stream.get(), static_cast<int>(arguments_.size()), arguments_.data());
  if (status != dnnl_success) {
    throw Error(ErrorCode::device_failure, "a oneDNN kernel failed",
                "status " + std::to_string(status));
  }
}

namespace {

// One unary function as oneDNN's eltwise; false when oneDNN has no such function.
void append_unary(dnnl::post_ops& ops, const EpilogueStep& step) {
  using algorithm = dnnl::algorithm;
  const auto add = [&](algorithm which, double alpha = 0, double beta = 0) {
    ops.append_eltwise(which, static_cast<float>(alpha), static_cast<float>(beta));
  };
  if (step.kind == EpilogueStep::clip) return add(algorithm::eltwise_clip, step.alpha, step.beta);
  if (step.function == "relu") return add(algorithm::eltwise_relu);
  if (step.function == "leaky_relu") return add(algorithm::eltwise_relu, step.alpha);
  if (step.function == "sigmoid") return add(algorithm::eltwise_logistic);
  if (step.function == "tanh") return add(algorithm::eltwise_tanh);
  if (step.function == "elu") return add(algorithm::eltwise_elu, step.alpha);
  if (step.function == "hard_sigmoid")
    return add(algorithm::eltwise_hardsigmoid, step.alpha, step.beta);
  if (step.function == "hard_swish")
    return add(algorithm::eltwise_hardswish, step.alpha, step.beta);
  if (step.function == "silu") return add(algorithm::eltwise_swish, step.alpha);
  if (step.function == "gelu") return add(algorithm::eltwise_gelu_erf);
  if (step.function == "gelu_tanh") return add(algorithm::eltwise_gelu_tanh);
  if (step.function == "abs") return add(algorithm::eltwise_abs);
  if (step.function == "sqrt") return add(algorithm::eltwise_sqrt);
  if (step.function == "exp") return add(algorithm::eltwise_exp);
  if (step.function == "mish") return add(algorithm::eltwise_mish);
  throw Error(ErrorCode::engine_invalid, "epilogue of a oneDNN kernel",
              "unknown function " + step.function);
}

dnnl::algorithm binary_algorithm(const EpilogueStep& step) {
  if (step.function == "add") return dnnl::algorithm::binary_add;
  if (step.function == "mul") return dnnl::algorithm::binary_mul;
  if (step.function == "min") return dnnl::algorithm::binary_min;
  if (step.function == "max") return dnnl::algorithm::binary_max;
  if (step.function == "sub" && !step.swapped) return dnnl::algorithm::binary_sub;
  if (step.function == "div" && !step.swapped) return dnnl::algorithm::binary_div;
  throw Error(ErrorCode::engine_invalid, "epilogue of a oneDNN kernel",
              "unknown function " + step.function);
}

}  // namespace

PostOps onednn_post_ops(const Epilogue& epilogue, std::span<const View> inputs, const Shape& dims) {
  PostOps out;
  dnnl::post_ops ops;
  for (std::size_t i = 0; i < epilogue.size(); ++i) {
    const EpilogueStep& step = epilogue[i];
    if (step.kind != EpilogueStep::binary) {
      append_unary(ops, step);
      continue;
    }
    if (step.input >= inputs.size() || !inputs[step.input].present() ||
        inputs[step.input].dims.size() > dims.size()) {
      throw Error(ErrorCode::engine_invalid, "epilogue of a oneDNN kernel",
                  "an operand does not fit");
    }
    const View& operand = inputs[step.input];
    Shape own(dims.size(), 1);
    std::copy(operand.dims.begin(), operand.dims.end(),
              own.end() - static_cast<std::ptrdiff_t>(operand.dims.size()));
    if (step.function == "add" && own == dims && !out.summand) {
      ops.append_sum(1.0f);
      out.summand = step.input;
      continue;
    }
    const dnnl::memory::desc desc = plain_desc(operand.dtype, own);
    ops.append_binary(binary_algorithm(step), desc);
    out.operands.push_back({static_cast<int>(i), step.input, desc});
  }
  out.attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  out.attributes.set_post_ops(ops);
  return out;
}

void use_onednn_threads(int threads) { omp_set_num_threads(threads); }

}  // namespace strop::cpu
