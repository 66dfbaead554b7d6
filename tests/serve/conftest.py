"""Servers to ask: the application in this process, or ``gtenp serve`` as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec

import pytest
from models.build import build
from models.published import CROSS_ENCODERS
from places import DATA
from random_model import write_sentence_files
from served import wait_until_ready

if find_spec("starlette") is None or find_spec("prometheus_client") is None:
    collect_ignore_glob = ["test_*.py"]  # the packages of gtenp[serve] are not installed


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """The 2-layer model with mean pooling, normalisation and prompts."""
    import shutil

    path = tmp_path_factory.mktemp("serve") / "tiny"
    shutil.copytree(DATA / "tiny", path)
    write_sentence_files(path, max_seq_length=64, dimension=32)
    prompts = {"query": "the capital of ", "document": "a ", "shout": "hello "}
    settings = {"prompts": prompts, "default_prompt_name": None}
    (path / "config_sentence_transformers.json").write_text(json.dumps(settings))
    return path


@pytest.fixture(scope="session")
def reranker_folder(tmp_path_factory):
    words = (DATA / "tiny/vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
    return build(CROSS_ENCODERS[0], tmp_path_factory.mktemp("serve-reranker"), words)


@pytest.fixture(scope="session")
def embedder(folder):
    from gtenp import Embedder

    return Embedder(folder)


@pytest.fixture(scope="session")
def cross_encoder(reranker_folder):
    from gtenp import CrossEncoder

    return CrossEncoder(reranker_folder)


@pytest.fixture
def serve(embedder, cross_encoder):
    """A function: options of the server -> a client of it, in this process."""
    from starlette.testclient import TestClient

    from gtenp.serve.app import create_app
    from gtenp.serve.models import Models
    from gtenp.serve.options import Options
    from gtenp.serve.service import Service

    with contextlib.ExitStack() as stack:

        def start(*, models=None, reranker=True, **settings):
            options = Options(**{"log_format": "none", **settings})
            models = models or Models(
                embedder, cross_encoder if reranker else None, "tiny", "tiny-reranker", options
            )
            service = Service(options, lambda: models)
            service.serve(models)
            client = stack.enter_context(TestClient(create_app(service)))
            client.service = service
            return client

        yield start


@pytest.fixture
def client(serve):
    return serve()


@pytest.fixture
def gtenp_serve():
    """A function: arguments of ``gtenp serve`` -> its process, with its ``url``, ready."""
    with contextlib.ExitStack() as stack:

        def start(*arguments, wait=True, **environment):
            process = subprocess.Popen(
                [sys.executable, "-m", "gtenp", "serve", "--port", "0", *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                env={**os.environ, **environment},
            )
            stack.callback(process.communicate, timeout=20)
            stack.callback(process.kill)
            process.url = process.stdout.readline().strip()
            if wait and process.url.startswith("http"):
                wait_until_ready(process.url)
            return process

        yield start
