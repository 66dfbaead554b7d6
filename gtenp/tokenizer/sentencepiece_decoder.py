"""The way back for sentencepiece's models: each decoder makes tokens of tokens, and what the last
one makes, put together, is the text.

The references are the decoders of the same names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gtenp.tokenizer.edits import Replace


@dataclass(frozen=True, slots=True)
class MetaspaceDecoder:
    """A mark becomes a space again, but none before a text that was given one.

    >>> MetaspaceDecoder("▁", prepends=True)(["▁to", "▁be"])
    ['to', ' be']
    """

    replacement: str
    prepends: bool

    def __call__(self, tokens: list[str]) -> list[str]:
        """Each token with its spaces."""
        first = "" if self.prepends else " "
        return [
            token.replace(self.replacement, " " if place else first)
            for place, token in enumerate(tokens)
        ]


@dataclass(frozen=True, slots=True)
class ReplaceDecoder:
    """Replaces in each token."""

    replace: Replace

    def __call__(self, tokens: list[str]) -> list[str]:
        """The tokens, each with its matches replaced."""
        return list(map(self.replace, tokens))


@dataclass(frozen=True, slots=True)
class StripDecoder:
    """Takes a character from each token's ends, so many times at most.

    >>> StripDecoder(" ", 1, 0)(["  a ", "b"])
    [' a ', 'b']
    """

    content: str
    start: int
    stop: int

    def __call__(self, tokens: list[str]) -> list[str]:
        """The stripped tokens."""
        return list(map(self._strip, tokens))

    def _strip(self, token: str) -> str:
        for _ in range(self.start):
            token = token.removeprefix(self.content)
        for _ in range(self.stop):
            token = token.removesuffix(self.content)
        return token


@dataclass(frozen=True, slots=True)
class Fuse:
    """All tokens as one, for decoders that follow."""

    def __call__(self, tokens: list[str]) -> list[str]:
        """One token."""
        return ["".join(tokens)]


BYTE = re.compile("<0x([+0-9A-Fa-f][0-9A-Fa-f])>")  # the reference takes the sign too


@dataclass(frozen=True, slots=True)
class ByteFallback:
    """Bytes that stand for characters the vocabulary lacks become characters again.

    >>> ByteFallback()(["<0xC3>", "<0xA9>", "a", "<0xC3>"])
    ['é', 'a', '�']
    """

    def __call__(self, tokens: list[str]) -> list[str]:
        """The tokens; a run of bytes that is no text becomes a replacement character a byte."""
        done: list[str] = []
        run = bytearray()
        for token in [*tokens, ""]:
            byte = BYTE.fullmatch(token)
            if byte:
                run.append(int(byte[1], 16))
                continue
            if run:
                try:
                    done.append(run.decode("utf-8"))
                except UnicodeDecodeError:
                    done += "\ufffd" * len(run)
                run.clear()
            done.append(token)
        return done[:-1]


Decoder = MetaspaceDecoder | ReplaceDecoder | StripDecoder | Fuse | ByteFallback
