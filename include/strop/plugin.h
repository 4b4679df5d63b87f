/* SPDX-License-Identifier: Apache-2.0
 * The C interface of plugins: shared libraries that bring operators which neither the standard nor
 * Strop has. docs/plugins.md is a worked page. A plugin includes this header (which takes types and
 * codes from strop.h, nothing else), links nothing of Strop, and exports one function,
 * strop_plugin_entry, that describes what it offers. It is code that runs in the process with all
 * of its rights: Strop opens one only where the program or the command line names its file, never
 * because a model or an engine asks for it, and never closes it again.
 *
 * An operator has a shape inference and a reference kernel; both are mandatory. The reference says
 * what the operator means: constants are folded with it, the self-check compares with it, and it
 * runs where nothing faster does. Kernels for speed are optional.
 *
 * What Strop has checked before it calls a function of an operator: every attribute is of its kind
 * and within its bounds, the number of inputs and outputs, their element types and ranks are those
 * of the operands, and a kernel is called with outputs of the shape that `infer` found. A model is
 * data of strangers: everything else that a kernel relies on (sizes that must agree, values that
 * are indices) the plugin checks itself, in `infer` where that is possible.
 *
 * Functions of the plugin. They return STROP_OK, or what strop_plugin_host.fail returned; no C++
 * exception and no longjmp leaves them. They keep nothing of a call: it, and all that was read
 * through it, ends with them. Equal arguments give equal results.
 *
 * Threads. Each function, strop_plugin_entry too, may be called from several threads at one time,
 * with different calls. A call belongs to the thread it was made in; bodies of parallel_for may use
 * fail, failed, should_stop, operator_of, and what reads attributes, inputs and outputs.
 *
 * End. A plugin is never unloaded, and Strop calls nothing of it at the end of the process except
 * for contexts that the program itself destroys then: static objects that functions of the plugin
 * use must not have destructors.
 *
 * Memory. Whatever the description points to lives as long as the process and never changes. Memory
 * that the host gives stays the host's. Text is UTF-8 and ends with a zero.
 *
 * Structs begin with struct_size, the sizeof of the struct that the plugin was compiled with; what
 * an older plugin's struct lacks at its end is zero. Elements of an array have one struct_size.
 */
#ifndef STROP_PLUGIN_H
#define STROP_PLUGIN_H

#include "strop.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STROP_PLUGIN_API_VERSION 1

/* ---- What the host offers to a function of the plugin ---- */

/* One call of one function of the plugin, for one node of a model. */
typedef struct strop_plugin_call strop_plugin_call;

/* The size of a dimension: a number, or an expression over names ("N", "2*H+1"). A handle that is
 * valid in its call; 0 is what a host function gives after a failure, and fails again. */
typedef uint32_t strop_dim;

/* Host functions cannot be called wrongly by accident: one that fails (a name that is no attribute
 * of the operator, an index past the end, an overflow of sizes, no memory) remembers why and gives
 * 0 or null, and the function of the plugin counts as failed whatever it returns. So a plugin need
 * not look at each result. What is marked [infer] serves `infer` and `accepts`, [data] serves
 * `reference` and `run`; all else serves every function. */
