// SPDX-License-Identifier: Apache-2.0
#include "codegen/devices/table.h"

#include <cctype>

#include "codegen/devices/driver.h"
#include "codegen/devices/fields.h"
#include "lib/base/fail.h"

namespace openinfer {
namespace {

constexpr std::string_view kTexts[] = {
#include "codegen/devices/rows/class.def"
    ,
#include "codegen/devices/rows/cpu_x86.def"
    ,
#include "codegen/devices/rows/cpu_arm.def"
    ,
#include "codegen/devices/rows/nvidia.def"
    ,
#include "codegen/devices/rows/amd.def"
    ,
#include "codegen/devices/rows/intel.def"
    ,
#include "codegen/devices/rows/apple.def"
    ,
#include "codegen/devices/rows/software.def"
};

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t from = text.find_first_not_of(kSpace);
  return from == text.npos ? "" : text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

class RowParser {
 public:
  std::vector<DeviceRow> parse(std::string_view text) {
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      line_ = trim(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line_.empty() || line_[0] == '#') continue;
      line_[0] == '[' ? section() : field();
    }
    return std::move(rows_);
  }

 private:
  template <class... Args>
  [[noreturn]] void bad(fmt::format_string<Args...> format, Args&&... args) const {
    fail(ErrorCode::invalid_argument, "[device] row line '{}': {}", line_,
         fmt::format(format, std::forward<Args>(args)...));
  }

  void section() {
    if (line_.back() != ']') bad("a section ends with ']'");
    const auto parts = words(line_.substr(1, line_.size() - 2));
    if (!parts.empty() && parts[0] == "when") return when(parts);
    const bool named = parts.size() == 2 || (parts.size() == 4 && parts[2] == ":");
    if (!named || (parts[0] != "device" && parts[0] != "base"))
      bad("write [device NAME], [device NAME : BASE], [base NAME] or [when …]");
    if (find(parts[1])) bad("'{}' stands above already", parts[1]);
    if (parts.size() == 4 && !find(parts[3])) bad("the base '{}' does not stand above", parts[3]);
    rows_.push_back({parts[1], parts.size() == 4 ? parts[3] : "", parts[0] == "base", {}, {}, {}});
    when_ = {};
  }

  /// [when api cuda driver < 545]
  void when(const std::vector<std::string>& parts) {
    if (rows_.empty()) bad("no [device …] stands above");
    when_ = {};
    std::size_t at = 1;
    const auto left = [&](std::size_t count) { return at + count <= parts.size(); };
    while (at < parts.size()) {
      if (parts[at] == "api" && left(2)) {
        Device scratch;
        find_field("api")->set(scratch, parts[at + 1]);
        when_.api = scratch.api;
        at += 2;
      } else if (parts[at] == "driver" && left(3) && (parts[at + 1] == "<" || parts[at + 1] == ">=")) {
        (parts[at + 1] == "<" ? when_.older_than : when_.at_least) = driver_version(parts[at + 2]);
        at += 3;
      } else {
        bad("a condition is `api NAME`, `driver < VERSION` or `driver >= VERSION`");
      }
    }
    if (when_.always()) bad("a condition is missing");
  }

  void field() {
    if (rows_.empty()) bad("no [device …] stands above");
    const std::size_t bar = line_.find('|');
    const std::string_view left = trim(line_.substr(0, bar));
    const std::size_t gap = left.find_first_of(" \t");
    if (gap == left.npos) bad("a line is FIELD VALUE | SOURCE");
    RowLine row{std::string(left.substr(0, gap)), std::string(trim(left.substr(gap))),
                std::string(bar == line_.npos ? "" : trim(line_.substr(bar + 1))), when_};
    if (row.field == "aliases" || row.field == "called") {
      (row.field == "aliases" ? rows_.back().aliases : rows_.back().called) = words(row.value);
      return;
    }
    const Field* field = find_field(row.field);
    if (!field || row.field == "tuned" || row.field == "name") bad("no field is called '{}'", row.field);
    if (row.source.empty() && (field->applies != FieldFor::identity || row.field.starts_with("tune.")))
      bad("the source behind '|' is missing");
    rows_.back().lines.push_back(std::move(row));
  }

  bool find(std::string_view name) const {
    for (const auto& row : rows_)
      if (row.name == name) return true;
    return false;
  }

  std::string_view line_;
  std::vector<DeviceRow> rows_;
  RowCondition when_;
};

}  // namespace

bool RowCondition::holds(Api chosen, std::string_view driver) const {
  if (api && *api != chosen) return false;
  if (driver.empty()) return !older_than;
  const auto version = driver_version(driver);
  return (!older_than || older(version, *older_than)) && (!at_least || !older(version, *at_least));
}

std::vector<DeviceRow> parse_rows(std::string_view text) { return RowParser().parse(text); }

std::vector<DeviceRow> device_rows() {
  std::string all;
  for (const auto text : kTexts) all += text;
  // RowParser's views are into `all`; the rows own their text.
  return parse_rows(all);
}

std::string plain_name(std::string_view name) {
  std::string plain(name);
  for (char& c : plain) c = c == '-' || c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return plain;
}

}  // namespace openinfer
