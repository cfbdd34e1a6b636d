// SPDX-License-Identifier: Apache-2.0
#include <new>
#include <stdexcept>

#include "lib/base/fail.h"
#include "lib/text/jinja/interpreter.h"
#include "openinfer/text.h"

namespace openinfer {

using jinja::Value;

struct ChatTemplate::Program {
  jinja::NodePtr tree;
  ChatLimits limits;
};

namespace {

using Members = std::vector<std::pair<Value, Value>>;

/// The members of a JSON object join `to`; a name that is there takes the new value.
void merge(Members& to, const std::string& json, std::string_view what) {
  if (json.empty()) return;
  const Value object = jinja::parse_json(json);
  if (!object.is(jinja::Kind::dict))
    fail(ErrorCode::invalid_argument, "[chat template] {} is a JSON {}, not an object", what, type_name(object));
  for (const auto& [name, value] : object.dict().items) {
    bool found = false;
    for (auto& [old, old_value] : to)
      if (old.string() == name.string()) old_value = value, found = true;
    if (!found) to.emplace_back(name, value);
  }
}

[[noreturn]] void refuse_memory() {
  fail(ErrorCode::out_of_memory, "[chat template] the machine has no memory left; lower the limits or the input");
}

/// What the machine refuses to give is an Error, as is what the limits refuse.
template <class Run>
auto within_memory(Run&& run) {
  try {
    return run();
  } catch (const std::bad_alloc&) {
    refuse_memory();
  } catch (const std::length_error&) {
    refuse_memory();
  }
}

std::string run(const ChatTemplate::Program& program, const jinja::Dict& variables, jinja::Interpreter::Clock now) {
  jinja::Budget budget(program.limits.work, program.limits.output_bytes);
  return jinja::Interpreter(budget, variables, now).run(*program.tree);
}

}  // namespace

ChatTemplate::ChatTemplate(std::string_view source, ChatLimits limits)
    : program_(std::make_shared<const Program>(Program{within_memory([&] { return jinja::parse(source); }), limits})) {}

std::string ChatTemplate::render(std::string_view variables_json,
                                 std::optional<std::chrono::system_clock::time_point> now) const {
  return within_memory([&] {
    const Value variables = jinja::parse_json(variables_json);
    if (!variables.is(jinja::Kind::dict))
      fail(ErrorCode::invalid_argument, "[chat template] the variables are a JSON {}, not an object",
           type_name(variables));
    return run(*program_, variables.dict(), now);
  });
}

std::string ChatTemplate::apply(std::span<const ChatMessage> messages, const ChatOptions& options) const {
  return within_memory([&] {
    jinja::Values list;
    for (const ChatMessage& message : messages) {
      Members members = {{Value("role"), Value(message.role)}, {Value("content"), Value(message.content)}};
      merge(members, message.extra_json, "a message's extra_json");
      list.push_back(jinja::make_dict(std::move(members)));
    }
    Members variables = {
        {Value("messages"), jinja::make_list(std::move(list))},
        {Value("tools"), options.tools_json.empty() ? Value(jinja::None{}) : jinja::parse_json(options.tools_json)},
        {Value("documents"), Value(jinja::None{})},
        {Value("add_generation_prompt"), Value(options.add_generation_prompt)},
        {Value("bos_token"), Value(options.bos_token)},
        {Value("eos_token"), Value(options.eos_token)}};
    merge(variables, options.extra_json, "extra_json");
    const Value all = jinja::make_dict(std::move(variables));
    return run(*program_, all.dict(), options.now);
  });
}

}  // namespace openinfer
