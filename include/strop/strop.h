/* SPDX-License-Identifier: Apache-2.0
 * Strop's C interface, which is its ABI: opaque handles, option structs that begin with
 * struct_size, no C++ type and no exception across the boundary. strop.hpp wraps it for C++20.
 *
 *   libstrop_runtime   everything but the section "Building": loads engines and runs them
 *   libstrop_builder   the section "Building"; link it beside libstrop_runtime
 *
 * Errors. A function that can fail returns a strop_status, STROP_OK (0) for success, and takes a
 * `strop_error**` as its last argument: null, or the address of a pointer that receives an error
 * object of the caller's to destroy. The pointer is set to null on success. Output arguments are
 * set to null or 0 on failure. A null pointer where one is not allowed is STROP_BAD_ARGUMENT, never
 * a crash.
 *
 * Threads. An engine is immutable and may be used by any number of threads. A context, and what is
 * read from it, belongs to one thread at a time. Functions without a context are safe from any
 * thread.
 *
 * Text is UTF-8, ends with a zero, and is owned by the object it was read from unless the function
 * says otherwise. Shapes are outermost dimension first; tensors are dense, row-major, without
 * padding. Elements below one byte are packed, the first in the low bits.
 *
 * Option structs: zero the struct, set struct_size to its sizeof, set what is wanted; 0 and null
 * are the defaults. A struct of an older, shorter header is understood; one with unknown, nonzero
 * fields at its end is STROP_BAD_OPTION.
 */
#ifndef STROP_STROP_H
#define STROP_STROP_H

#include <stddef.h>
#include <stdint.h>

#if defined(STROP_STATIC)
#define STROP_API
#elif defined(_WIN32)
#if defined(STROP_EXPORTS)
#define STROP_API __declspec(dllexport)
#else
#define STROP_API __declspec(dllimport)
#endif
#else
#define STROP_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Version
 * ----------------------------------------------------------------------------------------------------
 */

#define STROP_VERSION_MAJOR 0
#define STROP_VERSION_MINOR 1
#define STROP_VERSION_PATCH 0

/* Of the library that runs, "0.1.0". */
STROP_API const char* strop_version(void);

/* ---- Errors
 * -----------------------------------------------------------------------------------------------------
 */

/* Numbers never change their meaning; docs/errors.md explains each. More may come. */
typedef int32_t strop_status;
enum {
  STROP_OK = 0,
  STROP_INTERNAL = 100, /* a fault in Strop itself */
  STROP_FILE_NOT_FOUND = 200,
  STROP_FILE_UNREADABLE = 201,
  STROP_FILE_UNWRITABLE = 202,
  STROP_OUT_OF_MEMORY = 203,
  STROP_LIMIT_EXCEEDED =
      204, /* a limit of the context's options, or a documented one, would be passed */
  STROP_CANCELLED = 205,
  STROP_NOT_ONNX = 300,
  STROP_MODEL_TRUNCATED = 301,
  STROP_MODEL_MALFORMED = 302,
  STROP_UNKNOWN_OPERATOR = 303,
  STROP_UNSUPPORTED_OPERATOR = 304,
  STROP_BAD_ATTRIBUTE = 305,
  STROP_BAD_SHAPE = 306, /* shapes that contradict the model or each other */
  STROP_BAD_TYPE = 307,
  STROP_BAD_WEIGHTS = 308,
  STROP_EXTERNAL_DATA = 309,
  STROP_UNSUPPORTED_OPSET = 310,
  STROP_SEVERAL_PROBLEMS = 311, /* strop_error_message tells all of them */
  STROP_NO_IMPLEMENTATION = 400,
  STROP_SELF_CHECK_FAILED = 401,
  STROP_BAD_OPTION = 402,
  STROP_PASS_FAILED = 403,
  STROP_NOT_AN_ENGINE = 500,
  STROP_ENGINE_TRUNCATED = 501,
  STROP_ENGINE_CORRUPTED = 502,
  STROP_ENGINE_NEWER_FORMAT = 503,
  STROP_ENGINE_OTHER_TARGET = 504,
  STROP_ENGINE_INVALID = 505,
  STROP_MISSING_LIBRARY = 600,
  STROP_LIBRARY_MISMATCH = 601,
  STROP_MISSING_DEVICE = 602,
  STROP_DEVICE_FAILURE = 603,
  STROP_NOT_A_PLUGIN = 604,
  STROP_PLUGIN_MISMATCH = 605,
  STROP_BAD_PLUGIN = 606,
  STROP_MISSING_PLUGIN = 607,
  STROP_PLUGIN_FAILED = 608,
  STROP_UNKNOWN_NAME = 700,
  STROP_MISSING_INPUT = 701,
  STROP_INPUT_TYPE = 702,
  STROP_INPUT_RANK = 703,
  STROP_INPUT_SHAPE = 704,
  STROP_INPUT_BYTES = 705,
  STROP_BAD_VALUE = 706, /* data that an operator refuses, such as an index out of range */
  STROP_BAD_ARGUMENT = 707
};

