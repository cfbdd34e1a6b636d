// SPDX-License-Identifier: Apache-2.0
#include "codegen/devices/devices.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>

#include "codegen/devices/driver.h"
#include "codegen/devices/fields.h"
#include "codegen/devices/table.h"
#include "codegen/devices/this_cpu.h"
#include "lib/base/fail.h"
#include "lib/base/nearest.h"

namespace openinfer {
namespace {

constexpr std::string_view kThisCpu = "this-cpu";

/// "; did you mean 'zen4'? `openinfer devices` lists them all"
std::string remedy(std::string_view near) {
  return fmt::format("{}{} `openinfer devices` lists them all", near, near.empty() ? ";" : "");
}

const DeviceRow& row_named(const std::vector<DeviceRow>& rows, std::string_view name) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const DeviceRow& row) { return row.name == name; });
  OPENINFER_ASSERT(found != rows.end());
  return *found;
}

/// The row and what it builds on, the most general first.
std::vector<const DeviceRow*> chain_of(const std::vector<DeviceRow>& rows, std::string_view name) {
  std::vector<const DeviceRow*> chain;
  for (const DeviceRow* row = &row_named(rows, name);; row = &row_named(rows, row->base)) {
    chain.insert(chain.begin(), row);
    if (row->base.empty()) return chain;
  }
}

void apply(const RowLine& line, SourcedDevice& to) {
  const bool tuned = line.field.starts_with("tune.");
  find_field(line.field)->set(to.device, tuned ? line.field.substr(5) + " " + line.value : line.value);
  if (!line.source.empty()) to.sources[line.field] = line.source;
}

SourcedDevice build(const std::vector<DeviceRow>& rows, std::string_view name, std::optional<Api> api,
                    const std::string& driver) {
  SourcedDevice built;
  const auto chain = chain_of(rows, name);
  for (const DeviceRow* row : chain)
    for (const RowLine& line : row->lines)
      if (line.when.always()) apply(line, built);
  Device& device = built.device;
  device.name = name;
  device.driver = driver;
  if (device.apis.empty()) fail(ErrorCode::internal, "[device] row '{}' names no api", name);
  device.api = api.value_or(device.apis.front());
  for (const DeviceRow* row : chain)
    for (const RowLine& line : row->lines)
      if (!line.when.always() && line.when.holds(device.api, driver)) apply(line, built);
  return built;
}

bool answers_to(const DeviceRow& row, std::string_view plain) {
  return plain_name(row.name) == plain || std::any_of(row.aliases.begin(), row.aliases.end(),
                                                      [&](const auto& alias) { return plain_name(alias) == plain; });
}

bool same(std::string_view wanted, std::string_view have) { return plain_name(wanted) == plain_name(have); }

std::vector<std::string> names_of(const std::vector<const DeviceRow*>& rows) {
  std::vector<std::string> names;
  for (const DeviceRow* row : rows) names.push_back(row->name);
  return names;
}

/// Plain letters and digits, without spaces.
std::string run_together(std::string_view text) {
  std::string plain = plain_name(text);
  std::erase_if(plain, [](unsigned char c) { return std::isalnum(c) == 0; });
  return plain;
}

/// The longest run of letters that both have.
std::size_t common_run(std::string_view a, std::string_view b) {
  std::size_t longest = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < b.size(); ++j) {
      std::size_t n = 0;
      while (i + n < a.size() && j + n < b.size() && a[i + n] == b[j + n]) ++n;
      longest = std::max(longest, n);
    }
  return longest;
}

/// One thing that a spec asks for, and the words that rows answer it with.
struct Question {
  std::string_view what, wanted;
  std::vector<std::string> words;
  std::vector<std::pair<std::string, std::string>> described = {};  // a device's name, and what people call it
};

class Resolver {
 public:
  explicit Resolver(const DeviceSpec& spec) : spec_(spec), rows_(device_rows()) {}

  SourcedDevice resolve() const {
    if (!spec_.driver().empty()) driver_version(spec_.driver());  // what is no version is refused for every device
    if (same(spec_.name(), kThisCpu)) return checked_api(this_cpu());
    const auto fit = fitting();
    if (fit.empty()) nothing_fits();
    if (fit.size() > 1) several_fit(names_of(fit));
    const SourcedDevice found = build(rows_, fit[0]->name, std::nullopt, spec_.driver());
    if (!spec_.driver().empty() && found.device.device_class == DeviceClass::cpu)
      fail(ErrorCode::invalid_argument, "[device] {} is a CPU, which has no driver; leave '{}' out", found.device.name,
           spec_.driver());
    return checked_api(found);
  }

 private:
  std::vector<const DeviceRow*> fitting() const {
    std::vector<const DeviceRow*> fit;
    for (const DeviceRow& row : rows_)
      if (!row.abstract && fits(row)) fit.push_back(&row);
    if (fit.size() <= 1 || spec_.api().empty()) return fit;
    std::erase_if(fit, [&](const DeviceRow* row) { return !has_api(plain(*row)); });
    return fit;
  }

  bool fits(const DeviceRow& row) const {
    const Device device = plain(row);
    if (!spec_.name().empty() && !answers_to(row, plain_name(spec_.name())) && !same(spec_.name(), device.architecture))
      return false;
    if (spec_.device_class() && *spec_.device_class() != device.device_class) return false;
    if (!spec_.vendor().empty() && !same(spec_.vendor(), device.vendor)) return false;
    return spec_.architecture().empty() || same(spec_.architecture(), device.architecture) ||
           answers_to(row, plain_name(spec_.architecture()));
  }

  /// Identity only: no api and no driver enters it.
  Device plain(const DeviceRow& row) const { return build(rows_, row.name, std::nullopt, "").device; }

