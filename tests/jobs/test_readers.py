import gzip
import io
import json
import sqlite3
import sys

import pytest

from gtenp.errors import InputError
from gtenp.jobs.formats import format_of
from gtenp.jobs.readers import Source, count, read
from gtenp.jobs.records import Bad


def found(*paths, **options):
    return list(read(Source(tuple(map(str, paths)), **options)))


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_line_is_a_text_and_its_number_is_its_id(tmp_path):
    path = write(tmp_path / "a.txt", "one\r\n\nthree")
    records = found(path)
    assert [(r.id, r.text, r.place) for r in records] == [
        ("1", "one", f"{path}:1"),
        ("2", "", f"{path}:2"),
        ("3", "three", f"{path}:3"),
    ]
    assert count(Source((str(path),))) == 2  # its line feeds: a bar needs no more


def test_ids_of_several_files_have_the_files_name_before_them(tmp_path):
    a, b = write(tmp_path / "a.txt", "one\n"), write(tmp_path / "b.txt", "two\n")
    assert [(r.id, r.number) for r in found(a, b)] == [(f"{a}:1", 0), (f"{b}:1", 1)]


def test_a_line_that_is_not_utf8_is_named_and_the_numbers_behind_it_stay_right(tmp_path):
    path = write(tmp_path / "a.txt", b"one\nb\xff\nthree\n")
    _, bad, last = found(path)
    assert bad == Bad(1, f"{path}:2", "byte 1 is not UTF-8")
    assert (last.id, last.number) == ("3", 2)


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path):
    path = write(tmp_path / "a.txt", b"\xef\xbb\xbfone\n")
    assert found(path)[0].text == "one"


def test_gzip_is_read_by_the_ending_below_it(tmp_path):
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(b'{"text": "one"}\n'))
    assert [r.text for r in found(path)] == ["one"]
    damaged = write(tmp_path / "b.txt.gz", gzip.compress(b"one\n" * 1000)[:-9])
    with pytest.raises(InputError, match=r"b\.txt\.gz: .*copy the file anew"):
        found(damaged)


def test_a_field_of_json_is_named_with_dots(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"doc": {"body": "one"}, "key": 7, "x": null}\n')
    (record,) = found(path, column="doc.body", id_column="key")
    assert (record.text, record.id, record.columns) == (
        "one",
        "7",
        {"doc": {"body": "one"}, "x": None},
    )


@pytest.mark.parametrize("flip", [False, True])
def test_either_all_lines_of_json_have_the_field_id_or_none(tmp_path, flip):
    lines = ['{"text": "one", "id": "a"}', '{"text": "two"}', '{"text": "three", "id": "c"}']
    path = write(tmp_path / "a.jsonl", "\n".join(lines[1:] + lines[:1] if flip else lines))
    first, second, third = found(path)
    assert (first.id, first.text) == (("1", "two") if flip else ("a", "one"))
    if flip:
        complaint = "has a field 'id', and the first line has none; --id id takes each line's"
        assert [second.problem, third.problem] == [complaint] * 2
        assert "has no field 'id'" in found(path, id_column="id")[0].problem
    else:
        complaint = "has no field 'id', it has text, and the first line has; --id names another"
        assert (second.problem, third.id) == (complaint, "c")


def test_a_field_of_json_that_is_the_text_is_not_the_id_too(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"id": "one"}\n{"id": "two"}\n')
    assert [(r.id, r.text) for r in found(path, column="id")] == [("1", "one"), ("2", "two")]
    assert found(path, column="id", id_column="id")[0].id == "one"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"text": ', "is not JSON"),
        ("[1]", "is of type list; wanted an object"),
        ("null", "is null; wanted an object"),
        ('{"body": "x"}', "has no field 'text', it has body"),
        ('{"text": null}', "'text' is null; wanted a text"),
        ('{"text": 3}', "'text' is of type int; wanted a text"),
        ('{"text": "\\ud800"}', "has half of a surrogate pair"),
        ('{"text": "one", "more": ["\\ud800"]}', "has half of a surrogate pair"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_line_of_json_that_gives_no_text_says_why(tmp_path, line, problem):
    path = write(tmp_path / "a.jsonl", f'{line}\n{{"text": "two"}}\n')
    bad, good = found(path)
    assert bad.place == f"{path}:1"
    assert problem in bad.problem
    assert good.text == "two"


def test_a_half_of_a_surrogate_pair_in_a_column_that_is_not_wanted_is_no_matter(tmp_path):
    path = write(tmp_path / "a.jsonl", '{"text": "one", "more": "\\ud800"}\n')
    assert found(path, columns=False)[0].text == "one"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", '\n{"text": "one"}\n\n \t\n{"text": "two"}\r\n\r\n'),
        ("a.csv", "\r\ntext,n\n\none,1\r\n\r\ntwo,2\n\n"),
    ],
)
def test_blank_lines_of_json_and_csv_are_no_rows_and_count_as_lines(tmp_path, name, content):
    path = write(tmp_path / name, content)
    lines = [one.place.rpartition(":")[2] for one in found(path)]
    assert [one.text for one in found(path)] == ["one", "two"]
    assert lines == (["2", "5"] if name == "a.jsonl" else ["4", "6"])


