"""Write gtenp/tokenizer/unicode_tables.py by asking the reference tokenizer about each code point.

    python tools/make_unicode_tables.py            # writes the file
    python tools/make_unicode_tables.py --check    # exits 1 where the file would change

Python's ``unicodedata`` can't answer: it follows another Unicode version in every Python, and the
reference itself mixes three (categories, decompositions, lowercase). So each stage of the
reference is switched on alone and shown one character at a time.
"""

from __future__ import annotations

import sys
import textwrap
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

import tokenizers
from tokenizers import Regex, normalizers, pre_tokenizers

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
from charsmap import charsmap  # noqa: E402

from gtenp.tokenizer.characters import CATEGORY_NAMES  # noqa: E402

TARGET = ROOT / "gtenp" / "tokenizer" / "unicode_tables.py"
CODE_POINTS = [point for point in range(0x110000) if not 0xD800 <= point < 0xE000]
HANGUL = range(0xAC00, 0xD7A4)  # decomposed by rule, not by table

Runs = list[tuple[int, ...]]


def bert_normalizer(**on: bool) -> normalizers.BertNormalizer:
    off = {"clean_text": False, "handle_chinese_chars": False}
    return normalizers.BertNormalizer(**{**off, "strip_accents": False, "lowercase": False, **on})


def changed_by(normalize: Callable[[str], str]) -> dict[int, str]:
    """What each code point becomes, where it becomes something else."""
    changed = {}
    for first in range(0, len(CODE_POINTS), 4096):
        block = CODE_POINTS[first : first + 4096]
        # "ab" parts the characters: no stage touches it, and "a" stops marks from being reordered.
        forms = normalize("ab" + "ab".join(map(chr, block)) + "ab").split("ab")[1:-1]
        if len(forms) != len(block):
            raise SystemExit(f"U+{block[0]:04X}: 'ab' does not part the characters any more")
        changed |= {point: form for point, form in zip(block, forms, strict=True)
                    if form != chr(point)}  # fmt: skip
    return changed


def punctuation() -> set[int]:
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    return {point for point in CODE_POINTS if len(split(f"a{chr(point)}b")) == 3}


def word_characters() -> set[int]:
    r"""Rust's ``\w``: what may not touch an added token that says ``single_word``."""
    split = pre_tokenizers.Whitespace().pre_tokenize_str  # \w+|[^\w\s]+ of the same regex library
    return {point for point in CODE_POINTS if len(split(f"a{chr(point)}b")) == 1}


def numbers() -> set[int]:
    """What Digits splits off."""
    parts = pre_tokenizers.Digits().pre_tokenize_str("a".join(map(chr, CODE_POINTS)))
    return {ord(part) for part, _ in parts if part != "a" and len(part) == 1}


def categories() -> dict[int, int]:
    """Each code point's general category, by its place in ``CATEGORY_NAMES``, but for Cn."""

    def matches(pattern: str, text: str) -> list[str]:
        keep = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
        return [part for part, _ in keep.pre_tokenize_str(text)]

    every = "|".join(rf"\p{{{name}}}+" for name in CATEGORY_NAMES)
    runs = {run[0]: run for run in matches(every, "".join(map(chr, CODE_POINTS)))}
    return {
        ord(char): number
        for number, name in enumerate(CATEGORY_NAMES)
        for first in matches(rf"\p{{{name}}}", "".join(runs))
        for char in runs[first]
    }


def combining_classes() -> dict[int, int]:
    """Canonical combining classes, from the order into which NFD puts pairs of marks."""
    nfd = normalizers.NFD().normalize_str
    lowest, highest = "\u0334", "\u0345"  # of classes 1 and 240, the two ends

    def swapped(left: str, right: str) -> bool:
        return nfd(f"a{left}{right}b") == f"a{right}{left}b" != f"a{left}{right}b"

    known = [
        char
        for char in map(chr, CODE_POINTS)
        if char in (lowest, highest) or swapped(char, lowest) or swapped(highest, char)
    ]
    # unicodedata names the classes; which characters bear them, the reference says.
    representative = {unicodedata.combining(char): char for char in reversed(known)}
    classes = {}
    for char in known:
        fits = [
            number
            for number, mark in representative.items()
            if not swapped(char, mark) and not swapped(mark, char)
        ]
        if len(fits) != 1:
            raise SystemExit(f"U+{ord(char):04X}: combining class is one of {fits}")
        classes[ord(char)] = fits[0]
    return classes


