"""Other programs read what ``gtenp embed`` writes."""

import csv
import json
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing

import numpy as np
import pytest
from places import DATA
from safetensors import safe_open

from gtenp import Embedder
from gtenp.jobs import job
from gtenp.jobs.job import Options
from gtenp.jobs.readers import Source

TINY = str(DATA / "tiny")
TEXTS = ["hello", "a, \"b\"\n'c'", "été 日本", "hello"]


def embed(path, out, **options):
    job.run(Source((str(path),)), out, Embedder(TINY), TINY, Options(**options))
    return out


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.jsonl"
    rows = [{"id": f"t{i}", "text": text, "n": i} for i, text in enumerate(TEXTS)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def vectors():
    return Embedder(TINY).encode(TEXTS)


def test_numpy_maps_the_array_and_the_metadata_is_beside_it(texts, tmp_path):
    out = embed(texts, tmp_path / "out.npy", normalize=True)
    mapped = np.load(out, mmap_mode="r")
    assert (mapped.dtype, mapped.shape) == (np.float32, (4, 32))
    metadata = json.loads((tmp_path / "out.npy.json").read_text())
    assert metadata["model"] == TINY
    assert metadata["normalized"]
    assert metadata["options"]["normalize"]
    assert len(metadata["weights_sha256"]) == 64


def test_numpy_reads_the_npz(texts, tmp_path):
    out = embed(texts, tmp_path / "out.npz")
    with np.load(out) as archive:
        np.testing.assert_allclose(archive["embeddings"], vectors(), atol=2e-6)
        assert json.loads(archive["gtenp"].item())["model"] == TINY
    assert zipfile.ZipFile(out).testzip() is None


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "ubinary"])
def test_safetensors_reads_the_tensor_and_the_metadata(texts, tmp_path, dtype):
    out = embed(texts, tmp_path / "out.safetensors", dtype=dtype)
    with safe_open(out, "numpy") as file:
        assert file.get_tensor("embeddings").shape == (4, 4 if dtype == "ubinary" else 32)
        assert json.loads(file.metadata()["gtenp"])["dtype"] == dtype


def test_json_lines_have_every_digit_of_a_float32(texts, tmp_path):
    out = embed(texts, tmp_path / "out.jsonl")
    npy = np.load(embed(texts, tmp_path / "out.npy"))
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [row["text"] for row in rows] == TEXTS
    assert [row["columns"] for row in rows] == [{"n": i} for i in range(4)]
    np.testing.assert_array_equal(np.array([row["embedding"] for row in rows], np.float32), npy)


def test_csv_keeps_quotes_and_lines(texts, tmp_path):
    out = embed(texts, tmp_path / "out.csv")
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["id"], row["text"]) for row in rows] == [
        (f"t{i}", text) for i, text in enumerate(TEXTS)
    ]
    found = np.array([json.loads(row["embedding"]) for row in rows], np.float32)
    np.testing.assert_allclose(found, vectors(), atol=2e-6)


