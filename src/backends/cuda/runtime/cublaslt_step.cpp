// SPDX-License-Identifier: Apache-2.0
// Matrix products by cuBLASLt. Tensors are row-major and the library's matrices column-major: it
// computes the transpose, columns by rows, from B and A in that order. Sums are in f32, never in
// TF32; every algorithm asked for gives the same bytes each time.
#include "backends/cuda/cublaslt_library.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <memory>
#include <mutex>

#include "backends/cuda/library_records.hpp"
#include "backends/cuda/runtime/step.hpp"
#include "base/dtype.hpp"
#include "base/error.hpp"

namespace strop::cuda {
namespace {

constexpr const char* kWhat = "a matrix product by cuBLASLt";
constexpr std::uint64_t kMaxWorkspace = std::uint64_t{32} << 20;
constexpr std::uint32_t kAlignment = 16;  // of every operand
constexpr int kAlgorithms = 8;
constexpr std::uint32_t kMaxRank = 8;

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(ErrorCode::device_failure, std::string("cuBLASLt failed: ") + what,
              cublaslt().cublasLtGetStatusString(status));
}

// One for a GPU, for the life of the process.
cublasLtHandle_t handle_of(const Device& device) {
  struct Known {
    std::mutex mutex;
    std::map<int, cublasLtHandle_t> handles;
  };
  static Known* known = new Known;
  const std::scoped_lock lock(known->mutex);
  cublasLtHandle_t& handle = known->handles[device.ordinal];
  if (handle == nullptr) {
    device.use();
    check(cublaslt().cublasLtCreate(&handle), "making a handle");
  }
  return handle;
}

struct DestroyDescriptor {
  void operator()(cublasLtMatmulDesc_t it) const { cublaslt().cublasLtMatmulDescDestroy(it); }
  void operator()(cublasLtMatrixLayout_t it) const { cublaslt().cublasLtMatrixLayoutDestroy(it); }
  void operator()(cublasLtMatmulPreference_t it) const {
    cublaslt().cublasLtMatmulPreferenceDestroy(it);
  }
};
template <class Pointer>
using Owned = std::unique_ptr<std::remove_pointer_t<Pointer>, DestroyDescriptor>;

cudaDataType type_of(std::uint32_t dtype) {
  switch (static_cast<DType>(dtype)) {
    case DType::f16:
      return CUDA_R_16F;
    case DType::bf16:
      return CUDA_R_16BF;
    default:
      require(dtype == static_cast<std::uint32_t>(DType::f32), kWhat,
              "its operands are none of f32, f16 and bf16");
      return CUDA_R_32F;
  }
}

cublasLtEpilogue_t epilogue_of(const LibraryChain& chain) {
  const bool bias = chain.bias.has_value();
  switch (chain.activation) {
    case LibraryActivation::none:
      return bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT;
    case LibraryActivation::relu:
      return bias ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_RELU;
    default:
      require(chain.activation == LibraryActivation::gelu_tanh, kWhat, "it has no such activation");
      return bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU;
  }
}

// [rows, columns] in memory, once or in batches.
struct Matrix {
  std::int64_t rows = 1, columns = 1;
  std::int64_t batches = 1;
  bool repeated = false;  // all batches read the same
};

struct Sizes {
  std::int64_t m = 1, n = 1, k = 1, batches = 1;
  bool repeat_a = false, repeat_b = false;
};

void require_dims(const StropAbiValue& value) {
  require(value.rank >= 2 && value.rank <= kMaxRank, kWhat, "an operand is no matrix");
  std::int64_t elements = 1;
  for (std::uint32_t i = 0; i < value.rank; ++i) {
    require(value.dims[i] >= 0 && value.dims[i] <= std::numeric_limits<std::int32_t>::max(), kWhat,
            "a size is out of range");
    elements *= std::max<std::int64_t>(value.dims[i], 1);
    require(elements <= std::int64_t{1} << 40, kWhat, "an operand is too large");
  }
}

// Size of the batches' axis `at` of `rank`, counted from the last axis of the widest operand.
std::int64_t batch_dim(const StropAbiValue& value, std::uint32_t rank, std::uint32_t at) {
  const std::uint32_t missing = rank - value.rank;
  return at < missing ? 1 : value.dims[at - missing];
}

// Whether an operand has one matrix for all batches; its batches are the result's otherwise.
bool is_repeated(const StropAbiValue& value, const StropAbiValue& y) {
  bool all_ones = true, all_equal = true;
  for (std::uint32_t i = 0; i + 2 < y.rank; ++i) {
    all_ones = all_ones && batch_dim(value, y.rank, i) == 1;
    all_equal = all_equal && batch_dim(value, y.rank, i) == y.dims[i];
  }
  require(all_ones || all_equal, kWhat, "its batches are repeated in part");
  return !all_equal;
}

Sizes sizes_of(const LibraryProduct& product, const StropAbiValue& a, const StropAbiValue& b,
               const StropAbiValue& y) {
  for (const StropAbiValue* value : {&a, &b, &y}) require_dims(*value);
  require(a.rank <= y.rank && b.rank <= y.rank, kWhat, "the result has too few axes");
  Sizes out;
  out.m = y.dims[y.rank - 2];
  out.n = y.dims[y.rank - 1];
  out.k = a.dims[a.rank - (product.trans_a ? 2 : 1)];
  require(a.dims[a.rank - (product.trans_a ? 1 : 2)] == out.m &&
              b.dims[b.rank - (product.trans_b ? 2 : 1)] == out.n &&
              b.dims[b.rank - (product.trans_b ? 1 : 2)] == out.k,
          kWhat, "the sizes of its operands do not fit each other");
  for (std::uint32_t i = 0; i + 2 < y.rank; ++i) out.batches *= y.dims[i];
  out.repeat_a = is_repeated(a, y);
  out.repeat_b = is_repeated(b, y);
  // One matrix B for all batches of A: the batches are further rows.
  if (out.repeat_b && !out.repeat_a && !product.trans_a) {
    out.m *= out.batches;
    out.batches = 1;
  }
  require(out.m <= std::numeric_limits<std::int32_t>::max() &&
              out.batches <= std::numeric_limits<std::int32_t>::max(),
          kWhat, "a size is out of range");
  return out;
}

class CublasLtStep final : public Step {
 public:
  CublasLtStep(Device& device, const StropAbiStep& step)
      : device_(device), product_(parse_library_product({step.parameters, step.parameters_size})) {
    require(product_.a < step.input_count && product_.b < step.input_count, kWhat,
            "it names an operand that it does not have");
    for (const auto& input : {product_.chain.bias, product_.chain.residual})
      require(input.value_or(0) < step.input_count, kWhat,
              "it names an operand that it does not have");
    require(step.output_count == 1, kWhat, "it has no result, or several");
    epilogue_ = epilogue_of(product_.chain);
    handle_ = handle_of(device);
  }

