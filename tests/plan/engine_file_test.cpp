// SPDX-License-Identifier: Apache-2.0
#include "plan/engine_file.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>

#include "base/version.hpp"
#include "plan/sample_plan.hpp"
#include "support/temporary_folder.hpp"

namespace strop {
namespace {

using testing::sample_engine;
using testing::sample_engine_of;
using testing::TemporaryFolder;

ErrorCode code_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_FALSE(error.message().empty());
    return error.code();
  }
  return ErrorCode::ok;
}

void expect_same(const EngineContents& loaded, const EngineContents& saved) {
  EXPECT_EQ(to_text(loaded.plan), to_text(saved.plan));
  EXPECT_EQ(loaded.graph_text, saved.graph_text);
  EXPECT_EQ(loaded.calibration, saved.calibration);
  EXPECT_EQ(loaded.self_check, saved.self_check);
  ASSERT_EQ(loaded.graph_tensors.size(), saved.graph_tensors.size());
  for (std::size_t i = 0; i < saved.graph_tensors.size(); ++i) {
    EXPECT_TRUE(loaded.graph_tensors[i].identical(saved.graph_tensors[i])) << i;
  }
  EXPECT_EQ(loaded.header.options, saved.header.options);
  EXPECT_EQ(loaded.header.libraries, saved.header.libraries);
  EXPECT_EQ(loaded.header.plugins, saved.header.plugins);
  EXPECT_EQ(loaded.header.instruction_sets, saved.header.instruction_sets);
  EXPECT_EQ(loaded.header.target, saved.header.target);
  EXPECT_EQ(loaded.header.portable, saved.header.portable);
}

TEST(EngineFile, gives_back_what_was_saved) {
  const TemporaryFolder folder;
  EngineContents saved = sample_engine();
  saved.header.portable = true;
  save_engine(saved, folder.path("a.strop"));
  const EngineContents loaded = load_engine(folder.path("a.strop"));
  expect_same(loaded, saved);
  EXPECT_EQ(loaded.header.strop_version, STROP_VERSION);
  EXPECT_EQ(loaded.header.format, 2u);
  EXPECT_EQ(loaded.header.file_size, std::filesystem::file_size(folder.path("a.strop")));
}

TEST(EngineFile, keeps_an_empty_plan_without_weights) {
  EngineContents saved;
  saved.header.target = "cpu";
  const auto bytes = serialize_engine(saved);
  expect_same(load_engine(bytes, nullptr), saved);
}

TEST(EngineFile, maps_large_weights_in_place_and_keeps_the_mapping) {
  const TemporaryFolder folder;
  const EngineContents saved = sample_engine_of(5 << 20);
  save_engine(saved, folder.path("a.strop"));
  std::vector<Tensor> tensors;
  {
    const EngineContents loaded = load_engine(folder.path("a.strop"));
    expect_same(loaded, saved);
    tensors = loaded.graph_tensors;
  }
  EXPECT_TRUE(tensors.back().identical(saved.graph_tensors.back()));
  for (const Tensor& tensor : tensors) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tensor.data()) % 64, 0u);
  }
  // In place: the distance between two tensors is that in the file.
  const auto sections = read_engine_sections(folder.path("a.strop"));
  EXPECT_EQ(sections.back().name, "weights");
  EXPECT_GT(sections.back().bytes, 5u << 20);
  EXPECT_LT(tensors.back().data() - tensors[0].data(), 4096);
}

TEST(EngineFile, loads_from_memory_that_is_not_aligned) {
  const EngineContents saved = sample_engine_of(1000);
  const auto bytes = serialize_engine(saved);
  std::vector<std::byte> shifted(bytes.size() + 1);
  std::memcpy(shifted.data() + 1, bytes.data(), bytes.size());
  expect_same(load_engine(std::span(shifted).subspan(1), nullptr), saved);
}

TEST(EngineFile, has_equal_bytes_for_equal_contents) {
  const TemporaryFolder folder;
  const auto bytes = serialize_engine(sample_engine());
  EXPECT_EQ(serialize_engine(sample_engine()), bytes);
  save_engine(sample_engine(), folder.path("elsewhere.strop"));
  const std::string file = folder.content("elsewhere.strop");
  ASSERT_EQ(file.size(), bytes.size());
  EXPECT_EQ(std::memcmp(file.data(), bytes.data(), bytes.size()), 0);
  // What was loaded saves to the same file.
  EXPECT_EQ(serialize_engine(load_engine(bytes, nullptr)), bytes);
}

TEST(EngineFile, stores_equal_contents_once) {
  const std::size_t once = serialize_engine(sample_engine_of(100000)).size();
  EngineContents twice = sample_engine_of(100000);
  twice.graph_tensors.push_back(twice.graph_tensors.back());          // the same storage
  twice.graph_tensors.push_back(twice.graph_tensors.back().clone());  // the same bytes
  twice.graph_tensors.push_back(twice.graph_tensors.back().reshaped({1000, 100}));
  EXPECT_LT(serialize_engine(twice).size(), once + 1000);
}

