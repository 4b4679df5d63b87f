/* SPDX-License-Identifier: Apache-2.0
 * A plugin in C11 for the tests, with an operator for each corner of strop/plugin.h, in domain "test.sample":
 *   Affine 1, 3  y = alpha * x + bias: attributes of all kinds, an optional input, several kernels, two versions
 *   Windows      f32[N, floordiv(L - size, step) + 1, size] of f32[N, L]: expressions of sizes
 *   Repeat       rows of x, `times` times: a parameter whose value may be known, or be a size
 *   Positive     the elements above 0: a size that data tells
 *   Sum          of any number of inputs; a second, optional output counts them
 *   Picky        x, if it holds nothing but 42: data that nobody makes up
 *   Misallocate  an output of another shape than it foresaw
 *   Misbehave    does what `how` says, against the contract
 */
#include <strop/plugin.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int64_t elements(const strop_tensor* tensor) {
  int64_t count = 1;
  for (uint32_t i = 0; i < tensor->rank; ++i) count *= tensor->dims[i];
  return count;
}

/* The output has the type of input 0. */
static strop_status infer_same(const strop_plugin_host* host, strop_plugin_call* call) {
  strop_dim dims[64];
  const int32_t rank = host->input_rank(call, 0);
  for (int32_t i = 0; i < rank; ++i) dims[i] = host->input_dim(call, 0, i);
  host->set_output(call, 0, host->input_dtype(call, 0), rank, dims);
  return STROP_OK;
}

/* ---- Affine ---- */

static strop_status infer_affine(const strop_plugin_host* host, strop_plugin_call* call) {
  size_t offsets = 0;
  host->attribute_ints(call, "offsets", &offsets);
  if (offsets > 3) return host->fail(call, STROP_BAD_ATTRIBUTE, "there are more than 3 offsets", "give fewer");
  return infer_same(host, call);
}

struct affine {
  const float* x;
  const float* bias;
  int64_t bias_count;
  float* y;
  float alpha, offset;
};

static void affine_range(void* user, int64_t begin, int64_t end) {
  const struct affine* a = (const struct affine*)user;
  for (int64_t i = begin; i < end; ++i)
    a->y[i] = a->alpha * a->x[i] + (a->bias_count > 0 ? a->bias[i % a->bias_count] : 0) + a->offset;
}

static struct affine read_affine(const strop_plugin_host* host, strop_plugin_call* call, int64_t* count) {
  strop_tensor x, y, bias, table;
  struct affine out;
  memset(&out, 0, sizeof out);
  host->input(call, 0, &x);
  host->output(call, 0, &y);
  out.x = (const float*)x.data;
  out.y = (float*)y.data;
  if (host->input(call, 1, &bias)) {
    out.bias = (const float*)bias.data;
    out.bias_count = elements(&bias);
  }
  out.alpha = (float)host->attribute_float(call, "alpha");
  if (strcmp(host->attribute_string(call, "mode"), "negate") == 0) out.alpha = -out.alpha;
  size_t ints = 0, floats = 0;
  const int64_t* offsets = host->attribute_ints(call, "offsets", &ints);
  for (size_t i = 0; i < ints; ++i) out.offset += (float)offsets[i];
  const double* more = host->attribute_floats(call, "more", &floats);
  for (size_t i = 0; i < floats; ++i) out.offset += (float)more[i];
  for (size_t i = 0; i < host->attribute_string_count(call, "words"); ++i)
    out.offset += (float)strlen(host->attribute_string_at(call, "words", i));
  if (host->attribute_tensor(call, "table", &table)) out.offset += ((const float*)table.data)[0];
  *count = elements(&x);
  return out;
}

static strop_status affine_reference(const strop_plugin_host* host, strop_plugin_call* call) {
  int64_t count = 0;
  struct affine a = read_affine(host, call, &count);
  affine_range(&a, 0, count);
  return STROP_OK;
}

/* The fast kernel keeps what it read in its state; the workspace must be as large as it asked for. */
struct affine_state {
  struct affine affine;
  int prepared;
};

