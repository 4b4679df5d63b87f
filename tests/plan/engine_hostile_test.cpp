// SPDX-License-Identifier: Apache-2.0
// Engines whose hashes are right and whose contents were made to do harm.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>

#include "plan/engine_generated.h"
#include "plan/engine_header.hpp"
#include "plan/engine_layout.hpp"
#include "plan/plan_limits.hpp"
#include "plan/plan_section.hpp"
#include "plan/sample_plan.hpp"

namespace strop {
namespace {

using engine_layout::Bytes;

Bytes bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

struct Parts {
  std::string json;
  std::vector<std::pair<std::string, std::string>> sections;  // name, contents
};

Parts parts_of(const EngineContents& contents) {
  const auto file = serialize_engine(contents);
  const auto header = engine_layout::read_header(file);
  Parts out{std::string(header.json), {}};
  for (const auto& section : engine_layout::read_sections(file, header)) {
    out.sections.emplace_back(
        section.name,
        std::string(reinterpret_cast<const char*>(section.bytes.data()), section.bytes.size()));
  }
  return out;
}

std::vector<std::byte> sealed(const Parts& parts, const std::string* table = nullptr) {
  std::vector<engine_layout::Section> sections;
  for (const auto& [name, contents] : parts.sections) {
    sections.push_back({name, {bytes_of(contents)}});
  }
  std::vector<std::byte> out;
  const Bytes table_bytes = table != nullptr ? bytes_of(*table) : Bytes();
  engine_layout::write_engine_bytes(
      parts.json, sections, [&](Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); },
      table != nullptr ? &table_bytes : nullptr);
  return out;
}

ErrorCode load_code(const std::vector<std::byte>& bytes) {
  try {
    load_engine(bytes, nullptr);
    return ErrorCode::ok;
  } catch (const Error& error) {
    return error.code();
  }
}

std::string& section(Parts& parts, std::string_view name) {
  for (auto& [known, contents] : parts.sections) {
    if (known == name) return contents;
  }
  throw std::logic_error("no such section");
}

TEST(EngineHostile, sealed_again_is_the_same_file) {
  EXPECT_EQ(sealed(parts_of(testing::sample_engine())), serialize_engine(testing::sample_engine()));
}

struct Fault {
  const char* name;
  std::function<void(Parts&)> make;
};
void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

void replace(std::string& text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  if (at == std::string::npos) throw std::logic_error("nothing to replace");
  text.replace(at, what.size(), by);
}

const Fault kFaults[] = {
    {"no_sections", [](Parts& p) { p.sections.clear(); }},
    {"no_plan", [](Parts& p) { p.sections.erase(p.sections.begin() + 1); }},
    {"no_weights", [](Parts& p) { p.sections.pop_back(); }},
    {"short_weights", [](Parts& p) { section(p, "weights").resize(4); }},
    {"plan_of_zeros", [](Parts& p) { section(p, "plan").assign(500, '\0'); }},
    {"plan_of_ones", [](Parts& p) { section(p, "plan").assign(500, '\xff'); }},
    {"plan_of_a_byte", [](Parts& p) { section(p, "plan") = "x"; }},
    {"plan_of_another_engine",
     [](Parts& p) {
       EngineContents other = testing::sample_engine();
       other.plan.name = "other";
       Parts parts = parts_of(other);
       section(p, "plan") = section(parts, "plan");
     }},
    {"section_twice", [](Parts& p) { p.sections.push_back(p.sections[0]); }},
    {"header_without_json", [](Parts& p) { p.json.clear(); }},
    {"header_of_a_list", [](Parts& p) { p.json = "[]"; }},
    {"header_cut", [](Parts& p) { p.json.resize(p.json.size() / 2); }},
    {"header_nested_deeply", [](Parts& p) { p.json = std::string(2 << 20, '['); }},
    {"header_with_many_keys",
     [](Parts& p) {
       std::string all = "{";
       for (int i = 0; i < 200000; ++i) all += "\"" + std::to_string(i) + "\":{},";
       p.json = all + "\"strop\":1}";
     }},
    {"header_without_target", [](Parts& p) { replace(p.json, "\"target\"", "\"tar\""); }},
    {"header_of_another_input_name", [](Parts& p) { replace(p.json, "\"x\"", "\"y\""); }},
    {"header_of_another_input_type",
     [](Parts& p) {
       replace(p.json, "\"f32[N]\"", "\"f64[N]\"");
       replace(p.json, "\"f32\"", "\"f64\"");
     }},
    {"header_that_contradicts_itself", [](Parts& p) { replace(p.json, "\"f32\"", "\"f64\""); }},
    {"header_of_an_unknown_type", [](Parts& p) { replace(p.json, "\"f32\"", "\"f33\""); }},
    {"header_of_a_bad_dimension", [](Parts& p) { replace(p.json, "\"N\"", "\"N+\""); }},
    {"header_with_plugins_that_are_no_list",
     [](Parts& p) { replace(p.json, "\"plugins\": [", "\"plugins\": 1, \"other\": ["); }},
    {"header_with_a_plugin_without_a_name",
     [](Parts& p) { replace(p.json, "\"name\": \"sample\"", "\"nom\": \"sample\""); }},
    {"header_with_a_plugin_of_no_version", [](Parts& p) { replace(p.json, "\"1.4\"", "\"1.\""); }},
    {"header_with_a_plugin_of_a_long_version",
     [](Parts& p) { replace(p.json, "\"1.4\"", "\"1.99999999999\""); }},
    {"header_with_a_plugin_of_a_negative_version",
     [](Parts& p) { replace(p.json, "\"1.4\"", "\"-1.4\""); }},
    {"header_with_operators_that_are_no_text",
     [](Parts& p) { replace(p.json, "\"test.sample::Affine:1\"", "7"); }},
    {"header_with_a_plugin_without_operators",
     [](Parts& p) { replace(p.json, "\"operators\"", "\"operators\": [], \"other\""); }},
    {"header_of_long_dimensions",
     [](Parts& p) {
       std::string many;
       for (int i = 0; i < 1000; ++i) many += "\"" + std::string(4000, 'N') + "\",";
       replace(p.json, "\"N\"", many + "\"N\"");
     }},
};

class EngineHostileRefuses : public ::testing::TestWithParam<Fault> {};

TEST_P(EngineHostileRefuses, the_fault) {
  Parts parts = parts_of(testing::sample_engine());
  GetParam().make(parts);
  const auto bytes = sealed(parts);
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(load_code(bytes), ErrorCode::engine_invalid);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

INSTANTIATE_TEST_SUITE_P(, EngineHostileRefuses, ::testing::ValuesIn(kFaults),
                         [](const auto& info) { return info.param.name; });

TEST(EngineHostile, a_header_of_before_there_were_plugins_is_read) {
  EngineContents contents = testing::sample_engine();
  contents.header.plugins.clear();
  Parts parts = parts_of(contents);
  replace(parts.json, " \"plugins\": [],\n", "");
  EXPECT_EQ(load_code(sealed(parts)), ErrorCode::ok);
}

TEST(EngineHostile, an_unknown_section_is_left_out) {
  Parts parts = parts_of(testing::sample_engine());
  parts.sections.emplace_back("later", "something new");
  EXPECT_EQ(load_code(sealed(parts)), ErrorCode::ok);
}

TEST(EngineHostile, a_newer_format_is_told_from_damage) {
  auto bytes = serialize_engine(testing::sample_engine());
  bytes[29] = std::byte{'9'};
  EXPECT_EQ(load_code(bytes), ErrorCode::engine_corrupted);
  const std::string check = engine_layout::to_text(
      engine_layout::hash_of(Bytes(bytes).first(engine_layout::kPreambleBytes - 33)));
  std::ranges::copy(
      bytes_of(check),
      bytes.begin() + static_cast<std::ptrdiff_t>(engine_layout::kPreambleBytes) - 33);
  EXPECT_EQ(load_code(bytes), ErrorCode::engine_newer_format);
}

// Tables that follow the schema but not the file.
TEST(EngineHostile, tables_that_point_elsewhere_are_refused) {
  const Parts parts = parts_of(testing::sample_engine());
  const auto good = sealed(parts);
  const auto header = engine_layout::read_header(good);
  std::string bytes(reinterpret_cast<const char*>(good.data()) + header.table_offset,
                    header.table_size);
  EXPECT_EQ(load_code(sealed(parts, &bytes)), ErrorCode::ok);
  std::mt19937 random(9);
  int refused = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string changed = bytes;
    for (unsigned n = 1 + random() % 3; n > 0; --n) {
      changed[random() % changed.size()] = static_cast<char>(random() % 4 == 0 ? 0xff : random());
    }
    refused += load_code(sealed(parts, &changed)) != ErrorCode::ok ? 1 : 0;
  }
  EXPECT_GT(refused, 3000);
}

TEST(EngineHostile, random_plans_are_refused_or_valid) {
  const PlanSections saved = write_plan_sections(testing::sample_plan(), {});
  Tensor weights = Tensor::zeros(DType::u8, {4096});
  const Bytes weight_bytes{weights.data(), 4096};
  std::mt19937 random(10);
  int refused = 0;
  Tensor memory = Tensor::allocate(DType::u8, {static_cast<std::int64_t>(saved.plan.size())});
  for (int i = 0; i < 10000; ++i) {
    std::memcpy(memory.mutable_data(), saved.plan.data(), saved.plan.size());
    for (unsigned n = 1 + random() % 3; n > 0; --n) {
      static constexpr unsigned kValues[] = {0, 1, 2, 0x7f, 0x80, 0xff};
      memory.mutable_data()[random() % saved.plan.size()] =
          static_cast<std::byte>(random() % 2 == 0 ? kValues[random() % 6] : random());
    }
    try {
      const Bytes plan{memory.data(), saved.plan.size()};
      verify(read_plan_sections(plan, weight_bytes, nullptr).plan);
    } catch (const Error& error) {
      ++refused;
      ASSERT_TRUE(error.code() == ErrorCode::engine_invalid ||
                  error.code() == ErrorCode::limit_exceeded)
          << error.message();
    }
  }
  EXPECT_GT(refused, 3000);
  EXPECT_LT(refused, 10000) << "no change reached the plan itself";
}

TEST(EngineHostile, a_bool_that_is_neither_0_nor_1_is_refused) {
  Plan plan;
  Tensor flag = Tensor::scalar<bool>(false);
  flag.mutable_data()[0] = std::byte{2};
  plan.slots = {testing::constant_slot("flag", flag)};
  plan.outputs = {0};
  plan.output_names = {"flag"};
  EngineContents contents;
  contents.plan = plan;
  EXPECT_EQ(load_code(serialize_engine(contents)), ErrorCode::engine_invalid);
}

TEST(EngineHostile, a_plan_of_too_many_slots_is_refused) {
  flatbuffers::FlatBufferBuilder b;
  const auto none = [&b]<class T>(T) { return b.CreateVectorOfStructs(std::vector<T>{}); };
  const auto plans = b.CreateVectorOfStructs(std::vector<fbs::PlanRecord>{
      {0, 0, static_cast<std::uint32_t>(kMaxPlanSlots + 1), 0, 0, 0, 0}});
  const auto slots = b.CreateVectorOfStructs(std::vector<fbs::SlotRecord>(kMaxPlanSlots + 1));
  const auto steps = none(fbs::StepRecord{});
  const auto constraints = none(fbs::ConstraintRecord{});
  const auto tensors = none(fbs::TensorRecord{});
  const auto dims = none(fbs::DimRecord{});
  const auto extents = b.CreateVector(std::vector<std::int64_t>{});
  const auto indices = b.CreateVector(std::vector<std::uint32_t>{});
  const auto lengths = b.CreateVector(std::vector<std::uint32_t>{});
  const auto text = b.CreateVector(std::vector<std::uint8_t>{});
  b.Finish(fbs::CreatePlanSection(b, plans, slots, steps, constraints, tensors, 0, dims, extents,
                                  indices, lengths, text),
           fbs::PlanSectionIdentifier());
  try {
    read_plan_sections({reinterpret_cast<const std::byte*>(b.GetBufferPointer()), b.GetSize()}, {},
                       nullptr);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  }
}

TEST(EngineHostile, more_size_expressions_than_can_be_read_are_refused) {
  Plan plan;
  // As long as one may be; 200 different ones are more than a plan may have.
  std::string product(250, 'a');
  for (int i = 1; i < 16; ++i) product += "*" + std::string(250, static_cast<char>('a' + i));
  const Dim dim = Dim::parse(product);
  for (int i = 0; i < 200; ++i) {
    plan.slots.push_back(testing::tensor_slot(SlotKind::arena, "s", DType::f32, {dim + Dim(i)}));
  }
  EngineContents contents;
  contents.plan = plan;
  try {
    serialize_engine(contents);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::limit_exceeded);
  }
  contents.plan.slots.resize(10);
  EXPECT_EQ(load_code(serialize_engine(contents)), ErrorCode::ok);
}

}  // namespace
}  // namespace strop
