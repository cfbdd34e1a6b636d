// The model as a command: generates from token ids, runs any step on .npy files, or measures speed.
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include "flags.h"
#include "model.h"
#include "npy.h"
#include "output_file.h"
#include "printable.h"
#include "program.h"
#include "sequences.h"
#include "vocabulary.h"
#if __has_include("check.h")  // of programs emitted with --check-data
#include "check.h"
#endif

namespace MODEL_NAME {
namespace {

/// Seconds of a clock that is never set. POSIX's, since <chrono> takes as long to compile as half of this file.
struct Clock {
  static double now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
  }
};
double seconds_since(double start) { return Clock::now() - start; }

/// Of this program alone: getrusage's figure survives exec and would count the caller's memory. 0: unknown.
long long peak_resident_bytes() {
  long long kib = 0;
  if (std::FILE* status = std::fopen("/proc/self/status", "re")) {
    char line[256];
    while (std::fgets(line, sizeof line, status) && std::sscanf(line, "VmHWM: %lld", &kib) != 1) continue;
    std::fclose(status);
  }
  return kib * 1024;
}

/// On a terminal, and gone when it is full.
void upload_bar(std::int64_t done, std::int64_t total) {
  constexpr int kWidth = 40;
  const int full = static_cast<int>(kWidth * done / std::max<std::int64_t>(total, 1));
  std::fprintf(stderr, "\rupload [%-*.*s] %lld / %lld MB", kWidth, full, "########################################",
               static_cast<long long>(done / 1000000), static_cast<long long>(total / 1000000));
  if (done == total) std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
}

/// Which kernel took how long, the longest first.
void print_timings(const Model& model) {
  std::vector<std::pair<std::string, Timing>> all;
  double sum = 0;
  for (const auto& [kernel, timing] : model.timings()) all.emplace_back(kernel, timing), sum += timing.seconds;
  if (all.empty()) throw Error("--timings: the device has no timestamps");
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.second.seconds > b.second.seconds; });
  for (const auto& [kernel, timing] : all)
    std::fprintf(stderr, "%9.3f ms %5.1f %%  %6lld x %8.1f us  %s\n", timing.seconds * 1e3, 100 * timing.seconds / sum,
                 static_cast<long long>(timing.dispatches),
                 timing.seconds / static_cast<double>(timing.dispatches) * 1e6, kernel.c_str());
}

/// "2 threads"; on GPUs nothing.
std::string on_threads(const Model& model) {
  return kOnCpu ? ", " + std::to_string(model.stats().threads) + " threads" : "";
}

Options options_of(const Flags& flags) {
  Options options = {.threads = flags.threads,
                     .device = flags.gpu,
                     .validate = flags.validate,
                     .timings = flags.timings,
                     .memory_limit_bytes = flags.memory_limit_bytes};
  if (::isatty(2)) options.progress = upload_bar;
  return options;
}

/// Opened with a cache for that many positions and sequences, as far as the model can hold them.
Model open_for(const Flags& flags, std::int64_t positions, std::int64_t slots = 1) {
  const Cache& cache = Model::cache();
  Options options = options_of(flags);
  const std::int64_t most = cache.max_context > 0 ? cache.max_context : INT64_MAX;
  if (flags.max_context.value_or(0) > most)
    throw Error("--max-context " + std::to_string(*flags.max_context) + ": this program was emitted for up to " +
                std::to_string(most));
  if (flags.max_context && cache.context_symbol.empty())
    throw Error("--max-context " + std::to_string(*flags.max_context) +
                ": this program has no cache whose size is open");
  if (!cache.context_symbol.empty())
    options.sizes[std::string(cache.context_symbol)] =
        std::min(most, std::max<std::int64_t>(1, flags.max_context.value_or(positions)));
  if (!cache.slots_symbol.empty()) options.sizes[std::string(cache.slots_symbol)] = std::min(slots, cache.max_slots);
  for (const auto& [name, size] : flags.dims) options.sizes[name] = size;
  return Model::open(flags.package, options);
}

std::int64_t context_of(const Model& model) {
  const Cache& cache = Model::cache();
  if (cache.max_context == 0) return INT64_MAX;
  return cache.context_symbol.empty() ? cache.max_context : model.size(cache.context_symbol);
}

