// SPDX-License-Identifier: Apache-2.0
// The test cases of the standard as the package `onnx` carries them: a folder with model.onnx and
// test_data_set_*/{input,output}_*.pb. Models written by random_models.py lie in the same way.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/tensor.hpp"
#include "ir/type.hpp"

namespace strop::conformance {

struct Case {
  std::string name;   // of the folder: "test_softmax_axis_0"
  std::string group;  // "node", "simple", ...; "random": written by random_models.py
  std::filesystem::path folder;
  std::filesystem::path model() const { return folder / "model.onnx"; }
};

struct DataSet {
  std::string name;  // "test_data_set_0"
  std::vector<Datum> inputs, outputs;
};

// The cases below the groups ("node", "simple", ..., "random") of `data`, by name. Folders without
// a model (whose models are downloaded) are left out.
std::vector<Case> find_cases(const std::filesystem::path& data);

// What a case is fed and what is to come out, in the order of the model's inputs and outputs, whose
// types say how each file is read.
std::vector<DataSet> read_data_sets(const Case& test, const std::vector<Type>& inputs,
                                    const std::vector<Type>& outputs);

// Nothing when `got` is `expected`: integers, bools and strings equal, floats within
// |got - expected| <= absolute + relative * |expected|, and the same for what sequences, optionals
// and maps hold. Otherwise where they differ first.
struct Tolerance {
  double relative = 0, absolute = 0;
};
std::string difference(const Datum& got, const Datum& expected, const Tolerance& tolerance,
                       const std::string& where);
// The same, of kinds, element types and shapes alone.
std::string difference_of_types(const Datum& got, const Datum& expected, const std::string& where);

}  // namespace strop::conformance
