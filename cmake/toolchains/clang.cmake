# SPDX-License-Identifier: Apache-2.0
# The host's clang, 16 or newer: older ones do not understand the C++20 of GCC's standard library.
find_program(STROP_CLANGXX NAMES clang++-18 clang++-16 clang++-17 clang++-19 clang++ REQUIRED)
string(REPLACE "clang++" "clang" STROP_CLANG ${STROP_CLANGXX})
set(CMAKE_C_COMPILER ${STROP_CLANG})
set(CMAKE_CXX_COMPILER ${STROP_CLANGXX})