typedef struct strop_plugin_host {
  size_t struct_size;
  uint32_t api_version; /* STROP_PLUGIN_API_VERSION of the host */
  uint32_t reserved;

  /* The failure of this call: a code of strop.h (STROP_BAD_SHAPE, STROP_BAD_TYPE,
   * STROP_BAD_ATTRIBUTE, STROP_BAD_VALUE, STROP_LIMIT_EXCEEDED, STROP_OUT_OF_MEMORY, ...), why
   * (expected and got), and what to do (null: nothing to say). The texts are copied; the operator
   * is named by the host. Returns the code: `return host->fail(call, STROP_BAD_SHAPE, "...",
   * NULL);` The first failure of a call counts. */
  strop_status (*fail)(strop_plugin_call* call, strop_status code, const char* why,
                       const char* hint);
  /* Whether a host function has failed or fail was called. */
  int32_t (*failed)(const strop_plugin_call* call);
  /* The description of the operator that the call is for. */
  const struct strop_plugin_operator* (*operator_of)(const strop_plugin_call* call);

  /* Attributes by name and kind, the default where the model gives none. */
  int64_t (*attribute_int)(strop_plugin_call* call, const char* name);
  double (*attribute_float)(strop_plugin_call* call, const char* name);
  const char* (*attribute_string)(strop_plugin_call* call, const char* name);
  const int64_t* (*attribute_ints)(strop_plugin_call* call, const char* name, size_t* count);
  const double* (*attribute_floats)(strop_plugin_call* call, const char* name, size_t* count);
  /* How many strings the attribute has, and one of them. */
  size_t (*attribute_string_count)(strop_plugin_call* call, const char* name);
  const char* (*attribute_string_at)(strop_plugin_call* call, const char* name, size_t index);
  /* 1, or 0 where the attribute is not given (a tensor has no default). */
  int32_t (*attribute_tensor)(strop_plugin_call* call, const char* name, strop_tensor* tensor);

  /* The node's inputs, trailing absent ones left out, and outputs. */
  size_t (*input_count)(const strop_plugin_call* call);
  size_t (*output_count)(const strop_plugin_call* call);
  int32_t (*has_input)(const strop_plugin_call* call,
                       size_t input); /* 0: absent, or past the end */
  strop_dtype (*input_dtype)(strop_plugin_call* call, size_t input); /* of one that is present */

  /* [infer] Rank of an input; -1 where it is not known and its operand states none. */
  int32_t (*input_rank)(strop_plugin_call* call, size_t input);
  strop_dim (*input_dim)(strop_plugin_call* call, size_t input, int32_t axis);
  /* [infer] Contents of an input marked STROP_OPERAND_PARAMETER. As sizes (of integers, rank 0 or
   * 1, at most 64 elements): how many are known, or -1 for none, and one of them. As data: 1 and
   * the tensor where all of it is known, else 0. */
  int64_t (*input_element_count)(strop_plugin_call* call, size_t input);
  strop_dim (*input_element)(strop_plugin_call* call, size_t input, size_t index);
  int32_t (*input_values)(strop_plugin_call* call, size_t input, strop_tensor* tensor);

  /* [infer] Sizes. A model's open dimensions stay open: never ask for a number where an expression
   * will do. */
  strop_dim (*dim_constant)(strop_plugin_call* call, int64_t value);
  /* 1 and the number, or 0 where it is not known. `value` may be null. */
  int32_t (*dim_value)(strop_plugin_call* call, strop_dim dim, int64_t* value);
  /* 1 where both are the same whatever the inputs; 0 where they differ or may differ. */
  int32_t (*dim_equal)(strop_plugin_call* call, strop_dim a, strop_dim b);
  /* Both must be equal: fails now where they are different numbers, else is checked when sizes are
   * known. `what` names them in the error ("channels of x and of scale"). Returns the simpler one.
   */
  strop_dim (*dim_require_equal)(strop_plugin_call* call, strop_dim a, strop_dim b,
                                 const char* what);
  strop_dim (*dim_add)(strop_plugin_call* call, strop_dim a, strop_dim b);
  strop_dim (*dim_sub)(strop_plugin_call* call, strop_dim a, strop_dim b);
  strop_dim (*dim_mul)(strop_plugin_call* call, strop_dim a, strop_dim b);
  strop_dim (*dim_floordiv)(strop_plugin_call* call, strop_dim a, strop_dim b);
  strop_dim (*dim_ceildiv)(strop_plugin_call* call, strop_dim a, strop_dim b);
  strop_dim (*dim_min)(strop_plugin_call* call, strop_dim a, strop_dim b);
  strop_dim (*dim_max)(strop_plugin_call* call, strop_dim a, strop_dim b);
  /* A size that only the contents of inputs tell: of parameters whose values are not known yet, or
   * of an operator marked STROP_OPERATOR_DATA_DEPENDENT. */
  strop_dim (*dim_fresh)(strop_plugin_call* call);

  /* [infer] Type of an output; rank -1: not known. Of every required output. */
  void (*set_output)(strop_plugin_call* call, size_t output, strop_dtype dtype, int32_t rank,
                     const strop_dim* dims);
  /* `accepts` only: 1 where the user asked for kernels that keep the order of sums. */
  int32_t (*precise)(const strop_plugin_call* call);

  /* Type, shape and memory of an input: 1, or 0 where it is absent. In `prepare` data is null but
   * for constants. Dense, row-major, aligned to its element type, not to be written. */
  int32_t (*input)(strop_plugin_call* call, size_t input, strop_tensor* tensor);
  /* Type, shape and memory of an output, which the function writes whole: 1, or 0 where nobody
   * wants it. In `prepare` data is null. Memory of an output never overlaps an input's. Not for
   * operators marked STROP_OPERATOR_DATA_DEPENDENT, whose outputs have memory once it was
   * allocated. */
  int32_t (*output)(strop_plugin_call* call, size_t output, strop_tensor* tensor);
  /* [data] Memory for an output of an operator marked STROP_OPERATOR_DATA_DEPENDENT, dense and not
   * initialised; null when a limit of the run is passed: return then. Not null for an empty one. */
  void* (*allocate_output)(strop_plugin_call* call, size_t output, strop_dtype dtype, uint32_t rank,
                           const int64_t* dims);
  /* [data] Calls body(user, begin, end) for ranges that together are [0, count), each once, from
   * this and other threads, and returns when all are done. Every range but the last holds a
   * multiple of `grain` (>= 1) indices. Results must not depend on how it was cut. */
  void (*parallel_for)(strop_plugin_call* call, int64_t count, int64_t grain,
                       void (*body)(void* user, int64_t begin, int64_t end), void* user);
  /* [data] 1 when the run has passed its deadline: a kernel that may take long asks now and then,
   * and returns. */
  int32_t (*should_stop)(strop_plugin_call* call);
} strop_plugin_host;

