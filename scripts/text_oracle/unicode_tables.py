# SPDX-License-Identifier: Apache-2.0
"""What the tokenizers library's engines know of Unicode, found out by asking it, as lib/text/unicode_tables.h."""
import sys
import unicodedata

# Classes of patterns, and PCRE2's name for (nearly) the same; "space", "digit" and "word" are \s, \d and \w.
CLASSES = {"L": "L", "N": "N", "Lu": "Lu", "Ll": "Ll", "Lt": "Lt", "Lm": "Lm", "Lo": "Lo", "M": "M", "P": "P", "S": "S", "Han": "sc:Han",
           "space": "", "digit": "Nd", "word": "", "RustWord": ""}
SPELT = {"space": r"\s", "digit": r"\d", "word": r"\w"}


def ranges(points):
    out = []
    for point in sorted(points):
        if out and out[-1][1] == point - 1:
            out[-1][1] = point
        else:
            out.append([point, point])
    return out


def scalar_values():
    return [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]


def regex_class(pattern):
    from tokenizers import Regex, pre_tokenizers
    split = pre_tokenizers.Split(Regex(pattern), "removed")
    found = set()
    points = scalar_values()
    for start in range(0, len(points), 65536):
        chunk = points[start:start + 65536]
        kept = set()
        for _, (first, last) in split.pre_tokenize_str("".join(map(chr, chunk))):
            kept.update(range(first, last))
        found.update(chunk[i] for i in range(len(chunk)) if i not in kept)
    return found


def isolated_by(pre_tokenizer):
    """Characters that become words of their own between letters."""
    found = set()
    points = scalar_values()
    for start in range(0, len(points), 4096):
        text = "a" + "a".join(map(chr, points[start:start + 4096])) + "a"
        found.update(ord(word) for word, _ in pre_tokenizer.pre_tokenize_str(text) if len(word) == 1 and word != "a")
    return found


def digit_class():
    from tokenizers import pre_tokenizers
    return isolated_by(pre_tokenizers.Digits(individual_digits=True))


def normal_form_boundaries():
    """Code points that Unicode 14 reorders, composes or decomposes and the library's older normalizer leaves alone."""
    from tokenizers import normalizers
    forms = {"NFC": normalizers.NFC(), "NFD": normalizers.NFD(), "NFKC": normalizers.NFKC(), "NFKD": normalizers.NFKD()}
    found = set()
    for point in scalar_values():
        for name, form in forms.items():
            probe = "a" + chr(point) + "\u0323\u0301"
            if form.normalize_str(probe) != unicodedata.normalize(name, probe):
                assert form.normalize_str(chr(point)) == chr(point), (name, hex(point))
                found.add(point)
        whole = unicodedata.normalize("NFD", chr(point))
        if len(whole) > 1 and forms["NFC"].normalize_str(whole) != unicodedata.normalize("NFC", whole):
            found.add(ord(whole[-1]))
    return found


def removed_by(normalizer):
    return {c for c in scalar_values() if normalizer.normalize_str("a" + chr(c) + "a") == "aa"}


def lower_case():
    """(first, last, step, delta) rows; one letter alone becomes two."""
    from tokenizers import normalizers
    lower = normalizers.Lowercase()
    pairs = []
    for c in scalar_values():
        text = lower.normalize_str(chr(c))
        if text != chr(c):
            if len(text) > 1:
                assert (c, text) == (0x130, "i\u0307"), hex(c)
                continue
            pairs.append((c, ord(text) - c))
    rows = []
    for c, delta in pairs:
        if rows and rows[-1][3] == delta and c - rows[-1][1] in (1, 2) and rows[-1][2] in (0, c - rows[-1][1]):
            rows[-1][1], rows[-1][2] = c, c - rows[-1][1]
        else:
            rows.append([c, c, 0, delta])
    return [[a, b, step or 1, delta] for a, b, step, delta in rows]


def name_of(kind):
    return f"k{kind[0].upper()}{kind[1:]}Class"


