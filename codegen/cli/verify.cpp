// SPDX-License-Identifier: Apache-2.0
// openinfer verify: structure and index of a package; with --deep every checksum.
#include <fmt/format.h>

#include <memory>

#include "codegen/cli/commands.h"
#include "codegen/cli/options.h"
#include "codegen/cli/standard_output.h"

namespace openinfer::cli {

void add_verify(CLI::App& app, Action& action) {
  struct Options {
    std::string model;
    bool deep = false;
  };
  auto options = std::make_shared<Options>();
  auto* command = app.add_subcommand("verify", "Check a package's structure and index");
  command->add_option("M", options->model, "Package (.oinf)")->required();
  command->add_flag("--deep", options->deep, "Read everything and compare every checksum");
  command->footer("Examples:\n  openinfer verify smollm2.oinf\n  openinfer verify smollm2.oinf --deep && echo whole");
  command->callback([options, &action] {
    action = [options] {
      const Model model = open_model(options->model);
      if (options->deep) model.verify();
      print_out("{}: ok ({} tensors; {})\n", options->model, model.tensor_count(),
                options->deep ? "structure, index, every checksum" : "structure and index");
    };
  });
}

}  // namespace openinfer::cli
