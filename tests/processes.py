"""Other processes, as Linux's /proc tells of them."""

from __future__ import annotations

from pathlib import Path


def children_of(pid: int) -> list[int]:
    """The processes that it has started, and that have not been waited for."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(int(path.parent.name))
    return found


def proportional_megabytes(pid: int) -> float:
    """Of its memory, a page that several processes share by its share; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1e3


def family_megabytes(pid: int) -> float:
    """Of a process and its children together."""
    return sum(map(proportional_megabytes, [pid, *children_of(pid)]))
