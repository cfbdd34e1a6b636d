# SPDX-License-Identifier: Apache-2.0
"""Conversations that every template is rendered with, and one-line templates for each construct."""

WEATHER = {"type": "function", "function": {
    "name": "get_weather", "description": "The weather of a place.\nToday.", "parameters": {
        "type": "object", "required": ["city"], "properties": {
            "city": {"type": "string", "description": "Town, e.g. \"Łódź\""}, "days": {"type": "integer"},
            "units": {"type": ["string", "number"]}, "tags": {"type": "array", "items": {"type": "string"}}}}}}
TIME = {"type": "function", "function": {"name": "now", "description": "The time.",
                                         "parameters": {"type": "object", "properties": {}, "required": []}}}


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **extra):
    return {"role": "assistant", "content": text, **extra}


CALL = {"id": "abc123def", "type": "function", "function": {"name": "get_weather", "arguments": {"city": "Łódź", "days": 2}}}
TOOL_CALL = [user("Weather in Łódź?"), assistant("", tool_calls=[CALL]),
             {"role": "tool", "name": "get_weather", "tool_call_id": "abc123def", "content": "{\"sky\": \"grey\", \"t\": -1.5}"}]
SYSTEM = {"role": "system", "content": "You are terse.\n Always. "}

CONVERSATIONS = {
    "one": {"messages": [user("Hello!")], "add_generation_prompt": True},
    "closed": {"messages": [user("Hello!"), assistant("Hi.")], "add_generation_prompt": False},
    "system": {"messages": [SYSTEM, user("  What is 2+2?\n")], "add_generation_prompt": True},
    "turns": {"messages": [SYSTEM, user("a"), assistant(" b \n"), user("c"), assistant("d"), user("e")], "add_generation_prompt": True},
    "unicode": {"messages": [user("Ünïcödé 漢字 😀 \u00a0\u3000 <b>&amp;'\"\\n</b>\t"), assistant("\u2028 ok \u200b"), user("…")],
                "add_generation_prompt": True},
    "empty_text": {"messages": [user(""), assistant(""), user("   ")], "add_generation_prompt": True},
    "empty": {"messages": [], "add_generation_prompt": True},
    "not_alternating": {"messages": [user("a"), user("b")], "add_generation_prompt": True},
    "strange_role": {"messages": [user("a"), {"role": "critic", "content": "x"}], "add_generation_prompt": False},
    "tools": {"messages": [SYSTEM, user("Weather in Łódź?")], "tools": [WEATHER, TIME], "add_generation_prompt": True},
    "tools_no_system": {"messages": [user("Time?")], "tools": [TIME], "add_generation_prompt": True},
    "tool_call": {"messages": TOOL_CALL, "tools": [WEATHER], "add_generation_prompt": True},
    "tool_answer": {"messages": [SYSTEM, *TOOL_CALL, assistant("Grey, -1.5 °C.")], "tools": [WEATHER], "add_generation_prompt": False},
    "two_calls": {"messages": [user("x"), assistant("Let me see.", tool_calls=[CALL, {**CALL, "id": "zzz123def"}]),
                               {"role": "tool", "tool_call_id": "abc123def", "content": "1"},
                               {"role": "tool", "tool_call_id": "zzz123def", "content": "2"}, assistant("Done."), user("Thanks")],
                  "tools": [WEATHER, TIME], "add_generation_prompt": True},
    "thinking": {"messages": [user("Why?"), assistant("<think>\nHm.\n</think>\n\nBecause."), user("And?"),
                              assistant("So.", reasoning_content="\nWell\n")], "add_generation_prompt": False},
    "no_thinking": {"messages": [user("Why?")], "add_generation_prompt": True, "enable_thinking": False},
    "parts": {"messages": [{"role": "system", "content": [{"type": "text", "text": "S"}]},
                           {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is this? "}]}],
              "add_generation_prompt": True},
    "no_content": {"messages": [{"role": "user"}], "add_generation_prompt": True},
}

VARIABLES = {"s": "Hello wörld 😀", "n": None, "i": 7, "neg": -3, "f": 2.5, "t": True, "l": [3, 1, 2], "e": [], "d": {"b": 1, "a": [True, None], "items": 5},
             "words": ["b", "A", "c", "a"], "rows": [{"k": 1, "v": {"w": "x"}}, {"k": 2, "v": {"w": "y"}}, {"v": {}}], "html": "<a href='x'>&\"</a>", "blank": " \n x y \t"}

# Rendered with VARIABLES; where jinja2 raises, so must we.
SNIPPETS = """
{{ 1 + 2 * 3 - 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 6 / 3 }} {{ 1.5 * 2 }} {{ -i }} {{ +i }} {{ 2 ** 3 ** 2 }}
{{ -2.5 // 1 }} {{ -2.5 % 1 }} {{ 1e16 }} {{ 1e-5 }} {{ 123456789.125 }} {{ 1e22 }} {{ 0.1 + 0.2 }} {{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1e3 }} {{ 100000000000000000.0 }}
{{ 1 / 0 }}
{{ 1 % 0 }}
{{ 'a' + 1 }}
{{ 'a' ~ 1 ~ none ~ true ~ 1.0 ~ [1] }} {{ 'ab' * 3 }} {{ 3 * 'x' }} {{ [1] * 2 }} {{ [1] + [2] }} {{ (1,) + (2, 3) }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 'a' < 'b' }} {{ 1 == 1.0 }} {{ true == 1 }} {{ [1, 2] == [1, 2] }} {{ {'a': 1} == {'a': 1} }} {{ 'a' != 'b' }} {{ [1] < [2] }} {{ (1,2) == [1,2] }}
{{ 1 < 'a' }}
{{ none < 1 }}
{{ undefinedname < 1 }}
{{ not true }} {{ not e }} {{ true and 'x' }} {{ '' or 'y' }} {{ none or false or 0 }} {{ 1 and 2 and 3 }} {{ not 1 == 2 }} {{ false or not false }}
{{ 'a' in 'abc' }} {{ 1 in [1, 2] }} {{ 'b' in d }} {{ 'z' not in d }} {{ 3 not in l }} {{ 'x' in nothing }} {{ not 'x' in 'y' }}
{{ 1 in 'abc' }}
{{ 'x' in none }}
{{ 'yes' if t else 'no' }} {{ 'yes' if not t }} {{ 'a' if false else 'b' if false else 'c' }} [{{ 'x' if false }}]
{{ s[0] }} {{ s[-1] }} {{ s[6:] }} {{ s[:5] }} {{ s[::-1] }} {{ s[1:-1:2] }} {{ s[-3:] }} {{ s[100:] }} {{ s[5:2] }} {{ s[::-2] }} {{ s[-100:3] }} {{ s[10:1:-3] }}
{{ l[0] }} {{ l[-1] }} {{ l[1:] }} {{ l[::-1] }} {{ l[:-1] }} {{ l[99] }} {{ l[-99] is defined }} {{ (1, 2, 3)[1:] }} {{ l.0 }}
{{ l[::0] }}
{{ d.b }} {{ d['b'] }} {{ d.a }} {{ d['a'][0] }} {{ d.zzz }} {{ d['items'] }} {{ d.get('b') }} {{ d.get('q', 5) }} {{ d.get('q') }} {{ d.keys() | list }} {{ d.values() | list }} {{ d.items() | list }}
{{ d.zzz.yyy }}
{{ nothing.x }}
{{ nothing['x'] }}
{{ n.x }} {{ i.x }} {{ s.x }} {{ d[1] }} {{ s['x'] }}
{{ nothing }} {{ nothing is defined }} {{ nothing is undefined }} {{ s is defined }} {{ n is none }} {{ nothing is none }} {{ d.q is defined }} {{ n is not none }} {{ s is not string }}
{{ s is string }} {{ d is mapping }} {{ l is iterable }} {{ d is iterable }} {{ s is sequence }} {{ l is sequence }} {{ i is number }} {{ f is float }} {{ i is integer }} {{ t is boolean }} {{ t is true }} {{ t is integer }} {{ 1 is true }} {{ n is iterable }} {{ i is sequence }} {{ t is number }}
{{ 3 is odd }} {{ 3 is even }} {{ 9 is divisibleby 3 }} {{ 9 is divisibleby(2) }} {{ 'a' is eq 'a' }} {{ 2 is gt 1 }} {{ 2 is in [1, 2] }} {{ 'abc' is lower }} {{ 'ABC' is upper }} {{ 1 is sameas 1 }} {{ 2 is ne(3) }} {{ 1 is lessthan 2 }} {{ range is callable }} {{ s is callable }}
{{ s | upper }} {{ s | lower }} {{ s | length }} {{ l | length }} {{ d | length }} {{ s | count }} {{ e | length }} {{ nothing | length }} {{ 'heLLo wOrld-foo' | title }} {{ 'heLLo' | capitalize }} {{ '' | capitalize }}
{{ 5 | length }}
[{{ blank | trim }}] [{{ 'xxaxx' | trim('x') }}] [{{ 5 | trim }}] [{{ '  ' | trim }}]
{{ l | join }} {{ l | join(', ') }} {{ rows | map(attribute='k') | list }} {{ rows | map(attribute='v.w') | join('-') }} {{ rows | map(attribute='k', default=0) | list }} {{ words | map('upper') | join(' ') }} {{ ['a ', ' b'] | map('trim') | list }} {{ d | join(',') }}
{{ nothing | default('x') }} {{ none | default('x') }} {{ '' | default('x', true) }} {{ none | d('y', boolean=true) }} {{ i | default(1) }} [{{ nothing | default }}]
{{ l | first }} {{ l | last }} {{ s | first }} [{{ e | first }}] {{ e | last is defined }}
{{ s | replace('l', 'L') }} {{ 'aaa' | replace('a', 'b', 2) }} {{ 'abc' | replace('', '-') }} {{ 'aXbX' | replace('X', '') }}
{{ d | items | list }} {% for k, v in d | items %}{{ k }}={{ v }};{% endfor %} {{ nothing | items | list }}
{{ [1] | items | list }}
{{ rows | selectattr('k', 'defined') | list }} {{ rows | selectattr('k', 'equalto', 2) | list }} {{ rows | rejectattr('k') | list }} {{ l | select('odd') | list }} {{ l | reject('gt', 1) | list }} {{ [0, 1, '', 'a'] | select | list }} {{ rows | selectattr('v.w', '==', 'x') | map(attribute='k') | list }}
{{ words | sort }} {{ words | sort(reverse=true) }} {{ words | sort(case_sensitive=true) }} {{ l | sort }} {{ rows[:2] | sort(attribute='k', reverse=true) | map(attribute='k') | list }} {{ l | min }} {{ l | max }} {{ words | unique | list }} {{ l | reverse | list }} {{ s | reverse }} {{ {'b': 1, 'A': 2} | dictsort }}
{{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 3.9 | int }} {{ '2.5' | float }} {{ 3 | float }} {{ -3 | abs }} {{ neg | abs }} {{ 2.567 | round(2) }} {{ 2.5 | round }} {{ 3 | string }} {{ l | string | length }} {{ ' 12 ' | int }}
{{ d | tojson }} {{ l | tojson }} {{ s | tojson }} {{ html | tojson }} {{ 1.0 | tojson }} {{ none | tojson }} {{ [] | tojson }} {{ {} | tojson }} {{ s | tojson(ensure_ascii=true) }} {{ '\\u0001\\x7f\\u2028"\\\\/' | tojson }} {{ {1: 2, none: 3, true: 4} | tojson }}
{{ d | tojson(indent=2) }} {{ [[], {}, [1]] | tojson(indent=4) }} {{ d | tojson(separators=(',', ':')) }} {{ d | tojson(sort_keys=true) }} {{ d | tojson(indent=0) }} {{ [1, [2]] | tojson(indent='--') }}
{{ nothing | tojson }}
{{ range | tojson }}
{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent(2, blank=true) }}|{{ 'a\\n' | indent }}|{{ '' | indent(first=true) }}|{{ 'a\\nb' | indent('> ') }}
{{ blank.strip() }}|{{ blank.lstrip() }}|{{ blank.rstrip() }}|{{ 'xyaxy'.strip('xy') }}|{{ s.upper() }}|{{ s.lower() }}|{{ 'a b'.title() }}|{{ 'aB'.capitalize() }}|{{ '\\u00a0x\\u3000'.strip() }}
{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ''.split() }} {{ ''.split(',') }} {{ 'a  b c'.split(none, 1) }} {{ 'aXXbXXc'.split('XX')[-1] }} {{ 'a\\nb\\r\\nc\\n'.splitlines() }} {{ 'a\\nb'.splitlines(true) }}
{{ 'a'.split('') }}
{{ s.startswith('He') }} {{ s.endswith('x') }} {{ s.startswith(('a', 'H')) }} {{ s.find('w') }} {{ s.find('zz') }} {{ s.rfind('l') }} {{ s.index('w') }} {{ s.count('l') }} {{ 'aaa'.count('aa') }} {{ s.replace('l', '') }} {{ s.replace('l', 'x', 1) }} {{ '-'.join(['a', 'b']) }} {{ 'prefix_x'.removeprefix('prefix_') }} {{ 'x.py'.removesuffix('.py') }} {{ '12'.isdigit() }} {{ ' '.isspace() }} {{ s.find('😀') }}
{{ s.index('zz') }}
{{ s.nomethod() }}
{{ '-'.join([1]) }}
{% set x = 1 %}{{ x }}{% set x = x + 1 %}{{ x }}{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set c = (1, 2) %}{{ c }}{% set d2 = 1, %}{{ d2 }}
{% set x %}block {{ i }}{% endset %}[{{ x }}]{% set y | upper | trim %} abc {% endset %}[{{ y }}]
{% set ns = namespace(a=1, b='x') %}{% set ns.a = ns.a + 1 %}{{ ns.a }}{{ ns.b }}{% for q in l %}{% set ns.a = ns.a + q %}{% endfor %}{{ ns.a }}{% set ns.new = 5 %}{{ ns.new }}{{ ns.zzz is defined }}
{% set x = 1 %}{% for q in l %}{% set x = q %}{{ x }}{% endfor %}{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}
{% set s.x = 1 %}
{% for q in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}
{% for q in e %}x{% else %}none{% endfor %}{% for q in l %}{{ q }}{% else %}none{% endfor %}{% for q in nothing %}x{% else %}empty{% endfor %}
{% for q in l if q > 1 %}{{ loop.index }}:{{ q }}/{{ loop.length }} {% endfor %}{% for q in l if q > 9 %}x{% else %}no{% endfor %}
{% for a, b in [(1, 2), (3, 4)] %}{{ a }}-{{ b }} {% endfor %}{% for k in d %}{{ k }}{% endfor %}{% for c in 'abé' %}{{ c }}.{% endfor %}{% for (x, y) in [[1, 2]] %}{{ x }}{{ y }}{% endfor %}
{% for a, b in [(1, 2, 3)] %}{{ a }}{% endfor %}
{% for q in 5 %}{% endfor %}
{% for q in none %}{% endfor %}
{% for q in range(5) %}{% if q == 1 %}{% continue %}{% endif %}{% if q == 3 %}{% break %}{% endif %}{{ q }}{% endfor %} {{ range(2, 8, 3) | list }} {{ range(5, 0, -2) | list }} {{ range(0) | list }}
{% for a in l %}{% for b in words %}{{ loop.index }}{{ loop.depth }}{% endfor %}{{ loop.index }}{% endfor %}{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}
{% if false %}a{% elif 0 %}b{% elif '' %}c{% else %}d{% endif %}{% if l %}l{% endif %}{% if not n %}n{% endif %}
{% macro m(a, b=2, c=a) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(1, c=5) }}{{ m(a=9, b=8) }}{{ m() }}{% set r = m(4) | upper %}{{ r | length }}
{% macro f(n) %}{{ n }}{% if n > 0 %}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(5) }}{% set z = 3 %}{% macro g() %}{{ z }}{{ s[0] }}{% endmacro %}{{ g() }}{% set z = 4 %}{{ g() }}
{% macro m(a) %}x{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}x{% endmacro %}{{ m(b=2) }}
{% macro m() %}  x  {% endmacro %}[{{ m() | trim }}]{% filter upper %}abc {{ s }}{% endfilter %}
{{ raise_exception('boom ' ~ i) }}
{{ nofunction() }}
{{ s() }}
{{ dict(a=1, b=[2]) }} {{ {'a': 1, 'b': {'c': "it's"}} }} {{ ["a'b", 'c"d', "e'f\\"g", 'x\\ny\\\\'] }} {{ ('a',) }} {{ () }} {{ [none, true, 1.5] }} {{ {} }} {{ '\\x00\\x1f\\x7f\\u200b\\xa0é' | list }}
{{ "a" "b" 'c' }} {{ 'tab\\there' }} {{ '\\u00e9\\x41\\101' }} {{ 'q\\'q' }} {{ "d\\"d" }} {{ '\\d' }} {{ 'line\\
cont' }}
{{ {'a': {'b': 1}}.a.b }} {{ {'x': '}}'}['x'] }} {{ '%}' }} {{ [{'a': 1}, {'b': 2}] }} {{ {1: 'a', 'k': 'b'}[1] }} {{ {'a': 1, 'a': 2} }}
{# comment #}a{#- strip -#} b {#+ keep +#} c
  {% if true %}  x  {% endif %}  y{{ '' }}
{%- if true -%}   x   {%- endif -%}   y
{% raw %}{{ not }} {% this %}{% endraw %}{%- raw -%}  {# x #}  {%- endraw -%} z
{{- ' a ' -}}   b   {{- ' c ' }}  d {{ 'e' -}} f
{{ true }} {{ True }} {{ false }} {{ none }} {{ None }} {{ t }} {{ n }} {{ f }} {{ l }} {{ d }}
{{ (1, 2) | list }} {{ 'é' | list }} {{ d | list }} {{ s | string }} {{ l | map('string') | join('+') }}
{{ f | int + i }} {{ i if i > 5 else 0 }} {{ (i > 5 and 'big') or 'small' }} {{ -i | abs }} {{ (-i) | abs }} {{ 10 - 2 - 3 }} {{ 2 * 3 ~ 4 }} {{ 'a' ~ 'b' | upper }}
{{ s | nofilter }}
{{ s is notest }}
{% unknown %}
{{ 1 + }}
{{ (1 }}
{{ 'abc }}
{% if true %}
{% for x in l %}
{% endfor %}
{{ 1 2 }}
{% else %}
{{ a..b }}
{% break %}
{{ l.append(1) }}
{{ s.__class__ }}
{{ range(1000000) | list }}
{{ strftime_now('%d %b %Y') }} {{ strftime_now('%Y-%m-%d %H:%M:%S') }}
{% if s.x is defined and s.x.y is defined %}a{% else %}b{% endif %}{{ d.a[0] if d.a is defined else 'q' }}{{ 'items' in d }}{{ d.items is defined }}
{{ rows | tojson }} {{ rows[0].v.w }} {{ rows[-1]['v'] | length }} {{ (rows | first).k }} {{ rows[1:][0].k }} {{ rows | map(attribute='v') | list | length }}
{{ '42.23' | int }} {{ '+5' | int }} {{ '1e3' | int }} {{ '7.0' | int }} {{ '1_000' | int }} {{ ' -1_0 ' | int }} {{ '_1' | int(8) }} {{ '1__0' | int(8) }} {{ '1_' | int(8) }} {{ '0x1F' | int(8) }} {{ '- 5' | int(8) }} {{ '+' | int(8) }} {{ '' | int(8) }} {{ '007' | int }} {{ 'inf' | int(8) }} {{ 'nan' | int(8) }} {{ '-9223372036854775808' | int }}
{{ '١٢' | int }} {{ '１２' | int }} {{ '\\u2003-٣_٤\\u3000' | int }} {{ '²' | int(8) }} {{ '١.٥' | float }} {{ '\\x1c5' | int(8) }} {{ '\\x1c5é' | int(8) }} {{ '\\u00a05\\x1c' | int(8) }} {{ '𝟙𝟚' | int }}
{{ '+1.5' | float }} {{ '1_0' | float }} {{ '.5' | float }} {{ '5.' | float }} {{ '.' | float(8) }} {{ '1e-3' | float }} {{ '1E+0_2' | float }} {{ '1_.5' | float(8) }} {{ '1._5' | float(8) }} {{ '1e_5' | float(8) }} {{ '1e' | float(8) }} {{ '0x10' | float(8) }} {{ 'nan' | float }} {{ '-Infinity' | float }} {{ '+INF' | float }} {{ 'infi' | float(8) }} {{ '1e400' | float }} {{ '-1e400' | float }} {{ '1e-400' | float }} {{ '-0.00e999' | float }} {{ '-0' | float }} {{ '1e99999999999999999999' | float }} {{ '0.0001e-99999999999999999999' | float }} {{ ' 1.5\\n' | float }}
{{ none | int }} {{ [] | int(8) }} {{ {} | float(8) }} {{ true | int }} {{ true | float }} {{ -3.9 | int }} {{ none | float }}
{{ nothing | int }}
{{ nothing | float(2) }}
{% set x = 'inf' %}{{ x | float | int }}
{{ 42 | round }} {{ 42 | round(1) }} {{ 9007199254740993 | round }} {{ true | round }} {{ (-0.4) | round }} {{ 2.55 | round(true) }} {{ 1e300 | round }} {{ '1e400' | float | round }}
{{ 'a  b c  '.split(none, 1) }} {{ '  a b  '.split(none, 0) }} {{ 'a b c '.split(maxsplit=2) }} {{ 'a b '.split(none, 1) }} {{ '  '.split(none, 0) }} {{ 'a  b c  '.split(none, 5) }}
{{ "hello_world they're x2y ʰa".title() }} {{ "hello_world they're x2y" | title }} {{ 'ǆ ßa ŉ'.title() }} {{ 'ǆ ßa ŉ' | title }} {{ 'ΟΔΟΣ ΑΣ Σ-ΑΣ.Σ' | title }} {{ 'ΟΔΟΣ ΑΣ.Σ'.title() }} {{ 'a\\u2003b\\x1cc<d[e{f(g-h_i' | title }}
{{ 'ßTRAẞE' | capitalize }} {{ 'ǅA'.capitalize() }} {{ 'ΑΣ'.capitalize() }} {{ 'ﬁN' | capitalize }}
{{ '²'.isdigit() }} {{ '٣'.isdigit() }} {{ '①'.isdigit() }} {{ '½'.isdigit() }} {{ '12²٣'.isdigit() }} {{ ''.isdigit() }} {{ 'Ⅷ'.isdigit() }} {{ '𝟙'.isdigit() }} {{ '一'.isdigit() }} {{ '1.5'.isdigit() }}
{{ 'Straße'.upper() }} {{ 'İ'.lower() | list }} {{ 'ΑΣ'.lower() }} {{ 'ﬁ ﬃ ŉ ΐ ὒ ᾳ ᾼ և'.upper() }} {{ 'ẞ'.lower() }} {{ 'ı ſ'.upper() }} {{ 'Ǆ ǅ ǆ' | upper }} {{ 'Ǆ ǅ ǆ' | lower }}
{{ 'Σ'.lower() }} {{ 'ΑΣΑ ΑΣ.Α ΑΣ.'.lower() }} {{ 'Α\\u0301Σ\\u0301' | lower }} {{ 'ªΣ ʰΣ ⅠΣ 1Σ'.lower() }} {{ "ΑΣ'Σ" | lower }}
{{ ['ß', 'SS', 'ss', 'ẞ'] | unique | list }} {{ ['ΑΣ', 'ας', 'Ασ'] | unique | list }} {{ ['b', 'İ', 'i'] | sort }}
{{ 'ß' is lower }} {{ 'ĸ' is lower }} {{ 'ª' is lower }} {{ 'ǅ' is lower }} {{ 'ǅ' is upper }} {{ 'Ⅷ' is upper }} {{ 'aǅ' is lower }} {{ '1' is lower }} {{ 'Ⓐ1' is upper }} {{ '' is upper }} {{ 'ϒ' is upper }} {{ 12 is upper }} {{ none is lower }}
{{ cycler is defined }} {{ joiner is defined }} {{ lipsum is defined }} {{ namespace is callable }} {{ joiner is callable }}
{{ -0.0 }} {{ -f }} {{ 0.0 * -1 }} {{ -(-0.0) }} {{ +(-0.0) }} {{ -true }} {{ +true }} {{ -0 }} {{ (-0.0) | abs }}
{{ 1.0 // 0.1 }} {{ -1.0 % 1 }} {{ 1.0 % -1 }} {{ -0.0 // 1 }} {{ 5.5 // -2 }} {{ 5.5 % -2 }} {{ 0.3 % 0.1 }} {{ 1 // 1e-320 }} {{ 1 % '-inf' | float }} {{ -1 // ('inf' | float) }} {{ 'inf' | float // 1 }}
{{ 0 ** -1 }}
{{ 0.0 ** -1.5 }}
{{ 10.0 ** 400 }}
{{ 1e308 * 10 }} {{ 2 ** -2000 }} {{ 4 ** 0.5 }} {{ (-8) ** 3.0 }} {{ ('inf' | float) ** 2 }} {{ (-1) ** -3 }} {{ 1 ** -1 }} {{ 0 ** 0 }} {{ 0.0 ** 0 }}
{% macro f(a, b=1) %}x{% endmacro %}{{ f.name }} {{ f.arguments }} {{ f }} {{ f['name'] }} {{ f.nosuch }} {{ [f] }} {{ range.name }}
{{ d.keys() }} {{ d.values() }} {{ d.items() }} {{ {}.keys() }} {{ {}.items() }} {{ [d.keys()] }} {{ d.keys() ~ '' }} {{ d.values() | string }} {{ dict(x=d.items()) }}
{{ d.keys() | list }} {{ d.keys() | length }} {{ d.keys() | first }} {{ d.values() | last }} {{ 'b' in d.keys() }} {{ ('b', 1) in d.items() }} {{ d.keys() | sort }} {{ d.keys() | join('-') }} {% for k in d.keys() %}{{ loop.index }}{{ k }}{% endfor %} {% for k, v in d.items() %}{{ k }}{{ v }}{% endfor %} {{ d.keys() | map('upper') | list }} {{ 'y' if {}.keys() else 'n' }} {{ d.items() | reverse | list }}
{{ d.keys()[0] }} {{ d.keys()[0] is defined }} {{ d.keys().count is defined }} {{ d.keys() is sequence }} {{ d.keys() is iterable }} {{ d.keys() is mapping }} {{ d.keys() == ['b', 'a', 'items'] }} {{ {'a': 1, 'b': 2}.keys() == {'b': 0, 'a': 0}.keys() }} {{ {'a': 1, 'b': 2}.items() == {'b': 2, 'a': 1}.items() }} {{ {'a': 1}.values() == {'a': 1}.values() }} {{ {'a': 1}.items() == [('a', 1)] }}
{{ d.keys()[:1] }}
{{ d.keys() | tojson }}
{{ d.keys() + ['x'] }}
{{ d.values() * 2 }}
{{ {d.keys(): 1} }}
{{ range(3) }} {{ range(1, 3) }} {{ range(0, 6, 2) }} {{ range(5, 5) }} {{ range(5, 0, -2) }} {{ [range(2)] }} {{ range(9)[2:5] }} {{ range(9)[::-2] }} {{ range(9)[::-1] }} {{ range(4)[1] }} {{ range(4)[-1] }} {{ range(4)[9] }} {{ range(2, 9, 3)[1:] }} {{ range(3)[5:] }} {{ range(3).count(2) }}
{{ range(3) == range(0, 3, 1) }} {{ range(0) == range(5, 5) }} {{ range(3) == [0, 1, 2] }} {{ range(3) == (0, 1, 2) }} {{ 2 in range(3) }} {{ range(3) | length }} {{ range(3) | list }} {{ range(3) | last }} {{ range(3) is sequence }} {{ {range(2): 1} }} {{ range(3) | join }} {{ [range(2)] == [range(2)] }} {{ range(0, 4, 3) == range(0, 6, 3) }}
{{ range(3) | tojson }}
{{ range(3) + [3] }}
{{ range(3) * 2 }}
{{ [1] < (1, 2) }}
{{ range(1) < range(2) }}
{{ varargs }} {{ kwargs is defined }}{% macro m(varargs) %}{% set kwargs = 1 %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(5) }}
{{ {(1, 2): 3} | tojson }}
{{ (1, 2) | tojson }} {{ range(0, 9, 4).stop }} {{ range(3).step }} {{ (1, 2).count(1) }} {{ (1, 2).append is defined }} {{ range(9)[::100] }} {{ range(9)[8:2:-3] | list }}
{{ 5 | indent }}
{{ nothing | dictsort }}
{{ [[1], [2]] | unique | list }}
{{ [1] in d }}
{{ {} in d.keys() }}
{{ d.get([1]) }}
{{ nothing is callable }} {{ d[[1]] }} {{ none | map('upper') | list }} {{ none | selectattr('k') | list }} {{ 0 | select | list }} {{ (1, 2) in d }}
{{ 'abc'.startswith(['a']) }}
{{ 'abc'.startswith(range(2)) }}
""".strip("\n").split("\n")
# A string with a real newline in it was split above: put it together again.
SNIPPETS = [a for a in SNIPPETS if a != "cont' }}"]
SNIPPETS = [s + "\ncont' }}" if s.endswith("{{ 'line\\") else s for s in SNIPPETS]

BLOCKS = [
    "a\n{% if true %}\nb\n{% endif %}\nc\n", "a\n  {% if true %}\n  b\n  {% endif %}\nc\n\n", "  {% if true %}x{% endif %}\n",
    "  {{ 1 }}\n  {{ 2 }}\n", "x  {% if true %}\ny{% endif %}", "{% for i in l %}\n  {{ i }}\n{% endfor %}\nend", "\n\n{%- if true %}\n\n a\n{%- endif +%}\n b",
    "\t{# c #}\n\t{#- c -#}\n d", "a\n  {%+ if true %}b{% endif %}", "a \n {%- if true -%} \n b \n {%- endif -%} \n c", "{% set x = 1 -%}\n\n  y", "a\r\nb\r\n{% if true %}\r\nc{% endif %}\r\n",
    "{{ 'x' }}\n", "{{ 'x' }}\n\n", "  {%- set a = 1 %}\n  {%- set b = 2 %}\n{{ a + b }}", "{% if true %}\n  {% if true %}\n    z\n  {% endif %}\n{% endif %}\n",
    "{{ 'a' -}}\n  {% if true %}b{% endif %}", "{#- x #}\n  {% if true %}\nq{% endif %}", "\u00a0{% if true %}x{% endif %}\u3000\n \u2003 {%- if true %}y{% endif %}",
    "{% raw %}\n a \n{% endraw %}\n b", "{% raw -%}\n a \n{%- endraw %}\n b", "a\n {% raw %}x{% endraw %}", "{% set x %}\n  a\n  b\n{% endset %}\n[{{ x }}]",
    "{% macro m(x) %}\n  <{{ x }}>\n{% endmacro %}\n{{ m(1) }}{{ m(2) }}", "{%- macro m(x) -%}\n  <{{ x }}>\n{%- endmacro -%}\n{{ m(1) }}{{ m(2) }}",
]
