import contextlib
import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import types
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from golden import EMBEDDING_TOLERANCE
from hypothesis import given, settings
from hypothesis import strategies as st
from places import DATA, ROOT
from texts import golden_texts
from threadpoolctl import threadpool_limits

from gtenp import Embedder
from gtenp.engine import parallel
from gtenp.engine.batch import pack
from gtenp.engine.encoder import _LEAST_SHARE, _shares
from gtenp.engine.parallel import (
    available_cpus,
    blas_libraries,
    blas_threads,
    default_threads,
    forks_wait,
    run_each,
    run_together,
)
from gtenp.errors import InputError

TEXTS = golden_texts()[:40]
EMBEDDERS = [Embedder(DATA / "tiny", threads=threads) for threads in (1, 2, 3)]
pytestmark = pytest.mark.filterwarnings("ignore::gtenp.TruncationWarning")


def blas_setting() -> list[int]:
    return [library["num_threads"] for library in blas_libraries().info()]


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, None),
        ({"cpu.max": "max 100000\n"}, None),
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, None),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 0.5),
        ({"cpu.max": "nonsense"}, None),
    ],
)
def test_the_cgroups_quota_is_read_in_both_versions(tmp_path, files, cpus):
    (tmp_path / "cpu").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert parallel._cgroup_quota(tmp_path) == cpus


@pytest.mark.parametrize(("quota", "cpus"), [(0.5, 1), (1.0, 1), (1.5, 2), (3.0, 3), (9.0, 4)])
def test_a_quota_is_rounded_up_to_at_most_the_cpus_there_are(monkeypatch, quota, cpus):
    monkeypatch.setattr(parallel, "_cgroup_quota", lambda _: quota)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 4, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2, 4, 6}, raising=False)
    assert available_cpus() == cpus


def printed(script: str, **environment: str) -> str:
    """What a fresh process prints. Its children, whatever becomes of them, die with it."""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=60)
    finally:
        if hasattr(os, "killpg"):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.kill()
    assert process.returncode == 0, output
    return output


# ── How many threads where nobody says ───────────────────────────────────────────────────────────


@pytest.fixture
def four_cpus(monkeypatch):
    monkeypatch.setattr(parallel, "available_cpus", lambda: 4)
    with threadpool_limits(4):
        yield


