// SPDX-License-Identifier: Apache-2.0
#include "lib/text/component.h"

#include "lib/base/fail.h"
#include "lib/text/utf8.h"

namespace openinfer::text {

using jinja::Kind;

namespace {

std::string_view checked(std::string_view what, std::string_view json) {
  if (!is_utf8(json)) fail(ErrorCode::invalid_argument, "[tokenizer] the JSON of the {} is not UTF-8", what);
  return json;
}

}  // namespace

Component::Component(std::string_view what, std::string_view json)
    : Component(what, Parsed{jinja::parse_json(checked(what, json))}) {}

Component::Component(std::string_view what, Parsed parsed) : what_(what), value_(std::move(parsed.value)) {
  if (!value_.is(Kind::dict) || !find("type"))
    fail(ErrorCode::invalid_argument, "[tokenizer] the {} is not a JSON object with a \"type\"", what_);
  type_ = text("type");
}

const jinja::Value* Component::find(std::string_view key) const {
  jinja::Budget budget(std::size_t{1} << 24, std::size_t{1} << 24);
  const jinja::Value* found = value_.dict().find(key, budget);
  return found && !found->is(Kind::none) ? found : nullptr;
}

void Component::wrong(std::string_view key, std::string_view wanted) const {
  fail(ErrorCode::invalid_argument, "[tokenizer] the {} {} has a \"{}\" that is not {}", what_, type_, key, wanted);
}

std::string Component::text(std::string_view key, std::string_view fallback) const {
  const jinja::Value* value = find(key);
  if (value && !value->is(Kind::string)) wrong(key, "a string");
  return value ? value->string() : std::string(fallback);
}

bool Component::flag(std::string_view key, bool fallback) const {
  const jinja::Value* value = find(key);
  if (value && !value->is(Kind::boolean)) wrong(key, "true or false");
  return value ? value->boolean() : fallback;
}

std::int64_t Component::number(std::string_view key, std::int64_t fallback) const {
  const jinja::Value* value = find(key);
  if (value && !value->is(Kind::integer)) wrong(key, "an integer");
  return value ? value->integer() : fallback;
}

Component::Pattern Component::pattern() const {
  const jinja::Value* value = find("pattern");
  if (value && value->is(Kind::string)) return {value->string(), false};
  jinja::Budget budget(1 << 16, 1 << 16);
  for (const bool regex : {false, true}) {
    const auto* text =
        value && value->is(Kind::dict) ? value->dict().find(regex ? "Regex" : "String", budget) : nullptr;
    if (text && text->is(Kind::string)) return {text->string(), regex};
  }
  wrong("pattern", "{\"String\": …} or {\"Regex\": …}");
}

std::vector<Component> Component::parts(std::string_view key) const {
  if (!is("Sequence")) return {*this};
  const jinja::Value* list = find(key);
  if (!list || !list->is(Kind::list)) wrong(key, "a list");
  std::vector<Component> out;
  for (const jinja::Value& item : list->list().items)
    for (Component& part : Component(what_, Parsed{item}).parts(key)) {
      if (out.size() == kMostParts)
        fail(ErrorCode::unsupported, "[tokenizer] the {} has more than {} parts", what_, kMostParts);
      out.push_back(std::move(part));
    }
  return out;
}

void Component::unsupported(std::string_view known) const {
  fail(ErrorCode::unsupported, "[tokenizer] unknown {} \"{}\"; known: {}", what_, type_, known);
}

}  // namespace openinfer::text
