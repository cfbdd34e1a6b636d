// SPDX-License-Identifier: Apache-2.0
// What tests of the interpreter hand to it and hear from it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "openinfer/error.h"

namespace openinfer::kir {

template <class T>
std::span<std::byte> bytes(std::vector<T>& v) {
  return std::as_writable_bytes(std::span(v));
}

/// Of the Error that f throws; empty where it throws none.
inline std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

}  // namespace openinfer::kir