TEST(EngineFile, is_told_by_its_header_alone) {
  const TemporaryFolder folder;
  save_engine(sample_engine_of(3 << 20), folder.path("a.strop"));
  const EngineHeader header = read_engine_header(folder.path("a.strop"));
  EXPECT_EQ(header.target, "reference");
  ASSERT_EQ(header.inputs.size(), 1u);
  EXPECT_EQ(header.inputs[0].name, "x");
  EXPECT_EQ(header.inputs[0].type, "f32[N]");
  ASSERT_EQ(header.outputs.size(), 5u);
  EXPECT_EQ(header.outputs[1].name, "found");
  EXPECT_EQ(header.outputs[1].type, "i64[2,found:0]");
  EXPECT_EQ(header.outputs[2].type, "seq(f32[*])");
  EXPECT_EQ(header.outputs[4].shape, (SymShape{1, 3}));
  EXPECT_EQ(header.content_id.size(), 32u);
  EXPECT_EQ(header.content_id, load_engine(folder.path("a.strop")).header.content_id);
  const std::string file = folder.content("a.strop");
  EXPECT_EQ(file.substr(0, 31), "strop-engine\nformat 0000000002\n");
  EXPECT_NE(file.find("\"target\": \"reference\""), std::string::npos);
  // Damage in the weights is not seen, nor looked for.
  std::string damaged = file;
  damaged.back() ^= 1;
  EXPECT_EQ(read_engine_header(folder.file("b.strop", damaged)).content_id, header.content_id);
}

TEST(EngineFile, has_another_identity_for_another_verdict_but_the_same_computation) {
  EngineContents checked = sample_engine();
  checked.self_check = "{\"verdict\": \"passed with noise\"}";
  const EngineContents a = load_engine(serialize_engine(sample_engine()), nullptr);
  const EngineContents b = load_engine(serialize_engine(checked), nullptr);
  EXPECT_NE(a.header.content_id, b.header.content_id);
  EXPECT_EQ(a.header.computation_id, b.header.computation_id);
  EXPECT_EQ(a.header.computation_id, engine_computation_id(checked));
  EngineContents other = sample_engine();
  other.plan.slots[1].constant = Tensor::from<float>({3}, {1, 2, 4});
  EXPECT_NE(a.header.computation_id, engine_computation_id(other));
}

TEST(EngineFile, keeps_names_that_are_no_utf8) {
  EngineContents saved = sample_engine();
  saved.plan.slots[0].name = "x\xff\x01";
  const EngineContents loaded = load_engine(serialize_engine(saved), nullptr);
  EXPECT_EQ(loaded.plan.slots[0].name, "x\xff\x01");
  EXPECT_EQ(loaded.header.inputs[0].name, "x\xEF\xBF\xBD\x01");
}

TEST(EngineFile, refuses_to_save_a_plan_that_would_not_load) {
  EngineContents broken = sample_engine();
  broken.plan.outputs[0] = 99;
  const TemporaryFolder folder;
  EXPECT_EQ(code_of([&] { save_engine(broken, folder.path("a.strop")); }),
            ErrorCode::engine_invalid);
  EXPECT_FALSE(std::filesystem::exists(folder.path("a.strop")));
}

TEST(EngineFile, has_a_distinct_error_for_each_kind_of_bad_file) {
  const TemporaryFolder folder;
  save_engine(sample_engine(), folder.path("good"));
  const std::string good = folder.content("good");
  const auto load = [&](const std::string& content) {
    const std::string path = folder.file("bad", content);
    const ErrorCode header = code_of([&] { read_engine_header(path); });
    const ErrorCode whole = code_of([&] { load_engine(path); });
    if (header != ErrorCode::ok) {
      EXPECT_EQ(header, whole);
    }
    return whole;
  };
  EXPECT_EQ(load(good), ErrorCode::ok);
  EXPECT_EQ(code_of([&] { load_engine(folder.path("none")); }), ErrorCode::file_not_found);
  EXPECT_EQ(code_of([&] { load_engine(folder.path()); }), ErrorCode::file_unreadable);
  EXPECT_EQ(load(""), ErrorCode::not_an_engine);
  EXPECT_EQ(load("\x08\x07onnx"), ErrorCode::not_an_engine);
  EXPECT_EQ(load(good.substr(0, 5)), ErrorCode::engine_truncated);
  EXPECT_EQ(load(good.substr(0, 150)), ErrorCode::engine_truncated);
  EXPECT_EQ(load(good.substr(0, good.size() - 1)), ErrorCode::engine_truncated);
  EXPECT_EQ(load(good + "x"), ErrorCode::engine_corrupted);
  std::string damaged = good;
  damaged[300] ^= 4;
  EXPECT_EQ(load(damaged), ErrorCode::engine_corrupted);
}

TEST(EngineFile, names_the_section_that_is_damaged) {
  const TemporaryFolder folder;
  save_engine(sample_engine_of(3 << 20), folder.path("good"));
  const std::string good = folder.content("good");
  const auto sections = read_engine_sections(folder.path("good"));
  ASSERT_EQ(sections.size(), 5u);
  for (const EngineSection& section : sections) {
    std::string damaged = good;
    damaged[section.offset + section.bytes / 2] ^= 0x10;
    try {
      load_engine(folder.file("bad", damaged));
      FAIL() << section.name;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::engine_corrupted);
      EXPECT_NE(error.message().find("\"" + section.name + "\""), std::string::npos);
      EXPECT_NE(error.message().find("bad"), std::string::npos) << "the file is named";
    }
  }
}

TEST(EngineFile, is_refused_on_a_processor_without_its_instructions) {
  EngineHeader header;
  EXPECT_NO_THROW(require_this_machine(header));
  header.instruction_sets = {"avx9000"};
  EXPECT_EQ(code_of([&] { require_this_machine(header); }), ErrorCode::engine_other_target);
}

}  // namespace
}  // namespace strop
