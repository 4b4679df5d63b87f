// SPDX-License-Identifier: Apache-2.0
// strop doctor: what Strop finds on this machine, what is missing and what to do about it.
#include "runtime/doctor.hpp"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/commands.hpp"

namespace strop::cli {
namespace {

struct DoctorCommand {
  bool json = false;
};

struct Advice {
  std::string subject, text;
};

// What a person would do about each backend that cannot be used.
std::vector<Advice> advice(const nlohmann::ordered_json& machine) {
  std::vector<Advice> out;
  for (const auto& backend : machine.at("backends")) {
    if (backend.at("problem").get<std::string>().empty()) continue;
    const auto library = backend.at("library").get<std::string>();
    out.push_back({backend.at("name"), "put " + library +
                                           " beside the program, or into ../lib of it; until then "
                                           "models run on the other backends"});
  }
  return out;
}

void run_doctor(const DoctorCommand& command) {
  auto machine = nlohmann::ordered_json::parse(doctor_json());
  const std::vector<Advice> todo = advice(machine);
  if (!command.json) {
    std::fputs(doctor_text().c_str(), stdout);
    for (const Advice& item : todo)
      std::printf("%-12s %s\n", item.subject.c_str(), item.text.c_str());
    return;
  }
  machine["advice"] = nlohmann::ordered_json::array();
  for (const Advice& item : todo)
    machine["advice"].push_back({{"subject", item.subject}, {"text", item.text}});
  std::puts(machine.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

}  // namespace

void add_doctor_command(CLI::App& app) {
  const auto command = std::make_shared<DoctorCommand>();
  CLI::App* doctor =
      app.add_subcommand("doctor", "Say what Strop finds on this machine and what is missing");
  doctor->add_flag("--json", command->json, "as JSON");
  doctor->callback([command] { run_doctor(*command); });
}

}  // namespace strop::cli
