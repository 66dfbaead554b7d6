"""What appears whole or not at all, also after a power cut."""

from __future__ import annotations

import os

import pytest

from gtenp.model_files import folders
from gtenp.model_files.folders import locked, new_folder


def test_all_is_on_the_disk_before_the_folder_gets_its_name(tmp_path, monkeypatch):
    target = tmp_path / "model"
    flushed = []  # each inode, and whether the name was there by then
    monkeypatch.setattr(
        folders.os, "fsync", lambda file: flushed.append((os.fstat(file).st_ino, target.exists()))
    )
    with new_folder(target) as folder:
        (folder / "1_Pooling").mkdir()
        for name in ("config.json", "1_Pooling/config.json"):
            (folder / name).write_text("{}")
    for path in (target, *target.rglob("*")):
        assert (path.stat().st_ino, False) in flushed
    assert flushed[-1] == (tmp_path.stat().st_ino, True)  # then the name itself


def test_an_error_leaves_nothing(tmp_path):
    def fill(folder):
        (folder / "config.json").write_text("{}")
        raise KeyError

    with pytest.raises(KeyError), new_folder(tmp_path / "model") as folder:
        fill(folder)
    assert list(tmp_path.iterdir()) == []


def test_what_was_begun_for_the_same_name_is_removed_and_nothing_else(tmp_path):
    (tmp_path / ".m[1].part-x").mkdir()
    (tmp_path / ".m1.part-x").mkdir()  # which a pattern of [1] would match
    with new_folder(tmp_path / "m[1]"):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"m[1]", ".m1.part-x"}


def test_the_lock_leaves_no_file(tmp_path):
    with locked(tmp_path / "new" / "model"):
        assert [path.name for path in (tmp_path / "new").iterdir()] == [".model.lock"]
    assert list((tmp_path / "new").iterdir()) == []


def test_where_nothing_can_be_written_there_is_no_waiting(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr(folders.tempfile, "TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(PermissionError), locked(tmp_path / "model"):
        pytest.fail("it waited for a lock and got it")