static strop_status affine_accepts(const strop_plugin_host* host, strop_plugin_call* call) {
  if (host->input_rank(call, 0) == 0) return host->fail(call, STROP_NO_IMPLEMENTATION, "a scalar is not worth it", NULL);
  if (host->precise(call)) return host->fail(call, STROP_NO_IMPLEMENTATION, "precise was asked for", NULL);
  return STROP_OK;
}

static strop_status affine_refuses(const strop_plugin_host* host, strop_plugin_call* call) {
  return host->fail(call, STROP_NO_IMPLEMENTATION, "it is never in the mood", NULL);
}

static strop_status affine_prepare(const strop_plugin_host* host, strop_plugin_call* call, void** state,
                                   uint64_t* workspace_bytes) {
  int64_t count = 0;
  struct affine_state* s = (struct affine_state*)*state;
  if (s == NULL) s = (struct affine_state*)calloc(1, sizeof *s);
  if (s == NULL) return host->fail(call, STROP_OUT_OF_MEMORY, "no memory", NULL);
  *state = s;
  s->affine = read_affine(host, call, &count);
  ++s->prepared;
  *workspace_bytes = (uint64_t)count * sizeof(float);
  return STROP_OK;
}

static strop_status affine_run(const strop_plugin_host* host, strop_plugin_call* call, void* state, void* workspace) {
  struct affine a = ((const struct affine_state*)state)->affine;
  strop_tensor x, y, bias;
  host->input(call, 0, &x);
  host->output(call, 0, &y);
  a.x = (const float*)x.data;
  a.y = (float*)workspace;
  if (host->input(call, 1, &bias)) a.bias = (const float*)bias.data;
  host->parallel_for(call, elements(&x), 1000, affine_range, &a);
  memcpy(y.data, workspace, (size_t)y.bytes);
  return STROP_OK;
}

static const int64_t affine_offsets[] = {0};
static const double affine_more[] = {0.5, -0.5};
static const char* const affine_modes[] = {"plain", "negate"};

#define AFFINE_ATTRIBUTES(alpha_flags)                                                                             \
  {                                                                                                                \
    {.struct_size = sizeof(strop_plugin_attribute), .name = "alpha", .doc = "factor of x",                         \
     .kind = STROP_ATTRIBUTE_FLOAT, .flags = STROP_ATTRIBUTE_BOUNDED | (alpha_flags), .minimum = -100,             \
     .maximum = 100, .float_default = 2},                                                                          \
        {.struct_size = sizeof(strop_plugin_attribute), .name = "mode", .kind = STROP_ATTRIBUTE_STRING,            \
         .string_default = "plain", .choices = affine_modes, .choice_count = COUNT(affine_modes)},                 \
        {.struct_size = sizeof(strop_plugin_attribute), .name = "offsets", .kind = STROP_ATTRIBUTE_INTS,           \
         .flags = STROP_ATTRIBUTE_BOUNDED, .minimum = 0, .maximum = 10, .ints_default = affine_offsets,            \
         .default_count = COUNT(affine_offsets)},                                                                  \
        {.struct_size = sizeof(strop_plugin_attribute), .name = "more", .kind = STROP_ATTRIBUTE_FLOATS,            \
         .floats_default = affine_more, .default_count = COUNT(affine_more)},                                      \
        {.struct_size = sizeof(strop_plugin_attribute), .name = "words", .kind = STROP_ATTRIBUTE_STRINGS},         \
        {.struct_size = sizeof(strop_plugin_attribute), .name = "table", .kind = STROP_ATTRIBUTE_TENSOR},          \
        {.struct_size = sizeof(strop_plugin_attribute), .name = "ignored", .kind = STROP_ATTRIBUTE_INT},           \
  }

static const strop_plugin_attribute affine_1_attributes[] = AFFINE_ATTRIBUTES(0);
static const strop_plugin_attribute affine_3_attributes[] = AFFINE_ATTRIBUTES(STROP_ATTRIBUTE_REQUIRED);

#define OPERAND(...) {.struct_size = sizeof(strop_plugin_operand), __VA_ARGS__}
#define F32 STROP_TYPE(STROP_F32)

static const strop_plugin_operand affine_inputs[] = {
    OPERAND(.name = "x", .types = F32, .same_type_as = 'T'),
    OPERAND(.name = "bias", .types = F32, .arity = STROP_OPERAND_OPTIONAL, .same_type_as = 'T', .rank = 1)};
