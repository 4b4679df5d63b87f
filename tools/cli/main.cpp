// SPDX-License-Identifier: Apache-2.0
// strop: compile models, run engines. Output on stdout, errors on stderr, exit code 0 only on
// success.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>

#include "base/error.hpp"
#include "base/os/fault_report.hpp"
#include "cli/commands.hpp"

int main(int argc, char** argv) {
  using namespace strop::cli;
  strop::os::report_faults("strop");
  if (argc > 1) strop::os::note_activity(std::string("strop ") + argv[1]);
#ifndef _WIN32
  // oneDNN's OpenMP threads wait for work in a loop of this many turns (some microseconds) before
  // they sleep; their own default burns a processor for milliseconds and stalls when there are more
  // threads than processors.
  ::setenv("GOMP_SPINCOUNT", "10000", 0);
#endif
  CLI::App app("Compiles ONNX models into engines and runs them.", "strop");
  app.set_version_flag("--version", std::string("strop ") + STROP_VERSION);
  app.require_subcommand(1);
  try {
    add_build_command(app);
    add_run_command(app);
    add_bench_command(app);
    add_inspect_command(app);
    add_operators_command(app);
    add_doctor_command(app);
    app.parse(argc, argv);
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? kExitOk : kExitUsage;
  } catch (const strop::Error& error) {
    std::fprintf(stderr, "strop: %s\n", error.message().c_str());
    return error.code() == strop::ErrorCode::bad_option ? kExitUsage : kExitError;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "strop: STROP-E203 out of memory\n");
    return kExitError;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "strop: STROP-E100 internal fault: %s\n", error.what());
    return kExitError;
  }
}
