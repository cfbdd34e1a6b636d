// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "codegen/cli/cost.h"
#include "codegen/cli/options.h"
#include "codegen/plan/print.h"

namespace openinfer::cli {
namespace {

using Json = nlohmann::ordered_json;
using plan::EntryCost;
using plan::NodeCost;

Json known(const std::optional<double>& value) { return value ? Json(*value) : Json(); }

std::string symbols_text(const EntryCost& entry) {
  std::vector<std::string> all;
  for (const plan::Symbol& s : entry.symbols) all.push_back(fmt::format("{} = {}", s.name, s.max));
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string nodes_text(const NodeCost& node) { return fmt::format("{}", fmt::join(node.origin.nodes, "; ")); }

std::string lines_text(const NodeCost& node) {
  std::vector<std::string> lines;
  for (const Location& at : node.origin.lines) lines.push_back(at.to_string());
  return fmt::format("{}", fmt::join(lines, ", "));
}

std::string time_text(const std::optional<double>& seconds) {
  if (!seconds) return "?";
  return *seconds < 1e-3 ? fmt::format("{:.2f} us", *seconds * 1e6) : fmt::format("{:.3f} ms", *seconds * 1e3);
}

std::string share_text(const NodeCost& node, const EntryCost& entry) {
  return node.seconds && entry.seconds && *entry.seconds > 0
             ? fmt::format("{:.1f} %", *node.seconds / *entry.seconds * 100)
             : "";
}

plan::Origin all_of(double bytes, double flops) { return {.bytes = bytes, .flops = flops}; }

/// "zen4 (cpu): reads 83.2 GB/s, …; peak memory …"
std::string head_text(const CostReport& r) {
  const auto peak = [](const std::optional<double>& value, std::string_view unit) {
    return value ? fmt::format("{:g} {}", *value, unit) : fmt::format("? {}", unit);
  };
  const plan::MemoryCost& m = r.cost.memory;
  std::string text =
      fmt::format("{}, {}, {}, for {} ({}): {}, {} in f32{}{}\n", r.model, r.graph, r.numerics, r.device.name,
                  name(r.device.api), peak(r.peaks.read_gb_per_s, "GB/s"), peak(r.peaks.f32_gflop_per_s, "GFLOP/s"),
                  r.peaks.bf16_gflop_per_s ? fmt::format(", {:g} in bf16", *r.peaks.bf16_gflop_per_s) : "",
                  r.peaks.int8_gop_per_s ? fmt::format(", {:g} Gop/s in int8", *r.peaks.int8_gop_per_s) : "");
  if (!r.peaks.read_gb_per_s || !r.peaks.f32_gflop_per_s)
    text += "no times: the device's row does not know its peaks; --read-gb-per-s and --f32-gflop-per-s give them\n";
  const auto size = [](std::int64_t bytes) { return size_text(static_cast<std::uint64_t>(bytes)); };
  return text + fmt::format("peak memory {}: weights {}, constants {}, states {}, values {}\n", size(m.total()),
                            size(m.weights), size(m.constants), size(m.states), size(m.values));
}

std::string entry_text(const EntryCost& entry) {
  return fmt::format("{}: {}: {}; {}", entry.name, symbols_text(entry),
                     plan::work_text(all_of(entry.bytes, entry.flops)), time_text(entry.seconds));
}

Json node_json(const NodeCost& n, const EntryCost& entry) {
  Json lines = Json::array();
  for (const Location& at : n.origin.lines) lines.push_back(at.to_string());
  const bool shared = n.seconds && entry.seconds && *entry.seconds > 0;
  return {{"number", n.number},
          {"kernel", n.kernel},
          {"nodes", n.origin.nodes},
          {"lines", lines},
          {"times", n.times},
          {"in_branch", n.in_branch},
          {"bytes", n.origin.bytes},
          {"flops", n.origin.flops},
          {"seconds", known(n.seconds)},
          {"limit", name(n.limit)},
          {"share", shared ? Json(*n.seconds / *entry.seconds) : Json()}};
}

Json entry_json(const EntryCost& entry) {
  Json symbols = Json::object(), nodes = Json::array();
  for (const plan::Symbol& s : entry.symbols) symbols[s.name] = s.max;
  for (const NodeCost& node : entry.nodes) nodes.push_back(node_json(node, entry));
  return {{"name", entry.name},
          {"symbols", symbols},
          {"bytes", entry.bytes},
          {"flops", entry.flops},
          {"seconds", known(entry.seconds)},
          {"nodes", nodes}};
}

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text)
    safe += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : c == '"' ? "&quot;" : std::string(1, c);
  return safe;
}

/// A drawing of operations in a second over operations in a byte, both by powers of ten.
class Roofline {
 public:
  Roofline(double gb_per_s, double gflop_per_s) : memory_(gb_per_s), compute_(gflop_per_s) {}