  std::uint64_t prepare(const StropAbiValue* inputs, const StropAbiValue* outputs) override {
    device_.use();
    const StropAbiValue& y = outputs[0];
    sizes_ = sizes_of(product_, inputs[product_.a], inputs[product_.b], y);
    check_types(inputs, y);
    const std::int64_t bytes_of_y =
        sizes_.m * sizes_.n * sizes_.batches * (type_ == CUDA_R_32F ? 4 : 2);
    zero_bytes_ = sizes_.k == 0 ? static_cast<std::size_t>(bytes_of_y) : 0;
    require(sizes_.k != 0 || (!product_.chain.bias && !product_.chain.residual), kWhat,
            "it sums nothing and adds something");
    empty_ = sizes_.m == 0 || sizes_.n == 0 || sizes_.batches == 0;
    if (empty_ || zero_bytes_ != 0) return 0;
    describe();
    return choose();
  }

  void run(const StropAbiValue* inputs, const StropAbiValue* outputs, void* workspace,
           const Stream& stream) override {
    if (empty_) return;
    device_.use();
    void* y = outputs[0].data;
    if (zero_bytes_ != 0) {
      return strop::cuda::check(
          driver().cuMemsetD8Async(reinterpret_cast<CUdeviceptr>(y), 0, zero_bytes_, stream.handle),
          "filling memory with zeros");
    }
    const LibraryChain& chain = product_.chain;
    const void* a = inputs[product_.a].data;
    const void* b = inputs[product_.b].data;
    const void* residual = chain.residual ? inputs[*chain.residual].data : y;
    const void* bias = chain.bias ? inputs[*chain.bias].data : nullptr;
    for (const void* address : {a, b, residual, bias, static_cast<const void*>(y)})
      require_aligned(address);
    if (bias != nullptr && bias != bias_) {
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
      bias_ = bias;
    }
    const float one = 1, beta = chain.residual ? 1.0f : 0.0f;
    check(cublaslt().cublasLtMatmul(handle_, desc_.get(), &one, b, b_.get(), a, a_.get(), &beta,
                                    residual, y_.get(), y, y_.get(), &algorithm_, workspace,
                                    workspace_bytes_, stream.handle),
          "a product");
  }

 private:
  template <class T>
  void set(cublasLtMatmulDescAttributes_t which, const T& value) {
    check(cublaslt().cublasLtMatmulDescSetAttribute(desc_.get(), which, &value, sizeof(value)),
          "describing a product");
  }

  static void require_aligned(const void* address) {
    if (reinterpret_cast<std::uintptr_t>(address) % kAlignment == 0) return;
    throw Error(ErrorCode::bad_argument, kWhat, "memory of an operand is not aligned to 16 bytes",
                "align what is bound in device memory, or build with --tactics=-cublaslt");
  }

  void check_types(const StropAbiValue* inputs, const StropAbiValue& y) {
    type_ = type_of(y.dtype);
    const auto same = [&](const StropAbiValue& value) {
      require(value.dtype == y.dtype, kWhat, "its operands are of several types");
    };
    same(inputs[product_.a]);
    same(inputs[product_.b]);
    if (product_.chain.bias) {
      const StropAbiValue& bias = inputs[*product_.chain.bias];
      same(bias);
      require(bias.rank == 1 && bias.dims[0] == sizes_.n, kWhat,
              "its bias has not one number a column");
    }
    if (!product_.chain.residual) return;
    const StropAbiValue& residual = inputs[*product_.chain.residual];
    same(residual);
    require(residual.rank == y.rank && std::equal(y.dims, y.dims + y.rank, residual.dims), kWhat,
            "its residual has other sizes than the result");
  }