typedef struct strop_error strop_error;

STROP_API strop_status strop_error_code(const strop_error* error);
/* What it is about, why it is wrong (expected and got), what to do about it; "" where there is
 * nothing to say. */
STROP_API const char* strop_error_what(const strop_error* error);
STROP_API const char* strop_error_why(const strop_error* error);
STROP_API const char* strop_error_hint(const strop_error* error);
/* Everything as a person reads it, beginning with the code: "STROP-E702 wrong input type: ...". */
STROP_API const char* strop_error_message(const strop_error* error);
STROP_API void strop_error_destroy(strop_error* error); /* null is fine */

/* "wrong input type"; "unknown" for a number that is none. Static. */
STROP_API const char* strop_status_name(strop_status status);

/* Frees text that a function gave to the caller; null is fine. */
STROP_API void strop_text_free(char* text);

/* ---- Types
 * ------------------------------------------------------------------------------------------------------
 */

typedef uint32_t strop_dtype;
enum {
  STROP_UNDEFINED = 0, /* of a value that is no tensor */
  STROP_F32 = 1,
  STROP_F64 = 2,
  STROP_F16 = 3,
  STROP_BF16 = 4,
  STROP_F8E4M3FN = 5,
  STROP_F8E4M3FNUZ = 6,
  STROP_F8E5M2 = 7,
  STROP_F8E5M2FNUZ = 8,
  STROP_F8E8M0 = 9,
  STROP_F4E2M1 = 10,
  STROP_I2 = 11,
  STROP_I4 = 12,
  STROP_I8 = 13,
  STROP_I16 = 14,
  STROP_I32 = 15,
  STROP_I64 = 16,
  STROP_U2 = 17,
  STROP_U4 = 18,
  STROP_U8 = 19,
  STROP_U16 = 20,
  STROP_U32 = 21,
  STROP_U64 = 22,
  STROP_BOOL = 23,   /* one byte, 0 or 1 */
  STROP_STRING = 24, /* not in plain memory: see strop_value_string */
  STROP_C64 = 25,
  STROP_C128 = 26
};

/* "f32", "u8", "bool"; null for a number that is no type. Static. */
STROP_API const char* strop_dtype_name(strop_dtype dtype);
/* Bits of one element; 0 for strings and for what is no type. */
STROP_API uint32_t strop_dtype_bits(strop_dtype dtype);

/* A tensor in memory of somebody else. */
typedef struct strop_tensor {
  strop_dtype dtype;
  uint32_t rank;
  const int64_t* dims; /* `rank` sizes; may be null for rank 0 */
  void* data;          /* may be null when bytes is 0; not written to where it is an input */
  uint64_t bytes;
} strop_tensor;

/* ---- Plugins
 * ----------------------------------------------------------------------------------------------------
 */

/* Loads operators of a model's own: a shared library as strop/plugin.h describes. A plugin is code
 * that runs in this process with all of its rights, from the moment of this call on, so only the
 * program may name one: neither a model nor an engine can make Strop load it. Load it before the
 * models are built and the engines loaded that need it; it serves the whole process, threads and
 * both libraries of Strop, and is never unloaded. Loading the same file again does nothing. Errors:
 * STROP_FILE_NOT_FOUND, STROP_NOT_A_PLUGIN (no library, or no plugin), STROP_PLUGIN_MISMATCH
 * (another version of the interface), STROP_BAD_PLUGIN (it contradicts itself, or a plugin that is
 * loaded), STROP_MISSING_LIBRARY. */
