// SPDX-License-Identifier: Apache-2.0
// Values from files, by the ending of the name.
#pragma once

#include <string>
#include <vector>

#include "base/tensor.hpp"
#include "runtime/engine.hpp"

namespace strop::cli {

struct NamedInput {
  std::string name;
  Datum value;
};

// Each argument is NAME=FILE, or FILE alone when the engine has one input or FILE is an .npz
// archive that names them. Throws Error(bad_argument) for what cannot be read.
std::vector<NamedInput> read_inputs(const std::vector<std::string>& arguments,
                                    const Engine& engine);

// A tensor in plain memory: neither string nor sequence, optional, map.
bool is_plain(const EnginePort& port);

}  // namespace strop::cli