struct Times {
  double load_s = 0, prompt_s = 0, generate_s = 0;
  std::int64_t prompt_tokens = 0, generate_steps = 0;
};
double rate(std::int64_t count, double seconds) { return seconds > 0 ? static_cast<double>(count) / seconds : 0; }

/// Of what once failed the C library drops the bytes, and the next fflush succeeds.
void flush_out() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout))
    throw Error(std::string("standard output cannot be written: ") + std::strerror(errno));
}

void write_stats(const std::string& path, const Times& times, const Stats& stats) {
  flush_out();      // it may be where this goes
  char text[1024];  // twice what it takes
  const int size = std::snprintf(
      text, sizeof text,
      "{\"prompt_tokens_per_s\": %.6g, \"generate_tokens_per_s\": %.6g, \"load_s\": %.6g, \"bytes_read\": %lld, "
      "\"peak_resident_bytes\": %lld, \"state_bytes\": %lld, \"arena_bytes\": %lld, \"repacked_bytes\": %lld, "
      "\"threads\": %d}\n",
      rate(times.prompt_tokens, times.prompt_s), rate(times.generate_steps, times.generate_s), times.load_s,
      static_cast<long long>(stats.weight_bytes * stats.steps), peak_resident_bytes(),
      static_cast<long long>(stats.state_bytes), static_cast<long long>(stats.arena_bytes),
      static_cast<long long>(stats.repacked_bytes), stats.threads);
  OutputFile file(path);
  file.write(text, static_cast<std::size_t>(size));
  file.commit();
}

// --- what it can do ---

/// What to do about a context that is too small.
std::string larger_context(std::int64_t context) {
  return context < Model::cache().max_context ? "; give fewer, or a larger --max-context"
                                              : "; give fewer, or emit again with a larger --max-context";
}

void check_prompts(const Flags& flags, const Vocabulary& vocabulary, std::int64_t context) {
  if (flags.text && vocabulary.empty()) throw Error(flags.package + " has no vocabulary: use --ids");
  for (const auto& prompt : flags.prompts)
    if (static_cast<std::int64_t>(prompt.size()) > context)
      throw Error(std::to_string(prompt.size()) + " tokens do not fit into a context of " + std::to_string(context) +
                  larger_context(context));
}

void say_times(const Flags& flags, const Times& times, const Model& model) {
  std::fprintf(stderr, "model: %lld prompt tokens at %.1f/s, %lld steps at %.1f/s%s\n",
               static_cast<long long>(times.prompt_tokens), rate(times.prompt_tokens, times.prompt_s),
               static_cast<long long>(times.generate_steps), rate(times.generate_steps, times.generate_s),
               on_threads(model).c_str());
  if (flags.timings) print_timings(model);
  if (!flags.stats.empty()) write_stats(flags.stats, times, model.stats());
}

/// A token's, which may be a part of a character, or NUL; on a terminal none steers it.
void print_bytes(const std::string& bytes) {
  const bool terminal = ::isatty(1) == 1;
  for (const char& byte : bytes)
    if (terminal && static_cast<unsigned char>(byte) < 0x80)
      std::fputs(printable({&byte, 1}, "\n\t").c_str(), stdout);
    else
      std::putchar(byte);
}

void generate(const Flags& flags) {
  const std::int64_t wanted = flags.generate.value_or(128);
  const std::vector<std::int32_t>& prompt = flags.prompts.front();
  const auto prompt_tokens = static_cast<std::int64_t>(prompt.size());
  Times times;
  auto start = Clock::now();
  Model model = open_for(flags, prompt_tokens + wanted);
  Rows rows(model);
  const Vocabulary vocabulary(model.program().reader());
  times.load_s = seconds_since(start);
  const std::int64_t context = context_of(model);
  check_prompts(flags, vocabulary, context);
  start = Clock::now();
  std::span<const float> logits;
  if (flags.logits.empty()) {
    logits = rows.feed(prompt);
  } else {
    NpyFile file(flags.logits, "f32", {prompt_tokens, rows.vocab()});
    logits = rows.feed_all(prompt, [&](std::span<const float> piece) { file.write(piece.data(), piece.size_bytes()); });
    file.commit();
  }
  times.prompt_tokens = prompt_tokens;
  times.prompt_s = seconds_since(start);

  start = Clock::now();
  bool full = false;
  for (std::int64_t n = 0; n < wanted; ++n) {
    const std::int32_t id = greedy(logits);
    const bool end = !flags.ignore_eos && vocabulary.is_end(id);
    if (flags.text)
      print_bytes(end ? "" : vocabulary.bytes(id));
    else
      std::printf("%s%d", n > 0 ? "," : "", id);
    flush_out();
    if (end || n + 1 == wanted) break;
    if (full = rows.held() == context; full) break;
    logits = rows.feed({&id, 1});
    ++times.generate_steps;
  }
  if (wanted > 0) std::printf("\n");
  flush_out();
  if (full) std::fprintf(stderr, "model: the context of %lld is full\n", static_cast<long long>(context));
  times.generate_s = seconds_since(start);
  say_times(flags, times, model);
}

