"""Real columns and tables; each test runs where its package is installed (`make parity`)."""

import pytest
from places import DATA

from gtenp import Embedder, Tokenizer
from gtenp.errors import InputError

TINY = Embedder(DATA / "tiny")
TOKENIZER = Tokenizer.from_folder(DATA / "tiny")
TEXTS = ["hello", "hello world", "中国"]


def takes(column):
    """Whether both entrances take it for the texts."""
    same_vectors = TINY.encode(column).tolist() == TINY.encode(TEXTS).tolist()
    return same_vectors and TOKENIZER(column) == TOKENIZER(TEXTS)


def refuses(values, message):
    for call in (TINY.encode, TINY.encode_query, TOKENIZER):
        with pytest.raises(InputError, match=message):
            call(values)
    return True


def test_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"text": TEXTS, "id": [1, 2, 3]})
    assert takes(frame["text"])
    assert takes(frame.set_index("text").index)
    assert takes(pd.Series(TEXTS, index=["columns", "column_names", "tolist"]))
    for dtype in ("object", "string", "category"):
        assert takes(frame["text"].astype(dtype))
    assert refuses(frame, r'DataFrame.*a table: pass .* as in table\["text"\]')
    assert refuses(frame[["text"]], "a table")
    assert refuses(frame["id"], r"\[0\] is of type int")
    for gap in (None, float("nan"), pd.NA, pd.NaT):
        column = pd.Series(["a", gap, "b"], dtype="object")
        assert refuses(column, r'\[1\] is .*, a str was wanted; fill it with .fillna\(""\)')
        assert refuses(column.tolist(), r"\[1\] is .*, a str was wanted; put")
    assert TINY.encode(pd.Series(["a", pd.NA], dtype="string").fillna("")).shape == (2, 32)
    assert refuses(pd.Series(["a", pd.NA], dtype="string"), r"\[1\] is .*fillna")


def test_polars():
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"text": TEXTS, "id": [1, 2, 3]})
    assert takes(frame["text"])
    assert takes(frame["text"].cast(pl.Categorical))
    assert refuses(frame, "DataFrame.*a table")
    assert refuses(frame.lazy(), "LazyFrame.*a table")
    assert refuses(pl.Series(["a", None]), r'\[1\] is None.*.fill_null\(""\).*.drop_nulls\(\)')
    assert refuses(frame["id"], r"\[0\] is of type int")


def test_pyarrow():
    pa = pytest.importorskip("pyarrow")
    array = pa.array(TEXTS)
    table = pa.table({"text": array, "id": [1, 2, 3]})
    assert takes(array)
    assert takes(table["text"])
    assert takes(pa.chunked_array([TEXTS[:1], TEXTS[1:]]))
    assert takes(array.dictionary_encode())
    assert takes(pa.array(TEXTS, pa.large_string()))
    assert takes(list(array))
    assert refuses(table, "Table.*a table")
    assert refuses(table.to_batches()[0], "RecordBatch.*a table")
    assert refuses(pa.array(["a", None]), r'\[1\] is None.*.fill_null\(""\).*.drop_null\(\)')
    assert refuses(list(pa.array(["a", None])), r"\[1\] is None")
    pd = pytest.importorskip("pandas")
    assert takes(pd.Series(TEXTS, dtype=pd.ArrowDtype(pa.string())))


def test_datasets():
    datasets = pytest.importorskip("datasets")
    dataset = datasets.Dataset.from_dict({"text": TEXTS})
    assert takes(dataset["text"])
    assert refuses(dataset, "Dataset.*a table")
