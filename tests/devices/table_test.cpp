// SPDX-License-Identifier: Apache-2.0
// The grammar of rows/*.def: what is wrong with a row is said with its line.
#include <catch2/catch.hpp>

#include "codegen/devices/fields.h"
#include "codegen/devices/table.h"
#include "openinfer/error.h"

using namespace openinfer;

namespace {

std::string message_of(std::string_view rows) {
  try {
    parse_rows(rows);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::invalid_argument);
    return error.message();
  }
  return "";
}

std::string message_of_value(std::string_view field, std::string_view text) {
  Device device;
  try {
    find_field(field)->set(device, text);
  } catch (const Error& error) {
    return error.message();
  }
  return "";
}

}  // namespace

TEST_CASE("a row has a base, aliases, values with sources, and conditions") {
  const auto rows = parse_rows(
      "# a comment\n[base b]\n  lanes 4 | a | b\n[device d : b]\n  aliases x y\n  title two words\n"
      "[when api cuda driver < 545.1]\n  lanes 8 | c\n[when driver >= 600]\n lanes 16 | d\n");
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].abstract);
  CHECK(rows[0].lines[0].source == "a | b");
  CHECK(rows[1].base == "b");
  CHECK(rows[1].aliases == std::vector<std::string>{"x", "y"});
  REQUIRE(rows[1].lines.size() == 3);
  CHECK(rows[1].lines[0].value == "two words");
  CHECK(rows[1].lines[0].when.always());
  const RowCondition& old = rows[1].lines[1].when;
  CHECK(old.holds(Api::cuda, "545.0"));
  CHECK_FALSE(old.holds(Api::cuda, "545.1"));
  CHECK_FALSE(old.holds(Api::vulkan, "545.0"));
  CHECK_FALSE(old.holds(Api::cuda, ""));
  CHECK(rows[1].lines[2].when.holds(Api::vulkan, ""));
  CHECK_FALSE(rows[1].lines[2].when.holds(Api::vulkan, "599.9"));
}

TEST_CASE("what is wrong with a row is said with its line") {
  using Catch::Contains, Catch::EndsWith;
  CHECK(message_of("[device d]\n  lanes 8\n") == "[device] row line 'lanes 8': the source behind '|' is missing");
  CHECK_THAT(message_of("[device d]\n  tune.run 8\n"), EndsWith("the source behind '|' is missing"));
  CHECK(message_of("[device d]\n  lames 8 | s\n") == "[device] row line 'lames 8 | s': no field is called 'lames'");
  CHECK_THAT(message_of("[device d]\n  tuned 8 | s\n"), EndsWith("no field is called 'tuned'"));
  CHECK_THAT(message_of("[device d]\n  lanes\n"), EndsWith("a line is FIELD VALUE | SOURCE"));
  CHECK_THAT(message_of("lanes 8 | s\n"), EndsWith("no [device …] stands above"));
  CHECK_THAT(message_of("[when api cpu]\n"), EndsWith("no [device …] stands above"));
  CHECK_THAT(message_of("[device d\n"), EndsWith("a section ends with ']'"));
  CHECK_THAT(message_of("[gadget d]\n"), Contains("write [device NAME]"));
  CHECK_THAT(message_of("[device d]\n[device d]\n"), EndsWith("'d' stands above already"));
  CHECK_THAT(message_of("[device d : b]\n"), EndsWith("the base 'b' does not stand above"));
  CHECK_THAT(message_of("[device d]\n[when weather fine]\n"), Contains("a condition is `api NAME`"));
  CHECK_THAT(message_of("[device d]\n[when]\n"), EndsWith("a condition is missing"));
}

TEST_CASE("values are read strictly") {
  CHECK(message_of_value("lanes", "8").empty());
  CHECK(message_of_value("lanes", "8x") == "[device] '8x' is not a number that is not negative");
  CHECK(message_of_value("lanes", "-8") == "[device] '-8' is not a number that is not negative");
  CHECK(message_of_value("storage_8bit", "maybe") == "[device] 'maybe' is not yes or no");
  CHECK(message_of_value("dot4", "su") == "[device] 'su' is not a dot4: none, ss, us or us_sat16");
  CHECK(message_of_value("apis", "vulkan metal") == "[device] 'metal' is not an api: cpu, vulkan or cuda");
  CHECK(message_of_value("mma", "16x16:f16:f32") == "[device] '16x16:f16:f32' is not a fragment like 16x16x16:f16:f32");
  CHECK(message_of_value("mma", "16x16x16:f17:f32") == "[device] '16x16x16:f17:f32' is not a fragment with two dtypes");
  CHECK(message_of_value("subgroup_ops", "basic dance") == "[device] 'dance' is not a subgroup operation");
}
