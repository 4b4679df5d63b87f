// SPDX-License-Identifier: Apache-2.0
// Convolution through oneDNN, 1-D to 3-D, with bias and epilogue. Activations are plain NCHW at the
// step's borders; layout "blocked" lets oneDNN choose its own inside and reorders at both ends,
// "plain" stays in NCHW. Constant weights are put into oneDNN's format once, when shapes are
// prepared.
//
// Inputs: x [N,C,spatial...], w [M,C/group,kernel...], bias [M] (optional), operands of the
// epilogue.
#include <algorithm>
#include <cstring>
#include <optional>

#include "backends/cpu/kernels/onednn_support.hpp"
#include "base/tensor.hpp"

namespace strop::cpu {
namespace {

using dnnl::memory;

class OnednnConvKernel final : public Kernel {
 public:
  explicit OnednnConvKernel(const KernelInit& init)
      : strides_(init.parameters.integers("strides")),
        dilations_(init.parameters.integers("dilations")),
        pads_(init.parameters.integers("pads")),
        auto_pad_(init.parameters.string("auto_pad")),
        group_(init.parameters.integer("group")),
        blocked_(init.parameters.string("layout") == "blocked"),
        epilogue_(parse_epilogue(init.parameters.string("epilogue"))),
        inputs_(read_inputs(init)),
        weights_constant_(init.inputs[inputs_.w].constant != nullptr) {
    if (group_ < 1)
      throw Error(ErrorCode::engine_invalid, "convolution kernel", "group is not positive");
  }

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    return with_onednn_errors("convolution kernel",
                              [&] { return prepare_conv(inputs, outputs, threads); });
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    use_onednn_threads(threads_);
    std::byte* const base = static_cast<std::byte*>(workspace);
    void* source = inputs[inputs_.x].data;
    if (reorders_source_) {
      from_plain_source_.set(DNNL_ARG_FROM, source);
      from_plain_source_.set(DNNL_ARG_TO, base + source_offset_);
      from_plain_source_.execute(*stream_);
      source = base + source_offset_;
    }
    void* weights = weights_constant_ ? packed_.mutable_data() : inputs[inputs_.w].data;
    if (!weights_constant_ && reorders_weights_) {
      from_plain_weights_.set(DNNL_ARG_FROM, inputs[inputs_.w].data);
      from_plain_weights_.set(DNNL_ARG_TO, base + weights_offset_);
      from_plain_weights_.execute(*stream_);
      weights = base + weights_offset_;
    }
    void* destination = reorders_destination_ ? base + destination_offset_ : outputs[0].data;
    if (post_ops_.summand) {
      void* summand = inputs[*post_ops_.summand].data;
      if (reorders_destination_) {
        from_plain_summand_.set(DNNL_ARG_FROM, summand);
        from_plain_summand_.set(DNNL_ARG_TO, destination);
        from_plain_summand_.execute(*stream_);
      } else {
        std::memcpy(destination, summand, outputs[0].bytes);
      }
    }
    conv_.set(DNNL_ARG_SRC, source);
    conv_.set(DNNL_ARG_WEIGHTS, weights);
    if (has_bias_) conv_.set(DNNL_ARG_BIAS, inputs[inputs_.bias].data);
    for (const PostOpOperand& operand : post_ops_.operands) {
      conv_.set(DNNL_ARG_ATTR_MULTIPLE_POST_OP(operand.post_op) | DNNL_ARG_SRC_1,
                inputs[operand.input].data);
    }
    conv_.set(DNNL_ARG_DST, destination);
    conv_.set(DNNL_ARG_SCRATCHPAD, base);
    conv_.execute(*stream_);
    if (reorders_destination_) {
      to_plain_destination_.set(DNNL_ARG_FROM, destination);
      to_plain_destination_.set(DNNL_ARG_TO, outputs[0].data);
      to_plain_destination_.execute(*stream_);
    }
  }

