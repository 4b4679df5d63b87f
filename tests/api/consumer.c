/* SPDX-License-Identifier: Apache-2.0
 * A program in C11 that uses strop.h and libstrop_runtime alone. Arguments: an engine file with inputs x f32[N,3] and
 * s string[N], outputs y f32[N,3] (softmax) and t string[N,1], and a path where no file is. Exit status 0: all as wanted.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "strop/strop.h"

static int failures = 0;

#define EXPECT(condition)                                                   \
  do {                                                                      \
    if (!(condition)) {                                                     \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      ++failures;                                                           \
    }                                                                       \
  } while (0)

/* The call fails with this status, and its error says what, why and how to go on. */
static void expect_error(strop_status got, strop_error** error, strop_status wanted, const char* part) {
  EXPECT(got == wanted);
  EXPECT(*error != NULL);
  EXPECT(strop_error_code(*error) == wanted);
  EXPECT(strlen(strop_error_what(*error)) > 0);
  if (strstr(strop_error_message(*error), part) == NULL) {
    fprintf(stderr, "no \"%s\" in: %s\n", part, strop_error_message(*error));
    ++failures;
  }
  strop_error_destroy(*error);
  *error = NULL;
}

static void use_context(strop_context* context) {
  strop_error* error = NULL;
  const int64_t dims[2] = {2, 3};
  float data[6] = {0, 0, 0, 1000, 0, 0};
  unsigned char picture[12] = {0};
  const int64_t picture_dims[3] = {2, 2, 3};
  strop_tensor x = {STROP_F32, 2, NULL, NULL, 0};
  x.dims = dims;
  x.data = data;
  x.bytes = sizeof data;

  expect_error(strop_context_run(context, &error), &error, STROP_MISSING_INPUT, "x");
  expect_error(strop_context_bind(context, "z", &x, STROP_BIND_COPY, &error), &error, STROP_UNKNOWN_NAME, "x, s");
  x.bytes = 23;
  expect_error(strop_context_bind(context, "x", &x, STROP_BIND_COPY, &error), &error, STROP_INPUT_BYTES, "24");
  x.bytes = sizeof data;
  x.rank = 1;
  expect_error(strop_context_bind(context, "x", &x, STROP_BIND_COPY, &error), &error, STROP_INPUT_RANK, "rank 1");
  x.rank = 2;
  x.dtype = 99;
  expect_error(strop_context_bind(context, "x", &x, STROP_BIND_COPY, &error), &error, STROP_BAD_ARGUMENT, "99");
  x.dtype = STROP_F32;
  {
    strop_tensor wrong = {STROP_U8, 3, NULL, NULL, 0};
    wrong.dims = picture_dims;
    wrong.data = picture;
    wrong.bytes = sizeof picture;
    expect_error(strop_context_bind(context, "x", &wrong, STROP_BIND_COPY, &error), &error, STROP_INPUT_TYPE, "f32[N,3]");
  }
  /* Without an error object the status tells. */
  EXPECT(strop_context_bind(context, NULL, &x, STROP_BIND_COPY, NULL) == STROP_BAD_ARGUMENT);
  EXPECT(strop_context_bind(context, "x", NULL, STROP_BIND_COPY, NULL) == STROP_BAD_ARGUMENT);
  EXPECT(strop_context_run(NULL, NULL) == STROP_BAD_ARGUMENT);

  {
    const strop_shape shapes[2] = {{"x", 2, dims}, {"s", 1, dims}};
    EXPECT(strop_context_prepare(context, shapes, 2, &error) == STROP_OK);
  }
  EXPECT(strop_context_bind(context, "x", &x, STROP_BIND_REFERENCE, &error) == STROP_OK);
  {
    const char* strings[2] = {"one", "t\0o"};
    const uint64_t lengths[2] = {3, 3};
    EXPECT(strop_context_bind_strings(context, "s", 1, dims, strings, lengths, &error) == STROP_OK);
  }
  EXPECT(strop_context_run(context, &error) == STROP_OK);
  EXPECT(error == NULL);

  {
    strop_tensor y;
    EXPECT(strop_context_output(context, "y", &y, &error) == STROP_OK);
    EXPECT(y.dtype == STROP_F32 && y.rank == 2 && y.dims[0] == 2 && y.dims[1] == 3 && y.bytes == 24);
    EXPECT(fabsf(((const float*)y.data)[0] - 1.0f / 3) < 1e-6f);
    EXPECT(((const float*)y.data)[3] == 1.0f);
    expect_error(strop_context_output(context, "t", &y, &error), &error, STROP_BAD_ARGUMENT, "strop_context_output_value");
    EXPECT(y.data == NULL);
  }
  {
    const strop_value* t = NULL;
    const char* text = NULL;
    uint64_t length = 0;
    strop_tensor shape;
    EXPECT(strop_context_output_value(context, "t", &t, &error) == STROP_OK);
    EXPECT(strop_value_get_kind(t) == STROP_VALUE_TENSOR && strop_value_count(t) == 2);
    EXPECT(strop_value_tensor(t, &shape, &error) == STROP_OK);
    EXPECT(shape.dtype == STROP_STRING && shape.rank == 2 && shape.dims[1] == 1);
    EXPECT(strop_value_string(t, 1, &text, &length, &error) == STROP_OK);
    EXPECT(length == 3 && memcmp(text, "t\0o", 3) == 0);
    expect_error(strop_value_string(t, 2, &text, &length, &error), &error, STROP_BAD_ARGUMENT, "2 elements");
    expect_error(strop_value_element(t, 0, &t, &error), &error, STROP_BAD_ARGUMENT, "tensor");
  }
  {
    const strop_step_profile* steps = NULL;
    size_t count = 0;
    EXPECT(strop_context_profile(context, &steps, &count, &error) == STROP_OK);
    EXPECT(count == 2 && strcmp(steps[0].op, "softmax") == 0 && strcmp(steps[0].backend, "reference") == 0);
    EXPECT(steps[0].runs == 1);
  }
  EXPECT(strop_context_peak_memory(context) >= 24);
  {
    float small[5];
    EXPECT(strop_context_bind_output(context, "y", small, sizeof small, &error) == STROP_OK);
    expect_error(strop_context_run(context, &error), &error, STROP_BAD_ARGUMENT, "24 bytes");
    EXPECT(strop_context_bind_output(context, "y", NULL, 0, &error) == STROP_OK);
    EXPECT(strop_context_run(context, &error) == STROP_OK);
  }
}

