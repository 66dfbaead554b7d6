"""A script written for sentence-transformers prints the same with its import lines changed.

output.txt is what sentence-transformers 6.2 printed: `python script.py FOLDER > output.txt`.
"""

import os
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest
from places import ROOT, TESTS

SCRIPT = (TESTS / "drop_in" / "script.py").read_text(encoding="utf-8")
WANTED = (TESTS / "drop_in" / "output.txt").read_text(encoding="utf-8")
IMPORTS = {
    "from sentence_transformers import SentenceTransformer": (
        "from gtenp import Embedder as SentenceTransformer"
    ),
    "from sentence_transformers.util import": "from gtenp import",
}


NUMBER = re.compile(r"-?\d+\.\d+")


def assert_the_same(found, wanted):
    """The same words, and numbers that differ by a rounding at most."""
    assert NUMBER.sub("…", found) == NUMBER.sub("…", wanted)
    numbers = [[float(number) for number in NUMBER.findall(text)] for text in (found, wanted)]
    assert numbers[0] == pytest.approx(numbers[1], abs=1.1e-3)


def printed(script, folder):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script, str(folder)],
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"},
    )
    assert not done.returncode, done.stderr
    return done.stdout


def test_the_script_runs_with_gtenp(minilm):
    script = SCRIPT
    for theirs, ours in IMPORTS.items():
        assert script.count(theirs) == 1
        script = script.replace(theirs, ours)
    assert_the_same(printed(script, minilm), WANTED)


@pytest.mark.skipif(not find_spec("sentence_transformers"), reason="`make parity` runs this")
def test_the_script_as_it_stands_prints_what_is_kept(minilm):
    assert_the_same(printed(SCRIPT, minilm), WANTED)
