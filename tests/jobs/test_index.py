import io
import json
import random
import sys

import numpy as np
import pytest
from places import DATA

import gtenp
from gtenp import Embedder
from gtenp.errors import InputError
from gtenp.jobs import job
from gtenp.jobs.concat import concat
from gtenp.jobs.index import Index, best_rows
from gtenp.jobs.job import Options
from gtenp.jobs.outputs import Output, is_output, open_output
from gtenp.jobs.readers import Source
from gtenp.jobs.writers import beside

TINY = str(DATA / "tiny")
FORMS = ["npy", "npz", "safetensors", "jsonl", "csv", "sqlite", "parquet"]
TEXTS = [f"{a} {b}" for a in "red green blue old new".split() for b in "house boat river".split()]


def embed(folder, out, texts=TEXTS, model=TINY, **options):
    path = folder / "texts.txt"
    path.write_text("".join(f"{text}\n" for text in texts))
    job.run(Source((str(path),)), folder / out, Embedder(model), model, Options(**options))
    return folder / out


def nearest_by_hand(queries, vectors, k):
    scores = gtenp.cos_sim(queries, vectors)
    return [sorted(range(len(row)), key=lambda i: (-row[i], i))[:k] for row in scores]


@pytest.mark.parametrize("form", FORMS)
def test_whatever_embed_writes_can_be_searched(form, tmp_path):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    out = embed(tmp_path, f"out.{form}")
    assert is_output(out)
    found = gtenp.Index.open(out).search("old boat", top_k=3)
    assert found[0]["text"] == "old boat"
    assert found[0]["score"] == pytest.approx(1, abs=1e-5)
    assert found[0]["id"] == str(TEXTS.index("old boat") + 1)
    assert found[0]["place"] == f"{tmp_path / 'texts.txt'}:{found[0]['id']}"
    model = Embedder(TINY)
    expected = nearest_by_hand(model.encode(["old boat"]), model.encode(TEXTS), 3)
    assert [hit["row"] for hit in found] == expected[0]


@pytest.mark.parametrize("form", FORMS)
def test_an_empty_input_makes_a_file_without_rows_that_finds_nothing(form, tmp_path):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    for dtype in ("float32", "int8") if form == "npy" else ("float32",):
        out = embed(tmp_path, f"out.{form}", texts=[], dtype=dtype)
        assert open_output(out).vectors.shape == (0, 32)
        assert Index.open(out).search("anything") == []


@pytest.mark.parametrize("form", ["npy", "npz", "safetensors"])
def test_arrays_stay_on_the_disk(form, tmp_path):
    assert isinstance(Index.open(embed(tmp_path, f"out.{form}")).vectors, np.memmap)


def test_several_queries_have_a_list_each(tmp_path):
    found = Index.open(embed(tmp_path, "out.npy")).search(["red house", "new river"], top_k=1)
    assert [hits[0]["text"] for hits in found] == ["red house", "new river"]


def test_more_than_there_are_gives_all_of_them(tmp_path):
    assert len(Index.open(embed(tmp_path, "out.npy")).search("a", top_k=100)) == len(TEXTS)


def test_parts_are_found_with_their_places(tmp_path):
    out = embed(tmp_path, "out.npy", texts=["red house. " * 20 + "blue boat. " * 20], chunk=20)
    hit = Index.open(out).search("blue boat", top_k=1)[0]
    assert hit["id"] == "1"
    assert hit["text"].count("blue boat") >= 2
    assert hit["end"] - hit["start"] == len(hit["text"])


@pytest.mark.parametrize(("dtype", "least"), [("float16", 10), ("int8", 9)])
def test_smaller_vectors_find_nearly_the_same(dtype, least, tmp_path):
    choose = random.Random(1)
    some = "time river stone light house green water night small wind".split()
    texts = [" ".join(choose.choices(some, k=8)) for _ in range(3000)]
    exact = Index.open(embed(tmp_path, "exact.npy", texts)).search(texts[:20])
    found = Index.open(embed(tmp_path, "out.npy", texts, dtype=dtype)).search(texts[:20])
    common = [
        len({hit["row"] for hit in a} & {hit["row"] for hit in b})
        for a, b in zip(exact, found, strict=True)
    ]
    assert sum(common) / len(common) >= least - 0.5
    assert all(b[0]["score"] == pytest.approx(1, abs=0.01) for b in found)


