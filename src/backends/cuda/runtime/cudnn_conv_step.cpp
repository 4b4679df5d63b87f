// SPDX-License-Identifier: Apache-2.0
// Convolutions by cuDNN as one graph of operations: the sums in f32, a residual, a bias, an
// activation. Which engine of the library runs it is a number in the list that its heuristics
// suggest; engines that round more than the result's type asks for, or whose bytes may differ from
// run to run, are not in that list.
#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "backends/cuda/library_records.hpp"
#include "backends/cuda/runtime/cudnn_descriptor.hpp"
#include "backends/cuda/runtime/step.hpp"
#include "base/dtype.hpp"

namespace strop::cuda {
namespace {

constexpr const char* kWhat = "a convolution by cuDNN";
constexpr std::int64_t kAlignment = 16;  // bytes, of every operand
constexpr std::int64_t kMaxWorkspace = std::int64_t{256} << 20;
constexpr std::size_t kMaxSuggestions = 64;

// Names of tensors in the graph.
enum Tensor : std::int64_t { kX = 1, kW, kY, kBias, kResidual, kFirstInside };

using Sizes = std::vector<std::int64_t>;

// N, C, and at least two spatial axes, whatever the order in memory.
struct Placed {
  Sizes dims, strides;
};

Placed placed(const StropAbiValue& value, bool channels_last) {
  require(value.rank >= 3 && value.rank <= 5, kWhat, "an operand has not 3 to 5 axes");
  Sizes memory(value.dims, value.dims + value.rank);
  std::int64_t elements = 1;
  for (const std::int64_t size : memory) {
    require(size >= 0 && size <= std::numeric_limits<std::int32_t>::max(), kWhat,
            "a size is out of range");
    elements *= std::max<std::int64_t>(size, 1);
    require(elements <= std::int64_t{1} << 40, kWhat, "an operand is too large");
  }
  Sizes steps(memory.size(), 1);
  for (std::size_t i = memory.size() - 1; i > 0; --i)
    steps[i - 1] = steps[i] * std::max<std::int64_t>(memory[i], 1);
  if (channels_last) {
    std::rotate(memory.begin() + 1, memory.end() - 1, memory.end());
    std::rotate(steps.begin() + 1, steps.end() - 1, steps.end());
  }
  if (memory.size() == 3) {
    memory.insert(memory.begin() + 2, 1);
    steps.insert(steps.begin() + 2, steps[2] * memory[3]);
  }
  return {std::move(memory), std::move(steps)};
}

cudnnDataType_t type_of(std::uint32_t dtype) {
  switch (static_cast<DType>(dtype)) {
    case DType::f16:
      return CUDNN_DATA_HALF;
    case DType::bf16:
      return CUDNN_DATA_BFLOAT16;
    default:
      require(dtype == static_cast<std::uint32_t>(DType::f32), kWhat,
              "its operands are none of f32, f16 and bf16");
      return CUDNN_DATA_FLOAT;
  }
}

CudnnDescriptor tensor(std::int64_t name, const Placed& place, cudnnDataType_t type, bool inside) {
  CudnnDescriptor out(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  out.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, name)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, place.dims)
      .set(CUDNN_ATTR_TENSOR_STRIDES, place.strides)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kAlignment)
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, inside);
  out.finish("describing a tensor");
  return out;
}

CudnnDescriptor pointwise(cudnnPointwiseMode_t mode) {
  CudnnDescriptor out(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
  out.set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode)
      .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
  return out;
}

CudnnDescriptor activation_of(const LibraryChain& chain) {
  using A = LibraryActivation;
  switch (chain.activation) {
    case A::clip:
      return std::move(pointwise(CUDNN_POINTWISE_RELU_FWD)
                           .set(CUDNN_ATTR_POINTWISE_RELU_UPPER_CLIP, chain.alpha));
    case A::leaky_relu:
      return std::move(pointwise(CUDNN_POINTWISE_RELU_FWD)
                           .set(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE, chain.alpha));
    case A::elu:
      return std::move(
          pointwise(CUDNN_POINTWISE_ELU_FWD).set(CUDNN_ATTR_POINTWISE_ELU_ALPHA, chain.alpha));
    case A::silu:
      return std::move(
          pointwise(CUDNN_POINTWISE_SWISH_FWD).set(CUDNN_ATTR_POINTWISE_SWISH_BETA, chain.alpha));
    case A::sigmoid:
      return pointwise(CUDNN_POINTWISE_SIGMOID_FWD);
    case A::tanh:
      return pointwise(CUDNN_POINTWISE_TANH_FWD);
    case A::gelu:
      return pointwise(CUDNN_POINTWISE_GELU_FWD);
    case A::gelu_tanh:
      return pointwise(CUDNN_POINTWISE_GELU_APPROX_TANH_FWD);
    default:
      return pointwise(CUDNN_POINTWISE_RELU_FWD);
  }
}

