// SPDX-License-Identifier: Apache-2.0
// If and Loop: the part of PlanRunner that runs nested plans. A nested plan reads the values of its
// step in place; what it gives is copied out before it runs again, except boxed values, which are
// moved.
#include <algorithm>
#include <cstring>

#include "base/error.hpp"
#include "runtime/plan_runner.hpp"

namespace strop {
namespace {

[[noreturn]] void invalid_step(const std::string& why) {
  throw Error(ErrorCode::engine_invalid, "the step does not fit its nested plans", why,
              "build the engine again");
}

// Appends `count` elements at element `at`; types below a byte are packed.
void append_elements(std::byte* target, std::int64_t at, const std::byte* source,
                     std::int64_t count, int bits) {
  if ((at * bits) % 8 == 0) {
    const std::int64_t bytes = (count * bits + 7) / 8;
    if (bytes > 0) std::memcpy(target + at * bits / 8, source, static_cast<std::size_t>(bytes));
    return;
  }
  const auto mask = static_cast<unsigned>((1 << bits) - 1);
  for (std::int64_t i = 0; i < count; ++i) {
    const unsigned value =
        (std::to_integer<unsigned>(source[i * bits / 8]) >> (i * bits % 8)) & mask;
    const std::int64_t bit = (at + i) * bits;
    const auto shift = static_cast<unsigned>(bit % 8);
    std::byte& byte = target[bit / 8];
    byte = static_cast<std::byte>((std::to_integer<unsigned>(byte) & ~(mask << shift)) |
                                  (value << shift));
  }
}

// Whether the condition that the body of a loop returns is true whatever happens.
bool never_stops(const Plan& body) {
  const Slot& condition = body.slots[body.outputs[0]];
  if (condition.kind != SlotKind::constant) return body.outputs[0] == body.inputs[1];
  return condition.dtype == DType::boolean && condition.constant.size() == 1 &&
         condition.constant.values<bool>()[0];
}

}  // namespace

PlanRunner& PlanRunner::child(const Step& step, std::size_t which) {
  const auto at = static_cast<std::size_t>(&step - plan_.steps.data());
  auto& children = children_[at];
  if (children.empty()) children.resize(step.nested.size());
  if (children[which] == nullptr) {
    children[which] = std::make_unique<PlanRunner>(*layout_.nested[at][which], session_, 2);
    children[which]->parent_ = this;
  }
  return *children[which];
}

bool PlanRunner::read_condition(const StropAbiValue& value, const char* what) const {
  if (value.dtype != static_cast<std::uint32_t>(DType::boolean) || value.bytes != 1) {
    throw Error(ErrorCode::bad_value,
                std::string(what) + " has " + std::to_string(value.bytes) + " elements",
                "it must be one bool");
  }
  return *static_cast<const std::uint8_t*>(value.data) != 0;
}

void PlanRunner::store(const Step& step, std::uint32_t output, const StropAbiValue& value) {
  const std::uint32_t index = step.outputs[output];
  if (index == kNoSlot) return;
  const Slot& slot = plan_.slots[index];
  if (is_boxed(slot) != (value.boxed != nullptr)) {
    invalid_step("output " + slot.name + " must be " + slot.type);
  }
  if (value.boxed != nullptr) {
    void* copy = session_.boxes().box_clone(value.boxed);
    if (copy == nullptr) throw Error(ErrorCode::out_of_memory, "no memory for " + slot.name);
    return set_boxed(index, copy);
  }
  void* target = values_[index].data;
  if (slot.kind == SlotKind::dynamic) {
    target = allocate_output(step, output, value.dtype, value.rank, value.dims);
  } else if (value.dtype != static_cast<std::uint32_t>(slot.dtype) ||
             !std::equal(value.dims, value.dims + value.rank, values_[index].dims,
                         values_[index].dims + values_[index].rank)) {
    throw Error(ErrorCode::bad_shape,
                "value " + slot.name + " has shape " +
                    to_string(Shape(value.dims, value.dims + value.rank)),
                "the engine foresees " + slot.type);
  }
  if (value.bytes > 0) std::memcpy(target, value.data, static_cast<std::size_t>(value.bytes));
}

void PlanRunner::run_branch(const Step& step) {
  if (step.nested.size() != 2 || step.inputs.empty() || step.inputs[0] == kNoSlot) {
    invalid_step("a branch has a condition and two nested plans");
  }
  const bool condition = read_condition(values_[step.inputs[0]], "the condition of a branch");
  PlanRunner& branch = child(step, condition ? 0 : 1);
  if (branch.plan_.inputs.size() != step.inputs.size() - 1 ||
      branch.plan_.outputs.size() < step.outputs.size()) {
    invalid_step("the branch has other numbers of inputs or outputs than the step");
  }
  for (std::size_t i = 1; i < step.inputs.size(); ++i) {
    if (step.inputs[i] == kNoSlot) invalid_step("an input of a nested plan is absent");
    branch.set_input(i - 1, values_[step.inputs[i]]);
  }
  branch.run();
  for (std::uint32_t i = 0; i < step.outputs.size(); ++i) store(step, i, branch.output(i));
}

// A value that one iteration hands to the next: two places in turn, so that what the body reads is
// not what is written.
struct PlanRunner::Carried {
  explicit Carried(RunSession& the_session)
      : session(the_session), blocks{MemoryBlock(session.memory), MemoryBlock(session.memory)} {}
  ~Carried() {
    if (value.boxed != nullptr) session.boxes().box_free(value.boxed);
  }
  Carried(const Carried&) = delete;
  Carried& operator=(const Carried&) = delete;