static const strop_plugin_operand affine_outputs[] = {OPERAND(.name = "y", .types = F32, .same_type_as = 'T')};

static const strop_plugin_kernel affine_kernels[] = {
    {.struct_size = sizeof(strop_plugin_kernel), .name = "moody", .accepts = affine_refuses, .run = affine_run},
    {.struct_size = sizeof(strop_plugin_kernel), .name = "exotic", .instruction_sets = "sse41 no_such_set",
     .run = affine_run},
    {.struct_size = sizeof(strop_plugin_kernel), .name = "fast", .accepts = affine_accepts, .prepare = affine_prepare,
     .run = affine_run, .release = free}};

/* ---- Windows ---- */

static strop_status infer_windows(const strop_plugin_host* host, strop_plugin_call* call) {
  const strop_dim size = host->dim_constant(call, host->attribute_int(call, "size"));
  const strop_dim step = host->dim_constant(call, host->attribute_int(call, "step"));
  const strop_dim length = host->input_dim(call, 0, 1);
  int64_t known = 0;
  if (host->dim_value(call, length, &known) && known < host->attribute_int(call, "size"))
    return host->fail(call, STROP_BAD_SHAPE, "x is shorter than a window", NULL);
  const strop_dim room = host->dim_floordiv(call, host->dim_sub(call, length, size), step);
  const strop_dim dims[3] = {host->input_dim(call, 0, 0), host->dim_add(call, room, host->dim_constant(call, 1)), size};
  host->set_output(call, 0, STROP_F32, 3, dims);
  return STROP_OK;
}

static strop_status windows_reference(const strop_plugin_host* host, strop_plugin_call* call) {
  strop_tensor x, y;
  host->input(call, 0, &x);
  host->output(call, 0, &y);
  const int64_t step = host->attribute_int(call, "step");
  float* out = (float*)y.data;
  for (int64_t n = 0; n < y.dims[0]; ++n) {
    for (int64_t w = 0; w < y.dims[1]; ++w) {
      for (int64_t i = 0; i < y.dims[2]; ++i) *out++ = ((const float*)x.data)[n * x.dims[1] + w * step + i];
    }
  }
  return STROP_OK;
}

#define COUNT_ATTRIBUTE(its_name, its_flags)                                                           \
  {.struct_size = sizeof(strop_plugin_attribute), .name = its_name, .kind = STROP_ATTRIBUTE_INT,       \
   .flags = STROP_ATTRIBUTE_BOUNDED | (its_flags), .minimum = 1, .maximum = 1000, .int_default = 1}

static const strop_plugin_attribute windows_attributes[] = {COUNT_ATTRIBUTE("size", STROP_ATTRIBUTE_REQUIRED),
                                                            COUNT_ATTRIBUTE("step", 0)};
static const strop_plugin_operand windows_inputs[] = {OPERAND(.name = "x", .types = F32, .rank = 2)};
static const strop_plugin_operand windows_outputs[] = {OPERAND(.name = "y", .types = F32, .rank = 3)};

/* ---- Repeat ---- */

static strop_status infer_repeat(const strop_plugin_host* host, strop_plugin_call* call) {
  strop_dim dims[2] = {0, 0};
  strop_tensor times;
  if (host->input_values(call, 1, &times) && ((const int64_t*)times.data)[0] < 0)
    return host->fail(call, STROP_BAD_VALUE, "times is negative", NULL);
  dims[0] = host->input_element_count(call, 1) == 1
                ? host->dim_mul(call, host->input_dim(call, 0, 0), host->input_element(call, 1, 0))
                : host->dim_fresh(call);
  dims[1] = host->input_dim(call, 0, 1);
  host->set_output(call, 0, host->input_dtype(call, 0), 2, dims);
  return STROP_OK;
}

static strop_status repeat_reference(const strop_plugin_host* host, strop_plugin_call* call) {
  strop_tensor x, y;
  host->input(call, 0, &x);
  host->output(call, 0, &y);
  for (uint64_t at = 0; at < y.bytes; at += x.bytes) memcpy((char*)y.data + at, x.data, (size_t)x.bytes);
  return STROP_OK;
}