 private:
  std::uint64_t prepare_conv(std::span<const View> inputs, std::span<const View> outputs,
                             int threads) {
    require(group_ <= std::int64_t{1} << 30, "convolution kernel", "group does not fit");
    threads_ = threads;
    use_onednn_threads(threads);
    if (!stream_) stream_.emplace(onednn_engine());
    const View& x = inputs[inputs_.x];
    const View& w = inputs[inputs_.w];
    const View& y = outputs[0];
    const std::size_t rank = x.dims.size();
    const std::size_t spatial = rank - 2;
    if (rank < 3 || rank > 5 || w.dims.size() != rank || y.dims.size() != rank ||
        strides_.size() != spatial || dilations_.size() != spatial || pads_.size() != 2 * spatial ||
        w.dims[0] % group_ != 0 || w.dims[1] * group_ != x.dims[1]) {
      throw Error(ErrorCode::engine_invalid, "convolution kernel",
                  "shapes and parameters do not fit");
    }
    require_window("convolution kernel", spatial, strides_, dilations_, pads_);
    has_bias_ = inputs_.has_bias;
    if (y.bytes == 0) return 0;
    require(x.bytes > 0 && w.bytes > 0, "convolution kernel", "an operand is empty");

    // oneDNN counts dilation from zero, and derives the output size from the padding given here.
    memory::dims dilates(spatial), left(spatial), right(spatial);
    for (std::size_t i = 0; i < spatial; ++i) {
      dilates[i] = dilations_[i] - 1;
      const std::int64_t reach = (w.dims[2 + i] - 1) * dilations_[i] + 1;
      const std::int64_t total = (y.dims[2 + i] - 1) * strides_[i] + reach - x.dims[2 + i];
      left[i] = pads_[i];
      if (auto_pad_ == "same_upper") left[i] = std::max<std::int64_t>(total, 0) / 2;
      if (auto_pad_ == "same_lower") left[i] = (std::max<std::int64_t>(total, 0) + 1) / 2;
      if (auto_pad_ == "valid") left[i] = 0;
      right[i] = total - left[i];  // negative where the last rows are not reached
    }
    memory::dims weight_dims(w.dims.begin(), w.dims.end());
    if (group_ > 1) {
      weight_dims[0] /= group_;
      weight_dims.insert(weight_dims.begin(), group_);
    }
    const memory::desc plain_source = plain_desc(x.dtype, x.shape());
    const memory::desc plain_destination = plain_desc(y.dtype, y.shape());
    const memory::desc plain_weights = plain_desc(w.dtype, weight_dims);
    const auto any = [](const memory::desc& desc) {
      return memory::desc(desc.get_dims(), desc.get_data_type(), memory::format_tag::any);
    };
    post_ops_ = onednn_post_ops(epilogue_, inputs, y.shape());
    const dnnl::primitive_attr& attributes = post_ops_.attributes;
    const memory::desc bias =
        has_bias_ ? plain_desc(inputs[inputs_.bias].dtype, inputs[inputs_.bias].shape())
                  : memory::desc();
    const auto make_desc = [&] {
      return dnnl::convolution_forward::primitive_desc(
          onednn_engine(), dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_auto,
          blocked_ ? any(plain_source) : plain_source, any(plain_weights), bias,
          blocked_ ? any(plain_destination) : plain_destination, strides_, dilates, left, right,
          attributes);
    };
    dnnl::convolution_forward::primitive_desc desc = make_desc();
    if (threads_ > 1 && depends_on_threads(desc.impl_info_str())) {
      threads_ = 1;
      use_onednn_threads(1);
      desc = make_desc();
    }

    conv_.reset(dnnl::convolution_forward(desc));
    conv_.add(DNNL_ARG_SRC, desc.src_desc());
    conv_.add(DNNL_ARG_WEIGHTS, desc.weights_desc());
    if (has_bias_) conv_.add(DNNL_ARG_BIAS, bias);
    for (const PostOpOperand& operand : post_ops_.operands) {
      conv_.add(DNNL_ARG_ATTR_MULTIPLE_POST_OP(operand.post_op) | DNNL_ARG_SRC_1, operand.desc);
    }
    conv_.add(DNNL_ARG_DST, desc.dst_desc());
    conv_.add(DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc());

    std::uint64_t workspace = aligned(desc.scratchpad_desc().get_size());
    const auto reserve = [&workspace](std::uint64_t bytes) {
      const std::uint64_t offset = workspace;
      workspace += aligned(bytes);
      return offset;
    };
    reorders_source_ = desc.src_desc() != plain_source;
    if (reorders_source_) {
      source_offset_ = reserve(desc.src_desc().get_size());
      set_reorder(from_plain_source_, plain_source, desc.src_desc());
    }
    reorders_destination_ = desc.dst_desc() != plain_destination;
    if (reorders_destination_) {
      destination_offset_ = reserve(desc.dst_desc().get_size());
      set_reorder(to_plain_destination_, desc.dst_desc(), plain_destination);
      if (post_ops_.summand) set_reorder(from_plain_summand_, plain_destination, desc.dst_desc());
    }
    reorders_weights_ = desc.weights_desc() != plain_weights;
    if (weights_constant_) {
      pack_weights(plain_weights, desc.weights_desc(), w.data);
    } else if (reorders_weights_) {
      weights_offset_ = reserve(desc.weights_desc().get_size());
      set_reorder(from_plain_weights_, plain_weights, desc.weights_desc());
    }
    return workspace;
  }

  static std::uint64_t aligned(std::uint64_t bytes) { return (bytes + 63) / 64 * 64; }

  static void set_reorder(OnednnCall& call, const memory::desc& from, const memory::desc& to) {
    call.reset(
        dnnl::reorder(dnnl::reorder::primitive_desc(onednn_engine(), from, onednn_engine(), to)));
    call.add(DNNL_ARG_FROM, from);
    call.add(DNNL_ARG_TO, to);
  }

  void pack_weights(const memory::desc& plain, const memory::desc& wanted, void* data) {
    if (packed_.defined() && packed_desc_ == wanted) return;  // other input shapes, same format
    packed_ = Tensor::allocate(DType::u8, {static_cast<std::int64_t>(wanted.get_size())});
    packed_desc_ = wanted;
    OnednnCall reorder;
    set_reorder(reorder, plain, wanted);
    reorder.set(DNNL_ARG_FROM, data);
    reorder.set(DNNL_ARG_TO, packed_.mutable_data());
    reorder.execute(*stream_);
    stream_->wait();
  }

  Shape strides_, dilations_, pads_;
  std::string auto_pad_;
  std::int64_t group_;
  bool blocked_;
  Epilogue epilogue_;
  OnednnInputs inputs_;
  bool weights_constant_;

  int threads_ = 1;
  bool has_bias_ = false, reorders_source_ = false, reorders_weights_ = false,
       reorders_destination_ = false;
  std::uint64_t source_offset_ = 0, weights_offset_ = 0, destination_offset_ = 0;
  PostOps post_ops_;
  OnednnCall conv_, from_plain_source_, from_plain_weights_, to_plain_destination_,
      from_plain_summand_;
  Tensor packed_;
  memory::desc packed_desc_;
  std::optional<dnnl::stream> stream_;
};

}  // namespace

void register_onednn_conv_kernel(KernelTable& table) {
  table.add("conv_onednn", make_onednn<OnednnConvKernel>);
}

}  // namespace strop::cpu
