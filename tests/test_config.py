import json
import shutil
from pathlib import Path

import pytest
from random_model import write_sentence_files

from gtenp.config import BertConfig, SentenceConfig
from gtenp.errors import ModelFileError, UnsupportedModelError


def test_the_sizes_are_read_under_their_own_names(tiny):
    config = BertConfig.from_folder(tiny)
    assert (config.hidden_size, config.num_hidden_layers, config.head_size) == (32, 2, 8)
    assert config.layer_norm_eps == 1e-12


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", "roberta"),
        ("hidden_act", "gelu_new"),
        ("position_embedding_type", "relative_key"),
        ("is_decoder", True),
    ],
)
def test_what_would_change_the_arithmetic_is_refused_by_name(edit_json, key, value):
    with pytest.raises(UnsupportedModelError, match=f"config.json: {key} is {value!r}"):
        BertConfig.from_folder(edit_json("config.json", **{key: value}))


@pytest.mark.parametrize("value", [None, 0, -1, 1.5, "12", True])
def test_a_size_that_is_no_positive_whole_number_is_an_error(edit_json, value):
    with pytest.raises(ModelFileError, match=r"config\.json: num_hidden_layers is"):
        BertConfig.from_folder(edit_json("config.json", num_hidden_layers=value))


def test_a_hidden_size_that_heads_do_not_divide_is_an_error(edit_json):
    with pytest.raises(ModelFileError, match="32 is not a multiple of num_attention_heads 5"):
        BertConfig.from_folder(edit_json("config.json", num_attention_heads=5))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"{", "is not JSON"),
        (b"[1]", "is not a JSON object"),
        (b"\xff{}", "is not UTF-8"),
        (b"[" * 100_000, "is not JSON"),
        (b"", "is not JSON"),
    ],
)
def test_a_file_that_is_no_json_object_is_named(tiny, content, complaint):
    (tiny / "config.json").write_bytes(content)
    with pytest.raises(ModelFileError, match=complaint) as caught:
        BertConfig.from_folder(tiny)
    assert caught.value.path == tiny / "config.json"


def test_a_missing_file_is_named(tiny):
    (tiny / "config.json").unlink()
    with pytest.raises(ModelFileError, match=r"config\.json: can't be read \(No such file"):
        BertConfig.from_folder(tiny)


def test_without_modules_json_the_mean_is_taken_and_not_normalised(tiny):
    assert SentenceConfig.from_folder(tiny) == SentenceConfig("mean", False, None)


def test_the_files_of_sentence_transformers_are_read(tiny):
    write_sentence_files(tiny, max_seq_length=64)
    assert SentenceConfig.from_folder(tiny) == SentenceConfig("mean", True, 64)


def test_the_forms_that_sentence_transformers_6_writes_are_read(tiny):
    write_sentence_files(tiny, max_seq_length=64)
    paths = (
        "sentence_transformers.base.modules.transformer.Transformer",
        "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
        "sentence_transformers.base.modules.normalize.Normalize",
    )
    modules = json.loads((tiny / "modules.json").read_text())
    (tiny / "modules.json").write_text(
        json.dumps([{**m, "type": path} for m, path in zip(modules, paths, strict=True)])
    )
    (tiny / "1_Pooling/config.json").write_text(
        '{"embedding_dimension": 32, "pooling_mode": "cls", "include_prompt": true}'
    )
    (tiny / "sentence_bert_config.json").write_text('{"transformer_task": "feature-extraction"}')
    assert SentenceConfig.from_folder(tiny) == SentenceConfig("cls", True, None)


@pytest.fixture
def sentence_files(tiny: Path):
    """Write the sentence files, then replace one of them."""

    def replace(name: str, content: object) -> Path:
        write_sentence_files(tiny, max_seq_length=64)
        (tiny / name).write_text(json.dumps(content))
        return tiny

    return replace


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("modules.json", [{"type": "mine.Whitening", "path": ""}], "names the module mine.Whiten"),
        (
            "modules.json",
            [{"type": "sentence_transformers.models.Transformer", "path": ""}],
            "has the modules Transformer;",
        ),
        ("1_Pooling/config.json", {"pooling_mode_max_tokens": True}, r"asks for pooling \['max'\]"),
        ("1_Pooling/config.json", {"pooling_mode": ["mean", "cls"]}, "asks for pooling"),
        (
            "1_Pooling/config.json",
            {"pooling_mode": "mean", "include_prompt": False},
            "include_prompt",
        ),
        ("sentence_bert_config.json", {"do_lower_case": True}, "do_lower_case"),
        ("config_sentence_transformers.json", {"truncate_dim": 128}, "truncate_dim to 128"),
        (
            "config_sentence_transformers.json",
            {"default_prompt_name": "query"},
            "default_prompt_name",
        ),
        ("config_sentence_transformers.json", {"similarity_fn_name": "dot"}, "similarity_fn_name"),
    ],
)
def test_what_would_pool_otherwise_is_refused(sentence_files, name, content, complaint):
    with pytest.raises(UnsupportedModelError, match=complaint):
        SentenceConfig.from_folder(sentence_files(name, content))


@pytest.mark.parametrize("path", ["..", "../elsewhere", "/etc", "a/b", 3])
def test_a_module_path_that_leaves_the_folder_is_an_error(sentence_files, path):
    entry = {"type": "sentence_transformers.models.Pooling", "path": path}
    with pytest.raises(ModelFileError, match="not a folder's name"):
        SentenceConfig.from_folder(sentence_files("modules.json", [entry]))


def test_a_module_folder_without_its_config_is_an_error(tiny):
    write_sentence_files(tiny, max_seq_length=64)
    shutil.rmtree(tiny / "1_Pooling")
    with pytest.raises(ModelFileError, match=r"1_Pooling/config\.json: can't be read"):
        SentenceConfig.from_folder(tiny)
