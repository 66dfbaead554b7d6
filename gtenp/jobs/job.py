"""A file of texts to a file of vectors: read → block → encode → spool → write, in one direction.

Each thread takes a block of its own through tokenizer and model, one BLAS thread each, while this
one reads the next blocks and writes those that are done: nothing waits for anything but the
slowest. A block's vectors are the same whatever the number of threads.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gtenp import __version__
from gtenp.engine.parallel import default_threads
from gtenp.engine.pooling import normalize
from gtenp.errors import InputError
from gtenp.jobs import parquet
from gtenp.jobs.ahead import map_ahead
from gtenp.jobs.blocks import Block, of_shard, split
from gtenp.jobs.chunks import chunk
from gtenp.jobs.forked import map_forked
from gtenp.jobs.formats import format_of
from gtenp.jobs.outputs import check_output, metadata_of
from gtenp.jobs.readers import Source, files_of, read
from gtenp.jobs.records import Bad, Record
from gtenp.jobs.rows import DTYPES, Rows, ranges_of, width
from gtenp.jobs.spool import Spool
from gtenp.jobs.writers import FORMS, beside, destination_of, write
from gtenp.measure.speed import blas
from gtenp.model_files.checkpoint import weight_files
from gtenp.model_files.contents import contents_of
from gtenp.model_files.folders import locked

if TYPE_CHECKING:
    from gtenp.embedder import Embedder
    from gtenp.engine.kernels import Float32


@dataclass(frozen=True)
class Options:
    """What changes a job's vectors, or which there are."""

    dtype: str = "float32"
    prompt_name: str | None = None
    normalize: bool | None = None  # None: as the model does
    truncate_dim: int | None = None
    max_length: int | None = None
    batch_invariant: bool = False
    chunk: int | None = None  # tokens of a part
    overlap: int = 0  # tokens that a part shares with the one before
    shard: tuple[int, int] | None = None  # (i, n): every n-th block, from the i-th
    on_error: str = "stop"  # or "skip"

    def __post_init__(self) -> None:
        if self.dtype not in DTYPES:
            raise InputError(f"dtype: {self.dtype!r}; wanted one of {', '.join(DTYPES)}")
        if self.overlap and self.chunk is None:
            raise InputError("--overlap is of parts; --chunk says how long they are")
        if self.chunk is not None and not 0 <= self.overlap <= self.chunk // 2:
            raise InputError(f"--overlap {self.overlap}: wanted at most half of --chunk")
        if self.shard and not 1 <= self.shard[0] <= self.shard[1]:
            raise InputError(f"--shard {self.shard[0]}/{self.shard[1]}: wanted 1/n to n/n")
        if self.shard and self.dtype in ("int8", "ubinary"):
            raise InputError(  # int8 is cut by the ranges of all texts, which no shard knows
                f"--shard with --dtype {self.dtype}: write the shards as float32, and give the "
                "dtype to gtenp concat"
            )


class Done(NamedTuple):
    """What came of a job."""

    rows: int
    width: int
    texts: int
    tokens: int
    cut: int
    bad: int
    resumed: int  # rows that an earlier run had made
    max_length: int  # tokens that are read of a text


class Embedded(NamedTuple):
    """A block with its rows."""

    block: Block
    rows: list[Record]
    vectors: Float32  # [rows, dim]
    tokens: int
    cut: int


Progress = Callable[[int, int], None]  # told of texts and tokens


