// SPDX-License-Identifier: Apache-2.0
// Reads the text in pictures of text lines with the PP-OCRv4 recogniser, through Strop's public
// API.
//
//   read_text MODEL CHARACTERS PICTURE.png... [--layers]
//
// MODEL is an engine of `strop build`, or an ONNX file that is built first. CHARACTERS has one
// character of the model's alphabet a line. Prints per picture the text, its confidence and the
// time, then where the layers ran.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <strop/strop.hpp>
#include <vector>

#include "picture.hpp"
#include "text_line.hpp"

namespace {

struct Arguments {
  std::string model, characters;
  std::vector<std::string> pictures;
  bool layers = false;
};

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
      .count();
}

// The only name of its kind; a model with more inputs or outputs is another model.
std::string only_name(const std::vector<strop::Port>& ports, const char* kind) {
  if (ports.size() != 1)
    throw std::runtime_error("the model has " + std::to_string(ports.size()) + " " + kind +
                             ", a recogniser of text lines has one");
  return ports[0].name;
}

void read_picture(strop::Context& context, const std::string& input, const std::string& output,
                  const std::vector<std::string>& characters, const std::string& path) {
  const LineTensor line = make_line_tensor(read_png(path));
  const std::vector<std::int64_t> dims{1, 3, kLineHeight, line.width};
  context.bind<float>(input, dims, line.values);
  context.prepare({});  // plans memory for this width, so that the time below is that of the run
  const auto start = std::chrono::steady_clock::now();
  context.run();
  const double milliseconds = milliseconds_since(start);

  const strop::TensorView scores = context.output(output);
  if (scores.dims().size() != 3)
    throw std::runtime_error("the model's output is no sequence of scores");
  const Text text = decode_text(scores.values<float>(), scores.dims()[1], characters);
  std::printf("%-20s %5.1f %%  %7.1f ms  %s\n",
              std::filesystem::path(path).filename().string().c_str(), text.confidence * 100,
              milliseconds, text.text.c_str());
}

// Steps and time per backend and implementation; with `layers` every step.
void print_places(strop::Context& context, bool layers) {
  struct Place {
    std::size_t steps = 0;
    double ms = 0;
  };
  std::map<std::string, Place> backends;
  std::map<std::pair<std::string, std::string>, Place> tactics;
  double total = 0;
  const std::vector<strop::StepProfile> steps = context.profile();
  for (const strop::StepProfile& step : steps) {
    const double ms = static_cast<double>(step.total_ns) / 1e6;
    total += ms;
    const auto add = [ms](Place& place) {
      ++place.steps;
      place.ms += ms;
    };
    add(backends[step.backend]);
    add(tactics[{step.backend, step.tactic.empty() ? step.op : step.tactic}]);
  }
  const double whole = std::max(total, 1e-9);
  if (layers) {
    std::printf("\n%-40s %-12s %-10s %-24s %9s\n", "layer", "operator", "backend", "tactic", "ms");
    for (const strop::StepProfile& step : steps) {
      std::printf("%-40s %-12s %-10s %-24s %9.3f\n", step.name.c_str(), step.op.c_str(),
                  step.backend.c_str(), step.tactic.c_str(),
                  static_cast<double>(step.total_ns) / 1e6);
    }
  }
  std::printf("\nwhere the %zu layers ran, all pictures together\n", steps.size());
  for (const auto& [backend, place] : backends) {
    std::printf("%-10s %4zu layers  %8.1f ms  %5.1f %%\n", backend.c_str(), place.steps, place.ms,
                place.ms / whole * 100);
    for (const auto& [key, part] : tactics) {
      if (key.first != backend) continue;
      std::printf("    %-28s %4zu x  %8.1f ms\n", key.second.c_str(), part.steps, part.ms);
    }
  }
}

strop::Engine open_engine(const std::string& model) {
  if (!model.ends_with(".onnx")) return strop::load(model);
  strop::BuildOptions options;
  options.shapes = "x=1x3x48x480";  // the width of a usual line; every other works too
  return strop::build(model, options);
}

void read_pictures(const Arguments& arguments) {
  const auto start = std::chrono::steady_clock::now();
  const strop::Engine engine = open_engine(arguments.model);
  const std::vector<std::string> characters = read_characters(arguments.characters);
  const std::string input = only_name(engine.inputs(), "inputs");
  const std::string output = only_name(engine.outputs(), "outputs");
  std::printf("Strop %s, engine ready after %.0f ms: %s %s -> %s %s\n\n", strop::version().c_str(),
              milliseconds_since(start), input.c_str(), engine.inputs()[0].type.c_str(),
              output.c_str(), engine.outputs()[0].type.c_str());
  strop::ContextOptions options;
  options.profile = true;
  strop::Context context = engine.create_context(options);
  for (const std::string& path : arguments.pictures)
    read_picture(context, input, output, characters, path);
  print_places(context, arguments.layers);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  std::vector<std::string> words;
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--layers") {
      arguments.layers = true;
    } else {
      words.emplace_back(argv[i]);
    }
  }
  if (words.size() < 3) {
    std::fprintf(stderr, "usage: read_text MODEL CHARACTERS PICTURE.png... [--layers]\n");
    return 2;
  }
  arguments.model = words[0];
  arguments.characters = words[1];
  arguments.pictures.assign(words.begin() + 2, words.end());
  try {
    read_pictures(arguments);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "read_text: %s\n", error.what());
    return 1;
  }
}
