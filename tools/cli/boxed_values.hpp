// SPDX-License-Identifier: Apache-2.0
// Values of any kind in and out of a context. What is not plain memory lives in the library of the
// operators, so it is made and read through the functions of the backend's table.
#pragma once

#include <string>

#include "base/tensor.hpp"
#include "runtime/context.hpp"

namespace strop::cli {

// Throws as Context::bind and Context::bind_boxed.
void bind_value(Context& context, const std::string& name, const Datum& value);

// An output of the last run: a view of a tensor in plain memory, else a copy.
Datum output_value(Context& context, const std::string& name);

}  // namespace strop::cli
