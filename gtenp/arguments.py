"""What a caller passes, checked: whole numbers, columns of texts, other libraries' options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from functools import wraps
from operator import index
from typing import Any, NamedTuple, TypeVar

from gtenp.errors import InputError

Function = TypeVar("Function", bound=Callable[..., Any])

# ── Numbers ──────────────────────────────────────────────────────────────────────────────────────


def whole_number(name: str, value: object, least: int, most: int | None = None) -> int:
    """The value as an int: Python's and NumPy's whole numbers are, 3.0 and True are not.

    >>> whole_number("top_k", True, least=1)
    Traceback (most recent call last):
    gtenp.errors.InputError: top_k: True; wanted a whole number from 1
    """
    # NumPy's bool has an index too, in versions that warn of it.
    truth = isinstance(value, bool) or getattr(getattr(value, "dtype", None), "kind", "") == "b"
    number = None if truth else _index(value)
    if number is None or number < least or (most is not None and number > most):
        to = "" if most is None else f" to {most}"
        raise InputError(f"{name}: {value!r}; wanted a whole number from {least}{to}")
    return number


def _index(value: Any) -> int | None:
    try:
        return index(value)  # int() would take 3.5 and "3"
    except TypeError:
        return None


# ── Texts ────────────────────────────────────────────────────────────────────────────────────────
# Columns are known by what they offer, so that none of the packages they come from is imported.

_OF_PAIRS = "; pass pairs as text and text_pair, words with is_split_into_words=True"


def as_texts(name: str, values: Any, of_lists: str = _OF_PAIRS) -> list[str]:
    """Any ordered collection of texts as a list of str; InputError names the place of what is none.

    ``of_lists`` is the advice where lists stand in the texts' places.

    >>> as_texts("text", (word for word in "one two".split()))
    ['one', 'two']
    >>> as_texts("text", ["one", float("nan")])
    Traceback (most recent call last):
    gtenp.errors.InputError: text[1] is nan, of type float, a str was wanted; put "" in its place \
or leave it out: pandas' .fillna("") and .dropna() do
    """
    texts = as_list(name, values)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            text = text.as_py() if hasattr(text, "as_py") else text  # pyarrow's scalars
            if not isinstance(text, str):
                missing = _is_missing(text)
                advice = _advice_on_gaps(values) if missing else _advice_on(text, of_lists)
                found = f"{text!r}, of type {type(text).__name__}" if missing else kind(text)
                found = "None" if text is None else found
                raise InputError(f"{name}[{place}] is {found}, a str was wanted{advice}")
            texts[place] = text
    return texts


def as_list(name: str, values: Any, wanted: str = "a str or a list of str") -> list[Any]:
    """An ordered collection, of whichever library, as a list of Python's own objects.

    InputError for what has no order, and for tables and mappings, which give their columns' names
    and their keys.
    """
    if isinstance(values, (list, tuple)):
        return list(values)
    advice = None
    if _is_table(values):
        advice = '; it is a table: pass the column that holds the texts, as in table["text"]'
    elif _is_mapping(values):
        advice = "; of a mapping the keys would be taken: pass list(….values())"
    elif isinstance(values, Set) or type(values) is type(iter(set())):
        advice = "; a set has no order: pass a list"
    elif isinstance(values, (bytes, bytearray)) or not isinstance(values, Iterable):
        advice = _advice_on(values, "")
    elif getattr(values, "ndim", 1) == 0:
        advice = "; pass its .item()"
    if advice is not None:
        raise InputError(f"{name} is {kind(values)}, {wanted} was wanted{advice}")
    for to_list in ("to_pylist", "tolist"):  # pyarrow's; NumPy's and pandas'
        if hasattr(type(values), to_list):  # of the type, as in _is_table
            return list(getattr(values, to_list)())
    return list(values)


def kind(value: object) -> str:
    """What a message says that it found."""
    return "None" if value is None else f"of type {type(value).__name__}"


def _is_table(values: Any) -> bool:
    # Asked of the type: a polars LazyFrame works its columns out, a pandas Series looks "columns"
    # up among its rows' names.
    own = getattr(values, "__dict__", {})
    if any(hasattr(type(values), name) or name in own for name in ("columns", "column_names")):
        return True
    return getattr(getattr(values, "dtype", None), "names", None) is not None  # NumPy's records


def _is_mapping(values: Any) -> bool:
    # pandas' Series has keys() too, but its values are no method.
    return isinstance(values, Mapping) or all(
        callable(getattr(type(values), name, None)) for name in ("keys", "values", "__getitem__")
    )


def _is_missing(value: Any) -> bool:
    return (
        value is None
        or (isinstance(value, float) and value != value)
        or type(value).__name__ in ("NAType", "NaTType")  # pandas'
    )


def _advice_on_gaps(values: Any) -> str:
    for fill, drop in (
        ("fillna", "dropna"),
        ("fill_null", "drop_nulls"),
        ("fill_null", "drop_null"),
    ):
        if hasattr(values, fill) and hasattr(values, drop):
            return f'; fill it with .{fill}("") or leave it out with .{drop}()'
    return '; put "" in its place or leave it out: pandas\' .fillna("") and .dropna() do'


def _advice_on(value: Any, of_lists: str) -> str:
    if isinstance(value, (bytes, bytearray)):
        return "; decode it first"
    return of_lists if isinstance(value, (list, tuple)) else ""


# ── Other libraries' options ─────────────────────────────────────────────────────────────────────


class Foreign(NamedTuple):
    """An option that another library has and gtenp has no use for."""

    harmless: tuple[object, ...]  # the values that ask for what gtenp does anyway
    instead: str  # why others are refused, and what to do

    def refuse(self, name: str, value: object) -> None:
        """InputError unless the value is harmless."""
        # By type too: 0 == False, and an array equals nothing at once.
        if not any(type(value) is type(fine) and value == fine for fine in self.harmless):
            raise InputError(f"{name}={value!r:.60}: {self.instead}")


def understands(
    renamed: Mapping[str, str] = {}, **foreign: Foreign
) -> Callable[[Function], Function]:
    """A decorator: the function also takes its arguments by other libraries' names, and options of
    theirs that change nothing; those that would are refused by name. A typo stays a TypeError.

    >>> @understands({"inputs": "texts"}, pool=Foreign((None,), "pass threads= instead"))
    ... def count(texts):
    ...     return len(texts)
    >>> count(inputs=["a", "b"], pool=None)
    2
    >>> count(["a"], pool=4)
    Traceback (most recent call last):
    gtenp.errors.InputError: pool=4: pass threads= instead
    """
    known = foreign.keys() | renamed.keys()

    def decorate(function: Function) -> Function:
        @wraps(function)
        def call(*arguments: Any, **options: Any) -> Any:
            if not known.isdisjoint(options):
                options = ours(options)
            return function(*arguments, **options)

        def ours(options: dict[str, Any]) -> dict[str, Any]:
            for name in options.keys() & foreign.keys():
                foreign[name].refuse(name, options.pop(name))
            for name in options.keys() & renamed.keys():
                if renamed[name] in options:
                    raise TypeError(f"{name} and {renamed[name]} are the same; pass one of them")
                options[renamed[name]] = options.pop(name)
            return options

        return call  # type: ignore[return-value]

    return decorate


def check_device(device: object) -> None:
    """InputError for a device that is neither None nor the CPU."""
    if device is not None and str(device) != "cpu":  # torch.device("cpu") is called so too
        raise InputError(
            f"device={device!r:.60}: gtenp computes on the CPU alone; leave device out, and see "
            "threads for how many CPUs it uses"
        )