@pytest.mark.parametrize("name", ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"])
def test_the_environment_bounds_the_default(name):
    script = """
from gtenp.engine import parallel
parallel.available_cpus = lambda: 4
import numpy
print(parallel.default_threads())
"""
    if blas_libraries().info()[0]["internal_api"] != "openblas":
        pytest.skip("NumPy's BLAS is another")
    rest = {"OPENBLAS_NUM_THREADS": "", "GOTO_NUM_THREADS": "", "OMP_NUM_THREADS": ""}
    assert printed(script, **{**rest, name: "1"}) == "1\n"


@pytest.mark.usefixtures("four_cpus")
def test_one_thread_around_a_call_bounds_that_call():
    embedder, seen = Embedder(DATA / "tiny"), []
    forward = embedder.encoder.forward
    embedder.encoder.forward = lambda batch, threads, *others: (
        seen.append(threads) or forward(batch, 1, *others)
    )
    embedder.encode("long " * 60, truncate="silent")
    with threadpool_limits(1):
        embedder.encode("long " * 60, truncate="silent")
    with threadpool_limits(limits=2, user_api="blas"):
        embedder.encode("long " * 60, truncate="silent")
        assert embedder.threads == 2
    assert seen == [4, 1, 2]


@pytest.mark.usefixtures("four_cpus")
def test_a_limit_above_the_cpus_is_none():
    with threadpool_limits(7):
        assert default_threads() == 4


@pytest.mark.usefixtures("four_cpus")
def test_threads_that_are_asked_for_override_the_limits_around():
    embedder = Embedder(DATA / "tiny", threads=3)
    with threadpool_limits(1):
        assert embedder.threads == 3
        with blas_threads(3):
            assert set(blas_setting()) == {3}
        assert set(blas_setting()) == {1}
    embedder.threads = None
    assert embedder.threads == 4
    with pytest.raises(InputError, match="threads"):
        embedder.threads = 0


@pytest.mark.usefixtures("four_cpus")
def test_what_a_call_does_to_blas_bounds_no_other():
    with blas_threads(1):
        assert default_threads() == 4


@pytest.mark.usefixtures("four_cpus")
def test_a_limit_that_another_thread_holds_does_not_stop_ours():
    with threadpool_limits(2), ThreadPoolExecutor(1) as pool:

        def setting_inside() -> list[int]:
            with blas_threads(1):
                return blas_setting()

        assert set(pool.submit(setting_inside).result()) == {1}
        assert set(blas_setting()) == {2}


@pytest.mark.usefixtures("four_cpus")
def test_ours_stops_no_limit_that_the_caller_sets_afterwards():
    with blas_threads(1):
        pass
    with ThreadPoolExecutor(1) as pool:

        def limited() -> int:
            with threadpool_limits(2):
                return default_threads()

        assert pool.submit(limited).result() == 2


class Library:
    def __init__(self, filepath, num_threads, threading_layer="pthreads"):
        self.filepath, self.num_threads = filepath, num_threads
        self.threading_layer = threading_layer


@pytest.mark.parametrize(
    ("libraries", "environment", "threads"),
    [
        ([Library("numpy.libs/libopenblas.so", 3), Library("torch/libmkl_rt.so", 1)], {}, 3),
        ([Library("lib/libopenblas.so", 3), Library("lib/libmkl_rt.so", 2)], {}, 2),
        ([Library("numpy.libs/libopenblas.so", 1, "disabled")], {}, 4),
        ([], {}, 4),
        ([], {"VECLIB_MAXIMUM_THREADS": "1"}, 1),
        ([], {"VECLIB_MAXIMUM_THREADS": "3", "OMP_NUM_THREADS": "2,1"}, 2),
        ([], {"OMP_NUM_THREADS": "0", "VECLIB_MAXIMUM_THREADS": "many"}, 4),
        ([Library("numpy.libs/libopenblas.so", 3)], {"OMP_NUM_THREADS": "1"}, 3),  # set since then
    ],
)
def test_numpys_own_blas_is_asked_and_the_environment_where_it_cannot_be(
    monkeypatch, libraries, environment, threads
):
    for name in ("OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(parallel, "available_cpus", lambda: 4)
    monkeypatch.setattr(
        parallel, "blas_libraries", lambda: types.SimpleNamespace(lib_controllers=libraries)
    )
    monkeypatch.setattr(parallel, "_numpys_blas", parallel._numpys_blas.__wrapped__)
    assert default_threads() == threads


# ── Threads side by side ─────────────────────────────────────────────────────────────────────────


def test_every_item_is_taken_once_whatever_the_threads():
    for threads in (1, 2, 5):
        taken = []
        run_each(taken.append, iter(range(100)), threads)
        assert sorted(taken) == list(range(100))


def test_every_thread_has_the_callers_errstate():
    seen = {}

    def look(_, wait=lambda: None):
        seen[threading.current_thread()] = np.geterr()["divide"]
        wait()

    with np.errstate(divide="raise"):
        run_together(look, [0, 1, 2])
        run_each(lambda number: (look(number), time.sleep(0.01)), iter(range(20)), 3)
    assert len(seen) == 5
    assert set(seen.values()) == {"raise"}


def test_the_first_exception_stops_all_and_is_raised():
    def fail(item):
        if item == 3:
            raise KeyError(item)

    items = itertools.count()
    with pytest.raises(KeyError, match="3"):
        run_each(fail, items, 2)
    assert next(items) < 1000


def test_blas_is_kept_to_one_thread_and_given_back():
    before = blas_setting()
    with blas_threads(1):
        assert blas_setting() == [1] * len(before)
        with blas_threads(1):
            pass
        assert blas_setting() == [1] * len(before)
    assert blas_setting() == before


def test_of_several_callers_the_one_that_wants_the_fewest_blas_threads_is_obeyed():
    before = blas_setting()
    with blas_threads(2):
        with blas_threads(1):
            assert blas_setting() == [1] * len(before)
            with blas_threads(2):
                assert blas_setting() == [1] * len(before)
        assert blas_setting() == [2] * len(before)
    assert blas_setting() == before


def test_the_callers_setting_is_restored_even_when_encode_fails():
    before = blas_setting()
    embedder = Embedder(DATA / "tiny")
    embedder.encoder.forward = None  # not callable
    with pytest.raises(TypeError):
        embedder.encode(TEXTS, truncate="silent")
    assert blas_setting() == before


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_the_thread_count_does_not_change_vectors(threads):
    one, several = Embedder(DATA / "tiny", threads=1), Embedder(DATA / "tiny", threads=threads)
    expected = one.encode(TEXTS, truncate="silent")
    assert np.abs(several.encode(TEXTS, truncate="silent") - expected).max() <= EMBEDDING_TOLERANCE
    for text, embedding in zip(TEXTS, expected, strict=True):
        assert (
            np.abs(several.encode(text, truncate="silent") - embedding).max() <= EMBEDDING_TOLERANCE
        )


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=12), st.data())
def test_batch_invariant_vectors_are_the_same_to_the_bit_in_any_company(company, data):
    text = data.draw(st.sampled_from(TEXTS))
    place = data.draw(st.integers(0, len(company)))
    expected = EMBEDDERS[0].encode(text, truncate="silent", batch_invariant=True)
    for embedder in EMBEDDERS:
        together = embedder.encode(
            [*company[:place], text, *company[place:]], truncate="silent", batch_invariant=True
        )
        assert together[place].tobytes() == expected.tobytes()
        alone = embedder.encode(text, truncate="silent", batch_invariant=True)
        assert alone.tobytes() == expected.tobytes()


