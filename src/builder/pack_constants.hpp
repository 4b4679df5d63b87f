// SPDX-License-Identifier: Apache-2.0
// Constants of a plan as the kernels of its steps read them on this processor, so that loading an
// engine packs nothing: a step's plain weights give way to the form that its kernel makes of them
// (backend_abi.h, pack). Plain constants stay where another step, or an output, needs them.
#pragma once

#include "plan/plan.hpp"

namespace strop {

// Nested plans too. The plan does the same as before, on every processor.
void pack_constants(Plan& plan);

}  // namespace strop
