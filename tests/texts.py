"""Texts to test with: one word to more than 512 tokens, in many styles and scripts."""

from __future__ import annotations

import random

CARD = [
    "what is the capital of China?",
    "how to implement quick sort in python?",
    "Beijing",
    "sorting algorithms",
]

# Of many languages, and few: what the tests' Unigram vocabularies are made of.
SENTENCES = [
    "The quick brown fox jumps over the lazy dog; is it unaffable?",
    "Embeddings are vectors, and the embedding of a text is the mean of its tokens.",
    "Der schnelle braune Fuchs springt über den faulen Hund, heißt es.",
    "Le vif renard brun saute par-dessus le chien paresseux à l'été.",
    "Быстрая коричневая лиса перепрыгивает через ленивую собаку.",
    "敏捷的棕色狐狸跳过了懒狗。中国的首都是北京。",
    "素早い茶色の狐がのろまな犬を飛び越える。",
    "빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัขขี้เกียจ",
    "तेज भूरी लोमड़ी आलसी कुत्ते के ऊपर कूदती है।",
    "الثعلب البني السريع يقفز فوق الكلب الكسول.",
    "a b c d e f g h i x y z 0123456789 1 2 3 ...",
]

_STYLES = [
    "",
    " ",
    "\t\n\r\n ",
    "a",
    "hello",
    "Hello, world!",
    "HELLO WORLD",
    "The ferry leaves at six; whoever is late waits for the next one.",
    "Is it raining? No. Will it? Perhaps!",
    '"I never said that," she said, "and you know it."',
    "‘Single’ and “double” quotes – an en dash — an em dash … and an ellipsis",
    "- milk\n- two loaves of bread\n- eggs (a dozen)\n- soap",
    "1. Open the lid.\n2. Pour in 250 ml of water.\n3. Wait until the light turns green.",
    "# Heading\n\nA paragraph with *emphasis*, `code` and a [link](https://example.org/a?b=c#d).",
    "| city | people |\n|------|-------:|\n| Lima | 10,092,000 |\n| Oslo | 709,037 |",
    "Dear Ms. O'Neill,\n\nthank you for your letter of 3 May.\n\nYours sincerely,\nJ. Peters",
    "Rain on the tin roof,\nthe dog asleep by the door:\nnobody calls today.",
    "ALICE: Where did you put it?\nBOB: Where you told me to.\nALICE: That was last year!",
    "GET /index.html HTTP/1.1\r\nHost: example.org\r\nAccept: */*\r\n\r\n",
    "def gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n",
    "for (int i = 0; i < n; ++i) { sum += x[i] * y[i]; } // dot product",
    "SELECT name, COUNT(*) FROM orders WHERE total >= 9.99 GROUP BY name HAVING COUNT(*) > 1;",
    '{"name": "tiny", "layers": 2, "ok": true, "eps": 1e-12, "next": null}',
    '<p class="note">Mind the <b>gap</b> &amp; the step</p>',
    "find . -name '*.py' -print0 | xargs -0 grep -n \"TODO\" | sort -u > /tmp/todo.txt",
    "Traceback (most recent call last):\n  File \"a.py\", line 3, in <module>\nKeyError: 'x'",
    "someone@example.org wrote to https://www.example.org:8080/path/to/page?id=42&lang=en",
    "C:\\Users\\public\\notes.txt",
    "2024-02-29T23:59:60+01:00",
    "3.14159265358979 1,234,567.89 -40 6.022e23 0x1F 50% $5.00 £7 €9 ¥100 №5",
    "E = mc² and ∇·B = 0; ∑ᵢ xᵢ² ≤ ∞, α → β, x ≠ y, A ⊂ B, ½ + ⅓ = ⅚",
    "H₂O, CO₂, 25 °C, 5 µm, 10 Å",
    "x" * 99,
    "x" * 100,
    "x" * 101,
    "pneumonoultramicroscopicsilicovolcanoconiosis",
    "antidisestablishmentarianism, floccinaucinihilipilification",
    "don't can't won't it's they're I'd we'll you've o'clock rock'n'roll",
    "state-of-the-art, well-known, e-mail, co-operate, re-enter",
    "snake_case camelCase PascalCase SCREAMING_CASE kebab-case",
    "!!! ??? ... ,,, ;;; ::: ((( ))) [[[ ]]] {{{ }}} <<< >>>",
    "~`!@#$%^&*()_+-={}[]|\\:;\"'<>,.?/",
    "[CLS] at the start, [SEP] in the middle, [MASK] later, [PAD] and [UNK] too",
    "[cls] [sep] [mask] [unused1] [ CLS ] [CLS][SEP]",
    "zero\u200bwidth\u200bspace, soft\u00adhyphen, word\u2060joiner, \ufeffmark",
    "nul\x00and\x01controls\x7fvanish\x85here",
    "non\u00a0breaking\u2003em\u3000ideographic\u2028line\u2029paragraph",
    "replacement \ufffd character",
    "Ünïcödé äccénts: naïve café, Zürich, São Paulo, Łódź, Ærøskøbing, Þingvellir",
    "e\u0301 e\u0300\u0323 n\u0303 combining, and a\u0315\u0300\u05ae\u0062 in any order",
    "İstanbul'da ılık bir gün; Diyarbakır ve İzmir.",
    "Straße, STRASSE, Fußgängerübergänge; ẞ",
    "Ὀδυσσεύς τὸν δ' ἠμείβετ' ἔπειτα· ΣΊΣΥΦΟΣ",
    "Скажи мне, где находится ближайшая аптека? Ёлка и йод.",
    "أين تقع أقرب محطة قطار؟ مَرْحَبًا",
    "איפה תחנת הרכבת הקרובה? שָׁלוֹם",
    "निकटतम रेलवे स्टेशन कहाँ है? हिन्दी",
    "สถานีรถไฟที่ใกล้ที่สุดอยู่ที่ไหน",
    "最近的火车站在哪里？我想去北京。",
    "最寄りの駅はどこですか。カタカナとひらがな、ﾊﾝｶｸ",
    "가장 가까운 기차역은 어디입니까? 한국어",
    "Ga gần nhất ở đâu? Tiếng Việt có nhiều dấu.",
    "Où se trouve la gare la plus proche ? L'été dernier, c'était déjà fini.",
    "¿Dónde está la estación más cercana? ¡Qué lástima, señor Muñoz!",
    "Wo ist der nächste Bahnhof? Übermorgen fährt kein Zug.",
    "გამარჯობა, როგორ ხარ? ԲԱՐԵՎ, ինչպե՞ս ես",
    "ᚠᚢᚦᚨᚱᚲ 𐌰𐌱𐌲 𝕳𝖊𝖑𝖑𝖔 𝟙𝟚𝟛 ℌ ﬁ ﬂ Ⅷ ㎏",
    "𠀀𠀁 rare ideographs, 豈 compatibility, 〇 zero",
    "🙂 👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🇨🇭 ❤️ ☎ ✔︎ 1️⃣",
    "I love this!!! 😍😍😍 best. day. ever. #sunny @friend :-) <3 ¯\\_(ツ)_/¯",
    "fullwidth ＡＢＣ１２３，．！ and halfwidth ｱｲｳ",
    "tabs\tand\tmore\ttabs,  double  spaces,   triple   spaces",
    "trailing spaces   ",
    "   leading spaces",
    "line one\nline two\r\nline three\rline four",
    "A. B. C. D. E. F. G. H. I. J. K. L. M. N. O. P. Q. R. S. T. U. V. W. X. Y. Z.",
    "the the the the the the the the the the the the the the the the",
    "buffalo Buffalo buffalo buffalo buffalo buffalo Buffalo buffalo",
    "colorless green ideas sleep furiously",
    "αβγ" * 40,
    "中" * 300,
    "é" * 120,
    "🙂" * 50,
    "a" + "\u0301" * 60,
    "=" * 600,
    "ab " * 400,
    "1 " * 255,
    "supercalifragilisticexpialidocious " * 30,
]

