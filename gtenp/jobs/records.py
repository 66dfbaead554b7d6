"""What a job reads: texts, each with its id and its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """A text of the input, or a part of one."""

    number: int  # its place in the whole input, from 0, what can't be used counted
    id: str
    place: str  # the file and the line or row, both from 1
    text: str
    columns: dict[str, Any] | None = None  # what else its row holds, by name
    start: int | None = None  # where a part stands in its text, in characters
    end: int | None = None


@dataclass(frozen=True, slots=True)
class Bad:
    """A line that gives no text."""

    number: int
    place: str
    problem: str