class Handle {
 public:
  Handle() { check(cudnn().cudnnCreate(&handle_), "making a handle"); }
  ~Handle() { cudnn().cudnnDestroy(handle_); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  cudnnHandle_t get() const { return handle_; }

 private:
  cudnnHandle_t handle_ = nullptr;
};

// The operations of one convolution, as they are added.
class ConvGraph {
 public:
  ConvGraph(cudnnHandle_t handle, Placed y, cudnnDataType_t type)
      : handle_(handle), y_(std::move(y)), type_(type) {}

  // `last`: what the operation gives is the result.
  void add_conv(const LibraryConv& conv, const Placed& x, const Placed& w, bool last) {
    const auto axes = static_cast<std::int64_t>(x.dims.size() - 2);
    const auto spatial = [&](Sizes values, std::int64_t missing) {
      if (values.size() == 1) values.insert(values.begin(), missing);
      return values;
    };
    CudnnDescriptor& window = keep(CudnnDescriptor(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR));
    window.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, axes)
        .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
        .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, spatial(conv.pads_begin, 0))
        .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, spatial(conv.pads_end, 0))
        .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, spatial(conv.strides, 1))
        .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, spatial(conv.dilations, 1));
    window.finish("describing a convolution");
    CudnnDescriptor& operation =
        keep(CudnnDescriptor(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR));
    operation.set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, window)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, keep(tensor(kX, x, type_, false)))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, keep(tensor(kW, w, type_, false)))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, next(last))
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1.0f)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 0.0f);
    finish(operation);
  }

  void add_sum(std::int64_t name, const Placed& other, bool last) {
    CudnnDescriptor& mode = keep(pointwise(CUDNN_POINTWISE_ADD));
    mode.finish("describing a sum");
    CudnnDescriptor& x = *running_;
    CudnnDescriptor& operation =
        keep(CudnnDescriptor(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR));
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, keep(tensor(name, other, type_, false)))
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, next(last));
    finish(operation);
  }

  void add_activation(const LibraryChain& chain) {
    CudnnDescriptor& mode = keep(activation_of(chain));
    mode.finish("describing an activation");
    CudnnDescriptor& x = *running_;
    CudnnDescriptor& operation =
        keep(CudnnDescriptor(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR));
    operation.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, mode)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, next(true));
    finish(operation);
  }

  CudnnDescriptor graph() const {
    CudnnDescriptor out(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    out.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
            std::span<const cudnnBackendDescriptor_t>(operations_))
        .set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, handle_);
    out.finish("putting operations together");
    return out;
  }

 private:
  CudnnDescriptor& keep(CudnnDescriptor descriptor) {
    return *kept_.emplace_back(std::make_unique<CudnnDescriptor>(std::move(descriptor)));
  }
  CudnnDescriptor& next(bool last) {
    running_ = &keep(last ? tensor(kY, y_, type_, false)
                          : tensor(kFirstInside + static_cast<std::int64_t>(operations_.size()), y_,
                                   CUDNN_DATA_FLOAT, true));
    return *running_;
  }
  void finish(CudnnDescriptor& operation) {
    operation.finish("describing an operation");
    operations_.push_back(operation.get());
  }

  cudnnHandle_t handle_;
  Placed y_;
  cudnnDataType_t type_;
  std::vector<std::unique_ptr<CudnnDescriptor>> kept_;
  std::vector<cudnnBackendDescriptor_t> operations_;
  CudnnDescriptor* running_ = nullptr;
};

// Whether an engine's results may be what the step is for.
bool is_wanted(const CudnnDescriptor& suggestion, bool single) {
  CudnnDescriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t into = engine.get();
  suggestion.read(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                  std::span<cudnnBackendDescriptor_t>(&into, 1));
  std::array<cudnnBackendNumericalNote_t, CUDNN_NUMERICAL_NOTE_TYPE_COUNT> numerical{};
  const std::int64_t notes =
      engine.read(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                  std::span<cudnnBackendNumericalNote_t>(numerical));
  for (const auto note : std::span(numerical).first(static_cast<std::size_t>(notes))) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
      case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
      case CUDNN_NUMERICAL_NOTE_FFT:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
        return false;
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:  // TF32 where operands are in f32
      case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
        if (single) return false;
        break;
      default:
        break;
    }
  }
  std::array<cudnnBackendBehaviorNote_t, CUDNN_BEHAVIOR_NOTE_TYPE_COUNT> behavior{};
  const std::int64_t count = engine.read(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                         std::span<cudnnBackendBehaviorNote_t>(behavior));
  // A user may have left cuBLASLt out.
  return std::ranges::none_of(
      std::span(behavior).first(static_cast<std::size_t>(count)), [](auto note) {
        return note == CUDNN_BEHAVIOR_NOTE_CUBLASLT_DEPENDENCY ||
               note == CUDNN_BEHAVIOR_NOTE_REQUIRES_FILTER_INT8x32_REORDER ||
               note == CUDNN_BEHAVIOR_NOTE_REQUIRES_BIAS_INT8x32_REORDER;
      });
}

