// SPDX-License-Identifier: Apache-2.0
// What signals do to the command: nothing half-written stays where one ends it.
#pragma once

namespace openinfer::cli {

/// From now on SIGINT, SIGTERM and SIGHUP, unless they are ignored, end the process as they do by default once a
/// compiler that it waits for has ended (codegen/run/child_processes.h) and its temporary files and folders
/// (formats/opnf/unfinished.h) are removed; the second one ends it at once. So does SIGBUS,
/// a page of a mapped package that has no file behind it any more, with a line of error and exit code 1. A file beyond
/// the limit of `ulimit -f` is an error of the write, not the end.
void catch_signals();

}  // namespace openinfer::cli
