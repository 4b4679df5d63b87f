// SPDX-License-Identifier: Apache-2.0
// Matrix product through oneDNN with NumPy batch broadcasting, transposed operands, bias and
// epilogue: y = epilogue(op(a) op(b) + bias). Constant right-hand sides are put into oneDNN's
// format when shapes are prepared.
//
// Inputs: a [..., M, K] (or [K, M]), b [..., K, N] (or [N, K]), c broadcast to y (optional),
// operands of the epilogue.
#include <algorithm>
#include <cstring>
#include <optional>

#include "backends/cpu/kernels/onednn_support.hpp"
#include "base/tensor.hpp"

namespace strop::cpu {
namespace {

using dnnl::memory;

class OnednnMatmulKernel final : public Kernel {
 public:
  explicit OnednnMatmulKernel(const KernelInit& init)
      : trans_a_(init.parameters.integer("trans_a") != 0),
        trans_b_(init.parameters.integer("trans_b") != 0),
        epilogue_(parse_epilogue(init.parameters.string("epilogue"))),
        inputs_(read_inputs(init)),
        b_constant_(init.inputs[inputs_.w].constant != nullptr) {}

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    return with_onednn_errors("matrix product kernel",
                              [&] { return prepare_matmul(inputs, outputs, threads); });
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    use_onednn_threads(threads_);
    if (post_ops_.summand) {
      std::memcpy(outputs[0].data, inputs[*post_ops_.summand].data, outputs[0].bytes);
    }
    if (empty_sum_) {
      void* zeros = static_cast<std::byte*>(workspace) + zeros_offset_;
      std::memset(zeros, 0, zeros_bytes_);
      matmul_.set(DNNL_ARG_SRC, zeros);
      matmul_.set(DNNL_ARG_WEIGHTS, zeros);
    } else {
      matmul_.set(DNNL_ARG_SRC, inputs[inputs_.x].data);
      matmul_.set(DNNL_ARG_WEIGHTS, b_constant_ ? packed_.mutable_data() : inputs[inputs_.w].data);
    }
    if (has_bias_) matmul_.set(DNNL_ARG_BIAS, inputs[inputs_.bias].data);
    for (const PostOpOperand& operand : post_ops_.operands) {
      matmul_.set(DNNL_ARG_ATTR_MULTIPLE_POST_OP(operand.post_op) | DNNL_ARG_SRC_1,
                  inputs[operand.input].data);
    }
    matmul_.set(DNNL_ARG_DST, outputs[0].data);
    matmul_.set(DNNL_ARG_SCRATCHPAD, workspace);
    matmul_.execute(*stream_);
  }

 private:
  // Plain memory, seen as [batch..., rows, columns] of rank `rank`; a 1-D operand is a row (a) or a
  // column (b).
  static memory::desc operand_desc(const View& view, std::size_t rank, bool transposed,
                                   bool is_left) {
    Shape dims = view.shape();
    if (dims.size() == 1) dims.insert(is_left ? dims.begin() : dims.end(), 1);
    Shape strides(dims.size(), 1);
    for (std::size_t i = dims.size(); i-- > 1;) strides[i - 1] = strides[i] * dims[i];
    if (transposed) {
      std::swap(dims[dims.size() - 1], dims[dims.size() - 2]);
      std::swap(strides[dims.size() - 1], strides[dims.size() - 2]);
    }
    while (dims.size() < rank) {
      strides.insert(strides.begin(), strides.front() * dims.front());
      dims.insert(dims.begin(), 1);
    }
    return {dims, onednn_type(view.dtype), strides};
  }