STROP_API strop_status strop_load_plugin(const char* path, strop_error** error);

/* ---- Engines
 * ----------------------------------------------------------------------------------------------------
 */

typedef struct strop_engine strop_engine;

/* Every byte of the file is verified first. Large files are mapped and shared between processes.
 * Errors: file, engine and library codes; STROP_ENGINE_OTHER_TARGET when this machine cannot run
 * it; STROP_MISSING_PLUGIN and STROP_PLUGIN_MISMATCH when a plugin that it needs is not loaded. */
STROP_API strop_status strop_engine_load_file(const char* path, strop_engine** engine,
                                              strop_error** error);
/* The bytes of an engine file; copied. */
STROP_API strop_status strop_engine_load_memory(const void* data, size_t size,
                                                strop_engine** engine, strop_error** error);
/* Contexts of the engine stay usable; null is fine. */
STROP_API void strop_engine_destroy(strop_engine* engine);

/* What the file says about the engine, as JSON: format, version, target, options, plugins that it
 * needs, inputs, outputs, hashes. */
STROP_API const char* strop_engine_header(const strop_engine* engine);
/* The same of a file, without loading anything else of it; *json is freed with strop_text_free. */
STROP_API strop_status strop_engine_read_header(const char* path, char** json, strop_error** error);

/* An input or output. Owned by the engine. */
typedef struct strop_port {
  const char* name;
  const char* type;           /* "f32[N,3,224,224]", "seq(f32[*])" */
  strop_dtype dtype;          /* STROP_UNDEFINED for sequences, optionals and maps */
  int32_t rank;               /* -1: not known before a run, or no tensor */
  const int64_t* dims;        /* -1 where the size is open */
  const char* const* symbols; /* per dimension: the name or expression of an open size ("N"), null
                                 for a fixed one */
} strop_port;

STROP_API size_t strop_engine_input_count(const strop_engine* engine);
STROP_API size_t strop_engine_output_count(const strop_engine* engine);
/* Null past the end. Valid as long as the engine. */
STROP_API const strop_port* strop_engine_input(const strop_engine* engine, size_t index);
STROP_API const strop_port* strop_engine_output(const strop_engine* engine, size_t index);

/* ---- Contexts
 * ---------------------------------------------------------------------------------------------------
 */

typedef struct strop_context strop_context;

/* What one context may use. In limits, 0 is the default given here and -1 means no limit. */
typedef struct strop_context_options {
  size_t struct_size;
  int32_t threads;         /* on the CPU; 0: as many as the processors this process may use */
  int32_t prepared_shapes; /* combinations of input shapes kept ready; 0: 8 */
  int32_t profile;         /* 1: measure every step; see strop_context_profile */
  int32_t reserved;        /* 0 */
  int64_t deadline_ms;     /* of one run; default: none */
  int64_t loop_iterations; /* of all loops of one run together; default: 100,000,000 */
  int64_t tensor_bytes;    /* of one tensor, or all in one sequence; default: 64 GiB */
  int64_t sequence_length; /* of one sequence; default: 1,000,000 */
  int64_t memory_bytes;    /* of the context: planned, dynamic and working memory; default: none */
  int32_t device;          /* number of the GPU, of an engine for one; default: the first */
  int32_t reserved2;       /* 0 */
  int64_t device_memory_bytes; /* of the context on it, planned and working memory; default: none */
  /* Where the context's memory on the device comes from instead of the driver: both or neither.
   * `allocate_device` gives at least `bytes` bytes on device number `device`, at a multiple of 256,
   * for work in any stream; or null where there are none (STROP_OUT_OF_MEMORY). The context owns
   * them until `release_device`, called once for each with the same `bytes` when none of its work
   * uses them any more. Both are called in the threads that bind, run and destroy the context, one
   * call at a time for one context; they must not throw or use the context. Weights, which
   * contexts share, stay the driver's. */
  void* (*allocate_device)(void* user, uint64_t bytes, int32_t device);
  void (*release_device)(void* user, void* memory, uint64_t bytes, int32_t device);
  void* allocator_user; /* passed on */
} strop_context_options;