@pytest.mark.parametrize("dimension", [64, 30])
def test_binary_vectors_are_scored_by_the_querys_own_values(dimension):
    random_ = np.random.default_rng(0)
    signs = np.where(random_.standard_normal((5000, dimension)) > 0, 1, -1).astype(np.float32)
    metadata = {"dimension": dimension, "dtype": "ubinary", "similarity": "cosine"}
    own = Index(Output(metadata, np.packbits(signs > 0, axis=1), lambda _: []))
    query = signs[4321] * random_.uniform(0.5, 2, dimension).astype(np.float32)
    ((rows, scores),) = own.nearest(query, 5)
    expected = gtenp.cos_sim(query, signs)[0]
    assert rows[0] == 4321
    np.testing.assert_allclose(scores, expected[rows], rtol=1e-5)
    few = Index(Output(metadata, np.packbits(signs[:50] > 0, axis=1), lambda _: []))
    ((rows, _),) = few.nearest(query, 5)  # of so few, each is a candidate
    assert rows.tolist() == np.argsort(-expected[:50])[:5].tolist()


@pytest.mark.parametrize("similarity", ["cosine", "dot", "euclidean", "manhattan"])
@pytest.mark.parametrize("normalized", [False, True])
def test_scores_are_the_models_similarity(similarity, normalized):
    random_ = np.random.default_rng(0)
    vectors = random_.standard_normal((5000, 16)).astype(np.float32)
    if normalized:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = random_.standard_normal((3, 16)).astype(np.float32)
    metadata = {"dimension": 16, "dtype": "float32", "similarity": similarity}
    own = Index(Output({**metadata, "normalized": normalized}, vectors, lambda _: []))
    expected = gtenp.similarity.SIMILARITY[similarity](queries, vectors)
    for some in (queries, queries[:1]):
        for row, (rows, scores) in enumerate(own.nearest(some, 7)):
            np.testing.assert_array_equal(rows, np.argsort(-expected[row])[:7])
            np.testing.assert_allclose(scores, np.sort(expected[row])[::-1][:7], rtol=1e-5)


def test_of_equal_scores_the_earlier_row_comes_first_whichever_thread_is_first():
    scores = np.zeros((1, 1000), np.float32)
    scores[0, [17, 400, 999]] = 1
    for _ in range(20):
        ((rows, _),) = best_rows(lambda a, b: scores[:, a:b], 1000, 1, 5, 10)
        assert rows.tolist() == [17, 400, 999, 0, 1]


