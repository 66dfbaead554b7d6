"""``OUT.part/``: what a job has done so far, so that the same command goes on from there.

    manifest.json    what is read, by which model, with which options
    rows.f32         the vectors, float32 [n, dim], in the input's order
    rows.jsonl       each row's id, place and text
    errors.jsonl     what could not be read
    journal.jsonl    a line for each block that is whole: where in these files it ends

The files only grow, and the journal's line is written when they are on the disk. Whatever lies
behind the journal's last whole line is cut off when a run goes on.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gtenp.errors import InputError
from gtenp.jobs.readers import plain

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gtenp.engine.kernels import Float32
    from gtenp.jobs.blocks import Block
    from gtenp.jobs.records import Record

_DATA = ("rows.f32", "rows.jsonl", "errors.jsonl")
_SECONDS = 1.0  # between two commits: what a kill costs, and how often the disk is waited for


class AnotherJobError(InputError):
    """What an earlier run has done is of another job, or damaged."""


class Entry(NamedTuple):
    """The journal's line for a block."""

    block: int
    digest: str  # of all that was read
    texts: int
    rows: int
    tokens: int
    cut: int  # texts that had more tokens than the model reads
    bad: int
    ends: list[int]  # of rows.f32, rows.jsonl, errors.jsonl, in bytes


