# SPDX-License-Identifier: Apache-2.0
"""The texts that tokenizers are compared on: many scripts, and whatever breaks a pre-tokenizer. All sentences are our
own; the generator writes them to oracle/corpus.json, which the C++ tests read."""
import random

PROSE = [
    "The quick brown fox doesn't jump over 13 lazy dogs; it's 7:45 p.m., and they've all gone home. We'll see, I'd say.",
    "Machines read bytes, people read letters, and a tokenizer stands between them. It must not lose either side.",
    "Der Bäcker fährt am Samstag mit dem Fahrrad über die Brücke, weil die Straße gesperrt ist. Größe: 1,5 m².",
    "L'été dernier, nous avons mangé des crêpes à la confiture près de la forêt ; c'était délicieux, n'est-ce pas ?",
    "El niño pequeño corrió rápidamente hacia la montaña. ¿Cuántos años tienes? ¡Qué alegría!",
    "Ο ήλιος ανατέλλει πάνω από τη θάλασσα, και τα πουλιά τραγουδούν.",
    "Утром шёл дождь, но к обеду небо прояснилось, и мы пошли в лес за грибами.",
    "Wczoraj wieczorem źrebię piło żółtą wodę; Łódź śpi, a gęś gęga.",
    "Sabah erkenden İstanbul'da ılık bir rüzgâr esiyordu; ışıklar sönmüştü.",
    "Buổi sáng hôm nay trời trong xanh, chúng tôi đi bộ dọc theo bờ sông.",
    "في الصباح ذهبت إلى السوق واشتريت خبزًا وتفاحًا بثلاثة دنانير، ثم عدت إلى البيت.",
    "הילדים משחקים בגינה, והשמש שוקעת מאחורי ההרים. שָׁלוֹם!",
    "आज सुबह मैंने बाज़ार से ताज़ी सब्ज़ियाँ खरीदीं और घर लौटकर चाय पी। क्षत्रिय ज्ञान १२३४५",
    "আজ আকাশ পরিষ্কার, নদীর ধারে বাতাস বইছে।",
    "இன்று காலை நாங்கள் கடற்கரைக்குச் சென்றோம்.",
    "ఈ రోజు వర్షం పడుతోంది, కాబట్టి ఇంట్లోనే ఉంటాము.",
    "เมื่อเช้านี้ฝนตกหนักมาก ฉันจึงอยู่บ้านและอ่านหนังสือ ๑๒๓",
    "ព្រឹកនេះអាកាសធាតុល្អណាស់។ မနက်ခင်းသည် အေးချမ်းသည်။ ເຊົ້ານີ້ອາກາດດີ",
    "今天早上我去公园散步,看见一只白色的猫坐在长椅上。「你好」,我说。一二三、①②③",
    "昨日の夜は雨が降っていたけれど、今朝は晴れている。カタカナとひらがなと漢字、ハンカクも。",
    "오늘 아침에는 날씨가 맑아서 강가를 따라 산책을 했다. 한글 자모: ㄱㄴㄷ ㅏㅑ",
    "გამარჯობა, დღეს კარგი ამინდია. Բարեւ, այսօր արեւոտ է։ ሰላም፣ ዛሬ ፀሐያማ ነው።",
    "ᚠᚢᚦᚨᚱᚲ ᐃᓄᒃᑎᑐᑦ ᏣᎳᎩ ᠮᠣᠩᠭᠣᠯ ꦗꦮ 𐎠𐎢𐎣 𒀀𒁀 𓀀𓁐 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟘𝟙𝟚",
]

CODE = [
    "def f(x, *, n=10):\n    \"\"\"Doc.\"\"\"\n\tif x is None:\n\t\treturn [i**2 for i in range(n) if i % 3 != 0]\n    return {'k': x}\n",
    "#include <vector>\nint main(int argc, char** argv) {\r\n  auto v = std::vector<int>{1, 22, 333, 4444, 55555};\r\n  return v[0]->x & 0xFF;\r\n}\n",
    "SELECT a.id, COUNT(*) FROM t AS a WHERE a.x >= 3.14159e-10 AND b LIKE '%foo\\_bar%' -- comment\n;",
    "<html>\n  <body class=\"a b\">&nbsp;&#8203;<!-- x --></body>\n</html>\n\n\n",
    "{\"a\": [1, 2.5, -3e+10, null], \"b\": {\"\\u00e9\": \"\\n\"}}",
    "https://example.org/a/b?c=d&e=f%20g#h user@example.org +49-123-4567890 $1,234.56 100% #tag @name",
    "for(;;){x+=1;}//no spaces\n\n\n\n    four\n        eight\n\t\ttabs\n \t mixed\t \n",
    "|a|b|\n|---|---|\n| 1 | 2 |\n\n```py\nprint('hi')\n```\n* item\n    1. sub\n",
]

