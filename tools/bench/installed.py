"""Installed sizes: the files of each runtime's packages and of all that they depend on.

The files are those which each distribution in this environment lists as its own, the bytecode that
Python makes later left out. Nothing is installed anew for it.
"""

from __future__ import annotations

import re
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

import gtenp


def closure(names: tuple[str, ...]) -> list[Distribution]:
    """The distributions of these names and all that they require, without extras."""
    found: dict[str, Distribution] = {}
    waiting = list(names)
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        found[name] = distribution(name)
        for line in found[name].requires or []:
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                waiting.append(requirement.name)
    return list(found.values())


def megabytes(names: tuple[str, ...]) -> float:
    """What installing these takes on disk."""
    return sum(map(_size, closure(names))) / 1e6


def _size(package: Distribution) -> int:
    if package.metadata["Name"] == "gtenp":  # installed as a link to its sources
        files = list(Path(gtenp.__file__).parent.rglob("*"))
    else:
        files = [Path(str(package.locate_file(file))) for file in package.files or []]
    return sum(f.stat().st_size for f in files if f.is_file() and f.suffix != ".pyc")
