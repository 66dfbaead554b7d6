"""The same route around other runtimes, each with a lock, as people write such servers.

usage: python tools/bench/serve_peers.py PEER MODEL_FOLDER CONVERTED_FOLDER

prints the address and serves until it is killed.
"""

from __future__ import annotations

import base64
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Encode = Callable[[list[str]], np.ndarray]


def gtenp(folder: Path, _: Path) -> Encode:
    """Embedder, without the server that comes with it: what its batcher is worth."""
    from gtenp import Embedder

    return Embedder(folder).encode


def sentence_transformers(folder: Path, _: Path) -> Encode:
    """sentence-transformers as its users call it."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return lambda texts: model.encode(texts, show_progress_bar=False)


def onnxruntime(folder: Path, converted: Path) -> Encode:
    """tokenizers and onnxruntime; the graph has pooling and normalisation in it."""
    import onnxruntime
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    session = onnxruntime.InferenceSession(
        converted / "model.onnx", providers=["CPUExecutionProvider"]
    )

    def encode(texts: list[str]) -> np.ndarray:
        found = tokenizer.encode_batch(texts)
        ids = np.array([one.ids for one in found])
        mask = np.array([one.attention_mask for one in found])
        inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        return session.run(None, inputs)[0]

    return encode


PEERS = {
    "gtenp, a lock": gtenp,
    "sentence-transformers, a lock": sentence_transformers,
    "onnxruntime, a lock": onnxruntime,
}


def app(encode: Encode) -> Starlette:
    """POST /v1/embeddings, one request after the other through the model."""
    lock = threading.Lock()

    def answer(body: dict[str, Any]) -> bytes:
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        with lock:
            vectors = encode(texts)
        rows = [base64.b64encode(v.astype("<f4").tobytes()).decode() for v in vectors]
        data = [{"index": i, "embedding": row} for i, row in enumerate(rows)]
        return orjson.dumps({"object": "list", "data": data})

    async def embeddings(request: Request) -> Response:
        body = await request.json()
        content = await run_in_threadpool(answer, body)
        return Response(content, media_type="application/json")

    return Starlette(routes=[Route("/v1/embeddings", embeddings, methods=["POST"])])


def main() -> None:
    """Load, listen, say where."""
    peer, folder, converted = sys.argv[1:]
    encode = PEERS[peer](Path(folder), Path(converted))
    encode(["warm"])
    # With the protocol named, for asyncio to send at once.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app(encode), log_config=None, access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
