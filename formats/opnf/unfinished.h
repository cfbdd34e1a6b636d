// SPDX-License-Identifier: Apache-2.0
// The list of temporary files and folders that this process has on the disk. Who makes one adds it, who gives it its
// final name or removes it drops it. A program that catches the signals that end it removes what is listed; the library
// only keeps the list.
#pragma once

#include <mutex>
#include <string>

namespace opnf::unfinished {

/// Holds the list still. Making, renaming and dropping a path is one step under it: nothing is removed in between.
/// One thread may hold several.
class Hold {
 public:
  Hold();

 private:
  std::lock_guard<std::recursive_mutex> lock_;
};

void add(const std::string& path);
void drop(const std::string& path);

/// Removes all that is listed, folders with what is in them, and keeps the list held: nothing is made after it. For a
/// process that is about to end. Waits for who holds the list.
void remove_for_the_end();

}  // namespace opnf::unfinished
