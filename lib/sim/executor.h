// SPDX-License-Identifier: Apache-2.0
// What runs a session's steps instead of the simulator: a graph compiled by codegen, which hands it to the session.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "openinfer/sim.h"

namespace openinfer {

class SessionExecutor {
 public:
  SessionExecutor() = default;
  virtual ~SessionExecutor() = default;
  SessionExecutor(const SessionExecutor&) = delete;
  SessionExecutor& operator=(const SessionExecutor&) = delete;

  virtual Backend backend() const = 0;
  /// SimSession::device, plan, remarks.
  virtual std::string device() const = 0;
  virtual std::string plan() const = 0;
  virtual std::vector<std::string> remarks() const = 0;
  /// All inputs, all outputs.
  virtual Outputs step(const Inputs& inputs) = 0;
  /// SimSession::prefer.
  virtual void prefer(std::string_view entry) = 0;
  virtual void reset() = 0;
  /// Bytes of package tensors that all steps together have read.
  virtual std::uint64_t bytes_read() const = 0;
  /// SimSession::limits.
  virtual std::map<std::string, std::int64_t> limits() const = 0;
  virtual StateSnapshot save() = 0;
  virtual void restore(const StateSnapshot& snapshot) = 0;
  /// Another one with the same contents.
  virtual std::unique_ptr<SessionExecutor> fork() = 0;
};

}  // namespace openinfer
