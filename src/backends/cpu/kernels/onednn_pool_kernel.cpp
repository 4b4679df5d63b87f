// SPDX-License-Identifier: Apache-2.0
// Max and average pooling through oneDNN, 1-D to 3-D, over plain NCHW f32. The padding after the
// last element is derived from the output's size, so rounding up (ceil_mode) needs no case of its
// own.
#include <algorithm>
#include <optional>

#include "backends/cpu/kernels/onednn_support.hpp"

namespace strop::cpu {
namespace {

using dnnl::memory;

// More elements in a window make an output that takes too long to compute one by one.
constexpr std::int64_t kMostTaps = std::int64_t{1} << 20;

class OnednnPoolKernel final : public Kernel {
 public:
  explicit OnednnPoolKernel(const KernelInit& init)
      : function_(init.parameters.string("function")),
        kernel_(init.parameters.integers("kernel")),
        strides_(init.parameters.integers("strides")),
        dilations_(init.parameters.integers("dilations")),
        pads_(init.parameters.integers("pads")),
        auto_pad_(init.parameters.string("auto_pad")) {}

  std::uint64_t prepare(std::span<const View> inputs, std::span<const View> outputs,
                        int threads) override {
    return with_onednn_errors("pooling kernel", [&] {
      threads_ = threads;
      use_onednn_threads(threads);
      if (!stream_) stream_.emplace(onednn_engine());
      const View& x = inputs[0];
      const View& y = outputs[0];
      const std::size_t rank = x.dims.size();
      const std::size_t spatial = kernel_.size();
      if (rank < 3 || rank > 5 || spatial != rank - 2 || y.dims.size() != rank ||
          strides_.size() != spatial || dilations_.size() != spatial ||
          pads_.size() != 2 * spatial) {
        throw Error(ErrorCode::engine_invalid, "pooling kernel",
                    "shapes and parameters do not fit");
      }
      require_window("pooling kernel", spatial, strides_, dilations_, pads_);
      std::int64_t taps = 1;
      for (std::int64_t size : kernel_) {
        require(size >= 1 && size <= kMostTaps && taps * size <= kMostTaps, "pooling kernel",
                "its window is empty or too large");
        taps *= size;
      }
      if (y.bytes == 0) return std::uint64_t{0};
      memory::dims dilates(spatial), left(spatial), right(spatial);
      for (std::size_t i = 0; i < spatial; ++i) {
        // Of a single tap it says nothing, but must be smaller than x.
        dilates[i] = kernel_[i] == 1 ? 0 : dilations_[i] - 1;
        const std::int64_t reach = (kernel_[i] - 1) * dilations_[i] + 1;
        const std::int64_t total = (y.dims[2 + i] - 1) * strides_[i] + reach - x.dims[2 + i];
        left[i] = pads_[i];
        if (auto_pad_ == "same_upper") left[i] = std::max<std::int64_t>(total, 0) / 2;
        if (auto_pad_ == "same_lower") left[i] = (std::max<std::int64_t>(total, 0) + 1) / 2;
        if (auto_pad_ == "valid") left[i] = 0;
        right[i] = total - left[i];
      }
      const dnnl::algorithm algorithm = function_ == "max" ? dnnl::algorithm::pooling_max
                                        : function_ == "average_include_pad"
                                            ? dnnl::algorithm::pooling_avg_include_padding
                                            : dnnl::algorithm::pooling_avg_exclude_padding;
      const memory::desc source = plain_desc(x.dtype, x.shape());
      const memory::desc destination = plain_desc(y.dtype, y.shape());
      dnnl::primitive_attr attributes;
      attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
      const dnnl::pooling_forward::primitive_desc desc(
          onednn_engine(), dnnl::prop_kind::forward_inference, algorithm, source, destination,
          strides_, kernel_, dilates, left, right, attributes);
      pool_.reset(dnnl::pooling_forward(desc));
      pool_.add(DNNL_ARG_SRC, source);
      pool_.add(DNNL_ARG_DST, destination);
      pool_.add(DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc());
      return std::uint64_t{desc.scratchpad_desc().get_size()};
    });
  }

  void run(std::span<const View> inputs, std::span<const View> outputs, void* workspace) override {
    use_onednn_threads(threads_);
    pool_.set(DNNL_ARG_SRC, inputs[0].data);
    pool_.set(DNNL_ARG_DST, outputs[0].data);
    pool_.set(DNNL_ARG_SCRATCHPAD, workspace);
    pool_.execute(*stream_);
  }

 private:
  std::string function_;
  Shape kernel_, strides_, dilations_, pads_;
  std::string auto_pad_;
  int threads_ = 1;
  OnednnCall pool_;
  std::optional<dnnl::stream> stream_;
};

}  // namespace

void register_onednn_pool_kernel(KernelTable& table) {
  table.add("pool_onednn", make_onednn<OnednnPoolKernel>);
}

}  // namespace strop::cpu