HOSTILE = [
    "", " ", "  ", "   ", "\n", "\n\n", " \n", "\n ", "\r\n", "\r", "\t", "a", " a", "a ", "  a", "a  ", "a  b", "a   b   ",
    "  \n  \n  x", "x \n\n y", "x\r\n\r\n\r\ny", "\n\n  \n\tx  \t\n", " \t \n \r \x0b \x0c end",
    "'s 'S 'Re 'VE 'm'M 'll'LL 'd'D 't'T 'x ''s it'Sx don'T 'ſ 'ſ' I'Ll", "'s's's 'sss '", "we''re 's\n'll",
    "1", "12", "123", "1234", "12345 678 9", "3.14 1,000,000 1e10 0x1F 2024-01-31", "a1b22c333d4444", "１２３ ٣٤٥ १२३ ໑໒ ²³¹ ½⅓ ⅧⅫ ①② 〇",
    "a\u00a0b \u00a0 c\u00a0\u00a0d", "\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a", "x\u3000y\u3000\u3000z",
    "\u1680 \u202f \u205f \u2028 \u2029 \u0085 \u180e \ufeff \u200b \u2060", "a\u180eb \u180e\u180e c", "a\u200bb\u200cc\u200dd\u200ee\u200ff",
    "\u0085\u0085a\u0085\n", "\u2028\u2028x \u2029\u2029 y", "\ufeffBOM", "soft\u00adhyphen", "\u061c\u202a\u202e\u2066rtl\u2069",
    "\x00", "a\x00b\x00\x00c", "".join(map(chr, range(32))), "".join(map(chr, range(127, 161))), "\x1b[31mred\x1b[0m", "\x1c\x1d\x1e\x1f x \x1c",
    "😀", "😀😃 😄  😁", "👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇩🇪🇫🇷 1️⃣ ☎️ ❤️‍🔥 🧑🏿‍🚀", "a😀b1😀2 😀\n", "🫠🪿🫨🩷🪭", "🏴\U000e0067\U000e0062\U000e007f",
    "e\u0301 \u00e9 a\u030a\u0323 a\u0323\u030a \u1e69 s\u0323\u0307 q\u0307\u0323", "\u0301abc \u0301\u0301 1\u0301 \u20dd", "Z\u0351\u036b\u0343a\u0329\u0321l\u0334g\u0488o\u0489",
    "\u1100\u1161\u11a8 \uac01 \u1112\u1161\u11ab", "\u212b \u2126 \u212a \ufb01 \uf900 \u2f800", "\u0958 \u0915\u093c \u0f73 \u0344 \u2adc", "\U0001d15e \U0001d1bc",
    "a\u07fd\u0301 a\u0898\u0323 \u0d3b\u0d3c a\U00011935\U00011930b \u1ac0\u0323", "\U00011930", "x\u08ca\u0323\u0301y",
    "\u1c89\u1c8a \ua7cb\ua7dc \U00010d40\U00010d41 \U00010d50 \U00011de0\U00011de1 \U00016ff4 \U00031350 \U0002ebf0 \U0001ccf0\U0001ccf1",
    "\ufffd \ufffe \uffff \U0010ffff \ue000 \U000f0000 \ufdd0 \u0378 \u0530", "\ufffd\ufffd", "ǅǈ ǋ ßẞ İıſ ŉ ǰ ΐ ﬆ ﬃ",
    "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n", "<|im_start|><|im_end|><|endoftext|>", "<|im_start |> <|im_|im_end|> <|im|><|im",
    "<|<|im_start|>|>", "a<|im_end|>b  <|im_end|>  c\n<|im_start|>\n\n d", "<|IM_START|> < | im_start | >", "<tool><tool>er <tool>erx x<tool>er <tool>e <tool> er.",
    "<tool>er <tool>er\u00e9 \u00e9<tool>er _<tool>er \u0301<tool>er", "\u00e9\u00a9 caf\u00e9 cafe\u0301 caf\u00e9s  caf\u00e9 \u0130 I\u0307 x  \ny", "[INST] <<SYS>> </s> <s> <unk> <pad> [MASK] <0x0A>",
    "Ġ Ċ ĉ <ŧ> Ġthe ÃĥÂ© â\u0122\u00ac", "▁the ▁▁ ##ing", "\\n\\t\\u0041 \\", "!!!???...---===***", "-----------------------------", "....  ....\n....", "a.b.c,d;e:f", " ,a ,  ,b",
    "(((((((((( )))))))))) [[[[]]]] {{{{}}}}", "#!/bin/sh", "!\n!\n\n! \n \n", "?\r\n\r\n?", ".\n\n\n.\n \n.", "x=1\n\n\n\n\n\n\n\ny=2", " \n \n \n \n", "\t\t\t\tx", "a\tb\t\tc", "  \t  ",
    "supercalifragilisticexpialidocious", "Pneumonoultramicroscopicsilicovolcanoconiosis antidisestablishmentarianism", "camelCaseAndPascalCase snake_case_name kebab-case-name SCREAMING_CASE x1y2z3",
]


def long_lines():
    return ["a" * 1200, " " * 700, " " * 300 + "x" + " " * 300, "\n" * 257, "ab" * 400, "0123456789" * 60, "é" * 300, "漢字" * 150, "😀" * 120,
            "=" * 500, "\t" * 200 + "end", "x" * 33, "y" * 32, "z" * 31, "\u0301" * 200, "the" * 200, "\u3000" * 100, "a\u0301" * 150]


def random_texts():
    """Seeded mixtures of characters from every class that a pattern tells apart."""
    rng = random.Random(20240517)
    pool = (list("abcXYZ   \n\n\t\r'''.,-_<|>0123456789") + ["'s", "'LL", "\r\n", "  ", " \n", "é", "ß", "ñ", "e\u0301", "Ж", "ق", "क्ष", "ก", "漢", "か", "한",
            "😀", "👨‍👩‍👧", "🇩🇪", "\u00a0", "\u2003", "\u3000", "\u200b", "\u200d", "\u0085", "\u2028", "\u180e", "\ufeff", "²", "½", "Ⅷ", "٣", "१", "\u0301", "\u093c",
            "\x00", "\x7f", "\x1c", "€", "→", "𝔘", "\U000e0061", "<|im_end|>", "ſ", "\u1c89", "\U00010d41", "\U0001f9ff", "_"])
    return ["".join(rng.choice(pool) for _ in range(rng.randint(2, 50))) for _ in range(120)]


def corpus():
    texts = PROSE + CODE + HOSTILE + long_lines() + random_texts()
    assert len(set(texts)) == len(texts), [t for t in texts if texts.count(t) > 1]
    return texts
