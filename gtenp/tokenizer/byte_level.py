"""Bytes as printable characters, in which byte-level BPE has its vocabulary, and back.

A text's UTF-8 becomes a text again, a character a byte: most of ASCII itself, a space "Ġ", the
two bytes of "é" "Ã©". So there is no text that such a vocabulary can't write.
"""

from __future__ import annotations

from dataclasses import dataclass

from gtenp.tokenizer.memory import LoneSurrogateError

# Bytes that stand for themselves; the others take the characters from U+0100 on.
PRINTABLE = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
OTHERS = [byte for byte in range(256) if byte not in PRINTABLE]
# By byte, as str.translate takes it.
CHARACTERS = {byte: chr(byte) for byte in PRINTABLE} | {
    byte: chr(0x100 + place) for place, byte in enumerate(OTHERS)
}
BYTES = {char: byte for byte, char in CHARACTERS.items()}


def as_characters(text: str) -> str:
    """The text's bytes as characters.

    >>> as_characters(" Café")
    'ĠCafÃ©'

    Raises LoneSurrogateError where it has no bytes.
    """
    try:
        return text.encode("utf-8").decode("latin-1").translate(CHARACTERS)
    except UnicodeEncodeError:
        raise LoneSurrogateError from None


@dataclass(frozen=True, slots=True)
class ByteLevelDecoder:
    """The bytes of all tokens together as a text; what is no UTF-8 becomes U+FFFD.

    A token with a character that stands for no byte, as an added one may have, is taken as it is.

    >>> ByteLevelDecoder()(["ĠCaf", "Ã", "©", "Ã", "▁"])
    [' Café�▁']
    """

    def __call__(self, tokens: list[str]) -> list[str]:
        """One token."""
        found = bytearray()
        for token in tokens:
            try:
                found += bytes([BYTES[char] for char in token])
            except KeyError:
                found += token.encode("utf-8")
        return [found.decode("utf-8", errors="replace")]