std::vector<CudnnDescriptor> suggestions_of(const CudnnDescriptor& graph,
                                            cudnnBackendHeurMode_t mode, bool single) {
  CudnnDescriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  if (!heuristics.try_finish()) return {};
  std::vector<CudnnDescriptor> all;
  std::vector<cudnnBackendDescriptor_t> into;
  for (std::size_t i = 0; i < kMaxSuggestions; ++i)
    into.push_back(all.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR).get());
  const std::int64_t count =
      heuristics.read(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                      std::span<cudnnBackendDescriptor_t>(into));
  all.resize(static_cast<std::size_t>(count));
  std::erase_if(all, [&](const CudnnDescriptor& one) { return !is_wanted(one, single); });
  return all;
}

void check_sizes(const LibraryConv& conv, const Placed& x, const Placed& w, const Placed& y) {
  const std::size_t rank = x.dims.size();
  require(w.dims.size() == rank && y.dims.size() == rank &&
              (conv.strides.size() == rank - 2 || (conv.strides.size() == 1 && rank == 4)),
          kWhat, "its operands have different numbers of axes");
  require(std::ranges::find(w.dims, 0) == w.dims.end(), kWhat, "its weights are empty");
  require(x.dims[1] > 0 && x.dims[1] % w.dims[1] == 0 && w.dims[0] % (x.dims[1] / w.dims[1]) == 0 &&
              y.dims[0] == x.dims[0] && y.dims[1] == w.dims[0],
          kWhat, "the channels of its operands do not fit each other");
  const std::size_t hidden = rank - 2 - conv.strides.size();
  require(hidden == 0 || (x.dims[2] == 1 && w.dims[2] == 1 && y.dims[2] == 1), kWhat,
          "its operands have more axes than it says");
  for (std::size_t i = 0; i < conv.strides.size(); ++i) {
    const std::size_t axis = 2 + hidden + i;
    const std::int64_t room = x.dims[axis] + conv.pads_begin[i] + conv.pads_end[i] -
                              (w.dims[axis] - 1) * conv.dilations[i] - 1;
    require(room >= 0 ? y.dims[axis] == room / conv.strides[i] + 1 : y.dims[axis] == 0, kWhat,
            "the result has another size than the window gives");
  }
}

class CudnnConvStep final : public Step {
 public:
  CudnnConvStep(Device& device, const StropAbiStep& step)
      : device_(device), conv_(parse_library_conv({step.parameters, step.parameters_size})) {
    for (const std::uint32_t input : {conv_.x, conv_.w, conv_.chain.bias.value_or(conv_.x),
                                      conv_.chain.residual.value_or(conv_.x)})
      require(input < step.input_count, kWhat, "it names an operand that it does not have");
    require(step.output_count == 1, kWhat, "it has no result, or several");
    cudnn();
    device_.use();
    handle_.emplace();
  }

  // Giving up a handle touches the GPU.
  ~CudnnConvStep() override { driver().cuCtxSetCurrent(device_.context); }

  std::uint64_t prepare(const StropAbiValue* inputs, const StropAbiValue* outputs) override {
    device_.use();
    const StropAbiValue& result = outputs[0];
    const cudnnDataType_t type = type_of(result.dtype);
    const LibraryChain& chain = conv_.chain;
    for (const auto& input :
         {std::optional(conv_.x), std::optional(conv_.w), chain.bias, chain.residual}) {
      require(!input || inputs[*input].dtype == result.dtype, kWhat,
              "its operands are of several types");
    }
    const Placed x = placed(inputs[conv_.x], conv_.channels_last);
    const Placed w = placed(inputs[conv_.w], conv_.channels_last);
    const Placed y = placed(result, conv_.channels_last);
    check_sizes(conv_, x, w, y);
    pack_ = CudnnDescriptor();
    empty_ = std::ranges::find(y.dims, 0) != y.dims.end();
    if (empty_) return 0;
    const bool acts = chain.activation != LibraryActivation::none;
    ConvGraph graph(handle_->get(), y, type);
    graph.add_conv(conv_, x, w, !chain.residual && !chain.bias && !acts);
    if (chain.residual) {
      check_residual(inputs[*chain.residual], result);
      graph.add_sum(kResidual, y, !chain.bias && !acts);
    }
    if (chain.bias) {
      const StropAbiValue& bias = inputs[*chain.bias];
      const std::int64_t channels = y.dims[1];
      require(bias.rank == 1 && bias.dims[0] == channels, kWhat,
              "its bias has not one number a channel");
      Placed place{Sizes(y.dims.size(), 1),
                   Sizes(y.dims.size(), conv_.channels_last ? channels : 1)};
      place.dims[1] = channels;
      place.strides[0] = channels;
      place.strides[1] = 1;
      graph.add_sum(kBias, place, !acts);
    }
    if (acts) graph.add_activation(chain);
    return choose(graph.graph(), type == CUDNN_DATA_FLOAT);
  }