static const strop_plugin_operand repeat_inputs[] = {
    OPERAND(.name = "x", .types = STROP_TYPES_FLOAT | STROP_TYPES_INTEGER, .same_type_as = 'T', .rank = 2),
    OPERAND(.name = "times", .types = STROP_TYPE(STROP_I64), .flags = STROP_OPERAND_PARAMETER, .rank = 1)};
static const strop_plugin_operand repeat_outputs[] = {
    OPERAND(.name = "y", .types = STROP_TYPES_FLOAT | STROP_TYPES_INTEGER, .same_type_as = 'T', .rank = 2)};

/* ---- Positive ---- */

static strop_status infer_positive(const strop_plugin_host* host, strop_plugin_call* call) {
  const strop_dim count = host->dim_fresh(call);
  host->set_output(call, 0, STROP_F32, 1, &count);
  return STROP_OK;
}

static strop_status positive_reference(const strop_plugin_host* host, strop_plugin_call* call) {
  strop_tensor x;
  host->input(call, 0, &x);
  const float* values = (const float*)x.data;
  int64_t count = 0;
  for (int64_t i = 0; i < elements(&x); ++i) count += values[i] > 0;
  float* out = (float*)host->allocate_output(call, 0, STROP_F32, 1, &count);
  if (out == NULL) return STROP_OK; /* the host knows */
  for (int64_t i = 0; i < elements(&x); ++i) {
    if (values[i] > 0) *out++ = values[i];
  }
  return STROP_OK;
}

static const strop_plugin_operand any_f32[] = {OPERAND(.name = "x", .types = F32)};
static const strop_plugin_operand vector_f32[] = {OPERAND(.name = "y", .types = F32, .rank = 1)};

/* ---- Sum ---- */

static strop_status infer_sum(const strop_plugin_host* host, strop_plugin_call* call) {
  infer_same(host, call);
  for (size_t i = 1; i < host->input_count(call); ++i) {
    if (host->input_rank(call, i) != host->input_rank(call, 0))
      return host->fail(call, STROP_BAD_SHAPE, "the ranks of the terms differ", NULL);
    for (int32_t axis = 0; axis < host->input_rank(call, 0); ++axis)
      host->dim_require_equal(call, host->input_dim(call, 0, axis), host->input_dim(call, i, axis), "sizes of the terms");
  }
  if (host->output_count(call) > 1) host->set_output(call, 1, STROP_I64, 0, NULL);
  return STROP_OK;
}

static strop_status sum_reference(const strop_plugin_host* host, strop_plugin_call* call) {
  strop_tensor y, count;
  host->output(call, 0, &y);
  memset(y.data, 0, (size_t)y.bytes);
  for (size_t k = 0; k < host->input_count(call); ++k) {
    strop_tensor x;
    host->input(call, k, &x);
    for (int64_t i = 0; i < elements(&y); ++i) ((float*)y.data)[i] += ((const float*)x.data)[i];
  }
  if (host->output(call, 1, &count)) *(int64_t*)count.data = (int64_t)host->input_count(call);
  return STROP_OK;
}

static const strop_plugin_operand sum_inputs[] = {
    OPERAND(.name = "x", .types = F32), OPERAND(.name = "more", .types = F32, .arity = STROP_OPERAND_VARIADIC)};
static const strop_plugin_operand sum_outputs[] = {
    OPERAND(.name = "y", .types = F32),
    OPERAND(.name = "count", .types = STROP_TYPE(STROP_I64), .arity = STROP_OPERAND_OPTIONAL)};

/* ---- Picky ---- */

static strop_status picky_reference(const strop_plugin_host* host, strop_plugin_call* call) {
  strop_tensor x, y;
  host->input(call, 0, &x);
  host->output(call, 0, &y);
  for (int64_t i = 0; i < elements(&x); ++i) {
    if (((const float*)x.data)[i] != 42) return host->fail(call, STROP_BAD_VALUE, "it is not 42", NULL);
  }
  memcpy(y.data, x.data, (size_t)x.bytes);
  return STROP_OK;
}