  std::uint64_t prepare_matmul(std::span<const View> inputs, std::span<const View> outputs,
                               int threads) {
    threads_ = threads;
    use_onednn_threads(threads);
    if (!stream_) stream_.emplace(onednn_engine());
    View a = inputs[inputs_.x];
    View b = inputs[inputs_.w];
    const View& y = outputs[0];
    if (a.dims.empty() || b.dims.empty()) {
      throw Error(ErrorCode::engine_invalid, "matrix product kernel", "an operand is a scalar");
    }
    const std::size_t rank = std::max<std::size_t>({a.dims.size(), b.dims.size(), 2});
    if (y.bytes == 0) return 0;
    // oneDNN leaves the output as it was when there is nothing to sum up: one zero is summed
    // instead.
    Shape a_dims = a.shape(), b_dims = b.shape();
    const std::size_t a_sum = a_dims.size() - (trans_a_ && a_dims.size() > 1 ? 2 : 1);
    const std::size_t b_sum = b_dims.size() - (trans_b_ || b_dims.size() == 1 ? 1 : 2);
    empty_sum_ = a_dims[a_sum] == 0 && b_dims[b_sum] == 0;
    if (empty_sum_) {
      a_dims[a_sum] = b_dims[b_sum] = 1;
      a.dims = a_dims;
      b.dims = b_dims;
    } else {
      require(a.bytes > 0 && b.bytes > 0, "matrix product kernel", "an operand is empty");
    }
    const bool packs = b_constant_ && !empty_sum_;
    // The output with the dimensions of 1 that 1-D operands drop.
    Shape out_dims = y.shape();
    require(out_dims.size() + (a.dims.size() == 1) + (b.dims.size() == 1) == rank,
            "matrix product kernel", "the output does not fit");
    require(!inputs_.has_bias || inputs[inputs_.bias].dims.size() <= rank, "matrix product kernel",
            "the bias does not fit");
    if (a.dims.size() == 1) out_dims.insert(out_dims.end() - (b.dims.size() == 1 ? 0 : 1), 1);
    if (b.dims.size() == 1) out_dims.push_back(1);
    const memory::desc source = operand_desc(a, rank, trans_a_, true);
    const memory::desc plain_b = operand_desc(b, rank, trans_b_, false);
    const memory::desc destination = plain_desc(y.dtype, out_dims);
    has_bias_ = inputs_.has_bias;
    memory::desc bias;
    if (has_bias_) {
      Shape dims(rank, 1);
      std::copy(inputs[inputs_.bias].dims.begin(), inputs[inputs_.bias].dims.end(),
                dims.end() - static_cast<std::ptrdiff_t>(inputs[inputs_.bias].dims.size()));
      bias = plain_desc(inputs[inputs_.bias].dtype, dims);
    }
    post_ops_ = onednn_post_ops(epilogue_, inputs, out_dims);
    const dnnl::primitive_attr& attributes = post_ops_.attributes;
    const memory::desc weights =
        packs ? memory::desc(plain_b.get_dims(), plain_b.get_data_type(), memory::format_tag::any)
              : plain_b;
    const auto make_desc = [&] {
      return has_bias_ ? dnnl::matmul::primitive_desc(onednn_engine(), source, weights, bias,
                                                      destination, attributes)
                       : dnnl::matmul::primitive_desc(onednn_engine(), source, weights, destination,
                                                      attributes);
    };
    dnnl::matmul::primitive_desc desc = make_desc();
    if (threads_ > 1 && depends_on_threads(desc.impl_info_str())) {
      threads_ = 1;
      use_onednn_threads(1);
      desc = make_desc();
    }
    matmul_.reset(dnnl::matmul(desc));
    matmul_.add(DNNL_ARG_SRC, source);
    matmul_.add(DNNL_ARG_WEIGHTS, desc.weights_desc());
    if (has_bias_) matmul_.add(DNNL_ARG_BIAS, bias);
    for (const PostOpOperand& operand : post_ops_.operands) {
      matmul_.add(DNNL_ARG_ATTR_MULTIPLE_POST_OP(operand.post_op) | DNNL_ARG_SRC_1, operand.desc);
    }
    matmul_.add(DNNL_ARG_DST, destination);
    matmul_.add(DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc());
    if (packs) pack(plain_b, desc.weights_desc(), b.data);
    std::uint64_t workspace = desc.scratchpad_desc().get_size();
    if (empty_sum_) {
      zeros_offset_ = (workspace + 63) / 64 * 64;
      zeros_bytes_ = std::max(source.get_size(), desc.weights_desc().get_size());
      workspace = zeros_offset_ + zeros_bytes_;
    }
    return workspace;
  }

  void pack(const memory::desc& plain, const memory::desc& wanted, void* data) {
    if (packed_.defined() && packed_desc_ == wanted) return;
    packed_ = Tensor::allocate(DType::u8, {static_cast<std::int64_t>(wanted.get_size())});
    packed_desc_ = wanted;
    OnednnCall reorder;
    reorder.reset(dnnl::reorder(
        dnnl::reorder::primitive_desc(onednn_engine(), plain, onednn_engine(), wanted)));
    reorder.add(DNNL_ARG_FROM, plain);
    reorder.add(DNNL_ARG_TO, wanted);
    reorder.set(DNNL_ARG_FROM, data);
    reorder.set(DNNL_ARG_TO, packed_.mutable_data());
    reorder.execute(*stream_);
    stream_->wait();
  }

  bool trans_a_, trans_b_;
  Epilogue epilogue_;
  OnednnInputs inputs_;
  bool b_constant_;
  int threads_ = 1;
  bool has_bias_ = false, empty_sum_ = false;
  std::size_t zeros_offset_ = 0, zeros_bytes_ = 0;
  PostOps post_ops_;
  OnednnCall matmul_;
  Tensor packed_;
  memory::desc packed_desc_;
  std::optional<dnnl::stream> stream_;
};

}  // namespace

void register_onednn_matmul_kernel(KernelTable& table) {
  table.add("matmul_onednn", make_onednn<OnednnMatmulKernel>);
}

}  // namespace strop::cpu
