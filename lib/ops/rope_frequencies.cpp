// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/rope_frequencies.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace openinfer {
namespace {

/// Llama 3.1: long wavelengths are slowed down by `factor`, short ones kept, those between blended.
float rope_llama3(const Rope& o, float f) {
  const auto factor = static_cast<float>(o.factor);
  const auto low = static_cast<float>(o.low_freq_factor);
  const auto high = static_cast<float>(o.high_freq_factor);
  const auto context = static_cast<float>(o.original_context);
  const float wavelength = 2 * std::numbers::pi_v<float> / f;
  if (wavelength < context / high) return f;
  if (wavelength > context / low) return f / factor;
  const float smooth = (context / wavelength - low) / (high - low);
  return (1 - smooth) * (f / factor) + smooth * f;
}

/// The pair that turns `rotations` times within the original context.
double rope_yarn_pair(const Rope& o, double r, double rotations) {
  const double context = static_cast<double>(o.original_context);
  return r * std::log(context / (rotations * 2 * std::numbers::pi)) / (2 * std::log(o.theta));
}

/// YaRN: pairs that turn often within the original context keep their frequency, those that hardly turn are slowed down
/// by `factor`, a ramp between.
float rope_yarn(const Rope& o, float f, std::int64_t r, std::size_t i) {
  const auto R = static_cast<double>(r);
  double low = rope_yarn_pair(o, R, o.beta_fast), high = rope_yarn_pair(o, R, o.beta_slow);
  if (o.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, R - 1);
  if (low == high) high += 0.001;
  const auto ramp = static_cast<float>(std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0));
  return f / static_cast<float>(o.factor) * ramp + f * (1 - ramp);
}

}  // namespace

std::vector<float> rope_frequencies(const Rope& o) {
  const std::int64_t r = o.rotary_dim != 0 ? o.rotary_dim : o.head_dim;
  std::vector<float> f(static_cast<std::size_t>(r / 2));
  for (std::size_t i = 0; i < f.size(); ++i) {
    f[i] = static_cast<float>(std::pow(o.theta, -2.0 * static_cast<double>(i) / static_cast<double>(r)));
    if (o.scaling == "linear") f[i] = f[i] / static_cast<float>(o.factor);
    if (o.scaling == "llama3") f[i] = rope_llama3(o, f[i]);
    if (o.scaling == "yarn") f[i] = rope_yarn(o, f[i], r, i);
  }
  return f;
}

}  // namespace openinfer
