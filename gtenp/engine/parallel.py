"""Threads: how many there are to use, how to use them over NumPy, and how they live with forks.

NumPy lets go of Python's lock inside each operation, so threads of Python's own, each over a BLAS
that keeps to one thread, run side by side; they share the elementwise work too, which BLAS's
threads do not.

A forked child has only the thread that forked it. What another thread held at that moment stays
held there for good: a lock of BLAS's, the one thread that BLAS was kept to. And OpenBLAS ends its
threads before a fork, even those that a product waits for. So whoever computes does it inside
``forks_wait`` (``blas_threads`` enters it): a fork waits for those inside, and they find BLAS, and
leave it to the child, as the caller set it.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import math
import os
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Item = TypeVar("Item")

_CGROUP = Path("/sys/fs/cgroup")


def default_threads() -> int:
    """How many threads to use where nobody says: the CPUs that this process may use, or as many as
    NumPy's BLAS is kept to, if these are fewer.

    So OPENBLAS_NUM_THREADS, MKL_NUM_THREADS, OMP_NUM_THREADS and their like hold here too, and so
    does threadpoolctl's threadpool_limits around a call. A BLAS that was built for fewer threads
    than there are CPUs (NumPy's own for 64) counts as kept to them: more gain nothing.
    """
    limit = blas_threads.outside() or _environments_limit()
    return min(available_cpus(), limit or sys.maxsize)


def _environments_limit() -> int | None:
    """For a BLAS that can't be asked, as Apple's; None where the environment says nothing."""
    values = (os.environ.get(name) for name in ("VECLIB_MAXIMUM_THREADS", "OMP_NUM_THREADS"))
    counts = [value.partition(",")[0].strip() for value in values if value]  # OpenMP's may be "4,2"
    return min((int(n) for n in counts if n.isdecimal() and int(n)), default=None)


def available_cpus() -> int:
    """The CPUs that this process may use: its affinity, and its container's quota rounded up."""
    if sys.version_info >= (3, 13):
        allowed = os.process_cpu_count() or 1
    elif hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = _cgroup_quota(_CGROUP)
    return allowed if quota is None else min(allowed, math.ceil(quota))


@functools.cache
def _cgroup_quota(root: Path) -> float | None:
    """CPUs' worth of time that the cgroup grants, in version 2's file or version 1's; None: all.
    Kept: each call of encode asks, and reading takes 60 µs.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            quota, period = (root / "cpu.max").read_text().split()
            return None if quota == "max" else int(quota) / int(period)
        quota = (root / "cpu/cpu.cfs_quota_us").read_text()
        period = (root / "cpu/cpu.cfs_period_us").read_text()
    except (OSError, ValueError):
        return None
    return None if int(quota) <= 0 else int(quota) / int(period)


class _ForksWait:
    """``with forks_wait:`` no fork begins in another thread of this process; one that has begun is
    waited for first.

    A thread may enter again where it is inside, and may fork there: a signal's handler does. But
    who is inside must not wait for another thread that is yet to enter, nor for a lock: the thread
    that forks may have been interrupted while it held it.
    """

    def __init__(self) -> None:
        self._inside: dict[int, int] = {}  # how often each thread has entered
        self._forking: list[int] = []  # threads
        self.generation = 0  # forks between the first process and this one
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(
                before=self._before_fork,
                after_in_parent=self._after_fork,
                after_in_child=self._after_fork_in_child,
            )

    # No lock guards these: a fork could catch it held. A thread says that it is inside and then
    # looks for forks; a fork says that it is one and then looks who is inside. One of them sees the
    # other, whatever the order.

    def __enter__(self) -> None:
        me = threading.get_ident()
        times = self._inside.get(me, 0)
        self._inside[me] = times + 1
        while self._forking and not times and me not in self._forking:
            del self._inside[me]
            time.sleep(0.001)
            self._inside[me] = 1

    def __exit__(self, *_: object) -> None:
        me = threading.get_ident()
        times = self._inside.pop(me)
        if times > 1:
            self._inside[me] = times - 1

    def _before_fork(self) -> None:
        self._forking.append(threading.get_ident())
        while set(self._inside).difference(self._forking):
            time.sleep(0.001)

    def _after_fork(self) -> None:
        self._forking.remove(threading.get_ident())

    def _after_fork_in_child(self) -> None:
        me = threading.get_ident()
        self._inside = {me: self._inside[me]} if me in self._inside else {}
        self._forking = []
        self.generation += 1


forks_wait = _ForksWait()


@functools.cache
def blas_libraries() -> Any:
    """Each BLAS in this process, NumPy's among them; kept, for the search takes a millisecond."""
    from threadpoolctl import ThreadpoolController

    with forks_wait:  # the search holds the loader's lock
        return ThreadpoolController().select(user_api="blas")


@functools.cache
def _numpys_blas() -> list[int]:
    """Which of these are NumPy's own, or all if none is seen to be; but none built without threads,
    whose one thread says nothing.
    """
    libraries = list(enumerate(blas_libraries().lib_controllers))
    own = [(i, library) for i, library in libraries if "numpy" in library.filepath] or libraries
    return [i for i, lib in own if getattr(lib, "threading_layer", None) != "disabled"]


class _BlasThreads:
    """Keep BLAS to some threads while anyone is inside; whoever leaves last restores its setting.

    BLAS has one setting for the process: of several callers inside, in threads of their own, the
    one that asked for the fewest is obeyed. Forks wait meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a signal's handler may encode in the midst of a change
        self._wanted: list[tuple[int, int]] = []  # each who is inside: its thread, and how many
        self._before: list[int] = []  # each library's setting where nobody is
        self._now: list[int] = []
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._after_fork_in_child)

    @contextlib.contextmanager
    def __call__(self, count: int) -> Iterator[None]:
        mine = (threading.get_ident(), count)
        try:
            with self._lock, forks_wait:
                if not self._wanted:
                    self._before = self._now = _blas_setting()
                self._wanted.append(mine)
                self._set()
            with forks_wait:
                yield
        finally:
            with self._lock, forks_wait:
                if mine in self._wanted:  # else Ctrl-C came before
                    self._wanted.remove(mine)
                self._set()

    def outside(self) -> int | None:
        """The threads of NumPy's BLAS where nobody is inside; None where there's no telling."""
        with self._lock, forks_wait:
            setting = self._before if self._wanted else _blas_setting()
            return min((setting[i] for i in _numpys_blas()), default=None)

    def _set(self) -> None:
        counts = self._before
        if self._wanted:
            counts = [min(count for _, count in self._wanted)] * len(counts)
        if counts != self._now:
            self._now = counts
            _set_blas_threads(counts)

    def _after_fork_in_child(self) -> None:
        """Another thread may have been about to begin or to end."""
        self._lock = threading.RLock()
        self._wanted[:] = [wanted for wanted in self._wanted if wanted[0] == threading.get_ident()]
        if self._before:
            self._now = _blas_setting()
            self._set()


def _blas_setting() -> list[int]:
    return [library.num_threads for library in blas_libraries().lib_controllers]


def _set_blas_threads(counts: list[int]) -> None:
    for library, count in zip(blas_libraries().lib_controllers, counts, strict=True):
        library.set_num_threads(count)
        # Newer versions of threadpoolctl obey only the thread that set a limit first, until they
        # are told to forget it: the caller may have set one, and others will.
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)
            if library.num_threads != count:
                library.set_num_threads(count)
                library.clear_controlling_thread(force=True)


blas_threads = _BlasThreads()


def run_each(function: Callable[[Item], None], items: Iterator[Item], threads: int) -> None:
    """Call the function with each item, in that many threads or as many as can be started, this
    one among them.

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

    try:
        with _helpers([work] * (threads - 1)):
            work()
    except BaseException as error:  # Ctrl-C
        failures.append(error)
        raise
    if failures:
        raise failures[0]


def run_together(
    function: Callable[[Item, Callable[[], object]], None], items: Sequence[Item]
) -> bool:
    """Call the function with all items at once, each in a thread of its own, this one among them.

    It gets ``wait`` too, which returns once all have called it. The first exception stops them all
    and is raised here. False where so many threads can't be started: the work is left half done.
    """
    if len(items) == 1:
        function(items[0], lambda: None)
        return True
    barrier = threading.Barrier(len(items))
    failures: list[BaseException] = []

    def run(item: Item) -> None:
        try:
            function(item, barrier.wait)
        except threading.BrokenBarrierError:
            return  # another has failed, and says why
        except BaseException as error:
            failures.append(error)
            barrier.abort()

    first, *others = items
    try:
        with _helpers([functools.partial(run, item) for item in others]) as started:
            if started == len(others):
                run(first)
            else:
                barrier.abort()  # nobody waits for an item that will never run
    except BaseException:  # Ctrl-C
        barrier.abort()
        raise
    if failures:
        raise failures[0]
    return started == len(others)


@contextlib.contextmanager
def _helpers(functions: Sequence[Callable[[], None]]) -> Iterator[int]:
    """Each function in a thread of its own, in their order and as far as threads can be started:
    how many they are. They are waited for at the end, unless this thread fails.
    """
    # Each in a copy of this thread's context, which holds NumPy's errstate.
    contexts = [contextvars.copy_context() for _ in functions]
    generation = forks_wait.generation
    started = []
    for context, function in zip(contexts, functions, strict=True):
        helper = threading.Thread(target=context.run, args=(function,), daemon=True)
        try:
            helper.start()
        except RuntimeError:  # no more threads to be had, as where a container limits them
            break
        started.append(helper)
    yield len(started)
    for helper in started:
        helper.join()
    if started and forks_wait.generation != generation:
        raise RuntimeError("forked in the midst of a call, whose other threads are not here")
