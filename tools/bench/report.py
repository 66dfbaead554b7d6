"""results.json as a page: README.md with its tables, and the pictures beside it.

usage: python tools/bench/report.py RESULTS_FOLDER
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

import pictures
from goals import Goal, goals, ratio
from models import MINILM
from peers import PEERS
from rerankers import RERANKERS as PAIRED

Results = dict[str, Any]
CORPORA = {"mixed": "mixed", "short": "short queries", "chunks": "512-token chunks"}


def save(results: Results, folder: Path) -> None:
    """results.json: five digits of each number, a line for each list of them."""

    def rounded(node: Any) -> Any:
        if isinstance(node, float):
            return float(f"{node:.5g}")
        if isinstance(node, dict):
            return {key: rounded(value) for key, value in node.items()}
        return [rounded(item) for item in node] if isinstance(node, list | tuple) else node

    text = json.dumps(rounded(results), indent=1, ensure_ascii=False)
    flat = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found.group()), text)
    (folder / "results.json").write_text(flat + "\n", encoding="utf-8")


def table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown, its first column to the left and the others to the right."""
    lines = [head, ["---"] + ["--:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def speed(results: Results, model: str) -> str:
    """Throughput and latency of one model."""
    measured = results["models"][model]
    parts = [f"### Tokens per second, {model}", _throughput(measured)]
    parts += [f"### Milliseconds for one text, {model}", _latency(measured)]
    parts += [f"Not measured: {peer} ({why})." for peer, why in measured["missing"].items()]
    return "\n\n".join(parts)


def _throughput(measured: Results) -> str:
    rows = []
    for peer in next(iter(measured["throughput"].values())):
        row = [f"**{peer}**" if peer == "gtenp" else peer]
        for rates in measured["throughput"].values():
            relative = ratio(rates[peer], rates["gtenp"])
            row += [f"{statistics.median(rates[peer]):,.0f}", f"{relative:.2f}"]
        rows.append([*row, f"{measured['errors'][peer]:.1e}" if peer != "limit" else ""])
    head = [title for name in measured["throughput"] for title in (CORPORA[name], "gtenp = 1")]
    return table(["", *head, "error"], rows)


def _latency(measured: Results) -> str:
    rows = []
    for peer in next(iter(measured["latency"].values())):
        row = [f"**{peer}**" if peer == "gtenp" else peer]
        for times in measured["latency"].values():
            found, relative = times[peer], ratio(times[peer]["rounds"], times["gtenp"]["rounds"])
            row += [f"{found['p50']:.2f}", f"{found['p99']:.2f}", f"{relative:.2f}"]
        rows.append(row)
    head = [
        title
        for length in measured["latency"]
        for title in (f"{length} tokens", "p99", "gtenp = 1")
    ]
    return table(["", *head], rows)


def _goals(found: list[Goal]) -> str:
    rows = [
        [
            goal.what,
            f"{goal.sign} {goal.bound:g}{goal.unit}",
            "not measured" if goal.found is None else f"{goal.found:.3g}{goal.unit}",
            "met" if goal.met else "**not met**",
            "" if goal.limit is None else f"{goal.limit:.3g}",
        ]
        for goal in found
    ]
    return table(["gtenp", "goal", "found", "", "*limit*"], rows)


def _layers(models: Results) -> str:
    depth = max(len(measured["layers"]["gtenp"]["max"]) for measured in models.values())
    head, columns = ["hidden state"], []
    for model, measured in models.items():
        for name in ("gtenp", "torch"):
            for kind in ("max", "rms"):
                head.append(f"{name}, {kind}: {model}")
                columns.append([f"{value:.1e}" for value in measured["layers"][name][kind]])
    rows = [
        [str(i) if i else "embeddings", *(c[i] if i < len(c) else "" for c in columns)]
        for i in range(depth)
    ]
    return table(head, rows)


def _cold_start(measured: Results) -> str:
    rows = []
    for peer, found in measured.items():
        ours = measured["gtenp from text"]
        rows.append(
            [
                f"**{peer}**" if peer == "gtenp from text" else peer,
                f"{statistics.median(found['seconds']):.2f}",
                f"{ratio(found['seconds'], ours['seconds']):.1f}",
                f"{statistics.median(found['peak_mb']):.0f}",
                f"{ratio(found['peak_mb'], ours['peak_mb']):.1f}",
            ]
        )
    return table(["", "seconds", "gtenp = 1", "peak MB", "gtenp = 1"], rows)


def rerank(found: Results) -> str:
    """A query against its documents, and the two poolings."""
    tokens = found["documents"] * found["length"]
    rows = []
    for peer, rates in found["scores"].items():
        ours = found["scores"]["gtenp reranker from text" if PAIRED[peer].tokenizes
                               else "gtenp reranker"]  # fmt: skip
        row = [f"**{peer}**" if peer == "gtenp reranker" else peer]
        row += [f"{1e3 * tokens / statistics.median(rates):,.0f}", f"{ratio(rates, ours):.2f}"]
        rows.append([*row, f"{found['errors'][peer]:.1e}"])
    head = f"{found['documents']} documents of {found['length']} tokens, ms"
    parts = [table(["", head, "speed, gtenp = 1", "error"], rows)]
    rates = found["poolings"]
    rows = [
        [
            peer,
            f"{statistics.median(rates[peer]):,.0f}",
            f"{ratio(rates[peer], rates[mean]):.2f}",
            f"{ratio(rates[peer], rates['gtenp cls']):.2f}",
        ]
        for peer in rates
        if (mean := f"{peer.split()[0]} mean") in rates
    ]
    parts.append(table(["", "tokens per second", "its mean = 1", "gtenp cls = 1"], rows))
    parts += [f"Not measured: {peer} ({why})." for peer, why in found["missing"].items()]
    return "\n\n".join(parts)


def _installed(sizes: dict[str, float]) -> str:
    rows = [[p, f"{mb:,.0f}", f"{mb / sizes['gtenp']:.1f}"] for p, mb in sizes.items()]
    return table(["", "MB", "gtenp = 1"], rows)


def _threads(rates: Results) -> str:
    (few, one), *more = rates.items()
    rows = []
    for peer in one:
        row = [peer, f"{statistics.median(one[peer]):,.0f}"]
        for _, several in more:
            row += [f"{statistics.median(several[peer]):,.0f}"]
            row += [f"{ratio(several[peer], one[peer]):.2f}"]
        rows.append(row)
    head = ["tokens per second, mixed", f"{few} thread"]
    return table(head + [title for n, _ in more for title in (f"{n} threads", "gain")], rows)


FRONT = {
    "gtenp": "gtenp",
    "gtenp batch-invariant": "… `batch_invariant=True`",
    "onnxruntime": "onnxruntime",
    "onnxruntime optimised": "… with its graph fused",
    "openvino": "OpenVINO",
    "ctranslate2": "CTranslate2",
    "transformers": "transformers on torch",
    "sentence-transformers": "sentence-transformers",
    "limit": "NumPy's matrix products alone",
}


def front(results: Results) -> str:
    """The table of docs/speed.md: all-MiniLM-L6-v2 in float32, its main figures."""
    measured, cold = results["models"][MINILM], results["cold_start"][f"{MINILM}, float32"]
    sizes = results["installed_mb"]
    rows = []
    for peer, name in FRONT.items():
        ours = "gtenp from text" if PEERS[peer].tokenizes else "gtenp"
        row = [name]
        for corpus in ("mixed", "chunks"):
            rates = measured["throughput"][corpus]
            row += [
                f"{statistics.median(rates[peer]):,.0f}",
                f"{ratio(rates[peer], rates[ours]):.2f}",
            ]
        row.append(", ".join(f"{times[peer]['p50']:.3g}" for times in measured["latency"].values()))
        # A cold start begins with a text.
        started = cold.get("gtenp from text" if peer == "gtenp" else peer)
        row.append(f"{statistics.median(started['seconds']):.2f}" if started else "")
        size = sizes.get(" + ".join(PEERS[peer].packages)) if started else None
        rows.append([*row, f"{size:,.0f}" if size else ""])
    lengths = ", ".join(measured["latency"])
    head = ["mixed text, tokens/s", "gtenp = 1", "512 tokens each, tokens/s", "gtenp = 1"]
    head += [f"one text of {lengths} tokens, ms", "first vector, s", "installed, MB"]
    return table(["", *head], rows)


def _machine(results: Results) -> str:
    found = results["machine"]
    warning = ": **not a quiet machine**" * (results["others_share"] > 0.03)
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    lines = [
        f"- {found['cpu']}, {found['cpus']} CPUs; {' '.join(found['features'])}",
        f"- {found['threads']} threads for each runtime, held to as many cores",
        f"- NumPy's BLAS: {found['blas']}, kernel {found['kernel']}",
        f"- {found['system']}; Python {found['python']}; {versions}",
        f"- {results['minutes']:.0f} minutes; other processes took "
        f"{results['others_share']:.1%} of the machine meanwhile{warning}",
    ]
    return "\n".join(lines)


def _corpora(results: Results) -> str:
    rows = [
        [CORPORA[name], *(f"{c[k]:,}" for k in ("texts", "tokens", "median", "p90", "max"))]
        for name, c in results["corpora"].items()
    ]
    return table(["texts", "number", "tokens", "median length", "90th percentile", "longest"], rows)


def _settings(settings: dict[str, dict[str, list[int]]]) -> str:
    rows = [
        [peer, *(f"{chosen[peer][0]} × {chosen[peer][1]:,}" for chosen in settings.values())]
        for peer, (_, budget) in settings["mixed"].items()
        if budget
    ]
    return table(["calling threads × tokens of a batch", *(CORPORA[c] for c in settings)], rows)


def page(results: Results) -> str:
    """The whole README.md."""
    models = results["models"]
    found = goals(results)
    command = "make bench-quick" if results["quick"] else "make bench"
    warning = "**A quick run, to test the tool: its figures mean little.**" * results["quick"]
    parts = [
        "# How fast",
        f"Made by `{command}`. {warning}".strip(),
        _machine(results),
        "Each runtime is alone in a process that is stopped while another is measured; rounds go "
        "through them in turn (A B C A B C), figures are medians over the rounds, and a ratio is "
        "the median of the rounds' ratios. All have the same weights and the same token ids; "
        "*gtenp from text* and sentence-transformers tokenize too, and are compared with each "
        "other. The runtimes that pad get batches sorted by length, in the size and from the "
        "number of calling threads that serve each best (at the end of this page); "
        "sentence-transformers is called as its users call it. Padding is not counted as tokens.",
        "*limit* is what NumPy's matrix products alone would reach: the same shapes, with no other "
        "work between them. *error* is the largest difference of any number of a sentence vector "
        "from `gtenp/reference/bert.py` in float64. The texts are docstrings of Python's standard "
        "library:",
        _corpora(results),
        f"## The goals: {sum(g.met for g in found)} of {len(found)} met",
        _goals(found),
        "## Throughput and latency",
    ]
    for model in models:
        parts.append(speed(results, model))
        parts.append(_picture("throughput", model) + "\n" + _picture("latency", model))
    if "rerank" in results:
        parts += [
            "## Reranking, and cls pooling",
            "all-MiniLM-L6-v2's weights with a classifier, as a cross-encoder: one query with each "
            "of the documents. Where the first token alone is read, as here and by cls pooling, "
            "gtenp computes its last layer for that token alone.",
            rerank(results["rerank"]),
        ]
    parts.append("## Cold start: a fresh process to its first vector")
    for name, measured in results["cold_start"].items():
        parts += [f"### {name}", _cold_start(measured)]
    parts += [
        "The ONNX, OpenVINO and CTranslate2 files hold float32 whatever the original holds. Memory "
        "is the largest resident size, mapped files included. All files are in the disk's cache.",
        "## Installed size",
        _installed(results["installed_mb"]),
        "The files of the packages and all their dependencies; the models not included, and torch "
        "as its CPU build.",
        "## Growth, all-MiniLM-L6-v2",
        "Both axes are logarithmic, and a slope is the exponent over the larger half: 1 is "
        "linear, 2 quadratic. Memory "
        "is the peak above what the process held after its first text; the texts and the vectors "
        "that are returned are not counted.",
        "\n".join(_picture("growth", kind) for kind in ("length", "batch", "corpus")),
        _threads(results["growth"]["threads"]),
        "## Errors of the hidden states against float64",
        _layers(models),
        "## Each runtime's best way to be called",
        _settings(results["settings"]),
    ]
    return "\n\n".join(parts) + "\n"


def _picture(kind: str, of: str) -> str:
    return f"![{kind}: {of}]({pictures.file_name(kind, of)}.svg)"


def write(folder: Path) -> None:
    """README.md and the pictures, from the folder's results.json; prints the front page's table."""
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    pictures.draw(results, folder)
    (folder / "README.md").write_text(page(results), encoding="utf-8")
    print(f"For docs/speed.md:\n{front(results)}")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
