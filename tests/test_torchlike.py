"""The gte-small card's two snippets, with only the import lines changed and return_tensors="np"."""

import numpy as np
import pytest
from texts import CARD

from gtenp import Embedder
from gtenp.model_files import hub

TRANSFORMERS_SNIPPET = """
from gtenp.torchlike import AutoModel, AutoTokenizer, F, Tensor

def average_pool(last_hidden_states: Tensor,
                 attention_mask: Tensor) -> Tensor:
    last_hidden = last_hidden_states.masked_fill(~attention_mask[..., None].bool(), 0.0)
    return last_hidden.sum(dim=1) / attention_mask.sum(dim=1)[..., None]

input_texts = [
    "what is the capital of China?",
    "how to implement quick sort in python?",
    "Beijing",
    "sorting algorithms"
]

tokenizer = AutoTokenizer.from_pretrained("Supabase/gte-small")
model = AutoModel.from_pretrained("Supabase/gte-small")

# Tokenize the input texts
batch_dict = tokenizer(input_texts, max_length=512, padding=True, truncation=True, return_tensors="np")

outputs = model(**batch_dict)
embeddings = average_pool(outputs.last_hidden_state, batch_dict['attention_mask'])

# (Optionally) normalize embeddings
embeddings = F.normalize(embeddings, p=2, dim=1)
scores = (embeddings[:1] @ embeddings[1:].T) * 100
print(scores.tolist())
"""

SENTENCE_TRANSFORMERS_SNIPPET = """
from gtenp import Embedder as SentenceTransformer
from gtenp import cos_sim

sentences = ['That is a happy person', 'That is a very happy person']

model = SentenceTransformer('Supabase/gte-small')
embeddings = model.encode(sentences)
print(cos_sim(embeddings[0], embeddings[1]))
"""


@pytest.fixture
def in_the_cache(gte_small, tmp_path, monkeypatch):
    """The model under its Hub name, as the Hub's cache holds it."""
    repository = tmp_path / "models--Supabase--gte-small"
    commit = "0" * 40
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots").mkdir()
    (repository / "snapshots" / commit).symlink_to(gte_small, target_is_directory=True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    assert hub.find("gte-small") == repository / "snapshots" / commit


@pytest.mark.usefixtures("in_the_cache")
def test_the_transformers_snippet_of_the_card_runs(gte_small, capsys):
    names = {}
    exec(TRANSFORMERS_SNIPPET, names)
    embeddings = Embedder(gte_small).encode(CARD)
    assert names["embeddings"].dtype == np.float32
    np.testing.assert_allclose(names["embeddings"], embeddings, atol=1e-6)
    expected = (embeddings[:1] @ embeddings[1:].T * 100).tolist()
    np.testing.assert_allclose(eval(capsys.readouterr().out), expected, atol=1e-4)


@pytest.mark.usefixtures("in_the_cache")
def test_the_sentence_transformers_snippet_of_the_card_runs(capsys):
    names = {}
    exec(SENTENCE_TRANSFORMERS_SNIPPET, names)
    first, second = names["embeddings"]
    printed = float(capsys.readouterr().out.strip(" []\n"))
    assert printed == pytest.approx(float(first @ second), abs=1e-4)
