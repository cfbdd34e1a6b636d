// SPDX-License-Identifier: Apache-2.0
#include "tests/ops/oracle.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "lib/base/fail.h"

namespace openinfer::testing {
namespace {

/// Element i as a number; every dtype of a result but 64-bit integers fits a double.
double number(const Tensor& t, std::int64_t i) {
  const TensorView v = t.view();
  switch (static_cast<int>(t.dtype())) {
    case static_cast<int>(DType::f64): return v.as<double>()[i];
    case static_cast<int>(DType::f32): return static_cast<double>(v.as<float>()[i]);
    case static_cast<int>(DType::f16): return static_cast<double>(half_to_float(v.as<std::uint16_t>()[i]));
    case static_cast<int>(DType::bf16): return static_cast<double>(bfloat_to_float(v.as<std::uint16_t>()[i]));
    case static_cast<int>(DType::i8): return v.as<std::int8_t>()[i];
    case static_cast<int>(DType::i16): return v.as<std::int16_t>()[i];
    case static_cast<int>(DType::i32): return v.as<std::int32_t>()[i];
    case static_cast<int>(DType::i64): return static_cast<double>(v.as<std::int64_t>()[i]);
    case static_cast<int>(DType::u16): return v.as<std::uint16_t>()[i];
    case static_cast<int>(DType::u32): return v.as<std::uint32_t>()[i];
    case static_cast<int>(DType::u64): return static_cast<double>(v.as<std::uint64_t>()[i]);
  }
  return v.as<std::uint8_t>()[i];
}

/// Bits of significand and the exponent of the smallest number, by dtype.
struct FloatFormat {
  int digits, smallest_exponent;
};
FloatFormat format_of(DType dtype) {
  if (dtype == DType::f64) return {53, -1074};
  if (dtype == DType::f32) return {24, -149};
  if (dtype == DType::bf16) return {8, -133};
  return {11, -24};
}

/// The distance to the next representable number above |x|.
double ulp(double x, DType dtype) {
  const auto [digits, smallest] = format_of(dtype);
  const int exponent = x == 0 ? smallest : std::max(std::ilogb(x) - digits + 1, smallest);
  return std::ldexp(1.0, exponent);
}

/// Place in the order of all numbers of the dtype: neighbours differ by 1, −0 and +0 by 0.
std::int64_t ordinal(const Tensor& t, std::int64_t i) {
  std::uint64_t bits = 0;
  const std::size_t size = static_cast<std::size_t>(info(t.dtype()).block_bytes);
  std::memcpy(&bits, t.bytes().data() + i * static_cast<std::int64_t>(size), size);
  const std::uint64_t sign = std::uint64_t{1} << (8 * size - 1);
  return bits & sign ? -static_cast<std::int64_t>(bits & (sign - 1)) : static_cast<std::int64_t>(bits);
}

bool same_bits(const Tensor& a, const Tensor& b, std::int64_t i) {
  const auto size = info(a.dtype()).block_bytes;
  return std::memcmp(a.bytes().data() + i * size, b.bytes().data() + i * size, static_cast<std::size_t>(size)) == 0;
}

bool allowed(const Tensor& got, const Tensor& want, const Tensor& scale, const Rule& rule, std::int64_t i) {
  if (same_bits(got, want, i)) return true;
  if (!is_float(want.dtype())) return false;
  const double g = number(got, i), w = number(want, i);
  if (std::isnan(w) || std::isnan(g)) return std::isnan(w) && std::isnan(g);
  switch (rule.kind) {
    case Rule::Kind::exact: return false;
    case Rule::Kind::ulp:
      return std::abs(static_cast<double>(ordinal(got, i) - ordinal(want, i))) <= rule.n ||
             std::abs(g - w) <= rule.floor;
    case Rule::Kind::sum: {
      if (std::isinf(w) || std::isinf(g)) return false;
      const double eps = want.dtype() == DType::f64 ? 0x1p-53 : 0x1p-24;
      return std::abs(g - w) <= rule.n * eps * scale.data<double>()[i] + ulp(w, want.dtype());
    }
  }
  return false;
}

double parse_number(std::string_view text, const std::string& rule) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    fail(ErrorCode::invalid_argument, "'{}' is no rule", rule);
  return value;
}

Tensor load(const Model& model, const std::string& key) {
  const TensorInfo row = model.tensor(key);
  Tensor t(row.dtype, row.shape);
  const auto bytes = model.bytes(key);
  if (!bytes.empty()) std::memcpy(t.mutable_bytes().data(), bytes.data(), bytes.size());
  return t;
}

std::string compare(const Model& model, const std::string& prefix, const Outputs& outputs, std::size_t k,
                    const Rule& rule) {
  const std::string name = fmt::format("y{}", k);
  const Tensor want = load(model, prefix + name);
  const Tensor& got = outputs[name];
  if (got.dtype() != want.dtype() || got.shape() != want.shape())
    return fmt::format("{} is {}{} instead of {}{}", name, openinfer::name(got.dtype()), to_string(got.shape()),
                       openinfer::name(want.dtype()), to_string(want.shape()));
  const Tensor scale = rule.kind == Rule::Kind::sum ? load(model, fmt::format("{}scale{}", prefix, k)) : Tensor();
  const std::int64_t i = first_difference(got, want, scale, rule);
  if (i < 0) return {};
  return fmt::format("{}[{}] of {}{}: {} instead of {}", name, i, openinfer::name(want.dtype()),
                     to_string(want.shape()), number(got, i), number(want, i));
}

void check_case(const Model& model, std::int64_t i, const Runner& run, const std::function<Rule(Rule)>& loosen,
                Report& report) {
  const std::string prefix = fmt::format("case.{}.", i);
  const auto text = model.meta<std::string>(prefix + "graph"), rule_text = model.meta<std::string>(prefix + "rule");
  const auto complain = [&](const std::string& what) {
    report.failures.push_back(fmt::format("case {}: {}; rule {}\n{}", i, what, rule_text, text));
  };
  try {
    const Graph graph = parse_graph(text, fmt::format("case {}", i));
    Inputs inputs;
    for (const auto& [name, type] : graph.inputs()) inputs.emplace_back(name, load(model, prefix + name));
    const Rule rule = Rule::parse(rule_text);
    const Outputs outputs = run(model, graph, inputs);
    for (std::size_t k = 0; k < graph.outputs().size(); ++k)
      if (const std::string what = compare(model, prefix, outputs, k, loosen ? loosen(rule) : rule); !what.empty())
        complain(what);
  } catch (const Error& e) {
    complain(e.what());
  }
  ++report.cases;
}

}  // namespace