  void assign(const StropAbiValue& from, bool move) {
    if (from.boxed != nullptr) {
      void* copy = move ? from.boxed : session.boxes().box_clone(from.boxed);
      if (copy == nullptr) throw Error(ErrorCode::out_of_memory, "no memory for a carried value");
      if (value.boxed != nullptr) session.boxes().box_free(value.boxed);
      value = from;
      value.boxed = copy;
      if (!move) {
        std::uint32_t kind = 0;
        std::uint64_t count = 0;
        session.boxes().box_describe(copy, &kind, &value.rank, &value.dims, &count);
      }
      return;
    }
    next = 1 - next;
    void* target = blocks[next].reserve(static_cast<std::int64_t>(from.bytes));
    if (from.bytes > 0) std::memcpy(target, from.data, static_cast<std::size_t>(from.bytes));
    shapes[next].assign(from.dims, from.dims + from.rank);
    value = from;
    value.data = target;
    value.dims = shapes[next].data();
  }

  RunSession& session;
  MemoryBlock blocks[2];
  Shape shapes[2];
  int next = 0;
  StropAbiValue value{};
};

// The values of one scan output, iteration after iteration.
class PlanRunner::ScanOutput {
 public:
  ScanOutput(RunSession& session, const Slot& slot)
      : session_(session), slot_(slot), block_(session.memory) {}

  void append(const StropAbiValue& value) {
    if (count_ == 0) {
      shape_.assign(value.dims, value.dims + value.rank);
      elements_ = element_count(shape_);
    } else if (!std::equal(value.dims, value.dims + value.rank, shape_.begin(), shape_.end())) {
      throw Error(ErrorCode::bad_value,
                  "scan output " + slot_.name + " changes its shape from " + to_string(shape_) +
                      " to " + to_string(Shape(value.dims, value.dims + value.rank)),
                  "all iterations must give the same shape");
    }
    ++count_;
    if (value.boxed != nullptr) {
      append_strings(value);
      return;
    }
    Shape whole = whole_shape();
    const std::int64_t bytes = byte_size(slot_.dtype, whole);
    const std::int64_t limit = session_.options.tensor_bytes;
    if (limit > 0 && bytes > limit) {
      throw Error(
          ErrorCode::limit_exceeded,
          "scan output " + slot_.name + " passes " + std::to_string(limit) + " bytes",
          "the limit for one tensor is reached after " + std::to_string(count_) + " iterations",
          "raise tensor_bytes of the context's options if the model is trusted");
    }
    block_.grow(bytes, bytes_);
    append_elements(static_cast<std::byte*>(block_.data()), (count_ - 1) * elements_,
                    static_cast<const std::byte*>(value.data), elements_, bits_of(slot_.dtype));
    bytes_ = bytes;
  }

