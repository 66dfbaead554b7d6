"""The small normalizers: Strip, Replace, Prepend, Lowercase.

Each gives the normalized text when it is called, and with ``align`` also whence each character of
it comes. The reference is the normalizers of the same names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gtenp.tokenizer.characters import all_spaces
from gtenp.tokenizer.memory import CharTable
from gtenp.tokenizer.normalizer import lowercase
from gtenp.tokenizer.origins import realign

Aligned = tuple[str, list[int]]


@dataclass(frozen=True, slots=True)
class Strip:
    """No white space at the ends.

    >>> Strip(left=False, right=True)(" a ")
    ' a'
    """

    left: bool
    right: bool

    def __call__(self, text: str) -> str:
        """The normalized text."""
        text = text.lstrip(all_spaces()) if self.left else text
        return text.rstrip(all_spaces()) if self.right else text

    def align(self, text: str, origins: list[int]) -> Aligned:
        """The normalized text, and whence each of its characters comes."""
        stripped = self(text)
        start = len(text) - len(text.lstrip(all_spaces())) if self.left and stripped else 0
        return stripped, origins[start : start + len(stripped)]


@dataclass(frozen=True, slots=True)
class Replace:
    """Each match of a pattern becomes the content.

    >>> Replace(re.compile(" {2,}"), "▁")("a  b")
    'a▁b'
    """

    pattern: re.Pattern[str]
    content: str

    def __call__(self, text: str) -> str:
        """The normalized text."""
        return self.pattern.sub(lambda _: self.content, text)

    def align(self, text: str, origins: list[int]) -> Aligned:
        """The normalized text, and whence each of its characters comes: from a match's last."""
        parts: list[str] = []
        found: list[int] = []
        done = 0
        for match in self.pattern.finditer(text):
            start, stop = match.span()
            parts += text[done:start], self.content
            found += origins[done:start] + [origins[stop - 1]] * len(self.content)
            done = stop
        return "".join([*parts, text[done:]]), found + origins[done:]


@dataclass(frozen=True, slots=True)
class Prepend:
    """Something before any text that is not empty.

    >>> Prepend("▁")("a"), Prepend("▁")("")
    ('▁a', '')
    """

    content: str

    def __call__(self, text: str) -> str:
        """The normalized text."""
        return self.content + text if text else ""

    def align(self, text: str, origins: list[int]) -> Aligned:
        """The normalized text, and whence each of its characters comes."""
        return self(text), origins[:1] * len(self.content) + origins if text else []


@dataclass(frozen=True, slots=True)
class Lowercase:
    """Lowercase, each character without a look at its neighbours.

    >>> Lowercase()("ΟΔΟΣ")
    'οδοσ'
    """

    def __call__(self, text: str) -> str:
        """The normalized text."""
        return text.translate(LOWERED)

    def align(self, text: str, origins: list[int]) -> Aligned:
        """The normalized text, and whence each of its characters comes."""
        forms = [LOWERED[ord(char)] for char in text]
        return realign(((c, int(n > 0)) for form in forms for n, c in enumerate(form)), origins)


LOWERED = CharTable(lowercase)

# A pattern of single characters, each with a quantifier perhaps: what Oniguruma, the reference's,
# and Python read alike. \s is the reference's white space.
ATOM = r"(?:[^\\^$.|?*+()\[\]{}]|\\[\\^$.|?*+()\[\]{}ntrs])"
PLAIN_PATTERN = re.compile(rf"(?:{ATOM}(?:\+|\{{[1-9]\d*(?:,\d*)?\}})?)+")


def read_pattern(pattern: dict[str, str]) -> re.Pattern[str]:
    """The pattern of a tokenizer.json, ``{"String": …}`` or ``{"Regex": …}``.

    Raises ValueError where it is empty, or a regular expression of more than single characters and
    how often they come.
    """
    ((kind, text),) = pattern.items()
    if kind == "String" and text:
        return re.compile(re.escape(text))
    if kind == "Regex" and PLAIN_PATTERN.fullmatch(text):
        return re.compile(text.replace(r"\s", f"[{re.escape(all_spaces())}]"))
    raise ValueError(text)