def test_batch_invariant_vectors_of_gte_smalls_shape_are_the_same_to_the_bit(gte_small):
    one, three = Embedder(gte_small, threads=1), Embedder(gte_small, threads=3)
    expected = one.encode(TEXTS, truncate="silent", batch_invariant=True)
    found = three.encode(TEXTS[::-1], truncate="silent", batch_invariant=True)[::-1]
    assert found.tobytes() == expected.tobytes()
    for text, embedding in zip(TEXTS[::8], expected[::8], strict=True):
        alone = three.encode(text, truncate="silent", batch_invariant=True)
        assert alone.tobytes() == embedding.tobytes()
    ordinary = one.encode(TEXTS, truncate="silent")
    assert np.abs(ordinary - expected).max() <= EMBEDDING_TOLERANCE


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["long " * 60], {3}),
        (["long " * 60, "short"], {3}),  # alone, the long one would keep two threads waiting
        (["long " * 60] * 6, {1}),
        (["a few", "short texts"] * 3, {3}),  # all together: too little for a share each
    ],
)
def test_threads_share_the_rows_of_a_batch_that_the_others_would_wait_for(texts, expected):
    embedder, alone = Embedder(DATA / "tiny", threads=3), Embedder(DATA / "tiny", threads=1)
    forward, seen = embedder.encoder.forward, set()

    def watched(batch, threads, *others):
        seen.add(threads)
        return forward(batch, threads, *others)

    embedder.encoder.forward = watched
    found = embedder.encode(texts, truncate="silent")
    assert seen == expected
    difference = np.abs(found - alone.encode(texts, truncate="silent"))
    assert difference.max() <= EMBEDDING_TOLERANCE


