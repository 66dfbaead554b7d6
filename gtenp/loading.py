"""What Embedder and CrossEncoder do alike: a tokenizer that fits its model, a text's prompt, and
what of sentence-transformers' options is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gtenp.arguments import Foreign
from gtenp.errors import InputError, ModelFileError
from gtenp.tokenizer import Tokenizer
from gtenp.tokenizer.files import read_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from gtenp.model_files.config import BertConfig

# sentence-transformers' options that ask for what gtenp has not, beside those that it takes.
_NOTHING_HANDED_ON = Foreign(
    (None, {}), "nothing is handed on to transformers; change the model's own files instead"
)
CONSTRUCTOR_OPTIONS = {
    "modules": Foreign((None,), "a model is read from a folder; pass its path or a name"),
    "backend": Foreign((None, "torch"), "gtenp computes with NumPy alone; leave backend out"),
    "trust_remote_code": Foreign(
        (None, False), "gtenp runs no code that comes with a model; leave trust_remote_code out"
    ),
    "use_auth_token": Foreign((None,), "it is called token today; pass token= instead"),
    "model_card_data": Foreign((None,), "gtenp writes no model cards; leave it out"),
    "model_kwargs": _NOTHING_HANDED_ON,
    "config_kwargs": _NOTHING_HANDED_ON,
    "processor_kwargs": _NOTHING_HANDED_ON,
    "tokenizer_kwargs": _NOTHING_HANDED_ON,
}
_ONE_PROCESS = "gtenp works in threads, not in processes; threads= at loading says in how many"
CALL_OPTIONS = {
    "pool": Foreign((None,), _ONE_PROCESS),
    "chunk_size": Foreign((None,), _ONE_PROCESS),
    "num_workers": Foreign((None, 0), _ONE_PROCESS),
    "processing_kwargs": _NOTHING_HANDED_ON,
    "task": Foreign(
        (None, "query", "document"), "the models that gtenp runs know no tasks; leave task out"
    ),
}
TO_TENSOR = Foreign(
    (None, False), "gtenp has no torch; torch.from_numpy makes a tensor of what this returns"
)


def choose_prompt(
    prompts: Mapping[str, str],
    default_name: str | None,
    prompt_name: str | None,
    prompt: str | None,
    empty: Collection[str] = (),
) -> str:
    """What goes before a text: the prompt itself, else the one that is named, else the default.

    >>> choose_prompt({"query": "find: "}, None, "query", None)
    'find: '

    InputError where it is no str, or no prompt has that name.
    """
    if prompt is not None:
        if not isinstance(prompt, str):
            raise InputError(f"prompt: found {type(prompt).__name__}, wanted a str")
        return prompt
    if prompt_name is None:
        # A prompt may have the empty name.
        return "" if default_name is None else prompts.get(default_name, "")
    return named_prompt("prompt_name", prompt_name, prompts, empty)


def named_prompt(
    option: str, name: str, prompts: Mapping[str, str], empty: Collection[str] = ()
) -> str:
    """The prompt of that name; those of ``empty`` are there and empty where they are not stated.

    InputError where there is none.
    """
    if name in prompts:
        return prompts[name]
    if name not in empty:
        known = ", ".join(map(repr, prompts)) or "none"
        raise InputError(f"{option}: {name!r}; the model has {known}")
    return ""


def load_tokenizer(folder: Path, config: BertConfig, do_lower_case: bool) -> Tokenizer:
    """The folder's tokenizer; ModelFileError where its ids are not the embedding table's rows."""
    spec = read_folder(folder)
    if do_lower_case and not spec.lowercase:  # accents are left to what the files say of them
        spec = replace(spec, lowercase=True, strip_accents=spec.strips_accents)
    rows = spec.largest_id + 1
    if rows > config.vocab_size:
        raise ModelFileError(
            folder / "config.json",
            f"vocab_size is {config.vocab_size}, but the tokenizer's ids go up to {rows - 1}; "
            "copy all files from the same model",
        )
    if spec.stages is None and not (folder / "tokenizer.json").exists():
        # Here a line's number is its id: one line too few or too many shifts all that follow.
        path = folder / "vocab.txt"
        if "" in spec.vocab or len(spec.vocab) <= max(spec.vocab.values()):
            raise ModelFileError(path, "has a blank line or the same line twice; copy it anew")
        if rows < config.vocab_size and config.vocab_size % 8:  # else the table may be padded
            raise ModelFileError(
                path, f"gives {rows} tokens, config.json wants {config.vocab_size}; copy it anew"
            )
    return Tokenizer(spec)
