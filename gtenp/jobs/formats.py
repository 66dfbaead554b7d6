"""The forms of file that are read, by their endings."""

from __future__ import annotations

import os
from pathlib import Path

from gtenp.errors import InputError

# The form of a file by its ending; .gz may follow the first four.
FORMATS = {
    ".txt": "lines",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".md": "document",
    ".parquet": "parquet",
    ".sqlite": "sqlite",
    ".sqlite3": "sqlite",
    ".db": "sqlite",
}
GLOB = ("*.txt", "*.md")
STREAMED = ("lines", "jsonl", "csv", "tsv")  # what may come through gzip and standard input
BESIDE = (".json", ".rows.jsonl", ".errors.jsonl")  # what may stand beside OUT


def format_of(name: str, given: str | None = None) -> str:
    """How a file is read; InputError where neither its ending nor ``given`` says.

    >>> format_of("notes.jsonl.gz"), format_of("-"), format_of("notes.log", "lines")
    ('jsonl', 'lines', 'lines')
    """
    path = Path(name)
    if name != "-" and path.is_dir():
        return "folder"
    suffix = path.suffix.lower()
    zipped = suffix == ".gz"
    form = given or FORMATS.get(Path(path.stem).suffix.lower() if zipped else suffix)
    form = "lines" if form is None and (zipped or name == "-") else form
    if form is None:
        known = ", ".join(FORMATS)
        raise InputError(f"{name}: none of the endings {known}; say --format lines or another")
    if form not in STREAMED and (zipped or name == "-"):
        raise InputError(f"{name}: {form} can't be read as a stream; wanted a plain file")
    return form


def is_of(path: Path, out: Path) -> bool:
    """Whether a file is OUT, stands beside it as its own, or is what a job of it works with.

    >>> [is_of(Path(name), Path("a.npy")) for name in ("a.npy.json", "a.npy.part/b", "a.json")]
    [True, True, False]
    """
    path, out = Path(os.path.realpath(path)), Path(os.path.realpath(out))
    names = {f".{out.name}.lock", *(out.name + end for end in ("", *BESIDE, ".part", ".joined"))}
    return any(one.name in names and one.parent == out.parent for one in (path, *path.parents))
