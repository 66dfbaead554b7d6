"""The way back: tokens → text."""

from __future__ import annotations


def join_pieces(tokens: list[str], prefix: str, clean_up: bool) -> str:
    """Tokens → text, as the reference's WordPiece decoder joins them.

    >>> join_pieces(["em", "##bed", "this", "!"], "##", clean_up=True)
    'embed this!'
    """
    parts = []
    for place, token in enumerate(tokens):
        part = token
        if place:
            part = token.removeprefix(prefix) if token.startswith(prefix) else f" {token}"
        # Piece by piece: " n't" goes only where it is one piece.
        parts.append(clean_up_spaces(part.replace(" do not", " don't")) if clean_up else part)
    return "".join(parts)


def clean_up_spaces(text: str) -> str:
    """Take out the spaces that English does not write; transformers' list.

    >>> clean_up_spaces("it 's done , is n't it ?")
    "it's done, isn't it?"
    """
    for spaced in (" .", " ?", " !", " ,", " ' ", " n't", " 'm", " 's", " 've", " 're"):
        text = text.replace(spaced, spaced.strip())
    return text
