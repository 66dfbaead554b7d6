"""Threads: how many there are to use, and how to use them over NumPy.

NumPy lets go of Python's lock inside each operation, so threads of Python's own, each over a BLAS
that keeps to one thread, run side by side; they share the elementwise work too, which BLAS's
threads do not.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Item = TypeVar("Item")


def available_cpus() -> int:
    """The CPUs that this process may use: its affinity, and its container's quota rounded up."""
    if sys.version_info >= (3, 13):
        allowed = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = _cgroup_quota(Path("/sys/fs/cgroup"))
    return allowed if quota is None else max(1, min(allowed, -int(-quota // 1)))


def _cgroup_quota(root: Path) -> float | None:
    """CPUs' worth of time that the cgroup grants, in version 2's file or version 1's; None: all."""
    try:
        with contextlib.suppress(FileNotFoundError):
            quota, period = (root / "cpu.max").read_text().split()
            return None if quota == "max" else int(quota) / int(period)
        quota = (root / "cpu/cpu.cfs_quota_us").read_text()
        period = (root / "cpu/cpu.cfs_period_us").read_text()
    except (OSError, ValueError):
        return None
    return None if int(quota) <= 0 else int(quota) / int(period)


@functools.cache
def blas_libraries() -> Any:
    """Each BLAS in this process, NumPy's among them; kept, for the search takes a millisecond."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


class _BlasThreads:
    """Keep BLAS to some threads while anyone is inside; whoever leaves last restores its setting.

    BLAS has one setting for the process: of several callers inside, in threads of their own, the
    one that asked for the fewest is obeyed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted: list[int] = []  # by each who is inside
        self._before: list[int] = []

    @contextlib.contextmanager
    def __call__(self, count: int) -> Iterator[None]:
        with self._lock:
            if not self._wanted:
                self._before = [lib.num_threads for lib in blas_libraries().lib_controllers]
            self._wanted.append(count)
            self._set()
        try:
            yield
        finally:
            with self._lock:
                self._wanted.remove(count)
                self._set()

    def _set(self) -> None:
        counts = [min(self._wanted)] * len(self._before) if self._wanted else self._before
        _set_blas_threads(counts)


def _set_blas_threads(counts: list[int]) -> None:
    for library, count in zip(blas_libraries().lib_controllers, counts, strict=True):
        library.set_num_threads(count)
        # Newer versions of threadpoolctl obey only the thread that set a limit first, until they
        # are told to forget it. Here the thread that restores may be another.
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


blas_threads = _BlasThreads()


def run_each(function: Callable[[Item], None], items: Iterator[Item], threads: int) -> None:
    """Call the function with each item, in that many threads, this one among them.

    The first exception stops them all and is raised here.
    """
    lock = threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        while not failures:
            with lock:
                try:
                    item = next(items)
                except StopIteration:
                    return
                except BaseException as error:
                    failures.append(error)
                    return
            try:
                function(item)
            except BaseException as error:
                failures.append(error)
                return

    # Each in a copy of this thread's context, which holds NumPy's errstate.
    contexts = [contextvars.copy_context() for _ in range(threads - 1)]
    helpers = [
        threading.Thread(target=context.run, args=(work,), daemon=True) for context in contexts
    ]
    try:
        for helper in helpers:
            helper.start()
        work()
        for helper in helpers:
            helper.join()
    except BaseException as error:  # Ctrl-C, or no more threads to be had
        failures.append(error)
        raise
    if failures:
        raise failures[0]
