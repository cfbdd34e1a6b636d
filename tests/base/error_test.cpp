// SPDX-License-Identifier: Apache-2.0
#include "openinfer/error.h"

#include <catch2/catch.hpp>

#include "openinfer/graph.h"

using namespace openinfer;

TEST_CASE("a message keeps its beginning and its end, and where, whatever it quotes") {
  const std::string quoted(5'000'000, 'a'), two_bytes = [] {
    std::string text;
    for (int i = 0; i < 2000; ++i) text += "é";
    return text;
  }();
  const Error error(ErrorCode::invalid_argument, "[oig] '" + quoted + "' is no name", Location{"m.oig", 3});
  const std::string message = error.message();
  CHECK(message.size() < 2010);
  CHECK(message.starts_with("[oig] 'aaa"));
  CHECK(message.ends_with("aaa' is no name"));
  CHECK(message.find(" … ") != message.npos);
  CHECK(error.what() == message + " at m.oig:3");
  CHECK(Error(error.code(), message).message() == message);

  for (const char* before : {"", "a"}) {  // of characters none is cut
    const std::string cut = Error(ErrorCode::internal, before + two_bytes).message();
    const auto at = cut.find(" … ");
    REQUIRE(at != cut.npos);
    CHECK((at - std::string(before).size()) % 2 == 0);
    CHECK((cut.size() - at) % 2 == 1);  // the mark has five bytes
  }
  const std::string short_enough(2000, 'b');
  CHECK(Error(ErrorCode::internal, short_enough).message() == short_enough);
}

TEST_CASE("a graph's text with an identifier of megabytes is refused in a line") {
  const std::string name(5'000'000, 'a');
  for (const std::string& statement : {"y = x + " + name, "y = " + name + "(x)", name + " = exp(x)"}) try {
      parse_graph("oig 1\ngraph (x: f32[2]) -> (y: f32[2]) {\n  " + statement + "\n  return y\n}\n", "g.oig");
      FAIL("parsed");
    } catch (const Error& error) {
      CHECK(std::string(error.what()).size() < 2100);
      CHECK(error.where() == "g.oig:3");
    }
}