  Owned<cublasLtMatrixLayout_t> layout(const Matrix& matrix) const {
    cublasLtMatrixLayout_t made = nullptr;
    check(cublaslt().cublasLtMatrixLayoutCreate(
              &made, type_, static_cast<std::uint64_t>(matrix.columns),
              static_cast<std::uint64_t>(matrix.rows), std::max<std::int64_t>(matrix.columns, 1)),
          "describing a matrix");
    Owned<cublasLtMatrixLayout_t> out(made);
    if (matrix.batches == 1) return out;
    const auto batches = static_cast<std::int32_t>(matrix.batches);
    const std::int64_t stride = matrix.repeated ? 0 : matrix.rows * matrix.columns;
    check(cublaslt().cublasLtMatrixLayoutSetAttribute(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT,
                                                      &batches, sizeof(batches)),
          "describing a matrix");
    check(cublaslt().cublasLtMatrixLayoutSetAttribute(
              made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof(stride)),
          "describing a matrix");
    return out;
  }

  void describe() {
    cublasLtMatmulDesc_t made = nullptr;
    check(cublaslt().cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F),
          "describing a product");
    desc_.reset(made);
    bias_ = nullptr;
    // The library's first operand is B.
    set(CUBLASLT_MATMUL_DESC_TRANSA, product_.trans_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, product_.trans_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue_);
    if (product_.chain.bias) {
      set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, static_cast<std::int32_t>(type_));
      // Not read; its alignment is that of what will be.
      set(CUBLASLT_MATMUL_DESC_BIAS_POINTER,
          reinterpret_cast<const void*>(std::uintptr_t{kAlignment}));
    }
    const auto [m, n, k, batches, repeat_a, repeat_b] = sizes_;
    a_ = product_.trans_a ? layout({k, m, batches, repeat_a}) : layout({m, k, batches, repeat_a});
    b_ = product_.trans_b ? layout({n, k, batches, repeat_b}) : layout({k, n, batches, repeat_b});
    y_ = layout({m, n, batches, false});
  }

  std::uint64_t choose() {
    cublasLtMatmulPreference_t made = nullptr;
    check(cublaslt().cublasLtMatmulPreferenceCreate(&made), "looking for an algorithm");
    const Owned<cublasLtMatmulPreference_t> preference(made);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t which, auto value) {
      check(cublaslt().cublasLtMatmulPreferenceSetAttribute(made, which, &value, sizeof(value)),
            "looking for an algorithm");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMaxWorkspace);
    // Parts of a sum are kept in f32.
    prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
           static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    for (const auto which :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES})
      prefer(which, kAlignment);
    std::array<cublasLtMatmulHeuristicResult_t, kAlgorithms> results{};
    int count = 0;
    const cublasStatus_t status = cublaslt().cublasLtMatmulAlgoGetHeuristic(
        handle_, desc_.get(), b_.get(), a_.get(), y_.get(), y_.get(), made, kAlgorithms,
        results.data(), &count);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, "looking for an algorithm");
    int usable = 0;
    const LibraryChoice& choice = product_.choice;
    const int wanted = choice.version == 0 || choice.version == cublaslt_version()
                           ? static_cast<int>(choice.number)
                           : 0;
    for (int i = 0; i < count && usable <= wanted; ++i) {
      const cublasLtMatmulHeuristicResult_t& result = results[static_cast<std::size_t>(i)];
      if (result.state != CUBLAS_STATUS_SUCCESS) continue;
      ++usable;
      algorithm_ = result.algo;
      workspace_bytes_ = result.workspaceSize;
    }
    if (usable == 0) {
      throw Error(ErrorCode::no_implementation, kWhat,
                  "the library has no algorithm for " + std::to_string(sizes_.m) + " x " +
                      std::to_string(sizes_.n) + " x " + std::to_string(sizes_.k) + " in " +
                      std::to_string(sizes_.batches) + " batches",
                  "build the engine with --tactics=-cublaslt");
    }
    return workspace_bytes_;
  }

  Device& device_;
  LibraryProduct product_;
  cublasLtEpilogue_t epilogue_ = CUBLASLT_EPILOGUE_DEFAULT;
  cublasLtHandle_t handle_ = nullptr;
  Sizes sizes_;
  cudaDataType type_ = CUDA_R_32F;
  bool empty_ = false;
  std::size_t zero_bytes_ = 0;
  Owned<cublasLtMatmulDesc_t> desc_;
  Owned<cublasLtMatrixLayout_t> a_, b_, y_;
  const void* bias_ = nullptr;  // what desc_ says
  cublasLtMatmulAlgo_t algorithm_{};
  std::size_t workspace_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Step> make_cublaslt_step(Device& device, const StropAbiStep& step) {
  return std::make_unique<CublasLtStep>(device, step);
}

}  // namespace strop::cuda
