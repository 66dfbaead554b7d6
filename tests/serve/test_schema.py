import pytest

from gtenp.serve.schema import (
    BOOLEAN,
    INTEGER,
    NULL,
    NUMBER,
    STRING,
    SchemaError,
    any_of,
    array,
    check,
    fields,
    one_of,
    whole,
)

LISTS = any_of(STRING, array(STRING, 1, 3), array(array(INTEGER)))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (STRING, ""),
        (NUMBER, 3),
        (NUMBER, 3.5),
        (INTEGER, 3.0),
        (array(STRING, 1, 2), ["a", "b"]),
        (LISTS, "a"),
        (LISTS, [[1], []]),
        (fields({"a": STRING}, {"b": INTEGER}), {"a": "", "c": object}),
        (fields({}, {"b": INTEGER}), {"b": None}),
        (whole(1, 3), 3),
        (one_of("x", "y"), "y"),
        (any_of(STRING, NULL), None),
    ],
)
def test_what_suits_passes(schema, value):
    check(schema, value)


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (STRING, 3, "the body is an integer, a string was wanted"),
        (INTEGER, True, "the body is a boolean, an integer was wanted"),
        (INTEGER, 3.5, "the body is a number, an integer was wanted"),
        (BOOLEAN, 1, "the body is an integer, a boolean was wanted"),
        (array(STRING), ["a", None], "[1] is null, a string was wanted"),
        (array(STRING, 1), [], "the body has 0 items, wanted 1 at least"),
        (array(STRING, 0, 1), ["a", "b"], "the body has 2 items, wanted 1 at most"),
        (LISTS, ["a", "b", 3], "[2] is an integer, a string was wanted"),
        (LISTS, [[1], [2, "a"]], "[1][1] is a string, an integer was wanted"),
        (fields({"a": STRING}), {}, "a is missing"),
        (fields({"a": fields({"b": STRING})}), {"a": {"b": 1}}, "a.b is an integer, a string was"),
        (whole(1, 3), 0, "the body is 0, wanted from 1 to 3"),
        (whole(1, 3), 4, "the body is 4, wanted from 1 to 3"),
        (one_of("x", "y"), "z", "the body is 'z'; there is x, y"),
    ],
)
def test_what_does_not_is_told_with_its_place(schema, value, message):
    with pytest.raises(SchemaError) as caught:
        check(schema, value)
    assert str(caught.value).startswith(message)
