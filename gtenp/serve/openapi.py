"""/openapi.json and /docs: what is served here, made of the routes themselves."""

from __future__ import annotations

import html
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from gtenp import __version__
from gtenp.serve.problem import STATUSES
from gtenp.serve.schema import Schema, any_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gtenp.serve.route import Route
    from gtenp.serve.service import Service

# What a GET, which has no body to be wrong, can't meet.
_OF_BODIES = ("malformed", "invalid", "empty", "slow", "too large", "failed", "no model")


def statuses(route: Route, keys: bool = True) -> dict[int, list[str]]:
    """Each status of a route but 200, and the kinds of problem that it stands for."""
    found: dict[int, list[str]] = {}
    for kind in STATUSES:
        if (kind in _OF_BODIES and route.body is None) or (kind == "unauthorized" and not keys):
            continue
        found.setdefault(route.dialect.status(kind), []).append(kind)
    return found


def document(service: Service, paths: Mapping[str, Sequence[Route]]) -> dict[str, Any]:
    """The OpenAPI document of the routes whose model is served."""
    models, _ = service.ready()
    described: dict[str, Any] = {}
    for path, routes in paths.items():
        served = [
            route
            for route in routes
            if route.model == "any" or getattr(models, route.model) is not None
        ]
        if served:
            described[path] = _operation(service, path, served)
    for path, (summary, media_type, problems) in PAGES.items():
        described.setdefault(path, {})["get"] = _page_operation(summary, media_type, problems)
    described["/explain"]["get"]["parameters"] = [_TEXTS]
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "gtenp serve", "version": __version__},
        "paths": described,
    }
    if service.options.api_keys:
        found["components"] = {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
    return found


_HTML, _TEXT = "text/html", "text/plain"
# What each is, and its statuses but 200.
PAGES: dict[str, tuple[str, str, tuple[int, ...]]] = {
    "/": ("A page to try it", _HTML, ()),
    "/docs": ("This description, for people", _HTML, (503,)),
    "/openapi.json": ("This description", "application/json", (503,)),
    "/explain": (
        "A page of what happens to texts on their way to a vector",
        _HTML,
        (400, 401, 404, 429, 503),
    ),
    "/health": ("200 when requests are answered", _TEXT, (503,)),
    "/ping": ("The same", _TEXT, (503,)),
    "/readyz": ("The same", _TEXT, (503,)),
    "/livez": ("200 while the process lives", _TEXT, ()),
    "/metrics": ("What was counted, for Prometheus", _TEXT, ()),
}
_TEXTS = {
    "name": "text",
    "in": "query",
    "required": True,
    "schema": {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 4},
}


def _page_operation(summary: str, media_type: str, problems: tuple[int, ...]) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": {"description": "OK", "content": {media_type: {}}}}
    for status in problems:
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
    return {"summary": summary, "responses": responses}


def _operation(service: Service, path: str, routes: Sequence[Route]) -> dict[str, Any]:
    keys = bool(service.options.api_keys)
    problems: dict[int, list[Route]] = {}
    for route in routes:
        for status in statuses(route, keys):
            problems.setdefault(status, []).append(route)
    responses: dict[str, Any] = {
        "200": {"description": "OK", "content": _json([route.reply for route in routes])}
    }
    for status, its_routes in sorted(problems.items()):
        responses[str(status)] = {"description": HTTPStatus(status).phrase}
        bodies = [r.dialect.schema for r in its_routes if status != 401 or r.dialect.name != _TEI]
        if bodies:
            responses[str(status)]["content"] = _json(bodies)
    operation: dict[str, Any] = {
        "summary": "; or: ".join(dict.fromkeys(route.summary for route in routes)),
        "responses": responses,
    }
    if keys:
        operation["security"] = [{"key": []}]
    if "{name}" in path:
        operation["parameters"] = [
            {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}
        ]
    bodies = [_shown(service.schema(route)) for route in routes if route.body is not None]
    if bodies:
        operation["requestBody"] = {"required": True, "content": _json(bodies)}
    return {routes[0].method.lower(): operation}


_TEI = "text-embeddings-inference"  # whose 401 is empty


def _json(schemas: list[Schema]) -> dict[str, Any]:
    different = [schema for i, schema in enumerate(schemas) if schema not in schemas[:i]]
    schema = different[0] if len(different) == 1 else any_of(*different)
    return {"application/json": {"schema": schema}}


def _shown(schema: Any) -> Any:
    """A schema without our own words in it."""
    if isinstance(schema, dict):
        return {name: _shown(value) for name, value in schema.items() if name != "x-instead"}
    return [_shown(value) for value in schema] if isinstance(schema, list) else schema


# ── For people ───────────────────────────────────────────────────────────────────────────────────


def page(found: dict[str, Any]) -> str:
    """The same as a page to read."""
    sections = []
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            sections.append(
                f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>"
                f"<p>{html.escape(operation['summary'])}</p>{_fields_table(operation)}"
                f"<p>Statuses: {', '.join(operation['responses'])}</p>"
            )
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>gtenp serve {__version__}</title>
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto }}
td, th {{ text-align: start; padding: .2rem 1rem .2rem 0; vertical-align: top }}
h2 {{ font-size: 1.1rem; margin-top: 2rem }}
</style>
</head>
<body>
<h1>gtenp serve {__version__}</h1>
<p>For programs: <a href="openapi.json">openapi.json</a>. To try it: <a href="./">the page</a>.</p>
{"".join(sections)}
</body>
</html>
"""


def _fields_table(operation: dict[str, Any]) -> str:
    if "requestBody" not in operation:
        return ""
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    tables = []
    for form in schema.get("anyOf", [schema]):
        rows = "".join(
            f"<tr><td><code>{name}</code></td><td>{html.escape(_words(inner))}</td>"
            f"<td>{'required' if name in form['required'] else ''}</td></tr>"
            for name, inner in form["properties"].items()
        )
        tables.append(f"<table>{rows}</table>")
    return "<p>or</p>".join(tables)


def _words(schema: Schema) -> str:
    if "anyOf" in schema:
        return " or ".join(_words(s) for s in schema["anyOf"] if s != {"type": "null"})
    if "enum" in schema:
        return " or ".join(f'"{name}"' for name in schema["enum"])
    if schema["type"] == "array":
        most = f", at most {schema['maxItems']:,}" if "maxItems" in schema else ""
        return f"a list of {_words(schema['items'])}{most}"
    if schema["type"] == "object":
        return f"{{{', '.join(schema.get('properties', {}))}}}"
    if "maximum" in schema:
        return f"{schema['type']} from {schema['minimum']} to {schema['maximum']}"
    return str(schema["type"])
