"""Spot VMs: what they may cost, and how they are taken away."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from slurm_azure.simulator.timing import constant
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.vm import VirtualMachine
from tests.simulator.raw import Answer, arm, ask, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body

EVENTS = "/metadata/scheduledevents?api-version=2020-07-01"


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """A host after 2 s, ready 20 s later, gone or deallocated in 30 s, evicted 10 s after it was asked for."""
    spans = {"create_seconds": 2.0, "boot_seconds": 20.0, "delete_seconds": 30.0, "eviction_seconds": 10.0}
    timing: dict[str, Any] = {name: constant(value) for name, value in spans.items()}
    with simulated_azure(clock=ManualClock(), **timing) as running:
        yield running


def spot(azure: SimulatedAzure, name: str = "vm-1", **changes: Any) -> dict[str, Any]:
    """A Spot VM that runs."""
    made = arm(azure, "PUT", vm_path(azure, name), vm_body(azure, name, **{"priority": "Spot"} | changes))
    assert made.status == 201, made.body
    azure.advance(30)
    return next(vm for vm in azure.vms() if vm["name"] == name)


def provisioning(azure: SimulatedAzure) -> Provisioning:
    found = azure.simulator._provisioning
    assert found is not None
    return found


def evict(azure: SimulatedAzure, name: str = "vm-1", **options: Any) -> None:
    """As a plan of faults would."""

    async def now() -> None:
        provisioning(azure).evict(the_vm(azure, name), **options)

    azure.run(now())


def the_vm(azure: SimulatedAzure, name: str) -> VirtualMachine:
    return provisioning(azure)._world.group(azure.subscription, azure.resource_group).vms[name]


def events(azure: SimulatedAzure, vm: dict[str, Any]) -> list[dict[str, Any]]:
    answer = ask(azure.imds, "GET", EVENTS, headers={"Metadata": "true"}, source=vm["ip"])
    found: list[dict[str, Any]] = answer.body["Events"]
    return found


def states(azure: SimulatedAzure) -> list[tuple[str, str]]:
    return [(vm["provisioningState"], vm["powerState"]) for vm in azure.vms()]


def simulate(azure: SimulatedAzure, name: str = "vm-1") -> Answer:
    return arm(azure, "POST", vm_path(azure, name) + "/simulateEviction")


def test_a_preemption_is_told_half_a_minute_ahead(azure: SimulatedAzure) -> None:
    """A Preempt event with a NotBefore at least 30 s away; until then the VM runs, and from then on it does not."""
    vm = spot(azure)
    evict(azure)
    (event,) = events(azure, vm)
    assert {key: event[key] for key in ("EventType", "EventStatus", "EventSource", "Resources")} == {
        "EventType": "Preempt",
        "EventStatus": "Scheduled",
        "EventSource": "Platform",
        "Resources": ["vm-1"],
    }
    now = datetime.fromtimestamp(azure.control("/health")["time"], UTC)
    assert 30 <= (parsedate_to_datetime(event["NotBefore"]) - now).total_seconds() <= 31
    azure.advance(30)
    assert states(azure) == [("Succeeded", "running")]
    azure.advance(1)
    assert states(azure) == [("Updating", "deallocating")]


def test_deallocate_keeps_the_vm_its_disk_and_its_quota(azure: SimulatedAzure) -> None:
    """The default policy: deallocated, disk and interface there, cores still charged, not started again by itself."""
    spot(azure)
    usage = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/locations/westeurope/usages"
    before = {item["name"]["value"]: item["currentValue"] for item in arm(azure, "GET", usage).body["value"]}
    assert before["lowPriorityCores"] == 2
    evict(azure)
    azure.advance(62)
    assert states(azure) == [("Succeeded", "deallocated")]
    after = {item["name"]["value"]: item["currentValue"] for item in arm(azure, "GET", usage).body["value"]}
    assert after == before
    disks = arm(azure, "GET", f"{azure.group_path}/providers/Microsoft.Compute/disks").body["value"]
    assert [disk["managedBy"] for disk in disks] == [the_vm(azure, "vm-1").id]
    azure.advance(3600)
    assert states(azure) == [("Succeeded", "deallocated")]
    assert arm(azure, "POST", vm_path(azure, "vm-1") + "/start").status == 202
    azure.advance(30)
    assert states(azure) == [("Succeeded", "running")]


def test_delete_takes_the_vm_with_what_goes_with_it(azure: SimulatedAzure) -> None:
    """Policy Delete: VM, interface and disk are gone, for their deleteOption says so; and so are the event and the quota."""
    vm = spot(azure, evictionPolicy="Delete")
    evict(azure)
    azure.advance(32)
    assert [vm["provisioningState"] for vm in azure.vms()] == ["Deleting"]
    azure.advance(30)
    assert azure.vms() == []
    for kind in ("Microsoft.Compute/disks", "Microsoft.Network/networkInterfaces"):
        assert arm(azure, "GET", f"{azure.group_path}/providers/{kind}").body["value"] == []
    assert ask(azure.imds, "GET", EVENTS, headers={"Metadata": "true"}, source=vm["ip"]).status == 404


def test_a_guest_may_agree_before_its_time(azure: SimulatedAzure) -> None:
    """StartRequests with the event's id ends the notice at once."""
    vm = spot(azure)
    evict(azure)
    body = {"StartRequests": [{"EventId": events(azure, vm)[0]["EventId"]}]}
    assert ask(azure.imds, "POST", EVENTS, body, {"Metadata": "true"}, source=vm["ip"]).status == 200
    assert states(azure) == [("Updating", "deallocating")]
    assert [(event["EventStatus"], event["NotBefore"]) for event in events(azure, vm)] == [("Started", "")]
    azure.advance(31)
    assert events(azure, vm) == []