def test_csv_has_names_quotes_and_lines_within_a_field(tmp_path):
    path = write(tmp_path / "a.csv", 'id,text,more\r\na,"one\nline, ""more""",x\r\nb,two,y\r\n')
    assert [(r.id, r.text, r.place, r.columns) for r in found(path)] == [
        ("a", 'one\nline, "more"', f"{path}:2", {"more": "x"}),
        ("b", "two", f"{path}:4", {"more": "y"}),
    ]


def test_tsv_is_csv_with_tabs(tmp_path):
    path = write(tmp_path / "a.tsv", "body\tn\none, two\t1\n")
    assert [r.text for r in found(path, column="body")] == ["one, two"]


def test_a_row_of_csv_that_gives_no_text_says_why(tmp_path):
    path = write(tmp_path / "a.csv", b'text,n\none,1,2\n"b\xff",2\n"a"b,3\nfour,4\n"open,5\n')
    bad = [one for one in found(path) if isinstance(one, Bad)]
    assert [(one.place.rpartition(":")[2], one.problem[:12]) for one in bad] == [
        ("2", "has 3 fields"),
        ("3", "is not UTF-8"),
        ("4", "is not CSV: "),
        ("6", "is not CSV: "),
    ]


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_a_row_of_csv_ends_at_any_line_end(tmp_path, end):
    path = write(tmp_path / "a.csv", end.join(["id,text", "a,one", 'b,"two\rtwo"', "c,three", ""]))
    assert [(r.id, r.text) for r in found(path)] == [
        ("a", "one"),
        ("b", "two\rtwo"),
        ("c", "three"),
    ]


def test_csv_leaves_standard_input_open(monkeypatch):
    stream = io.TextIOWrapper(io.BytesIO(b"text\none\n"))
    monkeypatch.setattr(sys, "stdin", stream)
    assert found("-", format="csv")[0].place == "standard input, line 2"
    assert not stream.buffer.closed


def test_the_first_line_of_a_csv_without_names_is_not_lost(tmp_path):
    path = write(tmp_path / "a.csv", "a first text\na second\n")
    with pytest.raises(InputError, match=r"no column 'text', but a first text; .* add it if it is"):
        found(path)
    assert [r.text for r in found(path, column="a first text")] == ["a second"]


@pytest.mark.parametrize("header", ["text,n,n", "n,text,m,text"])
def test_two_columns_of_one_name_are_refused(tmp_path, header):
    path = write(tmp_path / "a.csv", f"{header}\n{header}\n")
    with pytest.raises(InputError, match=r"has two columns '(n|text)'; give each a name"):
        found(path)


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        (
            "a.txt",
            {"column": "body"},
            "--column: is for csv, jsonl, .* read as lines; leave it out",
        ),
        ("-", {"id_column": "key"}, "--id: is for .* read as lines, for want of a --format"),
        (
            "a.md",
            {"sql": "select 1"},
            "--sql: is for sqlite, and what is given is read as document",
        ),
        ("a.jsonl", {"glob": ("*.py",)}, "--glob: is for folder"),
        (None, {"column": "body"}, "read as texts as arguments"),
        (".", {"format": "csv"}, "--format: is for .* read as folder; leave it out"),
    ],
)
def test_an_option_that_is_for_none_of_the_inputs_is_refused(name, options, complaint):
    with pytest.raises(InputError, match=complaint):
        Source((name,) if name else (), texts=() if name else ("a",), **options)


def test_a_table_without_the_column_names_those_it_has(tmp_path):
    path = write(tmp_path / "a.csv", "title,body\none,two\n")
    with pytest.raises(InputError, match=r"no column 'text', but title, body; --column names one"):
        found(path)
    with pytest.raises(InputError, match=r"no column 'key'.*--id names one"):
        found(path, column="body", id_column="key")


def test_a_field_of_a_megabyte_is_read(tmp_path):
    path = write(tmp_path / "a.csv", f'text\n"{"x " * 500_000}"\n')
    assert len(found(path)[0].text) == 1_000_000


