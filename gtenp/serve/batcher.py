"""Continuous batching: what waits goes through the model together as soon as the model is free.

No timer: a text waits for the batch in flight and for nothing else, so that a lone request is
answered at once, and batches grow by themselves as requests come faster. A batch takes one item
from each request in turn until it is full. So a long list is split, and a short request that comes
after it waits for one batch, not for the whole list.

All of it runs in the event loop but ``compute``, which has a thread of its own; so there are no
locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from gtenp.serve.problem import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gtenp.serve.models import Lane, Work


class _Job:
    """A request that waits: its items, how many of them are under way or done, their results."""

    def __init__(self, work: Work, done: asyncio.Future[None]) -> None:
        self.work = work
        self.done = done
        self.taken = 0
        self.missing = len(work.items)
        self.results: list[Any] = [None] * len(work.items)
        self.begun: float | None = None  # when its first item went to the model

    def receive(self, number: int, result: Any) -> None:
        if self.done.done():
            return
        if isinstance(result, Exception):
            self.done.set_exception(ItemError(number, result))
            return
        self.results[number] = result
        self.missing -= 1
        if not self.missing:
            self.done.set_result(None)


class ItemError(Exception):
    """One item of a request failed, and so did the request; the others' were spared."""

    def __init__(self, number: int, cause: Exception) -> None:
        super().__init__(number, cause)
        self.number = number
        self.cause = cause


class Batcher:
    """Computes the works of many requests together, in batches of at most ``max_tokens`` tokens or
    of one item; RequestError "overloaded" when more than ``max_requests`` are there at once.
    """

    def __init__(
        self,
        compute: Callable[[Lane, Sequence[Any]], Sequence[Any]],
        *,
        max_tokens: int,
        max_requests: int,
        on_batch: Callable[[int, int], None],
        on_queue: Callable[[int], None],
    ) -> None:
        self._compute = compute
        self._max_tokens = max_tokens
        self._max_requests = max_requests
        self._on_batch = on_batch  # told of each: its items, its tokens
        self._on_queue = on_queue  # told of each change: the requests that wait
        self._waiting: deque[_Job] = deque()  # those with items that no batch has taken
        self._thread = ThreadPoolExecutor(1, "gtenp-model")
        self._running: asyncio.Task[None] | None = None
        self.admitted = 0  # requests that are read, computed or written

    @contextlib.contextmanager
    def admission(self) -> Iterator[None]:
        """A place for a request, of one text or of many; RequestError where none is left."""
        if self.admitted >= self._max_requests:
            raise RequestError(
                "overloaded", f"{self.admitted} requests are under way; try again in a second"
            )
        self.admitted += 1
        try:
            yield
        finally:
            self.admitted -= 1

    async def run(self, work: Work) -> tuple[list[Any], float, float]:
        """The items' results, in their order, and the seconds that they waited and took.

        ItemError where one can't be computed. Who cancels this leaves the queue.
        """
        if not work.items:
            return [], 0.0, 0.0
        start = time.perf_counter()
        job = _Job(work, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._on_queue(len(self._waiting))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        await job.done  # a future that is cancelled is done: no batch takes more of the job
        begun = job.begun or start
        return job.results, begun - start, time.perf_counter() - begun

    async def _run(self) -> None:
        """Batch after batch, while there are any."""
        loop = asyncio.get_running_loop()
        try:
            while batch := self._next_batch():
                lane = batch[0][0].work.lane
                items = [job.work.items[number] for job, number in batch]
                tokens = sum(job.work.sizes[number] for job, number in batch)
                self._on_queue(len(self._waiting))
                self._on_batch(len(items), tokens)
                results = await loop.run_in_executor(self._thread, self._each, lane, items)
                for (job, number), result in zip(batch, results, strict=True):
                    job.receive(number, result)
        finally:
            self._running = None
            self._on_queue(len(self._waiting))

    def _next_batch(self) -> list[tuple[_Job, int]]:
        """Items of one lane, one of each request in turn."""
        batch: list[tuple[_Job, int]] = []
        tokens = 0
        lane = None
        of_other_lanes = []
        while self._waiting:
            job = self._waiting.popleft()
            if job.done.done():  # its client has gone, or another of its items has failed
                continue
            lane = lane or job.work.lane
            if job.work.lane != lane:
                of_other_lanes.append(job)
                continue
            size = job.work.sizes[job.taken]
            if batch and tokens + size > self._max_tokens:
                self._waiting.appendleft(job)
                break
            job.begun = job.begun or time.perf_counter()
            batch.append((job, job.taken))
            tokens += size
            job.taken += 1
            if job.taken < len(job.work.items):
                self._waiting.append(job)
        self._waiting.extendleft(reversed(of_other_lanes))  # their turn is next
        return batch

    def _each(self, lane: Lane, items: Sequence[Any]) -> Sequence[Any]:
        """Each item's result or, since one that fails must not fail its neighbours, its error."""
        try:
            return self._compute(lane, items)
        except Exception as error:
            if len(items) == 1:
                return [error]
            return [self._each(lane, [item])[0] for item in items]
