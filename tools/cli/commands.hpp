// SPDX-License-Identifier: Apache-2.0
// The subcommands. Each file adds one to the application; its callback runs after parsing and
// throws strop::Error, which main turns into text (or JSON) on stderr and an exit code.
#pragma once

namespace CLI {
class App;
}

namespace strop::cli {

void add_build_command(CLI::App& app);
void add_run_command(CLI::App& app);
void add_bench_command(CLI::App& app);
void add_inspect_command(CLI::App& app);
void add_operators_command(CLI::App& app);
void add_doctor_command(CLI::App& app);

// Exit codes of the program; docs/cli.md.
inline constexpr int kExitOk = 0;
inline constexpr int kExitError = 1;  // model, engine, input or machine
inline constexpr int kExitUsage = 2;  // the command line itself

}  // namespace strop::cli