  std::string draw(const EntryCost& entry) const {
    std::string svg = fmt::format("<svg viewBox=\"0 0 {} {}\" width=\"{}\">\n", kWidth, kHeight, kWidth);
    const double ridge = compute_ / memory_;
    svg += fmt::format("<path class=\"roof\" d=\"M{:.1f} {:.1f} L{:.1f} {:.1f} L{:.1f} {:.1f}\"/>\n", x(kLeast),
                       y(kLeast * memory_), x(ridge), y(compute_), x(kMost), y(compute_));
    svg += fmt::format(
        "<text x=\"4\" y=\"14\">GFLOP/s (roof {:g})</text><text x=\"{}\" y=\"{}\">FLOP/byte (ridge {:.1f})</text>\n",
        compute_, kWidth - 170, kHeight - 4, ridge);
    for (const NodeCost& n : entry.nodes) {
      if (n.origin.bytes <= 0 || n.origin.flops <= 0 || !n.seconds || *n.seconds <= 0) continue;
      const double speed = n.origin.flops * static_cast<double>(n.times) / *n.seconds * 1e-9;
      svg += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\"><title>{} {}</title></circle>\n",
                         name(n.limit), x(n.origin.flops / n.origin.bytes), y(speed), n.number, escaped(n.kernel));
    }
    return svg + "</svg>\n";
  }

 private:
  static constexpr double kLeast = 1e-2, kMost = 1e4;
  static constexpr int kWidth = 640, kHeight = 320;
  static double x(double flops_per_byte) {
    const double place = std::log10(std::clamp(flops_per_byte, kLeast, kMost) / kLeast) / std::log10(kMost / kLeast);
    return 10 + place * (kWidth - 20);
  }
  /// From four powers of ten below the roof to it.
  double y(double gflop_per_s) const {
    const double place = std::log10(std::clamp(gflop_per_s / compute_, 1e-4, 1.0)) / 4;
    return 20 - place * (kHeight - 50);
  }

  double memory_, compute_;
};

std::string table_html(const EntryCost& entry) {
  std::string html =
      "<table><tr><th>#<th>kernel<th>nodes<th>lines<th>times<th>work, each<th>FLOP/byte<th>limit<th>time, "
      "all<th>share</tr>\n";
  for (const NodeCost& n : entry.nodes) {
    const double share = n.seconds && entry.seconds && *entry.seconds > 0 ? *n.seconds / *entry.seconds * 100 : 0;
    html += fmt::format(
        "<tr><td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td>{}<td><div class=\"bar\" "
        "style=\"width:{:.1f}px\"></div>{}"
        "</tr>\n",
        n.number, escaped(n.kernel), escaped(nodes_text(n)), escaped(lines_text(n)), n.times, plan::work_text(n.origin),
        n.origin.bytes > 0 ? fmt::format("{:.2f}", n.origin.flops / n.origin.bytes) : "", name(n.limit),
        time_text(n.seconds), share, share_text(n, entry));
  }
  return html + "</table>\n";
}

constexpr std::string_view kStyle =
    "body{font:14px sans-serif;margin:24px}table{border-collapse:collapse}td,th{padding:2px 8px;text-align:left;"
    "border-bottom:1px solid "
    "#ddd;font-variant-numeric:tabular-nums}.bar{display:inline-block;height:9px;background:#58a;"
    "margin-right:6px}svg{border:1px solid #ddd}.roof{fill:none;stroke:#555;stroke-width:2}.memory{fill:#58a}"
    ".compute{fill:#c63}text{font-size:12px}";

}  // namespace

std::string cost_text(const CostReport& report) {
  std::string text = head_text(report);
  for (const EntryCost& entry : report.cost.entries) {
    text += fmt::format("\n{}\n{:>4}  {:36} {:>5}  {:>22} each  {:>8}  {:>11}  {:>7}  {}\n", entry_text(entry), "#",
                        "kernel", "times", "work", "limit", "time, all", "share", "nodes");
    for (const NodeCost& n : entry.nodes)
      text += fmt::format("{:4}  {:36} {:>5}  {:>27}  {:>8}  {:>11}  {:>7}  {}\n", n.number, n.kernel, n.times,
                          plan::work_text(n.origin), name(n.limit), time_text(n.seconds), share_text(n, entry),
                          nodes_text(n));
  }
  return text;
}

std::string cost_json(const CostReport& r) {
  const plan::MemoryCost& m = r.cost.memory;
  Json json = {{"model", r.model},
               {"graph", r.graph},
               {"numerics", r.numerics},
               {"device", r.device.name},
               {"api", name(r.device.api)},
               {"peaks",
                {{"read_gb_per_s", known(r.peaks.read_gb_per_s)},
                 {"f32_gflop_per_s", known(r.peaks.f32_gflop_per_s)},
                 {"int8_gop_per_s", known(r.peaks.int8_gop_per_s)},
                 {"bf16_gflop_per_s", known(r.peaks.bf16_gflop_per_s)}}},
               {"memory",
                {{"peak_bytes", m.total()},
                 {"weights_bytes", m.weights},
                 {"constants_bytes", m.constants},
                 {"states_bytes", m.states},
                 {"values_bytes", m.values}}},
               {"entries", Json::array()}};
  for (const EntryCost& entry : r.cost.entries) json["entries"].push_back(entry_json(entry));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string cost_html(const CostReport& r) {
  std::string html = fmt::format(
      "<!doctype html>\n<html><head><meta charset=\"utf-8\"><title>cost of {}</title><style>{}</style></head>\n<body>\n"
      "<pre>{}</pre>\n",
      escaped(r.model), kStyle, escaped(head_text(r)));
  for (const EntryCost& entry : r.cost.entries) {
    html += fmt::format("<h2>{}</h2>\n<p>{}</p>\n", escaped(entry.name), escaped(entry_text(entry)));
    if (r.peaks.read_gb_per_s && r.peaks.f32_gflop_per_s)
      html += Roofline(*r.peaks.read_gb_per_s, *r.peaks.f32_gflop_per_s).draw(entry);
    html += table_html(entry);
  }
  return html + "</body></html>\n";
}

}  // namespace openinfer::cli
