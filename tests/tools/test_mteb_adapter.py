"""mteb's own scores, with gtenp and with sentence-transformers, on small tasks made here."""

import sys

import numpy as np
import pytest
from models.build import build, built
from models.byte_level import MODERNBERT, build_modernbert
from models.published import Model, bert
from places import DATA, ROOT

from gtenp import Embedder

mteb = pytest.importorskip("mteb")
datasets = pytest.importorskip("datasets")
processors = pytest.importorskip("tokenizers.processors")
sentence_transformers = pytest.importorskip("sentence_transformers")

sys.path.append(str(ROOT / "tools"))
from mteb_adapter import GtenpEncoder, main  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # those of other packages

PAIRS = [
    (5.0, "a man is playing a guitar", "a man plays the guitar"),
    (4.2, "two dogs run on the grass", "dogs are running through the grass"),
    (3.8, "the capital of China", "the capital city of the people's republic"),
    (3.0, "a woman cuts an onion", "a woman is slicing a tomato"),
    (2.4, "the stock market fell today", "shares rose in early trade"),
    (1.6, "a boy rides a bicycle", "a boy is swimming in a lake"),
    (0.8, "how to sort a list in python", "a python lies in the sun"),
    (0.0, "the train is late again", "she sings in the choir"),
]
# Some are hard on purpose: scores of 1 would say little.
QUERIES = {
    "q0": ("what is the capital of China?", "d0"),
    "q1": ("how do I sort a list?", "d7"),
    "q2": ("why is the sky blue?", "d2"),
    "q3": ("how can I reach the island?", "d3"),
    "q4": ("what makes an animal happy?", "d4"),
    "q5": ("which book is by a doctor?", "d5"),
    "q6": ("a big city in the east", "d0"),
}
CORPUS = {
    "d0": ("Beijing", "is the seat of the government of China"),
    "d1": ("Quick sort", "splits the list at a pivot, and sorts the parts"),
    "d2": ("Light", "of short waves is scattered most by the air"),
    "d3": ("Timetable", "of the boats: the first at six, the last at nine"),
    "d4": ("Dogs", "want meat, rice and water every day"),
    "d5": ("The author", "studied medicine before she began to write"),
    "d6": ("Shanghai", "is the largest city of the country"),
    "d7": ("Merge sort", "is stable and wants more memory"),
    "d8": ("The doctor", "reads a book about the islands"),
}
TRAIN = {
    0: ["what a lovely day", "I love this song", "thank you all so much", "best film ever"],
    1: ["this is the worst", "I hate mondays", "my phone broke again", "so sad and tired"],
    2: ["the shop opens at nine", "on the train to town", "it is tuesday", "I read the paper"],
}
TEST = {
    0: ["what a lovely film", "I love my phone", "thank you for the day", "the best on the train"],
    1: ["this day is the worst", "I hate this song", "so sad, the paper broke", "tired of mondays"],
    2: ["the shop is in town", "on tuesday at nine", "the film opens at nine", "my train to town"],
}


def sts():
    scores, first, second = zip(*PAIRS, strict=True)
    pairs = datasets.Dataset.from_dict(
        {"score": list(scores), "sentence1": list(first), "sentence2": list(second)}
    )
    return "STSBenchmark", datasets.DatasetDict({"test": pairs})


def retrieval():
    corpus = [{"id": id, "title": title, "text": text} for id, (title, text) in CORPUS.items()]
    queries = [{"id": id, "text": text} for id, (text, _) in QUERIES.items()]
    split = {
        "corpus": datasets.Dataset.from_list(corpus),
        "queries": datasets.Dataset.from_list(queries),
        "relevant_docs": {id: {document: 1} for id, (_, document) in QUERIES.items()},
        "top_ranked": None,
    }
    return "SciFact", {"default": {"test": split}}


def classification():
    def labelled(kinds):
        rows = [{"text": text, "label": label} for label in kinds for text in kinds[label]]
        return datasets.Dataset.from_list(rows)

    splits = {"train": labelled(TRAIN), "test": labelled(TEST)}
    return "TweetSentimentExtractionClassification", datasets.DatasetDict(splits)


TASKS = [sts, retrieval, classification]
PROMPTS = {
    "query": "Represent this sentence for searching relevant passages: ",
    "document": "the text: ",
    "STS": "how alike are ",
    "TweetSentimentExtractionClassification": "is it happy or sad? ",
}


def task_of(make):
    """mteb's task of that name, with our data in the place of its own."""
    name, dataset = make()
    task = mteb.get_task(name)
    task.dataset, task.data_loaded = dataset, True
    return task


def scores(encoder, make):
    """All numbers that mteb reports of a task, but for its timings, by name."""
    result = mteb.evaluate(encoder, task_of(make), cache=None, show_progress_bar=False)[0]
    (found,) = result.scores["test"]
    return {key: value for key, value in found.items() if isinstance(value, float)}


@pytest.fixture(scope="module")
def prompted(tmp_path_factory):
    """A model whose files state prompts, for queries and for kinds of tasks."""
    defaults = {"prompts": PROMPTS, "default_prompt_name": None}
    model = Model("prompted", bert(384, 2), defaults=defaults)
    words = (DATA / "vocab-uncased.txt").read_text(encoding="utf-8").split("\n")[:-1]
    return build(model, tmp_path_factory.mktemp("mteb"), words)


