// SPDX-License-Identifier: Apache-2.0
// Any bytes as the file of a timing cache: taken or set aside with a note, and what was taken is
// written as a file that holds the same.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "tactic/timing_cache.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  strop::TimingCache cache("fuzzer");
  if (cache.merge(std::as_bytes(std::span(data, size)), "input")) return 0;
  cache.find("problem", {"a", "b"});
  const std::string text = cache.to_text();
  strop::TimingCache again("fuzzer");
  if (again.merge(std::as_bytes(std::span(text)), "output") || again.to_text() != text)
    std::abort();
  return 0;
}
