"""The pictures of the report, each as SVG and PNG."""

from __future__ import annotations

import re
import statistics
from pathlib import Path
from typing import Any

import matplotlib as mpl
from growth import slope

mpl.use("Agg")
mpl.rcParams.update(
    {"svg.hashsalt": "gtenp", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False}
)
mpl.rcParams.update({"axes.spines.right": False, "figure.constrained_layout.use": True})

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402

OURS, THEIRS, LIMIT = "#c0392b", "#95a5a6", "#d5dbdb"
LINES = {
    "gtenp": OURS,
    "gtenp from text": OURS,
    "onnxruntime optimised": "#2c6fbb",
    "openvino": "#7d3c98",
    "transformers": "#d68910",
}
TITLES = {"mixed": "mixed text", "short": "8 to 16 tokens", "chunks": "512 tokens"}
AXES = {
    "length": "tokens of each of 8 texts",
    "batch": "texts of 32 tokens in a batch",
    "corpus": "short texts in one call of encode",
}


def file_name(kind: str, of: str) -> str:
    """throughput, gte-small's shape -> throughput-gte-small-s-shape."""
    return re.sub(r"\W+", "-", f"{kind}-{of}".lower())


def draw(results: dict[str, Any], folder: Path) -> None:
    """All pictures of these results."""
    for model, measured in results["models"].items():
        _save(_throughput(measured, model), folder / file_name("throughput", model))
        _save(_latency(measured, model), folder / file_name("latency", model))
    for kind in AXES:
        growth = results["growth"][kind]
        _save(_growth(growth["x"], growth["series"], kind), folder / file_name("growth", kind))


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(f"{path}.svg", metadata={"Date": None})  # the same figures, the same bytes
    figure.savefig(f"{path}.png", dpi=110)
    plt.close(figure)


def _bars(axes: Axes, values: dict[str, float], form: str) -> None:
    """Horizontal bars in the order given, each with its value."""
    colours = [
        OURS if peer.startswith("gtenp") else LIMIT if peer == "limit" else THEIRS
        for peer in values
    ]
    bars = axes.barh(list(values), list(values.values()), color=colours)
    axes.bar_label(bars, [form.format(v) for v in values.values()], padding=3, fontsize=8)
    axes.margins(x=0.2)
    axes.tick_params(left=False, labelbottom=False, bottom=False)
    axes.spines[["bottom"]].set_visible(False)


def _throughput(measured: dict[str, Any], model: str) -> Figure:
    figure, panels = plt.subplots(1, 3, figsize=(10, 3.6), sharey=True)
    for axes, (corpus, rates) in zip(panels, measured["throughput"].items(), strict=True):
        _bars(axes, {p: statistics.median(r) for p, r in rates.items()}, "{:,.0f}")
        axes.set_title(TITLES[corpus], fontsize=9)
    panels[0].invert_yaxis()  # all panels share it; the first peer stands at the top
    figure.suptitle(f"Tokens per second, more is better: {model}")
    return figure


def _latency(measured: dict[str, Any], model: str) -> Figure:
    lengths = measured["latency"]
    figure, panels = plt.subplots(1, len(lengths), figsize=(12, 3.6), sharey=True)
    for axes, (length, times) in zip(panels, lengths.items(), strict=True):
        _bars(axes, {p: t["p50"] for p, t in times.items()}, "{:.1f}")
        axes.set_title(f"{length} tokens", fontsize=9)
    panels[0].invert_yaxis()
    figure.suptitle(f"Milliseconds for one text (median), less is better: {model}")
    return figure


def _growth(x: list[int], series: dict[str, dict[str, list[float]]], kind: str) -> Figure:
    figure, (time, memory) = plt.subplots(1, 2, figsize=(10, 3.6))
    for peer, found in series.items():
        # A peak under a megabyte is noise, and a logarithm has no zero.
        peaks = [max(1.0, mb) for mb in found["peak_mb"]]
        for axes, y in ((time, found["seconds"]), (memory, peaks)):
            label = f"{peer}: slope {slope(x, y):.2f}"
            axes.plot(x, y, "o-", color=LINES[peer], label=label, markersize=3)
    for axes, title in ((time, "seconds"), (memory, "peak memory, MB")):
        axes.set(xscale="log", yscale="log", xlabel=AXES[kind], title=title)
        axes.set_xticks(x, [f"{n:,}" for n in x])
        axes.minorticks_off()
        axes.legend(frameon=False, fontsize=8)
    return figure
