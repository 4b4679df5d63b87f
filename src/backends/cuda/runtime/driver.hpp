// SPDX-License-Identifier: Apache-2.0
// CUDA's driver API, opened at run time: its functions in a table, and its errors as Error.
#pragma once

#include <cuda.h>

#include <string>

namespace strop::cuda {

// Every function of the driver that Strop calls. A macro of cuda.h may give one a newer name
// ("cuMemAlloc_v2"): the table asks for that one.
#define STROP_DRIVER_FUNCTIONS(X) \
  X(cuInit)                       \
  X(cuDriverGetVersion)           \
  X(cuGetErrorName)               \
  X(cuGetErrorString)             \
  X(cuDeviceGetCount)             \
  X(cuDeviceGet)                  \
  X(cuDeviceGetName)              \
  X(cuDeviceGetAttribute)         \
  X(cuDeviceTotalMem)             \
  X(cuDevicePrimaryCtxRetain)     \
  X(cuCtxSetCurrent)              \
  X(cuMemGetInfo)                 \
  X(cuMemAlloc)                   \
  X(cuMemFree)                    \
  X(cuMemHostAlloc)               \
  X(cuMemFreeHost)                \
  X(cuPointerGetAttributes)       \
  X(cuMemcpyHtoDAsync)            \
  X(cuMemcpyDtoHAsync)            \
  X(cuMemcpyDtoDAsync)            \
  X(cuMemsetD8Async)              \
  X(cuStreamCreate)               \
  X(cuStreamDestroy)              \
  X(cuStreamSynchronize)          \
  X(cuStreamBeginCapture)         \
  X(cuStreamEndCapture)           \
  X(cuGraphInstantiateWithFlags)  \
  X(cuGraphLaunch)                \
  X(cuGraphDestroy)               \
  X(cuGraphExecDestroy)           \
  X(cuEventCreate)                \
  X(cuEventDestroy)               \
  X(cuEventRecord)                \
  X(cuEventSynchronize)           \
  X(cuEventElapsedTime)           \
  X(cuModuleLoadData)             \
  X(cuModuleUnload)               \
  X(cuModuleGetFunction)          \
  X(cuFuncGetAttribute)           \
  X(cuFuncSetAttribute)           \
  X(cuLaunchKernelEx)             \
  X(cuTensorMapEncodeTiled)       \
  X(cuTensorMapEncodeIm2col)

struct Driver {
#define STROP_DRIVER_MEMBER(name) decltype(&::name) name = nullptr;
  STROP_DRIVER_FUNCTIONS(STROP_DRIVER_MEMBER)
#undef STROP_DRIVER_MEMBER
};

// Opened and initialised when first needed. Throws Error(missing_device) when there is no driver or
// it finds no GPU, Error(library_mismatch) when it is too old, Error(device_failure).
const Driver& driver();

// "driver 13.0 (libcuda.so.1)", or why there is none; throws nothing.
std::string driver_description();

// Throws Error(out_of_memory, device_failure) for anything but success.
void check(CUresult result, const char* what);

}  // namespace strop::cuda
