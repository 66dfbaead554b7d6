"""The benchmark's pages. Itself it runs by `make bench`, with its peers."""

import shutil
import subprocess
import sys

from places import ROOT

RESULTS = ROOT / "docs/bench"


def test_both_pages_show_the_figures_of_the_results(tmp_path):
    shutil.copy(RESULTS / "results.json", tmp_path)
    done = subprocess.run(
        [sys.executable, ROOT / "tools/bench/report.py", tmp_path],
        capture_output=True,
        text=True,
        check=True,
    )
    shown = (RESULTS / "README.md").read_text(encoding="utf-8")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == shown
    _, table = done.stdout.split("\n", 1)
    assert table.strip() in (ROOT / "docs/speed.md").read_text(encoding="utf-8")