def run(
    source: Source,
    out: Path,
    embedder: Embedder,
    model: str,
    options: Options = Options(),
    *,
    threads: int | None = None,
    processes: int = 1,
    restart: bool = False,
    tell: Callable[[str], None] = lambda _: None,
    progress: Progress = lambda _texts, _tokens: None,
) -> Done:
    """Embed all of ``source`` into ``out``, or go on where a run of the same job was ended.

    ``model`` is the name written down. InputError for a line that gives no text unless
    ``on_error`` is "skip", where ``out`` is another process's, and where ``out.part`` is of another
    job.
    """
    out, form = destination_of(out, options.dtype, source.inputs)
    source, embedder = replace(source, out=out), settle(embedder, options)
    manifest = _manifest(source, embedder, model, options)
    typed = source if form.write is parquet.write and parquet.have_one_schema(source) else None
    # What shards are joined into may want the columns.
    keep_columns = options.shard is not None or (form.columns and typed is None)
    source = replace(source, columns=keep_columns)
    with (
        locked(out, wait=False),
        Spool(beside(out, ".part"), manifest, restart) as spool,
    ):
        resumed = spool.total
        for note in spool.notes:
            tell(note)
        if resumed:
            tell(f"{spool.folder}: going on behind {resumed:,} rows")
        progress(sum(entry.texts for entry in spool.entries), 0)
        found = distinct(read(source)) if form.unique_ids else read(source)
        blocks = split(checked(found, options.on_error))
        digest = hashlib.sha256()  # by which the shards of one pipe know each other
        if options.shard:
            blocks = of_shard(_hashed(blocks, digest), options.shard)
        for done in embed(spool.skip_done(blocks), embedder, options, threads, processes):
            spool.add(*done)
            progress(len(done.block.records) + len(done.block.bad), done.tokens)
        spool.commit()
        if typed:
            check_unchanged(typed, spool.manifest["inputs"])
        write(out, rows_of(spool, typed, out, options.dtype, digest.hexdigest()), form)
        spool.remove()
        entries, shape = spool.entries, (spool.total, width(spool.dimension, options.dtype))
    return Done(
        *shape,
        texts=sum(entry.texts for entry in entries),
        tokens=sum(entry.tokens for entry in entries),
        cut=sum(entry.cut for entry in entries),
        bad=sum(entry.bad for entry in entries),
        resumed=resumed,
        max_length=embedder.max_seq_length,
    )