int main(int argc, char** argv) {
  strop_engine* engine = NULL;
  strop_context* context = NULL;
  strop_error* error = NULL;
  char* text = NULL;
  if (argc != 3) return 2;

  EXPECT(strcmp(strop_version(), "0.1.0") == 0);
  EXPECT(strcmp(strop_dtype_name(STROP_BF16), "bf16") == 0 && strop_dtype_name(1000) == NULL);
  EXPECT(strop_dtype_bits(STROP_I4) == 4 && strop_dtype_bits(0) == 0);
  EXPECT(strcmp(strop_dtype_name(STROP_C128), "c128") == 0 && strcmp(strop_dtype_name(STROP_U64), "u64") == 0);
  EXPECT(strcmp(strop_status_name(STROP_INPUT_TYPE), "wrong input type") == 0);
  EXPECT(strcmp(strop_status_name(-1), "unknown") == 0);
  EXPECT(strop_error_code(NULL) == STROP_OK);

  expect_error(strop_engine_load_file(argv[2], &engine, &error), &error, STROP_FILE_NOT_FOUND, argv[2]);
  EXPECT(engine == NULL);
  expect_error(strop_engine_load_memory("abc", 3, &engine, &error), &error, STROP_NOT_AN_ENGINE, "");
  EXPECT(strop_engine_load_file(argv[1], NULL, NULL) == STROP_BAD_ARGUMENT);

  EXPECT(strop_load_plugin(NULL, NULL) == STROP_BAD_ARGUMENT);
  expect_error(strop_load_plugin(argv[2], &error), &error, STROP_FILE_NOT_FOUND, argv[2]);
  expect_error(strop_load_plugin(argv[1], &error), &error, STROP_NOT_A_PLUGIN, "library");

  EXPECT(strop_engine_read_header(argv[1], &text, &error) == STROP_OK);
  EXPECT(text != NULL && strstr(text, "f32[N,3]") != NULL);
  strop_text_free(text);

  EXPECT(strop_engine_load_file(argv[1], &engine, &error) == STROP_OK);
  if (engine == NULL) {
    fprintf(stderr, "%s\n", strop_error_message(error));
    return 1;
  }
  EXPECT(strstr(strop_engine_header(engine), "f32[N,3]") != NULL);
  EXPECT(strop_engine_input_count(engine) == 2 && strop_engine_output_count(engine) == 2);
  EXPECT(strop_engine_input(engine, 2) == NULL);
  {
    const strop_port* x = strop_engine_input(engine, 0);
    EXPECT(strcmp(x->name, "x") == 0 && strcmp(x->type, "f32[N,3]") == 0 && x->dtype == STROP_F32 && x->rank == 2);
    EXPECT(x->dims[0] == -1 && strcmp(x->symbols[0], "N") == 0 && x->dims[1] == 3 && x->symbols[1] == NULL);
    EXPECT(strop_engine_output(engine, 1)->dtype == STROP_STRING);
  }
  {
    strop_context_options options;
    memset(&options, 0, sizeof options);
    expect_error(strop_context_create(engine, &options, &context, &error), &error, STROP_BAD_OPTION, "struct_size");
    options.struct_size = sizeof options;
    options.tensor_bytes = -2;
    expect_error(strop_context_create(engine, &options, &context, &error), &error, STROP_BAD_OPTION, "tensor_bytes");
    options.tensor_bytes = -1;
    options.profile = 1;
    options.threads = 1;
    EXPECT(strop_context_create(engine, &options, &context, &error) == STROP_OK);
  }
  {
    /* A struct of a longer, newer header: fine while what is unknown is zero. */
    struct {
      strop_context_options known;
      int64_t unknown;
    } newer;
    strop_context* other = NULL;
    memset(&newer, 0, sizeof newer);
    newer.known.struct_size = sizeof newer;
    EXPECT(strop_context_create(engine, &newer.known, &other, &error) == STROP_OK);
    strop_context_destroy(other);
    newer.unknown = 1;
    expect_error(strop_context_create(engine, &newer.known, &other, &error), &error, STROP_BAD_OPTION, "not know");
  }
  if (context == NULL) return 1;
  strop_engine_destroy(engine); /* the context goes on */
  use_context(context);
  strop_context_destroy(context);

  EXPECT(strop_doctor(0, &text, &error) == STROP_OK);
  EXPECT(text != NULL && strstr(text, "reference: ready") != NULL);
  strop_text_free(text);
  EXPECT(strop_doctor(1, &text, &error) == STROP_OK);
  EXPECT(text != NULL && text[0] == '{' && strstr(text, "\"backends\"") != NULL);
  strop_text_free(text);

  strop_engine_destroy(NULL);
  strop_context_destroy(NULL);
  strop_error_destroy(NULL);
  strop_text_free(NULL);
  if (failures == 0) puts("C consumer: all as wanted");
  return failures == 0 ? 0 : 1;
}
