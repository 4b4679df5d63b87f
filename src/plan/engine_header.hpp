// SPDX-License-Identifier: Apache-2.0
// The JSON of an engine's header. Not for use outside src/plan.
#pragma once

#include <string>
#include <string_view>

#include "plan/engine_file.hpp"

namespace strop {

// Inputs and outputs of a plan as the header tells them.
void set_ports(EngineHeader& header, const Plan& plan);
std::string header_to_json(const EngineHeader& header);
// Takes any text. Throws Error(engine_invalid).
EngineHeader header_from_json(std::string_view json);
// Throws Error(engine_invalid) unless the header tells the inputs and outputs of this plan.
void require_ports_of(const EngineHeader& header, const Plan& plan);

}  // namespace strop
