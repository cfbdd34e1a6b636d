// SPDX-License-Identifier: Apache-2.0
#include "lib/base/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "lib/base/temporary_folder.h"

using namespace openinfer;

namespace {

std::string content(std::FILE* file) {
  std::string text;
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text += static_cast<char>(c);
  CHECK(std::ferror(file) == 0);
  return text;
}

/// Throws, which ends the program: Catch's assertions are for one thread.
void write_and_close(const std::string& path, const char* text, int before_ms, int after_ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(before_ms));
  const int fd = ::open(path.c_str(), O_WRONLY);
  std::this_thread::sleep_for(std::chrono::milliseconds(after_ms));
  if (::write(fd, text, std::strlen(text)) != static_cast<ssize_t>(std::strlen(text)))
    throw std::runtime_error("cannot write to the pipe");
  ::close(fd);
}

}  // namespace

TEST_CASE("an input is a file, and why there is none is said") {
  const TemporaryFolder folder;
  const std::string path = (folder.path() / "file").string();
  std::string why;
  CHECK(!open_input(path, why));
  CHECK(why == "No such file or directory");
  std::ofstream(path) << "text";
  CHECK(content(open_input(path, why).get()) == "text");
}

TEST_CASE("a pipe that nobody writes to is no input; one whose writer comes late, or says nothing for long, is") {
  const TemporaryFolder folder;
  const std::string pipe = (folder.path() / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  std::string why;
  CHECK(!open_input(pipe, why));
  CHECK(why == "is a pipe that nobody writes to");
  for (const auto& [before_ms, after_ms] : {std::pair{0, 0}, {300, 0}, {300, 2300}}) {
    std::thread writer(write_and_close, pipe, "piped", before_ms, after_ms);
    const InputFile file = open_input(pipe, why);
    CHECK((file && content(file.get()) == "piped"));
    writer.join();
  }
  int ends[2];  // as a shell's <(…): its writer has gone already
  REQUIRE(::pipe(ends) == 0);
  CHECK(::write(ends[1], "left", 4) == 4);
  ::close(ends[1]);
  CHECK(content(open_input("/dev/fd/" + std::to_string(ends[0]), why).get()) == "left");
  ::close(ends[0]);
}