def test_another_model_than_the_one_that_made_the_vectors_is_refused(tmp_path, tiny):
    out = embed(tmp_path, "out.npy", model=str(tiny))
    weights = bytearray((tiny / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tiny / "model.safetensors").write_bytes(weights)
    with pytest.raises(InputError, match="its weights have sha256"):
        Index.open(out).search("a")
    assert Index.open(out, TINY).search("a")  # where it is now


def test_a_query_is_embedded_as_the_texts_were(tmp_path):
    options = {"truncate_dim": 8, "normalize": True, "max_length": 10}
    own = Index.open(embed(tmp_path, "out.npy", **options))
    assert own.search("old boat", top_k=1)[0]["score"] == pytest.approx(1, abs=1e-5)
    assert own.embedder.max_seq_length == 10


def test_a_file_that_embed_did_not_write_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((2, 32), np.float32))
    with pytest.raises(InputError, match=r"not of gtenp embed, or the .json beside it is gone"):
        Index.open(tmp_path / "a.npy")
    out = embed(tmp_path, "out.npy")
    np.save(out, np.zeros((2, 32), np.float32))
    with pytest.raises(InputError, match="has 2 rows, its metadata 15"):
        Index.open(out)
    out.write_bytes(b"rubbish")
    with pytest.raises(InputError, match="is damaged"):
        Index.open(out)


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_file_is_one_sentence(form, tmp_path):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    out = embed(tmp_path, f"out.{form}")
    whole = out.read_bytes()
    empty = whole[:50] if form == "sqlite" else b""  # which is a database without tables
    for content in (empty, whole[:100], whole[: len(whole) // 2], whole[:-20], b"x" * len(whole)):
        out.write_bytes(content)
        assert is_output(out)
        with pytest.raises(InputError, match=rf"out\.{form}: is damaged \(.*copy it anew"):
            Index.open(out)


@pytest.mark.parametrize("form", ["npy", "jsonl", "csv"])
def test_the_json_beside_it_is_missed_or_named_as_damaged(form, tmp_path):
    out = embed(tmp_path, f"out.{form}")
    side = beside(out, ".json")
    metadata = json.loads(side.read_text())
    side.write_text(side.read_text()[:-10])
    assert is_output(out)
    with pytest.raises(InputError, match=rf"out\.{form}\.json: is damaged"):
        Index.open(out)
    side.write_text(json.dumps({name: metadata[name] for name in metadata if name != "rows"}))
    with pytest.raises(InputError, match=rf"out\.{form}\.json: is damaged \(it lacks rows\)"):
        Index.open(out)
    side.write_text(json.dumps({**metadata, "dimension": 16}))
    with pytest.raises(InputError, match=r"is damaged"):
        Index.open(out)
    side.unlink()
    assert is_output(out)
    with pytest.raises(InputError, match=r"the .json beside it is gone"):
        Index.open(out)


def test_the_rows_beside_it_are_missed_or_named_as_damaged(tmp_path):
    out = embed(tmp_path, "out.npy")
    side = beside(out, ".rows.jsonl")
    lines = side.read_bytes().splitlines(keepends=True)
    for content, complaint in [
        (b"".join(lines[:-1]), "has 14 lines for 15 vectors; copy it anew"),
        (b"".join(lines)[:-1], "has 14 lines for 15 vectors; copy it anew"),
        (b"x" + b"".join(lines), r"rows\.jsonl:1: is damaged"),
        (b"[]\n" * len(lines), "is damaged"),
        (b"{}\n" * len(lines), "is damaged .it lacks id, place or text"),
    ]:
        side.write_bytes(content)
        with pytest.raises(InputError, match=complaint):
            Index.open(out).search("old boat", top_k=15)
    side.unlink()
    with pytest.raises(InputError, match="is missing; copy it beside the vectors"):
        Index.open(out).search("old boat")


def test_texts_with_such_names_are_no_output(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one"}\n')
    (tmp_path / "a.jsonl.json").write_text('{"rows": 3}')
    (tmp_path / "a.csv").write_text("id,place,text\n1,Rome,one\n")
    (tmp_path / "a.sqlite").write_bytes(b"")
    assert not any(map(is_output, tmp_path.iterdir()))


# ── shards ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", FORMS)
def test_shards_joined_are_the_bytes_of_one_job(form, tmp_path):
    if form == "parquet":
        pytest.importorskip("pyarrow")
    texts = [f"text {i}" for i in range(5000)]
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"text": t, "n": len(t)}) + "\n" for t in texts))

    def embed_all(out, **options):
        job.run(Source((str(path),)), tmp_path / out, Embedder(TINY), TINY, Options(**options))
        return tmp_path / out

    (tmp_path / "all").mkdir()
    embed_all(f"all/out.{form}")
    shards = [embed_all(f"{i}.npy", shard=(i, 3)) for i in (1, 2, 3)]
    assert [len(np.load(shard)) for shard in shards] == [2048, 1928, 1024]
    assert concat(shards[::-1], tmp_path / f"out.{form}") == 5000
    for path in (tmp_path / "all").iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes(), path.name


def test_shards_take_their_dtype_when_they_are_joined(tmp_path):
    texts = [f"text {i}" for i in range(3000)]
    whole = embed(tmp_path, "whole.npy", texts, dtype="int8")
    with pytest.raises(InputError, match="give the dtype to gtenp concat"):
        Options(dtype="int8", shard=(1, 2))
    shards = [embed(tmp_path, f"{i}.npz", texts, shard=(i, 2)) for i in (1, 2)]
    concat(shards, tmp_path / "out.npy", "int8")
    assert (tmp_path / "out.npy").read_bytes() == whole.read_bytes()


def test_shards_keep_their_dtype_when_none_is_given(tmp_path):
    texts = [f"text {i}" for i in range(1500)]
    whole = embed(tmp_path, "whole.npy", texts, dtype="float16")
    shards = [embed(tmp_path, f"{i}.npy", texts, shard=(i, 2), dtype="float16") for i in (1, 2)]
    concat(shards, tmp_path / "out.npy")
    assert (tmp_path / "out.npy").read_bytes() == whole.read_bytes()


