"""Build a folder or a file that appears whole or not at all, whatever kills the process."""

from __future__ import annotations

import contextlib
import glob
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from gtenp.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO


@contextlib.contextmanager
def locked(target: Path) -> Iterator[None]:
    """Hold ``target`` against every other process that would build it, waiting for its turn."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=target.parent):
        pass  # where nothing can be written, FileLock would wait forever
    lock_file = target.with_name(f".{target.name}.lock")
    with FileLock(lock_file):
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows keeps a file that is open
                lock_file.unlink()


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes ``target`` by one rename if the body raises nothing.

    Call it under ``locked(target)``: then whatever else was begun for ``target`` has no one alive
    behind it, and is removed. ``target`` may be an empty folder. Scratch files can go beside the
    folder, into its parent, which is removed too.
    """
    prefix = f".{target.name}.part-"
    for leftover in target.parent.glob(f"{glob.escape(prefix)}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # Its own parent, because a temporary folder is for its maker's eyes only; this one isn't.
    with tempfile.TemporaryDirectory(
        prefix=prefix, dir=target.parent, ignore_cleanup_errors=True
    ) as part:
        folder = Path(part, "folder")
        folder.mkdir()
        yield folder
        for path in (*folder.rglob("*"), folder):
            _flush(path)
        if target.exists():
            target.rmdir()  # a rename replaces an empty folder everywhere but on Windows
        folder.rename(target)
        _flush(target.parent)


@contextlib.contextmanager
def new_file(target: Path) -> Iterator[BinaryIO]:
    """A file to write, which becomes ``target`` by one rename if the body raises nothing.

    A link is followed; a device or a pipe is written to as it is. InputError where the folder is
    missing.
    """
    target = Path(os.path.realpath(target))
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such folder; make it first, or name another")
    if target.exists() and not target.is_file():
        with target.open("wb") as file:
            yield file
        return
    handle, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        os.chmod(temporary, 0o666 & ~_umask())  # a temporary file is for its maker's eyes only
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _flush(path: Path) -> None:
    """Put a file or a folder on the disk, so that no power cut leaves a name without its bytes."""
    if os.name == "nt":
        return  # where what is open for reading can't be flushed
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_beside(source: Path, target: Path, names: Iterable[str]) -> None:
    """Copy those of the files that ``source`` has into a folder that may hold others.

    InputError where ``target`` has one of the names with something else in it.
    """
    files = {name: (source / name).read_bytes() for name in names if (source / name).is_file()}
    for name, content in files.items():
        if (target / name).exists() and (target / name).read_bytes() != content:
            raise InputError(f"{target / name} exists and is another; name another folder")
    target.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        with new_file(target / name) as file:
            file.write(content)
