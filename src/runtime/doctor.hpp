// SPDX-License-Identifier: Apache-2.0
// What Strop finds on this machine: versions, the processor, backend libraries, and what is missing
// and why.
#pragma once

#include <string>

namespace strop {

std::string doctor_text();
// Its members are described at strop_doctor in strop/strop.h.
std::string doctor_json();

}  // namespace strop