class Spool:
    """The folder, open for adding blocks; use it under ``locked``."""

    def __init__(self, folder: Path, manifest: dict[str, Any], restart: bool = False) -> None:
        """Make the folder, or find in it what an earlier run of the same job has done.

        AnotherJobError where it is of another job: the message names what differs.
        """
        self.folder = folder
        self.dimension: int = manifest["dimension"]
        if restart:
            shutil.rmtree(folder, ignore_errors=True)
        path = folder / "manifest.json"
        self.notes: list[str] = []  # what differs, and is no reason to stop
        self.entries = self._read_journal() if path.exists() else []
        if self.entries:
            self.manifest = _read_manifest(path)
            self.notes = _compare(folder, self.manifest, manifest)
        else:  # nothing is done, so nothing is lost by beginning anew
            folder.mkdir(exist_ok=True)
            self.manifest = manifest
            for name in ("journal.jsonl", *_DATA):
                (folder / name).write_bytes(b"")
            _write_whole(path, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
        ends = self.entries[-1].ends if self.entries else [0] * len(_DATA)
        self._files = [open(folder / name, "r+b") for name in _DATA]  # noqa: SIM115, see close
        for file, end in zip(self._files, ends, strict=True):
            file.truncate(end)
            file.seek(end)
        self._journal = open(folder / "journal.jsonl", "r+b")  # noqa: SIM115
        lines = "".join(map(_line, self.entries)).encode()
        self._journal.truncate(len(lines))
        self._journal.seek(len(lines))
        self._pending: list[Entry] = []
        self._committed = time.monotonic()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if (
            isinstance(error, OSError) and error.errno is not None
        ):  # as a full disk's, it names none
            error.filename = error.filename or str(self.folder)
        with contextlib.suppress(OSError):  # of a full disk, which has been told
            self.commit()
        for file in (*self._files, self._journal):
            with contextlib.suppress(OSError):
                file.close()

    def _read_journal(self) -> list[Entry]:
        """The blocks that are whole on the disk."""
        sizes = [(self.folder / name).stat().st_size for name in _DATA]
        entries = []
        for line in (self.folder / "journal.jsonl").read_bytes().split(b"\n")[:-1]:
            try:
                entry = Entry(*json.loads(line))
                if any(end > size for end, size in zip(entry.ends, sizes, strict=True)):
                    break
            except (ValueError, TypeError):  # a power cut leaves anything
                break
            entries.append(entry)
        return entries

    def skip_done(self, blocks: Iterable[Block]) -> Iterator[Block]:
        """The blocks that are yet to do. AnotherJobError where one that is done reads otherwise."""
        done = iter(list(self.entries))  # more will come
        for block in blocks:
            entry = next(done, None)
            if entry is None:
                yield block
            elif (entry.block, entry.digest) != (block.number, block.digest()):
                raise AnotherJobError(
                    f"{self.folder}: {_where(block)} reads otherwise than when it was embedded; "
                    "take the input as it was, or begin anew with --restart"
                )
        if next(done, None) is not None:
            raise AnotherJobError(
                f"{self.folder}: the input has fewer texts than were embedded; take it as it was, "
                "or begin anew with --restart"
            )

    def add(
        self, block: Block, rows: list[Record], vectors: Float32, tokens: int, cut: int
    ) -> None:
        """Append a block's rows [n, dim]; they count once ``commit`` has run."""
        rows_file, records_file, errors_file = self._files
        rows_file.write(np.ascontiguousarray(vectors, "<f4").data)
        records_file.write("".join(map(_row_line, rows)).encode())
        for bad in block.bad:
            line = {"place": bad.place, "problem": bad.problem}
            errors_file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        ends = [file.tell() for file in self._files]
        numbers = (len(block.records), len(rows), tokens, cut, len(block.bad))
        self._pending.append(Entry(block.number, block.digest(), *numbers, ends))
        if time.monotonic() - self._committed > _SECONDS:
            self.commit()

    def commit(self) -> None:
        """Put what was added on the disk, and then say so in the journal."""
        # Taken first: Ctrl-C may come anywhere, and no line must be written twice.
        entries, self._pending = self._pending, []
        if not entries:
            return
        for file in self._files:
            file.flush()
            os.fsync(file.fileno())
        self._journal.write("".join(map(_line, entries)).encode())
        self._journal.flush()
        os.fsync(self._journal.fileno())
        self.entries += entries
        self._committed = time.monotonic()

    def remove(self) -> None:
        """Delete the folder, for what was in it stands in OUT now."""
        self._pending = []
        for file in (*self._files, self._journal):
            file.close()
        # The manifest first: what a kill leaves is then no folder to go on from.
        for path in sorted(self.folder.iterdir(), key=lambda path: path.name != "manifest.json"):
            path.unlink()
        self.folder.rmdir()

    # ── What a writer reads ──────────────────────────────────────────────────────────────────────

    @property
    def total(self) -> int:
        """How many rows there are."""
        return sum(entry.rows for entry in self.entries)

    def vectors(self, size: int = 8192) -> Iterator[Float32]:
        """All rows, so many at a time: float32 [≤ size, dim]."""
        with open(self.folder / "rows.f32", "rb") as file:
            while chunk := file.read(size * self.dimension * 4):
                yield np.frombuffer(chunk, "<f4").reshape(-1, self.dimension)

    def records(self) -> Iterator[dict[str, Any]]:
        """Each row's id, place, text and whatever else goes along."""
        with open(self.folder / "rows.jsonl", "rb") as file:
            yield from map(json.loads, file)


def _row_line(record: Record) -> str:
    fields = {
        "number": record.number,
        "id": record.id,
        "place": record.place,
        "start": record.start,
        "end": record.end,
        "text": record.text,
        "columns": record.columns,
    }
    kept = {name: value for name, value in fields.items() if value is not None}
    return json.dumps(kept, ensure_ascii=False, default=plain) + "\n"


def _line(entry: Entry) -> str:
    return json.dumps(entry) + "\n"


def _where(block: Block) -> str:
    place = block.records[0].place if block.records else block.bad[0].place
    return f"the part from {place} on"


def _write_whole(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.new")
    with open(temporary, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        for name in ("options", "machine", "dimension", "updated", "inputs"):
            manifest[name]
    except (ValueError, KeyError, TypeError) as error:
        raise AnotherJobError(f"{path} is damaged; begin anew with --restart") from error
    return manifest


def changed_options(was: dict[str, Any], is_now: dict[str, Any]) -> list[str]:
    """Those of a job that differ, as the command line calls them."""
    return [f"--{k.replace('_', '-')}" for k in is_now if was.get(k) != is_now[k]]


def _compare(folder: Path, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """AnotherJobError names what makes it one. What may change a vector's last bit, and
    nothing else, is told: the kernel is that of a CPU, and a job may move.
    """
    apart = ("machine", "updated", "options", "inputs")
    changed = [name for name in new if name not in apart and old.get(name) != new[name]]
    changed += changed_options(old["options"], new["options"])
    read_then, read_now = ({one["path"]: one for one in job["inputs"]} for job in (old, new))
    paths = {**read_then, **read_now}
    changed += [path for path in paths if read_then.get(path) != read_now.get(path)]
    if changed:
        raise AnotherJobError(
            f"{folder} is of another job: {', '.join(changed)} changed since; do as then, or begin "
            "anew with --restart"
        )
    return [
        f"{name} was {old['machine'].get(name)} and is {value} now: vectors may differ in their "
        "last bits"
        for name, value in new["machine"].items()
        if old["machine"].get(name) != value
    ]
