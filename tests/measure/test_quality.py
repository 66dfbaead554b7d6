import numpy as np
import pytest
from command_line import run
from places import DATA

from gtenp import Embedder
from gtenp.errors import InputError
from gtenp.measure.quality import Pair, ranks, read_sts, spearman, sts

LINES = (
    "main\tMSRvid\t2012\t1\t5.000\tthe capital\tthe capital\n"
    "main\tMSRvid\t2012\t2\t2.500\tquick sort\thow to sort\textra\n"
    "main\tMSRvid\t2012\t3\t0.000\thello\tpython\r\n"
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sts.csv"
    path.write_bytes(LINES.encode())
    return path


def test_ranks_share_ties():
    assert ranks(np.array([3.0, 1.0, 3.0, 3.0, 0.5])).tolist() == [3, 1, 3, 3, 0]


def test_spearman_sees_order_alone():
    a = np.array([0.1, 0.2, 0.4, 0.3])
    assert spearman(a, np.exp(a)) == pytest.approx(1)
    assert spearman(a, -a) == pytest.approx(-1)


def test_the_benchmarks_form_is_read(file):
    assert read_sts(file)[1:] == [
        Pair(2.5, "quick sort", "how to sort"),
        Pair(0.0, "hello", "python"),
    ]


@pytest.mark.parametrize("line", ["a\tb\tc", "a\tb\tc\td\tfive\tone\ttwo", ""])
def test_a_line_of_another_form_is_named(file, line):
    file.write_bytes(LINES.encode() + line.encode() + b"\n")
    with pytest.raises(InputError, match=r"sts\.csv, line 4: . columns; wanted genre"):
        read_sts(file)


def test_the_score_is_that_of_the_cosines(file):
    embedder = Embedder(DATA / "tiny")
    pairs = read_sts(file)
    cosines = [float(embedder.similarity(*embedder.encode(pair[1:]))[0, 0]) for pair in pairs]
    assert sts(embedder, pairs) == pytest.approx(spearman(np.array(cosines), np.array([2, 1, 0])))


def test_the_verb_prints_spearman_times_100(file):
    result = run("evaluate", "sts", str(file), "--model", str(DATA / "tiny"))
    assert result.exit_code == 0
    score = sts(Embedder(DATA / "tiny"), read_sts(file))
    assert result.stdout.splitlines() == [
        f"{DATA / 'tiny'}, 3 pairs, max 64 tokens",
        f"Spearman {score * 100:.2f}",
    ]


def test_a_missing_file_has_status_2():
    assert run("evaluate", "sts", "nowhere.csv").exit_code == 2
