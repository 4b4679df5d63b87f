// SPDX-License-Identifier: Apache-2.0
#include "runtime/doctor.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/os/cpu_features.hpp"
#include "base/version.hpp"
#include "runtime/backend_loader.hpp"

namespace strop {

std::string doctor_text() {
  const os::CpuFeatures& cpu = os::cpu_features();
  std::string out = "Strop " STROP_VERSION "\n";
  out += fmt::format("processor    {} {}\n", cpu.vendor, cpu.brand);
  out += fmt::format("             {}\n", os::instruction_sets(cpu));
  out += fmt::format("threads      {} available\n", os::available_cpus());
  out += fmt::format("memory       {:.1f} GiB\n",
                     static_cast<double>(os::memory_bytes()) / (1u << 30));
  for (const BackendStatus& backend : probe_backends()) {
    out += fmt::format("backend      {}: ", backend.name);
    if (backend.problem.empty()) {
      out += fmt::format("ready, version {}{}\n", backend.version,
                         backend.path.empty() ? std::string() : ", " + backend.path);
      if (!backend.description.empty())
        out += fmt::format("             {}\n", backend.description);
    } else {
      out += fmt::format("not usable\n             {} is needed: {}\n", backend.library,
                         backend.problem);
    }
  }
  return out;
}

std::string doctor_json() {
  const os::CpuFeatures& cpu = os::cpu_features();
  nlohmann::ordered_json out;
  out["version"] = STROP_VERSION;
  auto features = nlohmann::ordered_json::array();
  std::string names = os::instruction_sets(cpu);
  for (std::size_t at = 0; at < names.size();) {
    const std::size_t end = std::min(names.find(' ', at), names.size());
    features.push_back(names.substr(at, end - at));
    at = end + 1;
  }
  out["cpu"] = {{"vendor", cpu.vendor},
                {"brand", cpu.brand},
                {"features", features},
                {"threads", os::available_cpus()},
                {"memory_bytes", os::memory_bytes()}};
  out["backends"] = nlohmann::ordered_json::array();
  for (const BackendStatus& backend : probe_backends()) {
    out["backends"].push_back({{"name", backend.name},
                               {"library", backend.library},
                               {"path", backend.path},
                               {"version", backend.version},
                               {"description", backend.description},
                               {"problem", backend.problem}});
  }
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace strop
