"""The most memory that a process has had resident."""

from __future__ import annotations

import resource
from pathlib import Path


def peak_megabytes() -> int:
    """Of this process alone, in MB. getrusage's figure would on Linux begin with the parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20  # macOS counts bytes