/* ---- What a plugin offers ---- */

typedef enum strop_plugin_kind {
  STROP_ATTRIBUTE_INT = 1,
  STROP_ATTRIBUTE_FLOAT = 2,
  STROP_ATTRIBUTE_STRING = 3,
  STROP_ATTRIBUTE_INTS = 4,
  STROP_ATTRIBUTE_FLOATS = 5,
  STROP_ATTRIBUTE_STRINGS = 6,
  STROP_ATTRIBUTE_TENSOR = 7 /* no strings in it; no default */
} strop_plugin_kind;

enum {
  STROP_ATTRIBUTE_REQUIRED = 1, /* the model must give it; there is no default then */
  STROP_ATTRIBUTE_BOUNDED = 2   /* numbers lie in [minimum, maximum], so none is NaN */
};

/* An attribute of the model's node. A model that gives another one, or one of another kind, is
 * refused. */
typedef struct strop_plugin_attribute {
  size_t struct_size;
  const char* name; /* [A-Za-z_][A-Za-z0-9_]* */
  const char* doc;  /* one sentence; may be null */
  strop_plugin_kind kind;
  uint32_t flags;
  double minimum, maximum; /* of each number, with STROP_ATTRIBUTE_BOUNDED */
  int64_t int_default;
  double float_default;
  const char* string_default;  /* null: "" */
  const int64_t* ints_default; /* `default_count` of them, as the next two */
  const double* floats_default;
  const char* const* strings_default;
  size_t default_count;
  const char* const* choices; /* what a string, or each of several, may be; null: anything */
  size_t choice_count;
} strop_plugin_attribute;

typedef enum strop_plugin_arity {
  STROP_OPERAND_REQUIRED = 0,
  STROP_OPERAND_OPTIONAL = 1,
  STROP_OPERAND_VARIADIC = 2 /* the last operand: any number of values, none too */
} strop_plugin_arity;

enum {
  /* An input that `infer` may look into: sizes, axes. It is always in the processor's memory. One
   * of the first 32, and not variadic. */
  STROP_OPERAND_PARAMETER = 1
};

/* Sets of element types. Strings are no type of a plugin. */
#define STROP_TYPE(dtype) (UINT64_C(1) << (dtype))
#define STROP_TYPES_FLOAT \
  (STROP_TYPE(STROP_F32) | STROP_TYPE(STROP_F64) | STROP_TYPE(STROP_F16) | STROP_TYPE(STROP_BF16))
#define STROP_TYPES_INTEGER                                                                       \
  (STROP_TYPE(STROP_I8) | STROP_TYPE(STROP_I16) | STROP_TYPE(STROP_I32) | STROP_TYPE(STROP_I64) | \
   STROP_TYPE(STROP_U8) | STROP_TYPE(STROP_U16) | STROP_TYPE(STROP_U32) | STROP_TYPE(STROP_U64))
#define STROP_TYPES_INDEX (STROP_TYPE(STROP_I32) | STROP_TYPE(STROP_I64))

/* One input or output, a tensor. */
typedef struct strop_plugin_operand {
  size_t struct_size;
  const char* name;
  uint64_t types; /* of its elements */
  strop_plugin_arity arity;
  uint32_t flags;
  uint32_t rank;     /* that it must have; 0: any, `infer` looks */
  char same_type_as; /* operands with the same letter have one element type; 0: any of `types` */
} strop_plugin_operand;

/* A fast way to compute an operator on the CPU. Of all kernels that accept a node the one that
 * timing finds fastest goes into the engine, which names it; its results may differ from those of
 * the reference by rounding alone. The machine that loads the engine asks `accepts` again, with the
 * sizes of that run. */
