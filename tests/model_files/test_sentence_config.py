import json
import shutil
from pathlib import Path

import pytest
from models.layouts import a_transformer_in_a_folder, all_files
from random_model import write_sentence_files

from gtenp.engine.pooling import DENSE_ACTIVATIONS as FUNCTIONS
from gtenp.errors import ModelFileError, UnsupportedModelError
from gtenp.model_files.sentence_config import (
    DENSE_ACTIVATIONS,
    SIMILARITY_NAMES,
    Dense,
    LayerNorm,
    Normalize,
    Pooling,
    SentenceConfig,
)
from gtenp.similarity import SIMILARITY

OLD = "sentence_transformers.models"
NEW = "sentence_transformers.base.modules"
NEWER = "sentence_transformers.sentence_transformer.modules"
TRANSFORMER = {"type": f"{OLD}.Transformer", "path": ""}
POOLING = {"type": f"{OLD}.Pooling", "path": "1_Pooling"}


@pytest.fixture
def sentence_files(tiny: Path):
    """Write the sentence files, then replace some of them."""

    def replace(**contents: object) -> Path:
        write_sentence_files(tiny, max_seq_length=64)
        for name, content in contents.items():
            path = tiny / FILES[name]
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(content))
        return tiny

    return replace


FILES = {
    "modules": "modules.json",
    "pooling": "1_Pooling/config.json",
    "transformer": "sentence_bert_config.json",
    "defaults": "config_sentence_transformers.json",
    "dense": "2_Dense/config.json",
    "norm": "3_LayerNorm/config.json",
    "normalize": "2_Normalize/config.json",
}


def modules(*names: str) -> list[dict[str, str]]:
    return [TRANSFORMER, POOLING] + [
        {"type": f"{OLD}.{name}", "path": f"{i}_{name}"} for i, name in enumerate(names, start=2)
    ]


# ── what is read ─────────────────────────────────────────────────────────────────────────────────


def test_without_modules_json_the_mean_is_taken_and_not_normalised(tiny):
    found = SentenceConfig.from_folder(tiny)
    assert found == SentenceConfig()
    assert found.pooling == Pooling(("mean",))
    assert not found.normalizes
    assert not found.has_modules


def test_the_files_of_sentence_transformers_are_read(sentence_files):
    found = SentenceConfig.from_folder(sentence_files())
    assert found.pooling == Pooling(("mean",))
    assert found.heads == (Normalize(),)
    assert found.max_seq_length == 64
    assert found.has_modules


@pytest.mark.parametrize(
    ("transformer", "pooling", "normalize"),
    [
        (f"{OLD}.Transformer", f"{OLD}.Pooling", f"{OLD}.Normalize"),
        (f"{OLD}.Transformer.Transformer", f"{OLD}.Pooling.Pooling", f"{OLD}.Normalize.Normalize"),
        (
            f"{NEW}.transformer.Transformer",
            f"{NEWER}.pooling.Pooling",
            f"{NEW}.normalize.Normalize",
        ),
        (
            f"{NEW}.transformer.Transformer",
            f"{NEWER}.pooling.Pooling",
            f"{NEWER}.normalize.Normalize",
        ),
    ],
)
def test_the_class_paths_of_each_version_are_known(sentence_files, transformer, pooling, normalize):
    entries = [
        {"type": transformer, "path": ""},
        {"type": pooling, "path": "1_Pooling"},
        {"type": normalize, "path": "2_Normalize"},
    ]
    found = SentenceConfig.from_folder(sentence_files(modules=entries))
    assert found.heads == (Normalize(),)