def test_the_inputs_other_columns_go_along(texts, tmp_path):
    embed(texts, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["id", "place", "text", "n", "embedding"]
    assert [row["n"] for row in rows] == ["0", "1", "2", "3"]
    with closing(sqlite3.connect(embed(texts, tmp_path / "out.sqlite"))) as connection:
        found = connection.execute("select metadata from embeddings order by rowid").fetchall()
    assert [json.loads(row[0])["columns"] for row in found] == [{"n": i} for i in range(4)]


def test_a_column_that_is_called_as_ours_gets_another_name(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("body,text,input_text,embedding\none,two,three,four\n")
    source = Source((str(path),), column="body")
    job.run(source, tmp_path / "out.csv", Embedder(TINY), TINY)
    with (tmp_path / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["text"], row["input_input_text"], row["input_text"]) == ("one", "two", "three")
    assert row["input_embedding"] == "four"
    assert len(json.loads(row["embedding"])) == 32


def test_numbers_that_json_has_no_word_for_are_null(tmp_path):
    path = tmp_path / "a.jsonl"
    line = '{"text": "NaN", "x": [NaN, {"y": -Infinity}], "big": 1e999, "n": 1.5, "s": "Infinity"}'
    path.write_text(line)

    def refuse(constant):
        raise AssertionError(constant)

    for name in ("out.jsonl", "out.csv"):
        embed(path, tmp_path / name)
    columns = {"x": [None, {"y": None}], "big": None, "n": 1.5, "s": "Infinity"}
    made = json.loads((tmp_path / "out.jsonl").read_text(), parse_constant=refuse)
    assert (made["text"], made["columns"]) == ("NaN", columns)
    with (tmp_path / "out.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["text"], row["x"], row["big"]) == ("NaN", '[null, {"y": null}]', "")


def test_bytes_of_a_table_are_left_out_with_a_warning(tmp_path):
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("create table t as select 'one' as text, x'ff' as image, 7 as n")
        connection.commit()
    source = Source((str(path),), sql="select * from t")
    out = tmp_path / "out.jsonl"
    with pytest.warns(UserWarning, match=r"a\.db: what the column 'image' holds as bytes is left"):
        job.run(source, out, Embedder(TINY), TINY)
    assert json.loads(out.read_text())["columns"] == {"n": 7}
    job.run(source, tmp_path / "out.npy", Embedder(TINY), TINY)  # which has no columns


def test_bytes_of_parquet_reach_parquet_alone(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    some = {"text": ["one"], "image": [b"\xff"], "more": [{"key": b"\xff", "n": 1}], "n": [7]}
    pq.write_table(pa.table(some), path)
    with pytest.warns(UserWarning, match="'image' holds as bytes"):
        out = embed(path, tmp_path / "out.jsonl")
    assert json.loads(out.read_text())["columns"] == {"more": {"key": None, "n": 1}, "n": 7}
    made = pq.read_table(embed(path, tmp_path / "out.parquet"))
    assert made["image"].to_pylist() == [b"\xff"]


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────


def test_sqlite_holds_float32_and_the_texts(texts, tmp_path):
    connection = sqlite3.connect(embed(texts, tmp_path / "notes.sqlite"))
    rows = connection.execute("select id, content, embedding, metadata from embeddings").fetchall()
    assert [row[:2] for row in rows] == [(f"t{i}", text) for i, text in enumerate(TEXTS)]
    found = np.array([np.frombuffer(row[2], "<f4") for row in rows])
    np.testing.assert_allclose(found, vectors(), atol=2e-6)
    assert json.loads(rows[0][3])["place"] == f"{texts}:1"
    (metadata,) = connection.execute("select value from gtenp where key = 'metadata'").fetchone()
    assert json.loads(metadata)["model"] == TINY
    connection.close()


def test_an_id_that_comes_twice_is_a_bad_line_of_a_sqlite_file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n')
    with pytest.raises(ValueError, match="has the id 'a', as an earlier one has"):
        embed(path, tmp_path / "out.sqlite")
    embed(path, tmp_path / "out.npy")  # nothing else minds


def test_llm_finds_what_is_similar(texts, tmp_path):
    pytest.importorskip("llm")
    database = embed(texts, tmp_path / "notes.sqlite")
    done = subprocess.run(
        [sys.executable, "-m", "llm", "similar", "notes", "t0", "-d", str(database), "-n", "2"],
        capture_output=True,
        text=True,
        timeout=60,
        env={"LLM_USER_PATH": str(tmp_path / "llm"), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    hits = [json.loads(line) for line in done.stdout.splitlines()]
    assert hits[0]["id"] == "t3"
    assert hits[0]["score"] == pytest.approx(1)
    assert hits[0]["content"] == "hello"


# ── Parquet ──────────────────────────────────────────────────────────────────────────────────────


def test_parquet_is_a_fixed_size_list_of_floats_with_the_model_in_the_schema(texts, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(embed(texts, tmp_path / "out.parquet"))
    field = table.schema.field("embedding")
    assert field.type == pa.list_(pa.field("element", pa.float32(), nullable=False), 32)
    assert table["text"].to_pylist() == TEXTS
    assert table["n"].to_pylist() == [0, 1, 2, 3]
    assert table.schema.field("n").type == pa.int64()
    assert json.loads(table.schema.metadata[b"gtenp"])["model"] == TINY
    found = np.array(table["embedding"].to_pylist(), np.float32)
    np.testing.assert_allclose(found, vectors(), atol=2e-6)


@pytest.mark.parametrize("dtype", ["float16", "int8", "ubinary"])
def test_parquet_holds_the_smaller_dtypes(texts, tmp_path, dtype):
    pq = pytest.importorskip("pyarrow.parquet")
    out = embed(texts, tmp_path / "out.parquet", dtype=dtype)
    npy = np.load(embed(texts, tmp_path / "out.npy", dtype=dtype))
    found = np.array(pq.read_table(out)["embedding"].to_pylist(), npy.dtype)
    np.testing.assert_array_equal(found, npy)


def test_a_parquet_inputs_columns_keep_their_types_beside_the_vectors(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    import datetime

    count = 20_000  # more than a batch that is read, and than a row group
    table = pa.table(
        {
            "body": [None if i == 7 else f"text {i % 50}" for i in range(count)],
            "day": [datetime.date(2020, 1, 1) + datetime.timedelta(i % 300) for i in range(count)],
            "tags": [["a", str(i)] for i in range(count)],
            "embedding": list(range(count)),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    source = Source((str(tmp_path / "in.parquet"),), column="body")
    done = job.run(source, out, Embedder(TINY), TINY, Options(on_error="skip"))
    made = pq.read_table(out)
    assert done.bad == 1
    kept = table.take([i for i in range(count) if i != 7])
    assert made["text"].to_pylist() == kept["body"].to_pylist()
    for name in ("day", "tags"):
        assert made.schema.field(name).type == table.schema.field(name).type
        assert made[name].to_pylist() == kept[name].to_pylist()
    assert made["input_embedding"].to_pylist() == kept["embedding"].to_pylist()
    assert made["id"].to_pylist()[6:8] == ["7", "9"]
    assert pq.ParquetFile(out).num_row_groups == 2


def test_polars_has_an_array_column(texts, tmp_path):
    pl = pytest.importorskip("polars")
    pytest.importorskip("pyarrow")
    frame = pl.read_parquet(embed(texts, tmp_path / "out.parquet"))
    assert frame.schema["embedding"] == pl.Array(pl.Float32, 32)
    np.testing.assert_allclose(frame["embedding"].to_numpy(), vectors(), atol=2e-6)


def test_duckdb_computes_with_the_vectors(texts, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    out = embed(texts, tmp_path / "out.parquet")
    scores = duckdb.sql(
        "select b.id, array_cosine_similarity(a.embedding::FLOAT[32], b.embedding::FLOAT[32]) "
        f"from '{out}' a, '{out}' b where a.id = 't0' order by 2 desc, 1"
    ).fetchall()
    assert [row[0] for row in scores[:2]] == ["t0", "t3"]
    assert scores[0][1] == pytest.approx(1, abs=1e-5)
    csv_out = embed(texts, tmp_path / "out.csv")
    lengths = duckdb.sql(f"select len(embedding::FLOAT[32]) from '{csv_out}'").fetchall()
    assert lengths == [(32,)] * 4


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2**60 + 1], "int64", [1, 2**60 + 1]),
        ([1, 0.5], "double", [1.0, 0.5]),
        ([2**60 + 1, 0.5], "string", ["1152921504606846977", "0.5"]),
        ([2**70, 1], "string", ["1180591620717411303424", "1"]),
        ([True, 1], "string", ["true", "1"]),
        (["a", None, [1]], "string", ["a", None, "[1]"]),
        ([None, None], "string", [None, None]),
    ],
)
def test_values_of_a_column_that_are_of_several_types_lose_nothing(
    tmp_path, values, kind, expected
):
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": "a", "x": value}) + "\n" for value in values))
    column = pq.read_table(embed(path, tmp_path / "out.parquet"))["x"]
    assert str(column.type) == kind
    assert column.to_pylist() == expected


@pytest.fixture
def days(tmp_path):
    """A Parquet file of two texts with a date each."""
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    import datetime

    path = tmp_path / "days.parquet"
    day = [datetime.date(2020, 1, i) for i in (1, 2)]
    pq.write_table(pa.table({"text": ["one", "two"], "day": day}), path)
    return path


def test_parquets_columns_reach_json_lines_as_text(days, tmp_path):
    rows = embed(days, tmp_path / "out.jsonl").read_text().splitlines()
    assert [json.loads(row)["columns"] for row in rows] == [
        {"day": "2020-01-01"},
        {"day": "2020-01-02"},
    ]


def test_parquets_columns_are_kept_beside_those_of_other_inputs(days, texts, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    def embed_both(*paths):
        job.run(Source(tuple(map(str, paths))), tmp_path / "out.parquet", Embedder(TINY), TINY)
        return pq.read_table(tmp_path / "out.parquet")

    assert embed_both(days, days).schema.field("day").type == pa.date32()
    mixed = embed_both(days, texts)
    assert mixed["day"].to_pylist() == ["2020-01-01", "2020-01-02", *[None] * 4]
    assert mixed["n"].to_pylist() == [None, None, 0, 1, 2, 3]
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"text": ["three"], "n": [3]}), other)
    assert embed_both(days, other)["n"].to_pylist() == [None, None, 3]


def test_parquet_inputs_that_changed_while_the_job_ran_do_not_give_it_their_columns(
    days, tmp_path, monkeypatch
):
    embed_blocks = job.embed

    def embed_and_change(*arguments):
        yield from embed_blocks(*arguments)
        days.write_bytes(days.read_bytes() + b" ")

    monkeypatch.setattr(job, "embed", embed_and_change)
    with pytest.raises(ValueError, match=r"days\.parquet: its columns go beside .* has changed"):
        embed(days, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
