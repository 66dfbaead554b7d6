"""The house itself: who imports whom, what an import costs, what the public surface documents."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import DATA

import gtenp

PACKAGE = Path(gtenp.__file__).parent

# Lowest first: a room imports only from rooms before it.
ROOMS = [
    "errors", "config", "sentence_config", "model_cache", "folders", "package_index", "hub",
    "checkpoint", "unicode_tables", "characters", "tokenizer_files", "batch_encoding", "tokenizer",
    "batch", "reference", "parallel", "kernels", "encoder", "pooling", "similarity", "bert",
    "saving", "embedder", "torchlike", "trace", "explain", "explain_page", "verify", "live",
    "evaluate", "heatmap", "benchmark", "cli",
]  # fmt: skip


def imported_rooms(path: Path) -> set[str]:
    """The rooms that a file imports when it runs; imports for type checking alone don't count."""
    rooms = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types or not isinstance(node, ast.ImportFrom):
            continue
        if node.module == "gtenp":
            rooms |= {alias.name for alias in node.names if alias.name != "__version__"}
        elif node.module and node.module.startswith("gtenp."):
            rooms.add(node.module.split(".")[1])
    return rooms


def test_every_room_is_known():
    found = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert found | {"cli"} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_upward(room):
    files = PACKAGE.glob("cli/*.py") if room == "cli" else [PACKAGE / f"{room}.py"]
    below = ROOMS[: ROOMS.index(room)] + (["cli"] if room == "cli" else [])
    for path in files:
        assert imported_rooms(path) <= set(below), path.name


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
    assert not modules_after(code) & {"huggingface_hub", "tqdm", "click", "regex", "filelock"}


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