def write(path, write_json):
    from tokenizers import normalizers, pre_tokenizers
    word = {c for c in scalar_values() if len(pre_tokenizers.Whitespace().pre_tokenize_str("a" + chr(c) + "a")) == 1}
    if unicodedata.unidata_version != "14.0.0":
        sys.exit(f"needs a Python with Unicode 14 (3.11), this one has {unicodedata.unidata_version}")
    points = scalar_values()
    categories = {c: unicodedata.category(chr(c)) for c in points}
    letters, numbers, digits = regex_class(r"\p{L}"), regex_class(r"\p{N}"), digit_class()
    write_json("unicode_classes.json", {"letters": ranges(letters), "numbers": ranges(numbers),
                                        "spaces": ranges(regex_class(r"\s")), "digits": ranges(digits)})
    lines = ["// SPDX-License-Identifier: Apache-2.0",
             "// Unicode as the `tokenizers` library knows it, where PCRE2 and utf8proc differ or have no such class.",
             "// Written by scripts/make_text_oracle.py tables.", "#pragma once", "", "#include <cstdint>", "#include <span>",
             "#include <string_view>", "", "namespace openinfer::text {", "", "struct CodePointRange {", "  std::uint32_t first, last;", "};", ""]

    def table(name, members, comment):
        row = ", ".join(f"{{0x{a:X}, 0x{b:X}}}" for a, b in ranges(members))
        lines.extend([f"/// {comment}", f"inline constexpr CodePointRange {name}[] = {{{row}}};", ""])

    rows = []
    for kind, base in CLASSES.items():
        members = word if kind == "RustWord" else regex_class(SPELT.get(kind, f"\\p{{{kind}}}"))
        known = {c for c in points if base and categories[c].startswith(base)} if kind != "Han" else set()
        if kind == "Han":  # no library here knows scripts: PCRE2 10.42 has Unicode 14's
            known = {c for c in members if categories[c] != "Cn" and c < 0x31350 and not 0x2EBF0 <= c < 0x2F800}
        if known - members:  # nothing can be taken out of a bracket expression: list all
            base, known = "", set()
        if not members - known:
            rows.append(f'{{"{kind}", "{base}", {{}}}}')
            continue
        table(name_of(kind), members - known, f"{SPELT.get(kind, kind)} of the library's regex engine (Unicode 16)" + (" that Unicode 14 lacks." if base else "."))
        rows.append(f'{{"{kind}", "{base}", {name_of(kind)}}}')
    lines.extend(["/// A class of patterns: what PCRE2 calls `base`, and these ranges.", "struct RegexClass {",
                  "  std::string_view name, base;", "  std::span<const CodePointRange> ranges;", "};",
                  f"inline constexpr RegexClass kRegexClasses[] = {{{', '.join(rows)}}};", ""])
    table("kNumbers", digits, "What its digit splitter takes: Rust's char::is_numeric.")
    table("kBoundaries", normal_form_boundaries(), "Characters newer than its normalizer's Unicode 9: they neither move nor compose nor decompose there, so text\n/// is normalised in parts between them.")
    bert = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    table("kBertRemoved", removed_by(normalizers.BertNormalizer(**bert | {"clean_text": True})), "Control, format and unassigned characters that BERT's normalizer drops.")
    table("kBertAccents", removed_by(normalizers.BertNormalizer(**bert | {"strip_accents": True})), "Marks that it drops after decomposition.")
    table("kAccents", removed_by(normalizers.StripAccents()), "Marks that StripAccents drops.")
    table("kPunctuation", isolated_by(pre_tokenizers.BertPreTokenizer()), "What BERT's pre-tokenizer, and Punctuation, isolate.")
    lines.extend(["/// Lower case of first, first + step, … last is that much further on. U+0130 becomes two characters.", "struct CaseRange {",
                  "  std::uint32_t first, last, step;", "  std::int32_t delta;", "};",
                  "inline constexpr CaseRange kLower[] = {" + ", ".join(f"{{0x{a:X}, 0x{b:X}, {s}, {d}}}" for a, b, s, d in lower_case()) + "};", ""])
    lines.extend(["}  // namespace openinfer::text", ""])
    path.write_text("\n".join(lines))