def test_a_folder_is_its_files_in_the_order_of_their_names(tmp_path):
    (tmp_path / "sub").mkdir()
    write(tmp_path / "b.md", "two\n")
    write(tmp_path / "a.txt", "one\nline\n")
    write(tmp_path / "sub" / "c.md", b"\xff")
    write(tmp_path / "d.py", "no text")
    first, second, bad = found(tmp_path)
    assert (first.id, first.text, second.id) == ("a.txt", "one\nline\n", "b.md")
    assert bad == Bad(2, str(tmp_path / "sub" / "c.md"), "byte 0 is not UTF-8")
    assert [r.id for r in found(tmp_path, glob=("*.py",))] == ["d.py"]


def test_an_option_may_be_for_one_of_the_inputs(tmp_path):
    a, b = write(tmp_path / "a.txt", "one\n"), write(tmp_path / "b.jsonl", '{"body": "two"}\n')
    assert [r.text for r in found(a, b, column="body")] == ["one", "two"]


def test_a_folder_without_such_files_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"has no file that is called \*.txt or \*.md; --glob"):
        found(tmp_path)


def test_files_of_one_name_in_two_folders_have_ids_of_their_own(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "a.txt", name)
    folders = [tmp_path / "one", tmp_path / "two"]
    assert [r.id for r in found(*folders)] == [str(folder / "a.txt") for folder in folders]


def test_sql_says_what_is_read_of_sqlite(tmp_path):
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("create table t (key integer, body text)")
    connection.executemany("insert into t values (?, ?)", [(1, "one"), (2, None)])
    connection.commit()
    connection.close()
    sql = "select key as id, body as text from t"
    first, bad = found(path, sql=sql)
    assert (first.id, first.text) == ("1", "one")
    assert "'text' is null" in bad.problem
    with pytest.raises(InputError, match="no such table"):
        found(path, sql="select * from missing")
    with pytest.raises(InputError, match="--sql says what to read"):
        found(path)


def test_text_of_sqlite_that_is_not_utf8_is_a_bad_row(tmp_path):
    path = tmp_path / "a.db"
    connection = sqlite3.connect(path)
    connection.execute("create table t (text, more)")
    connection.execute("insert into t values ('one', 'x'), (cast(x'62ff' as text), 'y')")
    connection.execute("insert into t values ('three', cast(x'ff' as text)), ('\u00e9', 'z')")
    connection.commit()
    connection.close()
    one, *bad, four = found(path, sql="select * from t")
    assert (one.id, one.text, four.id, four.text) == ("1", "one", "4", "\u00e9")
    assert bad == [Bad(i, f"{path}:{i + 1}", "is not UTF-8") for i in (1, 2)]


def test_the_only_column_of_a_query_is_the_text(tmp_path):
    path = tmp_path / "a.db"
    sqlite3.connect(path).close()
    assert [r.text for r in found(path, sql="select 'one' as body")] == ["one"]
    with pytest.raises(InputError, match="two columns 'n'"):
        found(path, sql="select 'one' as text, 1 as n, 2 as n")


def test_a_damaged_parquet_file_is_one_sentence(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [f"text {i}" for i in range(1000)]}), path, compression=None)
    whole = path.read_bytes()
    for content in (b"", b"rubbish", whole[:-100], whole[:4] + bytes(200) + whole[204:]):
        path.write_bytes(content)
        with pytest.raises(
            InputError, match=r"a\.parquet: is no whole Parquet file .*copy it anew"
        ):
            found(path)


def test_parquets_columns_are_those_of_its_rows(tmp_path):
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [7], "text": ["one"], "n": [1]}), path)
    assert [(r.id, r.columns) for r in found(path)] == [("7", {"n": 1})]
    assert found(path, columns=False)[0].columns is None


def test_a_file_that_is_no_database_is_one_sentence(tmp_path):
    path = write(tmp_path / "a.db", "not a database, but long enough to be looked at" * 100)
    with pytest.raises(InputError, match="not a database"):
        found(path, sql="select * from t")


def test_an_unknown_ending_asks_for_the_format():
    with pytest.raises(InputError, match="--format lines"):
        format_of("notes.log")
    with pytest.raises(InputError, match="can't be read as a stream"):
        format_of("-", "parquet")


def test_texts_at_hand_are_records_too():
    assert [(r.id, r.place, r.text) for r in read(Source((), texts=("one",)))] == [
        ("1", "text 1", "one")
    ]


def test_json_values_are_those_of_the_line(tmp_path):
    row = {"text": "one", "n": 1, "list": [1, 2]}
    path = write(tmp_path / "a.ndjson", json.dumps(row) + "\n")
    assert found(path)[0].columns == {"n": 1, "list": [1, 2]}
