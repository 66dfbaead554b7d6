"""What an OUT may take the place of, and what is left of an older one."""

import json
import sqlite3
from contextlib import closing

import pytest
from command_line import run
from places import DATA

TINY = str(DATA / "tiny")


def embed(*arguments):
    return run("embed", "--model", TINY, "--quiet", *map(str, arguments))


def test_an_input_is_not_replaced(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text('{"text": "hello"}\n')
    result = embed(path, "-o", path)
    assert result.exit_code == 2
    assert "is an input too, and would be lost; name another file" in result.stderr
    assert path.read_text() == '{"text": "hello"}\n'


def test_a_database_of_anothers_is_not_replaced(tmp_path):
    texts, path = tmp_path / "texts.txt", tmp_path / "notes.sqlite"
    texts.write_text("hello\n")
    with closing(sqlite3.connect(path)) as database:
        database.execute("create table notes (text)")
    result = embed(texts, "-o", path)
    assert result.exit_code == 2
    assert "is a database that gtenp didn't write" in result.stderr
    path.unlink()
    for _ in range(2):
        assert embed(texts, "-o", path).exit_code == 0


def test_texts_on_the_command_line_leave_no_older_jobs_lines_beside_their_vectors(tmp_path):
    texts, out = tmp_path / "texts.txt", tmp_path / "v.npy"
    texts.write_text("apple pie\nplum cake\n")
    assert embed(texts, "-o", out).exit_code == 0
    assert embed("foo", "bar", "-o", out).exit_code == 0
    rows = (tmp_path / "v.npy.rows.jsonl").read_text().splitlines()
    assert [json.loads(row)["text"] for row in rows] == ["foo", "bar"]


@pytest.mark.parametrize("ending", [".csv", ".jsonl", ".sqlite"])
def test_an_out_that_lost_rows_is_damaged(tmp_path, ending):
    texts, out = tmp_path / "texts.txt", tmp_path / f"v{ending}"
    texts.write_text("apple pie\nplum cake\nhello\n")
    assert embed(texts, "-o", out).exit_code == 0
    if ending == ".sqlite":
        with closing(sqlite3.connect(out)) as database:
            database.execute("delete from embeddings where rowid = 1")
            database.commit()
    else:
        out.write_bytes(b"".join(out.read_bytes().splitlines(keepends=True)[:-1]))
    result = run("search", "hello", "--in", str(out), "--model", TINY)
    assert result.exit_code == 2
    assert "is damaged" in result.stderr


def test_a_line_that_stopped_a_job_can_be_skipped_when_it_goes_on(tmp_path):
    texts, out = tmp_path / "texts.jsonl", tmp_path / "v.npy"
    lines = [json.dumps({"text": f"text {number}"}) for number in range(3000)]
    lines[2000] = "no JSON"
    texts.write_text("\n".join(lines))
    assert ":2001: is not JSON" in embed(texts, "-o", out).stderr
    assert embed(texts, "-o", out, "--on-error", "skip").exit_code == 0
    assert (tmp_path / "v.npy.errors.jsonl").exists()


def test_a_folders_files_are_read_without_those_of_out(tmp_path):
    folder, out = tmp_path / "gl", tmp_path / "gl" / "out.npy"
    folder.mkdir()
    (folder / "one").write_text("one")
    (folder / "two.txt").write_bytes(b"two \xff")
    arguments = [folder, "--glob", "*", "-o", out, "--on-error", "skip"]
    assert embed(*arguments).exit_code == 0
    made = {path.name: path.read_bytes() for path in folder.glob("out.npy*")}
    rows = made["out.npy.rows.jsonl"].splitlines()
    assert [json.loads(row)["id"] for row in rows] == ["one"]
    assert json.loads(made["out.npy.errors.jsonl"])["place"] == str(folder / "two.txt")
    assert "is done already" in run("embed", "--model", TINY, *map(str, arguments)).stderr
    assert embed(*arguments, "--restart").exit_code == 0
    assert {path.name: path.read_bytes() for path in folder.glob("out.npy*")} == made


@pytest.mark.parametrize(
    "name", ["s.npy.rows.jsonl", "s.npy.json", "s.npy.errors.jsonl", "s.npy.part/rows.jsonl"]
)
def test_an_input_is_not_replaced_by_what_stands_beside_out(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text('{"text": "hello"}\n')
    for given in {path, path.parent} - {tmp_path}:
        how = ("--glob", "*") if given.is_dir() else ("--format", "jsonl")
        result = embed(given, *how, "-o", tmp_path / "s.npy")
        assert result.exit_code == 2
        complaint = f"{given}: is an input too, and would be lost; name another file than s.npy"
        assert complaint in result.stderr
    assert path.read_text() == '{"text": "hello"}\n'
