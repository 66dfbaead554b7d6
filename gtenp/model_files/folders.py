"""Build a folder or a file that appears whole or not at all, whatever kills the process."""

from __future__ import annotations

import contextlib
import glob
import io
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from gtenp.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import BinaryIO


@contextlib.contextmanager
def locked(target: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold ``target`` against every other process that would build it, waiting for its turn.

    InputError where another holds it and ``wait`` is false.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=target.parent):
        pass  # where nothing can be written, FileLock would wait forever
    lock_file = target.with_name(f".{target.name}.lock")
    lock = FileLock(lock_file, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        raise InputError(f"{target}: another process is writing it; wait for its end") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # Windows keeps a file that is open
            lock_file.unlink()
        lock.release()


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
def new_file(target: Path | int) -> Iterator[BinaryIO]:
    """A file to write, which becomes ``target`` by one rename if the body raises nothing.

    A link is followed. A file that was there leaves its permissions to the new one, and its owner
    where the system allows. A pipe, a device, or an open descriptor (its number, or a path such as
    /dev/stdout) is given every byte at once if the body raises nothing. InputError where a file
    can't be made.
    """
    try:
        with _opened(target) as file:
            yield file
    except OSError as error:
        # What fails at an open file, as a full disk does, names none.
        if error.errno is not None:
            error.filename = error.filename or ("standard output" if target == 1 else str(target))
        raise


def _opened(target: Path | int) -> contextlib.AbstractContextManager[BinaryIO]:
    if isinstance(target, int):
        return _written_at_once(target)
    try:
        old = target.stat()
    except FileNotFoundError:
        return _renamed_into(Path(os.path.realpath(target)), None)
    if stat.S_ISDIR(old.st_mode):
        raise InputError(f"{target}: is a folder; name a file")
    descriptor = open_descriptor(target)
    if descriptor is not None or not stat.S_ISREG(old.st_mode):
        return _written_at_once(target if descriptor is None else descriptor)
    return _renamed_into(Path(os.path.realpath(target)), old)


@contextlib.contextmanager
def _renamed_into(target: Path, old: os.stat_result | None) -> Iterator[BinaryIO]:
    if old is not None:
        target.open("r+b").close()  # a rename would replace what is write-protected, too
    if not target.parent.is_dir():
        raise InputError(f"{target.parent}: no such folder; make it first, or name another")
    try:
        handle, temporary = tempfile.mkstemp(prefix=".gtenp-", dir=target.parent)
    except OSError as error:
        raise InputError(
            f"{target}: its folder takes no new file ({error.strerror}); name another folder"
        ) from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        if old is not None and hasattr(os, "chown"):
            for owner in ((-1, old.st_gid), (old.st_uid, -1)):
                with contextlib.suppress(PermissionError):
                    os.chown(temporary, *owner)
        # A temporary file is for its maker's eyes only.
        os.chmod(temporary, stat.S_IMODE(old.st_mode) if old else 0o666 & ~_umask())
        try:
            os.replace(temporary, target)
        except OSError as error:
            raise InputError(
                f"{target}: can't be replaced ({error.strerror}); name another file"
            ) from error
    except BaseException:
        os.unlink(temporary)
        raise


@contextlib.contextmanager
def _written_at_once(target: Path | int) -> Iterator[BinaryIO]:
    content = io.BytesIO()  # it can seek, as a .npz wants and a pipe can't
    yield content
    with open(target, "wb", closefd=not isinstance(target, int)) as file:
        file.write(content.getbuffer())


def open_descriptor(path: Path) -> int | None:
    """The descriptor that a path names, as /dev/stdout and /dev/fd/63 do.

    Opening such a path anew would cut off what ``>>`` kept, and fails where it is a socket.
    """
    for _ in range(40):  # as many links as Linux follows
        folder = os.path.realpath(path.parent)
        if folder in ("/dev/fd", f"/proc/{os.getpid()}/fd") and path.name.isdecimal():
            return int(path.name)
        if not path.is_symlink():
            break
        path = path.parent / os.readlink(path)
    return None


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
