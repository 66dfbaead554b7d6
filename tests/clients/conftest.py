"""One server for all clients: a process of its own, as ``make test-clients`` finds it installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from models.build import build
from models.published import CROSS_ENCODERS
from places import DATA
from served import wait_until_ready

if find_spec("openai") is None or find_spec("schemathesis") is None:
    collect_ignore_glob = ["test_*.py"]  # they are of the extra "clients"

TEXTS = ["what is the capital of China?", "Beijing", "", "naïve café 北京", "sorting " * 300]


@pytest.fixture(scope="session")
def reranker_folder(tmp_path_factory):
    words = (DATA / "tiny/vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    return build(CROSS_ENCODERS[0], tmp_path_factory.mktemp("clients"), words)


@pytest.fixture(scope="session")
def url(reranker_folder):
    process = subprocess.Popen(
        [
            sys.executable, "-m", "gtenp", "serve", "--port", "0", "--model", "all-MiniLM-L6-v2",
            "--rerank-model", str(reranker_folder), "--log-format", "none",
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    found = process.stdout.readline().strip()
    wait_until_ready(found)
    yield found
    process.terminate()
    process.stdout.close()
    assert process.wait(20) == 0


@pytest.fixture(scope="session")
def texts():
    return TEXTS


@pytest.fixture(scope="session")
def vectors(minilm):
    from gtenp import Embedder

    return Embedder(minilm).encode(TEXTS, truncate="silent")