@pytest.mark.parametrize("threads", [1, 2, 3, 7])
def test_shares_are_all_rows_in_order_of_about_one_size_and_none_too_small(threads):
    least = _LEAST_SHARE
    for total in (0, 1, least, 2 * least - 1, 2 * least, 3 * least + 5, 1000):
        shares = _shares(total, threads)
        assert [row for rows in shares for row in rows] == list(range(total))
        assert len(shares) == min(threads, max(1, total // least))
        sizes = [len(rows) for rows in shares]
        assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("tokens", "inside"), [(5, 2), (512, 1)])
def test_the_rows_of_a_short_text_are_left_to_blass_threads_alone(monkeypatch, tokens, inside):
    encoder, seen = EMBEDDERS[0].encoder, set()
    attend = encoder._attend

    def watched(*arguments):
        seen.update(blas_setting())
        attend(*arguments)

    monkeypatch.setattr(encoder, "_attend", watched)
    encoder.forward(pack([list(range(min(tokens, 64)))] * -(-tokens // 64)), 2)
    assert seen == {inside}


def test_a_long_text_shared_by_rows_equals_the_same_alone(gte_small):
    encoder = Embedder(gte_small).encoder
    batch = pack([list(range(1000, 1300)), list(range(2000, 2100))])
    with blas_threads(1):
        alone = encoder.forward(batch)
        for threads in (2, 3):
            assert np.abs(encoder.forward(batch, threads) - alone).max() <= 1e-5


def test_a_failure_in_one_share_reaches_the_caller(monkeypatch):
    embedder = Embedder(DATA / "tiny", threads=2)
    attend, main = embedder.encoder._attend, threading.current_thread()

    def fail_elsewhere(*arguments):
        if threading.current_thread() is not main:
            raise MemoryError("planted")
        return attend(*arguments)

    monkeypatch.setattr(embedder.encoder, "_attend", fail_elsewhere)
    with pytest.raises(MemoryError, match="planted"):
        embedder.encoder.forward(pack([list(range(64))] * 4), 2)


def test_callers_own_threads_may_encode_at_the_same_time():
    embedder = Embedder(DATA / "tiny", threads=2)
    expected, before = embedder.encode(TEXTS, truncate="silent"), blas_setting()
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: embedder.encode(TEXTS, truncate="silent"), range(12)):
            assert np.abs(found - expected).max() <= EMBEDDING_TOLERANCE
    assert blas_setting() == before


def encode_in_child(embedder, queue):
    queue.put(embedder.encode(TEXTS[:5], truncate="silent"))


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_an_embedder_works_in_a_child_process(method):
    embedder = Embedder(DATA / "tiny", threads=2)
    expected = embedder.encode(TEXTS[:5], truncate="silent")
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    child = context.Process(target=encode_in_child, args=(embedder, queue))
    child.start()
    assert np.abs(queue.get(timeout=60) - expected).max() <= EMBEDDING_TOLERANCE
    child.join()


def test_an_embedder_can_be_pickled():
    embedder = Embedder(DATA / "tiny")
    again = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(
        again.encode(TEXTS, truncate="silent"), embedder.encode(TEXTS, truncate="silent")
    )


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_a_thread_count_that_is_none_is_an_error(threads):
    with pytest.raises(InputError, match="threads"):
        Embedder(DATA / "tiny", threads=threads)


def limit_threads(monkeypatch, count: int) -> None:
    """As a container does, or a user's limit: so many threads can be started, and no more."""
    start, left = threading.Thread.start, [None] * count

    def start_some(thread):
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)


@pytest.mark.parametrize("count", [0, 1])
@pytest.mark.parametrize("texts", [TEXTS, ["long " * 60]], ids=["batches", "rows"])
def test_where_no_more_threads_can_be_started_those_there_are_do_it_all(monkeypatch, count, texts):
    expected = EMBEDDERS[0].encode(texts, truncate="silent")
    limit_threads(monkeypatch, count)
    found = Embedder(DATA / "tiny", threads=3).encode(texts, truncate="silent")
    assert np.abs(found - expected).max() <= EMBEDDING_TOLERANCE


def test_rows_shared_by_two_of_three_threads_are_done_again_by_one(monkeypatch):
    encoder, batch = EMBEDDERS[0].encoder, pack([list(range(64))] * 8)
    expected, before = encoder.forward(batch), blas_setting()
    for count in (0, 1):
        limit_threads(monkeypatch, count)
        assert np.abs(encoder.forward(batch, 3) - expected).max() <= 2e-6
    assert blas_setting() == before


def test_items_that_cannot_all_run_at_once_are_left_and_said_so(monkeypatch):
    ran = []
    assert run_together(lambda item, wait: (ran.append(item), wait()), [1, 2, 3])
    assert sorted(ran) == [1, 2, 3]
    limit_threads(monkeypatch, 1)
    finished = []
    assert not run_together(lambda item, wait: (wait(), finished.append(item)), [1, 2, 3])
    assert not finished


@pytest.fixture
def second_thread_fails(monkeypatch):
    """The first thread that is started runs; the second raises. A list of those that ran."""
    start, started = threading.Thread.start, []

    def start_one(thread):
        if started:
            raise KeyboardInterrupt
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_one)
    return started


def test_an_interrupt_between_threads_stops_those_that_run(second_thread_fails):
    with pytest.raises(KeyboardInterrupt):
        run_each(lambda _: time.sleep(0.001), itertools.count(), 3)
    second_thread_fails[0].join(timeout=10)
    assert not second_thread_fails[0].is_alive()


def test_a_share_without_a_thread_leaves_nobody_waiting(second_thread_fails):
    encoder = EMBEDDERS[0].encoder  # to load another would start a thread
    with pytest.raises(KeyboardInterrupt):
        encoder.forward(pack([list(range(64))] * 6), 3)
    second_thread_fails[0].join(timeout=10)
    assert not second_thread_fails[0].is_alive()


# ── Forks ────────────────────────────────────────────────────────────────────────────────────────

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def test_a_fork_waits_for_those_inside_and_they_that_come_later_for_the_fork():
    left, forked, events = threading.Event(), threading.Event(), []

    def compute() -> None:
        with forks_wait:
            with forks_wait:
                pass
            left.wait()
            events.append("left")

    def fork() -> None:
        forks_wait._before_fork()
        events.append("forks")
        forked.wait()
        events.append("forked")
        forks_wait._after_fork()

    def compute_later() -> None:
        with forks_wait:
            events.append("later")

    threads = [threading.Thread(target=run) for run in (compute, fork, compute_later)]
    for thread in threads:
        thread.start()
        time.sleep(0.02)
    assert events == []
    left.set()
    threads[0].join()
    time.sleep(0.02)
    assert events == ["left", "forks"]
    forked.set()
    for thread in threads:
        thread.join()
    assert events == ["left", "forks", "forked", "later"]


# Each forks again and again while other threads encode. A child that hangs is ended by its alarm.
FORKS = f"""
import os, signal, sys, threading, time
import numpy as np
from gtenp import Embedder
from gtenp.engine.parallel import blas_libraries, blas_threads

embedder = Embedder({str(DATA / "tiny")!r}, threads=2)
TEXTS = ["short", "a text of some words", "long " * 60] + ["one of many texts"] * 16

def setting():
    return [library["num_threads"] for library in blas_libraries().info()]

def encode(texts):
    return embedder.encode(texts, truncate="silent", batch_invariant=True)

def forever():
    while True:
        for texts in ("short", TEXTS, "long " * 60):
            embedder.encode(texts, truncate="silent")

def load(threads):
    for _ in range(threads):
        threading.Thread(target=forever, daemon=True).start()

expected, before = encode(TEXTS).tobytes(), setting()

def child():
    signal.alarm(20)
    assert setting() == before, "BLAS's threads"
    for _ in range(2):
        embedder.encode("short"), embedder.encode(TEXTS, truncate="silent")
    assert encode(TEXTS).tobytes() == expected, "vectors"
    assert setting() == before, "BLAS's threads afterwards"

def fork():
    pid = os.fork()
    if not pid:
        try:
            child()
            os._exit(0)
        except BaseException as error:
            print(error, flush=True)
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
"""


@needs_fork
def test_children_forked_while_other_threads_encode_encode_too():
    script = (
        "load(2)\nprint([fork() for _ in range(40)])\nembedder.encode(TEXTS, truncate='silent')"
    )
    assert printed(FORKS + script) == f"{[0] * 40}\n"


@needs_fork
def test_children_of_a_process_that_has_loaded_and_encoded_give_the_same_vectors():
    assert printed(FORKS + "print([fork() for _ in range(4)])") == "[0, 0, 0, 0]\n"


@needs_fork
def test_a_pool_of_processes_may_be_forked_while_the_parent_encodes():
    script = """
import multiprocessing
load(1)
with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=2) as pool:
    found = pool.map_async(encode, [TEXTS] * 12, chunksize=1).get(timeout=30)
print({vectors.tobytes() == expected for vectors in found})
"""
    assert printed(FORKS + script) == "{True}\n"


@needs_fork
def test_a_child_forked_in_the_midst_of_its_own_threads_pass_encodes_too():
    script = """
load(2)
with blas_threads(1):
    before = [1] * len(before)
    codes = [fork() for _ in range(8)]
print(codes)
"""
    assert printed(FORKS + script) == f"{[0] * 8}\n"


@needs_fork
def test_a_signals_handler_may_fork_in_the_midst_of_a_call():
    script = """
def child():
    pass

def interrupt():
    for i in range(100):
        time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGUSR1)
        while len(codes) <= i:
            time.sleep(0.001)

codes = []
signal.signal(signal.SIGUSR1, lambda *_: codes.append(fork()))
load(1)
interrupter = threading.Thread(target=interrupt)
interrupter.start()
while interrupter.is_alive():
    with blas_threads(2):
        pass
    embedder.encode("short")
    embedder.encode(TEXTS, truncate="silent")
print(codes)
"""
    assert printed(FORKS + script) == f"{[0] * 100}\n"


@needs_fork
@pytest.mark.parametrize(
    "moment",
    [
        "forks_wait._inside[1] = 1",  # about to enter
        "blas_threads._wanted.append((1, 1)); blas_threads._set()",  # has, or is about to leave
        "parallel._set_blas_threads([1] * len(before))",  # its last change is not yet done
    ],
)
def test_what_another_thread_was_about_to_do_is_nothing_to_the_child(moment):
    # Of functions to call before a fork the first registered is the last called.
    script = f"""
import os
os.register_at_fork(before=lambda: caught())
{FORKS}
from gtenp.engine import parallel
from gtenp.engine.parallel import forks_wait

def caught():
    if os.getpid() == parent:
        with blas_threads(1):
            pass
        {moment}

def child():
    signal.alarm(20)
    assert setting() == before, "BLAS's threads"
    if os.getppid() == parent:
        assert fork() == 0, "a child's child"

parent = os.getpid()
print(fork())
"""
    assert printed(script, OPENBLAS_NUM_THREADS="2") == "0\n"


@needs_fork
def test_a_child_that_lacks_a_calls_other_threads_says_so_instead_of_giving_half():
    script = """
import os, threading, time
from gtenp.engine.parallel import run_each
main, children = threading.current_thread(), []
def work(item):
    if threading.current_thread() is main and not children:
        children.append(os.fork())
    time.sleep(0.01)
try:
    run_each(work, iter(range(10)), 2)
except RuntimeError as error:
    print(error, flush=True)
    os._exit(0)
print(os.waitpid(children[0], 0)[1])
"""
    assert printed(script).splitlines() == [
        "forked in the midst of a call, whose other threads are not here", "0",
    ]  # fmt: skip
