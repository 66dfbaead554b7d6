import itertools
import multiprocessing
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from golden import EMBEDDING_TOLERANCE
from hypothesis import given, settings
from hypothesis import strategies as st
from places import DATA
from texts import golden_texts

from gtenp import Embedder
from gtenp.engine import parallel
from gtenp.engine.batch import pack
from gtenp.engine.parallel import blas_libraries, blas_threads, run_each
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


def test_a_quota_of_half_a_cpu_leaves_one_thread(monkeypatch):
    monkeypatch.setattr(parallel, "_cgroup_quota", lambda _: 0.5)
    assert parallel.available_cpus() == 1


def test_every_item_is_taken_once_whatever_the_threads():
    for threads in (1, 2, 5):
        taken = []
        run_each(taken.append, iter(range(100)), threads)
        assert sorted(taken) == list(range(100))


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
    encoder = Embedder(DATA / "tiny", threads=1).encoder
    with pytest.raises(KeyboardInterrupt):
        encoder.forward(pack([list(range(64))] * 6), 3)
    second_thread_fails[0].join(timeout=10)
    assert not second_thread_fails[0].is_alive()
