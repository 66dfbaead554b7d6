"""What the README shows is what happens."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest
from models.published import PUBLISHED

README = Path(__file__).parent.parent / "README.md"
TEXT = README.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.usefixtures("minilm")
@pytest.mark.parametrize(("code", "output"), EXAMPLES)
def test_a_python_block_prints_the_block_below_it(code, output):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == output


def test_every_python_block_has_its_output():
    assert len(EXAMPLES) == TEXT.count("```python") > 0


@pytest.mark.usefixtures("minilm")
def test_the_scores_of_make_run_are_those_shown():
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    texts = re.findall(r'"([^"\\]+)"', makefile.split("gtenp similarity")[1].split("@echo")[0])
    done = subprocess.run(
        [sys.executable, "-m", "gtenp", "similarity", "--model", "all-MiniLM-L6-v2", *texts],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "\n".join(done.stdout.splitlines()[:5]) in TEXT


@pytest.mark.parametrize("path", re.findall(r"\]\(([\w./-]+)\)", TEXT))
def test_every_link_leads_to_a_file(path):
    assert (README.parent / path).exists()


def test_every_make_target_named_exists():
    makefile = (README.parent / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([\w-]+)`", TEXT)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_each_published_model_has_its_row_and_the_row_its_test():
    rows = re.findall(
        r"^\| (\S+) \|.*\[`-k (\S+)`\]\(tests/test_models\.py\) \|$", TEXT, re.MULTILINE
    )
    names = [model.name.rpartition("/")[2] for model in PUBLISHED]
    assert sorted(rows) == sorted((name, name) for name in names)