def test_simulated_eviction_comes_some_time_after_it_was_asked_for(azure: SimulatedAzure) -> None:
    """204 at once, the notice 10 s later, the end half a minute after that."""
    vm = spot(azure, evictionPolicy="Delete")
    answer = simulate(azure)
    assert (answer.status, answer.text) == (204, b"")
    azure.advance(9)
    assert events(azure, vm) == []
    azure.advance(2)
    assert [event["EventType"] for event in events(azure, vm)] == ["Preempt"]
    azure.advance(70)
    assert azure.vms() == []


def test_only_spot_vms_on_a_host_can_be_evicted(azure: SimulatedAzure) -> None:
    """409 OperationNotAllowed for a regular VM and for one that is deallocated; no VM, no eviction."""
    spot(azure, "regular", priority="Regular")
    spot(azure)
    arm(azure, "POST", vm_path(azure, "vm-1") + "/deallocate")
    azure.advance(31)
    for name in ("regular", "vm-1"):
        assert (simulate(azure, name).status, simulate(azure, name).code) == (409, "OperationNotAllowed")
        evict(azure, name)
        assert the_vm(azure, name).machine is None or the_vm(azure, name).power == "running"
    assert simulate(azure, "absent").status == 404
    azure.advance(100)
    assert states(azure) == [("Succeeded", "running"), ("Succeeded", "deallocated")]


def test_an_eviction_ends_what_is_under_way(azure: SimulatedAzure) -> None:
    """A VM that is still being made is preempted: its create operation is canceled."""
    begun = arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure, "vm-1", priority="Spot"))
    azure.advance(3)
    evict(azure, notice=0.0)
    azure.advance(1)
    ended = arm(azure, "GET", begun.headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).split("?")[0]).body
    assert (ended["status"], ended["error"]["code"]) == ("Canceled", "OperationPreempted")
    azure.advance(31)
    assert states(azure) == [("Succeeded", "deallocated")]


def test_told_once(azure: SimulatedAzure) -> None:
    """A second eviction of the same VM changes nothing."""
    vm = spot(azure)
    evict(azure)
    evict(azure)
    assert len(events(azure, vm)) == 1


def test_a_vm_that_is_deleted_meanwhile_is_not_evicted(azure: SimulatedAzure) -> None:
    """Its event goes; a new VM of that name is another VM."""
    spot(azure)
    simulate(azure)
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    azure.advance(31)
    vm = spot(azure)
    azure.advance(100)
    assert (states(azure), events(azure, vm)) == ([("Succeeded", "running")], [])


@pytest.mark.parametrize(("most", "status"), [(0.00001, 409), (-1, 201), (10, 201)])
def test_a_vm_that_may_not_cost_what_it_costs_is_refused(azure: SimulatedAzure, most: float, status: int) -> None:
    """SpotPriceGreaterThanProvidedMaxPrice in the documented words; -1 is no limit."""
    body = vm_body(azure, "vm-1", priority="Spot", billingProfile={"maxPrice": most})
    answer = arm(azure, "PUT", vm_path(azure, "vm-1"), body)
    assert answer.status == status
    if status == 409:
        assert answer.code == "SpotPriceGreaterThanProvidedMaxPrice"
        start, _, end = answer.body["error"]["message"].partition(" is lower than the current spot price '")
        assert start == "Unable to perform operation 'Create VM' since the provided max price '0.00001 USD'"
        assert end.endswith(" USD' for Azure Spot Virtual Machine size 'Standard_D2s_v5'.")
        assert azure.vms() == []


def test_a_start_is_held_to_the_price_too(azure: SimulatedAzure) -> None:
    """A deallocated VM whose price has risen meanwhile stays where it is."""
    spot(azure, billingProfile={"maxPrice": 1})
    arm(azure, "POST", vm_path(azure, "vm-1") + "/deallocate")
    azure.advance(31)
    provisioning(azure)._world.prices.change("Standard_D2s_v5", spot=2.0)
    refused = arm(azure, "POST", vm_path(azure, "vm-1") + "/start")
    assert (refused.status, refused.code) == (409, "SpotPriceGreaterThanProvidedMaxPrice")
    assert "max price '1 USD' is lower than the current spot price '2 USD'" in refused.body["error"]["message"]
