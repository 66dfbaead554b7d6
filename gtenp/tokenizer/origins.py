"""Whence each character of a normalized text comes, counted as the reference counts.

It does not follow characters but goes along the old text: a change of 0 is a character in the next
old one's place, 1 one more beside it, -n one in the next one's place with n more taken away. So a
character may get its neighbour's place, and offsets are to be equal even there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Change = tuple[str, int]


def realign(changes: Iterable[Change], origins: list[int]) -> tuple[str, list[int]]:
    """The text that changes make, and the origin of each of its characters.

    >>> realign([("f", 0), ("i", 1), ("x", -1)], [10, 11, 12])
    ('fix', [10, 10, 11])
    """
    chars: list[str] = []
    found: list[int] = []
    place = 0
    for char, change in changes:
        chars.append(char)
        if change > 0:
            found.append(origins[place - 1])
        else:
            found.append(origins[place])
            place += 1 - change
    return "".join(chars), found
