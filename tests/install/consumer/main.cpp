// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <strop/strop.hpp>

int main() {
  try {
    strop::load("absent.strop");
  } catch (const strop::Exception& error) {
    std::cout << "strop " << strop::version() << ": " << error.what() << "\n";
    return 0;
  }
  return 1;
}
