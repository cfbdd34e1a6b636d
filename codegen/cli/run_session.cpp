// SPDX-License-Identifier: Apache-2.0
// What every way of running shares: opening, recording, figures.
#include <fmt/format.h>
#include <malloc.h>

#include <fstream>

#include <nlohmann/json.hpp>

#include "codegen/cli/options.h"
#include "codegen/cli/run.h"
#include "codegen/cli/standard_output.h"
#include "codegen/run/cpu_library.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

GraphChoice graph_choice(const RunOptions& options) {
  GraphChoice choice{.file = options.graph};
  if (options.numerics == "fast") choice.usual_kv_dtype = DType::f16;
  if (!options.kv_dtype.empty()) choice.kv_dtype = dtype_from_name(options.kv_dtype);
  return choice;
}

/// VmHWM of this program alone: getrusage's figure survives exec and would count the caller's memory.
std::uint64_t peak_resident_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;  // in KiB
  return 0;
}

nlohmann::ordered_json rate(std::int64_t count, double seconds) {
  if (count == 0 || seconds <= 0) return nullptr;
  return static_cast<double>(count) / seconds;
}

/// Why a run that names no backend is the simulator's; "": it is not.
std::string simulator_only(const RunOptions& options) try {
  if (const std::string_view flag = looks_inside(options); !flag.empty()) return fmt::format("{} looks into it", flag);
  run::find_compiler();
  return "";
} catch (const Error& error) {
  return error.what();
}

/// Progress, of what takes long.
void say(const std::string& what) { print_err("openinfer: {} ...\n", what); }

/// What the simulator records into a file, whose errors are to name what the user calls it and not what it is until it
/// is whole.
template <class Work>
void record(const OutputFile& file, const std::string& path, const Work& work) try {
  work();
} catch (const Error& error) {
  std::string message = error.message();
  if (const auto at = message.find(file.write_path()); at != message.npos)
    message.replace(at, file.write_path().size(), path);
  fail(error.code(), "{}", message);
}

/// What says of the graph or the machine, and not of what the user gave, that compiled code cannot be had.
bool is_refusal(ErrorCode code) {
  return code == ErrorCode::unsupported || code == ErrorCode::device_error || code == ErrorCode::io_error;
}

/// Large blocks go back to the system when they are freed: what the program holds is what it uses.
void return_large_blocks() {
#if defined(__GLIBC__)
  ::mallopt(M_MMAP_THRESHOLD, 128 << 10);  // as it is at first, and from now on not raised
#endif
}

}  // namespace

std::string_view looks_inside(const RunOptions& options) {
  if (!options.watch.empty()) return "--watch";
  if (!options.trace.empty()) return "--trace";
  return options.find_nonfinite ? "--find-nonfinite" : "";
}

std::string describe_backend(const std::string& backend) {
  return backend == "sim" ? "sim (the reference interpreter)" : backend + " (compiled for this machine)";
}

std::string PromptTiming::text() const {
  const auto speed = [](std::int64_t count, double seconds) {
    return count > 0 && seconds > 0 ? fmt::format(", {:.1f}/s", static_cast<double>(count) / seconds) : "";
  };
  std::string text;
  if (prompt_tokens > 0)
    text = fmt::format("prompt {} tokens in {:.2f} s{}", prompt_tokens, prompt_s, speed(prompt_tokens, prompt_s));
  if (generated_tokens > 0)
    text += fmt::format("{}generated {} tokens in {:.2f} s{}", text.empty() ? "" : "; ", generated_tokens, generate_s,
                        speed(generate_steps, generate_s));
  return text;
}

void RunStats::add(const PromptTiming& prompt) {
  prompts.push_back(prompt);
  total.prompt_tokens += prompt.prompt_tokens;
  total.prompt_s += prompt.prompt_s;
  total.generated_tokens += prompt.generated_tokens;
  total.generate_steps += prompt.generate_steps;
  total.generate_s += prompt.generate_s;
}

