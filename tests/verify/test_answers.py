import base64
import json
import re

import numpy as np
import pytest

from gtenp.errors import InputError
from gtenp.verify.answers import decode, read_json, read_numbers, read_text

VECTORS = [[1.0, 2.0], [3.0, 4.5]]


def in_base64(vector):
    return base64.b64encode(np.array(vector, "<f4").tobytes()).decode()


def openai(vectors, indices=(0, 1)):
    data = [
        {"object": "embedding", "index": index, "embedding": vector}
        for index, vector in zip(indices, vectors, strict=True)
    ]
    return {"object": "list", "data": data, "model": "m", "usage": {"total_tokens": 3}}


@pytest.mark.parametrize(
    "answer",
    [
        openai(VECTORS),
        openai(VECTORS[::-1], indices=(1, 0)),
        openai(map(in_base64, VECTORS)),
        VECTORS,
        {"model": "m", "embeddings": VECTORS, "total_duration": 5},
        [{"index": 1, "embedding": [VECTORS[1]]}, {"index": 0, "embedding": [VECTORS[0]]}],
        [{"text": "a", "embedding": VECTORS[0]}, {"text": "b", "embedding": VECTORS[1]}],
    ],
    ids=["openai", "openai-reversed", "openai-base64", "tei", "ollama", "llama.cpp", "objects"],
)
def test_a_servers_vectors_are_read_in_the_texts_order(answer):
    assert read_json(json.dumps(answer), "v")["embedding"].tolist() == VECTORS


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2]\n[3, 4.5]\n",
        "\n[1, 2]\n\n[3, 4.5]",
        '{"embedding": [1, 2]}\n{"embedding": [3, 4.5]}',
    ],
)
def test_a_line_may_be_a_vector_or_an_object_with_one(text):
    assert read_json(text, "v")["embedding"].tolist() == VECTORS


def test_one_vector_is_read_from_the_answers_for_one_text():
    for answer in ([1, 2], {"embedding": [1, 2], "model": "m"}, {"embedding": in_base64([1, 2])}):
        assert read_json(json.dumps(answer), "v")["embedding"].tolist() == [1, 2]


def test_vectors_of_tokens_keep_their_texts():
    found = read_json("[[[1, 2], [3, 4]], [[5, 6]]]", "v")
    assert {name: array.tolist() for name, array in found.items()} == {
        "0.token_embeddings": [[1, 2], [3, 4]],
        "1.token_embeddings": [[5, 6]],
    }
    assert read_json("[[[1, 2], [3, 4]]]", "v")["token_embeddings"].shape == (2, 2)


def test_whole_numbers_under_a_name_stay_whole():
    found = read_json('{"input_ids": [2, 3], "pooled": [0.5]}', "v")
    assert found["input_ids"].dtype.kind == "i"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "v: is empty; wanted a vector"),
        ("\n \n", "v: is empty; wanted a vector"),
        ("[1,\n2", "v: is not JSON (Expecting ',' delimiter: line 2 column 2"),
        ("[1, 2]\n[3, 4\n", "v: is not JSON (line 2: Expecting ',' delimiter"),
        ("3", "v: found 3, wanted a vector, a list of vectors"),
        ("[" * 10_000, "v: is nested too deeply; wanted a vector"),
        ("[]", "v: holds no vectors"),
        ("[[]]", "v: [0]: found [], wanted a list of numbers"),
        ("[[1, null]]", "v: [0][1]: found null, wanted a number"),
        ("[[1, true]]", "v: [0][1]: found true, wanted a number"),
        ('[["1"]]', 'v: [0][0]: found "1", wanted a number'),
        ("[[1, 2], [3]]", "v: [1] has 1 numbers, [0] has 2; wanted vectors of one length"),
        ("[[[1, 2]], [3]]", "v: [0]: is a list of vectors, the others are vectors"),
        ("[[[[1]]]]", "v: [0]: is nested too deeply"),
        (f"[[1{'0' * 400}]]", "v: [0]: holds a whole number beyond all floats"),
        ('{"pooled": [[1], [2, 3]]}', "v: pooled: has rows of different lengths"),
        (
            '{"error": {"message": "no"}}',
            'v: is a server\'s error, {"message": "no"}; ask it again',
        ),
        ('{"data": []}', "v: data: holds no vectors"),
        ('{"data": [{"index": 0}]}', 'v: data[0]: has no embedding; found {"index": 0}'),
        ('{"data": [[1]]}', "v: data[0]: has no embedding; found [1]"),
        ('{"data": [{"embedding": [1]}]}', "v: data[0]: has no index; wanted each of 0 to 0 once"),
        (
            '{"embeddings": [[1], ["x"]]}',
            'v: embeddings[1][0]: found "x", wanted a number',
        ),
        (
            json.dumps(openai(VECTORS, (0, 0))),
            "v: data[1].index: found 0 a second time, wanted each of 0 to 1 once",
        ),
        (
            json.dumps(openai(VECTORS, (1, 2))),
            "v: data[1].index: found 2, wanted each of 0 to 1 once",
        ),
        (
            json.dumps(openai(VECTORS, (0, "1"))),
            'v: data[1].index: found "1", wanted each of 0 to 1 once',
        ),
        (
            json.dumps(openai(["AAAA!", [1]])),
            'v: data[0].embedding: found "AAAA!", wanted a list of numbers or float32 in base64',
        ),
        (
            json.dumps(openai(["AAAA", [1]])),
            "v: data[0].embedding: 3 bytes in base64; wanted float32, 4 bytes a number",
        ),
    ],
)
def test_what_is_no_vector_is_told_with_its_place(text, words):
    with pytest.raises(InputError, match=f"^{re.escape(words)}"):
        read_json(text, "v")


