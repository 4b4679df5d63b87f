// SPDX-License-Identifier: Apache-2.0
// oneDNN, opened at run time: Strop links to it nowhere. The functions of dnnl.h that Strop calls
// are defined here and jump to the opened library; without the library (or without AVX2) they are
// never reached, because onednn_available() is asked first.
#pragma once

#include <string>

namespace strop::cpu {

// Whether libdnnl.so.3 was found (beside libstrop_cpu first) and has every function. Thread-safe;
// opens it at the first call.
bool onednn_available();
// "oneDNN 3.2.0 (OpenMP)", or why there is none.
const std::string& onednn_description();

}  // namespace strop::cpu