/* `options` may be null. Backend libraries are opened when shapes are first prepared. */
STROP_API strop_status strop_context_create(const strop_engine* engine,
                                            const strop_context_options* options,
                                            strop_context** context, strop_error** error);
STROP_API void strop_context_destroy(strop_context* context); /* null is fine */

typedef enum strop_bind_mode {
  STROP_BIND_COPY = 0, /* the data is copied now */
  STROP_BIND_REFERENCE =
      1 /* every run reads the caller's memory, which must stay, aligned to its element type */
} strop_bind_mode;

/* Binds an input by name. Name, element type, rank, fixed dimensions and size in bytes are checked
 * now; sizes that must agree between inputs when the run begins. Whatever was bound stays bound if
 * this fails. NaN is a value like any other. Errors: STROP_UNKNOWN_NAME, STROP_INPUT_TYPE,
 * STROP_INPUT_RANK, STROP_INPUT_SHAPE, STROP_INPUT_BYTES, STROP_BAD_ARGUMENT (null or unaligned
 * memory). */
STROP_API strop_status strop_context_bind(strop_context* context, const char* name,
                                          const strop_tensor* tensor, strop_bind_mode mode,
                                          strop_error** error);
/* A string tensor, copied. `lengths` in bytes, one per string, or null: each string ends with a
 * zero. */
STROP_API strop_status strop_context_bind_strings(strop_context* context, const char* name,
                                                  uint32_t rank, const int64_t* dims,
                                                  const char* const* strings,
                                                  const uint64_t* lengths, strop_error** error);
/* A sequence of tensors (dtype STROP_STRING is not possible here), copied. */
STROP_API strop_status strop_context_bind_sequence(strop_context* context, const char* name,
                                                   const strop_tensor* tensors, uint64_t count,
                                                   strop_error** error);
/* An optional: one tensor, or null for the empty one; copied. */
STROP_API strop_status strop_context_bind_optional(strop_context* context, const char* name,
                                                   const strop_tensor* tensor, strop_error** error);

/* A map from `count` keys to tensors (dtype STROP_STRING is not possible here), copied. The keys
 * are `numbers`, or strings: exactly one of the two is null unless count is 0. `lengths` as above.
 */
STROP_API strop_status strop_context_bind_map(strop_context* context, const char* name,
                                              uint64_t count, const int64_t* numbers,
                                              const char* const* strings, const uint64_t* lengths,
                                              const strop_tensor* values, strop_error** error);

/* The output is written to `data` of at least its size; aligned to 64 bytes it is computed there,
 * otherwise copied. The memory must not overlap inputs or other outputs and stays bound until
 * another call; null unbinds. A run that needs more than `bytes` fails with STROP_BAD_ARGUMENT and
 * has written nothing to it. Tensors in plain memory only. */
STROP_API strop_status strop_context_bind_output(strop_context* context, const char* name,
                                                 void* data, uint64_t bytes, strop_error** error);

/* As strop_context_bind by reference and strop_context_bind_output, with memory of the GPU that the
 * engine is for; 256-byte aligned memory is used where it lies, other memory is copied. Errors
 * also: STROP_BAD_ARGUMENT for an engine that is for no GPU. What fills the memory must be done
 * before strop_context_run is called, which works in a stream of its own, or be ordered in the
 * stream of strop_context_run_async. */
STROP_API strop_status strop_context_bind_device(strop_context* context, const char* name,
                                                 const strop_tensor* tensor, strop_error** error);
STROP_API strop_status strop_context_bind_output_device(strop_context* context, const char* name,
                                                        void* data, uint64_t bytes,
                                                        strop_error** error);

typedef struct strop_shape {
  const char* name; /* of an input */
  uint32_t rank;
  const int64_t* dims;
} strop_shape;

/* Makes sizes, memory and kernels ready for these input shapes, so that the first run with them
 * does not have to. Inputs that are not named have the shape of what is bound to them. Needs no
 * data. */
