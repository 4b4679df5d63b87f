/* SPDX-License-Identifier: Apache-2.0
 * The C boundary between libstrop_runtime and a backend library (libstrop_ops, libstrop_cpu, ...).
 * A backend exports one symbol, strop_backend_v1, that returns its function table. Nothing C++
 * crosses; no exception leaves a function.
 *
 * The entry function stands alone in its source file, so that programs can link several backends
 * statically.
 *
 * Life of a step: create (parameters, static types, constants) -> prepare (concrete shapes; again
 * whenever they change) -> run, any number of times. One step instance belongs to one context and
 * is used by one thread at a time. A context keeps an instance for each of the shapes it has ready,
 * so what follows from constants alone (packed weights) is best shared between instances, found by
 * the address of the constant.
 */
#ifndef STROP_BACKEND_ABI_H
#define STROP_BACKEND_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STROP_BACKEND_ABI_VERSION 3

/* Error code (ErrorCode of base/error.hpp), 0 for success. The texts are owned by the error and
 * freed with free_error of the table that filled it. */
typedef struct StropAbiError {
  int32_t code;
  char* what;
  char* why;
  char* hint;
} StropAbiError;

/* What create and prepare are told of sizes that are not known then (outputs of dynamic shape,
 * symbols): a rank of STROP_ABI_UNKNOWN_RANK, or a dimension of -1. In run, all inputs are known.
 */
#define STROP_ABI_UNKNOWN_RANK 0xffffffffu

/* A tensor (dtype as enum DType, dims outermost first, contiguous), or a boxed value. Absent: dtype
 * 0 and boxed null. dtype of a boxed value is 0 unless it is a string tensor. It lies in host
 * memory, but for the operands of a backend that has memory of its own. */
typedef struct StropAbiValue {
  uint32_t dtype;
  uint32_t rank;
  const int64_t* dims;
  void* data; /* null where only the shape is known, and in run for outputs of dynamic shape; never
               * null in run otherwise, not even for an empty tensor. Inputs are aligned for their
               * element type, planned memory to 64 bytes, on a device to 256. */
  uint64_t bytes;
  void* boxed; /* owned by libstrop_ops; made and freed with its box functions */
} StropAbiValue;

typedef struct StropAbiStep {
  const char* kernel;
  const char* parameters;
  uint64_t parameters_size;
  uint32_t input_count, output_count;
  const StropAbiValue*
      inputs; /* constants with their data; others with dtype, and rank and dims where static */
  const uint8_t* input_constant; /* 1 where inputs[i] is a constant, 2 if in the device's memory */
  const StropAbiValue* outputs;
  void* device; /* opened by the backend; null where it has none */
} StropAbiStep;

/* Given to run. Callbacks are for steps whose output shapes are their own business. */
typedef struct StropAbiRun {
  void* user;
  /* Memory for output i, 64-byte aligned, valid until the slot is written again; null when a limit
   * is passed (the step then returns any error code, the runtime reports the limit). For outputs
   * whose data is null in run. */
  void* (*allocate_output)(void* user, uint32_t i, uint32_t dtype, uint32_t rank,
                           const int64_t* dims);
  /* Hands over a boxed value (or a string tensor) as output i. */
  void (*set_boxed_output)(void* user, uint32_t i, void* boxed);
  void* workspace;         /* as many bytes as prepare asked for, 64-byte aligned */
  int32_t thread_count;    /* at least 1 */
  int64_t deadline_ns;     /* on the monotonic clock; 0: none */
  int64_t loop_iterations; /* limits, 0: none; this one is for all loops of the run together */
  int64_t tensor_bytes;
  int64_t sequence_length;
  int64_t* iterations; /* of loops in this run so far: a step that loops adds its own */
  void* stream; /* of a backend with memory of its own: what run orders is done there, after what
                 * was ordered before; run does not wait for it. The workspace is the device's. */
} StropAbiRun;

/* A constant of a step in the form that its kernel reads on this processor. */
#define STROP_ABI_NOTHING_PACKED 0xffffffffu
typedef struct StropAbiPacked {
  uint32_t input;         /* whose constant it replaces, or STROP_ABI_NOTHING_PACKED */
  const char* parameters; /* to be added to those of the step, after a ';' */
  StropAbiValue form;
} StropAbiPacked;

/* A plugin that was loaded. All of it lives as long as the process. */
typedef struct StropAbiPlugin {
  const char* name;
  const char* path; /* as it was given */
  uint32_t version_major, version_minor;
  const void* description; /* strop_plugin of strop/plugin.h */
  const char* operators;   /* "domain::name:version", one a line */
} StropAbiPlugin;

/* What a device is. The text lives as long as the process. */
typedef struct StropAbiDevice {
  const char* name;
  int32_t compute_capability; /* of NVIDIA GPUs: 10 * major + minor */
  int32_t multiprocessors;
  int64_t shared_bytes; /* of one block, at most */
  int64_t l2_bytes;
  int64_t memory_bytes;
} StropAbiDevice;

enum { STROP_ABI_TO_DEVICE = 0, STROP_ABI_TO_HOST = 1, STROP_ABI_ON_DEVICE = 2 };

/* Of a backend whose steps work on memory of their own. Devices are counted from 0. Streams are
 * used by one thread at a time; all else is safe from any thread. What returns an int32_t returns 0
 * or an error code, and fills *error then. */
