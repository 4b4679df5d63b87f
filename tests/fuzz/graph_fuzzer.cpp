// SPDX-License-Identifier: Apache-2.0
// Any text as a graph: read, verified, printed and read again, run, sent through the passes, run
// again. A precise target must give the same bits after the passes, any target the same types; and
// what ran before them runs after them. The first byte chooses the target.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <set>

#include "base/error.hpp"
#include "base/float_types.hpp"
#include "builder/pipeline.hpp"
#include "fuzz/graph_mutator.hpp"
#include "ir/evaluate.hpp"
#include "ir/text.hpp"
#include "ir/verify.hpp"
#include "ops/op_list.hpp"
#include "passes/pass_runner.hpp"

namespace {

using strop::Datum;
using strop::Dim;
using strop::ErrorCode;
using strop::Graph;
using strop::Tensor;
using strop::Type;
using strop::ValueId;

constexpr std::int64_t kInputElements = 4096;
constexpr std::int64_t kSymbolSize = 3;

[[noreturn]] void fault(const std::string& what, const std::string& text) {
  std::cerr << what << "\n" << text << "\n";
  std::abort();
}

bool blames_strop(const strop::Error& error) {
  for (const strop::Diagnostic& problem : error.diagnostics()) {
    if (problem.code == ErrorCode::internal || problem.code == ErrorCode::pass_failed) return true;
  }
  return false;
}

bool is_limit(const strop::Error& error) {
  return error.code() == ErrorCode::limit_exceeded || error.code() == ErrorCode::out_of_memory;
}

// Numbers from -2 to 2 in steps that repeat every 17 elements; bools, small integers likewise.
Tensor filled(strop::DType dtype, strop::Shape shape) {
  Tensor out = Tensor::zeros(dtype, std::move(shape));
  if (dtype == strop::DType::string || !strop::kNumbers.contains(dtype)) return out;
  for (std::int64_t i = 0; i < out.size(); ++i) {
    const double value =
        strop::is_floating(dtype) ? static_cast<double>(i * 5 % 17 - 8) / 4 : i % 3;
    strop::store_from_double(dtype, out.mutable_data(), i, value);
  }
  return out;
}

// What stands for @0, @1, ...: the shapes of weights, of biases, of shapes.
Tensor referenced(std::size_t index) {
  static const strop::Shape kShapes[] = {{4, 3, 3, 3}, {4}, {3, 4}, {4, 4, 1, 1}, {2, 3}, {1}};
  constexpr std::size_t kCount = std::size(kShapes);
  if (index >= 2 * kCount) throw strop::Error(ErrorCode::bad_argument, "no such tensor");
  return filled(index < kCount ? strop::DType::f32 : strop::DType::f16, kShapes[index % kCount]);
}

// Nothing where an input cannot be made up.
std::optional<std::vector<Datum>> inputs_of(const Graph& graph) {
  std::set<std::string> names;
  for (const ValueId id : graph.inputs()) {
    const Type& type = graph.value(id).type;
    if (!type.is_tensor() || !type.shape) return std::nullopt;
    for (const Dim& dim : *type.shape) dim.collect_symbols(names);
  }
  strop::SymbolValues symbols;
  for (const std::string& name : names) symbols[name] = kSymbolSize;
  std::vector<Datum> out;
  for (const ValueId id : graph.inputs()) {
    const Type& type = graph.value(id).type;
    const strop::Shape shape = strop::evaluate(*type.shape, symbols);
    if (strop::element_count(shape) > kInputElements) return std::nullopt;
    out.emplace_back(filled(type.dtype, shape));
  }
  return out;
}

strop::RunLimits limits() {
  strop::RunLimits out;
  out.tensor_bytes = 1 << 16;
  out.loop_iterations = 100;
  out.sequence_length = 100;
  out.deadline = std::chrono::steady_clock::now() + std::chrono::seconds(1);
  return out;
}

// Nothing where it ran into a limit.
std::optional<std::vector<Datum>> run(const Graph& graph, const std::vector<Datum>& inputs) {
  try {
    return strop::evaluate_graph(graph, inputs, limits());
  } catch (const strop::Error& error) {
    if (is_limit(error)) return std::nullopt;
    throw;
  }
}

bool has_random_nodes(const Graph& graph) {
  for (const strop::NodeId id : graph.order()) {
    const strop::Node& node = graph.node(id);
    if (node.op->traits.nondeterministic) return true;
    for (const auto& nested : node.subgraphs) {
      if (has_random_nodes(*nested)) return true;
    }
  }
  return false;
}

void compare(const Datum& before, const Datum& after, bool bits, const std::string& text) {
  if (before.value.index() != after.value.index()) fault("another kind of value", text);
  if (!before.is_tensor()) return;
  const Tensor &a = before.tensor(), &b = after.tensor();
  if (a.dtype() != b.dtype() || a.shape() != b.shape())
    fault("was " + describe(a) + ", is " + describe(b), text);
  if (bits && !a.identical(b)) fault("other contents after the passes", text);
}

void check(std::string_view text, bool precise) {
  const auto find = [](std::string_view name) { return strop::find_op(name); };
  const Graph graph = strop::parse_graph(text, find, referenced);
  strop::verify(graph);
  const strop::TextOptions all{.literal_elements = 1 << 20};
  const std::string printed = strop::to_text(graph, all);
  if (strop::to_text(strop::parse_graph(printed, find), all) != printed)
    fault("it does not read back as it was printed", printed);

  std::optional<std::vector<Datum>> inputs, expected;
  try {
    inputs = inputs_of(graph);
    if (inputs) expected = run(graph, *inputs);
  } catch (const strop::Error& error) {
    if (blames_strop(error)) throw;  // it may well refuse to run
  }
  Graph after = graph.clone();
  const strop::Target target{
      .backend = "reference", .precise = precise, .fold_bytes = std::int64_t{1} << 20};
  strop::run_passes(after, strop::default_passes(), target);
  if (!expected) return;
  std::optional<std::vector<Datum>> got;
  try {
    got = run(after, *inputs);
  } catch (const strop::Error& error) {
    fault("it does not run after the passes: " + error.message(), printed);
  }
  if (!got || has_random_nodes(graph)) return;
  for (std::size_t i = 0; i < expected->size(); ++i)
    compare((*expected)[i], (*got)[i], precise, printed + strop::to_text(after));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    check({reinterpret_cast<const char*>(data) + 1, size - 1}, data[0] % 2 == 0);
  } catch (const strop::Error& error) {
    if (!blames_strop(error)) return 0;
    std::cerr << error.message() << "\n";
    std::abort();
  }
  return 0;
}

#ifndef STROP_FUZZ_REPLAY
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

namespace {

// Every fourth change is one of plain bytes.
std::size_t mutate(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed,
                   std::string_view other) {
  if (size < 2 || seed % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
  strop::fuzz::GraphMutator mutator(seed);
  const std::string out =
      mutator.change({reinterpret_cast<const char*>(data) + 1, size - 1}, other);
  if (out.size() + 1 > max_size) return LLVMFuzzerMutate(data, size, max_size);
  out.copy(reinterpret_cast<char*>(data) + 1, out.size());
  return out.size() + 1;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  return mutate(data, size, max_size, seed, {});
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* a, std::size_t a_size,
                                                 const std::uint8_t* b, std::size_t b_size,
                                                 std::uint8_t* out, std::size_t max_size,
                                                 unsigned seed) {
  if (a_size > max_size || b_size < 2) return 0;
  std::copy_n(a, a_size, out);
  return mutate(out, a_size, max_size, seed, {reinterpret_cast<const char*>(b) + 1, b_size - 1});
}
#endif