def grapheme_classes() -> dict[int, str]:
    """What each code point does to a grapheme cluster, by the letters of ``graphemes.py``.

    The reference shows its clusters in one place alone: Precompiled replaces a cluster of less than
    six bytes by the form of its first character, and the rest of it is lost. So most probes end in
    a mark that is lost unless the code point has made the cluster before it longer.
    """
    mapping = {"a": "b", "\u0300": "x", "©": "q", "\u0915": "k"}
    normalize = normalizers.Precompiled(charsmap(mapping)).normalize_str

    def where(probe: str, answer: Callable[[str], bool]) -> set[int]:
        """The code points that, put into the probe, get such an answer."""
        found = set()
        for first in range(0, len(CODE_POINTS), 4096):
            block = CODE_POINTS[first : first + 4096]
            probes = [probe.format(chr(point)) for point in block]
            if first == 0:  # which holds the parting characters themselves
                forms = list(map(normalize, probes))
            else:
                forms = normalize("\n#\n".join(probes)).split("\n#\n")
            if len(forms) != len(block):
                raise SystemExit(f"U+{block[0]:04X}: a line feed does not part clusters any more")
            found |= {point for point, form in zip(block, forms, strict=True) if answer(form)}
        return found

    def keeps_mark(form: str) -> bool:
        return form.endswith("\u0301")

    joiner = {0x200D}
    extending = where("a{}", lambda form: form == "b")
    extend = where("©{}\u200d©\u0301", keeps_mark) & extending - joiner
    linkers = where("\u0917{}\u0915\u0301", keeps_mark) & extending
    conjunct = where("\u0917\u094d{}\u0915\u0301", keeps_mark) & extend
    letters = {
        "R": {0x0D},
        "N": {0x0A},
        "c": where("{}\u0300\u0301", lambda form: form.endswith("x")) - {0x0D, 0x0A},
        "p": where("{}a\u0301", keeps_mark),
        "z": joiner,
        "j": linkers,
        "x": conjunct - linkers,
        "n": extend - conjunct,
        "s": extending - extend - joiner,
        "e": where("{}\u200d©\u0301", keeps_mark),
        "k": where("{}\u094d\u0915\u0301", keeps_mark),
    }
    classes = {point: letter for letter, points in letters.items() for point in points}
    if len(classes) != sum(map(len, letters.values())):
        raise SystemExit("a code point has two classes of grapheme clusters")
    return classes


def ranges(points: Iterable[int]) -> Runs:
    """[1, 2, 3, 7] -> [(1, 3), (7, 7)]"""
    runs: list[list[int]] = []
    for point in sorted(points):
        if runs and point == runs[-1][1] + 1:
            runs[-1][1] = point
        else:
            runs.append([point, point])
    return [tuple(run) for run in runs]


def compatible(decomposed: dict[int, str]) -> set[int]:
    """The characters to which NFKD does more than NFD. Their forms Python's ``unicodedata`` knows,
    in all versions alike: what is assigned keeps its decomposition for ever.
    """
    forms = changed_by(normalizers.NFKD().normalize_str)
    points = {point for point, form in forms.items() if form != decomposed.get(point)}
    for point in points:
        if unicodedata.normalize("NFKD", chr(point)) != forms[point]:
            raise SystemExit(f"U+{point:04X}: unicodedata has another compatibility form")
    return points


def composed_alike(decomposed: dict[int, str]) -> None:
    """Check that unicodedata composes what the reference does, which compositions rest on."""
    nfc = normalizers.NFC().normalize_str
    for point in decomposed:
        if nfc(chr(point)) != unicodedata.normalize("NFC", chr(point)):
            raise SystemExit(f"U+{point:04X}: unicodedata composes otherwise")


def class_ranges(classes: dict[int, int]) -> Runs:
    """{768: 230, 769: 230} -> [(768, 769, 230)]"""
    points: dict[int, list[int]] = {}
    for point, number in classes.items():
        points.setdefault(number, []).append(point)
    return sorted((*run, number) for number in points for run in ranges(points[number]))


def lowercase_runs(lower: dict[int, str]) -> Runs:
    """{65: "a", 66: "b"} -> [(65, 66, 1, 97)]: first, last, step and the lowercase of first."""
    runs: list[list[int]] = []
    for point, form in sorted(lower.items()):
        if runs:
            first, last, step, lowered = runs[-1]
            gap = point - last
            if point - first == ord(form) - lowered and gap in (
                (1, 2) if first == last else (step,)
            ):
                runs[-1][1:3] = [point, gap]
                continue
        runs.append([point, point, 1, ord(form)])
    return [tuple(run) for run in runs]


