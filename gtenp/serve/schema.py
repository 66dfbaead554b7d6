"""The part of JSON Schema that requests are written in, and the check of a request by it.

One statement of a request's fields is both what it is checked by and what /openapi.json shows.
"""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]
Place = tuple[str | int, ...]

_KINDS = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    list: "array",
    dict: "object",
    type(None): "null",
}


class SchemaError(Exception):
    """A value is not what its schema wants; ``place`` leads to it."""

    def __init__(
        self, place: Place, problem: str, *, empty: bool = False, of_kind: bool = False
    ) -> None:
        super().__init__(f"{written(place)} {problem}")
        self.place = place
        self.empty = empty  # a list that has nothing in it
        self.of_kind = of_kind  # no value of that kind would have suited


def check(schema: Schema, value: Any, place: Place = ()) -> None:
    """SchemaError at the first place where the value is not what the schema wants.

    >>> check(array(STRING), ["a", 3], ("input",))
    Traceback (most recent call last):
    gtenp.serve.schema.SchemaError: input[1] is an integer, a string was wanted
    """
    if "anyOf" in schema:
        _check_any(schema["anyOf"], value, place)
        return
    found, wanted = _KINDS[type(value)], schema["type"]
    if found == "number" and value.is_integer():
        found = "integer"  # 3.0 is one, says JSON Schema
    if found != wanted and not (found == "integer" and wanted == "number"):
        advice = schema.get("x-instead", {}).get(found, "")
        raise SchemaError(place, f"is {_a(found)}, {_a(wanted)} was wanted{advice}", of_kind=True)
    if "enum" in schema and value not in schema["enum"]:
        known = ", ".join(schema["enum"]) or "none"
        raise SchemaError(place, f"is {value!r:.60}; there is {known}")
    if found == "array":
        _check_array(schema, value, place)
    elif found == "object":
        _check_object(schema, value, place)
    elif found in ("integer", "number"):
        _check_number(schema, value, place)


def _check_any(schemas: list[Schema], value: Any, place: Place) -> None:
    errors = []
    for schema in schemas:
        try:
            check(schema, value, place)
        except SchemaError as error:
            errors.append(error)
        else:
            return
    # The one that got furthest is the one that was meant.
    raise max(errors, key=lambda error: (_order(error.place), not error.of_kind))


def _order(place: Place) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (-1, step) for step in place]


def _check_array(schema: Schema, values: list[Any], place: Place) -> None:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if len(values) < least:
        raise SchemaError(place, f"has {len(values)} items, wanted {least} at least", empty=True)
    if most is not None and len(values) > most:
        raise SchemaError(place, f"has {len(values)} items, wanted {most} at most")
    for number, value in enumerate(values):
        check(schema["items"], value, (*place, number))


def _check_object(schema: Schema, values: dict[str, Any], place: Place) -> None:
    for name in schema.get("required", ()):
        if name not in values:
            raise SchemaError((*place, name), "is missing")
    for name, inner in schema.get("properties", {}).items():
        if name in values:
            check(inner, values[name], (*place, name))


def _check_number(schema: Schema, value: float, place: Place) -> None:
    least, most = schema.get("minimum"), schema.get("maximum")
    if (least is not None and value < least) or (most is not None and value > most):
        to = "on" if most is None else f"to {most}"
        raise SchemaError(place, f"is {value}, wanted from {least} {to}")


def _a(kind: str) -> str:
    return kind if kind == "null" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def written(place: Place) -> str:
    """A place as people write it.

    >>> written(("inputs", "sentences", 3)), written(())
    ('inputs.sentences[3]', 'the body')
    """
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in place]
    return "".join(steps).removeprefix(".") or "the body"


# ── Words to write schemas with ──────────────────────────────────────────────────────────────────

STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BOOLEAN: Schema = {"type": "boolean"}
NULL: Schema = {"type": "null"}


def array(items: Schema, least: int = 0, most: int | None = None) -> Schema:
    """A list of such values, so many of them."""
    schema: Schema = {"type": "array", "items": items}
    if least:
        schema["minItems"] = least
    if most is not None:
        schema["maxItems"] = most
    return schema


def fields(required: dict[str, Schema], optional: dict[str, Schema] | None = None) -> Schema:
    """An object with fields that must be there, and some that may be absent or null; others are
    let pass, for clients send more than they need.
    """
    loose = {name: any_of(schema, NULL) for name, schema in (optional or {}).items()}
    return {"type": "object", "properties": {**required, **loose}, "required": list(required)}


def any_of(*schemas: Schema) -> Schema:
    """A value that suits one of the schemas, or more."""
    return {"anyOf": list(schemas)}


def whole(least: int, most: int) -> Schema:
    """A whole number."""
    return {"type": "integer", "minimum": least, "maximum": most}


def one_of(*names: str) -> Schema:
    """One of some strings."""
    return {"type": "string", "enum": list(names)}