  // Gives the whole to `deliver` as one value. Without any iteration the shape is what the body's
  // type says, open sizes 0.
  template <class Deliver>
  void finish(const SymbolValues& symbols, Deliver&& deliver) {
    if (count_ == 0 && slot_.shape) {
      for (const Dim& dim : *slot_.shape) shape_.push_back(dim.try_evaluate(symbols).value_or(0));
    }
    const Shape whole = whole_shape();
    StropAbiValue value{};
    value.dtype = static_cast<std::uint32_t>(slot_.dtype);
    value.rank = static_cast<std::uint32_t>(whole.size());
    value.dims = whole.data();
    if (slot_.dtype != DType::string) {
      value.data = block_.data();
      value.bytes = static_cast<std::uint64_t>(bytes_);
      return deliver(value);
    }
    std::vector<const char*> texts;
    std::vector<std::uint64_t> lengths;
    for (const std::string& text : strings_) {
      texts.push_back(text.data());
      lengths.push_back(text.size());
    }
    value.boxed =
        session_.boxes().box_strings(value.rank, value.dims, texts.data(), lengths.data());
    if (value.boxed == nullptr) {
      throw Error(ErrorCode::out_of_memory, "no memory for " + slot_.name);
    }
    try {
      deliver(value);
    } catch (...) {
      session_.boxes().box_free(value.boxed);
      throw;
    }
    session_.boxes().box_free(value.boxed);
  }

 private:
  Shape whole_shape() const {
    Shape whole{count_};
    whole.insert(whole.end(), shape_.begin(), shape_.end());
    return whole;
  }

  void append_strings(const StropAbiValue& value) {
    if (slot_.dtype != DType::string) invalid_step("scan output " + slot_.name + " is no tensor");
    for (std::int64_t i = 0; i < elements_; ++i) {
      std::uint64_t length = 0;
      const char* text =
          session_.boxes().box_string(value.boxed, static_cast<std::uint64_t>(i), &length);
      strings_.emplace_back(text != nullptr ? text : "", static_cast<std::size_t>(length));
    }
  }