  void run(const StropAbiValue* inputs, const StropAbiValue* outputs, void* workspace,
           const Stream& stream) override {
    if (empty_) return;
    device_.use();
    if (stream.handle != stream_ || !has_stream_) {
      check(cudnn().cudnnSetStream(handle_->get(), stream.handle), "choosing a stream");
      stream_ = stream.handle;
      has_stream_ = true;
    }
    place({inputs[conv_.x].data, inputs[conv_.w].data, outputs[0].data,
           conv_.chain.bias ? inputs[*conv_.chain.bias].data : nullptr,
           conv_.chain.residual ? inputs[*conv_.chain.residual].data : nullptr, workspace});
    check(cudnn().cudnnBackendExecute(handle_->get(), plan_.get(), pack_.get()), "a convolution");
  }

 private:
  using Addresses = std::array<void*, 6>;  // of the tensors by their names, and the workspace

  static void check_residual(const StropAbiValue& residual, const StropAbiValue& result) {
    require(residual.rank == result.rank &&
                std::equal(result.dims, result.dims + result.rank, residual.dims),
            kWhat, "its residual has other sizes than the result");
  }

  // The plan of the suggestion asked for, or of the first one after it, around the list, that the
  // library can make.
  std::uint64_t choose(const CudnnDescriptor& graph, bool single) {
    std::vector<CudnnDescriptor> suggestions = suggestions_of(graph, CUDNN_HEUR_MODE_A, single);
    for (CudnnDescriptor& more : suggestions_of(graph, CUDNN_HEUR_MODE_FALLBACK, single))
      suggestions.push_back(std::move(more));
    const LibraryChoice& choice = conv_.choice;
    const bool holds = choice.version == 0 || choice.version == cudnn_version();
    for (std::size_t i = 0; i < suggestions.size(); ++i) {
      const CudnnDescriptor& one =
          suggestions[(i + (holds ? choice.number : 0)) % suggestions.size()];
      CudnnDescriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, one)
          .set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, handle_->get());
      if (!plan.try_finish()) continue;
      std::int64_t workspace = 0;
      plan.read(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64,
                std::span<std::int64_t>(&workspace, 1));
      if (workspace > kMaxWorkspace) continue;
      plan_ = std::move(plan);
      return static_cast<std::uint64_t>(workspace);
    }
    throw Error(ErrorCode::no_implementation, kWhat,
                "none of the " + std::to_string(suggestions.size()) +
                    " engines that the library suggests takes it",
                "build the engine with --tactics=-cudnn");
  }

  // Tells the library where the tensors lie, if they have moved.
  void place(const Addresses& addresses) {
    if (pack_.get() != nullptr && addresses == placed_) return;
    std::vector<std::int64_t> names;
    std::vector<void*> pointers;
    for (std::size_t i = 0; i + 1 < addresses.size(); ++i) {
      if (addresses[i] == nullptr) continue;
      require_aligned(addresses[i]);
      names.push_back(kX + static_cast<std::int64_t>(i));
      pointers.push_back(addresses[i]);
    }
    CudnnDescriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, names)
        .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR,
             std::span<void* const>(pointers))
        .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, addresses.back());
    pack.finish("placing tensors");
    pack_ = std::move(pack);
    placed_ = addresses;
  }

  static void require_aligned(const void* address) {
    if (reinterpret_cast<std::uintptr_t>(address) % kAlignment == 0) return;
    throw Error(ErrorCode::bad_argument, kWhat, "memory of an operand is not aligned to 16 bytes",
                "align what is bound in device memory, or build with --tactics=-cudnn");
  }

  Device& device_;
  LibraryConv conv_;
  std::optional<Handle> handle_;  // not for several threads at once, so each step has its own
  CUstream stream_ = nullptr;     // the handle's
  bool has_stream_ = false;
  bool empty_ = false;
  CudnnDescriptor plan_, pack_;
  Addresses placed_{};  // what pack_ says
};

}  // namespace

std::unique_ptr<Step> make_cudnn_conv_step(Device& device, const StropAbiStep& step) {
  return std::make_unique<CudnnConvStep>(device, step);
}

}  // namespace strop::cuda
