"""Requests out of Microsoft's schemas: bodies that are as they say, and bodies that are wrong in one place.

schemathesis makes requests for whole files, most of which fail at the first thing that is looked at. What is made here grows
from a body that the simulator takes, so that what is further inside is reached too.
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

from tests.contracts.schemas import Reading, Schema, Translation
from tests.contracts.specifications import operations

_FEW = 2  # optional members of an object: some at a time, or every body would be refused for one of them
_TEXT = st.text(max_size=12) | st.sampled_from(
    ["", "westeurope", "a", "1", "PT5M", "2026-11-21T07:00:00Z", "dXNlcg==", "é", "\x00"]
)
_SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "integer": st.integers(-(2**31), 2**31 - 1) | st.sampled_from([0, 1, 2, 30, 1023, -1]),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([-1, 0, 0.01]),
}
_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
    max_leaves=4,
)


def body_schema(operation: str) -> Schema | None:
    """The JSON Schema of an operation's body (its key is FILE.operationId), None if it has none."""
    bodies = operations()[operation].parameters_in("body")
    if not bodies:
        return None
    reading = Reading.SENT_TO_UPDATE if operations()[operation].method == "PATCH" else Reading.SENT_TO_CREATE
    return Translation(reading).document(bodies[0].at(bodies[0].value["schema"]))


@st.composite
def valid(draw: st.DrawFn, schema: Schema, definitions: dict[str, Schema], depth: int = 0) -> Any:
    """A value that is as `schema` says. `definitions` are the document's $defs."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return draw(valid(draw(st.sampled_from(schema[choice])), definitions, depth))
    if "enum" in schema:
        return draw(st.sampled_from(schema["enum"]))
    kind = schema.get("type")
    if kind == "object":
        return draw(_object(schema, definitions, depth))
    if kind == "array":
        most = 0 if depth > 6 else 2
        return draw(st.lists(valid(schema["items"], definitions, depth + 1), min_size=schema.get("minItems", 0), max_size=most))
    if kind == "string":
        return draw(st.from_regex(schema["pattern"], fullmatch=True) if "pattern" in schema else _TEXT)
    return draw(_within(_SCALARS[kind], schema) if kind else _JSON)


def _within(numbers: st.SearchStrategy[Any], schema: Schema) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    return numbers.filter(lambda value: (low is None or value >= low) and (high is None or value <= high))


@st.composite
def _object(draw: st.DrawFn, schema: Schema, definitions: dict[str, Schema], depth: int) -> dict[str, Any]:
    members = {name: member for name, member in schema.get("properties", {}).items() if member is not False}
    required = schema.get("required", [])
    optional = sorted(set(members) - set(required)) if depth < 6 else []
    chosen = draw(st.lists(st.sampled_from(optional), max_size=_FEW, unique=True)) if optional else []
    made = {name: draw(valid(members[name], definitions, depth + 1)) for name in (*required, *chosen)}
    others = schema.get("additionalProperties")
    if isinstance(others, dict) and draw(st.booleans()):
        made[draw(st.text(min_size=1, max_size=8))] = draw(valid(others, definitions, depth + 1))
    return made


def grown(body: Any, more: Any) -> Any:
    """`body` with what `more` has besides; where both have something that is no object, `more` wins."""
    if isinstance(body, dict) and isinstance(more, dict):
        return {**body, **{name: grown(body.get(name), value) for name, value in more.items()}}
    return copy.deepcopy(body) if more is None else more


@st.composite
def spoiled(draw: st.DrawFn, body: Any) -> Any:
    """`body` with one place of another type, one member more, or one less."""
    bad = copy.deepcopy(body)
    *way, last = draw(st.sampled_from(places(bad)))
    owner = bad
    for part in way:
        owner = owner[part]
    how = draw(st.sampled_from(["other", "without", "unknown"]))
    if how == "without":
        del owner[last]
    elif how == "unknown" and isinstance(owner[last], dict):
        owner[last][draw(st.sampled_from(["unheardOf", "", "é"]))] = draw(_JSON)
    else:
        owner[last] = draw(_JSON)
    return bad


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all members of a body."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [way] if way else []
    for key, item in members:
        found += places(item, (*way, key))
    return found
