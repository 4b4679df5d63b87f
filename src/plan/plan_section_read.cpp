// SPDX-License-Identifier: Apache-2.0
// Each record is read once and each must be read: memory and time follow the length of the file.
#include <string_view>
#include <unordered_map>

#include "base/error.hpp"
#include "plan/engine_generated.h"
#include "plan/plan_limits.hpp"
#include "plan/plan_section.hpp"

namespace strop {
namespace {

[[noreturn]] void invalid(std::string why) {
  throw Error(ErrorCode::engine_invalid, "the engine's plan cannot be read", std::move(why),
              "build the engine again from its model");
}

// Takes records from a vector one after the other.
template <class Vector>
class Cursor {
 public:
  Cursor(const Vector* vector, const char* what) : vector_(vector), what_(what) {
    if (vector == nullptr) invalid(std::string("it has no ") + what);
  }
  std::uint32_t left() const { return vector_->size() - at_; }
  auto next() {
    if (left() == 0) invalid(std::string("it has too few ") + what_);
    return vector_->Get(at_++);
  }
  // Before memory is given to `count` records: they must be there.
  std::uint32_t require(std::uint32_t count) const {
    if (count > left()) invalid(std::string("it has too few ") + what_);
    return count;
  }
  void finish() const {
    if (left() != 0) invalid("it has " + std::to_string(left()) + " " + what_ + " too many");
  }

 private:
  const Vector* vector_;
  const char* what_;
  std::uint32_t at_ = 0;
};

template <class T>
Cursor(const flatbuffers::Vector<T>*, const char*) -> Cursor<flatbuffers::Vector<T>>;

class PlanReader {
 public:
  PlanReader(const fbs::PlanSection& s, std::span<const std::byte> weights,
             std::shared_ptr<const void> owner)
      : weights_(weights),
        owner_(std::move(owner)),
        plans_(s.plans(), "plans"),
        slots_(s.slots(), "slots"),
        steps_(s.steps(), "steps"),
        constraints_(s.constraints(), "constraints"),
        tensors_(s.tensors(), "tensors"),
        dims_(s.dims(), "dimensions"),
        extents_(s.extents(), "extents"),
        indices_(s.indices(), "indices"),
        lengths_(s.lengths(), "lengths") {
    if (s.text() == nullptr) invalid("it has no text");
    if (slots_.left() > kMaxPlanSlots || steps_.left() > kMaxPlanSteps) {
      throw Error(ErrorCode::limit_exceeded, "the engine's plan is too long",
                  "a plan has at most 2^19 slots and 2^18 steps");
    }
    text_ = {reinterpret_cast<const char*>(s.text()->data()), s.text()->size()};
  }

  Plan plan(int depth) {
    if (depth > kMaxPlanDepth) invalid("plans are nested more than 32 deep");
    Plan out;
    const fbs::PlanRecord& record = *plans_.next();
    out.name = text(record.name());
    out.device = text(record.device());
    out.slots.resize(slots_.require(record.slots()));
    for (Slot& slot : out.slots) this->slot(slot);
    out.constraints.resize(constraints_.require(record.constraints()));
    for (PlanConstraint& constraint : out.constraints) {
      constraint.a = dim();
      constraint.b = dim();
      constraint.why = text(constraints_.next()->why());
    }
    indices(out.inputs, record.inputs());
    indices(out.outputs, record.outputs());
    texts(out.output_names, record.outputs());
    out.steps.resize(steps_.require(record.steps()));
    std::vector<std::uint32_t> nested;
    nested.reserve(out.steps.size());
    for (Step& step : out.steps) nested.push_back(this->step(step));
    for (std::size_t i = 0; i < out.steps.size(); ++i) {
      plans_.require(nested[i]);
      for (std::uint32_t j = 0; j < nested[i]; ++j) {
        out.steps[i].nested.push_back(std::make_shared<const Plan>(plan(depth + 1)));
      }
    }
    return out;
  }

