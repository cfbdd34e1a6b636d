// SPDX-License-Identifier: Apache-2.0
// What no kernel serves, and what is said of it.
#pragma once

#include <span>
#include <string_view>

#include "tests/matrix/cell.h"

namespace openinfer::matrix {

struct Refusal {
  std::string_view op;
  std::string_view dtype;    // a word of Cell::dtype, or ""
  std::string_view form;     // a part of Cell::form
  std::string_view message;  // a part of the error
};

std::span<const Refusal> refusals();
/// The first row that fits the cell, or null: it runs.
const Refusal* refusal_of(const Cell& cell);

}  // namespace openinfer::matrix