static strop_status picky_run(const strop_plugin_host* host, strop_plugin_call* call, void* state, void* workspace) {
  (void)state;
  (void)workspace;
  return picky_reference(host, call);
}

static const strop_plugin_operand picky_outputs[] = {OPERAND(.name = "y", .types = F32)};
static const strop_plugin_kernel picky_kernels[] = {
    {.struct_size = sizeof(strop_plugin_kernel), .name = "one", .run = picky_run},
    {.struct_size = sizeof(strop_plugin_kernel), .name = "two", .run = picky_run}};

/* ---- Misallocate: its infer says [?,2], its reference makes what `how` says ---- */

static strop_status infer_misallocate(const strop_plugin_host* host, strop_plugin_call* call) {
  const strop_dim dims[2] = {host->dim_fresh(call), host->dim_constant(call, 2)};
  host->set_output(call, 0, STROP_F32, 2, dims);
  return STROP_OK;
}

static strop_status misallocate_reference(const strop_plugin_host* host, strop_plugin_call* call) {
  const char* how = host->attribute_string(call, "how");
  const int64_t dims[2] = {1, strcmp(how, "size") == 0 ? 3 : 2};
  const uint32_t rank = strcmp(how, "rank") == 0 ? 1 : 2;
  const strop_dtype dtype = strcmp(how, "type") == 0 ? STROP_I64 : STROP_F32;
  void* memory = host->allocate_output(call, 0, dtype, rank, dims);
  if (memory != NULL) memset(memory, 0, 8);
  return STROP_OK;
}

/* ---- Misbehave ---- */

static strop_status infer_misbehave(const strop_plugin_host* host, strop_plugin_call* call) {
  const char* how = host->attribute_string(call, "how");
  strop_tensor tensor;
  if (strcmp(how, "no type") == 0) return STROP_OK;
  if (strcmp(how, "silent") == 0) return 17;
  if (strcmp(how, "strange code") == 0) return host->fail(call, 12345, "for reasons of its own", NULL);
  if (strcmp(how, "no attribute") == 0) host->attribute_int(call, "absent");
  if (strcmp(how, "kind") == 0) host->attribute_int(call, "how");
  if (strcmp(how, "no input") == 0) host->input_rank(call, 7);
  if (strcmp(how, "axis") == 0) host->input_dim(call, 0, 9);
  if (strcmp(how, "no parameter") == 0) host->input_element_count(call, 0);
  if (strcmp(how, "data") == 0) host->input(call, 0, &tensor);
  if (strcmp(how, "dimension") == 0) host->dim_add(call, 4000, 5000);
  if (strcmp(how, "overflow") == 0)
    host->dim_mul(call, host->dim_constant(call, INT64_MAX), host->dim_constant(call, 2));
  if (strcmp(how, "division") == 0)
    host->dim_floordiv(call, host->input_dim(call, 0, 0), host->dim_constant(call, 0));
  if (strcmp(how, "negative") == 0) {
    const strop_dim dim = host->dim_constant(call, -1);
    host->set_output(call, 0, STROP_F32, 1, &dim);
    return STROP_OK;
  }
  if (strcmp(how, "wrong type") == 0) {
    host->set_output(call, 0, STROP_I64, 0, NULL);
    return STROP_OK;
  }
  if (strcmp(how, "open") == 0) return infer_positive(host, call);
  return infer_same(host, call);
}

static strop_status misbehave_reference(const strop_plugin_host* host, strop_plugin_call* call) {
  const char* how = host->attribute_string(call, "how");
  if (strcmp(how, "value") == 0) return host->fail(call, STROP_BAD_VALUE, "the data displeases it", "give other data");
  if (strcmp(how, "allocates") == 0) host->allocate_output(call, 0, STROP_F32, 0, NULL);
  if (strcmp(how, "late dimension") == 0) host->dim_fresh(call);
  if (strcmp(how, "forever") == 0) {
    while (!host->should_stop(call)) {
    }
  }
  return STROP_OK;
}

static const strop_plugin_attribute misbehave_attributes[] = {
    {.struct_size = sizeof(strop_plugin_attribute), .name = "how", .kind = STROP_ATTRIBUTE_STRING}};
