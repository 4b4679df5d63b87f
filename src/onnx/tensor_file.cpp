// SPDX-License-Identifier: Apache-2.0
#include "onnx/tensor_file.hpp"

#include <new>
#include <protozero/pbf_reader.hpp>
#include <utility>

#include "base/os/mapped_file.hpp"
#include "onnx/tensor_decoder.hpp"

namespace strop::onnx {
namespace {

using protozero::pbf_reader;
using protozero::pbf_wire_type;

constexpr std::uint32_t bytes_field(std::uint32_t number) {
  return protozero::tag_and_type(number, pbf_wire_type::length_delimited);
}
constexpr std::uint32_t varint_field(std::uint32_t number) {
  return protozero::tag_and_type(number, pbf_wire_type::varint);
}

// Numbers of SequenceProto.DataType and OptionalProto.DataType.
enum Kind : std::int32_t {
  kUndefined = 0,
  kTensor = 1,
  kSparseTensor = 2,
  kSequence = 3,
  kMap = 4,
  kOptional = 5,
};

[[noreturn]] void fail(const char* what, std::string why) {
  throw Error(ErrorCode::model_malformed, what, std::move(why));
}

class DatumReader {
 public:
  DatumReader(TensorDecoder& decoder, ImportBudget& budget) : decoder_(decoder), budget_(budget) {}

  Datum tensor(std::string_view message) { return decoder_.decode(read_tensor(message, budget_)); }

  Datum sequence(std::string_view message, int depth) {
    check_depth(depth);
    std::int32_t declared = kUndefined;
    std::int32_t found = kUndefined;
    Sequence out;
    pbf_reader r(message.data(), message.size());
    while (r.next()) {
      const auto key = static_cast<std::uint32_t>(r.tag_and_type());
      if (key == varint_field(2)) {
        declared = r.get_int32();
        continue;
      }
      // Fields 3 to 7 hold the elements, one field for each kind in the order of Kind.
      if (r.wire_type() != pbf_wire_type::length_delimited || r.tag() < 3 || r.tag() > 7) {
        r.skip();
        continue;
      }
      const auto kind = static_cast<std::int32_t>(r.tag()) - 2;
      if (found != kUndefined && found != kind)
        fail("a sequence cannot be read", "its elements are of two kinds");
      found = kind;
      budget_.charge_bytes(2 * static_cast<std::int64_t>(sizeof(Datum)));
      out.push_back(value(kind, view(r), depth + 1));
    }
    if (found != kUndefined && declared != kUndefined && found != declared)
      fail("a sequence cannot be read", "its elements are not of the kind that it declares");
    return out;
  }

  Datum optional(std::string_view message, int depth) {
    check_depth(depth);
    std::shared_ptr<const Datum> inside;
    pbf_reader r(message.data(), message.size());
    while (r.next()) {
      if (r.wire_type() != pbf_wire_type::length_delimited || r.tag() < 3 || r.tag() > 7) {
        r.skip();
        continue;
      }
      const auto kind = static_cast<std::int32_t>(r.tag()) - 2;
      inside = std::make_shared<const Datum>(value(kind, view(r), depth + 1));
    }
    return Optional{inside};
  }

  Datum map(std::string_view message, int depth) {
    check_depth(depth);
    std::vector<std::int64_t> numbers;
    std::vector<std::string> strings;
    Map out;
    pbf_reader r(message.data(), message.size());
    while (r.next()) {
      const auto key = static_cast<std::uint32_t>(r.tag_and_type());
      if (key == varint_field(3)) {
        append(numbers, r.get_int64());
      } else if (key == bytes_field(3)) {
        for (const std::int64_t number : r.get_packed_int64()) append(numbers, number);
      } else if (key == bytes_field(4)) {
        const std::string_view text = view(r);
        budget_.charge_bytes(static_cast<std::int64_t>(text.size()));
        append(strings, std::string(text));
      } else if (key == bytes_field(5)) {
        out.values = sequence(view(r), depth + 1).sequence();
      } else {
        r.skip();
      }
    }
    if (!strings.empty() && !numbers.empty())
      fail("a map cannot be read", "its keys are of two kinds");
    const std::size_t count = strings.empty() ? numbers.size() : strings.size();
    if (count != out.values.size()) {
      fail("a map cannot be read", "it has " + std::to_string(count) + " keys and " +
                                       std::to_string(out.values.size()) + " values");
    }
    const Shape shape = {static_cast<std::int64_t>(count)};
    out.keys = strings.empty() ? Tensor::from<std::int64_t>(shape, numbers)
                               : Tensor::from_strings(shape, std::move(strings));
    return out;
  }

 private:
  static std::string_view view(pbf_reader& reader) {
    const auto data = reader.get_view();
    return {data.data(), data.size()};
  }

  static void check_depth(int depth) {
    if (depth > kMaxNesting) {
      throw Error(ErrorCode::limit_exceeded, "a value is nested too deeply",
                  "at most " + std::to_string(kMaxNesting) + " levels are read");
    }
  }

  template <class T>
  void append(std::vector<T>& into, T element) {
    budget_.charge_bytes(2 * static_cast<std::int64_t>(sizeof(T)));
    into.push_back(std::move(element));
  }

  Datum value(std::int32_t kind, std::string_view message, int depth) {
    switch (kind) {
      case kTensor:
        return tensor(message);
      case kSequence:
        return sequence(message, depth);
      case kMap:
        return map(message, depth);
      case kOptional:
        return optional(message, depth);
      default:
        fail("a value cannot be read", "sparse tensors are read as constants of a model only");
    }
  }

  TensorDecoder& decoder_;
  ImportBudget& budget_;
};

}  // namespace

Datum read_tensor_bytes(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                        ValueKind kind) {
  const auto size = static_cast<std::int64_t>(bytes.size());
  constexpr std::int64_t kExtraBytes = std::int64_t{40} << 20;
  ImportBudget budget(kExtraBytes + size, 0);
  ExternalData external;
  TensorDecoder decoder(std::move(owner), external, budget);
  DatumReader reader(decoder, budget);
  const std::string_view message(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  try {
    switch (kind) {
      case ValueKind::tensor:
        return reader.tensor(message);
      case ValueKind::sequence:
        return reader.sequence(message, 1);
      case ValueKind::optional:
        return reader.optional(message, 1);
      case ValueKind::map:
        return reader.map(message, 1);
    }
  } catch (const protozero::exception& error) {
    fail("a value is not encoded properly", std::string("protobuf: ") + error.what());
  } catch (const std::bad_alloc&) {
    throw Error(ErrorCode::out_of_memory, "no memory to read a value",
                "it is " + std::to_string(size) + " bytes long");
  }
  return {};
}

Datum read_tensor_file(const std::filesystem::path& path, ValueKind kind) {
  const std::u8string name = path.u8string();
  const std::string text(name.begin(), name.end());
  try {
    // A copy: inputs are used long after, and nobody checks a mapping then.
    const os::FileView file = os::read_file(text, os::FileAccess::copy);
    return read_tensor_bytes(file.bytes(), file.owner(), kind);
  } catch (Error& error) {
    error.add_context("reading " + text);
    throw;
  }
}

}  // namespace strop::onnx