  Tensor tensor() {
    const fbs::TensorRecord& record = *tensors_.next();
    const DType dtype = this->dtype(record.dtype());
    if (dtype == DType::undefined) invalid("a tensor has no element type");
    if (record.rank() > kMaxPlanRank) invalid("a tensor has more than 64 dimensions");
    Shape shape;
    for (std::uint32_t i = 0; i < record.rank(); ++i) shape.push_back(extents_.next());
    const std::int64_t elements = element_count(shape);
    if (dtype == DType::string) {
      if (record.size() != 0 || elements > lengths_.left()) invalid("a tensor of strings is short");
      std::vector<std::string> strings;
      texts(strings, static_cast<std::uint32_t>(elements));
      return Tensor::from_strings(std::move(shape), std::move(strings));
    }
    const auto bytes = static_cast<std::uint64_t>(byte_size(dtype, shape));
    if (record.size() != bytes || record.offset() % 64 != 0 || record.offset() > weights_.size() ||
        bytes > weights_.size() - record.offset()) {
      invalid("a tensor of " + std::to_string(bytes) + " bytes is said to be " +
              std::to_string(record.size()) + " bytes at " + std::to_string(record.offset()) +
              " of " + std::to_string(weights_.size()) + " bytes of weights");
    }
    const std::byte* data = bytes > 0 ? weights_.data() + record.offset() : nullptr;
    // Another byte in a bool is undefined behaviour wherever it is read.
    if (dtype == DType::boolean) {
      for (std::uint64_t i = 0; i < bytes; ++i) {
        if (data[i] > std::byte{1}) invalid("a bool is neither 0 nor 1");
      }
    }
    // Tensor has no view of constant memory; loaded tensors are not written to.
    return Tensor::wrap(dtype, std::move(shape), const_cast<std::byte*>(data), owner_);
  }

  void finish() const {
    plans_.finish();
    slots_.finish();
    steps_.finish();
    constraints_.finish();
    tensors_.finish();
    dims_.finish();
    extents_.finish();
    indices_.finish();
    lengths_.finish();
    if (!text_.empty()) invalid("it has text too much");
  }
  std::uint32_t tensors_left() const { return tensors_.left(); }

 private:
  std::string_view view(std::uint32_t length) {
    if (length > text_.size()) invalid("it has too little text");
    const std::string_view out = text_.substr(0, length);
    text_.remove_prefix(length);
    return out;
  }
  std::string text(std::uint32_t length) { return std::string(view(length)); }
  void texts(std::vector<std::string>& out, std::uint32_t count) {
    out.reserve(lengths_.require(count));
    for (std::uint32_t i = 0; i < count; ++i) out.push_back(text(lengths_.next()));
  }
  void indices(std::vector<std::uint32_t>& out, std::uint32_t count) {
    out.reserve(indices_.require(count));
    for (std::uint32_t i = 0; i < count; ++i) out.push_back(indices_.next());
  }
  static DType dtype(std::uint8_t number) {
    if (number >= kDTypeCount) invalid("an element type is " + std::to_string(number));
    return static_cast<DType>(number);
  }

  Dim dim() {
    const fbs::DimRecord& record = *dims_.next();
    if (record.text() == 0) return Dim(record.value());
    const std::string_view expression = view(record.text());
    const auto known = expressions_.find(expression);
    if (known != expressions_.end()) return known->second;
    dim_cost_ += std::uint64_t{expression.size()} * expression.size();
    if (dim_cost_ > kMaxDimCost) {
      throw Error(ErrorCode::limit_exceeded, "the engine's size expressions are too long");
    }
    const Dim parsed = Dim::parse(expression);
    expressions_.emplace(expression, parsed);
    return parsed;
  }
  SymShape shape(std::uint32_t rank) {
    SymShape out;
    out.reserve(dims_.require(rank));
    for (std::uint32_t i = 0; i < rank; ++i) out.push_back(dim());
    return out;
  }

  void slot(Slot& out) {
    const fbs::SlotRecord& record = *slots_.next();
    out.name = text(record.name());
    out.type = text(record.type());
    out.alias_of = record.alias_of();
    if (record.kind() > static_cast<std::uint8_t>(SlotKind::alias)) {
      invalid("slot " + out.name + " is of no known kind");
    }
    out.kind = static_cast<SlotKind>(record.kind());
    if (record.space() > static_cast<std::uint8_t>(MemorySpace::device)) {
      invalid("slot " + out.name + " lies in no known memory");
    }
    out.space = static_cast<MemorySpace>(record.space());
    out.dtype = dtype(record.dtype());
    if ((!record.has_shape() && record.rank() != 0) ||
        (!record.has_elements() && record.elements() != 0)) {
      invalid("slot " + out.name + " contradicts itself");
    }
    if (record.has_shape()) out.shape = shape(record.rank());
    if (record.has_elements()) out.elements = shape(record.elements());
    if (out.kind == SlotKind::constant) out.constant = tensor();
  }