STROP_API strop_status strop_context_prepare(strop_context* context, const strop_shape* shapes,
                                             size_t count, strop_error** error);

/* Runs the engine and waits for the result. With shapes that are prepared, and without values of
 * data-dependent size or outside of plain memory, it allocates nothing, locks nothing and logs
 * nothing; but inputs and outputs of 2 MiB and more in pageable memory, of an engine for a GPU, go
 * through page-locked memory that the first such run allocates, with the help of further threads.
 * After a failure outputs are not to be read; the context may go on with another run. Errors:
 * STROP_MISSING_INPUT, STROP_INPUT_SHAPE, STROP_BAD_SHAPE, STROP_BAD_VALUE, STROP_LIMIT_EXCEEDED,
 * STROP_OUT_OF_MEMORY, STROP_MISSING_LIBRARY, STROP_LIBRARY_MISMATCH. They name step and operator.
 */
STROP_API strop_status strop_context_run(strop_context* context, strop_error** error);

/* As strop_context_run, but returns when all work is ordered in `stream` (a CUstream; null is
 * CUDA's default stream). Until the stream has done it, which strop_context_synchronize waits for,
 * inputs stay as they are and outputs are not read. What an engine does on the CPU is done when
 * this returns; of 2 MiB and more in pageable memory of the host inputs have been read and outputs
 * are written, for which it waits for the stream. */
STROP_API strop_status strop_context_run_async(strop_context* context, void* stream,
                                               strop_error** error);
STROP_API strop_status strop_context_synchronize(strop_context* context, strop_error** error);

/* A tensor output of the last run, by name; not for strings. Dims and data are the context's (or
 * the memory bound to the output) and valid until the next run, prepare or the end of the context.
 */
STROP_API strop_status strop_context_output(const strop_context* context, const char* name,
                                            strop_tensor* tensor, strop_error** error);

/* Any output of the last run, boxed ones included. Valid as strop_context_output says. */
typedef struct strop_value strop_value;
typedef enum strop_value_kind {
  STROP_VALUE_TENSOR = 0, /* of numbers or strings */
  STROP_VALUE_SEQUENCE = 1,
  STROP_VALUE_OPTIONAL = 2,
  STROP_VALUE_MAP = 3
} strop_value_kind;

STROP_API strop_status strop_context_output_value(strop_context* context, const char* name,
                                                  const strop_value** value, strop_error** error);
STROP_API strop_value_kind strop_value_get_kind(const strop_value* value);
/* Elements: of a sequence or map its length, of an optional 0 or 1, of a tensor the product of its
 * dimensions. */
STROP_API uint64_t strop_value_count(const strop_value* value);
/* Element type, dims and, unless they are strings, data of a tensor. STROP_BAD_ARGUMENT for
 * anything else. */
STROP_API strop_status strop_value_tensor(const strop_value* value, strop_tensor* tensor,
                                          strop_error** error);
/* Element of a string tensor: *length bytes, which may contain zeros and are not terminated. */
STROP_API strop_status strop_value_string(const strop_value* value, uint64_t index,
                                          const char** text, uint64_t* length, strop_error** error);
/* Element of a sequence, the value of an optional, or a value of a map. */
STROP_API strop_status strop_value_element(const strop_value* value, uint64_t index,
                                           const strop_value** element, strop_error** error);
/* The keys of a map, a vector of STROP_I64 or STROP_STRING: key i belongs to element i. */
STROP_API strop_status strop_value_keys(const strop_value* value, const strop_value** keys,
                                        strop_error** error);

/* One step of the engine and what it took since the context was created. Owned by the context,
 * valid until the next call with it. */
typedef struct strop_step_profile {
  const char* name; /* of the node */
  const char* op;
  const char* backend; /* "" for a step that runs a nested plan */
  const char* kernel;
  const char* tactic;
  uint64_t runs;
  int64_t total_ns;
  int64_t last_ns;
} strop_step_profile;

/* Needs strop_context_options.profile; *count is 0 without it. */
STROP_API strop_status strop_context_profile(strop_context* context,
                                             const strop_step_profile** steps, size_t* count,
                                             strop_error** error);
