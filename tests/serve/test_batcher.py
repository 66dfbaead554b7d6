import asyncio
import threading

import pytest

from gtenp.serve.batcher import Batcher, ItemError
from gtenp.serve.models import Lane, Work
from gtenp.serve.problem import RequestError


class Model:
    """Doubles numbers; batches wait until ``release`` where it is held."""

    def __init__(self):
        self.batches = []
        self.go_on = threading.Event()
        self.go_on.set()

    def compute(self, lane, items):
        assert self.go_on.wait(10)
        self.batches.append((lane.kind, list(items)))
        if "bad" in items:
            raise ValueError("bad")
        return [item * 2 for item in items]


def work(*items, kind="vectors", size=1):
    return Work(list, Lane(kind), items, [size] * len(items))


@pytest.fixture
def model():
    return Model()


def run(model, scenario, **options):
    """What the scenario, a coroutine function of a batcher, returns."""

    async def main():
        seen = []
        settings = {"max_tokens": 4, "max_requests": 100, **options}
        batcher = Batcher(model.compute, on_batch=lambda *_: None, on_queue=seen.append, **settings)
        result = await scenario(batcher)
        assert not seen or seen[-1] == 0
        return result

    return asyncio.run(main())


async def under_way(batcher, *works):
    """Tasks of the works, each of which has come to the queue."""
    tasks = []
    for one in works:
        tasks.append(asyncio.create_task(batcher.run(one)))
        await asyncio.sleep(0.01)
    return tasks


def items_of(model):
    return [items for _, items in model.batches]


def test_a_lone_request_is_computed_at_once(model):
    async def scenario(batcher):
        results, queued, _ = await batcher.run(work(1, 2))
        return results, queued

    results, queued = run(model, scenario)
    assert results == [2, 4]
    assert queued < 0.05


def test_what_comes_while_a_batch_is_in_flight_makes_the_next_one(model):
    async def scenario(batcher):
        model.go_on.clear()
        tasks = await under_way(batcher, work(1), work(2), work(3), work(4))
        model.go_on.set()
        return [results for results, *_ in await asyncio.gather(*tasks)]

    assert run(model, scenario) == [[2], [4], [6], [8]]
    assert items_of(model) == [[1], [2, 3, 4]]


def test_a_short_request_is_not_kept_waiting_by_a_long_one(model):
    async def scenario(batcher):
        model.go_on.clear()
        tasks = await under_way(batcher, work(*range(20)), work(100), work(200))
        model.go_on.set()
        ends = []
        for number, task in enumerate(tasks):
            task.add_done_callback(lambda _, number=number: ends.append(number))
        await asyncio.gather(*tasks)
        return ends, tasks[0].result()[0]

    ends, results = run(model, scenario)
    assert ends == [1, 2, 0]
    assert results == [2 * i for i in range(20)]
    assert items_of(model)[1] == [4, 100, 200, 5]  # one of each in turn


def test_a_batch_holds_no_more_tokens_than_asked_but_a_whole_item(model):
    async def scenario(batcher):
        model.go_on.clear()
        await asyncio.gather(
            *await release(model, under_way(batcher, work(1), work(2, 3, size=3), work(4, size=9)))
        )

    run(model, scenario)
    assert items_of(model) == [[1], [2], [4], [3]]


async def release(model, tasks):
    found = await tasks
    model.go_on.set()
    return found


def test_batches_are_of_one_lane_and_lanes_take_turns(model):
    async def scenario(batcher):
        model.go_on.clear()
        works = [work(1), work(2, 3, 4, 5, 6), work(7, kind="scores"), work(8, kind="scores")]
        await asyncio.gather(*await release(model, under_way(batcher, *works)))

    run(model, scenario)
    assert model.batches == [
        ("vectors", [1]), ("vectors", [2, 3, 4, 5]), ("scores", [7, 8]), ("vectors", [6]),
    ]  # fmt: skip


def test_who_goes_away_costs_no_compute(model):
    async def scenario(batcher):
        model.go_on.clear()
        tasks = await under_way(batcher, work(1), work(*range(50)), work(2))
        tasks[1].cancel()
        await asyncio.sleep(0.01)
        model.go_on.set()
        await asyncio.gather(*tasks, return_exceptions=True)

    run(model, scenario)
    assert items_of(model) == [[1], [2]]


def test_an_item_that_fails_fails_its_own_request_alone(model):
    async def scenario(batcher):
        model.go_on.clear()
        tasks = await under_way(batcher, work(1), work(2), work(3, "bad"), work(4))
        model.go_on.set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, second, failed, last = run(model, scenario)
    assert (first[0], second[0], last[0]) == ([2], [4], [8])
    assert isinstance(failed, ItemError)
    assert failed.number == 1
    assert isinstance(failed.cause, ValueError)


def test_the_queue_is_bounded_for_one_text_as_for_a_list(model):
    async def scenario(batcher):
        with batcher.admission(), batcher.admission():
            for _ in range(2):
                with pytest.raises(RequestError, match="2 requests are under way") as caught:
                    batcher.admission().__enter__()
                assert caught.value.headers == {"retry-after": "1"}
        with batcher.admission():
            return batcher.admitted

    assert run(model, scenario, max_requests=2) == 1


def test_no_items_are_done_at_once(model):
    assert run(model, lambda batcher: batcher.run(work()))[0] == []
    assert model.batches == []