void RunStats::print(const std::string& origin) const {
  const std::string timing = total.text();
  print_err("openinfer: {}, backend {}; loaded in {:.2f} s{}{}; peak memory {}\n", origin, describe_backend(backend),
            load_s, timing.empty() ? "" : "; ", timing, size_text(peak_resident_bytes()));
}

void RunStats::write(OutputFile& file) const {
  nlohmann::ordered_json json;
  json["prompt_tokens_per_s"] = rate(total.prompt_tokens, total.prompt_s);
  json["generate_tokens_per_s"] = rate(total.generate_steps, total.generate_s);
  json["load_s"] = load_s;
  json["bytes_read"] = bytes_read;
  json["peak_resident_bytes"] = peak_resident_bytes();
  json["prompts"] = nlohmann::ordered_json::array();
  for (const PromptTiming& prompt : prompts)
    json["prompts"].push_back({{"prompt_tokens", prompt.prompt_tokens},
                               {"prompt_s", prompt.prompt_s},
                               {"generated_tokens", prompt.generated_tokens},
                               {"generate_s", prompt.generate_s}});
  json["device"] = device.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(device);
  file.write(json.dump(2) + "\n");
  file.commit();
}

Run::Run(const RunOptions& o) : options(o), model(open_model(o.model)), chosen(choose_graph(model, graph_choice(o))) {
  if (!o.trace.empty()) trace_.emplace(o.trace);
  if (!o.stats.empty()) stats_file_.emplace(o.stats);
  stats.backend = o.backend.empty() ? "cpu" : o.backend;
}

std::map<std::string, std::int64_t> Run::dims() const {
  std::map<std::string, std::int64_t> dims;
  for (const auto& text : options.dims) {
    const auto [name, value] = split_assignment(text);
    dims.insert_or_assign(name, std::stoll(value));
  }
  return dims;
}

SimSession Run::session(std::map<std::string, std::int64_t> dims, std::string why_not) {
  if (options.memory_budget > 0) return_large_blocks();
  const SimOptions how = {.threads = options.threads,
                          .dims = std::move(dims),
                          .find_nonfinite = options.find_nonfinite,
                          .gpu = options.gpu,
                          .numerics = numerics_from_name(options.numerics),
                          .memory_budget = options.memory_budget,
                          .on_compile = say};
  const auto on = [&](Backend backend) { return SimSession(model, chosen.graph, backend, how, Location{}); };
  if (!options.backend.empty()) {
    if (options.backend != "sim" && !why_not.empty())
      fail(ErrorCode::unsupported, "[run] --backend {}: {}; use --backend sim", options.backend, why_not);
    return on(backend_from_name(options.backend));
  }
  if (why_not.empty()) why_not = simulator_only(options);
  if (why_not.empty()) {
    try {
      return on(Backend::cpu);
    } catch (const Error& error) {
      if (!is_refusal(error.code())) throw;
      why_not = error.what();
    }
  }
  note_ = fmt::format("runs in the simulator: {}", why_not);
  stats.backend = "sim";
  return on(Backend::sim);
}

void Run::attach(SimSession& session) {
  for (const auto& name : options.watch) watch(session, name);
  if (trace_) record(*trace_, options.trace, [&] { session.trace(trace_->write_path(), Location{}); });
  stats.load_s = seconds_since(start);
  if (!note_.empty()) print_err("openinfer: {}\n", note_);
  for (const std::string& remark : session.remarks()) print_err("openinfer: {}\n", remark);
  stats.device = session.device();
}

void Run::finish(SimSession& session) {
  if (trace_) {
    record(*trace_, options.trace, [&] { session.stop_trace(Location{}); });
    trace_->commit();
  }
  stats.bytes_read = session.stats().bytes_read;
  if (stats_file_) stats.write(*stats_file_);
  stats.print(chosen.origin);
}

std::int64_t choose_context(const RunOptions& options, const RowContract& contract, std::int64_t wanted) {
  if (!options.max_context) return std::min(wanted, contract.max_context);
  if (*options.max_context > contract.max_context)
    fail(ErrorCode::invalid_argument, "[run] --max-context {}: this graph holds at most {}", *options.max_context,
         contract.max_context);
  return *options.max_context;
}

}  // namespace openinfer::cli
