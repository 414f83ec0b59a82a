"""Whatever a client sends that can be said in HTTP and JSON: an answer that Microsoft's files allow, and never a failure.

SLURM_AZURE_FUZZ=20 looks twenty times as long, and elsewhere each time (make fuzz).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from tests.contracts import generation, specifications
from tests.contracts.specifications import Operation, operations
from tests.contracts.target import Target, complaints, is_invalid, target
from tests.support.simulated_azure import SimulatedAzure, vm_body

TIMES = int(os.environ.get("SLURM_AZURE_FUZZ", "1"))

pytestmark = [
    pytest.mark.skipif(not specifications.available(), reason=specifications.ABSENT),
    pytest.mark.timeout(60 + 60 * TIMES),
]

FILES = (
    "virtualMachine",
    "computeRPCommon",
    "proximityPlacementGroup",
    "capacityReservation",
    "virtualMachineScaleSet",
    "availabilitySet",
    "image",
    "logAnalytic",
    "runCommand",
    "virtualMachineImage",
    "skus",
)
OPERATIONS = sorted(key for key in (operations() if specifications.available() else {}) if key.partition(".")[0] in FILES)
WITH_BODY = [key for key in OPERATIONS if operations()[key].parameters_in("body")]


def examples(count: int) -> settings:
    """So many examples, always the same ones unless a longer look is wanted."""
    return settings(
        max_examples=count * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )


@pytest.fixture(scope="module")
def shooting_range() -> Iterator[Target]:
    with target() as running:
        yield running


def path_of(operation: Operation, azure: SimulatedAzure, names: dict[str, str]) -> str:
    """The operation's path, in the subscription and group that there are unless `names` says otherwise."""
    known = {"subscriptionId": azure.subscription, "resourceGroupName": azure.resource_group, "location": azure.location}
    parts = operation.template.split("/")
    return "/".join({**known, **names}.get(part.strip("{}"), "x") if part.startswith("{") else part for part in parts)


def good_body(operation: Operation, azure: SimulatedAzure) -> dict[str, Any]:
    """What an operation takes, to start from."""
    bodies: dict[str, dict[str, Any]] = {
        "VirtualMachines": vm_body(azure),
        "CapacityReservations": {"location": azure.location, "sku": {"name": "Standard_D2s_v5", "capacity": 1}},
        "VirtualMachineScaleSets": {
            "location": azure.location,
            "properties": {"orchestrationMode": "Flexible", "platformFaultDomainCount": 1},
        },
        "AvailabilitySets": {"location": azure.location, "sku": {"name": "Aligned"}},
    }
    group, _, verb = operation.id.partition("_")
    if verb == "Update":
        return {"tags": {"a": "b"}}
    return bodies.get(group, {"location": azure.location}) if verb == "CreateOrUpdate" else {}


def names_for(operation: Operation) -> st.SearchStrategy[dict[str, str]]:
    """Few names, so that things are found again."""
    names = [name.strip("{}") for name in operation.template.split("/") if name.startswith("{")]
    own = [name for name in names if name not in ("subscriptionId", "resourceGroupName", "location")]
    return st.fixed_dictionaries({name: st.sampled_from(["one", "two", "ONE"]) for name in own})


@pytest.mark.parametrize("key", OPERATIONS)
def test_valid_requests_are_answered_as_specified(shooting_range: Target, key: str) -> None:
    """A body that the file allows, grown from one that works: created, shown, or refused as Azure refuses."""
    operation = operations()[key]
    schema = generation.body_schema(key)
    bodies = st.none() if schema is None else generation.valid(schema, schema["$defs"])

    @examples(8 if schema else 2)
    @given(names=names_for(operation), more=bodies)
    def send(names: dict[str, str], more: Any) -> None:
        path = path_of(operation, shooting_range.azure, names)
        body = None if schema is None else generation.grown(good_body(operation, shooting_range.azure), more)
        answer = shooting_range.send(operation.method, path, body=body)
        assert complaints(answer) == []
        if answer["status"] in (404, 405):
            code = answer["reply"]["error"]["code"]
            assert code not in ("InvalidResourceType", "MethodNotAllowed"), f"{key} has no 501: {answer['reply']}"
        if operation.method == "PUT":
            assert complaints(shooting_range.send("GET", path)) == []

    send()


@pytest.mark.parametrize("key", WITH_BODY)
def test_invalid_bodies_are_refused(shooting_range: Target, key: str) -> None:
    """A body that works, wrong in one place: 4xx with an error as specified, or 501 where nothing is simulated."""
    operation = operations()[key]

    @examples(20)
    @given(names=names_for(operation), data=st.data())
    def send(names: dict[str, str], data: st.DataObject) -> None:
        good = good_body(operation, shooting_range.azure)
        body = data.draw(generation.spoiled({"body": good}))
        assume("body" in body)
        answer = shooting_range.send(operation.method, path_of(operation, shooting_range.azure, names), body=body["body"])
        assert complaints(answer) == []
        wrong = is_invalid(answer)
        assert not wrong or 400 <= answer["status"] < 500 or answer["status"] == 501, [answer["status"], *map(str, wrong)]

    send()


def cases(key: str, mode: GenerationMode) -> st.SearchStrategy[Any]:
    """What schemathesis makes of an operation."""
    stem, _, _ = key.partition(".")
    (file,) = [file for file in specifications.files() if file.stem == stem]
    operation = operations()[key]
    schema = schemathesis.openapi.from_path(str(file))
    return schema[operation.template][operation.method].as_strategy(generation_mode=mode)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["positive", "negative"])
@pytest.mark.parametrize("key", OPERATIONS)
def test_schemathesis_finds_nothing(shooting_range: Target, key: str, mode: GenerationMode) -> None:
    """Requests by schemathesis, with every name at random or with those that there are."""
    operation = operations()[key]

    @examples(2)
    @given(case=cases(key, mode), here=st.booleans())
    def send(case: Any, here: bool) -> None:
        names = {name: unquote(str(value)) for name, value in case.path_parameters.items()}
        if here:
            names = {name: value for name, value in names.items() if name not in ("subscriptionId", "resourceGroupName")}
        body = case.body if isinstance(case.body, bytes | str | int | float | list | dict) else None
        query = {"api-version": "2026-04-01"} | {name: value for name, value in case.query.items() if name != "api-version"}
        headers = {name: value for name, value in case.headers.items() if value.isascii() and value.isprintable()}
        answer = shooting_range.send(operation.method, path_of(operation, shooting_range.azure, names), query, body, headers)
        assert complaints(answer) == []

    send()
