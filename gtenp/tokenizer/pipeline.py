"""What a tokenizer.json does between the added tokens and the template, stage after stage.

Normalizers, pre-tokenizers and Unigram or BPE put together, as ``bert_pipeline.py`` does with
BERT's stages, under the same methods.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING

from gtenp.tokenizer.bpe import Bpe, BpeModel
from gtenp.tokenizer.characters import is_space
from gtenp.tokenizer.edits import Lowercase, Replace
from gtenp.tokenizer.graphemes import grapheme_class
from gtenp.tokenizer.memory import StrIds
from gtenp.tokenizer.metaspace import Metaspace, WhitespaceSplit
from gtenp.tokenizer.precompiled import Precompiled
from gtenp.tokenizer.split import WORDS, Split
from gtenp.tokenizer.unicode_forms import UnicodeForm
from gtenp.tokenizer.unigram import Unigram

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Set

    from gtenp.tokenizer.metaspace import Segment
    from gtenp.tokenizer.stages import Normalizer, Stages

# The classes of what is in one grapheme cluster with what precedes it.
EXTENDING = "xnjzs"
# How far back from a wanted length a place to cut a text is looked for.
SEARCHED = 1000


class JoinsSpaceError(Exception):
    """What stands between two spaces makes a grapheme cluster with one of them."""


class Pipeline:
    """Text without added tokens → ids: normalize, split into words, cut those by the model.

    >>> from gtenp.tokenizer.metaspace import WhitespaceSplit
    >>> from gtenp.tokenizer.stages import Stages
    >>> from gtenp.tokenizer.unigram import UnigramModel
    >>> vocab = {"<unk>": 0, "▁": 1, "▁em": 2, "bed": 3}
    >>> splits = WhitespaceSplit(), Metaspace("▁", "always", True)
    >>> stages = Stages((), splits, (), UnigramModel([-1.0] * 4, unk_id=0))
    >>> pipeline = Pipeline(vocab, stages)
    >>> list(pipeline.ids("embed !")), list(pipeline.words("embed !", 0, 7, 1))
    ([2, 3, 1, 0], [[(2, 0, 2), (3, 2, 5)], [(1, 6, 7), (0, 6, 7)]])
    """

    cuts_at_lone_spaces = True  # alone, by ``head``

    def __init__(self, vocab: Mapping[str, int], stages: Stages) -> None:
        self._stages = stages
        model = stages.model
        self._model: Unigram | Bpe = (
            Bpe(vocab, model) if isinstance(model, BpeModel) else Unigram(vocab, model)
        )
        # Whether words hang on where their text stands, which ``ids`` isn't told.
        self.needs_places = any(
            isinstance(stage, Metaspace) and stage.prepend_scheme == "first"
            for stage in stages.pre_tokenizers
        )
        # Whether no stage looks across a space, but where one is part of a grapheme cluster.
        self._parts_at_spaces = (
            all(isinstance(n, Precompiled | UnicodeForm | Lowercase) for n in stages.normalizers)
            and self.normalize(" ") == " "
            and WhitespaceSplit() in stages.pre_tokenizers[:1]
        )
        self._chunk_ids = StrIds(self._ids_of_chunk)
        self._cuts = all(map(stays_within_words, stages.normalizers)) and all(
            not isinstance(stage, Split) or stage.pattern == WORDS
            for stage in stages.pre_tokenizers
        )

    def ids(self, text: str) -> Iterable[int]:
        """The ids of a text."""
        if self._parts_at_spaces:
            try:
                chunks = map(self._chunk_ids.__getitem__, text.split(" "))
                return list(chain.from_iterable(chunks))
            except JoinsSpaceError:
                pass
        return self.normal_ids(self.normalize(text))

    def _ids_of_chunk(self, chunk: str) -> tuple[int, ...]:
        """The ids of what stands between two spaces."""
        if chunk and (grapheme_class(chunk[0]) in EXTENDING or grapheme_class(chunk[-1]) == "p"):
            raise JoinsSpaceError
        return tuple(self.normal_ids(self.normalize(chunk)))

    def normalize(self, text: str) -> str:
        """The normalized text."""
        for normalizer in self._stages.normalizers:
            text = normalizer(text)
        return text

    def align(self, text: str) -> tuple[str, list[int]]:
        """The normalized text, and for each of its characters whence it comes."""
        origins = list(range(len(text)))
        for normalizer in self._stages.normalizers:
            text, origins = normalizer.align(text, origins)
        return text, origins

    def normal_ids(self, normal: str) -> Iterable[int]:
        """The ids of a text that is normalized already."""
        return chain.from_iterable(map(self._model.ids.__getitem__, self._split(normal)))

    def _split(self, normal: str) -> list[str]:
        """The words of a normalized text."""
        words = [normal] if normal else []
        for pre_tokenizer in self._stages.pre_tokenizers:
            words = pre_tokenizer(words)
        return words

    def words(
        self, normal: str, start: int, stop: int, zeros: int
    ) -> Iterator[list[tuple[int, int, int]]]:
        """The words of a normalized text between two places, each as (id, start, stop) a piece.

        The first ``zeros`` characters come from where the whole text begins.
        """
        if start == stop:
            return
        segments: Iterable[Segment] = [(normal[start:stop], list(range(start, stop)))]
        for pre_tokenizer in self._stages.pre_tokenizers:
            segments = pre_tokenizer.align(segments, zeros)
        for word, places in segments:
            cut = self._model.cut(word)
            yield [(id, places[first], places[last - 1] + 1) for id, first, last in cut]

    def head(self, text: str, size: int, taken: Set[str]) -> str:
        """The start of a text, at most ``size`` long, up to where a cut changes nothing: between a
        character and a lone space behind its word, neither of which any of ``taken`` is or becomes.
        """
        if not self._cuts:
            return ""
        for stop in range(size, max(size - SEARCHED, 0), -1):
            before, behind = text[stop - 1], text[stop]
            behind_that = text[stop + 1 : stop + 2] or " "
            if not is_space(behind) or is_space(behind_that) or grapheme_class(before) == "p":
                continue
            last = self.normalize(before)
            whole = self.normalize(before + behind + "x")
            if (
                last
                and not is_space(last[-1])
                and whole.startswith(last)
                and self._split(whole)[:-1] == self._split(last)
                and taken.isdisjoint(before + behind + whole[:-1])
            ):
                return text[:stop]
        return ""

    def join(self, tokens: list[str]) -> str:
        """Tokens → text."""
        if not self._stages.decoders:
            return " ".join(tokens)
        for decoder in self._stages.decoders:
            tokens = decoder(tokens)
        return "".join(tokens)


def stays_within_words(normalizer: Normalizer) -> bool:
    """Whether nothing in it looks across the border of a word and a space."""
    if not isinstance(normalizer, Replace):
        return True
    pattern = normalizer.pattern.pattern
    return re.fullmatch(r"(\\? )+(\{[\d,]+\}|\+)?", pattern) is not None or not any(
        map(is_space, pattern)
    )
