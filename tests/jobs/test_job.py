import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from command_line import TINY, gtenp_process
from places import DATA, TESTS

from gtenp import Embedder
from gtenp.errors import InputError
from gtenp.jobs import job, spool
from gtenp.jobs.job import Options
from gtenp.jobs.outputs import open_output
from gtenp.jobs.readers import Source

KILLS = int(os.environ.get("GTENP_KILLS", "2"))  # for each form; `make test-jobs` takes 20
FORMS = ["npy", "npz", "safetensors", "jsonl", "csv", "sqlite", "parquet"]


def words(count, seed=0):
    choose = random.Random(seed)
    some = "time river stone light house green water night small wind".split()
    return [" ".join(choose.choices(some, k=choose.randint(0, 12))) for _ in range(count)]


def lines_in(folder, texts):
    path = folder / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in texts))
    return path


def embed(path, out, *, threads=None, restart=False, tell=lambda _: None, **options):
    source = Source(tuple(map(str, path)) if isinstance(path, list) else (str(path),))
    return job.run(
        source,
        out,
        Embedder(DATA / "tiny"),
        TINY,
        Options(**options),
        threads=threads,
        restart=restart,
        tell=tell,
    )


def files(folder):
    """What is in it, by name: a folder's contents are left out."""
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


# ── the vectors ──────────────────────────────────────────────────────────────────────────────────


def test_the_vectors_are_those_of_encode(tmp_path):
    texts = words(3000)
    done = embed(lines_in(tmp_path, texts), tmp_path / "out.npy")
    made = np.load(tmp_path / "out.npy", mmap_mode="r")
    np.testing.assert_allclose(made, Embedder(DATA / "tiny").encode(texts), atol=2e-6)
    assert (done.rows, done.width, done.texts) == (3000, 32, 3000)
    assert done.tokens == sum(map(len, Embedder(DATA / "tiny").token_ids(texts)))


def test_the_number_of_threads_changes_no_bit(tmp_path):
    path = lines_in(tmp_path, words(5000))
    outs = [tmp_path / f"{threads}.npy" for threads in (1, 2, 5)]
    for out in outs:
        embed(path, out, threads=int(out.stem))
    assert len({out.read_bytes() for out in outs}) == 1


def test_equal_texts_of_a_block_are_embedded_once(tmp_path, monkeypatch):
    seen = []
    encode = Embedder.encode

    def watched(self, texts, **options):
        seen.extend(texts)
        return encode(self, texts, **options)

    monkeypatch.setattr(Embedder, "encode", watched)
    embed(lines_in(tmp_path, ["a", "b", "a", "a"]), tmp_path / "out.npy")
    assert seen == ["a", "b"]
    rows = np.load(tmp_path / "out.npy")
    np.testing.assert_array_equal(rows[0], rows[2])


def test_options_are_those_of_encode(tmp_path):
    texts = words(200)
    path = lines_in(tmp_path, texts)
    model = Embedder(DATA / "tiny")
    whole = model.encode(texts)
    out = tmp_path / "out.npy"
    embed(path, out, truncate_dim=8, normalize=True)
    expected = model.encode(texts, truncate_dim=8, normalize_embeddings=True)
    np.testing.assert_allclose(np.load(out), expected, atol=2e-6)
    embed(path, out, batch_invariant=True)
    np.testing.assert_array_equal(np.load(out), model.encode(texts, batch_invariant=True))
    embed(path, out, dtype="float16")
    np.testing.assert_allclose(np.load(out), whole, atol=2e-3)
    assert np.load(out).dtype == np.float16
    embed(path, out, dtype="ubinary")
    assert (np.load(out) == model.encode(texts, precision="ubinary")).mean() > 0.999
    embed(path, out, dtype="int8")
    apart = np.load(out).astype(int) - model.encode(texts, precision="int8")
    assert abs(apart).max() <= 1