Rule Rule::parse(const std::string& text) {
  if (text == "exact") return {};
  const auto first = text.find(':');
  const auto second = first == text.npos ? text.npos : text.find(':', first + 1);
  const std::string_view kind = std::string_view(text).substr(0, first);
  if (first == text.npos || (kind != "ulp" && kind != "sum"))
    fail(ErrorCode::invalid_argument, "'{}' is no rule", text);
  const std::string_view n =
      std::string_view(text).substr(first + 1, second == text.npos ? second : second - first - 1);
  return {kind == "ulp" ? Kind::ulp : Kind::sum, parse_number(n, text),
          second == text.npos ? 0 : parse_number(std::string_view(text).substr(second + 1), text)};
}

std::int64_t first_difference(const Tensor& got, const Tensor& want, const Tensor& scale, const Rule& rule) {
  for (std::int64_t i = 0; i < want.count(); ++i)
    if (!allowed(got, want, scale, rule, i)) return i;
  return -1;
}

Report check_oracle(const std::string& path, const Runner& run, const std::function<Rule(Rule)>& loosen) {
  const Model model = ModelLoader::open(path);
  Report report;
  const auto cases = model.meta<std::int64_t>("cases");
  for (std::int64_t i = 0; i < cases; ++i) check_case(model, i, run, loosen, report);
  return report;
}

}  // namespace openinfer::testing
