"""A file that appears whole or not at all, or a pipe that gets every byte."""

import os
import stat
import threading
from pathlib import Path

import pytest

from gtenp.errors import InputError
from gtenp.model_files.folders import new_file, open_descriptor

posix = pytest.mark.skipif(os.name == "nt", reason="Windows has neither modes nor descriptors")


def write(target, content=b"new"):
    with new_file(target) as file:
        file.write(content)


def write_half(target):
    with new_file(target) as file:
        file.write(b"half")
        raise KeyboardInterrupt


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@posix
def test_a_new_file_has_the_permissions_that_any_other_would_have(tmp_path):
    write(tmp_path / "new")
    (tmp_path / "other").touch()
    assert mode(tmp_path / "new") == mode(tmp_path / "other")


@posix
@pytest.mark.parametrize("permissions", [0o640, 0o600, 0o666])
def test_a_file_that_was_there_keeps_its_permissions(tmp_path, permissions):
    (tmp_path / "old").write_bytes(b"old, and longer")
    (tmp_path / "old").chmod(permissions)
    write(tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == b"new"
    assert mode(tmp_path / "old") == permissions


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="root alone can give")
def test_a_file_that_was_there_keeps_its_owner(tmp_path):
    (tmp_path / "old").touch()
    os.chown(tmp_path / "old", 1234, 4321)
    write(tmp_path / "old")
    found = (tmp_path / "old").stat()
    assert (found.st_uid, found.st_gid) == (1234, 4321)


@posix
def test_a_link_is_followed_to_a_file_that_is_there_or_not(tmp_path):
    (tmp_path / "old").touch()
    for name in ("old", "new"):
        (tmp_path / f"link-{name}").symlink_to(tmp_path / name)
        write(tmp_path / f"link-{name}")
        assert (tmp_path / f"link-{name}").is_symlink()
        assert (tmp_path / name).read_bytes() == b"new"


@posix
def test_a_write_protected_file_is_not_replaced(tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "old").chmod(0o444)
    tmp_path.chmod(0o777)
    user = os.geteuid()
    if user == 0:  # whom nothing stops
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError):
            write(tmp_path / "old")
    finally:
        os.seteuid(user)
    assert (tmp_path / "old").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["old"]


def test_what_fails_leaves_the_old_file_and_no_other(tmp_path):
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "old")
    assert (tmp_path / "old").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["old"]


def test_a_full_disk_is_told_with_the_files_name(tmp_path):
    with pytest.raises(OSError, match="No space") as caught, new_file(tmp_path / "new"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "new")
    assert os.listdir(tmp_path) == []


def test_an_error_that_is_not_the_systems_keeps_its_words(tmp_path):
    with pytest.raises(OSError, match=r"^12 requested and 8 written$"), new_file(tmp_path / "new"):
        raise OSError("12 requested and 8 written")


def test_a_folder_is_refused_and_a_missing_one_named(tmp_path):
    with pytest.raises(InputError, match="is a folder; name a file"):
        write(tmp_path)
    with pytest.raises(InputError, match="no: no such folder; make it first"):
        write(tmp_path / "no" / "file")


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="Linux has such a folder")
def test_a_folder_that_takes_no_file_is_told_without_a_hidden_name():
    with pytest.raises(InputError, match=r"^/proc/file: its folder takes no new file \("):
        write(Path("/proc/file"))


def test_a_name_may_be_as_long_as_the_system_lets_it(tmp_path):
    write(tmp_path / ("n" * 255))
    assert (tmp_path / ("n" * 255)).read_bytes() == b"new"


@posix
def test_a_pipe_gets_every_byte_and_nothing_of_what_fails(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with pytest.raises(KeyboardInterrupt):
        write_half(pipe)
    with new_file(pipe) as file:
        file.write(b"x" * 1_000_000)
        file.seek(0)  # as a .npz does
        file.write(b"y")
    reader.join(30)
    assert read == [b"y" + b"x" * 999_999]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@posix
def test_an_open_descriptor_is_written_where_it_stands(tmp_path):
    (tmp_path / "log").write_bytes(b"kept ")
    with (tmp_path / "log").open("ab") as file:
        write(file.fileno())
        write(Path(f"/dev/fd/{file.fileno()}"))
        (tmp_path / "link").symlink_to(f"/dev/fd/{file.fileno()}")
        write(tmp_path / "link")
    assert (tmp_path / "log").read_bytes() == b"kept newnewnew"


@posix
def test_links_in_a_circle_are_an_error_not_an_endless_walk(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    assert open_descriptor(tmp_path / "loop") is None
    with pytest.raises(OSError, match="symbolic links"):
        write(tmp_path / "loop")
