"""ModernBERT's embedders and rerankers, against sentence-transformers."""

import json

import numpy as np
import pytest
from command_line import run
from golden import EMBEDDING_TOLERANCE, HIDDEN_TOLERANCE, Golden
from models.byte_level import MODERNBERT, MODERNBERT_RERANKERS, build_modernbert, words_of

from gtenp import BertModel, CrossEncoder, Embedder, Tokenizer
from gtenp.errors import InputError
from gtenp.explain.explain import explain
from gtenp.verify import live
from gtenp.verify.trace import joined, model_of, tokens, trace
from gtenp.verify.verify import verify

GOLDEN = Golden("modernbert")
TEXTS = GOLDEN.facts["texts"]
PAIRS = [(first, second) for first in TEXTS for second in TEXTS]
MODELS = {m.name.rpartition("/")[2]: m for m in (*MODERNBERT, *MODERNBERT_RERANKERS)}
EMBEDDERS = list(MODELS)[: len(MODERNBERT)]
RERANKERS = list(MODELS)[len(MODERNBERT) :]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    parent = tmp_path_factory.mktemp("modernbert")
    return {name: build_modernbert(model, parent) for name, model in MODELS.items()}


@pytest.fixture(scope="module")
def gte(folders):
    return Embedder(folders["gte-modernbert-base"])


@pytest.mark.parametrize("name", EMBEDDERS)
def test_vectors_are_those_of_sentence_transformers(name, folders, tmp_path):
    embedder = Embedder(folders[name])
    found = embedder.encode(TEXTS, truncate="silent")
    wanted = GOLDEN.arrays[f"{name}.encode"]
    assert np.abs(found - wanted).max() / max(1, np.abs(wanted).max()) <= EMBEDDING_TOLERANCE
    embedder.save_pretrained(tmp_path / "saved")
    again = Embedder(tmp_path / "saved").encode(TEXTS, truncate="silent")
    np.testing.assert_array_equal(again, found)


@pytest.mark.parametrize("name", RERANKERS)
def test_scores_are_those_of_sentence_transformers(name, folders):
    found = CrossEncoder(folders[name]).predict(PAIRS)
    wanted = GOLDEN.arrays[f"{name}.scores"]
    assert found.shape == wanted.shape
    # Scores up to 9.1 lie 6.6e-6 from float64's in PyTorch and 5.9e-6 to 7.5e-6 here, by kernel.
    assert np.abs(found - wanted).max() / max(1, np.abs(wanted).max()) <= 2e-6


def test_gte_modernberts_settings_are_understood(gte):
    assert (gte.max_seq_length, gte.sentence_config.pooling.modes) == (8192, ("cls",))
    assert gte.config.local_layers == (1, 2)
    assert gte.config.layer_arithmetics[1].window == 64


def test_a_text_of_all_8192_tokens(gte):
    found = gte.encode(words_of(8192), truncate="error")
    wanted = GOLDEN.arrays["longest"]
    assert np.abs(found - wanted).max() / np.abs(wanted).max() <= EMBEDDING_TOLERANCE
    with pytest.raises(InputError, match="more than 8192 tokens"):
        gte.encode(words_of(8193), truncate="error")


@pytest.mark.parametrize("name", EMBEDDERS)
def test_a_text_alone_has_the_vector_and_the_token_vectors_that_it_has_in_company(name, folders):
    embedder = Embedder(folders[name])
    together = embedder.encode(TEXTS, truncate="silent")
    alone = embedder.encode(TEXTS, truncate="silent", batch_invariant=True)
    assert np.abs(together - alone).max() <= 2e-6 * max(1, np.abs(alone).max())
    again = embedder.encode(TEXTS[3:5], truncate="silent", batch_invariant=True)
    np.testing.assert_array_equal(again, alone[3:5])
    states = embedder.encode(TEXTS, output_value="token_embeddings", truncate="silent")
    for text, vectors in zip(TEXTS, states, strict=True):
        assert len(vectors) == len(embedder.token_ids([text])[0])


@pytest.mark.parametrize("name", MODELS)
def test_the_tokenizer_of_each_is_that_of_transformers(name, folders):
    tokenizer = Tokenizer.from_folder(folders[name])
    wanted = GOLDEN.facts["tokenized"]
    for key, options in (
        ("texts", {"truncation": True}),
        ("pairs", {"truncation": True, "padding": True, "max_length": 24}),
    ):
        texts = [TEXTS] if key == "texts" else [list(side) for side in zip(*PAIRS, strict=True)]
        found = tokenizer(*texts, **options)
        for column, rows in wanted[key].items():
            assert found[column] == rows
    found = tokenizer(TEXTS, return_offsets_mapping=True)
    assert [list(map(list, row)) for row in found["offset_mapping"]] == wanted["offsets"]
    assert [found.word_ids(row) for row in range(len(TEXTS))] == wanted["word_ids"]
    assert tokenizer.decode(found["input_ids"]) == wanted["decoded"]


