// SPDX-License-Identifier: Apache-2.0
// Spectra of frames of a signal, `step` samples apart, each times the window. A frame is as long as
// `frame_length` says, else as the window, else as the signal; a shorter window is followed by
// zeros. A last frame that is not full is left out. Sums are in double.
#include "ops/stft.hpp"

#include "base/parallel.hpp"
#include "ir/evaluate.hpp"
#include "ops/chunk.hpp"
#include "ops/fourier_support.hpp"

namespace strop {
namespace {

std::optional<Dim> scalar(InferContext& context, std::size_t i) {
  if (const SymShape* shape = context.shape(i)) {
    context.require_equal(product(*shape), Dim(1),
                          "the size of " + std::string(context.op().inputs[i].name) + " and 1");
  }
  const auto value = context.elements(i);
  if (!value || value->size() != 1) return std::nullopt;
  context.require(!value->front().is_constant() || value->front().value() >= 1,
                  ErrorCode::bad_value,
                  std::string(context.op().inputs[i].name) + " is " + value->front().to_string());
  return value->front();
}

// Samples of a frame; nothing when it is not known yet.
std::optional<Dim> frame_length(InferContext& context, const SymShape& signal) {
  const SymShape* window = nullptr;
  if (context.has_input(2)) {
    context.require_rank(2, 1);
    window = context.shape(2);
    if (window == nullptr && !context.has_input(3)) return std::nullopt;
  }
  if (!context.has_input(3)) return window != nullptr ? (*window)[0] : signal[1];
  const auto length = scalar(context, 3);
  const bool too_long = length && window != nullptr && length->is_constant() &&
                        (*window)[0].is_constant() && (*window)[0].value() > length->value();
  context.require(!too_long, ErrorCode::bad_shape, "the window is longer than the frame");
  return length;
}

void infer(InferContext& context) {
  const bool onesided = context.attributes<StftAttributes>().onesided;
  context.require_rank(0, 3);
  const SymShape signal = context.shape(0) != nullptr ? *context.shape(0) : context.fresh_shape(3);
  const Dim& parts = signal[2];
  if (parts.is_constant()) {
    context.require(
        parts.is(1) || parts.is(2), ErrorCode::bad_shape,
        "the last axis holds real and imaginary parts; its size is " + parts.to_string());
    context.require(!onesided || parts.is(1), ErrorCode::bad_shape,
                    "a one-sided spectrum is that of a real signal, but this one is complex");
  }
  const auto step = scalar(context, 1);
  const auto length = frame_length(context, signal);
  SymShape y = {signal[0], Dim(), Dim(), Dim(2)};
  // The step divides, so it has to be a number.
  y[1] = step && step->is_constant() && length
             ? max(floordiv(signal[1] - *length, *step) + 1, Dim(0))
             : context.fresh_dim();
  y[2] = !length ? context.fresh_dim() : onesided ? floordiv(*length, 2) + 1 : *length;
  context.set_output(0, context.dtype(0), std::move(y));
}

void reference(KernelContext& context) {
  const Tensor& signal = context.input(0);
  Tensor& y = context.output(0);
  const std::int64_t step = context.input(1).to_i64().front();
  const std::int64_t window_size = context.has_input(2) ? context.input(2).size() : signal.dim(1);
  const std::int64_t length =
      context.has_input(3) ? context.input(3).to_i64().front() : window_size;
  if (y.size() == 0) return;
  const FourierPlan plan(length);
  const std::int64_t used = context.has_input(2) ? window_size : length;
  const std::int64_t parts = signal.dim(2), samples = signal.dim(1);
  const std::int64_t frames = y.dim(1), bins = y.dim(2);
  dispatch_float(signal.dtype(), [&]<class T>() {
    std::vector<double> window(static_cast<std::size_t>(used), 1.0);
    for (std::int64_t i = 0; context.has_input(2) && i < used; ++i) {
      window[static_cast<std::size_t>(i)] =
          convert_number<double>(context.input(2).values<T>()[static_cast<std::size_t>(i)]);
    }
    const T* in = signal.values<T>().data();
    T* out = y.mutable_values<T>().data();
    parallel_for(y.dim(0) * frames, 1 + 4096 / length, [&](std::int64_t begin, std::int64_t end) {
      std::vector<ComplexNumber> frame(static_cast<std::size_t>(length)), scratch;
      for (std::int64_t f = begin; f < end; ++f) {
        context.check_deadline();
        const T* from = in + (f / frames * samples + f % frames * step) * parts;
        std::fill(frame.begin(), frame.end(), ComplexNumber{});
        for (std::int64_t i = 0; i < used; ++i) {
          const double weight = window[static_cast<std::size_t>(i)];
          frame[static_cast<std::size_t>(i)] = {
              weight * convert_number<double>(from[i * parts]),
              parts == 2 ? weight * convert_number<double>(from[i * parts + 1]) : 0.0};
        }
        plan.forward(frame.data(), scratch);
        T* to = out + f * bins * 2;
        for (std::int64_t i = 0; i < bins; ++i) {
          to[2 * i] = convert_number<T>(frame[static_cast<std::size_t>(i)].re);
          to[2 * i + 1] = convert_number<T>(frame[static_cast<std::size_t>(i)].im);
        }
      }
    });
  });
}

}  // namespace

const OpDef& op_stft() {
  static const OpDef def{
      .name = "stft",
      .summary = "the Fourier transforms of frames of a signal",
      .attributes = &attribute_schema<StftAttributes>(),
      .inputs = {{.name = "signal", .types = kFloats, .same_as = 'T'},
                 {.name = "step", .types = kIndices},
                 {.name = "window", .types = kFloats, .same_as = 'T', .arity = Operand::optional},
                 {.name = "frame_length", .types = kIndices, .arity = Operand::optional}},
      .outputs = {{.name = "y", .types = kFloats, .same_as = 'T'}},
      .subgraphs = {},
      .traits = {.parameter_inputs = 0b1010},
      .infer = infer,
      .reference = reference,
  };
  return def;
}

}  // namespace strop
