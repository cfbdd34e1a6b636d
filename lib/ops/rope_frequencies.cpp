// SPDX-License-Identifier: Apache-2.0
#include "lib/ops/rope_frequencies.h"

#include <cmath>
#include <numbers>

namespace openinfer {
namespace {

/// Llama 3.1: long wavelengths are slowed down by `factor`, short ones kept, those between blended.
float llama3(const Rope& o, float f) {
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

}  // namespace

std::vector<float> rope_frequencies(const Rope& o) {
  const std::int64_t r = o.rotary_dim != 0 ? o.rotary_dim : o.head_dim;
  std::vector<float> f(static_cast<std::size_t>(r / 2));
  for (std::size_t i = 0; i < f.size(); ++i) {
    f[i] = static_cast<float>(std::pow(o.theta, -2.0 * static_cast<double>(i) / static_cast<double>(r)));
    if (o.scaling == "linear") f[i] = f[i] / static_cast<float>(o.factor);
    if (o.scaling == "llama3") f[i] = llama3(o, f[i]);
  }
  return f;
}

}  // namespace openinfer
