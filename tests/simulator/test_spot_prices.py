"""Spot VMs whose price rises above what they may cost at most: evicted, with notice, by their policy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from slurm_azure.simulator.timing import constant
from slurm_azure.simulator.world.bids import Bids
from tests.simulator.faulty import control, create, put
from tests.simulator.raw import arm, ask, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure

SIZE, OTHER = "Standard_D2s_v5", "Standard_D4s_v5"
EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """A host after 2 s, ready 20 s later, gone or deallocated in 30 s; the price of the size is 0.01."""
    spans = {"create_seconds": 2.0, "boot_seconds": 20.0, "delete_seconds": 30.0}
    timing: dict[str, Any] = {name: constant(value) for name, value in spans.items()}
    prices = [{"size": SIZE, "spot": 0.01}, {"size": OTHER, "spot": 0.01}]
    with simulated_azure(clock=ManualClock(), offering={"prices": prices}, **timing) as running:
        yield running


def spot(azure: SimulatedAzure, name: str, most: float = 0.02, policy: str = "Delete", size: str = SIZE) -> None:
    """A Spot VM that may cost `most`."""
    profile = {"billingProfile": {"maxPrice": most}} if most != -1 else {}
    changes: dict[str, Any] = {"priority": "Spot", "evictionPolicy": policy, "hardwareProfile": {"vmSize": size}, **profile}
    assert create(azure, name, **changes).status == 201


def price(usd: float, size: str = SIZE, **rule: Any) -> dict[str, Any]:
    """A fault: a Spot price."""
    return {"what": {"kind": "price", "size": size, "usd": usd}, **rule}


def states(azure: SimulatedAzure) -> dict[str, str]:
    return {vm["name"]: vm["powerState"] for vm in azure.vms()}


def preempted(azure: SimulatedAzure, name: str) -> list[str]:
    """The kinds of events that a VM is shown."""
    vm = next(vm for vm in azure.vms() if vm["name"] == name)
    answer = ask(azure.imds, "GET", EVENTS, headers={"Metadata": "true"}, source=vm["ip"])
    return [event["EventType"] for event in answer.body["Events"]]


def bids(azure: SimulatedAzure) -> Bids:
    found = azure.simulator._provisioning
    assert found is not None
    return found._world.bids


def test_a_price_above_what_a_vm_may_cost_evicts_it(azure: SimulatedAzure) -> None:
    """Told at once by a Preempt event, gone half a minute later and not before; only those of that size that may not cost as
    much are."""
    spot(azure, "cheap")
    spot(azure, "dear", most=1.0)
    spot(azure, "any", most=-1)
    spot(azure, "large", size=OTHER)
    create(azure, "regular")
    azure.advance(30)
    put(azure, price(0.5))
    azure.advance(1)
    assert {name: preempted(azure, name) for name in ("cheap", "dear", "any", "large")} == {
        "cheap": ["Preempt"],
        "dear": [],
        "any": [],
        "large": [],
    }
    azure.advance(28)
    assert states(azure)["cheap"] == "running"
    azure.advance(40)
    assert states(azure) == dict.fromkeys(("dear", "any", "large", "regular"), "running")


def test_an_outbid_vm_is_deallocated_where_that_is_its_policy(azure: SimulatedAzure) -> None:
    """It stays, without a host, and cannot be started before the price has fallen again."""
    spot(azure, "vm-1", policy="Deallocate")
    azure.advance(30)
    put(azure, price(0.5))
    azure.advance(70)
    assert states(azure) == {"vm-1": "deallocated"}
    assert arm(azure, "POST", vm_path(azure, "vm-1/start")).code == "SpotPriceGreaterThanProvidedMaxPrice"
    control(azure, "DELETE", "/faults")
    assert arm(azure, "POST", vm_path(azure, "vm-1/start")).status == 202
    azure.advance(30)
    assert states(azure) == {"vm-1": "running"}


def test_a_price_as_high_as_allowed_evicts_nobody(azure: SimulatedAzure) -> None:
    """ "Exceeds" is the word."""
    spot(azure, "vm-1", most=0.02)
    azure.advance(30)
    put(azure, price(0.02))
    azure.advance(100)
    assert states(azure) == {"vm-1": "running"}


def test_a_price_that_falls_again_does_not_call_an_eviction_back(azure: SimulatedAzure) -> None:
    """Nothing of the kind is documented: a Preempt event that was told takes place."""
    spot(azure, "vm-1")
    azure.advance(30)
    put(azure, price(0.5, until=5))
    azure.advance(100)
    assert states(azure) == {}


def test_a_price_that_rises_before_there_is_a_host_fails_the_create(azure: SimulatedAzure) -> None:
    """The request was good, the allocation is not: the operation fails with the code that the request would have got."""
    spot(azure, "vm-1")
    put(azure, price(0.5))
    azure.advance(30)
    (vm,) = azure.vms()
    assert vm["provisioningState"] == "Failed"
    view = arm(azure, "GET", vm_path(azure, "vm-1/instanceView")).body
    assert view["statuses"][0]["code"] == "ProvisioningState/failed/SpotPriceGreaterThanProvidedMaxPrice"


def test_only_those_that_a_price_can_concern_are_looked_at(azure: SimulatedAzure) -> None:
    """VMs without a host, without a maximum price, of other sizes or regions are not among them, and none is left behind."""
    for name in ("a", "b"):
        spot(azure, name, policy="Deallocate")
    spot(azure, "any", most=-1)
    spot(azure, "large", size=OTHER)
    assert list(bids(azure).of(SIZE, None)) == []
    azure.advance(30)
    assert [vm.name for vm in bids(azure).of(SIZE.upper(), "westeurope")] == ["a", "b"]
    assert list(bids(azure).of(SIZE, "northeurope")) == []
    arm(azure, "POST", vm_path(azure, "a/deallocate"))
    for name in ("b", "large"):
        arm(azure, "DELETE", vm_path(azure, name))
    azure.advance(60)
    assert not bids(azure)._sizes
    assert not bids(azure)._vms
