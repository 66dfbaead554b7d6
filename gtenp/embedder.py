"""Text in, sentence vectors out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from gtenp import hub
from gtenp.batch import length_sorted, pack
from gtenp.checkpoint import load_weights
from gtenp.config import BertConfig, SentenceConfig
from gtenp.encoder import Encoder
from gtenp.errors import InputError, ModelFileError
from gtenp.parallel import available_cpus, one_thread_blas, run_each
from gtenp.pooling import normalize, pool
from gtenp.similarity import cos_sim
from gtenp.tokenizer import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

    from gtenp.kernels import Float32

# Tokens that go through the model at once: enough rows for the matrix product's full speed, few
# enough that a layer's activations stay in the last level of cache.
_MAX_TOKENS = 2048


class Embedder:
    """A BERT sentence embedding model, under the names of sentence-transformers.

    ``name_or_path`` is a folder, a Hub id ("Supabase/gte-small") or a short name ("gte-small",
    "gte-base", "gte-large", "all-MiniLM-L6-v2"). A folder never touches the network, nor does a
    model that is on this machine already; another Hub id is downloaded. ``threads`` is by default
    the number of CPUs that the process may use.

    ModelNotFoundError where the model can't be had; ModelFileError and UnsupportedModelError where
    its folder is damaged or asks for what gtenp does not do.
    """

    def __init__(
        self, name_or_path: str | Path, *, revision: str | None = None, threads: int | None = None
    ) -> None:
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise InputError(f"threads: {threads!r}; wanted a whole number from 1, or None")
        self.threads = threads or available_cpus()
        self.folder = hub.resolve(name_or_path, revision=revision)
        self.config = BertConfig.from_folder(self.folder)
        self.sentence_config = SentenceConfig.from_folder(self.folder)
        self.tokenizer = Tokenizer.from_folder(self.folder)
        largest = self.tokenizer.spec.largest_id
        if largest >= self.config.vocab_size:
            raise ModelFileError(
                self.folder / "config.json",
                f"vocab_size is {self.config.vocab_size}, but the tokenizer's ids go up to "
                f"{largest}; copy all files from the same model",
            )
        self._encoder = Encoder(load_weights(self.folder, self.config), self.config)
        self.max_seq_length = min(
            self.sentence_config.max_seq_length or self.tokenizer.model_max_length,
            self.config.max_position_embeddings,
        )

    @classmethod
    def from_pretrained(cls, name_or_path: str | Path, *, revision: str | None = None) -> Embedder:
        """The same as calling the class; the name that transformers' users look for."""
        return cls(name_or_path, revision=revision)

    @property
    def max_seq_length(self) -> int:
        """Tokens kept of a text, [CLS] and [SEP] included. May be set."""
        return self._max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, length: int) -> None:
        most = self.config.max_position_embeddings
        if not isinstance(length, int) or not 2 < length <= most:
            raise InputError(f"max_seq_length: {length!r}; wanted a whole number from 3 to {most}")
        self._max_seq_length = length

    def get_embedding_dimension(self) -> int:
        """H, the length of one embedding."""
        return self.config.hidden_size

    def encode(
        self,
        sentences: str | Iterable[str],
        batch_size: int | None = None,
        show_progress_bar: bool = False,
        normalize_embeddings: bool | None = None,
    ) -> Float32:
        """Embed texts: a str -> float32 [H]; n texts -> float32 [n, H], in their order.

        ``batch_size`` caps the texts that go through the model at once; without it a token budget
        alone decides. The result does not depend on either beyond 1e-6. ``normalize_embeddings``
        None leaves the choice to the model's own files. A text of more than ``max_seq_length``
        tokens is cut there. InputError names the place of what is not a str.
        """
        if batch_size is not None and (not isinstance(batch_size, int) or batch_size < 1):
            raise InputError(f"batch_size: {batch_size!r}; wanted a whole number from 1, or None")
        texts = [sentences] if isinstance(sentences, str) else _as_list(sentences)
        token_ids = self.tokenizer(texts, truncation=True, max_length=self.max_seq_length)[
            "input_ids"
        ]
        lengths = [len(ids) for ids in token_ids]
        embeddings = np.empty((len(texts), self.get_embedding_dimension()), np.float32)
        # Several texts are shared between threads as batches, a single one by its rows.
        budget = min(_MAX_TOKENS, -(-sum(lengths) // self.threads))
        batches = length_sorted(lengths, budget, batch_size)

        def embed(indices: list[int]) -> None:
            batch = pack([token_ids[i] for i in indices])
            hidden_states = self._encoder.forward(batch, self.threads if len(texts) == 1 else 1)
            embeddings[indices] = pool(
                hidden_states, batch.cu_seqlens, self.sentence_config.pooling_mode
            )

        with one_thread_blas():
            progress = _with_progress(batches, len(texts), show_progress_bar)
            run_each(embed, progress, min(self.threads, len(texts)))
        if self.sentence_config.normalize if normalize_embeddings is None else normalize_embeddings:
            embeddings = normalize(embeddings)
        return embeddings[0] if isinstance(sentences, str) else embeddings

    def similarity(self, embeddings1: npt.ArrayLike, embeddings2: npt.ArrayLike) -> Float32:
        """The cosine of each of the first with each of the second: [N, H], [M, H] -> [N, M]."""
        return cos_sim(embeddings1, embeddings2)


def _as_list(sentences: Iterable[str]) -> list[str]:
    """Any ordered collection of texts as a list; InputError where it is none."""
    if isinstance(sentences, (bytes, bytearray, dict, set, frozenset)) or not isinstance(
        sentences, Iterable
    ):
        raise InputError(
            f"sentences: found {type(sentences).__name__}, wanted a str or a list of str"
        )
    return list(sentences)


def _with_progress(
    batches: Iterator[list[int]], total: int, show_progress_bar: bool
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
