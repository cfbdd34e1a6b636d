// SPDX-License-Identifier: Apache-2.0
#include "codegen/cli/standard_output.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>

using namespace openinfer::cli;

TEST_CASE("what could not be written before a line on stderr is an error still") {
  std::fflush(stdout);
  const int kept = ::dup(STDOUT_FILENO), full = ::open("/dev/full", O_WRONLY);
  REQUIRE(::dup2(full, STDOUT_FILENO) == STDOUT_FILENO);
  print_out("an answer");
  print_beside("a line beside it");
  ::dup2(kept, STDOUT_FILENO);
  ::close(kept), ::close(full);
  CHECK_THROWS_WITH(flush_out(), Catch::Contains("standard output cannot be written: No space left on device"));
  std::clearerr(stdout);
}
