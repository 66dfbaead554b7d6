import json

from click.testing import CliRunner
from command_line import TINY, run

from gtenp.cli import main


def test_tokenize_shows_each_piece_with_its_id_its_place_and_its_source():
    result = run("tokenize", "--model", TINY, "Héllo \u00ad 🤖")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "[CLS] hello [UNK] [SEP]"
    assert lines[2].split() == ["28", "hello", "0-5", "'Héllo'"]
    assert lines[3].endswith("not in the vocabulary")
    assert lines[-1] == "dropped      6  U+00AD SOFT HYPHEN"
    assert "\x1b" not in result.stdout


def test_tokenize_is_coloured_on_a_terminal_alone():
    arguments = ["tokenize", "--model", TINY, "hello world"]
    assert "\x1b[36m[CLS]" in CliRunner().invoke(main, arguments, color=True).output


def test_tokenize_marks_what_is_cut_off():
    lines = run("tokenize", "--model", TINY, "--max-length", "4", "a b c d").stdout.splitlines()
    assert [line.split()[1] for line in lines if line.endswith("cut off")] == ["c", "d"]
    assert lines[-1] == "6 tokens, 2 of them beyond the maximum of 4"


def test_tokenize_gives_programs_one_json_object_a_text():
    result = run("tokenize", "--model", TINY, "--json", "hello", "\u200b")
    hello, dropped = (json.loads(line) for line in result.stdout.splitlines())
    assert [token["token"] for token in hello["tokens"]] == ["[CLS]", "hello", "[SEP]"]
    assert hello["tokens"][1] == {
        "token": "hello", "id": 28, "start": 0, "end": 5, "unknown": False, "kept": True,
    }  # fmt: skip
    assert dropped["dropped"] == [{"start": 0, "character": "U+200B", "name": "ZERO WIDTH SPACE"}]