def test_what_embed_could_not_write_concat_does_not_either(tmp_path):
    shards = [embed(tmp_path, f"{i}.npy", shard=(i, 2), dtype="float16") for i in (1, 2)]
    for out, dtype, complaint in [
        (tmp_path / "no" / "out.npy", None, "no: no such folder; make it first"),
        (tmp_path / "out.sqlite", None, r"\.sqlite holds float32, .*; --dtype is float16"),
        (tmp_path / "out.npy", "float15", r"\.npy holds float32, float16"),
        (tmp_path / "out.zip", None, "wanted one of the endings"),
        (shards[0], None, "is an input too"),
    ]:
        before = sorted(tmp_path.iterdir())
        with pytest.raises(InputError, match=complaint):
            concat(shards, out, dtype)
        assert sorted(tmp_path.iterdir()) == before


def test_a_shard_does_not_lose_what_stands_beside_it(tmp_path):
    shards = [embed(tmp_path, f"{i}.npy", shard=(i, 2)) for i in (1, 2)]
    with pytest.raises(InputError, match=r"belongs to the shard .*1\.npy; name another file"):
        concat(shards, tmp_path / "1.npy.rows.jsonl")


@pytest.mark.parametrize("dtype", ["float32", "int8", "ubinary"])
def test_vectors_that_are_rounded_are_not_made_others(tmp_path, dtype):
    shards = [embed(tmp_path, f"{i}.npy", shard=(i, 2), dtype="float16") for i in (1, 2)]
    with pytest.raises(InputError, match=rf"1\.npy: holds float16, .* can be made {dtype};"):
        concat(shards, tmp_path / "out.npy", dtype)
    assert not (tmp_path / "out.npy").exists()
    assert concat(shards, tmp_path / "out.npy", "float16") == len(TEXTS)


def test_joining_leaves_what_a_job_of_the_same_name_has_done(tmp_path):
    shards = [embed(tmp_path, f"{i}.npy", shard=(i, 2)) for i in (1, 2)]
    part = tmp_path / "out.npy.part"
    part.mkdir()
    (part / "rows.f32").write_bytes(b"hours of work")
    concat(shards, tmp_path / "out.npy")
    assert (part / "rows.f32").read_bytes() == b"hours of work"
    assert not (tmp_path / "out.npy.joined").exists()


def test_an_id_that_comes_twice_in_shards_is_refused_for_sqlite_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": "a", "text": "one two three"}\n' * 1500)
    shards = []
    for i in (1, 2):
        shards.append(tmp_path / f"{i}.npy")
        job.run(Source((str(path),)), shards[-1], Embedder(TINY), TINY, Options(shard=(i, 2)))
    with pytest.raises(InputError, match=r"a\.jsonl:2: has the id 'a', .*write another form"):
        concat(shards, tmp_path / "out.sqlite")
    assert not list(tmp_path.glob("out.sqlite*"))
    assert concat(shards, tmp_path / "out.jsonl") == 1500


def test_parts_of_one_text_are_no_repeats_for_sqlite(tmp_path):
    texts = ["one two three four. " * 30] * 3
    options = {"chunk": 20, "overlap": 5}
    whole = embed(tmp_path, "whole.sqlite", texts, **options)
    shards = [embed(tmp_path, f"{i}.npy", texts, shard=(i, 2), **options) for i in (1, 2)]
    assert concat(shards, tmp_path / "out.sqlite") == len(open_output(whole).vectors)


def test_shards_of_other_texts_through_a_pipe_are_refused(tmp_path, monkeypatch):
    def embed_lines(number, lines):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("\n".join(lines).encode())))
        out = tmp_path / f"{number}.npy"
        job.run(Source(("-",)), out, Embedder(TINY), TINY, Options(shard=(number, 2)))
        return out

    lines = [f"text {i}" for i in range(1500)]
    one, two = embed_lines(1, lines), embed_lines(2, lines)
    assert concat([one, two], tmp_path / "out.npy") == 1500
    two = embed_lines(2, [*lines[:-1], "another"])
    with pytest.raises(InputError, match=r"2\.npy: is of another job than .*: read_sha256"):
        concat([one, two], tmp_path / "out.npy")


