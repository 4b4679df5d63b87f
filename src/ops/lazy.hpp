// SPDX-License-Identifier: Apache-2.0
// What a kernel derives from the attributes of its operator (an automaton, a sorted index), made
// when it is first needed and kept with them. It is a member of an attribute struct that `reflect`
// does not name: no part of what the attributes say, so a copy starts without it.
#pragma once

#include <memory>
#include <mutex>

namespace strop {

template <class T>
class Lazy {
 public:
  Lazy() : state_(std::make_shared<State>()) {}
  Lazy(const Lazy&) : Lazy() {}
  Lazy& operator=(const Lazy&) {
    state_ = std::make_shared<State>();
    return *this;
  }

  // `make()` gives a T; it runs once, and again after a call of it that threw. Safe from any
  // thread.
  template <class Make>
  const T& get(Make&& make) const {
    const std::lock_guard<std::mutex> lock(state_->mutex);
    if (state_->value == nullptr) state_->value = std::make_shared<const T>(make());
    return *state_->value;
  }

 private:
  struct State {
    std::mutex mutex;
    std::shared_ptr<const T> value;  // may stay incomplete where the attributes are declared
  };
  std::shared_ptr<State> state_;
};

}  // namespace strop
