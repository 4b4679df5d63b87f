// SPDX-License-Identifier: Apache-2.0
// The engine loader. Hashes stop every change of a file, so the first byte of the input says what
// the rest is: 0 a whole file; 1 the plan section alone; 2 the header's JSON; 3 the table of
// sections of a file whose hashes are made to match.
#include <cstdlib>
#include <cstring>

#include "base/error.hpp"
#include "plan/engine_header.hpp"
#include "plan/engine_layout.hpp"
#include "plan/plan_section.hpp"

namespace {

using strop::Tensor;
using strop::engine_layout::Bytes;

// Aligned, and exactly as long as the input, so that a read past the end is seen.
Tensor aligned_copy(Bytes bytes) {
  Tensor out = Tensor::allocate(strop::DType::u8, {static_cast<std::int64_t>(bytes.size())});
  if (!bytes.empty()) std::memcpy(out.mutable_data(), bytes.data(), bytes.size());
  return out;
}

Bytes bytes_of(const Tensor& tensor) {
  return {tensor.data(), static_cast<std::size_t>(tensor.bytes())};
}

// Reads all that was loaded: what is out of bounds is seen by the sanitizer.
void touch(const strop::Plan& plan, const std::vector<Tensor>& tensors) {
  strop::verify(plan);
  volatile std::size_t sum = strop::to_text(plan).size();
  for (const Tensor& tensor : tensors) {
    if (tensor.dtype() == strop::DType::string) continue;
    for (std::int64_t i = 0; i < tensor.bytes(); ++i)
      sum = sum + static_cast<std::size_t>(tensor.data()[i]);
  }
}

void load_plan(Bytes input) {
  const Tensor weights = Tensor::zeros(strop::DType::u8, {4096});
  const Tensor plan = aligned_copy(input);
  const auto loaded = strop::read_plan_sections(bytes_of(plan), bytes_of(weights), nullptr);
  touch(loaded.plan, loaded.graph_tensors);
  // What was accepted can be saved, and comes back the same.
  const auto saved = strop::write_plan_sections(loaded.plan, loaded.graph_tensors);
  Tensor again = aligned_copy(std::as_bytes(std::span(saved.plan)));
  std::size_t size = 0;
  for (const Bytes piece : saved.weights) size += piece.size();
  Tensor packed = Tensor::zeros(strop::DType::u8, {static_cast<std::int64_t>(size)});
  size = 0;
  for (const Bytes piece : saved.weights) {
    std::memcpy(packed.mutable_data() + size, piece.data(), piece.size());
    size += piece.size();
  }
  const auto second = strop::read_plan_sections(bytes_of(again), bytes_of(packed), nullptr);
  if (strop::to_text(second.plan) != strop::to_text(loaded.plan)) std::abort();
}

void load_table(Bytes input) {
  // Two sections of a fixed size; where the table says they are is the input's business.
  static const std::string contents(200, 'c');
  const std::vector<strop::engine_layout::Section> sections = {
      {"graph", {std::as_bytes(std::span(contents))}},
      {"weights", {std::as_bytes(std::span(contents))}}};
  std::vector<std::byte> file;
  strop::engine_layout::write_engine_bytes(
      "{}", sections, [&](Bytes bytes) { file.insert(file.end(), bytes.begin(), bytes.end()); },
      &input);
  const auto header = strop::engine_layout::read_header(file);
  for (const auto& section : strop::engine_layout::read_sections(file, header)) {
    strop::engine_layout::check_section(section, section.bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes input = std::as_bytes(std::span(data + 1, size - 1));
  try {
    switch (data[0] % 4) {
      case 0: {
        const Tensor file = aligned_copy(input);
        const auto loaded = strop::load_engine(bytes_of(file), nullptr);
        touch(loaded.plan, loaded.graph_tensors);
        break;
      }
      case 1:
        load_plan(input);
        break;
      case 2: {
        const auto header =
            strop::header_from_json({reinterpret_cast<const char*>(input.data()), input.size()});
        if (strop::header_to_json(strop::header_from_json(strop::header_to_json(header))) !=
            strop::header_to_json(header)) {
          std::abort();
        }
        break;
      }
      default:
        load_table(input);
    }
  } catch (const strop::Error& error) {
    // Bad input is an error of its own kind; a fault of Strop is found here.
    if (error.code() == strop::ErrorCode::internal) std::abort();
  }
  return 0;
}
