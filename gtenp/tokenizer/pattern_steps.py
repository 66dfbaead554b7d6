"""How long the search for a pattern may take: a bound, told from the pattern alone.

``re`` tries every way in which a pattern may match before it gives up. ``(a+)+b`` has 2^n of them
in n letters a, and a file that asks for such a pattern would hang whoever opens it. So the steps of
a search that fails are counted beforehand, at one place of a text of LENGTH characters and at
worst: those of published patterns are a small multiple of the length, and that is allowed.

What follows something decides how much it costs: where ``a*`` gives back one letter after the
other, all that follows is tried again each time, but for two cases. Nothing that follows can fail,
as at the pattern's end; or it begins with another character, so that each try is over at once.

A group that is repeated must match in one way alone, whatever the text. Then its repetitions
together cost no more than a walk along the text.
"""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

Ranges = tuple[tuple[int, int], ...]

LENGTH = 1 << 10
MOST = 256 * LENGTH  # steps; GPT-4o's pattern has some 50 a character
FEW = 16  # steps of what is looked for within a group that is repeated
ANY: Ranges = ((0, 0x10FFFF),)


class StepsError(Exception):
    """A pattern whose search may take too long; its text says why."""


class Char(NamedTuple):
    """One character of these."""

    ranges: Ranges


class Row(NamedTuple):
    """One after the other."""

    trees: tuple[Tree, ...]


class Choice(NamedTuple):
    """The first of these that leads on."""

    trees: tuple[Tree, ...]


class Times(NamedTuple):
    """Something that is no less than a character, repeated. ``high`` None: without end."""

    tree: Tree
    low: int
    high: int | None


class Look(NamedTuple):
    """What must, or must not, stand before or behind a place."""

    tree: Tree


class Once(NamedTuple):
    """What gives nothing back, once it has matched."""

    tree: Tree


Tree = Char | Row | Choice | Times | Look | Once


class _Tail(NamedTuple):
    """A pattern from some place on."""

    steps: int  # at worst
    size: int  # the steps where the first character doesn't fit
    first: Ranges  # with which it may begin; overlapping, in no order
    fails: bool  # whether it may


_END = _Tail(0, 1, ANY, fails=False)


def check(tree: Tree) -> None:
    """StepsError where a search for the pattern may take more than MOST steps at one place."""
    _before(tree, _END)


def _before(tree: Tree, tail: _Tail) -> _Tail:
    """The tail that begins with the tree."""
    match tree:
        case Char(ranges):
            found = _Tail(1 + tail.steps, 1, ranges, fails=True)
        case Row(trees):
            found = tail
            for part in reversed(trees):
                found = _before(part, found)
        case Choice(trees):
            tails = [_before(part, tail) for part in trees]
            found = _Tail(
                sum(one.steps for one in tails),
                sum(one.size for one in tails),
                tuple(span for one in tails for span in one.first),
                all(one.fails for one in tails),
            )
        case Times(inner, 1, 1):
            found = _before(inner, tail)
        case Times(inner, 0, 1) if not isinstance(inner, Char):
            found = _before(Choice((inner, Row(()))), tail)
        case Times():
            found = _repeated(tree, tail)
        case Look(inner):
            steps = _alone(inner)
            found = _Tail(steps + tail.steps, steps + tail.size, ANY, fails=True)
        case Once(inner):
            first, empty = _first(inner)
            fails = tail.fails or not empty
            found = _Tail(_alone(inner) + tail.steps, _size(inner), first, fails)
            if empty:
                found = found._replace(size=found.size + tail.size, first=first + tail.first)
    if found.steps > MOST:
        raise StepsError("its search might never end: too many ways lead to where it fails")
    return found


def _repeated(tree: Times, tail: _Tail) -> _Tail:
    inner, low, high = tree
    first, _ = _first(inner)
    most = LENGTH if high is None else min(high, LENGTH)
    ways = most - min(low, most) + 1
    walk = min(low, LENGTH) + 1
    if not isinstance(inner, Char):
        walk = _reach(tree) * _size(inner)
        if not _one_way(inner, first + (tail.first if tail.fails else ())):
            raise StepsError(
                "its search might never end: it repeats what may match in several ways"
            )
    if not tail.fails:
        steps = walk + tail.steps
    elif _disjoint(first, tail.first):
        steps = walk + ways * tail.size + tail.steps
    else:
        steps = walk + ways * (1 + tail.steps)
    if low:
        return _Tail(steps, _size(inner), first, fails=True)
    return _Tail(steps, _size(inner) + tail.size, first + tail.first, tail.fails)


def _alone(tree: Tree) -> int:
    """The steps of what is looked for by itself, whether it is there or not."""
    return _before(tree, _END).steps + _reach(tree)


def _reach(tree: Tree) -> int:
    """Of how many characters it is at most, up to LENGTH."""
    match tree:
        case Char():
            return 1
        case Row(trees):
            return min(LENGTH, sum(map(_reach, trees)))
        case Choice(trees):
            return max(map(_reach, trees))
        case Times(inner, _, high):
            return LENGTH if high is None else min(LENGTH, high * _reach(inner))
        case Look():
            return 0
        case Once(inner):
            return _reach(inner)


def _size(tree: Tree) -> int:
    """The steps of a character's way through it."""
    match tree:
        case Char():
            return 1
        case Row(trees) | Choice(trees):
            return 1 + sum(map(_size, trees))
        case Times(inner, _, _) | Once(inner):
            return 1 + _size(inner)
        case Look():
            return FEW


def _first(tree: Tree) -> tuple[Ranges, bool]:
    """The characters with which it may begin, and whether it may be nothing."""
    match tree:
        case Char(ranges):
            return ranges, False
        case Row(trees):
            first: Ranges = ()
            for part in trees:
                more, empty = _first(part)
                first += more
                if not empty:
                    return first, False
            return first, True
        case Choice(trees):
            firsts = list(map(_first, trees))
            spans = tuple(span for one, _ in firsts for span in one)
            return spans, any(empty for _, empty in firsts)
        case Times(inner, low, _):
            first, empty = _first(inner)
            return first, empty or low == 0
        case Look():
            return (), True
        case Once(inner):
            return _first(inner)


def _one_way(tree: Tree, behind: Ranges) -> bool:
    """Whether each text's characters tell at once how it goes on, where it may be followed by one
    of those ``behind``.
    """
    match tree:
        case Char():
            return True
        case Row(trees):
            for part in reversed(trees):
                if not _one_way(part, behind):
                    return False
                first, empty = _first(part)
                behind = first + (behind if empty else ())
            return True
        case Choice(trees):
            begins = [first + (behind if empty else ()) for first, empty in map(_first, trees)]
            return all(_disjoint(*pair) for pair in combinations(begins, 2)) and all(
                _one_way(part, behind) for part in trees
            )
        case Times(inner, low, high):
            first, _ = _first(inner)
            ends_clearly = low == high or _disjoint(first, behind)
            return ends_clearly and _one_way(inner, behind if high == 1 else first + behind)
        case Look(inner):
            return _alone(inner) <= FEW
        case Once(inner):
            return _one_way(inner, behind)


def _disjoint(one: Ranges, other: Ranges) -> bool:
    """Whether no character is in both.

    >>> _disjoint(((97, 99),), ((1, 5), (99, 99))), _disjoint(((97, 99),), ((100, 120),))
    (False, True)
    """
    last, of = -1, 0
    for first, end, side in sorted([(*span, 1) for span in one] + [(*span, 2) for span in other]):
        if first <= last and side != of:
            return False
        if end > last:
            last, of = end, side
    return True
