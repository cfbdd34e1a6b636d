# SPDX-License-Identifier: Apache-2.0
"""The named pre-tokenizers: patterns as published tokenizer.json files and llama.cpp's `tokenizer.ggml.pre` have them.
`scripts/make_text_oracle.py kinds` writes lib/text/pre_tokenizer_kinds.h from this table."""

from __future__ import annotations

from dataclasses import dataclass

PAIRS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
LLAMA3 = PAIRS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
QWEN35 = QWEN2.replace(r"\p{L}+", r"[\p{L}\p{M}]+").replace(r"[^\s\p{L}\p{N}]", r"[^\s\p{L}\p{M}\p{N}]")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def cased(tail: str, digits: str, upper: str = UPPER, lower: str = LOWER, after: str = r"[\r\n/]*") -> str:
    """The family of o200k: a word ends where a capital follows a small letter."""
    head = r"[^\r\n\p{L}\p{N}]?"
    return (f"{head}{upper}*{lower}+{tail}|{head}{upper}+{lower}*{tail}|{digits}| ?[^\\s\\p{{L}}\\p{{N}}]+{after}"
            r"|\s*[\r\n]+|\s+(?!\S)|\s+")


O200K = cased(PAIRS + "?", r"\p{N}{1,3}")
NOT_HAN = [rf"(?:(?!\p{{Han}}){letters})" for letters in (UPPER, LOWER)]
DEEPSEEK_WORDS = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
                  r"|\s*[\r\n]+|\s+(?!\S)|\s+")
# Cased letters. Escapes where a character has another canonical form, which editors may put in its place.
DEEPSEEK_LATIN = (r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚ"
                  "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe"
                  "\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128"
                  "\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149\u214e" r"ↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗＡ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+")
CJK = r"[一-龥ࠀ-一가-퟿]+"
PUNCTUATED = r" ?[^(\s|.,!?…。，、।۔،)]+"


@dataclass(frozen=True)
class Kind:
    name: str
    patterns: tuple  # each splits what the one before left
    aliases: tuple = ()
    whole_words: bool = False  # ignore_merges of tokenizers


KINDS = (
    Kind("gpt2", (GPT2,), ("gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "gigachat", "exaone4", "modern-bert", "mellum", "a.x-4.0",
                           "jina-es", "jina-de", "jina-v2-es", "jina-v2-de", "jina-v1-en", "jina-v2-code", "roberta-bpe")),
    Kind("smollm", (r"[\p{Nd*}]", GPT2), ("starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b", "mellum2")),
    Kind("llama-bpe", (LLAMA3,), ("llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2", "jina-v5-nano"), True),
    Kind("cl100k", (LLAMA3,), ("gpt-4", "dbrx", "smaug-bpe", "chatglm-bpe", "glm4")),
    Kind("qwen2", (QWEN2,), ("deepseek-r1-qwen", "kormo", "f2llmv2", "stablelm2", "hunyuan", "solar-open", "megrez", "grok-2")),
    Kind("qwen35", (QWEN35,)),
    Kind("gpt-4o", (O200K,), ("o200k", "o200k_harmony", "gpt-oss", "llama4", "kanana2", "talkie", "minimax-m2")),
    Kind("granite-embed-multi-97m", (O200K,), (), True),
    Kind("tekken", (cased("", r"\p{N}"),), (), True),
    Kind("tiny_aya", (r"\d{1,3}(?=(?:\d{3})*\b)", O200K), ("cohere2moe",)),
    Kind("kimi-k2", (r"\p{Han}+|" + cased(PAIRS + "?", r"\p{N}{1,3}", *NOT_HAN, after=r"[\r\n]*"),)),
    Kind("deepseek-llm", (r"[\r\n]", DEEPSEEK_LATIN, r"\s?[!-/:-~！-／：-～‘-‟　-。]+", r"\s+$", CJK, r"\p{N}+")),
    Kind("deepseek-coder", (r"[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}")),
    Kind("deepseek-v3", (r"\p{N}{1,3}", r"[一-龥぀-ゟ゠-ヿ]+", DEEPSEEK_WORDS), ("hunyuan-dense", "joyai-llm")),
    Kind("falcon", (r"[\p{P}\$\+<=>\^~\|`]+", GPT2, r"[0-9][0-9][0-9]")),
    Kind("default", (r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]")),
    Kind("bloom", (PUNCTUATED,), ("poro-chat", "gpt3-finnish")),
    Kind("viking", (PUNCTUATED, r"\p{N}")),
    Kind("minicpm5", (r"\p{N}{1,3}", QWEN2.replace(r"|\p{N}|", r"|\p{N}+|")), (), True),
    Kind("seed-coder", (QWEN2.replace(r"[^\s\p{L}\p{N}]+[\r\n]*", r"[^\s\p{L}\p{N}\r\n]+"),)),
    Kind("bailingmoe", (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",),
         ("bailingmoe2", "llada-moe")),
    Kind("jais-2", (LLAMA3.replace(r"\s+(?!\S)|\s+", "|".join(rf"\s{{{n}}}(?!\S)" for n in (512, 256, 128, 64, 32, 16, 8, 4)) + r"|\s{1,2}(?!\S)|\s{1}"),)),
    Kind("exaone-moe", (PAIRS + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",)),
    Kind("chameleon", (r"<sentinel:[0-9]+>", r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", r"([\t\n]|    |  )", r"\p{N}", r"[\p{P}!-/:-@\[-`{-~]", GPT2)),
)
NAMES = {name for kind in KINDS for name in (kind.name, *kind.aliases)}
WITHOUT_PATTERN = {"none", "bert", "whitespace"}  # by characters, in lib/text/pretokenizer.cpp


def header() -> str:
    """lib/text/pre_tokenizer_kinds.h"""
    rows = []
    for kind in KINDS:
        patterns = ",\n     ".join(f'R"re({pattern})re"' for pattern in kind.patterns)
        aliases = ", ".join(f'"{alias}"' for alias in kind.aliases)
        rows.append(f'    {{"{kind.name}", {{{aliases}}},\n     {{{patterns}}}, {str(kind.whole_words).lower()}}},\n')
    return ("// SPDX-License-Identifier: Apache-2.0\n"
            "// The patterns of scripts/openinfer_convert/pre_tokenizers.py. Written by scripts/make_text_oracle.py kinds.\n"
            "#pragma once\n\n#include <string_view>\n#include <vector>\n\nnamespace openinfer::text {\n\n"
            "struct PreTokenizerKind {\n  std::string_view name;\n"
            "  std::vector<std::string_view> aliases;   // as llama.cpp names other models with the same patterns\n"
            "  std::vector<std::string_view> patterns;  // each splits what the one before left\n"
            "  bool whole_words = false;  // a word that is a token is taken without merging (`ignore_merges` of tokenizers)\n};\n\n"
            "// clang-format off\n"
            "inline std::vector<PreTokenizerKind> pre_tokenizer_kinds() {\n  return {\n" + "".join(rows) + "  };\n}\n"
            "// clang-format on\n\n}  // namespace openinfer::text\n")