typedef struct strop_plugin_kernel {
  size_t struct_size;
  const char* name; /* [a-z0-9_]+; one for each kernel of the operator */
  /* What the processor must have, as `strop doctor` names it: "avx2 fma". Null: nothing. Where it
   * is missing the kernel is not asked, and an engine that uses it is refused. */
  const char* instruction_sets;
  /* STROP_OK: it takes the node. Else fail(call, STROP_NO_IMPLEMENTATION, reason, NULL): the reason
   * stands in the build report. Must not depend on free memory or time, and what it accepts with
   * sizes open it accepts with any. Null: it takes all that the operator takes. */
  strop_status (*accepts)(const strop_plugin_host* host, strop_plugin_call* call);
  /* Concrete shapes have come: makes what can be made in advance. *state is the kernel's own, null
   * at first and what it was before when further shapes come; *workspace_bytes is memory that `run`
   * gets, 0 by default. Null: neither. */
  strop_status (*prepare)(const strop_plugin_host* host, strop_plugin_call* call, void** state,
                          uint64_t* workspace_bytes);
  /* Writes the outputs. `state` is used by one thread at a time; `workspace` is aligned to 64 bytes
   * and holds nothing from run to run. Should allocate nothing and lock nothing. */
  strop_status (*run)(const strop_plugin_host* host, strop_plugin_call* call, void* state,
                      void* workspace);
  /* Frees a state, also of a prepare that failed; not called with null. May be null. */
  void (*release)(void* state);
} strop_plugin_kernel;

enum {
  /* Shapes of outputs depend on the contents of inputs even when all shapes are known: the
   * reference allocates its outputs, with the ranks and sizes that `infer` gave as far as it could,
   * and kernels for speed are not asked. */
  STROP_OPERATOR_DATA_DEPENDENT = 1,
  STROP_OPERATOR_NONDETERMINISTIC = 2 /* random: not folded, not merged */
};

typedef struct strop_plugin_operator {
  size_t struct_size;
  const char* domain; /* as in the model: [A-Za-z0-9_.-]+; none that begins with "ai.onnx" */
  const char* name;   /* op_type in the model: [A-Za-z0-9_.]+ */
  /* Version of the domain from which on this is the meaning; at least 1. A node gets the newest one
   * not above what the model imports of the domain (1 where it imports nothing). A new meaning is a
   * new version beside the old one. */
  int32_t since_version;
  uint32_t flags;
  const char* doc; /* what it computes, in a sentence */
  const strop_plugin_attribute* attributes;
  size_t attribute_count;
  const strop_plugin_operand* inputs;
  size_t input_count;
  const strop_plugin_operand* outputs;
  size_t output_count;
  /* Types of the outputs from types of the inputs, and all checks that need no data. Called when a
   * model is imported, with open sizes, and again with the concrete ones of a run. */
  strop_status (*infer)(const strop_plugin_host* host, strop_plugin_call* call);
  /* Naive and obviously right; 16-bit floats are computed in float. Empty tensors are legal. */
  strop_status (*reference)(const strop_plugin_host* host, strop_plugin_call* call);
  const strop_plugin_kernel* kernels;
  size_t kernel_count;
  void* user; /* the plugin's own; found again through operator_of */
} strop_plugin_operator;

typedef struct strop_plugin {
  size_t struct_size;
  uint32_t api_version; /* STROP_PLUGIN_API_VERSION */
  /* An engine that was built with a plugin loads with one of the same name and major version and no
   * older minor version. */
  uint32_t version_major, version_minor;
  const char* name; /* [A-Za-z0-9_.-]+ */
  const char* doc;  /* one sentence; may be null */
  const strop_plugin_operator* operators;
  size_t operator_count; /* at least one */
} strop_plugin;

#if defined(_WIN32)
#define STROP_PLUGIN_EXPORT __declspec(dllexport)
#else
#define STROP_PLUGIN_EXPORT __attribute__((visibility("default")))
#endif

/* The one symbol of a plugin. `host_api_version` is what the host speaks; null where the plugin
 * speaks nothing that old. May be called more than once and gives the same each time. struct_size
 * and api_version stand at the head of strop_plugin in every version of the interface. */
#define STROP_PLUGIN_ENTRY "strop_plugin_entry"
STROP_PLUGIN_EXPORT const strop_plugin* strop_plugin_entry(uint32_t host_api_version);

#ifdef __cplusplus
}
#endif

#endif
