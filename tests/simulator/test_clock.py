"""The pace of the simulated world: what goes fast, what stays in real time, and what those outside are told."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from slurm_azure.simulator.clock import FastClock, RealClock
from slurm_azure.simulator.timing import constant
from tests.simulator.raw import arm, ask, token, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body

FACTOR = 50.0


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """A host after 5 s and ready 20 s later, half a real second in all; operations ask to come back in 10 s."""
    spans: dict[str, Any] = {"create_seconds": constant(5.0), "boot_seconds": constant(20.0), "delete_seconds": constant(20.0)}
    with simulated_azure(clock=FastClock(FACTOR), retry_after=10, throttling=True, **spans) as running:
        yield running


def test_time_goes_so_many_times_as_fast() -> None:
    """now, call_later and sleep agree on the factor; `real` says what it is for those outside."""

    async def pass_time() -> tuple[float, float, list[float]]:
        clock, called = FastClock(1000.0), list[float]()
        began, real = clock.now(), time.monotonic()
        clock.call_later(20.0, lambda: called.append(clock.now() - began))
        await clock.sleep(60.0)
        return clock.now() - began, time.monotonic() - real, called

    passed, real, called = asyncio.run(pass_time())
    assert passed >= 60.0
    assert 0.06 <= real < 30.0
    assert 20.0 <= called[0] <= passed
    assert FastClock(50.0).real(600.0) == 12.0
    assert RealClock().real(600.0) == 600.0


def test_the_unmodified_sdk_goes_through_a_life_in_real_seconds(azure: SimulatedAzure) -> None:
    """A VM that takes 25 simulated seconds to create and 20 to delete is there and gone before real ones have passed."""
    began = time.monotonic()
    with azure.compute() as client:
        body: Any = vm_body(azure)
        made = client.virtual_machines.begin_create_or_update(azure.resource_group, "one", body).result()
        assert made.provisioning_state == "Succeeded"
        client.virtual_machines.begin_delete(azure.resource_group, "one").result()
        assert list(client.virtual_machines.list(azure.resource_group)) == []
    assert time.monotonic() - began < 25.0


def test_clients_are_told_real_seconds(azure: SimulatedAzure) -> None:
    """Ten simulated seconds are a fifth of a real one: Retry-After says 1, rounded up."""
    assert arm(azure, "PUT", vm_path(azure, "one"), vm_body(azure)).headers["Retry-After"] == "1"


def test_retry_after_of_a_full_minute(azure: SimulatedAzure) -> None:
    """Compute refills within 60 simulated seconds, so a client waits two real ones at most."""
    for _ in range(5):  # the minute may end between the two requests
        azure.run(_drain(azure))
        refused = arm(azure, "GET", vm_path(azure))
        if refused.status == 429:
            break
    assert refused.status == 429
    assert refused.headers["Retry-After"] in ("1", "2")


async def _drain(azure: SimulatedAzure) -> None:
    found = azure.simulator.throttling
    assert found is not None
    found.consume("HighCostGet", 10**6, azure.subscription, azure.location)


def test_seconds_are_rounded_up() -> None:
    """With a clock that goes at the real pace nothing changes; a slow one makes clients wait longer."""
    with simulated_azure(clock=ManualClock(), retry_after=7, create_seconds=constant(5.0)) as azure:
        assert arm(azure, "PUT", vm_path(azure, "one"), vm_body(azure)).headers["Retry-After"] == "7"
    with simulated_azure(clock=FastClock(0.5), retry_after=7, create_seconds=constant(5.0)) as azure:
        assert arm(azure, "PUT", vm_path(azure, "one"), vm_body(azure)).headers["Retry-After"] == "14"


def test_tokens_are_good_for_real_time(azure: SimulatedAzure) -> None:
    """Whoever holds a token counts real seconds: issue and end of it are in real time, and it still is good an hour later in
    the simulated world."""
    text = token(azure)
    part = text.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    assert abs(claims["iat"] - time.time()) < 30
    assert abs(claims["exp"] - time.time() - 3600) < 60


def test_a_machine_is_told_real_ends_of_its_tokens(azure: SimulatedAzure) -> None:
    """The metadata service counts a token's life as its holder does, in real seconds."""
    body = vm_body(azure, top={"identity": {"type": "UserAssigned", "userAssignedIdentities": {azure.identity_id: {}}}})
    assert arm(azure, "PUT", vm_path(azure, "one"), body).status == 201
    path = "/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://management.azure.com/"
    answer = ask(azure.imds, "GET", path, headers={"Metadata": "true"}, source=azure.vms()[0]["ip"])
    assert answer.status == 200
    assert abs(int(answer.body["expires_on"]) - time.time() - 86399) < 60


def test_timestamps_are_of_the_simulated_world() -> None:
    """What Azure writes down it writes in its own time: a thousand seconds in, a VM is a thousand seconds younger."""
    with simulated_azure(clock=ManualClock()) as azure:
        first = arm(azure, "PUT", vm_path(azure, "one"), vm_body(azure)).body["properties"]["timeCreated"]
        azure.advance(1000.0)
        second = arm(azure, "PUT", vm_path(azure, "two"), vm_body(azure, "az-2")).body["properties"]["timeCreated"]
    assert first < second
