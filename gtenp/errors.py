"""The errors that gtenp raises on purpose: each names the place, what was found, what was wanted
and what to do. All of them are :class:`GtenpError`, so one ``except`` catches what a user can mend.
"""

from __future__ import annotations

from pathlib import Path


class GtenpError(Exception):
    """Base of every error that gtenp raises on purpose."""


class InputError(GtenpError, ValueError):
    """What the caller passed can't be used: a text that is not a str, an unknown option value."""


class ModelNotFoundError(GtenpError):
    """No folder on this machine, and none to be had, answers to the model's name."""


class ModelFileError(GtenpError):
    """A file of a model folder is missing, damaged or contradicts another; ``path`` names it.

    >>> raise ModelFileError(Path("m/config.json"), "is missing; copy the whole folder")
    Traceback (most recent call last):
    gtenp.errors.ModelFileError: m/config.json: is missing; copy the whole folder
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(path, problem)
        self.path = path
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}"


class UnsupportedModelError(ModelFileError):
    """A model folder asks for something that gtenp does not do; ``path`` names the file."""


class MissingPackageError(GtenpError):
    """A package that gtenp does without is needed for this one thing."""


class TruncationWarning(UserWarning):
    """Texts were longer than the model reads and were cut: ``fact`` says how many, ``advice`` what
    a caller of the library can do.
    """

    def __init__(self, fact: str, advice: str) -> None:
        super().__init__(fact, advice)
        self.fact = fact

    def __str__(self) -> str:
        return "; ".join(map(str, self.args))


class QuantizationWarning(UserWarning):
    """Few embeddings gave the ranges by which they were quantized."""
