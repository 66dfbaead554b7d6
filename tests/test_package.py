"""The house itself: who imports whom, what an import costs, what the public surface documents."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from places import DATA

import gtenp

PACKAGE = Path(gtenp.__file__).parent

# Lowest first. A file imports from floors below its own and, on its own, from files before it.
# A folder's face, its __init__.py, stands behind its files.
FLOORS: dict[str, list[str]] = {
    "errors": [],
    "arguments": [],
    "model_files": [
        "names", "config", "sentence_config", "contents", "model_cache", "folders",
        "package_index", "hub", "checkpoint", "pickled", "cross_encoder_config",
        "families.bert", "families.roberta", "families.distilbert", "families.mpnet",
        "families.t5", "families.bloom", "families.nomic_bert", "families.modernbert",
        "families.gte", "families", "model",
    ],
    "tokenizer": [
        "unicode_tables", "characters", "memory", "added_tokens", "template", "normalizer",
        "pre_tokenizer", "wordpiece", "graphemes", "origins", "precompiled", "unicode_forms",
        "edits", "metaspace", "unigram", "pattern_steps", "patterns", "split", "byte_level", "bpe",
        "decoder", "bert_pipeline", "sentencepiece", "sentencepiece_decoder", "stages", "files",
        "pipeline", "batch_encoding", "samples", "tokenizer",
    ],
    "engine": [
        "batch", "parallel", "schedule", "kernels", "rotary", "score_bias", "encoder", "pooling",
    ],
    "reference": ["bert", "variations"],
    "similarity": [],
    "saving": [],
    "loading": [],
    "embedder": [],
    "cross_encoder": [],
    "bert": [],
    "torchlike": [],
    "measure": ["speed", "quality"],
    "integrations": ["chroma", "langchain", "llama_index", "llm", "ray", "sklearn"],
    "jobs": [
        "records", "formats", "readers", "chunks", "blocks", "ahead", "forked", "spool", "rows",
        "parquet", "sqlite", "writers", "outputs", "job", "concat", "index",
    ],
    "verify": [
        "trace", "answers", "value_files", "compare", "case", "forms", "token_mistakes",
        "model_mistakes", "vector_mistakes", "pair_mistakes", "precision", "diagnosis",
        "verify", "live",
    ],
    "explain": ["page", "explain", "page_file", "heatmap"],
    "serve": [
        "options", "schema", "problem", "models", "route", "openai", "rerank", "tei", "edge",
        "wire", "batcher", "metrics", "record", "service", "endpoint", "openapi", "app", "sockets",
        "server",
    ],
    "cli": [
        "streams", "options", "sources", "bench", "concat", "convert", "embed", "evaluate",
        "explain", "info", "pull", "rerank", "search", "serve", "similarity", "tokenize", "trace",
        "verify",
    ],
}  # fmt: skip

# Every module in that order, by its dotted name below gtenp; a folder's face behind its files.
ORDER = [
    name
    for floor, files in FLOORS.items()
    for name in [*(f"{floor}.{file}" for file in files), floor]
]


def path_of(module: str) -> Path:
    path = PACKAGE / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def imported(module: str) -> set[str]:
    """The modules that one imports when it runs; imports for type checking alone don't count."""
    found = set()
    tree = ast.parse(path_of(module).read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types or not isinstance(node, ast.ImportFrom) or not node.module:
            continue
        parent = node.module.removeprefix("gtenp").removeprefix(".")
        if node.module.partition(".")[0] == "gtenp":
            for alias in node.names:
                inner = f"{parent}.{alias.name}".removeprefix(".")
                found.add(inner if inner in ORDER else parent)
    return found - {""}  # gtenp itself: its version


def test_every_file_has_its_floor():
    paths = {path_of(module) for module in ORDER}
    tops = {PACKAGE / "__init__.py", PACKAGE / "__main__.py"}
    assert paths == set(PACKAGE.rglob("*.py")) - tops


@pytest.mark.parametrize("module", ORDER)
def test_no_file_imports_upward(module):
    assert imported(module) <= set(ORDER[: ORDER.index(module)])


@pytest.mark.parametrize("floor", [floor for floor, files in FLOORS.items() if files])
def test_a_folders_face_defines_nothing(floor):
    if floor == "cli":
        return
    tree = ast.parse(path_of(floor).read_text(encoding="utf-8"))
    kinds = {type(node) for node in tree.body}
    assert kinds <= {ast.Expr, ast.ImportFrom}
    assert ast.get_docstring(tree)


def modules_after(code: str) -> set[str]:
    """The modules that a fresh process has loaded after running the code."""
    script = f"{code}\nimport sys; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.splitlines()[-1].split())


def test_importing_gtenp_loads_not_even_numpy():
    assert not modules_after("import gtenp") & {"numpy", "safetensors", "huggingface_hub", "click"}


def test_a_local_folder_needs_neither_hub_nor_progress_bar_nor_regex():
    code = f"from gtenp import Embedder; Embedder({str(DATA / 'tiny')!r}).encode('plain ASCII')"
    loaded = modules_after(code)
    assert not loaded & {"huggingface_hub", "tqdm", "click", "regex", "filelock"}
    assert not loaded & {
        f"gtenp.tokenizer.{name}" for name in ("stages", "pipeline", "edits", "bpe", "patterns")
    }


def test_a_text_on_the_command_line_needs_nothing_of_jobs():
    code = (
        "from gtenp.cli import main; "
        f"main(['embed', '--model', {str(DATA / 'tiny')!r}, 'text'], standalone_mode=False)"
    )
    loaded = modules_after(code)
    assert not loaded & {"gtenp.jobs.job", "csv", "sqlite3", "concurrent.futures", "tqdm"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'Enbedder'"):
        gtenp.Enbedder  # noqa: B018


@pytest.mark.parametrize("name", gtenp.__all__)
def test_every_public_name_and_method_is_documented(name):
    public = getattr(gtenp, name)
    assert public.__doc__
    if inspect.isclass(public):
        for method, value in inspect.getmembers(public, inspect.isfunction):
            if not method.startswith("_"):
                assert value.__doc__, f"{name}.{method}"
