// SPDX-License-Identifier: Apache-2.0
// Files of arrays, written byte for byte.
#pragma once

#include <initializer_list>
#include <string>

namespace strop::testing {

// The .npy file of an array: dtype as NumPy writes it, shape as Python does.
inline std::string npy(const std::string& descr, const std::string& shape,
                       const std::string& data) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  return std::string("\x93NUMPY\x01\x00", 8) + static_cast<char>(header.size()) + '\0' + header +
         data;
}

inline std::string floats(std::initializer_list<float> values) {
  return {reinterpret_cast<const char*>(values.begin()), values.size() * sizeof(float)};
}

}  // namespace strop::testing
