"""Start the workers, and see that only one of them ever runs.

Between two commands a worker is stopped with SIGSTOP: a runtime's idle threads spin for a while,
and the next worker would be measured on what is left of the cores.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from peers import Files

HERE = Path(__file__).parent
# The first four are set on some machines to make sums reproducible, and choose slower kernels or
# other threads; the last would have a cold start compile gtenp anew, but no installed peer.
UNSET = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PYTHONDONTWRITEBYTECODE",
)
ENVIRONMENT = {
    **{k: v for k, v in os.environ.items() if k not in UNSET},
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


class WorkerError(Exception):
    """A worker died; the message ends with its last words."""


def cores(count: int) -> list[int]:
    """That many CPUs which we may use, no two of them threads of one core."""
    chosen: dict[str, int] = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        siblings = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        chosen.setdefault(siblings.read_text() if siblings.exists() else str(cpu), cpu)
    if len(chosen) < count:
        raise SystemExit(f"--threads {count}: this machine has {len(chosen)} cores for us")
    return list(chosen.values())[:count]


class Worker:
    """One runtime in its own process, stopped unless it is asked something."""

    def __init__(self, peer: str, files: Files, texts: Path, threads: int, lanes: int = 1) -> None:
        self.name = f"{peer}, {threads} threads, {lanes} lanes"
        self._log = files.converted / f"{peer.replace(' ', '-')}-{threads}-{lanes}.log"
        cpus = ",".join(map(str, cores(threads)))
        arguments = [peer, files.folder, files.converted, texts, cpus, lanes]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(HERE / "worker.py"), *map(str, arguments)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=ENVIRONMENT,
            )
        self._answer()

    def ask(self, do: str, **options: Any) -> dict[str, Any]:
        """Wake the worker, wait for its answer, and stop it again."""
        self._process.send_signal(signal.SIGCONT)
        print(json.dumps({"do": do, **options}), file=self._process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            words = self._log.read_text().strip().splitlines()
            raise WorkerError(f"{self.name}: {words[-1] if words else 'died without a word'}")
        self._process.send_signal(signal.SIGSTOP)
        _, status = os.waitpid(self._process.pid, os.WUNTRACED)
        if not os.WIFSTOPPED(status):
            raise WorkerError(f"{self.name}: ended on its own, status {status}")
        return json.loads(line)

    def close(self) -> None:
        """End the process, stopped as it is."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
