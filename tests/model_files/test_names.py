"""A short name, a full one, or a slip of either."""

import pytest

from gtenp.errors import InputError
from gtenp.model_files.names import KNOWN, SHORT_NAMES, hub_id, is_known, similar


@pytest.mark.parametrize(
    "name",
    [
        "all-MiniLM-L6-v2",
        "all-MiniLM-L12-v2",
        "all-mpnet-base-v2",
        "paraphrase-MiniLM-L6-v2",
        "paraphrase-multilingual-MiniLM-L12-v2",
        "multi-qa-MiniLM-L6-cos-v1",
        "msmarco-distilbert-base-tas-b",
        "distiluse-base-multilingual-cased-v2",
        "LaBSE",
        "bert-base-nli-mean-tokens",
        "distilbert-base-nli-stsb-mean-tokens",
        "roberta-large-nli-stsb-mean-tokens",
    ],
)
def test_sentence_transformers_own_models_go_by_their_short_names(name):
    assert hub_id(name) == f"sentence-transformers/{name}"


@pytest.mark.parametrize(
    "name",
    [
        "bert-base-uncased",
        "bert-large-cased-whole-word-masking-finetuned-squad",
        "bert-base-german-dbmdz-cased",
        "bert-base-multilingual-uncased",
        "bert-base-chinese",
        "distilbert-base-uncased-finetuned-sst-2-english",
        "distilroberta-base",
        "xlm-roberta-large",
        "camembert-base",
    ],
)
def test_the_hubs_first_models_have_no_organisation(name):
    assert hub_id(name) == name


@pytest.mark.parametrize("name", ["org/LaBSE", "Supabase/gte-small"])
def test_a_name_with_an_organisation_is_itself(name):
    assert hub_id(name) == name


@pytest.mark.parametrize("name", ["minilm v6", "a--b", "a/b/c", ""])
def test_what_can_be_no_name_is_an_error(name):
    with pytest.raises(InputError, match="is not a model's name: wanted a Hub id like"):
        hub_id(name)


def test_a_folders_path_is_told_from_a_name(tmp_path):
    with pytest.raises(InputError, match="is a folder that is here already, not a model's name"):
        hub_id(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("minilm", "all-MiniLM-L6-v2"),
        ("ALL-MINILM-L6-V2", "all-MiniLM-L6-v2"),
        ("Supabase/gte-smal", "gte-small"),
        ("org/gte-small", "gte-small"),
        ("e5-small-v2", "intfloat/e5-small-v2"),
        ("bge-small", "BAAI/bge-small-en-v1.5"),
        ("labse", "sentence-transformers/LaBSE"),
    ],
)
def test_a_slip_is_answered_with_the_likeliest_name(name, first):
    assert similar(hub_id(name))[0] == first


@pytest.mark.parametrize("name", ["org/mine", "a", "gte", *KNOWN])
def test_what_is_like_no_name_or_is_one_is_not_answered(name):
    assert similar(hub_id(name)) == []


def test_what_is_here_is_proposed_too():
    assert similar("org/my-finetune", ["me/my-finetuned", "me/other"]) == ["me/my-finetuned"]
    assert similar("me/mine", ["me/mine"]) == []


def test_at_most_three_are_proposed():
    assert len(similar("org/minilm", [f"me/minilm-{i}" for i in range(9)])) == 3


def test_a_known_model_is_known_by_its_full_name_and_its_short_one():
    assert all(map(is_known, (*KNOWN, *SHORT_NAMES, "LaBSE")))
    assert not is_known("labse")
    assert not is_known("e5-small-v2")  # sentence-transformers has none
