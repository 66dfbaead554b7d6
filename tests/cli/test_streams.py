"""The streams that a shell gives: what is read, what is written, and what stands in the way."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from command_line import TINY, gtenp_process, run
from safetensors.numpy import load, load_file

from gtenp import Embedder
from gtenp.cli import main

posix = pytest.mark.skipif(not shutil.which("bash"), reason="bash is not here")
full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="Linux has it")

LONG = "a " * 100  # beyond the model's 64 tokens
PRINTING = [
    ["embed", "--model", TINY, "a"],
    ["similarity", "--model", TINY, "a", "b"],
    ["tokenize", "--model", TINY, "a"],
    ["tokenize", "--model", TINY, "--json", "a"],
    ["explain", "--model", TINY, "a", "b"],
    ["info", TINY],
    ["info", "--json", TINY],
    ["verify", "--model", TINY, "--text", "a", "{folder}/a.json"],
    ["evaluate", "sts", "--model", TINY, "{folder}/sts.tsv"],
    ["bench", "--model", TINY],
    ["trace", "--model", TINY, "a", "-o", "-"],
    ["explain", "--model", TINY, "a", "--html", "-"],
    ["--version"],
    ["--help"],
    ["trace", "--help"],
]


@pytest.fixture
def folder(tmp_path):
    """With a file of vectors and one of scored pairs."""
    (tmp_path / "a.json").write_text(str([0.5] * 32))
    lines = [f"g\tf\ty\t1\t{score}\ta {score}\tb c\n" for score in range(3)]
    (tmp_path / "sts.tsv").write_text("".join(lines))
    return tmp_path


def printed_to(stdout, arguments, folder):
    """The status and the complaint of a process with this for standard output."""
    command = [sys.executable, "-m", "gtenp", *(word.format(folder=folder) for word in arguments)]
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60)
    return done.returncode, done.stderr


def shell(command, **environment):
    """What bash makes of it, ``gtenp`` being this one: status, stdout, stderr."""
    done = subprocess.run(
        ["bash", "-c", f'gtenp() {{ "{sys.executable}" -m gtenp "$@"; }}\n{command}'],
        capture_output=True,
        timeout=60,
        env={**os.environ, "GTENP_MODEL": TINY, **environment},
    )
    return done.returncode, done.stdout, done.stderr.decode()


# ── What stands in the way ───────────────────────────────────────────────────────────────────────


@full
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_full_standard_output_is_one_sentence(arguments, folder):
    with open("/dev/full", "wb") as stdout:
        status, complaint = printed_to(stdout, arguments, folder)
    assert status == 2
    place = "standard output: " if arguments[-1] == "-" else ""
    assert complaint == f"Error: {place}No space left on device\n"


@posix
@pytest.mark.parametrize("arguments", PRINTING, ids=" ".join)
def test_a_reader_that_went_away_ends_it_quietly(arguments, folder):
    reader, writer = os.pipe()
    os.close(reader)
    status, complaint = printed_to(writer, arguments, folder)
    os.close(writer)
    assert (status, complaint) == (1, "")


@posix
@pytest.mark.parametrize("verb", ["embed", "similarity"])
def test_ctrl_c_ends_it_quietly_with_status_130(verb):
    # A shell's background job hands down an ignored Ctrl-C, to which Python then pays no heed.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from gtenp.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, verb, "--model", TINY],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    process.stdin.write(b"a\n" * 100_000)  # more than a pipe holds: it is being read
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, b"")


@posix
@pytest.mark.parametrize("verb", ["embed", "trace --npz", "trace"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(verb, tmp_path):
    status, _, complaint = shell(f"ulimit -f 1; gtenp {verb} $(seq 50) -o {tmp_path}/file")
    assert (status, complaint) == (2, f"Error: {tmp_path}/file: File too large\n")
    assert os.listdir(tmp_path) == []


def test_embed_finds_that_it_cannot_write_before_it_computes(tmp_path, monkeypatch):
    monkeypatch.setattr(Embedder, "encode", lambda *_, **__: pytest.fail("computed"))
    result = run("embed", "--model", TINY, "a", "-o", str(tmp_path / "no" / "file"))
    assert "no such folder" in result.stderr


def test_too_little_memory_is_one_sentence(monkeypatch):
    def encode(*_, **__):
        raise MemoryError("Unable to allocate 13.4 GiB")

    monkeypatch.setattr(Embedder, "encode", encode)
    result = run("similarity", "--model", TINY, "a", "b")
    assert result.exit_code == 2
    sentence = "out of memory; take fewer or shorter texts (Unable to allocate 13.4 GiB)"
    assert result.stderr == f"Error: {sentence}\n"


# ── Outputs ──────────────────────────────────────────────────────────────────────────────────────

WAYS = [
    "gtenp {command} - | cat",
    "gtenp {command} /dev/stdout | cat",
    "gtenp {command} /dev/stdout > {folder}/new; cat {folder}/new",
    "gtenp {command} >(cat) | cat",
    "mkfifo {folder}/pipe; cat {folder}/pipe & gtenp {command} {folder}/pipe && wait $!",
]


@posix
@pytest.mark.parametrize("command", ["embed a b -o", "trace a --npz -o", "explain a --html"])
def test_devices_and_pipes_get_every_byte_of_a_file_and_nothing_else(command, tmp_path):
    assert shell(f"gtenp {command} {tmp_path}/file")[0] == 0
    for way in WAYS:
        bash = way.format(command=command, folder=tmp_path)
        status, out, _ = shell(f"set -o pipefail\n{bash}")
        assert (way, status) == (way, 0)
        assert out == (tmp_path / "file").read_bytes(), way


@posix
def test_a_trace_on_a_pipe_is_a_whole_safetensors_file(tmp_path):
    assert shell(f"gtenp trace a -o {tmp_path}/file")[0] == 0
    status, out, _ = shell("set -o pipefail; gtenp trace a -o /dev/stdout | cat")
    assert status == 0
    expected = load_file(tmp_path / "file")
    for name, array in load(out).items():
        np.testing.assert_array_equal(array, expected.pop(name))
    assert expected == {}


@posix
@pytest.mark.parametrize("form", ["html", "svg", "png"])
def test_scores_are_told_elsewhere_where_a_picture_is_standard_output(form, tmp_path):
    status, scores, _ = shell(f"gtenp similarity a b c --{form} {tmp_path}/file")
    assert status == 0
    status, out, told = shell(f"gtenp similarity a b c --{form} - | cat")
    assert status == 0
    assert out == (tmp_path / "file").read_bytes()
    assert told.splitlines()[:-1] == scores.decode().splitlines()[:-1]


@posix
def test_what_stands_in_a_file_that_is_appended_to_stays(tmp_path):
    for output in ("-", "/dev/stdout"):
        (tmp_path / "log").write_bytes(b"kept")
        assert shell(f"gtenp embed a -o {output} >> {tmp_path}/log")[0] == 0
        assert (tmp_path / "log").read_bytes()[:10] == b"kept\x93NUMPY"


@posix
def test_a_file_that_is_written_again_keeps_its_permissions(tmp_path):
    for option in ("embed a -o", "trace a -o", "explain a --html", "similarity a b --html"):
        (tmp_path / "file").touch()
        (tmp_path / "file").chmod(0o640)
        assert run(*option.split(), str(tmp_path / "file"), GTENP_MODEL=TINY).exit_code == 0
        assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@posix
def test_two_outputs_cannot_both_be_standard_output():
    result = run("similarity", "a", "b", "--html", "-", "--svg", "/dev/fd/1")
    assert result.exit_code == 2
    assert "two of --png, --svg and --html name one file" in result.stderr


@posix
@pytest.mark.parametrize("output", ["-", "/dev/stdout"])
def test_an_output_to_a_closed_standard_output_is_one_sentence(output):
    status, _, told = shell(f"gtenp embed a -o {output} >&-")
    closed = "Error: standard output is closed; redirect it to a file, or to /dev/null\n"
    assert (status, told) == (2, closed)


# ── Warnings ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "arguments",
    [
        ["embed", LONG],
        ["similarity", LONG, "a"],
        ["explain", LONG],
        ["trace", "-o", os.devnull, LONG],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_warning_is_told_and_never_an_error(arguments):
    result = run(*arguments, GTENP_MODEL=TINY)  # pytest has all warnings be errors
    assert result.exit_code == 0
    assert "Traceback" not in result.stderr


def test_a_process_that_has_warnings_be_errors_tells_them():
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    done = gtenp_process("embed", "--model", TINY, LONG, env=environment)
    assert done.returncode == 0
    assert done.stderr.startswith("Warning: 1 of 1 texts have more than 64 tokens")


# ── Characters ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["similarity", "日本", "café"], "??"),
        (["similarity", "日本", "café", "a"], "1 100.00"),
        (["tokenize", "日本"], "[CLS] [UNK] [UNK] [SEP]"),
        (["explain", "日本"], "Text  ??"),
        (["explain", "日本", "café"], "cosine"),
        (["info", "--model", "日本"], "日本"),
        (["embed", "--model", "日本", "a"], "日本"),
    ],
)
def test_what_a_terminal_lacks_becomes_a_question_mark(arguments, line):
    runner = CliRunner(charset="cp1252", env={"GTENP_MODEL": TINY})
    result = runner.invoke(main, arguments)
    assert not isinstance(result.exception, UnicodeError)
    if "--model" in arguments:  # there is none of that name
        assert result.exit_code == 2
        assert "is not a model's name" in result.output
    else:
        assert line in result.output


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "cp037"])
def test_json_stays_exact_where_the_terminal_lacks_a_character(encoding, tmp_path):
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = gtenp_process(
        "tokenize", "--model", TINY, "--json", "--", "日本 🤖", env=environment, encoding=encoding
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["text"] == "日本 🤖"
    folder = shutil.copytree(TINY, tmp_path / "日本")
    result = CliRunner(charset=encoding).invoke(main, ["info", "--json", str(folder)])
    assert json.loads(result.stdout)["folder"] == str(folder)


@posix
def test_an_argument_is_utf_8_in_a_locale_that_knows_ascii_alone(tmp_path):
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    status, out, _ = shell("gtenp tokenize --json 日本 café", **locale)
    assert status == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == ["日本", "café"]
    np.save(tmp_path / "v.npy", Embedder(TINY).encode("Café"))
    assert shell(f"gtenp verify {tmp_path}/v.npy --text Café", **locale)[0] == 0
    shutil.copytree(TINY, tmp_path / "modèle")
    trace = f"gtenp trace Café --model {tmp_path}/modèle -o {tmp_path}/é.npz"
    assert shell(trace, **locale)[0] == 0
    with np.load(tmp_path / "é.npz") as file:
        metadata = json.loads(str(file["__metadata__"]))
    assert metadata["model"] == str(tmp_path / "modèle")
    assert json.loads(metadata["texts"]) == ["Café"]


@posix
@pytest.mark.parametrize("verb", ["embed", "similarity b", "tokenize", "explain", "trace -o x"])
def test_a_text_that_is_not_utf_8_is_named(verb):
    result = run(*verb.split(), "a\udcff", GTENP_MODEL=TINY)
    assert result.exit_code == 2
    assert r"byte 1 of 'a\udcff' is not UTF-8; convert the text" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such a name")
def test_a_folder_whose_name_is_not_utf_8_is_printed_as_it_was_given(tmp_path):
    folder = os.fsdecode(bytes(tmp_path) + b"/\xff")
    shutil.copytree(TINY, folder)
    done = CliRunner().invoke(main, ["info", folder])
    assert os.fsencode(folder) in done.stdout_bytes
    assert json.loads(run("info", "--json", folder).stdout)["folder"] == folder
    assert run("trace", "--model", folder, "a", "-o", str(tmp_path / "x")).exit_code == 0
    assert run("similarity", "--model", folder, "a", "b").exit_code == 0


# ── Lines and arguments ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("content", "count"),
    [(b"", 0), (b"\n", 1), (b"\n\n", 2), (b"a\n\nb\n", 3), (b"a\n\nb", 3), (b"a\r\n\r\n", 2)],
)
def test_each_line_is_a_text_an_empty_one_too(content, count, tmp_path):
    result = run("embed", "--model", TINY, stdin=content)
    assert len(result.stdout.splitlines()) == count
    tokenized = run("tokenize", "--json", "--model", TINY, stdin=content)
    assert len(tokenized.stdout.splitlines()) == count
    (tmp_path / "lines").write_bytes(content)
    np.save(tmp_path / "v.npy", Embedder(TINY).encode(content.decode().splitlines()))
    arguments = (str(tmp_path / "v.npy"), "--model", TINY, "--texts", str(tmp_path / "lines"))
    result = run("verify", *arguments)
    assert result.exit_code == (0 if count else 2)
    assert count or "lines: holds no text" in result.stderr


def test_a_line_may_hold_a_nul():
    result = run("tokenize", "--json", "--model", TINY, stdin=b"a\0b\n")
    assert json.loads(result.stdout)["text"] == "a\0b"


def test_similarity_reads_lines():
    lines = run("similarity", "--model", TINY, stdin="hello\n\nworld\n").stdout.splitlines()[:-1]
    given = run("similarity", "--model", TINY, "hello", "", "world").stdout.splitlines()[:-1]
    assert len(lines) == 4
    assert lines == given


@pytest.mark.parametrize(
    ("arguments", "stdin", "words"),
    [
        ([], "", "no text to compare; wanted two or more"),
        ([], "a\n", "one text to compare; wanted two or more"),
        (["a"], "b\n", "one text to compare; wanted two or more"),
    ],
)
def test_similarity_of_less_than_two_texts_says_so(arguments, stdin, words):
    result = run("similarity", "--model", TINY, *arguments, stdin=stdin)
    assert result.exit_code == 2
    assert result.stderr.endswith(f"Error: {words}\n")


@pytest.mark.parametrize("verb", ["embed", "similarity", "tokenize", "explain", "trace -o x"])
@pytest.mark.parametrize("text", ["-5", "--nonsense"])
def test_a_text_that_begins_with_a_dash_is_told_of_the_two_dashes(verb, text):
    result = run(*verb.split(), text, "degrees", GTENP_MODEL=TINY)
    assert result.exit_code == 2
    told = result.stderr.splitlines()[-1]
    assert told.startswith("Error: No such option")
    assert text in told
    name = verb.split()[0]
    assert told.endswith(
        f". If a text begins so, put -- before the texts: main {name} -- '{text} …'"
    )


@pytest.mark.parametrize("verb", ["embed", "similarity", "tokenize", "explain", "trace -o x"])
def test_a_mistyped_option_is_no_text(verb):
    result = run(*verb.split(), "--modle", TINY)
    assert result.exit_code == 2
    assert "--model" in result.stderr  # what it was meant for
    assert "put -- before" not in result.stderr


def test_a_verb_without_texts_says_nothing_of_them():
    assert "behind --" not in run("info", "-5").stderr
