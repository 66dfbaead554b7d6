"""scikit-learn's transformer: a column of texts becomes the features of what comes next."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from gtenp.embedder import Embedder

_load = lru_cache(2)(Embedder)  # by name: a clone or a pickle holds no weights


class GtenpVectorizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """n texts -> float32 [n, H]. ``prompt_name`` names another prompt than documents'."""

    def __init__(self, name_or_path: str, prompt_name: str | None = None) -> None:
        self.name_or_path = name_or_path
        self.prompt_name = prompt_name

    def fit(self, X: Iterable[str], y: object = None) -> "GtenpVectorizer":  # noqa: ARG002
        return self

    def transform(self, X: Iterable[str]) -> Any:
        return _load(self.name_or_path).encode_document(X, self.prompt_name)

    @property
    def _n_features_out(self) -> int:
        return _load(self.name_or_path).get_embedding_dimension()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.requires_fit, tags.input_tags.string = False, True
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, False
        return tags
