// SPDX-License-Identifier: Apache-2.0
// usage: plugin_model FILE    writes the model of attention_model.hpp, for tests that are scripts
#include <cstdio>
#include <fstream>

#include "plugin/attention_model.hpp"

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::ofstream file(argv[1], std::ios::binary);
  file << strop::testing::attention_model();
  file.close();
  return file.good() ? 0 : 1;
}
