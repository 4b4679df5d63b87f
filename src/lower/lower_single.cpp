// SPDX-License-Identifier: Apache-2.0
#include "lower/lower.hpp"
#include "lower/plan_slots.hpp"

namespace strop {
namespace {

// A plan of one step over the node's own inputs, each in the layout that the candidate wants, and
// where the step works on a device with copies around it.
class SingleStep {
 public:
  SingleStep(const Problem& problem, const SymbolValues& sizes, bool on_device)
      : problem_(problem),
        sizes_(sizes),
        rank_(static_cast<std::size_t>(problem.output_type(0).rank())),
        space_(on_device ? MemorySpace::device : MemorySpace::host) {
    if (on_device) plan_.device = problem.device->backend;
  }

  Plan make(Step step, const KernelChoice& kernel) {
    for (std::size_t i = 0; i < problem_.node->inputs.size(); ++i) {
      const auto replaced = kernel.replaced.find(i);
      step.inputs.push_back(replaced != kernel.replaced.end() ? add_constant(replaced->second)
                                                              : add_input(i));
    }
    for (const StepConstant& constant : kernel.added) step.inputs.push_back(add_constant(constant));
    for (std::size_t i = 0; i < problem_.node->outputs.size(); ++i) {
      step.outputs.push_back(
          add_slot(problem_.node->outputs[i], SlotKind::arena, problem_.layouts.output(i)));
      plan_.slots.back().space = space_;
    }
    step.op = problem_.op().name;
    step.name = problem_.node->name;
    const std::vector<std::uint32_t> results = step.outputs;
    plan_.steps.push_back(std::move(step));
    for (std::size_t i = 0; i < results.size(); ++i) {
      plan_.outputs.push_back(
          space_ == MemorySpace::host ? results[i] : add_copy(results[i], MemorySpace::host));
      plan_.output_names.push_back("output" + std::to_string(i));
    }
    return std::move(plan_);
  }

 private:
  std::uint32_t add_slot(ValueId id, SlotKind kind, Layout layout) {
    Slot& slot = plan_.slots.emplace_back(describe_slot(problem_.graph->value(id), kind));
    slot.shape = shape_of(problem_.graph->value(id).type, layout);
    slot.type = Type::tensor(slot.dtype, *slot.shape).to_string();
    return static_cast<std::uint32_t>(plan_.slots.size() - 1);
  }

  SymShape shape_of(const Type& type, Layout layout) const {
    const SymShape shape = to_symbolic(evaluate(*type.shape, sizes_));
    return layout == Layout::plain ? shape : physical_shape(extended_shape(shape, rank_), layout);
  }

  std::uint32_t add_constant(const StepConstant& constant) {
    plan_.slots.push_back(constant_slot(problem_.node->name, constant.tensor,
                                        constant.in_host_memory ? MemorySpace::host : space_));
    return static_cast<std::uint32_t>(plan_.slots.size() - 1);
  }

  std::uint32_t add_input(std::size_t i) {
    const ValueId id = problem_.node->inputs[i];
    if (!id.exists()) return kNoSlot;
    const Layout layout = problem_.layouts.input(i);
    const Value& value = problem_.graph->value(id);
    if (value.is_constant()) {
      Tensor constant = value.constant;
      if (layout != Layout::plain) {
        const SymShape whole = extended_shape(to_symbolic(constant.shape()), rank_);
        constant = relayout(constant.reshaped(*to_concrete(whole)), layout);
      }
      return add_constant({std::move(constant)});
    }
    const std::uint32_t index = add_slot(id, SlotKind::input, layout);
    plan_.slots[index].name = "input" + std::to_string(i);
    plan_.inputs.push_back(index);
    return space_ == MemorySpace::host ? index : add_copy(index, space_);
  }

  std::uint32_t add_copy(std::uint32_t from, MemorySpace to) {
    Slot slot = plan_.slots[from];
    slot.kind = SlotKind::arena;
    slot.space = to;
    plan_.slots.push_back(std::move(slot));
    Step step;
    step.kind = StepKind::copy;
    step.name = "copy";
    step.inputs = {from};
    step.outputs = {static_cast<std::uint32_t>(plan_.slots.size() - 1)};
    plan_.steps.push_back(step);
    return step.outputs[0];
  }

  const Problem& problem_;
  const SymbolValues& sizes_;
  std::size_t rank_;
  MemorySpace space_;
  Plan plan_;
};

}  // namespace

Plan lower_single(const Problem& plain, const Candidate& candidate, const SymbolValues& sizes) {
  Problem problem = plain;
  problem.layouts = candidate.layouts;
  const KernelChoice kernel = candidate.tactic->lower(problem, candidate.config);
  Step step;
  step.backend = candidate.tactic->backend;
  step.kernel = kernel.kernel;
  step.parameters = kernel.parameters;
  step.tactic = candidate.name();
  return SingleStep(problem, sizes, works_on_device(problem, *candidate.tactic))
      .make(std::move(step), kernel);
}

}  // namespace strop