def test_whatever_class_a_modernbert_names_its_tokenizer_is_the_files(folders, tmp_path):
    folder = folders["gte-modernbert-base"]
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings["tokenizer_class"] = "GPT2TokenizerFast"
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    found, wanted = map(Tokenizer.from_folder, (tmp_path, folder))
    assert found(TEXTS)["input_ids"] == wanted(TEXTS)["input_ids"]


# ── padded arrays ────────────────────────────────────────────────────────────────────────────────


def test_padding_on_either_side_changes_no_state(folders):
    folder = folders["modernbert-with-narrow-windows"]
    model, tokenizer = BertModel.from_pretrained(folder), Tokenizer.from_folder(folder)
    texts = ["the capital of China " * 9, "hello"]
    for side in ("right", "left"):
        batch = tokenizer(texts, padding=True, padding_side=side, return_tensors="np")
        output = model(**batch, output_hidden_states=True, output_attentions=True)
        mask = batch["attention_mask"] == 1
        for row, text in enumerate(texts):
            alone = model(**tokenizer([text], return_tensors="np")).last_hidden_state[0]
            found = output.last_hidden_state[row][mask[row]]
            assert np.abs(found - alone).max() <= HIDDEN_TOLERANCE
        assert len(output.hidden_states) == 5
        local = output.attentions[1][0][:, mask[0]][..., mask[0]]
        far = np.abs(np.subtract.outer(*[np.arange(mask[0].sum())] * 2)) > 4
        assert not local[:, far].any()
        assert local[:, ~far].all()


def test_a_mask_with_a_gap_is_refused_where_windows_would_close_over_it(folders):
    model = BertModel.from_pretrained(folders["modernbert-with-narrow-windows"])
    ids = np.full((1, 6), 300)
    with pytest.raises(InputError, match="attention_mask: row 0 has a 0 between two 1s"):
        model(ids, attention_mask=[[1, 1, 0, 1, 1, 1]])


# ── trace, verify, explain, info ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", RERANKERS)
def test_a_rerankers_trace_ends_with_its_scores_and_is_within_tolerance(name, folders):
    encoder, pairs = CrossEncoder(folders[name]), PAIRS[1:4]
    values = [trace(model_of(encoder), *row) for row in zip(*tokens(encoder, pairs), strict=True)]
    scores = np.stack([one["scores"] for one in values])
    assert np.abs(encoder.predict(pairs).reshape(scores.shape) - scores).max() <= 1e-5
    assert list(values[0])[-5:] == [
        "classifier.dense", "classifier.activation", "classifier.norm", "logits", "scores",
    ]  # fmt: skip
    found = joined(live.run_gtenp(encoder, *tokens(encoder, pairs)))
    assert verify(encoder, found, pairs).first is None
    (explanation, *_) = explain(encoder, [TEXTS[0], TEXTS[1]])
    stages = [stage.name for stage in explanation.sentence_stages]
    first = "mean" if encoder.config.classifier_pooling == "mean" else "first token"
    assert stages == ["final norm", first, "dense", "activation", "norm", "logits", "scores"]
    assert np.abs(explanation.vector - encoder.predict((TEXTS[0], TEXTS[1]))).max() <= 1e-5


def test_info_tells_of_the_local_layers_and_of_the_head(folders):
    told = json.loads(run("info", str(folders["gte-modernbert-base"]), "--json").stdout)
    assert told["positions"] == (
        "rotary, base 160000, 8192 tokens; 2 of 4 layers are local: a token looks at 64 to either "
        "side, rotary base 10000"
    )
    told = json.loads(run("info", str(folders["gte-reranker-modernbert-base"]), "--json").stdout)
    assert told["classifier"] == [
        "the mean of all tokens", "dense 48 → 48, GELU", "layer norm", "dense 48 → 1",
    ]  # fmt: skip


def test_explain_names_the_local_layers(folders):
    done = run("explain", "hello world", "--model", str(folders["modernbert-with-narrow-windows"]))
    assert done.exit_code == 0
    assert "layers 1, 2 are local: a token looks at 4 to either side" in done.stdout