typedef struct StropDeviceTable {
  uint32_t struct_size;
  int32_t (*count)(int32_t* count, StropAbiError* error);
  int32_t (*describe)(int32_t ordinal, StropAbiDevice* device, StropAbiError* error);
  /* A device that was opened lives as long as the process. */
  int32_t (*open)(int32_t ordinal, void** device, StropAbiError* error);
  int32_t (*memory)(void* device, uint64_t* free_bytes, uint64_t* total_bytes,
                    StropAbiError* error);
  int32_t (*allocate)(void* device, uint64_t bytes, void** memory, StropAbiError* error);
  void (*release)(void* device, void* memory);
  /* `external`: a stream of the caller's (CUstream), or null for one of its own. */
  int32_t (*create_stream)(void* device, void* external, void** stream, StropAbiError* error);
  void (*destroy_stream)(void* stream);
  /* Host memory stays as it is until the copy is done: synchronize tells. */
  int32_t (*copy)(void* stream, void* to, const void* from, uint64_t bytes, uint32_t direction,
                  StropAbiError* error);
  int32_t (*synchronize)(void* stream, StropAbiError* error);
  /* What is ordered between begin and end is not done but becomes a graph, which does it as often
   * as it is launched, with the addresses of then. */
  int32_t (*begin_capture)(void* stream, StropAbiError* error);
  int32_t (*end_capture)(void* stream, void** graph, StropAbiError* error);
  int32_t (*launch_graph)(void* stream, void* graph, StropAbiError* error);
  void (*destroy_graph)(void* graph);
  /* Points of time in a stream. elapsed waits for the second. */
  int32_t (*create_event)(void* device, void** event, StropAbiError* error);
  void (*destroy_event)(void* event);
  int32_t (*record)(void* stream, void* event, StropAbiError* error);
  int32_t (*wait)(void* event, StropAbiError* error); /* until it was reached */
  int32_t (*elapsed)(void* from, void* to, int64_t* nanoseconds, StropAbiError* error);
} StropDeviceTable;

typedef struct StropBackendTable {
  uint32_t abi_version;
  uint32_t struct_size;
  const char* name;    /* "cpu" */
  const char* version; /* Strop's version; must equal the runtime's */
  /* For people: libraries found and their versions, CPU features used. May open libraries that no
   * step has asked for yet. */
  const char* (*description)(void);

  /* Each returns 0 or an error code, and fills *error then. */
  int32_t (*create)(const StropAbiStep* step, void** instance, StropAbiError* error);
  int32_t (*prepare)(void* instance, const StropAbiValue* inputs, const StropAbiValue* outputs,
                     int32_t thread_count, uint64_t* workspace_bytes, StropAbiError* error);
  int32_t (*run)(void* instance, const StropAbiValue* inputs, StropAbiValue* outputs,
                 const StropAbiRun* run, StropAbiError* error);
  void (*destroy)(void* instance);
  void (*free_error)(StropAbiError* error);
  /* For the builder, at most once and before prepare: a constant as the engine should hold it, so
   * that loading packs nothing. A step with it does the same on every processor. What *packed
   * points to is the instance's. Null: the backend packs nothing. */
  int32_t (*pack)(void* instance, StropAbiPacked* packed, StropAbiError* error);

  /* Boxed values; null except in libstrop_ops. Strings are bytes with a length, not terminated. */
  void* (*box_clone)(const void* boxed);
  void (*box_free)(void* boxed);
  void* (*box_strings)(uint32_t rank, const int64_t* dims, const char* const* strings,
                       const uint64_t* lengths);
  /* Kind as ValueKind (0: string tensor, 1 sequence, 2 optional, 3 map); rank, dims of a string
   * tensor; number of elements. */
  void (*box_describe)(const void* boxed, uint32_t* kind, uint32_t* rank, const int64_t** dims,
                       uint64_t* count);
  /* String `index` of a string tensor, or key `index` of a map with string keys. */
  const char* (*box_string)(const void* boxed, uint64_t index, uint64_t* length);
  /* Element `index` of a sequence (or the only one of an optional): a tensor by reference, or a
   * boxed value owned by it. */
  int32_t (*box_element)(const void* boxed, uint64_t index, StropAbiValue* value);
  /* A sequence (kind 1) or optional (kind 2, at most one element) of copies of these values; null
   * on failure. */
  void* (*box_make)(uint32_t kind, uint64_t count, const StropAbiValue* elements);
  /* The keys of a map: their type, and where they are i64 as many numbers as the map has elements,
   * owned by it; strings are read with box_string. Nonzero: it is no map. */
  int32_t (*box_keys)(const void* boxed, uint32_t* dtype, const int64_t** numbers);
  /* A map of copies: keys are `numbers`, or `strings` where numbers is null. Null on failure. */
  void* (*box_make_map)(uint64_t count, const int64_t* numbers, const char* const* strings,
                        const uint64_t* lengths, const StropAbiValue* values);

  /* Plugins of the process; null except in libstrop_ops, which holds their list. load_plugin opens
   * the file and runs code of it. Nothing is ever unloaded, so indices stay. */
  int32_t (*load_plugin)(const char* path, StropAbiError* error);
  uint32_t (*plugin_count)(void);
  int32_t (*plugin_at)(uint32_t index, StropAbiPlugin* plugin);

  const StropDeviceTable* device; /* null: its steps work on host memory */
} StropBackendTable;

typedef const StropBackendTable* (*StropBackendEntry)(void);
#define STROP_BACKEND_ENTRY "strop_backend_v1"
/* The backend "plugin" (kernels of plugins) lives in libstrop_ops too, under this symbol. */
#define STROP_PLUGIN_BACKEND_ENTRY "strop_plugin_backend_v1"

#ifdef __cplusplus
}
#endif

#endif
