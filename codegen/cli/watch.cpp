// SPDX-License-Identifier: Apache-2.0
// --watch: one line on stderr for each value of that name.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>

#include "codegen/cli/run.h"
#include "codegen/cli/standard_output.h"
#include "lib/base/fail.h"

namespace openinfer::cli {
namespace {

using Element = std::function<double(std::int64_t)>;

template <class T>
Element element_of(const TensorView& view) {
  return [data = view.as<T>()](std::int64_t i) { return static_cast<double>(data[i]); };
}

/// Element i as a number; nothing for dtypes whose elements are no numbers in memory (blocks, packed ones).
Element element(const TensorView& view) {
  switch (view.dtype) {
    case DType::f64: return element_of<double>(view);
    case DType::f32: return element_of<float>(view);
    case DType::f16: return element_of<Half>(view);
    case DType::bf16: return element_of<BFloat16>(view);
    case DType::i8: return element_of<std::int8_t>(view);
    case DType::i16: return element_of<std::int16_t>(view);
    case DType::i32: return element_of<std::int32_t>(view);
    case DType::i64: return element_of<std::int64_t>(view);
    case DType::boolean:
    case DType::u8: return element_of<std::uint8_t>(view);
    case DType::u16: return element_of<std::uint16_t>(view);
    case DType::u32: return element_of<std::uint32_t>(view);
    case DType::u64: return element_of<std::uint64_t>(view);
    case DType::f8e4m3:
    case DType::f8e5m2:
    case DType::i1:
    case DType::i2:
    case DType::i4:
    case DType::u1:
    case DType::u2:
    case DType::u4:
    case DType::t1:
    case DType::t2:
    case DType::q4_0:
    case DType::q4_1:
    case DType::q5_0:
    case DType::q5_1:
    case DType::q8_0:
    case DType::q2_k:
    case DType::q3_k:
    case DType::q4_k:
    case DType::q5_k:
    case DType::q6_k:
    case DType::mxfp4:
    case DType::iq4_nl:
    case DType::iq4_xs:
    case DType::iq2_xxs:
    case DType::iq2_xs:
    case DType::iq2_s:
    case DType::iq3_xxs:
    case DType::iq3_s:
    case DType::iq1_s:
    case DType::iq1_m:
    case DType::tq1_0:
    case DType::tq2_0:
    case DType::q8_1:
    case DType::q8_k: return nullptr;
  }
  return nullptr;
}

std::string describe(const TensorView& view) {
  constexpr std::int64_t kShown = 8;
  const auto at = element(view);
  const auto count = view.count();
  if (!at || count == 0) return "";
  double low = std::numeric_limits<double>::infinity(), high = -low, sum = 0;
  std::int64_t not_finite = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const double x = at(i);
    if (!std::isfinite(x)) {
      ++not_finite;
      continue;
    }
    low = std::min(low, x), high = std::max(high, x), sum += x;
  }
  std::vector<std::string> first;
  for (std::int64_t i = 0; i < std::min(count, kShown); ++i) first.push_back(fmt::format("{:.6g}", at(i)));
  std::string text = fmt::format(": {}{}", fmt::join(first, " "), count > kShown ? " …" : "");
  if (count > not_finite)
    text += fmt::format("  (min {:.6g}, max {:.6g}, mean {:.6g})", low, high,
                        sum / static_cast<double>(count - not_finite));
  if (not_finite > 0) text += fmt::format("  {} not finite", not_finite);
  return text;
}

}  // namespace

void watch(SimSession& session, const std::string& name) try {
  session.watch(
      name,
      [](const Watched& watched) {
        const auto indices = watched.indices.empty() ? "" : fmt::format("[{}]", fmt::join(watched.indices, ", "));
        const auto where = watched.at ? " at " + watched.at.to_string() : "";
        print_beside(fmt::format("watch {}{} {} {}{}{}", watched.name, indices, openinfer::name(watched.value.dtype),
                                 to_string(watched.value.shape), where, describe(watched.value)));
      },
      Location{});
} catch (const Error& error) {
  if (error.code() != ErrorCode::not_found || error.message().find("; ") != std::string::npos) throw;
  fail(error.code(), "{}; `openinfer graph M` prints all names", error.message());  // none is near
}

}  // namespace openinfer::cli
