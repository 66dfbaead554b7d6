"""What gtenp sets out to reach, and whether it did."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from models import GTE_SHAPE, MINILM

ONNXRUNTIME = ("onnxruntime", "onnxruntime optimised")


@dataclass(frozen=True)
class Goal:
    """One line: `found` is None where something it needs could not be measured. `limit` is what
    would be found if gtenp took no time but that of its matrix products.
    """

    what: str
    sign: str  # "≥" or "≤"
    bound: float
    found: float | None
    unit: str = ""
    limit: float | None = None

    @property
    def met(self) -> bool:
        """Whether the bound is kept."""
        if self.found is None:
            return False
        return self.found >= self.bound if self.sign == "≥" else self.found <= self.bound


def ratio(ours: list[float], theirs: list[float]) -> float:
    """The median over the rounds of ours / theirs: neighbours in time, so what slows the machine
    for a while slows both.
    """
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def best(measured: dict[str, list[float]], peers: tuple[str, ...], of: Any) -> str | None:
    """The peer with the largest (of=max) or smallest (of=min) median; None where none is there."""
    present = [peer for peer in peers if peer in measured]
    return of(present, key=lambda p: statistics.median(measured[p])) if present else None


def goals(results: dict[str, Any]) -> list[Goal]:
    """All of them."""
    found = []
    for model in (MINILM, GTE_SHAPE):
        found += _of_model(model, results["models"][model])
    cold = results["cold_start"]
    for name, measured in cold.items():
        for peer, bound in (("onnxruntime", 0.6), ("sentence-transformers", 0.05)):
            rivals = ONNXRUNTIME if peer == "onnxruntime" else (peer,)
            times = {p: measured[p]["seconds"] for p in measured}
            rival = best(times, rivals, min)
            value = ratio(times["gtenp from text"], times[rival]) if rival else None
            found.append(Goal(f"cold start against {rival or peer}: {name}", "≤", bound, value))
    growth = results["growth"]
    one, *more = growth["threads"].values()
    value, limit = (ratio(more[0][r], one[r]) if more else None for r in ("gtenp", "limit"))
    what = f"{max(growth['threads'])} threads against one"
    found.append(Goal(what, "≥", 1.85, value, limit=limit))
    (series,) = growth["corpus"]["series"].values()
    peaks = dict(zip(growth["corpus"]["x"], series["peak_mb"], strict=True))
    *_, middle, most = peaks
    what = f"peak memory above the weights, {most:,} texts"
    found.append(Goal(what, "≤", 150.0, peaks[most], " MB"))
    what = f"… flat: more than with {middle:,} texts by"
    found.append(Goal(what, "≤", 15.0, peaks[most] - peaks[middle], " MB"))
    return found


def _of_model(model: str, measured: dict[str, Any]) -> list[Goal]:
    found = []

    def faster(corpus: str, peers: tuple[str, ...], bound: float, what: str) -> None:
        rates = measured["throughput"][corpus]
        rival = best(rates, peers, max)
        ours = "gtenp from text" if rival == "sentence-transformers" else "gtenp"
        value, limit = (ratio(rates[r], rates[rival]) if rival else None for r in (ours, "limit"))
        name = f"throughput, {what}, {rival or peers[0]}: {model}"
        found.append(Goal(name, "≥", bound, value, limit=limit))

    for peers, bound in (
        (ONNXRUNTIME, 2.0),
        (("openvino",), 1.7),
        (("ctranslate2",), 2.5),
        (("transformers",), 3.5),
        (("sentence-transformers",), 3.5),
        (("onnxruntime int8",), 1.1),
        (("openvino bf16",), 1.0),
    ):
        faster("mixed", peers, bound, "mixed")
    faster("chunks", ONNXRUNTIME, 1.3, "512-token chunks")
    faster("chunks", ("openvino",), 1.0, "512-token chunks")
    for corpus, what in (("mixed", "mixed"), ("chunks", "512-token chunks")):
        rates = measured["throughput"][corpus]
        value = ratio(rates["gtenp"], rates["limit"]) if "limit" in rates else None
        found.append(Goal(f"share of the limit, {what}: {model}", "≥", 0.85, value))
    for length, times in measured["latency"].items():
        rounds = {peer: t["rounds"] for peer, t in times.items()}
        rival = best(rounds, (*ONNXRUNTIME, "openvino"), min)
        value, limit = (
            ratio(rounds[r], rounds[rival]) if rival else None for r in ("gtenp", "limit")
        )
        what = f"latency, {length} tokens, against {rival}: {model}"
        found.append(Goal(what, "≤", 1.0, value, limit=limit))
    layers = measured["layers"]
    for kind, what in (("max", "largest error"), ("rms", "root mean square error")):
        worst = max(
            a / b for a, b in zip(layers["gtenp"][kind], layers["torch"][kind], strict=True)
        )
        found.append(Goal(f"{what} / torch's, worst layer: {model}", "≤", 1.0, worst))
    return found