def table(name: str, comment: str, items: Iterable[Iterable[int]]) -> str:
    """One string, not a literal of tuples: Python compiles it a hundred times faster."""
    words = (":".join(f"{value:x}" for value in item) for item in items)
    lines = textwrap.fill(" ".join(words), width=100, break_on_hyphens=False)
    return f'# {comment}\n{name} = """\n{lines}\n"""\n'


def generate() -> str:
    cleaned = changed_by(bert_normalizer(clean_text=True).normalize_str)
    spaced = changed_by(bert_normalizer(handle_chinese_chars=True).normalize_str)
    unaccented = changed_by(bert_normalizer(strip_accents=True).normalize_str)
    lower = changed_by(bert_normalizer(lowercase=True).normalize_str)
    decomposed = changed_by(normalizers.NFD().normalize_str)
    removed = {point for point, form in unaccented.items() if not form}

    # What the tokenizer takes for granted about the reference, checked while it is at hand.
    for point in CODE_POINTS:
        without_marks = "".join(
            c for c in decomposed.get(point, chr(point)) if ord(c) not in removed
        )
        if unaccented.get(point, chr(point)) != without_marks:
            raise SystemExit(f"U+{point:04X}: strip_accents is not NFD without marks any more")
    if {form for point, form in spaced.items() if form != f" {chr(point)} "}:
        raise SystemExit("a CJK character becomes something other than itself between spaces")
    if set(cleaned.values()) != {"", " "}:
        raise SystemExit("clean_text does something other than remove or blank")
    long_lower = {point: form for point, form in lower.items() if len(form) != 1}
    if long_lower != {0x130: "i\u0307"}:
        raise SystemExit(f"lowercase forms of several characters: {long_lower}")

    composed_alike(decomposed)
    graphemes = grapheme_classes()
    category = categories()
    numeric = {p for p, number in category.items() if CATEGORY_NAMES[number].startswith("N")}

    header = f'''"""Unicode as the reference tokenizer knows it. Generated; do not edit.

Made by tools/make_unicode_tables.py from tokenizers {tokenizers.__version__}.

Numbers are hexadecimal. Ranges are first:last, both included.
"""
'''
    decompositions = ((point, *map(ord, form)) for point, form in sorted(decomposed.items())
                      if point not in HANGUL)  # fmt: skip
    tables = {
        "CONTROLS": (
            "Removed by clean_text, so that their neighbours join: NUL, U+FFFD, Cc, Cf, Co.",
            ranges(point for point, form in cleaned.items() if not form),
        ),
        "SPACES": (
            "Blanked by clean_text. VT, FF and NEL are controls, not spaces.",
            ranges({32} | {point for point, form in cleaned.items() if form}),
        ),
        "CJK": (
            "Spaced out by handle_chinese_chars. U+2B820 to U+2B91F is missing.",
            ranges(spaced),
        ),
        "PUNCTUATION": (
            "Each a word of its own: ASCII symbols and Unicode's P categories.",
            ranges(punctuation()),
        ),
        "MARKS": ("Nonspacing marks (Mn), removed by strip_accents.", ranges(removed)),
        "WORD": (
            r"Rust's \w: these may not touch a single_word added token.",
            ranges(word_characters()),
        ),
        "COMBINING_CLASSES": (
            "first:last:canonical combining class, where that is not 0.",
            class_ranges(combining_classes()),
        ),
        "LOWERCASE": (
            "first:last:step:lowercase of first. It is the same distance for first + step, …",
            lowercase_runs({p: form for p, form in lower.items() if p not in long_lower}),
        ),
        "DECOMPOSITIONS": (
            "character:its full canonical decomposition. Hangul goes by rule.",
            decompositions,
        ),
        "COMPATIBILITY": (
            "Decomposed further by NFKD and NFKC than by NFD.",
            ranges(compatible(decomposed)),
        ),
        "GRAPHEMES": (
            "first:last:a letter of graphemes.py, where that is not o. Hangul goes by rule.",
            class_ranges({point: ord(letter) for point, letter in graphemes.items()}),
        ),
        "CATEGORIES": (
            r"first:last:general category as \p{…} knows it, by its place in CATEGORY_NAMES.",
            class_ranges(category),
        ),
        "NEWER_NUMBERS": (
            "Numbers to Digits, whose Unicode is newer than that of patterns.",
            ranges(numbers() - numeric),
        ),
    }
    return "\n".join([header, *(table(name, *rest) for name, rest in tables.items())])


def main() -> None:
    text = generate()
    if "--check" in sys.argv[1:]:
        sys.exit(0 if TARGET.read_text(encoding="utf-8") == text else 1)
    TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
