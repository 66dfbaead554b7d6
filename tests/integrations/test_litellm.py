import os
import subprocess
import sys

import numpy as np
import pytest
from served import wait_until_ready

from gtenp import Embedder

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it asks the network for prices otherwise
pytest.importorskip("litellm")
pytest.importorskip("starlette")


@pytest.fixture(scope="module")
def url():
    command = [sys.executable, "-m", "gtenp", "serve", "--port", "0", "--log-format", "none"]
    process = subprocess.Popen(
        [*command, "--model", "all-MiniLM-L6-v2"], stdout=subprocess.PIPE, text=True
    )
    found = process.stdout.readline().strip()
    wait_until_ready(found)
    yield found
    process.terminate()
    process.stdout.close()
    assert process.wait(20) == 0


def test_litellm_reaches_a_server_as_any_openai_one(url, minilm):
    import litellm

    texts = ["Beijing", "sorting algorithms"]
    reply = litellm.embedding(
        model="openai/all-MiniLM-L6-v2", input=texts, api_base=f"{url}/v1", api_key="none"
    )
    vectors = np.array([row["embedding"] for row in reply.data], np.float32)
    assert np.abs(vectors - Embedder(minilm).encode(texts)).max() < 1e-6
    assert reply.usage.prompt_tokens == 7
