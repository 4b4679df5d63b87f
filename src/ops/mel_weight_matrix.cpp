// SPDX-License-Identifier: Apache-2.0
// Triangles over the bins of a spectrum, at equal distances on the mel scale, 2595 log10(1 + f /
// 700). Corners lie on bins, so a triangle may have no rising or no falling side. In double.
#include "ops/mel_weight_matrix.hpp"

#include <cmath>

#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"

namespace strop {
namespace {

void infer(InferContext& context) {
  const DType to = context.attributes<MelWeightMatrixAttributes>().to;
  context.require(kNumbers.contains(to), ErrorCode::bad_attribute,
                  "y cannot be " + std::string(to_string(to)));
  for (std::size_t i = 0; i < context.input_count(); ++i) {
    if (const SymShape* shape = context.shape(i)) {
      context.require_equal(product(*shape), Dim(1),
                            "the size of " + std::string(context.op().inputs[i].name) + " and 1");
    }
  }
  const auto bands = context.elements(0), length = context.elements(1);
  const auto size = [&](const auto& value, auto&& of) {
    if (!value || value->size() != 1) return context.fresh_dim();
    const Dim& dim = value->front();
    context.require(!dim.is_constant() || dim.value() >= 0, ErrorCode::bad_value,
                    "a size is " + dim.to_string());
    return of(dim);
  };
  const Dim rows = size(length, [](const Dim& dim) { return floordiv(dim, 2) + 1; });
  context.set_output(0, to, {rows, size(bands, [](const Dim& dim) { return dim; })});
}

double to_mel(double hertz) { return 2595 * std::log10(1 + hertz / 700); }
double to_hertz(double mel) { return 700 * (std::pow(10, mel / 2595) - 1); }

double number(const Tensor& tensor) { return load_as_double(tensor.dtype(), tensor.data(), 0); }

void reference(KernelContext& context) {
  Tensor& y = context.output(0);
  const std::int64_t bins = y.dim(0), bands = y.dim(1);
  const double length = number(context.input(1)), rate = number(context.input(2));
  const double low = number(context.input(3)), high = number(context.input(4));
  if (!(rate > 0) || !(low >= 0) || !(high >= low) || !(high <= rate)) {
    context.fail("bands from " + std::to_string(low) + " to " + std::to_string(high) +
                     " Hz at a sample rate of " + std::to_string(rate),
                 "edges are from 0 Hz up to the sample rate, the lower one first");
  }
  if (y.size() == 0) return;
  std::vector<double> weights(static_cast<std::size_t>(y.size()), 0.0);
  const auto weight = [&](std::int64_t bin, std::int64_t band) -> double& {
    return weights[static_cast<std::size_t>(bin * bands + band)];
  };
  const double step = (to_mel(high) - to_mel(low)) / static_cast<double>(bands + 2);
  // Edges above half of the sample rate lie beyond the last bin.
  const auto bin_of = [&](std::int64_t corner) {
    const double hertz = to_hertz(static_cast<double>(corner) * step + to_mel(low));
    const double bin = std::floor((length + 1) * hertz / rate);
    if (!(bin < static_cast<double>(bins))) {
      context.fail("band " + std::to_string(corner) + " of " + std::to_string(bands) +
                       " lies beyond the spectrum",
                   "upper_edge_hertz is at most half of the sample rate");
    }
    return static_cast<std::int64_t>(bin);
  };
  for (std::int64_t band = 0; band < bands; ++band) {
    const std::int64_t left = bin_of(band), top = bin_of(band + 1), right = bin_of(band + 2);
    for (std::int64_t bin = left; bin <= top; ++bin) {
      weight(bin, band) =
          top == left ? 1 : static_cast<double>(bin - left) / static_cast<double>(top - left);
    }
    for (std::int64_t bin = top; bin < right; ++bin) {
      weight(bin, band) = static_cast<double>(right - bin) / static_cast<double>(right - top);
    }
  }
  for (std::int64_t i = 0; i < y.size(); i += kChunk) {
    store_chunk<double>(y, i, std::min(kChunk, y.size() - i), weights.data() + i);
  }
}

}  // namespace

const OpDef& op_mel_weight_matrix() {
  static const OpDef def{
      .name = "mel_weight_matrix",
      .summary = "y[bin, band]: how much of a bin of a spectrum belongs to a band of the mel scale",
      .attributes = &attribute_schema<MelWeightMatrixAttributes>(),
      .inputs = {{.name = "num_mel_bins", .types = kIndices},
                 {.name = "dft_length", .types = kIndices},
                 {.name = "sample_rate", .types = kIndices},
                 {.name = "lower_edge_hertz", .types = kFloats},
                 {.name = "upper_edge_hertz", .types = kFloats}},
      .outputs = {{.name = "y", .types = kNumbers}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 0b11111},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