/// An answer as a line of ids, or "[2]" and its text.
void print_answer(const Flags& flags, const Vocabulary& vocabulary, std::size_t number,
                  const Sequences::Answer& answer) {
  if (flags.text) std::printf("[%zu] ", number);
  for (std::size_t n = 0; n < answer.ids.size(); ++n) {
    const std::int32_t id = answer.ids[n];
    if (!flags.text)
      std::printf("%s%d", n > 0 ? "," : "", id);
    else if (flags.ignore_eos || !vocabulary.is_end(id))
      print_bytes(vocabulary.bytes(id));
  }
  std::printf("\n");
  flush_out();
  if (answer.full) std::fprintf(stderr, "model: the context of prompt %zu is full\n", number);
}

/// Several prompts side by side; answers in their order, each when it and those before it are complete.
void generate_side_by_side(const Flags& flags) {
  const std::int64_t wanted = flags.generate.value_or(128);
  std::size_t longest = 0;
  for (const auto& prompt : flags.prompts) longest = std::max(longest, prompt.size());
  Times times;
  auto start = Clock::now();
  Model model =
      open_for(flags, static_cast<std::int64_t>(longest) + wanted, static_cast<std::int64_t>(flags.prompts.size()));
  Rows rows(model);
  const Vocabulary vocabulary(model.program().reader());
  times.load_s = seconds_since(start);
  const std::int64_t context = context_of(model);
  check_prompts(flags, vocabulary, context);
  Sequences sequences(rows, flags.prompts, {.tokens = wanted, .context = context});
  const auto is_end = [&](std::int32_t id) { return !flags.ignore_eos && vocabulary.is_end(id); };
  for (std::size_t printed = 0; !sequences.done();) {
    start = Clock::now();
    times.prompt_tokens += sequences.take_in(is_end);
    times.prompt_s += seconds_since(start);
    start = Clock::now();
    times.generate_steps += sequences.decode(is_end);
    times.generate_s += seconds_since(start);
    const auto& answers = sequences.answers();
    for (; printed < answers.size() && answers[printed].done; ++printed)
      print_answer(flags, vocabulary, printed + 1, answers[printed]);
  }
  say_times(flags, times, model);
}

/// The same in every run.
std::vector<std::int32_t> random_tokens(std::int64_t count, std::int64_t vocab) {
  std::vector<std::int32_t> tokens;
  std::uint32_t random = 1;
  for (std::int64_t i = 0; i < count; ++i) {
    random = random * 1664525 + 1013904223;
    tokens.push_back(static_cast<std::int32_t>((random >> 8) % static_cast<std::uint32_t>(vocab)));
  }
  return tokens;
}

