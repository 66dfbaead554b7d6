"""Rows as a SQLite file in the layout of Simon Willison's ``llm``, which reads it as its own."""

from __future__ import annotations

import errno
import hashlib
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gtenp.jobs.rows import Rows

_TABLES = """
CREATE TABLE "collections" ("id" INTEGER PRIMARY KEY, "name" TEXT, "model" TEXT);
CREATE UNIQUE INDEX "idx_collections_name" ON "collections" ("name");
CREATE TABLE "embeddings" (
  "collection_id" INTEGER REFERENCES "collections"("id"), "id" TEXT, "embedding" BLOB,
  "content" TEXT, "content_blob" BLOB, "content_hash" BLOB, "metadata" TEXT, "updated" INTEGER,
  PRIMARY KEY ("collection_id", "id"));
CREATE INDEX "idx_embeddings_content_hash" ON "embeddings" ("content_hash");
CREATE TABLE "_sqlite_migrations" (
  "id" INTEGER PRIMARY KEY, "migration_set" TEXT, "name" TEXT, "applied_at" TEXT);
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
  ON "_sqlite_migrations" ("migration_set", "name");
CREATE TABLE "gtenp" ("key" TEXT PRIMARY KEY, "value" TEXT);
"""
# llm makes its tables anew, and fails, unless it finds that it has made them already.
_MIGRATIONS = (
    "m001_create_tables",
    "m002_foreign_key",
    "m003_add_updated",
    "m004_store_content_hash",
    "m005_add_content_blob",
)

_KEPT = ("id", "place", "start", "end", "columns")  # of a record, as llm's metadata


def write(path: Path, rows: Rows) -> None:
    """One collection, named as the file is, with a row for each of ours, in their order.

    llm knows one vector a pair of collection and id, so a part's id has its place behind it. The
    table ``gtenp`` holds the metadata.
    """
    path.unlink(missing_ok=True)  # what a killed run left
    try:
        with closing(sqlite3.connect(path)) as connection:
            _fill(connection, rows)
    except sqlite3.OperationalError as error:  # a full disk
        raise OSError(errno.ENOSPC, str(error), str(path)) from error


def is_ours(path: Path) -> bool:
    """Whether a file is a database that ``write`` wrote."""
    query = "SELECT count(*) FROM sqlite_master WHERE name = 'gtenp'"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.execute("PRAGMA writable_schema = ON")  # else a cut one tells nothing
            return bool(database.execute(query).fetchone()[0])
    except sqlite3.Error:
        return False


def _fill(connection: sqlite3.Connection, rows: Rows) -> None:
    # Until it is whole it is nobody's: the spool is what a kill leaves.
    connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;" + _TABLES)
    applied = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(rows.updated))
    with connection:
        connection.executemany(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES (?, ?, ?)",
            [("llm.embeddings", name, applied) for name in _MIGRATIONS],
        )
        values = (1, rows.name, rows.metadata["model"])
        connection.execute("INSERT INTO collections VALUES (?, ?, ?)", values)
        connection.execute("INSERT INTO gtenp VALUES ('metadata', ?)", (rows.metadata_json(),))
        connection.executemany(
            "INSERT INTO embeddings VALUES (1, ?, ?, ?, NULL, ?, ?, ?)", _values(rows)
        )


def _values(rows: Rows) -> Iterator[tuple[Any, ...]]:
    for record, vector in rows.pairs():
        text = record["text"]
        content_hash = hashlib.md5(text.encode(), usedforsecurity=False).digest()
        kept = {name: record[name] for name in _KEPT if name in record}
        yield row_id(record), vector.tobytes(), text, content_hash, json.dumps(kept), rows.updated


def row_id(record: dict[str, Any]) -> str:
    """The id that no other row has.

    >>> row_id({"id": "a.txt", "start": 0, "end": 12}), row_id({"id": "7"})
    ('a.txt:0-12', '7')
    """
    ident: str = record["id"]
    return f"{ident}:{record['start']}-{record['end']}" if "start" in record else ident
