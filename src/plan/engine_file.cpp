// SPDX-License-Identifier: Apache-2.0
#include "plan/engine_file.hpp"

#include <cstring>

#include "base/error.hpp"
#include "base/os/atomic_file.hpp"
#include "base/os/cpu_features.hpp"
#include "base/os/mapped_file.hpp"
#include "base/version.hpp"
#include "plan/engine_header.hpp"
#include "plan/engine_layout.hpp"
#include "plan/plan_section.hpp"

namespace strop {
namespace {

using engine_layout::Bytes;
using engine_layout::Hash;

// In the order of the file: what people and tools look at first, weights last.
constexpr const char* kGraph = "graph";
constexpr const char* kPlan = "plan";
constexpr const char* kCalibration = "calibration";
constexpr const char* kSelfCheck = "self_check";
constexpr const char* kWeights = "weights";

// An engine taken apart into what is written. Pieces of sections lie in the contents' tensors and
// in `plan`, so that it does not move.
struct Parts {
  std::string json;
  std::string computation_id;
  PlanSections plan;
  std::vector<engine_layout::Section> sections;
};

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string computation_id(const std::vector<Hash>& plan, const std::vector<Hash>& weights) {
  std::string all;
  for (const auto* hashes : {&plan, &weights}) {
    for (const Hash& hash : *hashes) all += engine_layout::to_text(hash) + "\n";
    all += "\n";
  }
  return engine_layout::to_text(engine_layout::hash_of(bytes_of(all)));
}

void take_apart(const EngineContents& contents, Parts& out) {
  out.plan = write_plan_sections(contents.plan, contents.graph_tensors);
  out.sections = {{kGraph, {bytes_of(contents.graph_text)}},
                  {kPlan, {bytes_of(out.plan.plan)}},
                  {kCalibration, {bytes_of(contents.calibration)}},
                  {kSelfCheck, {bytes_of(contents.self_check)}},
                  {kWeights, out.plan.weights}};
  out.computation_id = computation_id(engine_layout::chunk_hashes(out.sections[1]),
                                      engine_layout::chunk_hashes(out.sections[4]));
  EngineHeader header = contents.header;
  header.strop_version = STROP_VERSION;
  header.computation_id = out.computation_id;
  set_ports(header, contents.plan);
  out.json = header_to_json(header);
}

EngineHeader header_of(const engine_layout::Header& layout) {
  EngineHeader out = header_from_json(layout.json);
  out.format = engine_layout::kFormat;
  out.content_id = layout.content_id;
  out.file_size = layout.file_size;
  return out;
}

// Aligned memory of its own with the same bytes: what offsets and sizes are read from must not
// change after it was checked, as a mapped file can.
Tensor copy_of(Bytes bytes) {
  Tensor out = Tensor::allocate(DType::u8, {static_cast<std::int64_t>(bytes.size())});
  if (!bytes.empty()) std::memcpy(out.mutable_data(), bytes.data(), bytes.size());
  return out;
}

Bytes bytes_of(const Tensor& tensor) {
  return {tensor.data(), static_cast<std::size_t>(tensor.bytes())};
}

EngineContents load(Bytes file, const std::shared_ptr<const void>& owner) {
  const engine_layout::Header layout = engine_layout::read_header(file);
  EngineContents out;
  Tensor plan;
  Bytes weights;
  std::vector<Hash> plan_hashes;
  std::vector<Hash> weight_hashes;
  for (const engine_layout::SectionView& section : engine_layout::read_sections(file, layout)) {
    if (section.name == kWeights) {
      engine_layout::check_section(section, section.bytes);
      weights = section.bytes;
      weight_hashes = section.chunks;
      continue;
    }
    const Tensor copy = copy_of(section.bytes);
    engine_layout::check_section(section, bytes_of(copy));
    const auto text = [&] {
      return std::string(reinterpret_cast<const char*>(copy.data()), section.bytes.size());
    };
    if (section.name == kPlan) {
      plan = copy;
      plan_hashes = section.chunks;
    } else if (section.name == kGraph) {
      out.graph_text = text();
    } else if (section.name == kCalibration) {
      out.calibration = text();
    } else if (section.name == kSelfCheck) {
      out.self_check = text();
    }
    // Sections of other names are of later versions that kept the format; they may be left out.
  }
  // Everything is intact; now what it says.
  out.header = header_of(layout);
  const auto invalid = [](const char* what, const char* why) {
    throw Error(ErrorCode::engine_invalid, what, why, "build the engine again from its model");
  };
  if (!plan.defined()) invalid("the engine has no plan", "section \"plan\" is missing");
  if (computation_id(plan_hashes, weight_hashes) != out.header.computation_id) {
    invalid("the engine's header is not that of its plan", "the hash of the computation differs");
  }
  LoadedPlan loaded = read_plan_sections(bytes_of(plan), weights, owner);
  require_ports_of(out.header, loaded.plan);
  out.plan = std::move(loaded.plan);
  out.graph_tensors = std::move(loaded.graph_tensors);
  return out;
}

// Runs `read` over the file and says which file it was if that fails.
template <class F>
auto with_file(const std::string& path, F&& read) {
  const os::FileView file = os::read_file(path, os::FileAccess::map);
  try {
    auto out = read(file);
    file.check_unchanged();
    return out;
  } catch (Error& error) {
    // The likely reason for damage in a file that is being written to.
    if (error.code() == ErrorCode::engine_corrupted) file.check_unchanged();
    error.add_context("engine " + path);
    throw;
  }
}

}  // namespace

EngineHeader read_engine_header(const std::string& path) {
  return with_file(path, [](const os::FileView& file) {
    return header_of(engine_layout::read_header(file.bytes()));
  });
}

std::vector<EngineSection> read_engine_sections(const std::string& path) {
  return with_file(path, [](const os::FileView& file) {
    const engine_layout::Header layout = engine_layout::read_header(file.bytes());
    std::vector<EngineSection> out;
    for (const auto& section : engine_layout::read_sections(file.bytes(), layout)) {
      out.push_back({section.name,
                     static_cast<std::uint64_t>(section.bytes.data() - file.bytes().data()),
                     section.bytes.size()});
    }
    return out;
  });
}

void require_this_machine(const EngineHeader& header) {
  const std::string here = " " + os::instruction_sets(os::cpu_features()) + " ";
  std::string missing;
  for (const std::string& name : header.instruction_sets) {
    if (here.find(" " + name + " ") == std::string::npos) missing += " " + name;
  }
  if (missing.empty()) return;
  throw Error(ErrorCode::engine_other_target, "the engine was built for another processor",
              "it needs instructions that this one does not have:" + missing,
              "build it on this machine from its model");
}

std::vector<std::byte> serialize_engine(const EngineContents& contents) {
  Parts parts;
  take_apart(contents, parts);
  std::vector<std::byte> out;
  engine_layout::write_engine_bytes(parts.json, parts.sections, [&](Bytes bytes) {
    out.insert(out.end(), bytes.begin(), bytes.end());
  });
  return out;
}

std::string engine_computation_id(const EngineContents& contents) {
  Parts parts;
  take_apart(contents, parts);
  return parts.computation_id;
}

void save_engine(const EngineContents& contents, const std::string& path) {
  Parts parts;
  take_apart(contents, parts);
  os::AtomicFile file(path);
  engine_layout::write_engine_bytes(parts.json, parts.sections,
                                    [&](Bytes bytes) { file.write(bytes); });
  file.commit();
}

EngineContents load_engine(const std::string& path) {
  return with_file(path, [](const os::FileView& file) { return load(file.bytes(), file.owner()); });
}

EngineContents load_engine(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % engine_layout::kAlignment == 0) {
    return load(bytes, owner);
  }
  const auto copy = std::make_shared<const Tensor>(copy_of(bytes));
  return load(bytes_of(*copy), copy);
}

}  // namespace strop