# ── scores ───────────────────────────────────────────────────────────────────────────────────────


def hits(name, scores=(0.9, 0.5, 0.1), indices=(2, 0, 1)):
    return [{"index": i, name: score} for i, score in zip(indices, scores, strict=True)]


@pytest.mark.parametrize(
    "answer",
    [
        hits("score"),
        [{**hit, "text": "a text"} for hit in hits("score")],
        {"results": hits("relevance_score"), "id": "a", "meta": {"billed_units": {}}},
        {"model": "m", "results": [{**h, "document": "d"} for h in hits("relevance_score")]},
        {"object": "list", "data": hits("relevance_score"), "model": "m"},
        {"data": hits("score"), "usage": {"total_tokens": 3}},
    ],
    ids=["tei", "tei-with-texts", "cohere", "jina", "voyage", "vllm"],
)
def test_a_rerankers_scores_are_read_in_the_documents_order(answer):
    assert read_json(json.dumps(answer), "v")["scores"].tolist() == [[0.5], [0.1], [0.9]]


def test_of_one_document_the_score_is_a_row():
    assert read_json('[{"index": 0, "score": 1}]', "v")["scores"].tolist() == [1]


def test_a_vector_with_a_score_beside_it_is_a_vector():
    found = read_json('[{"embedding": [1, 2], "score": 0.5}]', "v")
    assert found["embedding"].tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"results": []}, "v: results: holds no scores"),
        (
            {"results": [{"index": 0}]},
            'v: results[0]: has no relevance_score or score; found {"index": 0}',
        ),
        ({"results": [1]}, "v: results[0]: has no relevance_score or score; found 1"),
        (
            {"results": [{"index": 0, "relevance_score": None}]},
            "v: results[0].relevance_score: found null, wanted a number",
        ),
        ([{"index": 0, "score": "1"}], 'v: [0].score: found "1", wanted a number'),
        (
            hits("score", indices=(7, 0, 1)),
            "v: [0].index: found 7, wanted each of 0 to 2 once; ask for all documents, not for the "
            "best alone",
        ),
        ({"results": [{"score": 1}]}, "v: results[0]: has no index; wanted each of 0 to 0 once"),
        ([{"index": 0, "score": 10**400}], "v: holds a whole number beyond all floats"),
    ],
)
def test_what_is_no_score_is_told_with_its_place(answer, words):
    with pytest.raises(InputError, match=f"^{re.escape(words)}"):
        read_json(json.dumps(answer), "v")


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "text",
    ["1 2\n3 4.5\n", "1,2\r\n3,4.5\r\n", "1\t2\n\n3\t4.5", " 1   2\t\n3 4.5e0", "1, 2\n3, 4.5"],
)
def test_numbers_are_parted_by_commas_tabs_or_spaces(text):
    assert read_text(text, "v")["embedding"].tolist() == VECTORS


def test_a_text_file_of_json_is_read_as_json():
    assert read_text("[1, 2]\n[3, 4.5]\n", "v")["embedding"].tolist() == VECTORS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "v: holds no vectors"),
        ("x,y\n1,2", 'v: line 1: found "x", wanted numbers, parted by commas, tabs or spaces'),
        ("1 2\n\n3 four", 'v: line 3: found "four"'),
        ("1,,2", 'v: line 1: found ""'),
        ("1_0 2", 'v: line 1: found "1_0"'),
        ("1;2", 'v: line 1: found "1;2"'),
        ("1 2\n3", "v: line 2 has 1 numbers, line 1 has 2"),
    ],
)
def test_what_is_no_number_is_told_with_its_line(text, words):
    with pytest.raises(InputError, match=f"^{re.escape(words)}"):
        read_numbers(text, "v")


# ── bytes ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_part_of_the_text(encoding):
    assert decode("[1, 2]".encode(encoding), "v") == "[1, 2]"


def test_what_is_no_unicode_is_told_with_its_byte():
    with pytest.raises(InputError, match="v: byte 2 is not UTF-8; convert the file"):
        decode(b"[1\xff]", "v")
    with pytest.raises(InputError, match="v: byte 2 is not UTF-16; convert the file"):
        decode(b"\xff\xfe\x00", "v")
