"""The benchmark's pages. Itself it runs by `make bench`, with its peers."""

import json
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


def test_reranking_has_rows_of_its_own_where_it_was_measured():
    results = json.loads((RESULTS / "results.json").read_text(encoding="utf-8"))
    ours, others = [64_000.0, 32_000.0, 64_000.0], [32_000.0, 16_000.0, 16_000.0]
    rerankers = {
        "gtenp reranker": ours,
        "gtenp reranker from text": ours,
        "onnxruntime reranker": others,
        "sentence-transformers CrossEncoder": others,
    }
    results["rerank"] = {
        "documents": 100,
        "length": 128,
        "scores": rerankers,
        "errors": dict.fromkeys(rerankers, 1e-6),
        "poolings": {"gtenp cls": ours, "gtenp mean": others},
        "missing": {"onnxruntime cls": "why"},
    }
    script = "import json, sys, report; print(report.page(json.load(sys.stdin)))"
    page = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", script],
        cwd=ROOT / "tools/bench",
        input=json.dumps(results),
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout
    for line in (
        "|  | 100 documents of 128 tokens, ms | speed, gtenp = 1 | error |",
        "| **gtenp reranker** | 200 | 1.00 | 1.0e-06 |",
        "| sentence-transformers CrossEncoder | 800 | 0.50 | 1.0e-06 |",
        "| gtenp cls | 64,000 | 2.00 | 1.00 |",
        "Not measured: onnxruntime cls (why).",
    ):
        assert line in page
