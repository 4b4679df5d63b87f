// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <strop/strop.h>

int main(void) {
  strop_engine* engine = NULL;
  strop_error* error = NULL;
  if (strop_engine_load_file("absent.strop", &engine, &error) == 0) return 1;
  printf("strop %s: %s\n", strop_version(), strop_error_message(error));
  strop_error_destroy(error);
  return 0;
}
