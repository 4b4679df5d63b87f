// SPDX-License-Identifier: Apache-2.0
#include <xxhash.h>

#include <cstring>
#include <map>
#include <tuple>
#include <unordered_set>

#include "base/error.hpp"
#include "plan/engine_generated.h"
#include "plan/plan_limits.hpp"
#include "plan/plan_section.hpp"

namespace strop {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::byte kZeros[kAlignment] = {};

[[noreturn]] void too_large() {
  throw Error(ErrorCode::limit_exceeded, "the plan is too large to be saved",
              "without weights a saved plan has at most 1 GiB, 2^19 slots, 2^18 steps, and bounded "
              "size expressions",
              "give the model static dimensions where it leaves them open");
}

// Where contents lie in `weights`; equal contents once.
class WeightWriter {
 public:
  std::uint64_t place(std::span<const std::byte> bytes) {
    if (bytes.empty()) return 0;
    const auto [known, is_new] = by_address_.try_emplace({bytes.data(), bytes.size()}, 0);
    if (!is_new) return known->second;
    const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
    auto& same = by_content_[{hash.low64, hash.high64, bytes.size()}];
    for (const auto& [offset, data] : same) {
      if (std::memcmp(data, bytes.data(), bytes.size()) == 0) return known->second = offset;
    }
    if (const std::size_t over = size_ % kAlignment; over != 0) {
      pieces_.push_back(std::span(kZeros).first(kAlignment - over));
      size_ += kAlignment - over;
    }
    known->second = size_;
    same.emplace_back(size_, bytes.data());
    pieces_.push_back(bytes);
    size_ += bytes.size();
    return known->second;
  }
  std::vector<std::span<const std::byte>> take() { return std::move(pieces_); }

 private:
  std::map<std::pair<const std::byte*, std::size_t>, std::uint64_t> by_address_;
  std::map<std::tuple<std::uint64_t, std::uint64_t, std::size_t>,
           std::vector<std::pair<std::uint64_t, const std::byte*>>>
      by_content_;
  std::vector<std::span<const std::byte>> pieces_;
  std::uint64_t size_ = 0;
};

class PlanWriter {
 public:
  void plan(const Plan& plan) {
    const std::uint32_t name = text(plan.name);
    const std::uint32_t device = text(plan.device);
    plans_.emplace_back(name, device, count(plan.slots.size()), count(plan.constraints.size()),
                        count(plan.inputs.size()), count(plan.outputs.size()),
                        count(plan.steps.size()));
    for (const Slot& slot : plan.slots) this->slot(slot);
    for (const PlanConstraint& constraint : plan.constraints) {
      dim(constraint.a);
      dim(constraint.b);
      constraints_.emplace_back(text(constraint.why));
    }
    indices(plan.inputs);
    indices(plan.outputs);
    for (const std::string& name : plan.output_names) lengths_.push_back(text(name));
    for (const Step& step : plan.steps) this->step(step);
    for (const Step& step : plan.steps) {
      for (const auto& nested : step.nested) this->plan(*nested);
    }
  }

  void tensor(const Tensor& tensor) {
    const auto bytes =
        std::span(tensor.data(), static_cast<std::size_t>(tensor.bytes()));  // none of strings
    tensors_.emplace_back(weights_.place(bytes), bytes.size(),
                          count(static_cast<std::size_t>(tensor.rank())),
                          static_cast<std::uint8_t>(tensor.dtype()));
    extents_.insert(extents_.end(), tensor.shape().begin(), tensor.shape().end());
    if (tensor.dtype() == DType::string) {
      for (const std::string& element : tensor.values<std::string>()) {
        lengths_.push_back(text(element));
      }
    }
  }

