"""Work shared between forked processes: order, exceptions, kills, memory."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from places import DATA, TESTS
from processes import children_of, family_megabytes

from gtenp.errors import GtenpError, InputError
from gtenp.jobs.forked import map_forked

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="forks"),
    # Python 3.12 sees OpenBLAS's threads, which look after forks themselves.
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def test_results_come_in_the_items_order_from_several_processes():
    def slow_first(number):
        time.sleep(0.2 if number == 0 else 0)
        return number * 2, os.getpid()

    others = children_of(os.getpid()) if sys.platform == "linux" else []  # of other tests
    results = list(map_forked(slow_first, range(200), 3, 2))
    assert [result for result, _ in results] == [2 * number for number in range(200)]
    processes = {pid for _, pid in results}
    assert 1 < len(processes) <= 3
    assert os.getpid() not in processes
    if sys.platform == "linux":
        assert not set(children_of(os.getpid())) - set(others)


def test_large_items_and_results_pass_each_other():
    items = [np.full(300_000, i) for i in range(12)]
    for item, result in zip(items, map_forked(np.negative, items, 2, 1), strict=True):
        assert np.array_equal(result, -item)


def test_an_exception_is_raised_in_its_turn():
    def function(number):
        if number == 3:
            raise InputError("texts[3]: no")
        return number

    results = map_forked(function, range(50), 2, 1)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match=r"texts\[3\]: no"):
        next(results)


def test_an_exception_of_the_items_comes_behind_the_results_before_it():
    def items():
        yield from range(5)
        raise InputError("line 6: not UTF-8")

    results = map_forked(abs, items(), 2, 1)
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(InputError, match="line 6"):
        next(results)


def test_a_killed_process_is_replaced_and_its_items_are_done(tmp_path):
    def function(number):
        if number == 7 and not (tmp_path / "killed").exists():
            (tmp_path / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert list(map_forked(function, range(40), 2, 2)) == list(range(40))
    assert (tmp_path / "killed").exists()


def test_what_ends_three_processes_is_told_of():
    def function(number):
        if number == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    with pytest.raises(GtenpError, match=r"3 processes ended at the same texts, .* by signal 9"):
        list(map_forked(function, range(40), 2, 1))


# ── gtenp embed --processes ──────────────────────────────────────────────────────────────────────


def start(path, out, *options, model=DATA / "tiny"):
    command = [sys.executable, "-m", "gtenp", "embed", "--model", model, "-q", *options]
    environment = {**os.environ, "PYTHONPATH": str(TESTS.parent), "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen([*map(str, command), str(path), "-o", str(out)], env=environment)


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"hello world {i} of a quick sort\n" for i in range(30_000)))
    return path


def test_several_processes_write_the_bytes_of_one_also_when_one_of_them_is_killed(texts, tmp_path):
    one = start(texts, tmp_path / "one.npy", "--threads", 1)
    several = start(texts, tmp_path / "several.npy", "--processes", 3, "--threads", 3)
    if sys.platform == "linux":
        end = time.monotonic() + 60
        while len(found := children_of(several.pid)) < 3:
            assert several.poll() is None
            assert time.monotonic() < end
        os.kill(found[1], signal.SIGKILL)
    assert (one.wait(120), several.wait(120)) == (0, 0)
    assert (tmp_path / "one.npy").read_bytes() == (tmp_path / "several.npy").read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_processes_end_with_the_one_that_started_them(texts, tmp_path):
    job = start(texts, tmp_path / "out.npy", "--processes", 2)
    while len(found := children_of(job.pid)) < 2:
        assert job.poll() is None
    job.kill()
    job.wait()
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in found):
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_four_processes_take_at_most_a_third_more_memory_than_one_of_as_many_threads(
    gte_small, tmp_path
):
    path = tmp_path / "texts.txt"
    path.write_text("".join(f"hello world {i} of a quick sort\n" for i in range(30_000)))
    sizes = {}
    for count in (1, 4):
        options = ("--processes", count, "--threads", 4)
        job = start(path, tmp_path / f"{count}.npy", *options, model=gte_small)
        most, end = 0, time.monotonic() + 15
        while time.monotonic() < end and job.poll() is None:
            most = max(most, family_megabytes(job.pid))
            time.sleep(0.2)
        job.terminate()
        job.wait()
        sizes[count] = most
    assert 150 < sizes[1] < sizes[4] <= 1.3 * sizes[1], sizes