@pytest.fixture(scope="module")
def modernbert(tmp_path_factory):
    """One whose layers differ."""
    return build_modernbert(MODERNBERT[-1], tmp_path_factory.mktemp("mteb"))


@pytest.mark.parametrize("make", TASKS)
@pytest.mark.parametrize("name", ["minilm", "prompted", "modernbert"])
def test_the_scores_are_those_of_sentence_transformers(name, make, request):
    folder = str(request.getfixturevalue(name))
    ours = scores(GtenpEncoder(folder), make)
    theirs = scores(sentence_transformers.SentenceTransformer(folder, device="cpu"), make)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 4
    for key, value in theirs.items():
        assert ours[key] == pytest.approx(value, abs=1e-4, nan_ok=True), key
    assert 0 < ours["main_score"] < 1


# One of each family, and of each kind of tokenizer.
FAMILIES = [
    "all-mpnet-base-v2",
    "sentence-t5-base",
    "nomic-embed-text-v1.5",
    "all-distilroberta-v1",
    "multi-qa-distilbert-cos-v1",
    "multilingual-e5-base",
    "sgpt-bloom-7b1-msmarco",
]
MARKS = {"query": "[]", "document": "{}"}


class Bracketed(mteb.models.SentenceTransformerEncoderWrapper):
    """SGPT as its card has it: brackets' tokens stand around those of a text."""

    def encode(self, inputs, *, prompt_type=None, **options):
        tokenizer = self.model.tokenizer.backend_tokenizer
        plain = tokenizer.post_processor
        if prompt_type is not None:
            before, behind = MARKS[prompt_type.value]
            ids = [(mark, tokenizer.token_to_id(mark)) for mark in (before, behind)]
            tokenizer.post_processor = processors.TemplateProcessing(
                [before, "$A", behind], None, ids
            )
        try:
            return super().encode(inputs, prompt_type=prompt_type, **options)
        finally:
            tokenizer.post_processor = plain


@pytest.mark.parametrize("make", TASKS)
@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_scores_as_with_sentence_transformers(name, make, tmp_path):
    folder = str(built(name, tmp_path))
    encoder = GtenpEncoder(folder)
    model = sentence_transformers.SentenceTransformer(
        folder, device="cpu", model_kwargs={"dtype": "float32"}
    )
    if encoder.model.prompt_ends:
        wrapper = Bracketed(model)
    else:  # what the cards of some models ask for, and their files don't
        wrapper = mteb.models.SentenceTransformerEncoderWrapper(
            model, model_prompts=encoder.model.prompts or None
        )
    assert scores(encoder, make) == pytest.approx(scores(wrapper, make), abs=1e-4, nan_ok=True)


@pytest.mark.parametrize("make", TASKS)
def test_each_prompt_counts(prompted, make):
    without = GtenpEncoder(str(prompted))
    without.model_prompts, without.model.prompts = None, {}
    assert scores(without, make) != scores(GtenpEncoder(str(prompted)), make)


@pytest.mark.parametrize(
    "given",
    [
        {"SciFact-query": "which is ", "query": "not this one ", "document": "a text: "},
        {"query": "query: ", "passage": "passage: "},  # no name of mteb's, yet used
    ],
)
def test_prompts_that_are_given_replace_the_models_own(prompted, given):
    wrapper = mteb.models.SentenceTransformerEncoderWrapper(str(prompted), model_prompts=given)
    ours = scores(GtenpEncoder(str(prompted), model_prompts=given), retrieval)
    assert ours == pytest.approx(scores(wrapper, retrieval), abs=1e-4, nan_ok=True)
    assert ours != scores(GtenpEncoder(str(prompted)), retrieval)


def test_mteb_sees_an_encoder_and_what_it_is(prompted):
    encoder = GtenpEncoder(str(prompted))
    assert isinstance(encoder, mteb.EncoderProtocol)
    assert encoder.mteb_model_meta.name == str(prompted)
    assert encoder.mteb_model_meta.embed_dim == Embedder(prompted).get_embedding_dimension()
    a, b = np.eye(2, 3, dtype=np.float32), np.ones((2, 3), np.float32)
    np.testing.assert_allclose(encoder.similarity(a, b), 3**-0.5, rtol=1e-6)
    np.testing.assert_allclose(encoder.similarity_pairwise(a, b), 3**-0.5, rtol=1e-6)


def test_another_device_than_the_cpu_is_refused(prompted):
    with pytest.raises(ValueError, match="'cuda'; gtenp computes on the CPU"):
        GtenpEncoder(str(prompted), device="cuda")


def test_the_command_prints_each_tasks_main_score(prompted, monkeypatch, capsys):
    monkeypatch.setattr(mteb, "get_tasks", lambda tasks: [task_of(sts)] * (tasks == ["STS"]))
    monkeypatch.setattr(sys, "argv", ["mteb_adapter.py", str(prompted), "STS"])
    main()
    score = scores(GtenpEncoder(str(prompted)), sts)["main_score"]
    assert capsys.readouterr().out == f"STSBenchmark  {score * 100:.2f}\n"


def test_the_command_without_tasks_says_how_it_is_used(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["mteb_adapter.py", "all-MiniLM-L6-v2"])
    with pytest.raises(SystemExit, match=r"usage: python tools/mteb_adapter\.py MODEL TASK"):
        main()
