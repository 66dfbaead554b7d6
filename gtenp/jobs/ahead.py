"""Work shared between threads whose results come in order, while the caller reads and writes."""

from __future__ import annotations

import queue
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """function(item) of each, in their order, computed in that many other threads while this one
    reads items and works on results; a few more items than threads are under way at a time.

    An exception is raised here, in its item's turn; nothing more is begun then. So is one of the
    items' own, when the results of those before it have been given.
    """
    tasks: queue.SimpleQueue[tuple[Future[Result], Item] | None] = queue.SimpleQueue()
    ended = threading.Event()

    def work() -> None:
        while (task := tasks.get()) is not None and not ended.is_set():
            future, item = task
            try:
                future.set_result(function(item))
            except BaseException as error:
                future.set_exception(error)

    # Daemons: Ctrl-C need not wait for them.
    helpers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for helper in helpers:
        helper.start()
    under_way: deque[Future[Result]] = deque()
    source = iter(items)
    failure: Exception | None = None
    try:
        while True:
            try:
                item = next(source)
            except StopIteration:
                break
            except Exception as error:
                failure = error
                break
            future: Future[Result] = Future()
            tasks.put((future, item))
            under_way.append(future)
            if len(under_way) > threads + 1:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
        if failure is not None:
            raise failure
    finally:
        ended.set()
        for _ in helpers:
            tasks.put(None)
