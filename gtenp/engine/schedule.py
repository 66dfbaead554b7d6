"""Many sequences through the encoder: in batches of like length, shared between threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gtenp.engine.batch import length_sorted
from gtenp.engine.parallel import run_each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# Tokens that go through the model at once: enough rows for the matrix product's full speed, few
# enough that a layer's activations stay in the last level of cache.
MAX_TOKENS = 1024

# Tokens below which all go together through BLAS's own threads: each of ours would read all weights
# for a few rows. With two threads, two queries of some 11 tokens take 0.84 of the time so on an
# Intel CPU with AVX-512, 1.05 on an AMD one, and 0.64 and 0.94 there with the Haswell kernel; eight
# would take 0.98, 1.14, 0.90 and 1.02.
_LEAST_SHARED = 64


def run_batches(
    run: Callable[[list[int], int], None],
    lengths: Sequence[int],
    threads: int,
    *,
    max_sequences: int | None = None,
    alone: bool = False,
    show_progress_bar: bool = False,
) -> None:
    """Call ``run`` with the indices of each batch, and in how many threads it may work itself.

    The threads share the batches, or, where one batch would keep the others waiting or is all
    there is, they share its rows. ``alone``: each sequence is a batch of its own, in one thread,
    so that its company and the number of threads change nothing.
    """
    sharing = threads if sum(lengths) >= _LEAST_SHARED else 1
    batches = list(length_sorted(lengths, MAX_TOKENS, 1 if alone else max_sequences, sharing))
    largest = max((sum(lengths[i] for i in batch) for batch in batches), default=0)
    by_rows = largest * threads > 1.5 * sum(lengths) and not alone
    side_by_side, in_a_batch = (1, threads) if by_rows else (threads, 1)

    def run_one(indices: list[int]) -> None:
        run(indices, in_a_batch)

    progress = _with_progress(batches, len(lengths), show_progress_bar)
    run_each(run_one, progress, min(side_by_side, max(1, len(batches))))


def _with_progress(
    batches: list[list[int]], total: int, show_progress_bar: bool
) -> Iterator[list[int]]:
    """The batches as they come, counted in texts on a bar where one is asked for."""
    if not show_progress_bar:
        yield from batches
        return
    from tqdm import tqdm

    with tqdm(total=total, unit="text") as bar:
        for indices in batches:
            yield indices
            bar.update(len(indices))
