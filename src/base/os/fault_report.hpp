// SPDX-License-Identifier: Apache-2.0
// For programs: what ends the process by a signal (a fault in a library that was loaded, too) says
// so on stderr first, with what the program was doing and the file that the code is of. The process
// still ends by that signal. Where somebody handles it already, or on Windows, nothing changes.
#pragma once

#include <string_view>

namespace strop::os {

// Once, at the start of main.
void report_faults(const char* program);

// What the process does from now on, as "tune conv1". One thread at a time.
void note_activity(std::string_view what, std::string_view detail = {});

}  // namespace strop::os
