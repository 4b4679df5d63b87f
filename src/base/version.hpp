// SPDX-License-Identifier: Apache-2.0
// Strop's version, as CMakeLists.txt and include/strop/strop.h say it too (a test compares them).
// Libraries of one installation must agree on it.
#pragma once

#define STROP_VERSION "0.1.0"
