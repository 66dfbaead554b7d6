"""The models that are served: texts → tokens, and batches of tokens → vectors or scores."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gtenp.cross_encoder import CrossEncoder
from gtenp.embedder import Embedder
from gtenp.engine.schedule import MAX_TOKENS
from gtenp.errors import InputError
from gtenp.loading import choose_prompt
from gtenp.model_files import hub
from gtenp.model_files.cross_encoder_config import is_cross_encoder
from gtenp.model_files.sentence_config import EMPTY_PROMPTS
from gtenp.serve.options import Options
from gtenp.serve.problem import RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gtenp.engine.kernels import Float32


class Lane(NamedTuple):
    """What goes through a model together: batches are of one lane."""

    kind: str  # "vectors", "tokens" (a vector for each token) or "scores"
    prompt_length: int = 0  # tokens that the pooling leaves out


VECTORS = Lane("vectors")


@dataclass
class Work:
    """A request, read: what has to go through the model, and what becomes of it then."""

    answer: Callable[[list[Any]], Any]  # the items' results -> the reply, to be written as JSON
    lane: Lane = VECTORS
    items: Sequence[Any] = ()  # a text's ids each, or a pair of texts
    sizes: Sequence[int] = ()  # in tokens
    names: Callable[[int], str] = "item {}".format  # what the client calls the item
    truncated: int = 0  # how many were cut

    @property
    def tokens(self) -> int:
        """In all."""
        return sum(self.sizes)


@dataclass(frozen=True)
class Input:
    """The texts of a request, or their tokens where these are accepted."""

    values: list[Any]
    name: Callable[[int], str]  # what the client calls one of them

    @classmethod
    def read(cls, value: Any, field: str) -> Input:
        """A str, a list of them, or either in token ids, as a list."""
        single = isinstance(value, str) or isinstance(value[0], (int, float))
        return cls([value], lambda _: field) if single else cls(value, f"{field}[{{}}]".format)


@dataclass
class Models:
    """An Embedder, a CrossEncoder or both, and the options that bear upon them."""

    embedder: Embedder | None
    cross_encoder: CrossEncoder | None
    embedder_name: str = ""
    cross_encoder_name: str = ""
    options: Options = field(default_factory=Options)

    @classmethod
    def open(
        cls,
        model: str,
        reranker: str | None = None,
        options: Options | None = None,
        *,
        revision: str | None = None,
        threads: int | None = None,
        default_prompt_name: str | None = None,
    ) -> Models:
        """Open models by their names or paths; ``model`` may itself be a reranker, and then the
        only one.

        The errors are those of Embedder and CrossEncoder; InputError for two rerankers, or one
        whose scores have no order.
        """
        folder = hub.resolve(model, revision=revision)
        embedder = cross_encoder = None
        if not is_cross_encoder(folder):
            embedder = Embedder(
                model, revision=revision, threads=threads, default_prompt_name=default_prompt_name
            )
        elif reranker is not None:
            raise InputError(f"{model} is a reranker, and so is {reranker}; one is served")
        else:
            reranker = model
        if reranker is not None:
            of_model = revision if reranker == model else None
            cross_encoder = CrossEncoder(reranker, revision=of_model, threads=threads)
            if cross_encoder.num_labels != 1:
                raise InputError(
                    f"{reranker}: has {cross_encoder.num_labels} labels, whose scores have no "
                    "order; wanted a reranker, which has one"
                )
        name = "" if embedder is None else model
        return cls(embedder, cross_encoder, name, reranker or "", options or Options())

    @property
    def max_batch_tokens(self) -> int:
        """Tokens of a batch: as asked, or enough for full speed in each of the threads."""
        if self.options.max_batch_tokens:
            return self.options.max_batch_tokens
        models = (self.embedder, self.cross_encoder)
        return MAX_TOKENS * max(model.threads for model in models if model is not None)

    def compute(self, lane: Lane, items: Sequence[Any]) -> Any:
        """A batch through the model: n items -> n vectors [H], matrices [S, H] or logits."""
        if lane.kind != "scores":
            assert self.embedder is not None
            return self.embedder.encode_ids(
                items,
                prompt_length=lane.prompt_length,
                every_token=lane.kind == "tokens",
                batch_invariant=self.options.batch_invariant,
            )
        assert self.cross_encoder is not None
        if not self.options.batch_invariant:
            return self._logits(items)
        return [self._logits([pair])[0] for pair in items]

    def _logits(self, pairs: Sequence[Any]) -> Any:
        assert self.cross_encoder is not None
        return self.cross_encoder.predict(pairs, activation_fn=lambda logits: logits)

    # ── Texts ──

    @property
    def prompt_names(self) -> list[str]:
        """The prompts that a request may ask for."""
        assert self.embedder is not None
        return sorted({*self.embedder.prompts, *EMPTY_PROMPTS})

    def prompt(self, prompt_name: str | None, input_type: str | None = None) -> str:
        """The prompt of that name; else that of queries or documents; else the default one."""
        embedder = self.embedder
        assert embedder is not None
        if prompt_name is None and input_type == "document":
            return embedder.document_prompt()
        name = prompt_name if prompt_name is not None else input_type
        default = embedder.default_prompt_name
        return choose_prompt(embedder.prompts, default, name, None, EMPTY_PROMPTS)

    def embed(
        self,
        given: Input,
        answer: Callable[[list[Any]], Any],
        *,
        prompt: str = "",
        every_token: bool = False,
        truncate: bool | None = None,
        side: str = "right",
    ) -> Work:
        """The work of embedding texts; RequestError names the first that is too long, if none is
        to be cut.
        """
        embedder = self.embedder
        assert embedder is not None
        most = embedder.max_seq_length
        is_text = bool(given.values) and isinstance(given.values[0], str)
        # One token more than is kept tells a cut text from one that just fits.
        ids = (
            embedder.prompted_ids(given.values, prompt, most + 1, side) if is_text else given.values
        )
        too_long = [i for i, row in enumerate(ids) if len(row) > most - 2 * (not is_text)]
        self._refuse_long(too_long, given.name, most, truncate)
        if is_text:
            for i in too_long:
                ids[i] = embedder.prompted_ids([given.values[i]], prompt, most, side)[0]
        else:
            ids = [self._framed(row, most, side) for row in ids]
        return Work(
            answer,
            Lane(
                "tokens" if every_token else "vectors",
                embedder.prompt_length(prompt) if is_text else 0,  # before ids stands no prompt
            ),
            ids,
            list(map(len, ids)),
            given.name,
            len(too_long),
        )

    def _framed(self, ids: list[int], most: int, side: str) -> list[int]:
        """A client's own ids between the special tokens, which it leaves to the server."""
        assert self.embedder is not None
        tokenizer = self.embedder.tokenizer
        kept = ids[: most - 2] if side == "right" else ids[-(most - 2) :]
        ends = (tokenizer.cls_token_id, tokenizer.sep_token_id)
        return [int(id) for id in (ends[0], *kept, ends[1]) if id is not None]

    def score(
        self,
        query: str,
        given: Input,
        answer: Callable[[list[Any]], Any],
        truncate: bool | None = None,
    ) -> Work:
        """The work of scoring texts for a query."""
        assert self.cross_encoder is not None
        most = self.cross_encoder.max_seq_length
        rows = self.cross_encoder.tokenizer(
            [query] * len(given.values),
            given.values,
            truncation=True,
            max_length=most + 1,
            return_token_type_ids=False,
            return_attention_mask=False,
        )["input_ids"]
        too_long = [i for i, row in enumerate(rows) if len(row) > most]
        self._refuse_long(too_long, given.name, most, truncate)
        pairs = [(query, text) for text in given.values]
        sizes = [min(len(row), most) for row in rows]
        return Work(answer, Lane("scores"), pairs, sizes, given.name, len(too_long))

    def _refuse_long(
        self, too_long: list[int], name: Callable[[int], str], most: int, truncate: bool | None
    ) -> None:
        cut = self.options.auto_truncate if truncate is None else truncate
        if too_long and not cut:
            first = name(too_long[0])
            of_several = f", the first of {len(too_long)} that do" * (len(too_long) > 1)
            raise RequestError(
                "invalid",
                f"{first} has more than {most} tokens{of_several}; "
                'shorten it, or have it cut: "truncate": true',
                first,
            )


def finite(matrix: Float32) -> Float32:
    """The numbers as they are; RequestError where one is NaN or infinite, which JSON can't say."""
    if not np.isfinite(matrix).all():
        raise RequestError("failed", "the model gives numbers that are not finite for this input")
    return matrix