  RunSession& session_;
  const Slot& slot_;
  MemoryBlock block_;
  std::int64_t bytes_ = 0;
  std::int64_t count_ = 0;
  std::int64_t elements_ = 0;
  Shape shape_;
  std::vector<std::string> strings_;
};

// Counts iterations of loops of this run, nested ones and those within kernels too.
void PlanRunner::count_iterations(std::int64_t count) {
  const auto sum = try_add(session_.iterations, count);
  const std::int64_t limit = session_.options.loop_iterations;
  if (limit > 0 && (!sum || *sum > limit)) {
    throw Error(ErrorCode::limit_exceeded,
                "the loops of this run pass " + std::to_string(limit) + " iterations",
                "loop_iterations of the context's options is reached",
                "raise it if the model is trusted, or find the loop that does not end");
  }
  session_.iterations = sum.value_or(session_.iterations);
}

void PlanRunner::run_loop(const Step& step) {
  const auto carried_count = static_cast<std::size_t>(step.carried);
  if (step.nested.size() != 1 || step.carried < 0 || step.inputs.size() < 2 ||
      step.inputs.size() - 2 < carried_count) {
    invalid_step("a loop has trip count, condition, its carried values and one nested plan");
  }
  PlanRunner& body = child(step, 0);
  if (body.plan_.inputs.size() != step.inputs.size() ||
      body.plan_.outputs.size() < 1 + carried_count ||
      body.plan_.outputs.size() - 1 < step.outputs.size()) {
    invalid_step("the body of a loop has other numbers of inputs or outputs than the step");
  }
  for (std::size_t i = 2; i < step.inputs.size(); ++i) {
    if (step.inputs[i] == kNoSlot) invalid_step("an input of a nested plan is absent");
  }

  std::optional<std::int64_t> trips;
  if (step.inputs[0] != kNoSlot) {
    const StropAbiValue& value = values_[step.inputs[0]];
    if (value.dtype != static_cast<std::uint32_t>(DType::i64) || value.bytes != 8) {
      throw Error(ErrorCode::bad_value, "the trip count of a loop", "it must be one i64");
    }
    trips = *static_cast<const std::int64_t*>(value.data);
  }
  bool go_on = step.inputs[1] == kNoSlot ||
               read_condition(values_[step.inputs[1]], "the condition of a loop");
  const bool counted = go_on && never_stops(body.plan_);
  if (counted) {  // what cannot end within the limits is not begun
    if (!trips) {
      throw Error(ErrorCode::limit_exceeded, "a loop never ends",
                  "it has no trip count, and its condition is always true",
                  "give the loop a trip count, or a condition that can become false");
    }
    count_iterations(std::max<std::int64_t>(0, *trips));
  }

  std::vector<std::unique_ptr<Carried>> carried;
  for (std::size_t i = 0; i < carried_count; ++i) {
    carried.push_back(std::make_unique<Carried>(session_));
    carried.back()->assign(values_[step.inputs[2 + i]], false);
  }
  std::vector<ScanOutput> scans;
  const std::size_t scan_count = body.plan_.outputs.size() - 1 - carried_count;
  scans.reserve(scan_count);
  for (std::size_t i = 0; i < scan_count; ++i) {
    scans.emplace_back(session_, body.plan_.slots[body.plan_.outputs[1 + carried_count + i]]);
  }
  for (std::size_t i = 2 + carried_count; i < step.inputs.size(); ++i) {
    body.set_input(i, values_[step.inputs[i]]);
  }

  std::int64_t iteration = 0;
  std::uint8_t condition = 1;
  StropAbiValue iteration_value{};
  iteration_value.dtype = static_cast<std::uint32_t>(DType::i64);
  iteration_value.data = &iteration;
  iteration_value.bytes = sizeof iteration;
  StropAbiValue condition_value{};
  condition_value.dtype = static_cast<std::uint32_t>(DType::boolean);
  condition_value.data = &condition;
  condition_value.bytes = 1;
  // A body may declare these as tensors of one element.
  static constexpr std::int64_t kOne = 1;
  StropAbiValue* const formal[] = {&iteration_value, &condition_value};
  for (std::size_t i = 0; i < 2; ++i) {
    const Slot& slot = body.plan_.slots[body.plan_.inputs[i]];
    if (!slot.shape || slot.shape->size() != 1) continue;
    formal[i]->rank = 1;
    formal[i]->dims = &kOne;
  }

  for (; go_on && (!trips || iteration < *trips); ++iteration) {
    check_deadline();
    count_iterations(counted ? 0 : 1);
    condition = 1;
    body.set_input(0, iteration_value);
    body.set_input(1, condition_value);
    for (std::size_t i = 0; i < carried_count; ++i) body.set_input(2 + i, carried[i]->value);
    body.run();
    go_on = read_condition(body.output(0), "the condition of a loop");
    for (std::size_t i = 0; i < carried_count; ++i) body.hand_over(1 + i, *carried[i]);
    for (std::size_t i = 0; i < scan_count; ++i) {
      scans[i].append(body.output(1 + carried_count + i));
    }
  }

  for (std::uint32_t i = 0; i < step.outputs.size(); ++i) {
    if (i < carried_count) {
      store(step, i, carried[i]->value);
    } else {
      scans[i - carried_count].finish(symbols_, [&](const StropAbiValue& v) { store(step, i, v); });
    }
  }
}

// A carried value leaves the body. It is moved when it is boxed, made by the body, and given out
// once.
void PlanRunner::hand_over(std::size_t output, Carried& carried) {
  const std::uint32_t slot = plan_.outputs[output];
  const bool move = values_[slot].boxed != nullptr && plan_.slots[slot].kind == SlotKind::boxed &&
                    std::ranges::count(plan_.outputs, slot) == 1;
  carried.assign(values_[slot], move);
  if (move) values_[slot] = StropAbiValue{};
}

}  // namespace strop