def test_the_forms_that_sentence_transformers_6_writes_are_read(sentence_files):
    text = {"method": "forward", "method_output_name": "last_hidden_state"}
    found = SentenceConfig.from_folder(
        sentence_files(
            pooling={"embedding_dimension": 32, "pooling_mode": "cls", "include_prompt": True},
            transformer={
                "transformer_task": "feature-extraction",
                "modality_config": {"text": text},
                "module_output_name": "token_embeddings",
            },
            normalize={
                "module_input_name": "sentence_embedding",
                "module_output_name": "sentence_embedding",
            },
            defaults={
                "model_type": "SentenceTransformer",
                "prompts": {"query": "", "document": ""},
                "default_prompt_name": None,
                "similarity_fn_name": "cosine",
            },
        )
    )
    assert found.pooling == Pooling(("cls",))
    assert found.max_seq_length is None
    assert found.prompts == {"query": "", "document": ""}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({}, Pooling(("mean",))),
        ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}, Pooling(("cls",))),
        ({"pooling_mode_max_tokens": True}, Pooling(("max",))),
        ({"pooling_mode_mean_sqrt_len_tokens": True}, Pooling(("mean_sqrt_len_tokens",))),
        ({"pooling_mode_weightedmean_tokens": True}, Pooling(("weightedmean",))),
        ({"pooling_mode_lasttoken": True}, Pooling(("lasttoken",))),
        (
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            Pooling(("cls", "mean")),
        ),
        ({"pooling_mode": ["mean", "cls"]}, Pooling(("mean", "cls"))),
        ({"pooling_mode": "max", "pooling_mode_cls_token": True}, Pooling(("max",))),
        ({"pooling_mode": "mean", "include_prompt": False}, Pooling(("mean",), False)),
    ],
)
def test_each_form_of_the_pooling_is_read(sentence_files, content, expected):
    assert SentenceConfig.from_folder(sentence_files(pooling=content)).pooling == expected


def test_the_modules_after_the_pooling_are_read_in_their_order(sentence_files):
    folder = sentence_files(
        modules=modules("Dense", "LayerNorm", "Normalize"),
        dense={
            "in_features": 32,
            "out_features": 8,
            "bias": True,
            "activation_function": "torch.nn.modules.activation.Tanh",
        },
        norm={"dimension": 8},
    )
    found = SentenceConfig.from_folder(folder)
    assert found.heads == (
        Dense(folder / "2_Dense", 32, 8, True, "Tanh"),
        LayerNorm(folder / "3_LayerNorm", 8),
        Normalize(),
    )
    assert found.dimension(hidden_size=32) == 8
    assert found.normalizes


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("torch.nn.modules.linear.Identity", "Identity"),
        ("torch.nn.modules.activation.GELU", "GELU"),
        ("torch.nn.ReLU", "ReLU"),
        (None, "Tanh"),
    ],
)
def test_a_dense_modules_activation_is_read(sentence_files, path, name):
    content = {"in_features": 32, "out_features": 32, "activation_function": path}
    content = {key: value for key, value in content.items() if value}
    found = SentenceConfig.from_folder(sentence_files(modules=modules("Dense"), dense=content))
    assert found.heads[0].activation == name


def test_every_name_that_is_accepted_has_its_function():
    assert set(DENSE_ACTIVATIONS) == FUNCTIONS.keys()
    assert set(SIMILARITY_NAMES) == SIMILARITY.keys()


def test_prompts_and_defaults_are_read(sentence_files):
    found = SentenceConfig.from_folder(
        sentence_files(
            defaults={
                "prompts": {"query": "search: ", "passage": None},
                "default_prompt_name": "query",
                "similarity_fn_name": "dot",
                "truncate_dim": 16,
            },
            transformer={"max_seq_length": 40, "do_lower_case": True},
        )
    )
    assert found.prompts == {"query": "search: ", "passage": ""}
    assert found.default_prompt_name == "query"
    assert found.similarity_fn_name == "dot"
    assert found.truncate_dim == 16
    assert (found.max_seq_length, found.do_lower_case) == (40, True)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        ({"modules": [{"type": "mine.Whitening", "path": ""}]}, "names the module 'mine.Whiten"),
        ({"modules": [TRANSFORMER]}, "has the modules Transformer;"),
        ({"modules": []}, "has the modules none;"),
        ({"modules": [POOLING, TRANSFORMER]}, "begins with the modules Pooling, Transformer;"),
        ({"modules": [TRANSFORMER, POOLING, POOLING]}, "has a second Pooling"),
        ({"pooling": {"pooling_mode": "attention"}}, r"asks for pooling \['attention'\]"),
        ({"pooling": {"pooling_mode": ["mean", "mine"]}}, "asks for pooling"),
        ({"pooling": {"pooling_mode": []}}, "asks for pooling"),
        (
            {"transformer": {"transformer_task": "fill-mask"}},
            "sets transformer_task to 'fill-mask'",
        ),
        ({"transformer": {"model_args": {"attn": 1}}}, "sets model_args"),
        ({"transformer": {"module_output_name": "pooled"}}, "sets module_output_name"),
        ({"defaults": {"similarity_fn_name": "maxsim"}}, "similarity_fn_name is 'maxsim'"),
        ({"defaults": {"model_type": "SparseEncoder"}}, "sets model_type to 'SparseEncoder'"),
        ({"normalize": {"module_input_name": "token_embeddings"}}, "sets module_input_name"),
    ],
)
def test_what_would_give_other_vectors_is_refused_by_name(sentence_files, contents, complaint):
    with pytest.raises(UnsupportedModelError, match=complaint):
        SentenceConfig.from_folder(sentence_files(**contents))


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"activation_function": "mine.Swish"}, "activation_function 'mine.Swish'"),
        ({"activation_function": "torch.nn.modules.activation.PReLU"}, "PReLU"),
        ({"use_residual": True}, "sets use_residual"),
        ({"module_input_name": "token_embeddings"}, "sets module_input_name"),
    ],
)
def test_a_dense_module_that_computes_otherwise_is_refused(sentence_files, change, complaint):
    dense = {"in_features": 32, "out_features": 8, **change}
    with pytest.raises(UnsupportedModelError, match=complaint):
        SentenceConfig.from_folder(sentence_files(modules=modules("Dense"), dense=dense))


