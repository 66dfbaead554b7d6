"""The models that are on this machine: found without a network and without huggingface_hub.

A model counts only where it is whole, for half a model can still embed, and wrongly.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from gtenp.model_files.contents import missing_files

_COMMIT = re.compile("[0-9a-f]{40}")


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
    folder = index_folder(model)
    if revision is None:
        if os.path.isdir(folder):
            missing = missing_files(folder, modules_optional=True)
            if not missing:
                return folder, []
            looked.append(f"{folder}: lacks {', '.join(missing)}")
        else:
            looked.append(f"{folder}: not there")
    elif os.path.isdir(folder):
        looked.append(
            f"{folder}: came from the package index, which has no revisions; ask for none"
        )
    return None, looked


def names_here(cache_folder: str | os.PathLike[str] | None = None) -> list[str]:
    """The Hub ids of all models that the two caches hold, whole or not."""
    folders = [
        *hub_cache(cache_folder).glob("models--*"),
        *index_folder("any").parent.glob("[!.]*"),
    ]
    return sorted(path.name.removeprefix("models--").replace("--", "/") for path in folders)


def hub_cache(folder: str | os.PathLike[str] | None = None) -> Path:
    """The Hub's cache: ``folder`` where one is given, else where the environment has it."""
    return _cache_folder("HUB", "hub") if folder is None else Path(folder).expanduser().absolute()


def index_folder(model: str) -> Path:
    """Where a model from the package index is kept.

    It is what ``huggingface_hub.cached_assets_path`` gives to libraries that keep files of theirs.
    """
    return _cache_folder("ASSETS", "assets") / "gtenp" / "models" / model.replace("/", "--")


def _cache_folder(kind: str, default: str) -> Path:
    """The Hub's cache of one kind, by the variables that huggingface_hub's constants.py reads."""

    def expand(path: str) -> str:
        return os.path.expandvars(os.path.expanduser(path))

    env = os.environ
    user_cache = env.get("XDG_CACHE_HOME", os.path.join(os.path.expanduser("~"), ".cache"))
    home = expand(env.get("HF_HOME", os.path.join(user_cache, "huggingface")))
    older_name = env.get(f"HUGGINGFACE_{kind}_CACHE", os.path.join(home, default))
    return Path(expand(env.get(f"HF_{kind}_CACHE", older_name))).absolute()
