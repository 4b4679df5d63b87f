// SPDX-License-Identifier: Apache-2.0
// Before attention_mma.cuh: its elements are bf16.
#define STROP_BFLOAT 1
