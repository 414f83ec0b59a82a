"""Every entry of the version gap is one: missing from the OpenAPI files, known to the SDK that sends the newer version."""

from __future__ import annotations

from enum import EnumMeta
from typing import Any

import azure.mgmt.compute.models as sdk
import pytest

from tests.contracts import specifications, template, version_gap
from tests.contracts.openapi import judge
from tests.contracts.specifications import Place, content, files, follow
from tests.contracts.version_gap import MEMBERS, VALUES, Member, Value
from tests.support import exchanges

pytestmark = pytest.mark.skipif(not specifications.available(), reason=specifications.ABSENT)


def definition(name: str) -> Place:
    """FILE.Definition."""
    stem, _, short = name.partition(".")
    (file,) = [one for one in files() if one.stem == stem]
    return Place(content(file)["definitions"][short], file, short)


def members_of(place: Place) -> set[str]:
    """The members of a definition, inherited ones included."""
    inherited = [members_of(follow(place.at(parent))) for parent in place.value.get("allOf", ())]
    return set(place.value.get("properties", ())).union(*inherited)


def enums(value: Any) -> dict[str, set[str]]:
    """All enums below a piece of a file, by their x-ms-enum name."""
    found: dict[str, set[str]] = {}
    if isinstance(value, dict) and "enum" in value and "x-ms-enum" in value:
        found[value["x-ms-enum"]["name"]] = set(value["enum"])
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in inner:
        for name, values in enums(item).items():
            found[name] = found.get(name, set()) | values
    return found


@pytest.mark.parametrize("member", MEMBERS, ids=lambda member: f"{member.of}.{member.name}")
def test_a_member_is_not_in_the_files_and_is_in_the_sdk(member: Member) -> None:
    """If the files had it the entry would be superfluous; if the SDK did not, there would be no reason for it."""
    assert member.name not in members_of(definition(member.of))
    model = getattr(sdk, member.model)
    model()  # its members are known once there is one
    assert member.name in {field._rest_name for field in model._attr_to_rest_field.values()}


@pytest.mark.parametrize("value", VALUES, ids=lambda value: value.value)
def test_a_value_is_not_in_the_files_and_is_in_the_sdk(value: Value) -> None:
    """The same of an enum's values."""
    known = enums([content(file) for file in files()])
    assert value.value not in known[value.enum]
    model = getattr(sdk, value.model)
    assert isinstance(model, EnumMeta)
    assert value.value in {member.value for member in model}  # type: ignore[var-annotated]  # an enum's members


def test_an_open_enum_is_one_that_the_files_know() -> None:
    """It is there, or it would open nothing."""
    assert set(enums([content(file) for file in files()])) >= version_gap.OPEN_ENUMS


def test_what_is_newer_than_the_template_schema_is_in_the_gap() -> None:
    """The second opinion gives way to nothing that the first does not know to be new."""
    assert {f"{member.of.partition('.')[2]}.{member.name}" for member in MEMBERS} >= template.NEWER
    machine = exchanges.a_vm_body()
    machine["properties"]["hardwareProfile"]["processorMode"] = "Deterministic"
    assert template.problems("vm", machine) == []
    assert template.problems("vm", {**machine, "unheardOf": 1}) != []


@pytest.mark.parametrize("member", [one for one in MEMBERS if one.of == "virtualMachine.VirtualMachine"])
def test_without_its_entry_a_newer_member_is_refused(member: Member) -> None:
    """The entries are what lets them pass."""
    exchange = exchanges.a_create()
    exchange["body"][member.name] = {"zonePlacementPolicy": "Any"}
    assert judge(exchange).problems == ()
    exchange["body"][f"{member.name}2"] = {}
    assert judge(exchange).problems != ()
