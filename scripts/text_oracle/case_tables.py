# SPDX-License-Identifier: Apache-2.0
"""What Python's str knows of case and digits beyond general categories and simple mappings, found out by asking it."""
import sys
import unicodedata

from .unicode_tables import ranges, scalar_values

KIND = {c: unicodedata.category(chr(c)) for c in scalar_values()}


def beyond(members, *kinds):
    """The members of a set that holds every code point of these categories, and these beside them."""
    base = {c for c, kind in KIND.items() if kind in kinds}
    assert base <= members, (kinds, base - members)
    return members - base


def special_cases():
    """Code points whose upper case is more than one character: U+0130 alone has such a lower case."""
    assert [c for c in KIND if len(chr(c).lower()) > 1] == [0x130]
    rows = {c: (chr(c).upper(), chr(c).title()) for c in KIND if len(chr(c).upper()) > 1}
    assert rows.keys() >= {c for c in KIND if len(chr(c).title()) > 1}
    return rows


def code_points(text):
    assert len(text) <= 3
    return "{" + ", ".join(f"0x{ord(c):X}" for c in text) + "}"


def write(path):
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"needs a Python with Unicode 14 (3.11), this one has {unicodedata.unidata_version}")
    lower, upper = {c for c in KIND if chr(c).islower()}, {c for c in KIND if chr(c).isupper()}
    cased = {c for c in KIND if (chr(c) + "a").title().endswith("a")}
    assert cased == lower | upper | {c for c, kind in KIND.items() if kind == "Lt"}
    # A sigma behind A is final if what stands between is passed over, or itself cased.
    before_final = {c for c in KIND if (chr(c) + "\u03a3").lower().endswith("\u03c2")}
    ignored = {c for c in KIND if ("A" + chr(c) + "\u03a3").lower().endswith("\u03c2")} - before_final
    assert before_final == cased - ignored
    decimals = {c for c, kind in KIND.items() if kind == "Nd"}
    assert all(unicodedata.decimal(chr(c)) == (c - first) % 10 for first, last in ranges(decimals) for c in range(first, last + 1))
    lines = ["// SPDX-License-Identifier: Apache-2.0",
             "// Case and digits as Python's str knows them (Unicode 14), beyond utf8proc's categories and simple mappings.",
             "// Written by scripts/make_text_oracle.py cases.", "#pragma once", "", "#include <cstdint>", "", "namespace openinfer::jinja {", "",
             "struct CharacterRange {", "  std::uint32_t first, last;", "};", ""]

    def table(name, members, comment):
        row = ", ".join(f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(members))
        lines.extend([f"/// {comment}", f"inline constexpr CharacterRange {name}[] = {{{row}}};", ""])

    table("kOtherLower", beyond(lower, "Ll"), "Lower case, though not of category Ll.")
    table("kOtherUpper", beyond(upper, "Lu"), "Upper case, though not of category Lu.")
    table("kOtherIgnorable", beyond(ignored, "Mn", "Me", "Cf", "Lm", "Sk"), "Passed over where a final sigma is looked for, though not of category Mn, Me, Cf, Lm or Sk.")
    table("kDecimals", decimals, "Decimal digits: each range begins with a zero, and every tenth one is another zero.")
    table("kOtherDigits", beyond({c for c in KIND if chr(c).isdigit()}, "Nd"), "Digits to str.isdigit that are no decimals.")
    lines.extend(["/// What is more than one character in upper case; unused places are 0.", "struct SpecialCase {",
                  "  std::uint32_t from, upper[3], title[3];", "};", "inline constexpr SpecialCase kSpecialCases[] = {" + ", ".join(
                      f"{{0x{c:X}, {code_points(u)}, {code_points(t)}}}" for c, (u, t) in special_cases().items()) + "};",
                  "", "}  // namespace openinfer::jinja", ""])
    path.write_text("\n".join(lines))
