"""Rows to files: each form of file has one function, which writes all of them in order.

A file's bytes depend on the rows and the metadata alone.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.lib import format as npy

from gtenp.errors import InputError
from gtenp.jobs import parquet, sqlite
from gtenp.jobs.formats import is_of
from gtenp.jobs.readers import pyarrow
from gtenp.jobs.rows import DTYPES, as_text, beside_ours, numpy_dtype

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import BinaryIO

    from gtenp.jobs.rows import Rows


class Form(NamedTuple):
    """A form of output."""

    write: Callable[[Path, Rows], None]
    metadata_beside: bool = False  # in OUT.json, for want of room
    rows_beside: bool = False  # ids, places and texts, in OUT.rows.jsonl
    columns: bool = False  # whether the input's other columns go along
    unique_ids: bool = False
    dtypes: tuple[str, ...] = DTYPES


def write(out: Path, rows: Rows, form: Form) -> None:
    """Write OUT and what stands beside it. Each appears whole or not at all, OUT last; an older OUT
    never stands beside newer files.
    """
    folder = rows.spool.folder
    made = {out: folder / "out"}
    form.write(made[out], rows)
    if form.metadata_beside:
        made[beside(out, ".json")] = folder / "metadata.json"
        text = json.dumps(rows.metadata, indent=1, ensure_ascii=False)
        (folder / "metadata.json").write_text(text + "\n", encoding="utf-8")
    if form.rows_beside:
        made[beside(out, ".rows.jsonl")] = folder / "rows.out"
        shutil.copyfile(folder / "rows.jsonl", folder / "rows.out")
    errors = beside(out, ".errors.jsonl")
    if any(entry.bad for entry in rows.spool.entries):
        made[errors] = folder / "errors.out"
        shutil.copyfile(folder / "errors.jsonl", folder / "errors.out")
    for target, path in made.items():
        _flush(path)
        if target.exists():
            shutil.copymode(target, path)
    if len(made) > 1 or errors.exists():
        out.unlink(missing_ok=True)
        _flush_folder(out.parent)
    if errors not in made:
        errors.unlink(missing_ok=True)  # an older run's
    for target, path in reversed(made.items()):
        os.replace(path, target)
    _flush_folder(out.parent)


def destination_of(out: Path, dtype: str, inputs: Iterable[str | Path]) -> tuple[Path, Form]:
    """Where OUT's bytes go, and its form. InputError where they can't, or where an
    input or a database of another's would be lost.
    """
    form = FORMS.get(out.suffix)
    if form is None:
        raise InputError(f"{out}: wanted one of the endings {', '.join(FORMS)}")
    if dtype not in form.dtypes:
        raise InputError(f"{out}: {out.suffix} holds {', '.join(form.dtypes)}; --dtype is {dtype}")
    if form.write is parquet.write:
        pyarrow()  # now, not when all is done
    out = Path(os.path.realpath(out))
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder; make it first, or name another")
    for path in map(Path, inputs):
        if is_of(path, out) or (out.exists() and path.exists() and path.samefile(out)):
            raise InputError(
                f"{path}: is an input too, and would be lost; name another file than {out.name}"
            )
    if out.exists() and form.write is sqlite.write and not sqlite.is_ours(out):
        raise InputError(f"{out}: is a database that gtenp didn't write; name another file")
    return out, form


def beside(out: Path, ending: str) -> Path:
    """The file of that ending that belongs to OUT.

    >>> beside(Path("vectors.npy"), ".json").name
    'vectors.npy.json'
    """
    return out.with_name(out.name + ending)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    if os.name != "nt":  # which has no such thing
        _flush(folder)


# ── Arrays ───────────────────────────────────────────────────────────────────────────────────────


def write_npy(path: Path, rows: Rows) -> None:
    """[n, dim], at a fixed place of the file, so that it can be mapped."""
    with open(path, "wb") as file:
        _write_array(file, rows)


def _write_array(file: BinaryIO | Any, rows: Rows) -> None:
    header = {"descr": npy.dtype_to_descr(numpy_dtype(rows.dtype)), "fortran_order": False}
    npy.write_array_header_1_0(file, {**header, "shape": rows.shape})
    for vectors in rows.vectors():
        file.write(vectors.data)


def write_npz(path: Path, rows: Rows) -> None:
    """``embeddings`` and, as JSON, ``gtenp``: stored without compression."""
    with zipfile.ZipFile(path, "w") as archive:
        with archive.open("embeddings.npy", "w", force_zip64=True) as file:
            _write_array(file, rows)
        content = io.BytesIO()
        npy.write_array(content, np.array(rows.metadata_json()), allow_pickle=False)
        with archive.open("gtenp.npy", "w") as file:
            file.write(content.getvalue())


def write_safetensors(path: Path, rows: Rows) -> None:
    """The tensor ``embeddings``, and ``gtenp`` among the metadata, as JSON."""
    shape, dtype = rows.shape, numpy_dtype(rows.dtype)
    name = {"<f4": "F32", "<f2": "F16", "|i1": "I8", "|u1": "U8"}[dtype.str]
    size = shape[0] * shape[1] * dtype.itemsize
    header = {
        "__metadata__": {"gtenp": rows.metadata_json()},
        "embeddings": {"dtype": name, "shape": shape, "data_offsets": [0, size]},
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for vectors in rows.vectors():
            file.write(vectors.data)


# ── Text ─────────────────────────────────────────────────────────────────────────────────────────


def write_jsonl(path: Path, rows: Rows) -> None:
    """An object a line: id, place, text, in parts start and end, columns, embedding."""
    template = _template(rows)
    with open(path, "w", encoding="utf-8", newline="\n") as file:
        for record, vector in rows.pairs():
            start = json.dumps(record, ensure_ascii=False)
            file.write(f'{start[:-1]}, "embedding": {template % tuple(vector.tolist())}}}\n')


def write_csv(path: Path, rows: Rows) -> None:
    """id, place, text, in parts start and end; the input's other columns; the embedding last, a
    JSON list.
    """
    template = _template(rows)
    found = (record.get("columns", {}) for record in rows.spool.records())
    columns = list(dict.fromkeys(name for one in found for name in one))
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        names = rows.fields
        writer.writerow([*names, *beside_ours(columns), "embedding"])
        for record, vector in rows.pairs():
            others = record.get("columns", {})
            values = [record[name] for name in names]
            values += [as_text(others.get(name)) for name in columns]
            writer.writerow([*values, template % tuple(vector.tolist())])


def _template(rows: Rows) -> str:
    """Nine digits name a float32, five a float16."""
    one = {"float32": "%.9g", "float16": "%.5g"}.get(rows.dtype, "%d")
    return "[" + ", ".join([one] * rows.shape[1]) + "]"


FORMS = {
    ".npy": Form(write_npy, metadata_beside=True, rows_beside=True),
    ".npz": Form(write_npz, rows_beside=True),
    ".safetensors": Form(write_safetensors, rows_beside=True),
    ".jsonl": Form(write_jsonl, metadata_beside=True, columns=True),
    ".csv": Form(write_csv, metadata_beside=True, columns=True),
    ".parquet": Form(parquet.write, columns=True),
    ".sqlite": Form(
        sqlite.write, columns=True, unique_ids=True, dtypes=("float32", "int8", "ubinary")
    ),
}
