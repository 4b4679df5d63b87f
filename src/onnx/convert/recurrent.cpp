// SPDX-License-Identifier: Apache-2.0
// LSTM, GRU and RNN. Versions 1 and 3 of the operators have `output_sequence`, which says whether Y
// may be asked for; here it always may.
#include <algorithm>
#include <cctype>

#include "onnx/convert/attribute_support.hpp"
#include "onnx/converter_table.hpp"
#include "ops/gru.hpp"
#include "ops/lstm.hpp"
#include "ops/rnn.hpp"

namespace strop::onnx {
namespace {

// "LeakyRelu" → "leaky_relu"; ONNX Runtime takes names in any case, so all words are compared
// without underscores.
std::string plain_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c != '_') out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

const RecurrentFunction& function_of(ConvertContext& c, const std::string& name) {
  for (const RecurrentFunction& function : recurrent_functions()) {
    if (plain_name(function.name) == plain_name(name)) return function;
  }
  c.fail(ErrorCode::bad_attribute, "activation \"" + name.substr(0, 80) + "\" is unknown",
         "the standard has Relu, Tanh, Sigmoid, Affine, LeakyRelu, ThresholdedRelu, ScaledTanh, "
         "HardSigmoid, Elu, Softsign and Softplus");
}

// The values of activation_alpha and activation_beta go to the functions that take one, in order.
void read_functions(ConvertContext& c, RecurrentAttributes& attributes, std::size_t per_direction,
                    std::initializer_list<std::string_view> usual) {
  std::vector<std::string> names = c.strings_attribute("activations");
  const std::vector<float> alphas = c.floats_attribute("activation_alpha");
  const std::vector<float> betas = c.floats_attribute("activation_beta");
  const std::size_t needed = per_direction * attributes.directions();
  // The default of RNN is two functions, whatever the direction.
  if (per_direction == 1 && needed == 1 && names.size() == 2) names.pop_back();
  if (names.empty()) {
    if (alphas.empty() && betas.empty()) return;
    for (std::size_t i = 0; i < attributes.directions(); ++i)
      names.insert(names.end(), usual.begin(), usual.end());
  }
  if (names.size() != needed) {
    c.fail(ErrorCode::bad_attribute, "it has " + std::to_string(names.size()) +
                                         " activations, but needs " + std::to_string(needed));
  }
  std::size_t next_alpha = 0, next_beta = 0;
  bool usual_ones = alphas.empty() && betas.empty();
  for (const std::string& name : names) {
    const RecurrentFunction& function = function_of(c, name);
    attributes.activations.emplace_back(function.name);
    const bool alpha = function.has_alpha && next_alpha < alphas.size();
    attributes.alpha.push_back(alpha ? static_cast<double>(alphas[next_alpha++]) : function.alpha);
    const bool beta = function.has_beta && next_beta < betas.size();
    attributes.beta.push_back(beta ? static_cast<double>(betas[next_beta++]) : function.beta);
    const std::size_t at = (attributes.activations.size() - 1) % per_direction;
    usual_ones = usual_ones && function.name == usual.begin()[at];
  }
  if (usual_ones) attributes.activations.clear();
  if (alphas.empty()) attributes.alpha.clear();
  if (betas.empty()) attributes.beta.clear();
}

template <class A>
A read_attributes(ConvertContext& c, std::initializer_list<std::string_view> usual) {
  A attributes;
  // The default of the first GRU is misspelt.
  const bool misspelt = c.op_type() == "GRU" && c.opset() < 3 && c.has_attribute("direction") &&
                        c.string_attribute("direction") == "foward";
  if (!misspelt) {
    attributes.direction = enum_attribute<RecurrentDirection>(c, "direction", "forward");
  }
  if (c.opset() < 7) c.int_attribute("output_sequence", 0);
  if (c.opset() >= 14) {
    const std::int64_t layout = c.int_attribute("layout", 0);
    if (layout != 0 && layout != 1) {
      c.fail(ErrorCode::bad_attribute,
             "layout is " + std::to_string(layout) + "; it may be 0 or 1");
    }
    attributes.batch_first = layout == 1;
  }
  if (c.has_attribute("clip")) attributes.clip = static_cast<double>(c.float_attribute("clip"));
  read_functions(c, attributes, usual.size(), usual);
  if (c.has_attribute("hidden_size")) {
    const std::int64_t wanted = c.int_attribute("hidden_size");
    const Type& r = c.type(c.input(2));
    const bool known = r.rank() == 3 && (*r.shape)[2].is_constant();
    if (known && (*r.shape)[2].value() != wanted) {
      c.fail(ErrorCode::bad_attribute,
             "hidden_size is " + std::to_string(wanted) + ", but R is " + r.to_string());
    }
  }
  return attributes;
}

void emit_layer(ConvertContext& c, const OpDef& op, Attributes attributes) {
  const std::size_t wanted = std::min(c.output_count(), op.outputs.size());
  c.set_outputs(
      c.emit_many(op, std::move(attributes), c.all_inputs(), std::max<std::size_t>(wanted, 1)));
}

void rnn(ConvertContext& c) {
  emit_layer(c, op_rnn(), read_attributes<RnnAttributes>(c, {"tanh"}));
}

void gru(ConvertContext& c) {
  auto attributes = read_attributes<GruAttributes>(c, {"sigmoid", "tanh"});
  if (c.opset() >= 3)
    attributes.linear_before_reset = c.int_attribute("linear_before_reset", 0) != 0;
  emit_layer(c, op_gru(), std::move(attributes));
}

void lstm(ConvertContext& c) {
  auto attributes = read_attributes<LstmAttributes>(c, {"sigmoid", "tanh", "tanh"});
  attributes.input_forget = c.int_attribute("input_forget", 0) != 0;
  emit_layer(c, op_lstm(), std::move(attributes));
}

}  // namespace

void register_recurrent(ConverterTable& table) {
  table.add("RNN", 1, rnn);
  table.add("GRU", 1, gru);
  table.add("LSTM", 1, lstm);
}

}  // namespace strop::onnx
