"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from gtenp.measure.speed import cpu

PACKAGES = (
    "numpy",
    "onnxruntime",
    "openvino",
    "ctranslate2",
    "torch",
    "transformers",
    "sentence-transformers",
    "tokenizers",
)
# The vector units that decide which kernel is chosen.
FEATURES = re.compile(r"avx\w*|fma|f16c|amx\w*|asimd\w*|sve\w*|bf16|i8mm")


def describe(blas: list[dict], threads: int) -> dict[str, object]:
    """CPU, system, versions; `blas` is what threadpoolctl found in gtenp's process."""
    flags = re.search(r"(?:flags|Features)\s*: (.*)", Path("/proc/cpuinfo").read_text())
    found = next(info for info in blas if info["user_api"] == "blas")
    return {
        "cpu": cpu(),
        "features": [f for f in flags.group(1).split() if FEATURES.fullmatch(f)] if flags else [],
        "cpus": os.cpu_count(),
        "threads": threads,
        "system": f"{platform.system()} {platform.release()}, {platform.libc_ver()[0]}",
        "python": platform.python_version(),
        "blas": f"{found['internal_api']} {found['version']}",
        "kernel": found.get("architecture") or "not known",
        "versions": {name: version(name) for name in PACKAGES},
    }
