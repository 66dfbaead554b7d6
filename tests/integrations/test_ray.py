"""Ray Data on a local cluster of two actors, which is killed at every place."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from places import DATA, ROOT

from gtenp import Embedder

pytest.importorskip("ray")
parquet = pytest.importorskip("pyarrow.parquet")

ROWS, FILES = 1200, 24
JOB = ROOT / "tests/integrations/ray_job.py"


def start(folder):
    """The job in a session of its own, whose processes can be killed together."""
    with open(folder / "log", "ab") as log:
        return subprocess.Popen(
            [sys.executable, JOB, DATA / "tiny", folder],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "RAY_JOB_OF_TEST": str(folder), "RAY_TMPDIR": "/tmp"},
        )


def processes_of(folder):
    """Those that the job started, by their environment."""
    mark = f"RAY_JOB_OF_TEST={folder}".encode()
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if mark in path.read_bytes().split(b"\0"):
                yield int(path.parent.name)


def kill_all(folder):
    for pid in processes_of(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def folder(tmp_path):
    import pyarrow as pa

    (tmp_path / "texts").mkdir()
    for part in range(FILES):
        ids = range(part, ROWS, FILES)
        texts = [f"hello world {i} " + "of a quick sort " * (i % 5) for i in ids]
        table = pa.table({"id": [f"id-{i}" for i in ids], "text": texts})
        parquet.write_table(table, tmp_path / f"texts/{part}.parquet")
    yield tmp_path
    kill_all(tmp_path)


def written(folder):
    """The files that are whole, and how many rows they have."""
    rows = {}
    for path in folder.glob("vectors/*.parquet"):
        with contextlib.suppress(OSError, ValueError):  # amid its writing it is no Parquet file
            rows[path] = parquet.read_metadata(path).num_rows
    return rows


def rows_written(folder):
    return sum(written(folder).values())


def test_a_ray_job_whose_actor_and_driver_are_killed_gives_each_id_once(folder):
    job = start(folder)
    end = time.monotonic() + 120
    while not (0 < rows_written(folder) < ROWS and (folder / "killed").exists()):
        assert job.poll() is None, (folder / "log").read_text()[-3000:]
        assert time.monotonic() < end
        time.sleep(0.1)
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    kill_all(folder)
    assert 0 < rows_written(folder) < ROWS
    kept = {path: path.read_bytes() for path in written(folder)}
    actors = set(folder.glob("actor-*"))

    job = start(folder)
    assert job.wait(timeout=180) == 0, (folder / "log").read_text()[-3000:]
    table = parquet.read_table(folder / "vectors")
    source = parquet.read_table(folder / "texts")
    assert sorted(table["id"].to_pylist()) == sorted(source["id"].to_pylist())

    # One that was whole, but not yet noted, is written anew.
    still = {path: content for path, content in kept.items() if path.exists()}
    assert still
    assert all(path.read_bytes() == content for path, content in still.items())
    assert len(set(folder.glob("actor-*")) - actors) == 2

    places = {ident: place for place, ident in enumerate(source["id"].to_pylist())}
    order = [places[ident] for ident in table["id"].to_pylist()]
    texts = table["text"].to_pylist()
    assert texts == source["text"].take(order).to_pylist()
    vectors = table["embedding"].combine_chunks().flatten().to_numpy().reshape(ROWS, -1)
    assert vectors.dtype == np.float32
    assert np.abs(vectors - Embedder(DATA / "tiny").encode(texts)).max() < 1e-6
    assert not list(folder.glob("checkpoint/*"))  # Ray takes it away at the end
