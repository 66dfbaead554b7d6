import json
import os

import numpy as np
import pytest
from command_line import TINY, run
from models.build import built
from models.byte_level import EMBEDDERS, build_byte_level
from safetensors.numpy import load_file, save_file


def test_info_tells_what_was_understood_to_people_and_to_programs():
    told = json.loads(run("info", TINY, "--json").stdout)
    assert told["dimension"] == 32
    assert told["pooling"] == "mean"
    assert told["normalize"] is False
    assert told["dtype"] == "float32"
    assert told["weights_bytes"] == os.path.getsize(f"{TINY}/model.safetensors")
    text = run("info", "--model", TINY).stdout
    assert all(key in text for key in told)
    assert "no modules.json: mean pooling without normalisation is assumed" in text


def test_info_tells_of_licence_prompts_and_what_was_left_aside(sentence_tiny):
    path = sentence_tiny / "model.safetensors"
    save_file({**load_file(path), "pooler.dense.bias": np.ones(32, np.float32)}, path)
    (sentence_tiny / "README.md").write_text("---\ntags:\n- a\nlicense: mit\n---\n\nlicense: no\n")
    folder = sentence_tiny.rename(sentence_tiny.parent / "e5-small")
    told = json.loads(run("info", str(folder), "--json").stdout)
    assert told["licence"] == "mit"
    assert told["prompts"]["query"] == "query: "
    assert told["ignored"] == ["pooler.dense.bias"]
    assert told["then"] == ["normalize"]
    assert any("known by its name" in note for note in told["notes"])
    text = run("info", str(folder)).stdout
    assert "query: 'query: '" in text
    assert "pooler.dense.bias" in text


@pytest.mark.parametrize(
    ("name", "family", "positions", "tokenizer"),
    [
        ("all-MiniLM-L6-v2", "bert", "a table for 512 tokens", "WordPiece, uncased"),
        (
            "all-mpnet-base-v2",
            "mpnet",
            "a table for 512 tokens; a number added to each score, by distance",
            "WordPiece, uncased",
        ),
        (
            "nomic-embed-text-v1.5",
            "nomic_bert",
            "rotary, base 1000, 8192 tokens",
            "WordPiece, uncased",
        ),
        ("sentence-t5-base", "t5", "a number added to each score, by distance", "Unigram"),
        (
            "blooms-layers",
            "bloom",
            "scores fall with the distance (ALiBi); tokens look back alone",
            "WordPiece, uncased",
        ),
    ],
)
def test_info_tells_the_family_and_how_positions_enter(
    name, family, positions, tokenizer, tmp_path
):
    told = json.loads(run("info", str(built(name, tmp_path)), "--json").stdout)
    assert (told["family"], told["positions"], told["tokenizer"]) == (family, positions, tokenizer)


def test_info_names_byte_level_bpe(tmp_path):
    told = json.loads(run("info", str(build_byte_level(EMBEDDERS[0], tmp_path)), "--json").stdout)
    assert (told["family"], told["tokenizer"]) == ("roberta", "BPE over bytes")
