"""The server's benchmark: its client, and its page. Itself it runs by `make bench-serve`."""

import json
import subprocess
import sys

import pytest
from places import ROOT


def ran(script):
    """What a script prints in tools/bench, as JSON: in a process of its own, since modules there
    have the names of modules here.
    """
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", script],
        cwd=ROOT / "tools/bench",
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return json.loads(done.stdout)


def test_its_bodies_are_the_same_each_time_and_so_many_texts_each():
    script = "import serve_load as s, json; print(json.dumps([b.decode() for b in s.bodies(3, 5)]))"
    bodies = ran(script)
    assert bodies == ran(script)
    for body in bodies:
        texts = json.loads(body)["input"]
        assert len(texts) == 3
        assert all(4 <= len(text.split()) <= 10 for text in texts)


GOALS = """
import json, serve

def figures(per_second):
    return {"requests_per_second": [per_second] * 3, "p50_ms": [1.0] * 3, "p99_ms": [2.0] * 3}

peers = (serve.OURS, *serve.PEERS)
speeds = dict(zip(peers, (100.0, 90.0, 60.0, 50.0), strict=True))
results = {
    "quick": False,
    "machine": {
        "cpu": "a CPU", "cpus": 2, "blas": "a BLAS", "kernel": "a kernel", "system": "Linux",
        "python": "3", "versions": {"numpy": "2"},
    },
    "errors": dict.fromkeys(peers, 1e-7),
    "loads": {
        f"{connections} × {texts}": {peer: figures(speeds[peer]) for peer in peers}
        for connections, texts in serve.LOADS
    },
    "overhead": {"1": {"served": [1.0, 2.0, 3.0], "direct": [1.0, 1.0, 1.0]}},
}
goals = {goal.what: (goal.found, goal.met) for goal in serve.goals(results)}
print(json.dumps({"goals": goals, "page": serve.page(results)}))
"""


def test_its_goals_are_of_the_rounds_ratios():
    pytest.importorskip("matplotlib")
    made = ran(GOALS)
    met = made["goals"]
    assert met["requests per second, 8 × 1, sentence-transformers"] == [pytest.approx(5 / 3), False]
    assert met["requests per second, 8 × 1, onnxruntime"] == [2.0, True]
    assert met["requests per second, 1 × 1, sentence-transformers"][1]
    assert met["a request of 1 texts against `encode`"] == [2.0, False]
    assert "| requests per second, 8 × 1, onnxruntime | ≥ 1.3 | 2 | met |" in made["page"]
    assert "| **gtenp serve** | 100.0 (1, 2) |" in made["page"]
