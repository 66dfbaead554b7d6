"""sentencepiece's character map: which characters, alone or in sequence, become which.

A model carries it as bytes: the size of a trie, the trie, and the replacements one behind the
other, each ended by a NUL. The trie is a double array, as the darts-clone library writes it: a unit
of 32 bits for each step along a key's UTF-8 bytes.

The reference is ``Precompiled``, whose oddity counts, for models are used with it: a grapheme
cluster of less than six bytes that begins with a key becomes the form of the *shortest* such key,
and the rest of the cluster is lost. Other clusters are replaced character by character.
"""

from __future__ import annotations

import struct

from gtenp.tokenizer.graphemes import CLASSES, JOINS, clusters
from gtenp.tokenizer.memory import CharTable
from gtenp.tokenizer.origins import Change, realign

# The reference asks for a whole cluster only where it is shorter than this, in bytes of UTF-8.
SHORT = 6


class Precompiled:
    """A normalizer: each character, or short grapheme cluster, as the map has it."""

    def __init__(self, charsmap: bytes) -> None:
        """Raises ValueError where the bytes are no character map."""
        self._charsmap = charsmap
        size = int.from_bytes(charsmap[:4], "little")
        if len(charsmap) < 8 or size < 4 or size % 4 or len(charsmap) < 4 + size:
            raise ValueError("precompiled_charsmap is cut short")
        self._units = struct.unpack_from(f"<{size // 4}I", charsmap, 4)
        self._replacements = charsmap[4 + size :]
        self._replacements.decode("utf-8")  # what is not a text is not a map
        self._forms = CharTable(self._form)

    def __reduce__(self) -> tuple[type[Precompiled], tuple[bytes]]:
        return type(self), (self._charsmap,)  # what is remembered stays behind

    def __call__(self, text: str) -> str:
        """The normalized text."""
        if not JOINS.search(text.translate(CLASSES)):
            return text.translate(self._forms)
        return "".join(form for part in clusters(text) for _, form in self._replaced(part))

    def align(self, text: str, origins: list[int]) -> tuple[str, list[int]]:
        """The normalized text, and whence each of its characters comes."""
        changes: list[Change] = []
        for cluster in clusters(text):
            for part, form in self._replaced(cluster):
                changes += [(char, 0) for char in form]
                added = len(form) - len(part)
                if added > 0:
                    changes[-added:] = [(char, 1) for char in form[-added:]]
                elif added < 0 and changes:
                    char, change = changes[-1]
                    changes[-1] = (char, change + added)
        return realign(changes, origins)

    def _replaced(self, cluster: str) -> list[tuple[str, str]]:
        """What is replaced as one, with its form."""
        if len(cluster) > 1 and len(cluster.encode("utf-8")) < SHORT:
            form = self._of_shortest_key(cluster)
            if form is not None:
                return [(cluster, form)]
        return [(char, self._forms[ord(char)]) for char in cluster]

    def _form(self, char: str) -> str:
        form = self._of_shortest_key(char)
        return char if form is None else form

    def _of_shortest_key(self, text: str) -> str | None:
        """The form of the shortest key that the text begins with; None where it begins with none.

        A unit's lowest byte is the byte that leads to it; bit 8 says that a key ends there, and
        bits 9 to 31 where its children are. Where a key ends, the child 0 holds the form's place.
        """
        units = self._units
        place = _children(0, units[0])
        for byte in text.encode("utf-8"):
            place ^= byte
            if byte == 0 or place >= len(units) or units[place] & 0x800000FF != byte:
                return None
            unit = units[place]
            place = _children(place, unit)
            if unit & 0x100:
                if place >= len(units):
                    return None
                start = units[place] & 0x7FFFFFFF
                form, _, _ = self._replacements[start:].partition(b"\0")
                return form.decode("utf-8", "replace")
        return None


def _children(place: int, unit: int) -> int:
    return place ^ (unit >> 10 << ((unit & 0x200) >> 6))