static const strop_plugin_operand misbehave_outputs[] = {OPERAND(.name = "y", .types = F32)};
static const strop_plugin_operand misallocate_outputs[] = {
    OPERAND(.name = "y", .types = F32 | STROP_TYPE(STROP_I64))};

/* ---- The description ---- */

#define OPERATOR(its_name, since, its_attributes, its_inputs, its_outputs, its_infer, its_reference, ...)       \
  {.struct_size = sizeof(strop_plugin_operator), .domain = "test.sample", .name = its_name,                     \
   .since_version = since, .attributes = its_attributes, .attribute_count = COUNT(its_attributes),              \
   .inputs = its_inputs, .input_count = COUNT(its_inputs), .outputs = its_outputs,                              \
   .output_count = COUNT(its_outputs), .infer = its_infer, .reference = its_reference, __VA_ARGS__}


static const strop_plugin_operator operators[] = {
    OPERATOR("Affine", 1, affine_1_attributes, affine_inputs, affine_outputs, infer_affine, affine_reference,
             .doc = "alpha * x + bias", .kernels = affine_kernels, .kernel_count = COUNT(affine_kernels)),
    OPERATOR("Affine", 3, affine_3_attributes, affine_inputs, affine_outputs, infer_affine, affine_reference,
             .doc = "alpha * x + bias, with an alpha that must be given"),
    OPERATOR("Windows", 1, windows_attributes, windows_inputs, windows_outputs, infer_windows, windows_reference,
             .doc = "windows of a row"),
    {.struct_size = sizeof(strop_plugin_operator), .domain = "test.sample", .name = "Repeat", .since_version = 1,
     .doc = "x several times", .inputs = repeat_inputs, .input_count = COUNT(repeat_inputs), .outputs = repeat_outputs,
     .output_count = COUNT(repeat_outputs), .infer = infer_repeat, .reference = repeat_reference},
    {.struct_size = sizeof(strop_plugin_operator), .domain = "test.sample", .name = "Positive", .since_version = 1,
     .doc = "what is above 0", .flags = STROP_OPERATOR_DATA_DEPENDENT, .inputs = any_f32, .input_count = 1,
     .outputs = vector_f32, .output_count = 1, .infer = infer_positive, .reference = positive_reference},
    {.struct_size = sizeof(strop_plugin_operator), .domain = "test.sample", .name = "Sum", .since_version = 1,
     .doc = "the sum of all inputs", .inputs = sum_inputs, .input_count = COUNT(sum_inputs), .outputs = sum_outputs,
     .output_count = COUNT(sum_outputs), .infer = infer_sum, .reference = sum_reference},
    {.struct_size = sizeof(strop_plugin_operator), .domain = "test.sample", .name = "Picky", .since_version = 1,
     .doc = "what is 42", .inputs = any_f32, .input_count = 1, .outputs = picky_outputs, .output_count = 1,
     .infer = infer_same, .reference = picky_reference, .kernels = picky_kernels, .kernel_count = COUNT(picky_kernels)},
    OPERATOR("Misallocate", 1, misbehave_attributes, any_f32, misallocate_outputs, infer_misallocate,
             misallocate_reference, .doc = "not what it foresaw", .flags = STROP_OPERATOR_DATA_DEPENDENT),
    OPERATOR("Misbehave", 1, misbehave_attributes, any_f32, misbehave_outputs, infer_misbehave, misbehave_reference,
             .doc = "what plugins must not do")};

/* The tests make two variants: one of another version of the interface, one of another version of itself. */
#ifndef SAMPLE_API_VERSION
#define SAMPLE_API_VERSION STROP_PLUGIN_API_VERSION
#endif
#ifndef SAMPLE_MAJOR
#define SAMPLE_MAJOR 1
#endif

static const strop_plugin plugin = {.struct_size = sizeof(strop_plugin), .api_version = SAMPLE_API_VERSION,
                                    .version_major = SAMPLE_MAJOR, .version_minor = 4, .name = "sample",
                                    .doc = "operators for the tests", .operators = operators,
                                    .operator_count = COUNT(operators)};

const strop_plugin* strop_plugin_entry(uint32_t host_api_version) {
  (void)host_api_version;
  return &plugin;
}