def embed(
    blocks: Iterable[Block],
    embedder: Embedder,
    options: Options,
    threads: int | None = None,
    processes: int = 1,
) -> Iterator[Embedded]:
    """Each block with its vectors, in their order, by an embedder of ``settle``. The processes
    share the threads.
    """
    prompt = prompt_of(embedder, options)

    def embed_one(block: Block) -> Embedded:
        rows = block.records
        if options.chunk:
            parts = (chunk(one, embedder.tokenizer, options.chunk, options.overlap) for one in rows)
            rows = [part for found in parts for part in found]
        texts = [record.text for record in rows]
        unique = list(dict.fromkeys(texts))
        lengths = _lengths(embedder, unique, prompt)
        vectors = embedder.encode(
            unique,
            prompt=prompt,
            normalize_embeddings=bool(options.normalize),
            truncate="silent",
            batch_invariant=options.batch_invariant,
        )
        place = {text: i for i, text in enumerate(unique)}
        at = [place[text] for text in texts]
        most = embedder.max_seq_length
        tokens = [lengths[i] for i in at]
        return Embedded(
            block,
            rows,
            vectors[at],
            sum(min(n, most) for n in tokens),
            sum(n > most for n in tokens),
        )

    threads = threads or default_threads()
    if processes > 1:
        return map_forked(embed_one, blocks, processes, max(1, threads // processes))
    return map_ahead(embed_one, blocks, threads)


def settle(embedder: Embedder, options: Options) -> Embedder:
    """The embedder, set as the options say; InputError where the model can't.

    A block of texts is one thread's: the blocks are shared between the threads.
    """
    settled = copy.copy(embedder)
    settled.threads = 1
    if options.max_length is not None:
        settled.max_seq_length = options.max_length
    if options.truncate_dim is not None:
        settled.truncate_dim = options.truncate_dim
        size = settled.get_embedding_dimension()
        if options.truncate_dim > size:
            raise InputError(
                f"--truncate-dim {options.truncate_dim}: the model's vectors have {size} values; "
                "wanted at most so many"
            )
    if options.normalize is False and embedder.heads and embedder.heads[-1] is normalize:
        settled.heads = embedder.heads[:-1]
    prompt = prompt_of(settled, options)
    if options.chunk is not None:
        room = settled.max_seq_length - len(settled.tokenizer(prompt)["input_ids"])
        if options.chunk > room:
            raise InputError(
                f"--chunk {options.chunk}: the model reads {settled.max_seq_length} tokens, of "
                f"which {room} are left for a text; wanted at most {room}"
            )
    return settled


def prompt_of(embedder: Embedder, options: Options) -> str:
    """What goes before each text. "document" is the prompt of ``encode_document``, whatever the
    model calls it.
    """
    if options.prompt_name == "document":
        return embedder.document_prompt()
    return embedder._choose_prompt(options.prompt_name, None)


def weights_sha256(embedder: Embedder) -> str:
    """Of model.safetensors; of several files, of their contents one behind the other."""
    digest = hashlib.sha256()
    for path in sorted(weight_files(embedder.transformer_folder)):
        _hash_file(path, digest)
    return digest.hexdigest()


def _lengths(embedder: Embedder, texts: list[str], prompt: str) -> list[int]:
    """Each text's tokens, one more than the model reads at most."""
    most = embedder.max_seq_length + 1
    encoded = embedder.tokenizer(
        [prompt + text for text in texts],
        truncation=True,
        max_length=most,
        return_token_type_ids=False,
        return_attention_mask=False,
    )
    return list(map(len, encoded["input_ids"]))


def checked(found: Iterable[Record | Bad], on_error: str) -> Iterator[Record | Bad]:
    """The same; InputError at what gives no text, unless ``on_error`` is "skip"."""
    for one in found:
        if isinstance(one, Bad) and on_error == "stop":
            raise InputError(
                f"{one.place}: {one.problem}; mend it and begin anew, or go on with --on-error "
                "skip, which leaves such lines out and lists them"
            )
        yield one


def distinct(found: Iterable[Record | Bad]) -> Iterator[Record | Bad]:
    """A second text of one id, which SQLite's layout can't hold, is a bad one."""
    seen: set[int] = set()
    number = None
    for one in found:
        if isinstance(one, Record) and one.number != number:  # and no part of the same text
            number = one.number
            # Hashes alone: a million ids would take more room than the model.
            known = int.from_bytes(hashlib.blake2b(one.id.encode(), digest_size=8).digest(), "big")
            if known in seen:
                yield Bad(one.number, one.place, f"has the id {one.id!r}, as an earlier one has")
                continue
            seen.add(known)
        yield one


def _hashed(blocks: Iterable[Block], digest: Any) -> Iterator[Block]:
    for block in blocks:
        digest.update(block.digest().encode())
        yield block


def check_unchanged(source: Source, inputs: list[dict[str, Any]]) -> None:
    """InputError where the inputs are others than those of which a manifest tells."""
    for now, then in zip(fingerprints(source), inputs, strict=True):
        if now != then:
            raise InputError(
                f"{then['path']}: its columns go beside the vectors, and it is gone or has changed "
                "since its texts were embedded; take it as it was, or begin anew with --restart"
            )


def rows_of(
    spool: Spool, typed: Source | None, out: Path, dtype: str, read_sha256: str | None = None
) -> Rows:
    """What a writer reads, when the spool is whole; ``typed`` are Parquet inputs, whose other
    columns it takes from them again.
    """
    manifest, entries = spool.manifest, spool.entries
    names = ["gtenp", "model", "weights_sha256", "settings_sha256", "similarity", "normalized"]
    names += ["dimension", "options", "inputs", "updated"]
    metadata = {name: manifest.get(name) for name in names}
    metadata |= {"dtype": dtype, "rows": spool.total}
    ranges = None
    if dtype == "int8":
        ranges = ranges_of(spool.vectors(), spool.dimension)
        metadata["ranges"] = ranges.tolist()
    if manifest["options"].get("shard"):
        metadata["blocks"] = [[entry.block, entry.rows, entry.bad] for entry in entries]
        metadata["read_sha256"] = read_sha256
    return Rows(
        spool,
        typed,
        name=os.fsencode(out.stem).decode("utf-8", "replace"),
        updated=manifest["updated"],
        in_parts=manifest["options"].get("chunk") is not None,
        dtype=dtype,
        ranges=ranges,
        metadata=metadata,
    )


# ── What a job is known by ───────────────────────────────────────────────────────────────────────


def is_done(
    out: Path,
    source: Source,
    embedder: Embedder,
    options: Options,
    tell: Callable[[str], None] = lambda _: None,
) -> bool:
    """Whether OUT is what a job of these has written, as its metadata tell; of a pipe none can. A
    damaged one is told of, and is not.
    """
    out = Path(os.path.realpath(out))
    if out.suffix not in FORMS or not out.is_file() or beside(out, ".part").exists():
        return False
    if options.on_error == "stop" and beside(out, ".errors.jsonl").exists():
        return False  # it has lines at which this job stops
    source, embedder = replace(source, out=out), settle(embedder, options)
    manifest = json.loads(json.dumps(_manifest(source, embedder, "", options)))
    if not source.inputs or any("sha256" not in one for one in manifest["inputs"]):
        return False
    names = ("gtenp", "weights_sha256", "settings_sha256", "options", "inputs")
    try:
        metadata = metadata_of(out)
        if metadata is None or any(manifest[name] != metadata.get(name) for name in names):
            return False
        check_output(out)
    except InputError:
        tell(f"{out}: what is there is damaged, and is embedded anew")
        return False
    return True


def _manifest(source: Source, embedder: Embedder, model: str, options: Options) -> dict[str, Any]:
    library, kernel = blas()
    given = {field.name: getattr(options, field.name) for field in fields(options)}
    del given["on_error"]  # which changes no vector
    chosen = {"format": source.format, "column": source.column, "id": source.id_column}
    return {
        "gtenp": __version__,
        "model": model,
        "weights_sha256": weights_sha256(embedder),
        "settings_sha256": _settings_sha256(embedder),
        "dimension": embedder.get_embedding_dimension(),
        "similarity": embedder.similarity_fn_name,
        "normalized": _normalizes(embedder, options),
        "options": {
            **given,
            "shard": list(options.shard) if options.shard else None,
            "prompt": prompt_of(embedder, options),
            "max_length": embedder.max_seq_length,
            **chosen,
            "glob": list(source.glob),
            "sql": source.sql,
        },
        "texts": list(source.texts),
        "inputs": fingerprints(source),
        "machine": {"numpy": np.__version__, "blas": library, "kernel": kernel},
        "updated": _newest(source),
    }


def _normalizes(embedder: Embedder, options: Options) -> bool:
    """Whether each vector, before it is made smaller, has length 1."""
    at_the_end = bool(embedder.heads) and embedder.heads[-1] is normalize
    return bool(options.normalize) or (at_the_end and embedder.truncate_dim is None)


def _settings_sha256(embedder: Embedder) -> str:
    """Of all files of the model but its weights."""
    digest = hashlib.sha256()
    folder = embedder.folder
    for name in sorted(contents_of(folder).of(lambda name: (folder / name).is_file())):
        if not name.endswith((".safetensors", ".md")):
            digest.update(name.encode())
            _hash_file(folder / name, digest)
    return digest.hexdigest()


def fingerprints(source: Source) -> list[dict[str, Any]]:
    """What tells that the inputs are the same."""
    return [_fingerprint(name, source) for name in source.inputs]


def _fingerprint(name: str, source: Source) -> dict[str, Any]:
    # A pipe's texts are compared as they are read.
    if not os.path.isfile(name) and not os.path.isdir(name):
        return {"path": name}
    folder = format_of(name, source.format) == "folder"
    digest = hashlib.sha256()
    size = 0
    paths = _files_read(name, source)
    for path in paths:
        if folder:
            digest.update(os.fsencode(path) + b"\n")
        size += _hash_file(Path(path), digest)
    return {"path": name, "files": len(paths), "bytes": size, "sha256": digest.hexdigest()}


def _newest(source: Source) -> int:
    """When the newest of the inputs was changed, in Unix seconds; now, where one is a pipe."""
    if "-" in source.inputs or source.texts:
        return int(time.time())
    names = [path for name in source.inputs for path in _files_read(name, source)]
    return max(int(os.stat(name).st_mtime) for name in names)


def _files_read(name: str, source: Source) -> list[str]:
    """The files that an input is."""
    form = format_of(name, source.format)
    if form == "folder":
        return files_of(name, source)
    log = f"{os.path.realpath(name)}-wal"  # what SQLite has committed, but not into the file
    return [name, log] if form == "sqlite" and _size(log) else [name]


def _size(name: str) -> int:
    return os.path.getsize(name) if os.path.isfile(name) else 0


def _hash_file(path: Path, digest: Any) -> int:
    size = 0
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return size