void bench(const Flags& flags) {
  const std::int64_t tokens = flags.generate.value_or(64);
  Times times = {.prompt_tokens = flags.bench_prompt, .generate_steps = tokens * flags.batch};
  auto start = Clock::now();
  Model model = open_for(flags, std::max(flags.bench_prompt, flags.depth + tokens), flags.batch);
  times.load_s = seconds_since(start);
  Rows rows(model);
  if (std::max(flags.bench_prompt, flags.depth + tokens) > context_of(model))
    throw Error("--prompt " + std::to_string(flags.bench_prompt) + ", --depth " + std::to_string(flags.depth) +
                ", --generate " + std::to_string(tokens) + ": do not fit into a context of " +
                std::to_string(context_of(model)) + larger_context(context_of(model)));
  if (flags.batch > rows.slots())
    throw Error("--batch " + std::to_string(flags.batch) + ": this program holds " + std::to_string(rows.slots()) +
                " sequences: emit again with --batch " + std::to_string(flags.batch) +
                ", if the graph has as many slots");
  const std::vector<std::int32_t> prompt = random_tokens(flags.bench_prompt, rows.vocab());
  for (int n = 0; n < 2; ++n) {  // reads the package's pages; then what is laid out anew is, by a second step
    rows.feed(prompt);
    rows.rewind(0);
  }
  start = Clock::now();
  rows.feed(prompt);
  times.prompt_s = seconds_since(start);
  // Positions that nobody wrote would be one page of zeros, read from a cache of the processor.
  const std::vector<std::int32_t> before = random_tokens(flags.depth, rows.vocab());
  std::vector<Rows::Next> step;
  for (std::int32_t slot = 0; slot < flags.batch; ++slot) {
    rows.rewind(0, slot);
    rows.feed(before, slot);
    step.push_back({prompt[static_cast<std::size_t>(slot) % prompt.size()], slot});
  }
  start = Clock::now();
  for (std::int64_t n = 0; n < tokens; ++n) rows.feed_each(step);
  times.generate_s = seconds_since(start);
  const double prefill = rate(times.prompt_tokens, times.prompt_s);
  const double decode = rate(times.generate_steps, times.generate_s);
  const auto bytes = static_cast<long long>(model.stats().weight_bytes);
  if (flags.json)
    std::printf(
        "{\"prefill_tokens_per_s\": %.6g, \"decode_tokens_per_s\": %.6g, \"bytes_per_token\": %lld, \"open_s\": %.6g, "
        "\"peak_resident_bytes\": %lld, \"batch\": %lld, \"threads\": %d}\n",
        prefill, decode, bytes, times.load_s, peak_resident_bytes(), static_cast<long long>(flags.batch),
        model.stats().threads);
  else
    std::printf("prefill %.1f tokens/s, decode %.1f tokens/s, %.1f MB per token, opened in %.1f ms%s\n", prefill,
                decode, static_cast<double>(bytes) / 1e6, times.load_s * 1e3, on_threads(model).c_str());
  if (flags.timings) print_timings(model);
  if (!flags.stats.empty()) write_stats(flags.stats, times, model.stats());
}

void run_tensors(const Flags& flags) {
  Times times;
  auto start = Clock::now();
  Model model = open_for(flags, INT64_MAX);
  times.load_s = seconds_since(start);
  std::vector<Array> arrays;
  std::vector<Input> inputs;
  for (const auto& [name, path] : flags.inputs) arrays.push_back(read_npy(path));
  for (std::size_t i = 0; i < arrays.size(); ++i)
    inputs.push_back({flags.inputs[i].first, arrays[i].dtype, arrays[i].shape, arrays[i].bytes.data()});
  const std::string_view entry = model.entries().back().name;
  std::vector<Array> results;
  std::vector<Output> outputs;
  for (const Tensor& output : model.outputs()) {
    Array& result = results.emplace_back();
    result.dtype = output.dtype;
    result.shape = model.output_shape(entry, inputs, output.name);
    std::size_t bytes = element_bytes(output.dtype);
    for (const std::int64_t extent : result.shape) bytes *= static_cast<std::size_t>(extent);
    result.bytes.resize(bytes);
  }
  for (std::size_t o = 0; o < results.size(); ++o)
    outputs.push_back({model.outputs()[o].name, results[o].bytes.data(), results[o].bytes.size()});
  const auto place = [&](const std::string& name) {
    for (std::size_t o = 0; o < outputs.size(); ++o)
      if (outputs[o].name == name) return o;
    throw Error("the model has no output '" + name + "'");
  };
  for (const auto& [name, path] : flags.outputs) place(name);
  start = Clock::now();
  model.run_step(entry, inputs, outputs);
  times.generate_s = seconds_since(start);
  times.generate_steps = 1;
  for (const auto& [name, path] : flags.outputs) {
    const Array& result = results[place(name)];
    NpyFile file(path, result.dtype, result.shape);
    file.write(result.bytes.data(), result.bytes.size());
    file.commit();
  }
  if (flags.timings) print_timings(model);
  if (!flags.stats.empty()) write_stats(flags.stats, times, model.stats());
}

