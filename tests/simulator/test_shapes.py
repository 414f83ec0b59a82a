"""Reading bodies by a table of types."""

from __future__ import annotations

from typing import Any

import pytest

from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.world.shapes import shapes
from slurm_azure.simulator.world.vm_shapes import VIRTUAL_MACHINE

TABLE = """
Thing thing
  name! text
  size int
  part int 1..9
  weight number
  ready flag
  kind Old|New
  only One|
  state read
  inner Inner
  list [Inner]
  names {text}
  free any
Inner thing.inner
  value! Some|Other, Some
"""
THING = shapes(TABLE)["Thing"]


def test_a_good_body_comes_back_clean() -> None:
    """Nulls and what is read-only are left out; members and values get their documented spelling."""
    body = {
        "NAME": "n", "size": -5, "part": 9, "weight": 1, "ready": False, "kind": "nEW", "only": "one", "state": 7,
        "inner": None, "list": [{"value": "other, some"}], "names": {"Key": "v", "gone": None}, "free": [{"a": None}],
    }  # fmt: skip
    assert THING.body(body) == {
        "name": "n", "size": -5, "part": 9, "weight": 1, "ready": False, "kind": "New", "only": "One",
        "list": [{"value": "Other, Some"}], "names": {"Key": "v"}, "free": [{"a": None}],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("member", "value", "code", "told"),
    [
        ("name", 5, "InvalidRequestContent", "Path 'name'"),
        ("size", "5", "InvalidRequestContent", "Path 'size'"),
        ("size", True, "InvalidRequestContent", "Path 'size'"),
        ("size", 1.0, "InvalidRequestContent", "Path 'size'"),
        ("size", 2**63, "InvalidRequestContent", "Path 'size'"),
        ("part", 10, "InvalidParameter", "thing.part"),
        ("weight", True, "InvalidRequestContent", "Path 'weight'"),
        ("ready", "true", "InvalidRequestContent", "Path 'ready'"),
        ("kind", "Newer", "InvalidParameter", "thing.kind"),
        ("kind", 1, "InvalidRequestContent", "Path 'kind'"),
        ("inner", [], "InvalidRequestContent", "Path 'inner'"),
        ("inner", {}, "InvalidParameter", "thing.inner.value"),
        ("list", {}, "InvalidRequestContent", "Path 'list'"),
        ("list", [{"value": "Some"}, {"value": 0}], "InvalidRequestContent", "Path 'list[1].value'"),
        ("names", {"k": 1}, "InvalidRequestContent", "Path 'names.k'"),
        ("names", [], "InvalidRequestContent", "Path 'names'"),
        ("other", 1, "InvalidRequestContent", "Could not find member 'other' on object of type 'Thing'"),
    ],
)
def test_what_does_not_fit_is_told(member: str, value: Any, code: str, told: str) -> None:
    """Each mistake with its code and its place; a value is never repeated, it may be a secret."""
    with pytest.raises(Refusal) as caught:
        THING.body({"name": "n", member: value})
    assert (caught.value.status, caught.value.code) == (400, code)
    assert told in caught.value.message + (caught.value.target or "")


def test_what_has_to_be_given_is_missed() -> None:
    """A required member that is missing or null is named with its type's prefix."""
    for body in ({}, {"name": None}):
        with pytest.raises(Refusal) as caught:
            THING.body(body)
        assert (caught.value.code, caught.value.target) == ("InvalidParameter", "thing.name")


def test_no_error_repeats_a_password() -> None:
    """A password of the wrong type is refused without being told again."""
    with pytest.raises(Refusal) as caught:
        VIRTUAL_MACHINE.body({"properties": {"osProfile": {"adminPassword": ["geheim"]}}})
    assert "geheim" not in str(caught.value)
    assert "properties.osProfile.adminPassword" in caught.value.message
