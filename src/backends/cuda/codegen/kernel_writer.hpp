// SPDX-License-Identifier: Apache-2.0
// One generated kernel on its way from a body of text to a launch. Sizes that are known are written
// into the body as numbers, others become parameters. Indices are of type I: 32 bits wide where all
// operands are small enough. Where that shows only at run time there are two kernels, of which one
// is launched. On chips that can, it may start before the launch before it has ended, and waits for
// that first of all.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "backends/cuda/codegen/launch_shapes.hpp"
#include "backends/cuda/codegen/launch_step.hpp"

namespace strop::cuda {

class KernelWriter {
 public:
  KernelWriter(const Problem& problem, const LaunchShapes& shapes, std::string name);

  // A pointer parameter to the elements of an operand; returns its name. Asked twice for an
  // operand, it is one parameter.
  std::string input(std::size_t i, const std::string& type);
  std::string output(std::size_t i, const std::string& type);
  // Working memory from that byte on.
  std::string workspace(const Dim& offset, const std::string& type);
  // An expression of type I.
  std::string number(const Dim& dim);
  // The text of a file of kernels/, before the kernel, once.
  void use(std::string_view source);
  // Text before the kernel: functions, constants.
  void declare(std::string text) { declarations_ += text; }
  void declare_once(const std::string& text) {
    if (declarations_.find(text) == std::string::npos) declarations_ += text;
  }

  // Adds the source and its launches to the step. `body` is the inside of a function of blockIdx,
  // threadIdx and the parameters.
  void finish(LaunchStep& step, const std::string& body, std::array<Dim, 3> grid,
              std::uint32_t threads);
  // One thread for each of `count` items, whose number is `index`.
  void finish_items(LaunchStep& step, const std::string& body, const Dim& count);

 private:
  struct Parameter {
    std::string declaration;  // "const float* __restrict__ x0"; of a number its name
    LaunchArgument argument;
    bool is_number = false;
  };
  std::string pointer(std::string name, const std::string& type, Operand operand);
  std::string source(const std::string& body, std::uint32_t threads, bool narrow, bool wide) const;

  const LaunchShapes& shapes_;
  std::string name_;
  bool programmatic_;
  std::vector<std::string> used_;
  std::string declarations_;
  std::vector<Parameter> parameters_;
  std::map<std::string, std::string> numbers_;  // name by expression
};

inline constexpr std::uint32_t kItemThreads = 256;

}  // namespace strop::cuda
