// SPDX-License-Identifier: Apache-2.0
#include <catch2/catch.hpp>
#include <sstream>

#include "lib/text/jinja/value.h"
#include "tests/source_path.h"
#include "tests/text/oracle.h"

using namespace openinfer;
using namespace openinfer::test;

namespace {

std::chrono::system_clock::time_point oracle_now(const nlohmann::ordered_json& data) {
  return std::chrono::system_clock::from_time_t(data["now"].get<std::time_t>());
}

std::string source_of(const std::string& family) {
  std::ifstream file(testing::source_path("tests/text/templates/") + family + ".jinja", std::ios::binary);
  REQUIRE(file);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// jinja2's text; where it raises (null), we throw an Error that is no bug of ours.
void check(const std::string& source, const std::string& variables, const nlohmann::ordered_json& expected,
           std::chrono::system_clock::time_point now) {
  try {
    const std::string text = ChatTemplate(source).render(variables, now);
    if (expected.is_null()) FAIL_CHECK("jinja2 raises, we give: " << text);
    if (!expected.is_null()) CHECK(text == expected.get<std::string>());
  } catch (const Error& error) {
    INFO(error.message());
    CHECK(expected.is_null());
    CHECK(error.code() != ErrorCode::internal);
    CHECK(error.message().starts_with("[chat template] "));
  }
}

std::string render_error(const std::string& source, ChatLimits limits = {}) {
  return message_of([&] { ChatTemplate(source, limits).render(R"({"l": [1, 2], "s": "x"})"); });
}

}  // namespace

TEST_CASE("templates of the well-known families render as jinja2 renders them", "[chat]") {
  const auto data = oracle("templates.json");
  REQUIRE(data["families"].size() >= 17);
  for (const auto& [family, rendered] : data["families"].items())
    for (const auto& [name, expected] : rendered.items()) {
      INFO(family << " with " << name);
      auto variables = nlohmann::ordered_json{{"tools", nullptr}, {"bos_token", "<s>"}, {"eos_token", "</s>"}};
      variables.update(data["conversations"][name]);
      if (family == "llama31" && variables["tools"].is_null()) variables.erase("tools");
      check(source_of(family), variables.dump(), expected, oracle_now(data));
    }
}

TEST_CASE("every construct renders as in jinja2, or is an error where it raises", "[chat]") {
  const auto data = oracle("templates.json");
  REQUIRE(data["snippets"].size() > 100);
  for (const auto& row : data["snippets"]) {
    INFO(row[0].dump());
    check(row[0], data["variables"].dump(), row[1], oracle_now(data));
  }
}

TEST_CASE("apply takes messages, tools and further variables", "[chat]") {
  const std::vector<ChatMessage> messages = {{"user", "Hi", ""},
                                             {"assistant", "", R"({"tool_calls": [{"name": "f"}]})"}};
  const ChatTemplate chat(
      "{{ bos_token }}{% for m in messages %}{{ m.role }}:{{ m.content }}{{ m.tool_calls }};{% endfor %}"
      "{{ tools | tojson }}{{ x }}{{ add_generation_prompt }}{{ eos_token }}");
  CHECK(chat.apply(messages, {.add_generation_prompt = false,
                              .bos_token = "<s>",
                              .eos_token = "</s>",
                              .tools_json = R"([{"name": "f"}])",
                              .extra_json = R"({"x": "é"})"}) ==
        "<s>user:Hi;assistant:[{'name': 'f'}];[{\"name\": \"f\"}]éFalse</s>");
  CHECK(message_of([&] { chat.apply(messages, {.tools_json = "[1"}); }) ==
        "[chat template] JSON: expected , or ] at byte 2 of 2");
  CHECK(message_of([&] { chat.apply(messages, {.extra_json = "[]"}); }) ==
        "[chat template] extra_json is a JSON list, not an object");
}

TEST_CASE("errors name line and column", "[chat]") {
  CHECK(render_error("a\n  {{ s | nosuch }}") == "[chat template] unknown filter 'nosuch' at 2:10");
  CHECK(render_error("{% call f() %}{% endcall %}").find("unknown statement 'call'") != std::string::npos);
  CHECK(render_error("\n\n{{ missing.x }}") ==
        "[chat template] 'missing' is undefined, but its attribute 'x' is used at 3:11");
  CHECK(render_error("{{ raise_exception('no') }}") == "[chat template] the template refuses: no at 1:19");
  CHECK(render_error("{% for x in l recursive %}{% endfor %}") ==
        "[chat template] recursive loops are not known at 1:15");
  CHECK(render_error("{{ 'a' % 1 }}") == "[chat template] formatting with % is not known; use ~ at 1:8");
  CHECK(render_error("{{ s.zfill(3) }}") == "[chat template] the method str.zfill is not known at 1:5");
  CHECK(render_error("{{ l | tojson(indnt=3) }}") == "[chat template] unknown argument 'indnt' at 1:8");
  CHECK(render_error("{{ 9223372036854775807 + 1 }}") ==
        "[chat template] an integer beyond 64 bits: 9223372036854775807 + 1 at 1:24");
}

TEST_CASE("what Python knows and we do not is an error that names it", "[chat]") {
  CHECK(render_error("{{ 2 ** 64 }}") == "[chat template] an integer beyond 64 bits: 2 ** 64 at 1:6");
  CHECK(render_error("{{ (-9223372036854775807 - 1) // -1 }}") ==
        "[chat template] an integer beyond 64 bits: -9223372036854775808 // -1 at 1:31");
  CHECK(render_error("{{ -(-9223372036854775807 - 1) }}") ==
        "[chat template] an integer beyond 64 bits: -(-9223372036854775808) at 1:4");
  CHECK(render_error("{{ '9223372036854775808' | int }}") ==
        "[chat template] an integer beyond 64 bits: 9223372036854775808 at 1:28");
  CHECK(render_error("{{ 1e30 | int }}") == "[chat template] an integer beyond 64 bits: 1e+30 at 1:11");
  CHECK(message_of([&] { ChatTemplate("{{ v }}").render(R"({"v": -9223372036854775809})"); }) ==
        "[chat template] JSON: an integer beyond 64 bits at byte 26 of 27");
  CHECK(render_error("{{ cycler(1, 2) }}") == "[chat template] the function cycler is not known at 1:10");
  CHECK(render_error("{{ joiner() }}") == "[chat template] the function joiner is not known at 1:10");
  CHECK(render_error("{{ (-8) ** 0.5 }}") == "[chat template] -8 ** 0.5 is a complex number at 1:9");
  CHECK(render_error("{{ 2.5 | round(none) }}") == "[chat template] round needs an integer at 1:10");
  CHECK(render_error("{{ 5 .real }}").find("the method int.real is not known at 1:") != std::string::npos);
  CHECK(render_error("{{ 'a'.istitle() }}") == "[chat template] the method str.istitle is not known at 1:7");
  CHECK(render_error("{{ namespace(a=1) }}").find("the text of a namespace is not known at 1:") != std::string::npos);
  CHECK(render_error("{{ range }}").find("the text of function 'range' is not known") != std::string::npos);
  CHECK(render_error("{% macro m() %}{{ varargs }}{% endmacro %}{{ m() }}") ==
        "[chat template] jinja2's name 'varargs' is not known at 1:19");
  CHECK(render_error("{% macro m() %}{% endmacro %}{{ m.caller }}") ==
        "[chat template] the attribute 'caller' of a macro is not known at 1:34");
  CHECK(render_error("{{ {'a': 1}.keys().mapping }}").find("dict_keys.mapping is not known") != std::string::npos);
}

TEST_CASE("hostile templates end in an error, soon", "[chat]") {
  const auto hostile = [](const std::string& source) {
    return render_error(source, {.output_bytes = 1 << 20, .work = 1 << 22});
  };
  const auto repeat = [](std::string_view text, int count) {
    std::string out;
    for (int i = 0; i < count; ++i) out += text;
    return out;
  };
  const std::string steps = "more than its limit of 4194304 steps";
  CHECK(hostile("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}").find(steps) !=
        std::string::npos);
  CHECK(hostile("{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}")
            .find(steps) != std::string::npos);
  CHECK(hostile("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}")
            .find(steps) != std::string::npos);
  CHECK(hostile("{{ 'a' * 9000000000000000000 }}").find(steps) != std::string::npos);
  CHECK(hostile("{{ 'aaaaaaaaaaaaaaaa' * 2000000000000000000 }}").find(steps) != std::string::npos);
  CHECK(
      hostile("{% for i in range(99) %}{{ 'a' * 20000 }}{% endfor %}").find("longer than its limit of 1048576 bytes") !=
      std::string::npos);
  CHECK(hostile("{% set ns = namespace(x=[1]) %}{% for i in range(999) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}")
            .find("nest more than 100 deep") != std::string::npos);
  CHECK(
      hostile(
          "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}")
          .find(steps) != std::string::npos);
  CHECK(hostile("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}").find("calls nest more than") != std::string::npos);
  CHECK(hostile("{{ " + repeat("(", 100000) + "1" + repeat(")", 100000) + " }}").find("nest more than") !=
        std::string::npos);
  CHECK(hostile("{{ " + repeat("not ", 100000) + "1 }}").find("nest more than") != std::string::npos);
  CHECK(hostile("{{ 1" + repeat(" + 1", 100000) + " }}").find("nest more than") != std::string::npos);
  CHECK(hostile("{{ s" + repeat("[0]", 100000) + " }}").find("nest more than") != std::string::npos);
  CHECK(hostile("{{ s" + repeat("|trim", 100000) + " }}").find("nest more than") != std::string::npos);
  CHECK(hostile("{{ s" + repeat(" is defined", 100000) + " }}").find("nest more than") != std::string::npos);
  CHECK(hostile(repeat("{% if 1 %}", 100000)).find("nest more than") != std::string::npos);
  CHECK(hostile(repeat("{{ '", 100000)).find("[chat template]") == 0);
  CHECK(hostile("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns.a.a.a is defined }}").empty());
  CHECK(message_of([&] { ChatTemplate("x").render(repeat("[", 100000)); }).find("nest too deep") != std::string::npos);
}

TEST_CASE("keys that Python cannot hash are refused, and keys count as nesting", "[chat]") {
  CHECK(render_error("{% set d = {{'a': 1}: 1} %}").find("a key of type dict, which Python") != std::string::npos);
  CHECK(render_error("{% set d = {(1, [2]): 1} %}").find("a key of type list") != std::string::npos);
  CHECK(render_error("{% set ns = namespace(x=1) %}{% for i in range(60) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}"
                     "{% set d = {ns.x: 1} %}",
                     {.work = 1 << 22})
            .find("4194304 steps") != std::string::npos);
  CHECK(ChatTemplate("{{ {(1, 'a'): 2} }}").render("{}") == "{(1, 'a'): 2}");
  CHECK(render_error("{% set ns = namespace(d=1) %}{% for i in range(100000) %}{% set ns.d = {ns.d: 1} %}{% endfor %}")
            .find("a key of type dict") != std::string::npos);
  CHECK(render_error(
            "{% set ns = namespace(d=1) %}{% for i in range(100000) %}{% set ns.d = {(ns.d,): 1}|list %}{% set ns.d = "
            "ns.d[0] %}{% endfor %}")
            .find("nest more than 100 deep") != std::string::npos);
}

TEST_CASE("separators of tojson are paid for", "[chat]") {
  const ChatLimits limits{.output_bytes = 1 << 20, .work = 1 << 24};
  CHECK(render_error("{{ ([1] * 20000)|tojson(separators=('x' * 20000, ':')) }}", limits).find("more than its limit") !=
        std::string::npos);
  CHECK(render_error("{% set x = ([{'a': 1}] * 20000)|tojson(separators=(',', 'x' * 20000)) %}", limits)
            .find("more than its limit") != std::string::npos);
  jinja::Budget budget(50000, 1 << 20);
  const jinja::JsonStyle style{.item_separator = std::string(1000, 'x'), .key_separator = ":", .indent = ""};
  CHECK(message_of([&] { to_json(jinja::make_list(jinja::Values(100, 1)), style, budget); }).find("50000 steps") !=
        std::string::npos);  // while it writes, not once it holds all
  CHECK(ChatTemplate("{{ {'a': [1, 2]}|tojson(separators=(';', '=')) }}").render("{}") == R"({"a"=[1;2]})");
}

TEST_CASE("filters within map are bounded in depth and in what their arguments take", "[chat]") {
  std::string names = "'map'";
  for (int i = 0; i < 2000; ++i) names += ", 'map'";
  CHECK(render_error("{{ 'a'|map(" + names + ") }}").find("calls nest more than") != std::string::npos);
  CHECK(render_error("{{ 'a'|map(" + names + ") }}", {.work = 1 << 20}).find("more than its limit") !=
        std::string::npos);
}

TEST_CASE("searches in strings are paid for", "[chat]") {
  const ChatLimits limits{.work = 1 << 25};
  // Each search compares a quarter of a million places with as many bytes: minutes, were it free.
  const std::string set = "{% set s = 'a' * 500000 %}{% set p = 'a' * 250000 ~ 'b' %}";
  for (const char* search : {"p in s", "s.replace(p, '')", "s|replace(p, '')", "s.split(p)", "s.count(p)", "s.find(p)",
                             "s.rfind(p)", "s.rsplit(p)", "p is in s"}) {
    INFO(search);
    CHECK(render_error(set + "{{ " + search + " }}", limits).find("more than its limit") != std::string::npos);
  }
  CHECK(render_error(set + "{% for i in range(100000) %}{{ s.startswith((p, p, p)) }}{% endfor %}", limits)
            .find("more than its limit") != std::string::npos);
  CHECK(render_error(set + "{% for i in range(100000) %}{% set x = s.removeprefix(p) %}{% endfor %}", limits)
            .find("more than its limit") != std::string::npos);
  // A long set of characters is searched, not walked.
  CHECK(ChatTemplate("{{ ('a' * 500000).strip('b' * 500000 ~ 'a') }}|{{ 'xyaxy'|trim('yx') }}").render("{}") == "|a");
  CHECK(
      ChatTemplate("{{ 'abababab'.find('bab') }}{{ 'abababab'.rfind('bab') }}{{ 'abab'.rfind('') }}{{ 'ab'.find('') }}"
                   "{{ 'b'.find('bb') }}{{ 'b'.rfind('bb') }}{{ 'ababab'.rsplit('ba', 1) }}{{ 'aXXbXXc'.split('XX') }}"
                   "{{ 'aaaa'.count('aa') }}{{ '' in 'a' }}{{ 'ba' in 'aab' }}")
          .render("{}") == "1540-1-1['aba', 'b']['a', 'b', 'c']2TrueFalse");
}

TEST_CASE("JSON is read as Python reads it, and refused where it must be", "[chat]") {
  const auto show = [](const std::string& json) { return ChatTemplate("{{ v }}").render("{\"v\": " + json + "}"); };
  CHECK(show("[1, -2, 1.5, 1e2, true, null, \"\\u00e9\\ud83d\\ude00\\n\"]") ==
        "[1, -2, 1.5, 100.0, True, None, 'é😀\\n']");
  CHECK(show("{\"a\": 1, \"b\": 2, \"a\": 3}") == "{'a': 3, 'b': 2}");
  for (const std::string bad : {"", "[", "[1,]", "{\"a\"}", "{a: 1}", "\"a", "\"\\x\"", "\"\\ud800\"", "01x", "nul",
                                "1 2", "\"\n\"", "-", "\"\\u12\""}) {
    INFO(bad);
    CHECK(message_of([&] { show(bad); }).starts_with("[chat template] JSON: "));
  }
}

TEST_CASE("looking a key up is paid for by every key looked at", "[chat]") {
  std::vector<std::pair<jinja::Value, jinja::Value>> items;
  for (int i = 0; i < 100; ++i) items.emplace_back("key" + std::to_string(i), i);
  const jinja::Value dict = jinja::make_dict(std::move(items));
  jinja::Budget enough(200, 1), little(50, 1);
  REQUIRE(dict.dict().find("key99", enough));
  CHECK(dict.dict().find("key99", enough)->integer() == 99);
  CHECK(message_of([&] { (void)dict.dict().find("key99", little); }).find("50 steps") != std::string::npos);
  std::string keys;
  for (int i = 0; i < 1000; ++i) keys += "'k" + std::to_string(i) + "': 1, ";
  CHECK(render_error("{% set d = {" + keys + "} %}{% for i in range(100) %}{{ d.missing is defined }}{% endfor %}",
                     {.work = 60000})
            .find("more than its limit") != std::string::npos);
}