  PlanSections finish(std::size_t graph_tensors) {
    flatbuffers::FlatBufferBuilder b(4096);
    const std::size_t total =
        plans_.size() * sizeof(fbs::PlanRecord) + slots_.size() * sizeof(fbs::SlotRecord) +
        steps_.size() * sizeof(fbs::StepRecord) + tensors_.size() * sizeof(fbs::TensorRecord) +
        constraints_.size() * sizeof(fbs::ConstraintRecord) +
        dims_.size() * sizeof(fbs::DimRecord) + extents_.size() * 8 + indices_.size() * 4 +
        lengths_.size() * 4 + text_.size();
    if (total + 4096 > kMaxPlanBytes || slots_.size() > kMaxPlanSlots ||
        steps_.size() > kMaxPlanSteps) {
      too_large();
    }
    const auto plans = b.CreateVectorOfStructs(plans_);
    const auto slots = b.CreateVectorOfStructs(slots_);
    const auto steps = b.CreateVectorOfStructs(steps_);
    const auto constraints = b.CreateVectorOfStructs(constraints_);
    const auto tensors = b.CreateVectorOfStructs(tensors_);
    const auto dims = b.CreateVectorOfStructs(dims_);
    const auto extents = b.CreateVector(extents_);
    const auto indices = b.CreateVector(indices_);
    const auto lengths = b.CreateVector(lengths_);
    const auto text =
        b.CreateVector(reinterpret_cast<const std::uint8_t*>(text_.data()), text_.size());
    b.Finish(fbs::CreatePlanSection(b, plans, slots, steps, constraints, tensors,
                                    count(graph_tensors), dims, extents, indices, lengths, text),
             fbs::PlanSectionIdentifier());
    return {{reinterpret_cast<const char*>(b.GetBufferPointer()), b.GetSize()}, weights_.take()};
  }

 private:
  static std::uint32_t count(std::size_t n) {
    if (n > kMaxPlanBytes) too_large();
    return static_cast<std::uint32_t>(n);
  }
  std::uint32_t text(std::string_view value) {
    if (text_.size() + value.size() > kMaxPlanBytes) too_large();
    text_ += value;
    return count(value.size());
  }
  void indices(const std::vector<std::uint32_t>& values) {
    indices_.insert(indices_.end(), values.begin(), values.end());
  }
  void dim(const Dim& dim) {
    if (dim.is_constant()) {
      dims_.emplace_back(dim.value(), 0);
      return;
    }
    const std::string expression = dim.to_string();
    if (expressions_.insert(expression).second) {
      dim_cost_ += expression.size() * expression.size();
      if (dim_cost_ > kMaxDimCost) too_large();
    }
    dims_.emplace_back(0, text(expression));
  }

  void slot(const Slot& slot) {
    const std::size_t rank = slot.shape ? slot.shape->size() : 0;
    const std::size_t elements = slot.elements ? slot.elements->size() : 0;
    const std::uint32_t name = text(slot.name);
    const std::uint32_t type = text(slot.type);
    slots_.emplace_back(name, type, slot.alias_of, count(rank), count(elements),
                        static_cast<std::uint8_t>(slot.kind), static_cast<std::uint8_t>(slot.dtype),
                        slot.shape.has_value(), slot.elements.has_value(),
                        static_cast<std::uint8_t>(slot.space));
    if (slot.shape) {
      for (const Dim& d : *slot.shape) dim(d);
    }
    if (slot.elements) {
      for (const Dim& d : *slot.elements) dim(d);
    }
    if (slot.kind == SlotKind::constant) tensor(slot.constant);
  }

  void step(const Step& step) {
    // One text after the other: the order of evaluation of arguments is not defined.
    const std::uint32_t backend = text(step.backend);
    const std::uint32_t kernel = text(step.kernel);
    const std::uint32_t parameters = text(step.parameters);
    const std::uint32_t name = text(step.name);
    const std::uint32_t op = text(step.op);
    const std::uint32_t tactic = text(step.tactic);
    steps_.emplace_back(step.carried, backend, kernel, parameters, name, op, tactic,
                        count(step.inputs.size()), count(step.outputs.size()),
                        count(step.origins.size()), count(step.nested.size()),
                        static_cast<std::uint8_t>(step.kind), step.cut);
    indices(step.inputs);
    indices(step.outputs);
    for (const std::string& origin : step.origins) lengths_.push_back(text(origin));
  }

  std::vector<fbs::PlanRecord> plans_;
  std::vector<fbs::SlotRecord> slots_;
  std::vector<fbs::StepRecord> steps_;
  std::vector<fbs::ConstraintRecord> constraints_;
  std::vector<fbs::TensorRecord> tensors_;
  std::vector<fbs::DimRecord> dims_;
  std::vector<std::int64_t> extents_;
  std::vector<std::uint32_t> indices_, lengths_;
  std::string text_;
  std::unordered_set<std::string> expressions_;
  std::uint64_t dim_cost_ = 0;
  WeightWriter weights_;
};

}  // namespace

PlanSections write_plan_sections(const Plan& plan, const std::vector<Tensor>& graph_tensors) {
  verify(plan);
  PlanWriter writer;
  writer.plan(plan);
  for (const Tensor& tensor : graph_tensors) {
    STROP_CHECK(tensor.defined(), "tensors of a graph are defined");
    writer.tensor(tensor);
  }
  return writer.finish(graph_tensors.size());
}

}  // namespace strop
