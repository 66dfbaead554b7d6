"""What can go wrong with a request, and how each protocol says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gtenp.serve.schema import NULL, STRING, Schema, any_of, fields

if TYPE_CHECKING:
    from collections.abc import Callable

# Every kind of problem, and its status where the protocol has none of its own.
STATUSES = {
    "malformed": 400,  # no JSON
    "invalid": 400,  # JSON that asks for what can't be done
    "empty": 400,  # no input
    "unauthorized": 401,
    "no model": 404,  # of that kind is served here
    "slow": 408,  # the body did not arrive in time
    "too large": 413,  # the body
    "overloaded": 429,
    "failed": 500,  # the model gives no finite numbers for this input
    "unavailable": 503,  # loading, or about to end
}
_SECONDS_TO_WAIT = {"overloaded": "1", "unavailable": "1"}


class RequestError(Exception):
    """A request can't be answered; ``kind`` is one of STATUSES, ``param`` the field at fault."""

    def __init__(self, kind: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.param = param
        self.dialect: Dialect | None = None  # None: that of the path

    @property
    def headers(self) -> dict[str, str]:
        """When to come back, or that to try again is no use."""
        if self.kind in _SECONDS_TO_WAIT:
            return {"retry-after": _SECONDS_TO_WAIT[self.kind]}
        if self.kind == "unauthorized":
            return {"www-authenticate": "Bearer"}
        return {"x-should-retry": "false"} if self.kind == "failed" else {}


@dataclass(frozen=True)
class Dialect:
    """How a protocol tells of a problem."""

    name: str
    body: Callable[[RequestError, int], dict[str, Any] | None]  # of a problem and its status
    schema: Schema  # of that body
    own_statuses: dict[str, int] = field(default_factory=dict)

    def status(self, kind: str) -> int:
        """The HTTP status of a kind of problem."""
        return self.own_statuses.get(kind, STATUSES[kind])


def _openai(problem: RequestError, status: int) -> dict[str, Any]:
    kinds = {401: "authentication_error", 429: "rate_limit_error"}
    usual = "invalid_request_error" if status < 500 else "server_error"
    return {
        "error": {
            "message": problem.message,
            "type": kinds.get(status, usual),
            "param": problem.param,
            "code": problem.kind.replace(" ", "_"),
        }
    }


_NAME = any_of(STRING, NULL)
OPENAI = Dialect(
    "OpenAI",
    _openai,
    fields({"error": fields({"message": STRING, "type": STRING, "param": _NAME, "code": STRING})}),
)

_TEI_TYPES = {
    "empty": "Empty",
    "failed": "Backend",
    "no model": "Backend",
    "overloaded": "Overloaded",
    "unavailable": "Unhealthy",
}


def _tei(problem: RequestError, status: int) -> dict[str, Any] | None:
    if status == 401:
        return None
    return {"error": problem.message, "error_type": _TEI_TYPES.get(problem.kind, "Validation")}


TEI = Dialect(
    "text-embeddings-inference",
    _tei,
    fields({"error": STRING, "error_type": STRING}),
    {"invalid": 422, "no model": 424, "failed": 424},
)

COHERE = Dialect(
    "Cohere and Jina", lambda problem, _: {"message": problem.message}, fields({"message": STRING})
)

EDGE = Dialect(
    "edge function", lambda problem, _: {"error": problem.message}, fields({"error": STRING})
)
