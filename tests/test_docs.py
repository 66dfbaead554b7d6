"""What the README and the pages of docs/ show is what happens."""

import contextlib
import io
import re
import subprocess
import sys

import pytest
from models.byte_level import EMBEDDERS, MODERNBERT, MODERNBERT_RERANKERS, RERANKERS
from models.published import CROSS_ENCODERS, MULTILINGUAL, MULTILINGUAL_RERANKERS, PUBLISHED
from places import ROOT

README = ROOT / "README.md"
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [README, *sorted((ROOT / "docs").rglob("*.md"))]
}
EXAMPLES = [  # by their pages and headings
    pytest.param(*block, id=f"{page}-{section.partition(chr(10))[0]}")
    for page, text in PAGES.items()
    for section in re.split(r"^#+ ", text, flags=re.MULTILINE)
    for block in re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```", section, re.DOTALL)
]
LINKS = [
    (page, link)
    for page, text in PAGES.items()
    for link in re.findall(r"\]\((?!https?://)([^)#\s]+)", text)
]


@pytest.mark.usefixtures("minilm")
@pytest.mark.parametrize(("code", "output"), EXAMPLES)
def test_a_python_block_prints_the_block_below_it(code, output, tmp_path, monkeypatch):
    for package in re.findall(r"^(?:import|from) (\w+)", code, re.MULTILINE):
        pytest.importorskip(package)  # `make test-integrations` has them all
    monkeypatch.chdir(tmp_path)  # for the files that it writes
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(code, {})
    assert printed.getvalue() == output


def test_every_python_block_has_its_output():
    assert len(EXAMPLES) == sum(text.count("```python") for text in PAGES.values()) > 0


@pytest.mark.usefixtures("minilm")
def test_the_scores_of_make_run_are_those_shown():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    texts = re.findall(r'"([^"\\]+)"', makefile.split("gtenp similarity")[1].split("@echo")[0])
    done = subprocess.run(
        [sys.executable, "-m", "gtenp", "similarity", "--model", "all-MiniLM-L6-v2", *texts],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert "\n".join(done.stdout.splitlines()[:5]) in PAGES["README.md"]


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_every_link_leads_to_a_file(page, link):
    assert ((ROOT / page).parent / link).exists()


def test_every_page_of_docs_is_linked_from_the_readme():
    linked = {link for page, link in LINKS if page == "README.md"}
    assert {path.name for path in (ROOT / "docs").glob("*.md")} <= {
        link.removeprefix("docs/") for link in linked
    }


def test_each_program_has_its_row_and_the_row_its_test():
    page = PAGES["docs/integrations.md"]
    rows = re.findall(
        r"^\| \[(.+)\]\(#.+\) \|.*\[`-k (\w+)`\]\(\.\./([^)]+)\).*\|$", page, re.MULTILINE
    )
    assert [name for name, _, _ in rows] == re.findall(r"^## (.+)", page, re.MULTILINE)
    examples = [example.id for example in EXAMPLES if "integrations.md" in example.id]
    for name, word, test in rows:
        own = test.startswith("tests/integrations/") and word in test
        named = f"def test_{word}(" in (ROOT / test).read_text(encoding="utf-8")
        assert own or named or any(word in example.lower() for example in examples), name


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_named_exists(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"`make ([\w-]+)`", PAGES[page])):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_each_published_model_has_its_row_and_the_row_its_test():
    rows = re.findall(
        r"^\| (\S+) \|.*\[`-k (\S+)`\]\(\.\./tests/test_models\.py\) \|$",
        PAGES["docs/models.md"],
        re.MULTILINE,
    )
    published = [model.name for model in (*PUBLISHED, *MULTILINGUAL) if "/" in model.name]
    names = [name.rpartition("/")[2] for name in published]
    assert sorted(rows) == sorted((name, name) for name in names)


def test_each_published_reranker_has_its_row_and_the_row_its_test():
    rows = re.findall(r"^\| (\S+/\S+) \|.*\| `-k (\S+)` \|$", PAGES["docs/models.md"], re.MULTILINE)
    published = [m.name for m in (*CROSS_ENCODERS, *MULTILINGUAL_RERANKERS) if "/" in m.name]
    assert sorted(rows) == sorted((name, name.rpartition("/")[2]) for name in published)


def test_each_model_with_robertas_tokenizer_has_its_row_and_the_row_its_test():
    rows = re.findall(
        r"^\| (\S+) \|.*\[`-k (\S+)`\]\(\.\./tests/test_byte_level_models\.py\) \|$",
        PAGES["docs/models.md"],
        re.MULTILINE,
    )
    names = [m.name for m in (*EMBEDDERS, *RERANKERS) if "/" in m.name]
    names = [name.removeprefix("sentence-transformers/") for name in names]
    assert sorted(rows) == sorted((name, name.rpartition("/")[2]) for name in names)


def test_each_modernbert_has_its_row_and_the_row_its_test():
    rows = re.findall(
        r"^\| (\S+) \|.*\[`-k (\S+)`\]\(\.\./tests/test_modernbert\.py\) \|$",
        PAGES["docs/models.md"],
        re.MULTILINE,
    )
    names = [m.name for m in (*MODERNBERT, *MODERNBERT_RERANKERS) if "/" in m.name]
    assert [name for _, name in rows] == [name.rpartition("/")[2] for name in names]
    assert all(name.endswith(row) for (row, _), name in zip(rows, names, strict=True))


def test_the_readmes_table_of_speed_is_a_part_of_the_longer_one():
    def table(page):
        lines = PAGES[page].split("|  | mixed text")[1].splitlines()
        rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[1:10]]
        return {row[0]: row[1:] for row in rows if row}

    long = table("docs/speed.md")
    for name, row in table("README.md").items():
        if name and not name.startswith("-"):
            assert row == [long[name][place] for place in (0, 1, 5, 6)], name
