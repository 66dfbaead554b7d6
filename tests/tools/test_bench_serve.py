"""The server's benchmark: its client, and its page. Itself it runs by `make bench-serve`."""

import json
import sys

import pytest
from places import ROOT

sys.path.append(str(ROOT / "tools/bench"))


def test_its_bodies_are_the_same_each_time_and_so_many_texts_each():
    import serve_load

    bodies = serve_load.bodies(3, count=5)
    assert bodies == serve_load.bodies(3, count=5)
    for body in bodies:
        texts = json.loads(body)["input"]
        assert len(texts) == 3
        assert all(4 <= len(text.split()) <= 10 for text in texts)


def results(**per_second):
    import serve

    def figures(peer):
        return {
            "requests_per_second": [per_second[peer]] * 3,
            "p50_ms": [1.0] * 3,
            "p99_ms": [2.0] * 3,
        }

    peers = (serve.OURS, *serve.PEERS)
    names = dict(zip(peers, ("ours", "lock", "transformers", "onnx"), strict=True))
    return {
        "quick": False,
        "machine": {
            "cpu": "a CPU", "cpus": 2, "blas": "a BLAS", "kernel": "a kernel", "system": "Linux",
            "python": "3", "versions": {"numpy": "2"},
        },
        "errors": dict.fromkeys(peers, 1e-7),
        "loads": {
            f"{connections} × {texts}": {peer: figures(names[peer]) for peer in peers}
            for connections, texts in serve.LOADS
        },
        "overhead": {"1": {"served": [1.0, 2.0, 3.0], "direct": [1.0, 1.0, 1.0]}},
    }  # fmt: skip


def test_its_goals_are_of_the_rounds_ratios():
    pytest.importorskip("matplotlib")
    pytest.importorskip("threadpoolctl")
    serve = pytest.importorskip("serve")
    made = results(ours=100.0, lock=90.0, transformers=60.0, onnx=50.0)
    met = {goal.what: (goal.found, goal.met) for goal in serve.goals(made)}
    assert met["requests per second, 8 × 1, sentence-transformers"] == (pytest.approx(5 / 3), False)
    assert met["requests per second, 8 × 1, onnxruntime"] == (2.0, True)
    assert met["requests per second, 1 × 1, sentence-transformers"][1]
    assert met["a request of 1 texts against `encode`"] == (2.0, False)
    page = serve.page(made)
    assert "| requests per second, 8 × 1, onnxruntime | ≥ 1.3 | 2 | met |" in page
    assert "| **gtenp serve** | 100.0 (1, 2) |" in page
