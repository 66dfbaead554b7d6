"""The models that are on this machine: found without a network and without huggingface_hub.

A model counts only where it is whole, for half a model can still embed, and wrongly.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from gtenp.model_files.config import read_json

_COMMIT = re.compile("[0-9a-f]{40}")
_MODULE_FILES = {
    "Pooling": ("config.json",),
    "Dense": ("config.json", "model.safetensors"),
    "LayerNorm": ("config.json", "model.safetensors"),
}


def cached(
    model: str, revision: str | None, cache_folder: str | os.PathLike[str] | None = None
) -> tuple[Path | None, list[str]]:
    """The folder that holds the model, else None and a line for each place that was looked at.

    First the Hub's cache, ``models--owner--name/refs/main`` to ``snapshots/<commit>``; then what
    came from the package index, where no revision is asked for.
    """
    repository = hub_cache(cache_folder) / f"models--{model.replace('/', '--')}"
    commit = revision or "main"
    if not _COMMIT.fullmatch(commit):
        try:
            commit = (repository / "refs" / commit).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            commit = ""
    snapshot = repository / "snapshots" / commit
    if _COMMIT.fullmatch(commit) and os.path.isdir(snapshot):
        # The cache keeps an empty file for each that was asked for and isn't in the repository.
        no_modules = os.path.isfile(repository / ".no_exist" / commit / "modules.json")
        missing = missing_files(snapshot, modules_optional=no_modules)
        if not missing:
            return snapshot, []
        looked = [f"{snapshot}: lacks {', '.join(missing)}"]
    else:
        looked = [f"{repository}: has no revision {revision or 'main'}"]
    if revision is None:
        folder = index_folder(model)
        if os.path.isdir(folder):
            missing = missing_files(folder, modules_optional=True)
            if not missing:
                return folder, []
            looked.append(f"{folder}: lacks {', '.join(missing)}")
        else:
            looked.append(f"{folder}: not there")
    return None, looked


def hub_cache(folder: str | os.PathLike[str] | None = None) -> Path:
    """The Hub's cache: ``folder`` where one is given, else where the environment has it."""
    return _cache_folder("HUB", "hub") if folder is None else Path(folder).expanduser().absolute()


def index_folder(model: str) -> Path:
    """Where a model from the package index is kept.

    It is what ``huggingface_hub.cached_assets_path`` gives to libraries that keep files of theirs.
    """
    return _cache_folder("ASSETS", "assets") / "gtenp" / "models" / model.replace("/", "--")


def missing_files(folder: Path, *, modules_optional: bool) -> list[str]:
    """The files without which ``folder`` is half a model, [] where it is whole.

    modules.json must be there, unless the model is known to have none (``modules_optional``):
    transformers fetches config, tokenizer and weights alone, and such a folder would be pooled by
    a guess.
    """

    def there(name: str) -> bool:
        return os.path.isfile(folder / name)  # False for a link whose target is gone

    wanted = ["config.json"]
    if there("model.safetensors.index.json"):
        index = read_json(folder / "model.safetensors.index.json")
        shards = index.get("weight_map") if isinstance(index, dict) else None
        wanted += sorted(
            {str(name) for name in shards.values()} if isinstance(shards, dict) else ()
        )
    else:
        wanted.append("model.safetensors")
    if there("modules.json"):
        modules = read_json(folder / "modules.json")
        for module in modules if isinstance(modules, list) else ():
            if isinstance(module, dict):
                kind = str(module.get("type")).rpartition(".")[2]
                wanted += [f"{module.get('path')}/{name}" for name in _MODULE_FILES.get(kind, ())]
    missing = [name for name in wanted if not there(name)]
    if not (there("modules.json") or modules_optional):
        missing.append("modules.json, or word from the Hub that the model has none")
    if not (there("tokenizer.json") or there("vocab.txt")):
        missing.append("tokenizer.json or vocab.txt")
    return missing


def _cache_folder(kind: str, default: str) -> Path:
    """The Hub's cache of one kind, by the variables that huggingface_hub's constants.py reads."""

    def expand(path: str) -> str:
        return os.path.expandvars(os.path.expanduser(path))

    env = os.environ
    user_cache = env.get("XDG_CACHE_HOME", os.path.join(os.path.expanduser("~"), ".cache"))
    home = expand(env.get("HF_HOME", os.path.join(user_cache, "huggingface")))
    older_name = env.get(f"HUGGINGFACE_{kind}_CACHE", os.path.join(home, default))
    return Path(expand(env.get(f"HF_{kind}_CACHE", older_name))).absolute()