@pytest.mark.parametrize(
    ("contents", "complaint"),
    [
        ({"modules": {"0": TRANSFORMER}}, "is not a JSON list"),
        ({"modules": [TRANSFORMER, {"path": ""}]}, "entry 1 has no type"),
        ({"pooling": {"pooling_mode": ["mean"] * 7}}, "names 7 pooling modes"),
        ({"pooling": {"pooling_mode_cls_token": "yes"}}, "wanted true or false"),
        ({"pooling": [1]}, "is not a JSON object"),
        ({"transformer": {"max_seq_length": 0}}, "max_seq_length is 0"),
        ({"transformer": {"do_lower_case": 1}}, "do_lower_case is 1"),
        ({"defaults": {"prompts": ["query: "]}}, "prompts is not an object of strings"),
        ({"defaults": {"default_prompt_name": "nobody"}}, "which prompts does not have"),
        ({"defaults": {"truncate_dim": -1}}, "truncate_dim is -1"),
    ],
)
def test_what_makes_no_sense_is_an_error(sentence_files, contents, complaint):
    with pytest.raises(ModelFileError, match=complaint):
        SentenceConfig.from_folder(sentence_files(**contents))


@pytest.mark.parametrize(
    "path", ["..", "../elsewhere", "/etc", "a/../../b", "a\\b", "C:", "\0", "\ud800", 3]
)
def test_a_module_path_that_leaves_the_folder_is_an_error(sentence_files, path):
    entry = {"type": f"{OLD}.Pooling", "path": path}
    with pytest.raises(ModelFileError, match="not that of a folder within"):
        SentenceConfig.from_folder(sentence_files(modules=[TRANSFORMER, entry]))


@pytest.mark.parametrize(
    ("layout", "module"),
    [
        (all_files, "pooling"),
        (all_files, "dense"),
        (a_transformer_in_a_folder, "0_Transformer"),
    ],
)
def test_a_module_folder_that_is_a_link_outwards_is_an_error(tmp_path, layout, module):
    folder = layout(tmp_path)
    shutil.move(folder / module, tmp_path / "outside")
    (folder / module).symlink_to(tmp_path / "outside")
    with pytest.raises(ModelFileError, match=f"{module}: is a link out of the folder"):
        SentenceConfig.from_folder(folder)


def test_a_module_folder_without_its_config_is_an_error(sentence_files):
    folder = sentence_files()
    shutil.rmtree(folder / "1_Pooling")
    with pytest.raises(ModelFileError, match=r"1_Pooling/config\.json: is missing"):
        SentenceConfig.from_folder(folder)


def test_modules_that_do_not_fit_one_another_are_an_error(sentence_files):
    dense = {"in_features": 64, "out_features": 8}
    found = SentenceConfig.from_folder(sentence_files(modules=modules("Dense"), dense=dense))
    with pytest.raises(ModelFileError, match="takes vectors of length 64, but is given 32"):
        found.dimension(hidden_size=32)


def test_without_modules_json_prompts_are_left_unread_as_in_sentence_transformers(tiny):
    settings = {"prompts": {"query": "the "}, "default_prompt_name": "query", "truncate_dim": 8}
    (tiny / "config_sentence_transformers.json").write_text(json.dumps(settings))
    assert SentenceConfig.from_folder(tiny) == SentenceConfig()
