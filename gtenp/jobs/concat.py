"""The shards of a job, joined in the input's order."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gtenp.errors import InputError
from gtenp.jobs import parquet
from gtenp.jobs.blocks import Block
from gtenp.jobs.formats import FORMATS, is_of
from gtenp.jobs.job import check_unchanged, distinct, rows_of
from gtenp.jobs.outputs import Output, open_output, told_of_damage
from gtenp.jobs.readers import Source
from gtenp.jobs.records import Bad, Record
from gtenp.jobs.spool import Spool, changed_options
from gtenp.jobs.writers import beside, destination_of, write
from gtenp.model_files.folders import locked

# These keep each row's place in the input, and its columns.
_FORMS = (".npy", ".npz", ".safetensors", ".jsonl")


def concat(paths: Sequence[Path], out: Path, dtype: str | None = None) -> int:
    """Join the OUTs of all shards of one job into ``out``, as the job would have written it in one,
    by default in the shards' dtype, of float32 in any: how many rows there are.

    InputError where a shard is missing, or is of another job, and where the job could not have
    written ``out``.
    """
    shards, errors = _in_order(paths)
    metadata = shards[0].metadata
    made = str(metadata["dtype"])
    dtype = dtype or made
    out, form = destination_of(out, dtype, paths)
    for path in paths:
        if is_of(out, path):
            raise InputError(f"{out}: belongs to the shard {path}; name another file")
    if dtype != made != "float32":
        raise InputError(
            f"{paths[0]}: holds {made}, and only shards of float32 can be made {dtype}; leave "
            "--dtype out, or embed them as float32"
        )
    typed = _parquet_inputs(metadata) if form.write is parquet.write else None
    options = {**metadata["options"], "shard": None, "dtype": dtype}
    manifest = {**metadata, "options": options, "machine": {}}
    folder = beside(out, ".joined")  # OUT.part may be what a job has done so far
    with locked(out, wait=False):
        try:
            with Spool(folder, manifest, restart=True) as spool:
                for block, rows, vectors in _blocks(shards, errors, form.columns):
                    spool.add(block, rows, vectors, 0, 0)
                spool.commit()
                if form.unique_ids:
                    _refuse_repeats(spool, out)
                write(out, rows_of(spool, typed, out, dtype), form)
                return spool.total
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _refuse_repeats(spool: Spool, out: Path) -> None:
    for one in distinct(Record(**record) for record in spool.records()):
        if isinstance(one, Bad):
            raise InputError(
                f"{one.place}: {one.problem}, and {out.suffix} holds each once; write another form"
            )


def _in_order(paths: Sequence[Path]) -> tuple[list[Output], list[list[Bad]]]:
    """The shards by their numbers, and what each left out."""
    found: dict[int, tuple[Output, list[Bad]]] = {}
    first: tuple[Path, dict[str, Any]] | None = None
    count = 0
    for path in paths:
        if path.suffix not in _FORMS:
            raise InputError(f"{path}: shards are joined from {', '.join(_FORMS)}")
        output = open_output(path)
        shard = output.metadata["options"].get("shard")
        if not shard:
            raise InputError(f"{path}: is no shard; gtenp embed --shard i/n makes them")
        number, count = shard
        job = _of_all(output.metadata)
        first = first or (path, job)
        if job != first[1]:
            differ = [name for name in job if name != "options" and job[name] != first[1].get(name)]
            differ += changed_options(first[1]["options"], job["options"])
            raise InputError(f"{path}: is of another job than {first[0]}: {', '.join(differ)}")
        if number in found:
            raise InputError(f"{path}: is shard {number}/{count}, as an earlier one is")
        found[number] = output, _errors_of(path, output)
    missing = [f"{number}/{count}" for number in range(1, count + 1) if number not in found]
    if missing:
        raise InputError(f"shards are missing: {', '.join(missing)}; give the OUTs of all")
    ordered = [found[number] for number in range(1, count + 1)]
    return [output for output, _ in ordered], [errors for _, errors in ordered]


def _of_all(metadata: dict[str, Any]) -> dict[str, Any]:
    """What all shards of a job have in common."""
    options = {name: v for name, v in metadata["options"].items() if name not in ("shard", "dtype")}
    own = ("options", "rows", "blocks", "updated")
    count = metadata["options"]["shard"][1]
    return {
        **{name: value for name, value in metadata.items() if name not in own},
        "options": options,
        "shards": count,
    }


def _blocks(
    shards: list[Output], errors: list[list[Bad]], keep_columns: bool
) -> Iterator[tuple[Block, list[Record], Any]]:
    """Each block of the input, with its rows."""
    sizes = {block: counts for shard in shards for block, *counts in shard.metadata["blocks"]}
    taken = [0] * len(shards)
    bad = [iter(some) for some in errors]
    for number in sorted(sizes):
        which = number % len(shards)
        rows, left_out = sizes[number]
        start, end = taken[which], taken[which] + rows
        taken[which] = end
        records = []
        for found in shards[which].records(range(start, end)):
            found.pop("embedding", None)  # of JSON lines
            if not keep_columns:
                found.pop("columns", None)
            records.append(Record(**found))
        vectors = np.asarray(shards[which].vectors[start:end], np.float32)
        yield Block(number, records, list(islice(bad[which], left_out))), records, vectors


def _parquet_inputs(metadata: dict[str, Any]) -> Source | None:
    """What the job read, where its other columns are taken from it again, with their types.

    InputError where it has changed since.
    """
    options, inputs = metadata["options"], metadata["inputs"]
    paths = tuple(one["path"] for one in inputs)
    forms = {options["format"] or FORMATS.get(Path(path).suffix.lower()) for path in paths}
    if forms != {"parquet"}:
        return None
    source = Source(paths, options["format"], options["column"], options["id"])
    check_unchanged(source, inputs)
    return source if parquet.have_one_schema(source) else None


def _errors_of(path: Path, shard: Output) -> list[Bad]:
    """What a shard's job left out."""
    count = sum(bad for _, _, bad in shard.metadata["blocks"])
    if not count:
        return []
    errors = beside(path, ".errors.jsonl")
    if not errors.is_file():
        raise InputError(f"{errors} is missing; copy it beside the vectors")
    with told_of_damage(errors), open(errors, "rb") as lines:
        found = [Bad(0, **json.loads(line)) for line in lines]
        if len(found) != count:
            raise ValueError(f"it has {len(found)} lines, the shard left out {count}")
        return found