def test_parquets_columns_are_not_taken_from_a_changed_input(tmp_path):
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "in.parquet"
    table = pa.table({"text": [f"text {i}" for i in range(1500)], "n": list(range(1500))})
    pq.write_table(table, path)
    shards = []
    for i in (1, 2):
        shards.append(tmp_path / f"{i}.npy")
        job.run(Source((str(path),)), shards[-1], Embedder(TINY), TINY, Options(shard=(i, 2)))
    concat(shards, tmp_path / "out.parquet")
    assert pq.read_table(tmp_path / "out.parquet")["n"].to_pylist() == list(range(1500))
    pq.write_table(table.slice(1), path)
    with pytest.raises(InputError, match=r"in\.parquet: its columns go beside .* has changed"):
        concat(shards, tmp_path / "other.parquet")
    path.unlink()
    with pytest.raises(InputError, match=r"in\.parquet: its columns go beside .* has changed"):
        concat(shards, tmp_path / "other.parquet")
    assert concat(shards, tmp_path / "out.jsonl") == 1500  # from what the shards hold
    assert json.loads((tmp_path / "out.jsonl").read_text().splitlines()[7])["columns"] == {"n": 7}


def test_shards_of_a_folder_that_is_elsewhere_are_joined(tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "a.txt").write_text("one")
    shards = []
    for i in (1, 2):
        shards.append(tmp_path / f"{i}.npy")
        job.run(Source((str(folder),)), shards[-1], Embedder(TINY), TINY, Options(shard=(i, 2)))
    folder.rename(tmp_path / "moved")
    for form in ("npy", "parquet"):
        if form == "parquet":
            pytest.importorskip("pyarrow")
        assert concat(shards, tmp_path / f"out.{form}") == 1


def test_shards_that_do_not_fit_are_refused(tmp_path):
    one = embed(tmp_path, "one.npy", shard=(1, 2))
    with pytest.raises(InputError, match="shards are missing: 2/2"):
        concat([one], tmp_path / "out.npy")
    with pytest.raises(InputError, match=r"is shard 1/2, as an earlier one is"):
        concat([one, one], tmp_path / "out.npy")
    other = embed(tmp_path, "two.npy", shard=(2, 2), normalize=True)
    with pytest.raises(InputError, match=r"is of another job than .*: normalized, --normalize$"):
        concat([one, other], tmp_path / "out.npy")
    with pytest.raises(InputError, match=r"joined from \.npy"):
        concat([embed(tmp_path, "two.csv", shard=(2, 2))], tmp_path / "out.npy")
    with pytest.raises(InputError, match="is no shard"):
        concat([embed(tmp_path, "whole.npy")], tmp_path / "out.npy")
    assert not (tmp_path / "out.npy").exists()


def test_shards_that_would_stop_or_skip_are_joined(tmp_path):
    one = embed(tmp_path, "one.npy", shard=(1, 2))
    two = embed(tmp_path, "two.npy", shard=(2, 2), on_error="skip")
    assert concat([one, two], tmp_path / "out.npy") == len(TEXTS)
    other = embed(tmp_path, "two.npy", shard=(2, 2), max_length=10, chunk=5)
    with pytest.raises(InputError, match=r"than .*one\.npy: --max-length, --chunk$"):
        concat([one, other], tmp_path / "out.npy")


def test_what_shards_left_out_is_listed_in_the_inputs_order_beside_the_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"one\n\xff\n" * 3000)

    def embed_all(name, shard=None):
        out, options = tmp_path / name, Options(shard=shard, on_error="skip")
        job.run(Source((str(path),)), out, Embedder(TINY), TINY, options)
        return out

    shards = [embed_all(f"{i}.npy", (i, 2)) for i in (1, 2)]
    concat(shards, tmp_path / "out.npy")
    whole = beside(embed_all("whole.npy"), ".errors.jsonl").read_bytes()
    assert beside(tmp_path / "out.npy", ".errors.jsonl").read_bytes() == whole
    errors = beside(shards[0], ".errors.jsonl")
    for content in (b'"place', whole.splitlines(keepends=True)[0]):
        errors.write_bytes(content)
        with pytest.raises(InputError, match=r"1\.npy\.errors\.jsonl: is damaged"):
            concat(shards, tmp_path / "out.npy")
    errors.unlink()
    with pytest.raises(InputError, match=r"1\.npy\.errors\.jsonl is missing; copy it beside"):
        concat(shards, tmp_path / "out.npy")
