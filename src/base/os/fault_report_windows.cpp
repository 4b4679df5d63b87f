// SPDX-License-Identifier: Apache-2.0
#include "base/os/fault_report.hpp"

namespace strop::os {

void report_faults(const char*) {}
void note_activity(std::string_view, std::string_view) {}

}  // namespace strop::os