_SUBJECTS = (
    "the old lighthouse keeper|a young engineer|my neighbour's cat|a bank|nobody|"
    "every second visitor|the orchestra|an unmanned probe|the committee|Dr. Watanabe|"
    "the river Elbe|a small bakery in Lyon|our new compiler|the defence minister|she"
).split("|")
_VERBS = (
    "repaired|forgot|measured|sold|photographed|questioned|translated|followed|postponed|"
    "rejected|discovered|is looking for|would have liked|never understood"
).split("|")
_OBJECTS = (
    "the broken clock|three kilos of apples|an eigenvalue problem|the border|a rare orchid|"
    "the quarterly report|Bach's second partita|the password of the server|a pair of red shoes|"
    "the theory of plate tectonics|yesterday's newspaper|the vaccine's side effects|nothing at all|"
    "the shortest path between two nodes|interest rates"
).split("|")
_ENDINGS = (
    "before the storm came|in less than forty-five minutes|although it was Sunday|with care|"
    "without telling anyone|for the 3rd time since 1998|at 7:30 p.m.|under a full moon|"
    "on the way to Kathmandu|because of a typo|as the manual says|and went home|so they say|"
    "despite heavy traffic|again"
).split("|")


def sentence(rng: random.Random) -> str:
    """One grammatical sentence."""
    words = " ".join(rng.choice(part) for part in (_SUBJECTS, _VERBS, _OBJECTS, _ENDINGS))
    return words[0].upper() + words[1:] + rng.choice([".", ".", ".", "!", "?", "…", ";"])


def paragraph(rng: random.Random, sentences: int) -> str:
    """That many sentences, spaced as people do."""
    return rng.choice([" ", "  ", "\n", "\n\n", " "]).join(sentence(rng) for _ in range(sentences))


def golden_texts() -> list[str]:
    """More than 300 texts, the same at every call: the styles above, then paragraphs that grow
    from one sentence to over 512 tokens.
    """
    rng = random.Random(20240229)
    grown = [paragraph(rng, 1 + i * i // 900) for i in range(220)]
    return [*CARD, *_STYLES, *grown]