  bool has_api(const Device& device) const {
    return std::any_of(device.apis.begin(), device.apis.end(), [&](Api api) { return same(spec_.api(), name(api)); });
  }

  SourcedDevice checked_api(SourcedDevice found) const {
    if (spec_.api().empty()) return found;
    for (const Api api : found.device.apis)
      if (same(spec_.api(), name(api)))
        return found.device.name == kThisCpu ? found : build(rows_, found.device.name, api, spec_.driver());
    std::vector<std::string_view> apis;
    for (const Api api : found.device.apis) apis.push_back(name(api));
    fail(ErrorCode::unsupported, "[device] {} has no api '{}'; it has {}", found.device.name, spec_.api(),
         fmt::join(apis, ", "));
  }

  [[noreturn]] void several_fit(std::vector<std::string> names) const {
    const bool any_cpu =
        spec_.device_class() == DeviceClass::cpu && spec_.vendor().empty() && spec_.architecture().empty();
    if (any_cpu) names.emplace_back(kThisCpu);
    fail(ErrorCode::invalid_argument, "[device] {} fits {} devices: {}; name one of them", spec_.to_string(),
         names.size(), fmt::join(names, ", "));
  }

  [[noreturn]] void nothing_fits() const {
    for (const Question& question : questions())
      if (!question.wanted.empty() && !answered(question))
        fail(ErrorCode::not_found, "[device] no device has the {} '{}'{}", question.what, question.wanted,
             remedy(near(question)));
    fail(ErrorCode::not_found, "[device] no device is all of: {}{}", spec_.to_string(), remedy(""));
  }

  static bool answered(const Question& question) {
    return std::any_of(question.words.begin(), question.words.end(),
                       [&](const auto& word) { return same(question.wanted, word); });
  }

  /// As the rows spell it, or else in plain letters.
  static std::string near(const Question& question) {
    const auto among = [](std::string_view wanted, const std::vector<std::string>& words) {
      return did_you_mean(wanted, std::vector<std::string_view>(words.begin(), words.end()));
    };
    const std::string found = among(question.wanted, question.words);
    if (!found.empty()) return found;
    std::vector<std::string> plain_words;
    for (const auto& word : question.words) plain_words.push_back(plain_name(word));
    const std::string alike = among(plain_name(question.wanted), plain_words);
    return alike.empty() ? described_so(question) : alike;
  }
  /// By a part of a name or of a description: "m3" of apple-m3, "rtx4090" of what is a GeForce RTX 40.
  static std::string described_so(const Question& question) {
    const std::string wanted = run_together(question.wanted);
    std::size_t best = wanted.size() < 3 ? wanted.size() : std::max<std::size_t>(3, (wanted.size() + 1) / 2);
    std::vector<std::string_view> fit;
    for (const auto& [name, description] : question.described) {
      const std::size_t run = common_run(wanted, description);
      if (run < best) continue;
      if (run > best) fit.clear();
      best = run;
      fit.push_back(name);
    }
    if (wanted.size() < 2 || fit.empty() || fit.size() > 4) return "";
    return fmt::format("; did you mean '{}'?", fmt::join(fit, "' or '"));
  }

  std::vector<Question> questions() const {
    Question names{"name", spec_.name(), {std::string(kThisCpu)}, {{std::string(kThisCpu), "thiscpu native host"}}},
        vendors{"vendor", spec_.vendor(), {}};
    Question architectures{"architecture", spec_.architecture(), {}}, apis{"api", spec_.api(), {}};
    const auto add = [](Question& to, const std::string& word) {
      if (std::find(to.words.begin(), to.words.end(), word) == to.words.end()) to.words.push_back(word);
    };
    for (const DeviceRow& row : rows_) {
      if (row.abstract) continue;
      const Device device = plain(row);
      add(names, row.name);
      names.described.emplace_back(row.name, run_together(row.name) + " " + run_together(device.title));
      for (const auto& alias : row.aliases) add(names, alias), add(architectures, alias);
      add(vendors, device.vendor);
      add(architectures, device.architecture);
      add(architectures, row.name);
      for (const Api api : device.apis) add(apis, std::string(openinfer::name(api)));
    }
    return {names, vendors, architectures, apis};
  }

  const DeviceSpec& spec_;
  std::vector<DeviceRow> rows_;
};

}  // namespace

Device resolve(const DeviceSpec& spec) { return resolve_with_sources(spec).device; }

SourcedDevice resolve_with_sources(const DeviceSpec& spec) { return Resolver(spec).resolve(); }

std::vector<std::string> device_names() {
  std::vector<std::string> names;
  for (const DeviceRow& row : device_rows())
    if (!row.abstract) names.push_back(row.name);
  names.emplace_back(kThisCpu);
  return names;
}

SourcedDevice build_row(std::string_view name, std::optional<Api> api, const std::string& driver) {
  return build(device_rows(), name, api, driver);
}

std::vector<std::string> missing_features(const Device& wanted, const Device& here) {
  if (wanted.device_class != here.device_class) return {fmt::format("a {}", name(wanted.device_class))};
  std::vector<std::string> missing;
  for (const auto& feature : wanted.isa)
    if (!here.has_isa(feature)) missing.push_back(feature);
  return missing;
}

std::vector<DeviceDifference> diff(const Device& a, const Device& b) {
  std::vector<DeviceDifference> differences;
  for (const Field& field : device_fields()) {
    const FieldValue left = field.get(a), right = field.get(b);
    if (left != right)
      differences.push_back({std::string(field.name), std::string(field.unit), to_text(left), to_text(right)});
  }
  return differences;
}

}  // namespace openinfer
