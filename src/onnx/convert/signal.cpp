// SPDX-License-Identifier: Apache-2.0
// DFT, STFT, MelWeightMatrix and the windows. The axis of DFT is an attribute before opset 20.
#include "onnx/converter_table.hpp"
#include "ops/dft.hpp"
#include "ops/mel_weight_matrix.hpp"
#include "ops/stft.hpp"
#include "ops/window_function.hpp"

namespace strop::onnx {
namespace {

DType output_datatype(ConvertContext& c) {
  const std::int64_t number = c.int_attribute("output_datatype", 1);
  const auto dtype = dtype_from_onnx(number);
  if (dtype && kNumbers.contains(*dtype)) return *dtype;
  c.fail(ErrorCode::bad_attribute,
         "output_datatype is " + std::to_string(number) + ", which is no type of numbers");
}

void dft_of(ConvertContext& c, ValueId axis) {
  const DftAttributes attributes{.inverse = c.int_attribute("inverse", 0) != 0,
                                 .onesided = c.int_attribute("onesided", 0) != 0};
  c.set_output(0, c.emit(op_dft(), attributes, {c.input(0), c.optional_input(1), axis}));
}

void dft_17(ConvertContext& c) { dft_of(c, c.emitter().integers({c.int_attribute("axis", 1)})); }

void dft_20(ConvertContext& c) { dft_of(c, c.optional_input(2)); }

void stft(ConvertContext& c) {
  const StftAttributes attributes{.onesided = c.int_attribute("onesided", 1) != 0};
  c.set_output(0, c.emit(op_stft(), attributes,
                         {c.input(0), c.input(1), c.optional_input(2), c.optional_input(3)}));
}

void mel_weight_matrix(ConvertContext& c) {
  const MelWeightMatrixAttributes attributes{.to = output_datatype(c)};
  c.set_output(0, c.emit(op_mel_weight_matrix(), attributes,
                         {c.input(0), c.input(1), c.input(2), c.input(3), c.input(4)}));
}

template <WindowFunction kFunction>
void window(ConvertContext& c) {
  const WindowFunctionAttributes attributes{.function = kFunction,
                                            .periodic = c.int_attribute("periodic", 1) != 0,
                                            .to = output_datatype(c)};
  c.set_output(0, c.emit(op_window_function(), attributes, {c.input(0)}));
}

}  // namespace

void register_signal(ConverterTable& table) {
  table.add("DFT", 17, dft_17);
  table.add("DFT", 20, dft_20);
  table.add("STFT", 17, stft);
  table.add("MelWeightMatrix", 17, mel_weight_matrix);
  table.add("HannWindow", 17, window<WindowFunction::hann>);
  table.add("HammingWindow", 17, window<WindowFunction::hamming>);
  table.add("BlackmanWindow", 17, window<WindowFunction::blackman>);
}

}  // namespace strop::onnx
