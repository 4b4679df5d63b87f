/* SPDX-License-Identifier: Apache-2.0
 * Arguments: the example plugin, and an engine of the model of tests/plugin/attention_model.hpp. The runtime alone. */
#include <stdio.h>
#include <stdlib.h>
#include <strop/strop.h>

static void require(strop_status status, strop_error* error) {
  if (status == STROP_OK) return;
  fprintf(stderr, "%s\n", strop_error_message(error));
  exit(1);
}

int main(int argc, char** argv) {
  strop_engine* engine = NULL;
  strop_context* context = NULL;
  strop_error* error = NULL;
  float values[40];
  const float weights[2] = {1, 2};
  /* The middle of the second pixel; the border between the last two. */
  const float locations[4] = {0.3f, 0.5f, 0.8f, 0.5f};
  const int64_t value_dims[4] = {1, 5, 1, 8}, weight_dims[5] = {1, 1, 1, 1, 2}, location_dims[6] = {1, 1, 1, 1, 2, 2};
  strop_tensor value = {STROP_F32, 4, NULL, NULL, sizeof values};
  strop_tensor weight = {STROP_F32, 5, NULL, NULL, sizeof weights};
  strop_tensor location = {STROP_F32, 6, NULL, NULL, sizeof locations};
  strop_tensor y;
  int i;
  if (argc != 3) return 2;
  for (i = 0; i < 40; ++i) values[i] = (float)i;
  value.dims = value_dims;
  value.data = values;
  weight.dims = weight_dims;
  weight.data = (void*)weights;
  location.dims = location_dims;
  location.data = (void*)locations;

  if (strop_engine_load_file(argv[2], &engine, &error) != STROP_MISSING_PLUGIN) return 1;
  printf("without it: %s\n", strop_error_message(error));
  strop_error_destroy(error);
  if (strop_load_plugin(argv[2], NULL) != STROP_NOT_A_PLUGIN) return 1;
  require(strop_load_plugin(argv[1], &error), error);
  require(strop_engine_load_file(argv[2], &engine, &error), error);
  require(strop_context_create(engine, NULL, &context, &error), error);
  require(strop_context_bind(context, "value", &value, STROP_BIND_COPY, &error), error);
  require(strop_context_bind(context, "weights", &weight, STROP_BIND_COPY, &error), error);
  require(strop_context_bind(context, "locations", &location, STROP_BIND_COPY, &error), error);
  require(strop_context_run(context, &error), error);
  require(strop_context_output(context, "y", &y, &error), error);
  for (i = 0; i < 8; ++i) {
    const float expected = (float)(8 + i + 2 * (28 + i)), got = ((const float*)y.data)[i];
    if (got < expected - 1e-3f || got > expected + 1e-3f) {
      fprintf(stderr, "channel %d is %g, not %g\n", i, got, expected);
      return 1;
    }
  }
  strop_context_destroy(context);
  strop_engine_destroy(engine);
  puts("plugin: as wanted");
  return 0;
}