  std::uint32_t step(Step& out) {
    const fbs::StepRecord& record = *steps_.next();
    out.backend = text(record.backend());
    out.kernel = text(record.kernel());
    out.parameters = text(record.parameters());
    out.name = text(record.name());
    out.op = text(record.op());
    out.tactic = text(record.tactic());
    indices(out.inputs, record.inputs());
    indices(out.outputs, record.outputs());
    texts(out.origins, record.origins());
    if (record.kind() > static_cast<std::uint8_t>(StepKind::copy)) {
      invalid("step " + out.name + " is of no known kind");
    }
    out.kind = static_cast<StepKind>(record.kind());
    out.carried = record.carried();
    out.cut = record.cut();
    return record.nested();
  }

  std::span<const std::byte> weights_;
  std::shared_ptr<const void> owner_;
  Cursor<flatbuffers::Vector<const fbs::PlanRecord*>> plans_;
  Cursor<flatbuffers::Vector<const fbs::SlotRecord*>> slots_;
  Cursor<flatbuffers::Vector<const fbs::StepRecord*>> steps_;
  Cursor<flatbuffers::Vector<const fbs::ConstraintRecord*>> constraints_;
  Cursor<flatbuffers::Vector<const fbs::TensorRecord*>> tensors_;
  Cursor<flatbuffers::Vector<const fbs::DimRecord*>> dims_;
  Cursor<flatbuffers::Vector<std::int64_t>> extents_;
  Cursor<flatbuffers::Vector<std::uint32_t>> indices_;
  Cursor<flatbuffers::Vector<std::uint32_t>> lengths_;
  std::string_view text_;
  std::unordered_map<std::string_view, Dim> expressions_;
  std::uint64_t dim_cost_ = 0;
};

// The verifier of FlatBuffers looks at the place of a vector, but not at that of its elements.
template <class T>
void require_alignment(const flatbuffers::Vector<T>* vector, std::size_t alignment) {
  if (vector != nullptr && vector->size() > 0 &&
      reinterpret_cast<std::uintptr_t>(vector->Data()) % alignment != 0)
    invalid("a list of records is not aligned");
}

void require_alignment(const fbs::PlanSection& root) {
  require_alignment(root.plans(), alignof(fbs::PlanRecord));
  require_alignment(root.slots(), alignof(fbs::SlotRecord));
  require_alignment(root.steps(), alignof(fbs::StepRecord));
  require_alignment(root.constraints(), alignof(fbs::ConstraintRecord));
  require_alignment(root.tensors(), alignof(fbs::TensorRecord));
  require_alignment(root.dims(), alignof(fbs::DimRecord));
  require_alignment(root.extents(), alignof(std::int64_t));
}

}  // namespace

LoadedPlan read_plan_sections(std::span<const std::byte> plan, std::span<const std::byte> weights,
                              const std::shared_ptr<const void>& owner) {
  STROP_CHECK(reinterpret_cast<std::uintptr_t>(weights.data()) % 64 == 0,
              "weights are aligned to 64 bytes");
  if (plan.size() > kMaxPlanBytes) {
    throw Error(ErrorCode::limit_exceeded, "the engine's plan is too large",
                "it has more than 1 GiB without weights");
  }
  // One root table, no table below it.
  const auto* data = reinterpret_cast<const std::uint8_t*>(plan.data());
  flatbuffers::Verifier verifier(data, plan.size(), 2, 2);
  if (!verifier.VerifyBuffer<fbs::PlanSection>(fbs::PlanSectionIdentifier())) {
    invalid("it is no valid FlatBuffer of its schema");
  }
  const auto& root = *flatbuffers::GetRoot<fbs::PlanSection>(data);
  require_alignment(root);
  try {
    PlanReader reader(root, weights, owner);
    LoadedPlan out;
    out.plan = reader.plan(0);
    if (root.graph_tensors() != reader.tensors_left()) {
      invalid("it has " + std::to_string(reader.tensors_left()) + " tensors of a graph, expected " +
              std::to_string(root.graph_tensors()));
    }
    while (reader.tensors_left() > 0) out.graph_tensors.push_back(reader.tensor());
    reader.finish();
    verify(out.plan);
    return out;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::engine_invalid || error.code() == ErrorCode::limit_exceeded ||
        error.code() == ErrorCode::out_of_memory) {
      throw;
    }
    // Sizes that overflow, dimensions that do not parse.
    invalid(error.message());
  }
}

}  // namespace strop