def test_no_normalize_leaves_vectors_as_they_are_pooled(sentence_tiny, tmp_path):
    path = lines_in(tmp_path, words(20))
    lengths = {}
    for normalize in (None, False):
        job.run(
            Source((str(path),)),
            tmp_path / "out.npy",
            Embedder(sentence_tiny),
            "tiny",
            Options(normalize=normalize),
        )
        lengths[normalize] = np.linalg.norm(np.load(tmp_path / "out.npy"), axis=1)
    np.testing.assert_allclose(lengths[None], 1, atol=1e-6)
    assert lengths[False].min() > 1.1


def test_the_prompt_for_documents_is_found_whatever_the_model_calls_it(tmp_path):
    model = Embedder(DATA / "tiny", prompts={"passage": "a passage: ", "query": "a query: "})
    path, out = lines_in(tmp_path, ["one", "two"]), tmp_path / "out.npy"
    expected = {
        None: model.encode(["one", "two"]),
        "document": model.encode_document(["one", "two"]),
        "query": model.encode_query(["one", "two"]),
    }
    for name, vectors in expected.items():
        job.run(Source((str(path),)), out, model, TINY, Options(prompt_name=name))
        np.testing.assert_allclose(np.load(out), vectors, atol=2e-6)
    with pytest.raises(InputError, match="prompt_name: 'title'; the model has 'passage'"):
        job.run(Source((str(path),)), out, model, TINY, Options(prompt_name="title"))


def test_a_job_leaves_the_callers_embedder_as_it_is(sentence_tiny, tmp_path):
    model = Embedder(sentence_tiny, threads=3)
    options = Options(normalize=False, max_length=10, truncate_dim=4)
    job.run(Source((), texts=("one",)), tmp_path / "out.npy", model, TINY, options)
    assert (model.threads, model.max_seq_length, model.truncate_dim) == (3, 64, None)
    assert np.linalg.norm(model.encode("one")) == pytest.approx(1)


def test_parts_have_their_places(tmp_path):
    (tmp_path / "docs").mkdir()
    text = "One sentence is here. " * 30
    (tmp_path / "docs" / "a.txt").write_text(text)
    out = tmp_path / "out.jsonl"
    done = embed(tmp_path / "docs", out, chunk=20, overlap=5)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert done.rows == len(rows) > 5
    assert done.texts == 1
    assert all(row["text"] == text[row["start"] : row["end"]] for row in rows)
    assert {row["id"] for row in rows} == {"a.txt"}


def test_parts_longer_than_the_model_reads_are_refused(tmp_path):
    with pytest.raises(InputError, match="--chunk 64: the model reads 64 tokens, of which 62"):
        embed(lines_in(tmp_path, ["a"]), tmp_path / "out.npy", chunk=64)


def test_more_values_than_a_vector_has_are_refused(tmp_path):
    with pytest.raises(InputError, match="--truncate-dim 33: the model's vectors have 32 values"):
        embed(lines_in(tmp_path, ["a"]), tmp_path / "out.npy", truncate_dim=33)
    assert embed(lines_in(tmp_path, ["a"]), tmp_path / "out.npy", truncate_dim=32).width == 32


def test_texts_that_were_cut_are_counted(tmp_path):
    path = lines_in(tmp_path, ["a " * 100, "b", "a " * 62])
    assert embed(path, tmp_path / "out.npy").cut == 1
    assert embed(path, tmp_path / "out.npy", max_length=10).cut == 2


