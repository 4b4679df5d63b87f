// SPDX-License-Identifier: Apache-2.0
// Arguments: the example plugin, the model of tests/plugin/attention_model.hpp, the engine to
// write. Loads the plugin by the runtime and builds by the builder, which are two libraries.
#include <iostream>
#include <strop/strop.hpp>

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    try {
      strop::build(argv[2]);
      return 1;
    } catch (const strop::Exception& error) {
      if (error.code != STROP_UNSUPPORTED_OPERATOR ||
          error.hint.find("--plugin") == std::string::npos)
        throw;
    }
    strop::load_plugin(argv[1]);
    std::string report;
    strop::BuildOptions options;
    options.report = &report;
    const strop::Engine engine = strop::build(argv[2], options);
    if (report.find("\"backend\": \"plugin\"") == std::string::npos) return 1;
    engine.save(argv[3]);
    options.plugins = {argv[1]};
    strop::build(argv[2], options);  // named again: fine
  } catch (const std::exception& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
