import json
import os
from pathlib import Path

import numpy as np
import pytest

from gtenp import Embedder

collect_ignore = ["ray_job.py"]  # run by test_ray.py

# None of the hosts shall report its use.
os.environ.update(
    ANONYMIZED_TELEMETRY="False", HAYSTACK_TELEMETRY_ENABLED="False", RAY_USAGE_STATS_ENABLED="0"
)


@pytest.fixture
def prompted(sentence_tiny: Path) -> Path:
    """A model that has a prompt for queries and one for documents, which change its vectors."""
    settings = {"prompts": {"query": "the query ", "document": "a passage "}}
    (sentence_tiny / "config_sentence_transformers.json").write_text(json.dumps(settings))
    embedder = Embedder(sentence_tiny)
    text = "hello world"
    vectors = embedder.encode_query(text), embedder.encode_document(text), embedder.encode(text)
    assert all(np.abs(vectors[i] - vectors[i - 1]).max() > 0.01 for i in range(3))
    return sentence_tiny