def test_memory_does_not_grow_with_the_input(tmp_path):
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from peak_memory import peak_megabytes; from gtenp import Embedder\n"
        "from gtenp.jobs import job; from gtenp.jobs.readers import Source\n"
        "job.run(Source((sys.argv[3],)), Path(sys.argv[4]), Embedder(sys.argv[2]), 'tiny')\n"
        "print(peak_megabytes())"
    )
    peaks = []
    for count in (10_000, 100_000):  # rows of 1.3 and of 13 MB
        # Few of a block's texts differ, so that it goes quickly; all are read and written.
        path = lines_in(tmp_path, words(count // 1000) * 1000)
        command = [sys.executable, "-c", code, str(TESTS), TINY, str(path), str(tmp_path / "o.npy")]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        peaks.append(int(done.stdout))
    assert peaks[1] < peaks[0] + 8
    assert peaks[1] < 400


# ── bad lines ────────────────────────────────────────────────────────────────────────────────────


def test_a_bad_line_stops_the_job_and_is_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n\xff\n")
    complaint = (
        r"a\.txt:2: byte 0 is not UTF-8; mend it and begin anew, or go on with --on-error skip"
    )
    with pytest.raises(InputError, match=complaint):
        embed(path, tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()


def test_a_line_that_is_mended_before_anything_was_done_needs_no_restart(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n\xff\n")
    with pytest.raises(InputError):
        embed(path, tmp_path / "out.npy")
    path.write_bytes(b"one\ntwo\n")
    assert embed(path, tmp_path / "out.npy").rows == 2


def test_bad_lines_that_are_skipped_are_listed_and_ids_stay_right(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n\xff\nthree\n")
    out = tmp_path / "out.npy"
    done = embed(path, out, on_error="skip")
    assert (done.rows, done.bad) == (2, 1)
    rows = (tmp_path / "out.npy.rows.jsonl").read_text().splitlines()
    assert [json.loads(row)["id"] for row in rows] == ["1", "3"]
    assert json.loads((tmp_path / "out.npy.errors.jsonl").read_text()) == {
        "place": f"{path}:2",
        "problem": "byte 0 is not UTF-8",
    }
    path.write_bytes(b"one\n")
    embed(path, out)
    assert not (tmp_path / "out.npy.errors.jsonl").exists()  # of another run


@pytest.mark.skipif(sys.platform != "linux", reason="others have no such names")
def test_a_name_that_is_not_utf8_is_one_sentence(tmp_path):
    (tmp_path / "one.txt").write_text("one")
    Path(os.fsdecode(bytes(tmp_path) + b"/b\xff.txt")).write_text("two")
    out = tmp_path / "out.npy"
    complaint = r"/b\\udcff\.txt': its name is not UTF-8; mend it .* --on-error skip"
    with pytest.raises(InputError, match=complaint):
        embed(tmp_path, out)
    done = embed(tmp_path, out, on_error="skip")
    assert (done.rows, done.bad) == (1, 1)
    assert "b\\udcff.txt" in json.loads(Path(f"{out}.errors.jsonl").read_text())["place"]
    with pytest.raises(InputError, match=r"/b\\udcff\.txt': is not UTF-8, .*another name"):
        embed(Path(os.fsdecode(bytes(tmp_path) + b"/b\xff.txt")), out)
    named = Path(os.fsdecode(bytes(tmp_path) + b"/o\xff.sqlite"))
    embed(tmp_path / "one.txt", named)
    assert len(open_output(named).vectors) == 1


# ── what ends a job, and going on ────────────────────────────────────────────────────────────────


def end_after(monkeypatch, blocks, error=KeyboardInterrupt):
    """The job ends after so many blocks more."""
    add, left = spool.Spool.add, [blocks]

    def counted(self, *done):
        if not left[0]:
            raise error
        left[0] -= 1
        add(self, *done)

    monkeypatch.setattr(spool.Spool, "add", counted)
    return lambda: monkeypatch.setattr(spool.Spool, "add", add)


def begun(tmp_path, monkeypatch, **options):
    """A job of five blocks of which two are done: its input, its OUT."""
    path, out = lines_in(tmp_path, words(5000)), tmp_path / "out.npy"
    mend = end_after(monkeypatch, 2)
    with pytest.raises(KeyboardInterrupt):
        embed(path, out, **options)
    mend()
    assert not out.exists()
    return path, out


def test_the_same_command_goes_on_and_says_so(tmp_path, monkeypatch):
    path, out = begun(tmp_path, monkeypatch)
    told = []
    done = embed(path, out, tell=told.append)
    assert told == [f"{out}.part: going on behind 2,048 rows"]
    assert (done.rows, done.resumed) == (5000, 2048)
    assert sorted(files(tmp_path)) == ["out.npy", "out.npy.json", "out.npy.rows.jsonl", "texts.txt"]
    assert not Path(f"{out}.part").exists()


def test_a_changed_input_is_refused_by_name(tmp_path, monkeypatch):
    path, out = begun(tmp_path, monkeypatch)
    path.write_text(path.read_text() + "one more\n")
    with pytest.raises(InputError, match=r"another job: .*texts\.txt changed since.*--restart"):
        embed(path, out)
    assert embed(path, out, restart=True).resumed == 0


def test_a_changed_option_is_refused_by_name(tmp_path, monkeypatch):
    path, out = begun(tmp_path, monkeypatch)
    with pytest.raises(InputError, match=r"another job: .*--normalize, --max-length changed"):
        embed(path, out, normalize=True, max_length=10)


def test_a_job_that_stopped_and_goes_on_with_skip_is_the_same_job(tmp_path):
    path, out = tmp_path / "a.txt", tmp_path / "out.npy"
    path.write_bytes("".join(f"{text}\n" for text in words(3000)).encode() + b"\xff\n")
    with pytest.raises(InputError, match=r"a\.txt:3001"):
        embed(path, out)
    assert embed(path, out, on_error="skip").resumed == 2048
    resumed = files(tmp_path)
    embed(path, out, on_error="skip", restart=True)
    assert files(tmp_path) == resumed

    def is_done(**options):
        return job.is_done(out, Source((str(path),)), Embedder(DATA / "tiny"), Options(**options))

    assert is_done(on_error="skip")
    assert not is_done()  # it stops at that line
    path.write_text("one\n")
    embed(path, out)
    assert is_done(on_error="skip")


def test_a_changed_model_is_refused(tmp_path, monkeypatch, tiny):
    path, out = begun(tmp_path, monkeypatch)
    weights = bytearray((tiny / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tiny / "model.safetensors").write_bytes(weights)
    with pytest.raises(InputError, match="another job: weights_sha256"):
        job.run(Source((str(path),)), out, Embedder(tiny), TINY)


def test_another_kernel_is_told_and_goes_on(tmp_path, monkeypatch):
    path, out = begun(tmp_path, monkeypatch)
    monkeypatch.setattr(job, "blas", lambda: ("OpenBLAS 0.1", "Antique"))
    told = []
    embed(path, out, tell=told.append)
    assert any("kernel was" in line and "is Antique now" in line for line in told)


def test_standard_input_that_reads_otherwise_is_refused(tmp_path):
    texts = words(3000)
    command = [
        sys.executable,
        "-m",
        "gtenp",
        "embed",
        "--model",
        TINY,
        "-o",
        str(tmp_path / "o.npy"),
    ]
    content = "".join(f"{text}\n" for text in texts).encode()
    first = subprocess.run(command, input=content + b"\xff", capture_output=True, timeout=60)
    assert first.returncode == 2
    assert b"standard input, line 3001: byte 0 is not UTF-8" in first.stderr
    other = subprocess.run(command, input=b"x" + content, capture_output=True, timeout=60)
    assert b"the part from standard input, line 1 on reads otherwise" in other.stderr
    same = subprocess.run(command, input=content, capture_output=True, timeout=60)
    assert b"going on behind" in same.stderr
    np.testing.assert_allclose(
        np.load(tmp_path / "o.npy"), Embedder(DATA / "tiny").encode(texts), atol=2e-6
    )


def test_a_second_process_is_refused(tmp_path, monkeypatch):
    path, out = lines_in(tmp_path, words(10)), tmp_path / "out.npy"
    complaints = []

    def meanwhile(*_):
        done = gtenp_process("embed", "--model", TINY, str(path), "-o", str(out))
        complaints.append((done.returncode, done.stderr))

    monkeypatch.setattr(job, "write", meanwhile)
    embed(path, out)
    ((status, complaint),) = complaints
    assert status == 2
    assert complaint == f"Error: {out}: another process is writing it; wait for its end\n"


def test_a_torn_journal_costs_its_last_block(tmp_path, monkeypatch):
    path, out = begun(tmp_path, monkeypatch)
    journal = Path(f"{out}.part") / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])
    assert embed(path, out).resumed == 1024


def test_rows_that_are_not_on_the_disk_are_made_again(tmp_path, monkeypatch):
    path, out = begun(tmp_path, monkeypatch)
    rows = Path(f"{out}.part") / "rows.f32"
    os.truncate(rows, rows.stat().st_size - 1)
    assert embed(path, out).resumed == 1024


@pytest.mark.parametrize("moment", range(4))
def test_an_older_out_never_stands_beside_newer_files(moment, tmp_path, monkeypatch):
    out = tmp_path / "out.npy"
    embed(lines_in(tmp_path, ["old one", "old two"]), out)
    path, before = lines_in(tmp_path, ["new one", "new two"]), files(tmp_path)
    replace, left = os.replace, [moment]

    def ended(source, target):
        if Path(target).parent == tmp_path:
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
        replace(source, target)

    monkeypatch.setattr(os, "replace", ended)
    if moment < 3:
        with pytest.raises(KeyboardInterrupt):
            embed(path, out)
        assert not out.exists() or files(tmp_path) == before
        monkeypatch.undo()
    embed(path, out)
    assert open_output(out).records([0])[0]["text"] == "new one"
    wanted = Embedder(DATA / "tiny").encode(["new one", "new two"])
    assert np.abs(np.load(out) - wanted).max() <= 1e-6


def test_a_job_that_is_done_is_known_by_its_metadata(tmp_path, tiny):
    path, out = lines_in(tmp_path, words(10)), tmp_path / "out.npy"

    def is_done(inputs=(str(path),), model=DATA / "tiny", **options):
        return job.is_done(out, Source(inputs), Embedder(model), Options(**options))

    assert not is_done()
    embed(path, out)
    assert is_done()
    assert is_done(model=tiny)  # the same elsewhere
    assert not is_done(normalize=True)
    settings = json.loads((tiny / "config.json").read_text())
    (tiny / "config.json").write_text(json.dumps({**settings, "layer_norm_eps": 1e-6}))
    assert not is_done(model=tiny)
    assert not is_done(inputs=("-",))
    side = Path(f"{out}.rows.jsonl")
    side.rename(tmp_path / "kept")
    assert not is_done()
    (tmp_path / "kept").rename(side)
    Path(f"{out}.part").mkdir()
    assert not is_done()
    Path(f"{out}.part").rmdir()
    path.write_text("other\n")
    assert not is_done()
    embed(path, out)
    Path(f"{out}.json").write_text("damaged")
    assert not is_done()


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_out_is_not_done_and_is_said_to_be_embedded_anew(form, tmp_path):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    path, out = lines_in(tmp_path, words(4)), tmp_path / f"out.{form}"
    embed(path, out)
    whole, rows = out.read_bytes(), Path(f"{out}.rows.jsonl")
    told = []

    def is_done():
        source = Source((str(path),))
        return job.is_done(out, source, Embedder(DATA / "tiny"), Options(), told.append)

    for content in (whole[:-1], whole[: -len(whole) // 4], whole[: len(whole) // 2]):
        if form != "csv" or content != whole[:-1]:  # which lacks no more than its last line's end
            out.write_bytes(content)
            assert not is_done()
            assert told.pop() == f"{out}: what is there is damaged, and is embedded anew"
    embed(path, out)
    assert out.read_bytes() == whole
    assert is_done()
    if form in ("jsonl", "csv"):
        out.write_bytes(b"".join(whole.splitlines(keepends=True)[:-2]))
        assert not is_done()
        out.write_bytes(whole)
    if rows.exists():
        lines = rows.read_bytes().splitlines(keepends=True)
        for content in (b"".join(lines[:2]), b"".join(lines)[:-1]):
            rows.write_bytes(content)
            assert not is_done()
            assert told.pop().startswith(f"{out}: what is there is damaged")
        rows.unlink()
        assert not is_done()
    embed(path, out)
    assert is_done()
    assert out.read_bytes() == whole


def test_rows_that_sqlite_has_committed_beside_its_file_make_another_input(tmp_path):
    path, out = tmp_path / "w.db", tmp_path / "out.npy"
    source = Source((str(path),), sql="select text from t")

    def is_done():
        return job.is_done(out, source, Embedder(DATA / "tiny"), Options())

    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("create table t (text)")
        connection.execute("insert into t values ('one')")
        connection.commit()
        job.run(source, out, Embedder(DATA / "tiny"), TINY)
        assert is_done()
        before = path.read_bytes()
        connection.execute("insert into t values ('two')")
        connection.commit()
        assert path.read_bytes() == before
        assert not is_done()
        assert job.run(source, out, Embedder(DATA / "tiny"), TINY).rows == 2
        assert is_done()


def test_a_full_disk_leaves_what_a_run_goes_on_from(tmp_path):
    path, out = lines_in(tmp_path, words(5000)), tmp_path / "out.npy"
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))\n"
    code = f"{limit}from gtenp.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "embed", "--model", TINY, str(path), "-o", str(out)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (2, f"Error: {out}.part: File too large\n")
    assert not out.exists()
    assert embed(path, out).resumed == 2048
    np.testing.assert_allclose(np.load(out), Embedder(DATA / "tiny").encode(words(5000)), atol=2e-6)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_ctrl_c_ends_it_with_status_130_and_the_same_command_goes_on(tmp_path):
    path, out = lines_in(tmp_path, words(40_000)), tmp_path / "out.npy"
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from gtenp.jobs import spool; spool._SECONDS = 0\n"
        "from gtenp.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "embed", "--model", TINY, str(path), "-o", str(out)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    journal = Path(f"{out}.part") / "journal.jsonl"
    while not (journal.exists() and journal.stat().st_size):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 130
    assert complaint == f"{out}.part is kept; the same command goes on from there\n"
    assert not out.exists()
    assert embed(path, out).resumed > 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
@pytest.mark.parametrize("form", FORMS)
def test_killed_at_any_moment_it_gives_the_bytes_of_a_run_that_was_not(form, tmp_path):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    for name in ("killed", "whole"):
        (tmp_path / name).mkdir()
    path = lines_in(tmp_path, [*words(6000), 'a\\b\t"c"'])
    out = tmp_path / "killed" / f"out.{form}"
    code = (
        "import sys; from gtenp.jobs import spool; spool._SECONDS = 0\n"
        "import gtenp.embedder, gtenp.jobs.job; from gtenp.cli import main\n"
        "print('ready', flush=True); main()"
    )

    def start():
        process = subprocess.Popen(
            [sys.executable, "-c", code, "embed", "--model", TINY, str(path), "-o", str(out)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        process.stdout.readline()
        return process

    os.environ["OPENBLAS_NUM_THREADS"] = os.environ.get("OPENBLAS_NUM_THREADS", "1")
    embed(path, tmp_path / "whole" / f"out.{form}")
    expected = files(tmp_path / "whole")
    moment = random.Random(form)
    seconds, finished = 1.0, 0
    for _ in range(KILLS):
        began = time.perf_counter()
        process = start()
        try:
            process.wait(moment.uniform(0, seconds))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
        if process.returncode == 0:  # it was quicker
            seconds, finished = min(seconds, time.perf_counter() - began), finished + 1
            out.unlink()
        assert not out.exists() or files(out.parent)[out.name] == expected[out.name]
    process = start()
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    found = files(out.parent)
    found.pop(f".{out.name}.lock", None)
    assert found == expected
    assert not Path(f"{out}.part").exists()