/* Largest number of bytes this context held so far, weights and libraries' own memory not included.
 */
STROP_API int64_t strop_context_peak_memory(const strop_context* context);

/* ---- The machine
 * ------------------------------------------------------------------------------------------------
 */

/* What Strop finds on this machine: versions, processor features, backend libraries, and what is
 * missing and why. Text for people, or JSON:
 * {"version","cpu":{"vendor","brand","features","threads","memory_bytes"},
 * "backends":[{"name","library","path","version","description","problem"}]}. Freed with
 * strop_text_free. */
STROP_API strop_status strop_doctor(int32_t json, char** text, strop_error** error);

/* ---- Building (libstrop_builder)
 * -------------------------------------------------------------------------------- */

/* Called from the thread that builds. `stage` is "import", "passes", "lower", "tune", "pack",
 * "self-check" or "save", `detail` a pass, node or "". `fraction` of the whole build, 0 to 1.
 * Nonzero cancels the build: STROP_CANCELLED. */
typedef int32_t (*strop_progress)(void* user, const char* stage, const char* detail,
                                  double fraction);

typedef enum strop_verify {
  STROP_VERIFY_AUTO =
      0, /* unless the reference would take tens of seconds; the report says so then */
  STROP_VERIFY_ALWAYS = 1,
  STROP_VERIFY_NEVER = 2
} strop_verify;

/* The names are those of the command line. Strings are read during the call only. */
typedef struct strop_build_options {
  size_t struct_size;
  const char* device; /* "cpu", "reference", "auto", "cuda", "cuda:N", "cuda:sm_90"; null: "auto" */
  const char* precision; /* "fp32", "bf16", on GPUs "fp16"; null: "fp32" */
  int32_t precise;       /* 1: no sum in another order, quantised layers in floats */
  int32_t threads;       /* of timing and self-check; 0: all processors */
  int64_t budget_ms; /* for timing candidates; 0: 60,000; -1: nothing is timed, the first candidate
                        is taken */
  const char* timing_cache; /* file that is read and updated; with it a build can be repeated to the
                               byte; null: none */
  const char* tactics; /* "-onednn,-conv_winograd" leaves out libraries or tactics; null: all */
  const char* shapes;  /* "images=1x3x224x224:4x3x224x224:8x3x224x224" NAME=MIN:OPT:MAX, several
                          separated by ';';  sizes to tune for; null: chosen */
  const char* outputs; /* names, separated by ',': the model ends there; null: its own outputs */
  int32_t verify;      /* strop_verify */
  int32_t portable;    /* 1: the engine can be planned anew on another machine */
  const char* external_data_root; /* folder that links of external weights may lead into; null: the
                                     model's folder, no links */
  const char* stop_after;  /* "import", "passes", "lower", "tune": no engine, the report holds the
                              text; null: build */
  const char* dump_dir;    /* folder for the graph after every pass; null: none */
  strop_progress progress; /* null: none */
  void* progress_user;
  const char* const* plugins; /* paths, the last one followed by null: loaded as strop_load_plugin
                                 does before the model is read; null: none */
} strop_build_options;

/* Compiles an ONNX model. `options` may be null. *engine: null with stop_after. *report_json (may
 * be null: not wanted) is freed with strop_text_free: options, per node where it runs, tactic, time
 * and refusals, and the self-check; with stop_after, its member "text". It may be set on failure
 * too. Errors: file, ONNX and build codes; several problems of a model are reported together as
 * STROP_SEVERAL_PROBLEMS. */
STROP_API strop_status strop_build_file(const char* path, const strop_build_options* options,
                                        strop_engine** engine, char** report_json,
                                        strop_error** error);
/* The bytes of an ONNX file, which must stay during the call. A model with external data needs
 * strop_build_file. */
STROP_API strop_status strop_build_memory(const void* data, size_t size,
                                          const strop_build_options* options, strop_engine** engine,
                                          char** report_json, strop_error** error);
/* Writes the engine whole or not at all. The bytes depend on model, options and timing cache alone.
 */
STROP_API strop_status strop_engine_save(const strop_engine* engine, const char* path,
                                         strop_error** error);

#ifdef __cplusplus
}
#endif

#endif
