"""``map_ahead`` by forked processes, which share what was in memory before: the weights.

The interpreter's lock is one a process: many threads wait for it, and several processes don't.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import queue
import signal
import threading
from collections import Counter
from multiprocessing.connection import Connection, Pipe, wait
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

from gtenp.errors import GtenpError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

_LOSSES = 3  # processes that may end amid one item: it may be what ends them


def map_forked(
    function: Callable[[Item], Result], items: Iterable[Item], processes: int, threads: int
) -> Iterator[Result]:
    """function(item) of each, in their order, computed by so many processes of so many threads
    each while this one reads items and works on results.

    A process that is killed is replaced, and its items are given anew; GtenpError where an item has
    seen three of them end. Exceptions are raised as by ``map_ahead``. InputError where processes
    can't be forked.
    """
    if not hasattr(os, "fork"):
        raise InputError("--processes: this system can't fork; --shard shares a job as well")
    source: Iterator[tuple[int, Item]] | None = enumerate(items)
    family = _Family(function, threads)
    failure: Exception | None = None
    due = begun = 0  # the number of the next result, and of the next item
    most = 2 * processes * (threads + 1)  # so many at most wait for a slow one
    gc.collect()
    gc.freeze()  # the collector of a child would write to pages that all share
    try:
        family.grow(processes)
        while True:
            while source is not None and begun - due < most and (child := family.idle()):
                try:
                    begun, item = next(source)
                except StopIteration:
                    source = None
                except Exception as error:
                    source, failure = None, error
                else:
                    child.give(begun, item)
                    begun += 1
            if due in family.answers:
                yield family.result(due)
                due += 1
            elif due < begun:
                family.listen()
            elif failure is not None:
                raise failure
            else:
                return
    finally:
        gc.unfreeze()
        family.end()


class _Family(Generic[Item, Result]):
    """The children, and what they have answered."""

    def __init__(self, function: Callable[[Item], Result], threads: int) -> None:
        self.function = function
        self.threads = threads
        self.children: list[_Child[Item]] = []
        self.answers: dict[int, tuple[Any, BaseException | None]] = {}
        self.losses: Counter[int] = Counter()  # by an item's number

    def grow(self, size: int) -> None:
        """Fork until there are so many."""
        while len(self.children) < size:
            self.children.append(_Child(self.function, self.threads, self.children))

    def idle(self) -> _Child[Item] | None:
        """The one that has least to do; None where each has one item more than threads."""
        child = min(self.children, key=lambda child: len(child.given))
        return child if len(child.given) <= self.threads else None

    def listen(self) -> None:
        """Wait for answers, and replace a child that ended."""
        ready = wait([child.connection for child in self.children])
        for child in [child for child in self.children if child.connection in ready]:
            try:
                number, *answer = child.connection.recv()
            except (EOFError, OSError):
                self._replace(child)
            else:
                del child.given[number]
                self.answers[number] = answer[0], answer[1]

    def result(self, number: int) -> Result:
        """What came of an item; its exception is raised."""
        answer, error = self.answers.pop(number)
        if error is not None:
            raise error
        result: Result = answer
        return result

    def _replace(self, child: _Child[Item]) -> None:
        self.children.remove(child)
        ended_by = child.end()
        self.losses.update(list(child.given))  # any of them may be what ended it
        if any(self.losses[number] == _LOSSES for number in child.given):
            raise GtenpError(
                f"{_LOSSES} processes ended at the same texts, the last by {ended_by}; is there "
                "memory enough? Fewer --processes take less"
            )
        self.grow(len(self.children) + 1)
        for number, item in child.given.items():
            self.children[-1].give(number, item)

    def end(self) -> None:
        for child in self.children:
            child.end()


class _Child(Generic[Item]):
    """A forked process, as its parent sees it."""

    def __init__(
        self, function: Callable[[Item], Any], threads: int, others: list[_Child[Item]]
    ) -> None:
        self.given: dict[int, Item] = {}  # what it has not answered, by number
        self.ended_by = ""
        self.connection, theirs = Pipe()
        self.pid = os.fork()
        if not self.pid:
            # It must see its parent's end alone, which tells it when the parent is gone.
            for connection in (self.connection, *(other.connection for other in others)):
                connection.close()
            _serve(function, theirs, threads)
        theirs.close()

    def give(self, number: int, item: Item) -> None:
        self.given[number] = item
        with contextlib.suppress(OSError):  # it is gone, as the next look at its connection tells
            self.connection.send((number, item))

    def end(self) -> str:
        """Have it end, where it has not; by what it did."""
        if not self.ended_by:
            self.connection.close()
            code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.ended_by = f"signal {-code}" if code < 0 else f"exit status {code}"
        return self.ended_by


def _serve(function: Callable[[Any], Any], connection: Connection, threads: int) -> NoReturn:
    """What the child does until its parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
    tasks: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
    sending = threading.Lock()

    def work() -> None:
        while True:
            number, item = tasks.get()
            answer: tuple[int, Any, BaseException | None]
            try:
                answer = number, function(item), None
            except BaseException as error:
                answer = number, None, _carried(error)
            with sending:
                connection.send(answer)

    for _ in range(threads):
        threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            tasks.put(connection.recv())
    except BaseException:
        os._exit(0)


def _carried(error: BaseException) -> BaseException:
    """The exception, or where it can't be carried over, its words."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return GtenpError(str(error))
    return error
