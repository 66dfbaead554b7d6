"""What can be set about the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """The options of ``gtenp serve`` that a request can feel."""

    max_batch_tokens: int = 0  # tokens that go through the model at once; 0: by its threads
    max_concurrent: int = 512  # requests that are waited for; more get 429
    max_body: int = 16_777_216  # bytes
    max_inputs: int = 2048  # texts of a request
    body_seconds: float = 30.0  # in which a body has to arrive
    auto_truncate: bool = True  # cut a text that is too long where the request does not say
    accept_token_ids: bool = False
    batch_invariant: bool = False
    api_keys: tuple[str, ...] = ()
    cors: tuple[str, ...] = ()  # origins, or "*"
    log_format: str = "text"  # or "json", or "none"