bool is_same_file(const std::string& a, const std::string& b) {
  struct stat first, second;
  if (::stat(a.c_str(), &first) != 0 || ::stat(b.c_str(), &second) != 0) return a == b;
  return S_ISREG(first.st_mode) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/// A file that holds tensors of a package, beside its main file.
bool is_shard(const std::string& path) {
  struct stat facts {};
  if (::stat(path.c_str(), &facts) != 0 || !S_ISREG(facts.st_mode)) return false;
  char magic[8] = {};
  if (std::FILE* file = std::fopen(path.c_str(), "rbe")) {
    if (std::fread(magic, 1, sizeof magic, file) != sizeof magic) magic[0] = 0;
    std::fclose(file);
  }
  return std::memcmp(magic, "OINS\r\n\x1a\n", sizeof magic) == 0;
}

/// Does standard output go to this file? Opened anew it would lose what is in it and what comes after.
bool is_standard_output(const std::string& path) {
  struct stat file, out;
  return ::stat(path.c_str(), &file) == 0 && S_ISREG(file.st_mode) && ::fstat(STDOUT_FILENO, &out) == 0 &&
         file.st_dev == out.st_dev && file.st_ino == out.st_ino;
}

/// What is written shall replace nothing that this run reads or writes.
void check_outputs(const Flags& flags) {
  std::vector<std::string> written, read = {flags.check_data};
  for (const std::string& path : {flags.logits, flags.stats})
    if (!path.empty()) written.push_back(path);
  for (const auto& [name, path] : flags.outputs) written.push_back(path);
  for (const auto& [name, path] : flags.inputs) read.push_back(path);
  for (auto path = written.begin(); path != written.end(); ++path) {
    const auto is_it = [&](const std::string& other) { return is_same_file(*path, other); };
    if (is_it(flags.package)) throw WrongUsage("the output " + *path + " would replace the package");
    if (is_shard(*path)) throw WrongUsage("the output " + *path + " would replace a shard of a package");
    if (std::any_of(read.begin(), read.end(), is_it))
      throw WrongUsage("the output " + *path + " would replace an input");
    if (std::any_of(written.begin(), path, is_it)) throw WrongUsage("two outputs go to " + *path);
    if (is_standard_output(*path)) throw Error(*path + ": standard output goes to this file; name another");
    if (is_in_place(*path)) continue;
    const std::size_t slash = path->rfind('/');
    const std::string folder = slash == path->npos ? "." : path->substr(0, slash + 1);
    if (::access(folder.c_str(), W_OK | X_OK) != 0) throw Error(*path + ": cannot be written: " + std::strerror(errno));
  }
}

#if __has_include("check.h")
void run_check(const Flags& flags) {
  Check check(flags.check_data.empty() ? kCheckData : flags.check_data);
  Options options = options_of(flags);
  options.sizes = check.sizes();
  options.check = &check;
  Times times;  // of its steps none: they hand every value over
  const double start = Clock::now();
  Model model = Model::open(flags.package, options);
  times.load_s = seconds_since(start);
  check.replay(model);
  if (!flags.stats.empty()) write_stats(flags.stats, times, model.stats());
  check.report();
}
#else
void run_check(const Flags&) {}
#endif

int report(std::string message, int code) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fflush(stdout);
  std::fprintf(stderr, "model: error: %s\n", printable(message).c_str());
  return code;
}

}  // namespace
}  // namespace MODEL_NAME

int main(int argc, char** argv) {
  using namespace MODEL_NAME;
  const bool help =
      std::any_of(argv + 1, argv + argc, [](std::string_view word) { return word == "--help" || word == "-h"; });
  try {
    const Flags flags = help ? Flags{} : parse(argc, argv);
    check_outputs(flags);
    catch_signals("model: error: " + printable(flags.package) + ": was cut while it was open\n");
    if (help)
      std::fputs(kUsage, stdout);
    else if (flags.check)
      run_check(flags);
    else if (flags.bench)
      bench(flags);
    else if (!flags.prompts.empty())
      flags.prompts.size() == 1 ? generate(flags) : generate_side_by_side(flags);
    else
      run_tensors(flags);
    flush_out();
    return 0;
  } catch (const WrongUsage& error) {
    return report(error.what(), 2);
  } catch (const std::bad_alloc&) {
    return report("the machine has no memory left for this", 1);
  } catch (const std::exception& error) {
    return report(error.what(), 1);
  }
}
