"""Faults that strike VMs: allocations, boots and deletions that fail, and what happens to VMs by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError

from slurm_azure.simulator.faults import catalog
from slurm_azure.simulator.timing import constant
from tests.simulator.faulty import body, control, create, fault, hits, put
from tests.simulator.raw import arm, ask, vm_path
from tests.support.processes import until
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure

SPOT = {"priority": "Spot", "evictionPolicy": "Delete"}
LATE = [name for name, named in catalog.NAMED.items() if named.nature != "sync"]


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """A host after 2 s, ready 20 s later, gone 30 s after a delete; time passes by `advance` alone."""
    timing: dict[str, Any] = {"create_seconds": constant(2.0), "boot_seconds": constant(20.0), "delete_seconds": constant(30.0)}
    with simulated_azure(clock=ManualClock(), **timing) as running:
        yield running


def run(azure: SimulatedAzure, *names: str, **changes: Any) -> None:
    """VMs that are running and ready."""
    for name in names:
        assert create(azure, name, **changes).status == 201
    azure.advance(30)
    assert {azure.control(f"/vms/{name}")["powerState"] for name in names} == {"running"}


def state(azure: SimulatedAzure, name: str) -> tuple[str, str | None] | None:
    """Provisioning and power state of a VM, None if it is gone."""
    answer = control(azure, "GET", f"/vms/{name}")
    return (answer.body["provisioningState"], answer.body["powerState"]) if answer.status == 200 else None


@pytest.mark.parametrize("name", LATE)
def test_each_error_of_an_operation_leaves_vm_interface_and_disk(azure: SimulatedAzure, name: str) -> None:
    """201 at first; after the given 60 s the operation is Failed (HTTP 200) with Azure's code and words, the VM is Failed and
    shows the code, and its interface and disk are there."""
    put(azure, {"what": {"kind": "error", "code": name, "seconds": 60}})
    answer = create(azure)
    assert answer.status == 201
    operation = answer.headers["Azure-AsyncOperation"].partition(azure.endpoint)[2].partition("&api-version")[0]
    azure.advance(59)
    assert arm(azure, "GET", operation).body["status"] == "InProgress"
    azure.advance(10)
    ended = arm(azure, "GET", operation)
    assert (ended.status, ended.body["status"], ended.body["error"]["code"]) == (200, "Failed", catalog.NAMED[name].code)
    assert not catalog._PLACE.search(ended.body["error"]["message"])
    view = arm(azure, "GET", f"{vm_path(azure, 'vm-1')}/instanceView").body
    assert view["statuses"][0]["code"] == f"ProvisioningState/failed/{catalog.NAMED[name].code}"
    group = f"{azure.group_path}/providers"
    assert len(arm(azure, "GET", f"{group}/Microsoft.Network/networkInterfaces").body["value"]) == 1
    assert len(arm(azure, "GET", f"{group}/Microsoft.Compute/disks").body["value"]) == 1
    powered = any(status["code"] == "PowerState/running" for status in view["statuses"])
    assert powered == (catalog.NAMED[name].nature == "boot")


def test_the_sdk_sees_the_code_of_a_failed_operation(azure: SimulatedAzure) -> None:
    """HttpResponseError with error.code ZonalAllocationFailed and status 200; the next create in that zone goes on."""
    put(azure, {"what": "ZonalAllocationFailed", "zone": 2, "count": 1})
    with azure.compute() as client:
        poller = client.virtual_machines.begin_create_or_update(
            azure.resource_group, "vm-1", body(azure, top={"zones": ["2"]}), polling_interval=0
        )
        azure.advance(2)
        with pytest.raises(HttpResponseError) as caught:
            poller.result(10)
    assert caught.value.error is not None
    assert (caught.value.error.code, caught.value.status_code) == ("ZonalAllocationFailed", 200)
    assert create(azure, "vm-2", top={"zones": ["2"]}).status == 201
    azure.advance(30)
    assert state(azure, "vm-2") == ("Succeeded", "running")


def test_without_seconds_an_allocation_fails_when_the_host_would_have_been_found(azure: SimulatedAzure) -> None:
    """After 2 s here."""
    put(azure, {"what": "AllocationFailed"})
    create(azure)
    azure.advance(1.9)
    assert state(azure, "vm-1") == ("Creating", None)
    azure.advance(0.1)
    assert state(azure, "vm-1") == ("Failed", None)


def test_an_error_of_ones_own_at_the_end_of_an_operation(azure: SimulatedAzure) -> None:
    """Any code, with words that are filled in."""
    put(azure, {"what": {"kind": "error", "code": "Odd", "message": "no {size} for {vm} in {zone}", "when": "async"}})
    create(azure, top={"zones": ["3"]})
    azure.advance(2)
    assert azure.control("/vms/vm-1")["failure"] == {"code": "Odd", "message": "no Standard_D2s_v5 for vm-1 in 3"}


def test_allocations_fail_by_chance_and_alike_for_one_seed() -> None:
    """The same VMs in two runs, and neither all nor none."""
    runs = []
    for _ in range(2):
        with simulated_azure(clock=ManualClock(), seed=3, create_seconds=constant(1.0)) as azure:
            put(azure, {"what": "AllocationFailed", "probability": 0.4})
            for number in range(15):
                create(azure, f"vm-{number:02}")
            azure.advance(5)
            runs.append([vm["name"] for vm in azure.vms() if vm["provisioningState"] == "Failed"])
    assert runs[0] == runs[1]
    assert 0 < len(runs[0]) < 15


def test_a_slow_boot(azure: SimulatedAzure) -> None:
    """Ready 600 s later than others."""
    put(azure, {"what": {"kind": "boot", "slower": 600}, "node": "slow-*"})
    create(azure, "a", "slow-1")
    create(azure, "b", "quick-1")
    azure.advance(621)
    assert [azure.control(f"/vms/{name}")["provisioningState"] for name in "ab"] == ["Creating", "Succeeded"]
    azure.advance(2)
    assert state(azure, "a") == ("Succeeded", "running")


def test_a_boot_without_end(azure: SimulatedAzure) -> None:
    """Azure gives up after 40 min, the VM stays."""
    put(azure, {"what": {"kind": "boot", "never_ready": True}})
    create(azure)
    azure.advance(2400)
    assert azure.control("/vms/vm-1")["provisioningState"] == "Creating"
    azure.advance(10)
    assert azure.control("/vms/vm-1")["failure"]["code"] == "OSProvisioningTimedOut"


def test_a_boot_that_never_joins_looks_good_to_azure(azure: SimulatedAzure) -> None:
    """Succeeded and running; it is cut off, which a machine of grade none cannot show."""
    put(azure, {"what": {"kind": "boot", "never_joins": True}})
    run(azure, "vm-1")
    assert hits(azure) == 1


def test_a_cloud_init_that_fails(azure: SimulatedAzure) -> None:
    """The guest says so: OSProvisioningClientError with its words."""
    put(azure, {"what": {"kind": "boot", "cloud_init_fails": "cannot mount /home"}})
    create(azure)
    azure.advance(30)
    failure = azure.control("/vms/vm-1")["failure"]
    assert failure["code"] == "OSProvisioningClientError"
    assert "cannot mount /home" in failure["message"]


def test_a_machine_that_dies_young(azure: SimulatedAzure) -> None:
    """100 s after its power-on: Azure shows it stopped, or running although it is dead."""
    put(
        azure,
        {"what": {"kind": "boot", "dies_after": 100}, "vm": "a"},
        {"what": {"kind": "boot", "dies_after": 100, "dead_state": "running"}, "vm": "b"},
    )
    run(azure, "a", "b")
    azure.advance(80)
    assert [state(azure, name) for name in "ab"] == [("Succeeded", "stopped"), ("Succeeded", "running")]


def test_an_eviction_while_the_vm_boots(azure: SimulatedAzure) -> None:
    """Noticed 5 s after power-on, gone 30 s later and with it the operation; the VM may never have been ready."""
    put(azure, {"what": {"kind": "boot", "evicted_after": 5, "slower": 300}, "priority": "Spot"})
    create(azure, "a", **SPOT)
    azure.advance(40)
    assert state(azure, "a") in (None, ("Deleting", None))
    azure.advance(60)
    assert state(azure, "a") is None


def test_a_slow_delete(azure: SimulatedAzure) -> None:
    """900 s longer than usual, and Deleting all the while."""
    run(azure, "vm-1")
    put(azure, {"what": {"kind": "slow_delete", "seconds": 900}})
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    azure.advance(925)
    assert state(azure, "vm-1") is not None
    azure.advance(10)
    assert state(azure, "vm-1") is None


def test_a_delete_that_fails(azure: SimulatedAzure) -> None:
    """202 at first, Failed in the end, the VM still there and running; the next one succeeds."""
    run(azure, "vm-1")
    put(azure, {"what": {"kind": "failed_delete", "seconds": 10}, "count": 1})
    with azure.compute() as client:
        poller = client.virtual_machines.begin_delete(azure.resource_group, "vm-1", polling_interval=0)
        azure.advance(40)
        with pytest.raises(HttpResponseError) as caught:
            poller.result(10)
    assert caught.value.error is not None
    assert caught.value.error.code == "InternalExecutionError"
    assert state(azure, "vm-1") == ("Failed", "running")
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    azure.advance(31)
    assert state(azure, "vm-1") is None


def events(azure: SimulatedAzure, name: str) -> list[tuple[str, str]]:
    """What a VM hears of: kind and status of its Scheduled Events."""
    source = azure.control(f"/vms/{name}")["ip"]
    path = "/metadata/scheduledevents?api-version=2020-07-01"
    found = ask(azure.imds, "GET", path, None, {"Metadata": "true"}, source=source).body["Events"]
    return [(event["EventType"], event["EventStatus"]) for event in found]


def test_some_of_the_spot_vms_are_evicted(azure: SimulatedAzure) -> None:
    """At its time two of four, none that is not Spot or in another zone: a Preempt event, and the end 45 s later."""
    for name in "abcd":
        create(azure, name, top={"zones": ["1"]}, **SPOT)
    create(azure, "e", top={"zones": ["1"]})
    create(azure, "f", top={"zones": ["2"]}, **SPOT)
    azure.advance(30)
    put(azure, {"what": {"kind": "evict", "vms": 2, "notice": 45}, "zone": 1, "after": 10})
    azure.advance(9)
    assert all(not events(azure, name) for name in "abcdef")
    azure.advance(1)
    until(lambda: len(fault(azure)["last"]) == 2, 10)
    chosen = [name for name in "abcdef" if events(azure, name) == [("Preempt", "Scheduled")]]
    assert chosen == sorted(fault(azure)["last"])
    assert len(chosen) == 2
    assert set(chosen) < set("abcd")
    azure.advance(80)
    assert sorted(vm["name"] for vm in azure.vms()) == [name for name in "abcdef" if name not in chosen]


def test_all_of_five_hundred_vms_are_evicted_at_once() -> None:
    """`vms: all`, in steps: no more than a few hundred in one round of the event loop."""
    with simulated_azure(clock=ManualClock()) as azure:
        put(azure, {"what": {"kind": "stranger", "name": "s"}, "interval": 1, "count": 500})
        azure.advance(500)
        assert len(azure.vms()) == 500
        put(azure, {"what": {"kind": "die", "vms": "all", "state": "running"}})
        azure.advance(0)
        azure.advance(0)
        assert hits(azure) == 1
        assert len(fault(azure)["last"]) == 20


def test_the_same_vms_are_evicted_for_the_same_seed() -> None:
    """Chance does not depend on the order in which the VMs were made."""
    chosen = []
    for names in ("abcdefgh", "hgfedcba"):
        with simulated_azure(clock=ManualClock(), seed=11) as azure:
            for name in names:
                create(azure, name, **SPOT)
            azure.advance(1)
            put(azure, {"what": {"kind": "evict", "vms": 3}})
            azure.advance(0)
            until(lambda azure=azure: len(fault(azure)["last"]) == 3, 10)  # type: ignore[misc]
            chosen.append(fault(azure)["last"])
    assert chosen[0] == chosen[1]


def test_a_machine_dies_again_and_again(azure: SimulatedAzure) -> None:
    """One VM every 60 s, three times, from 100 s on."""
    run(azure, "a", "b", "c", "d")
    put(azure, {"what": "die", "after": 100, "interval": 60, "count": 3})
    dead = []
    for seconds in (99, 1, 59, 1, 60, 60):
        azure.advance(seconds)
        azure.advance(0)
        dead.append(sum(vm["powerState"] == "stopped" for vm in azure.vms()))
    assert dead == [0, 1, 1, 2, 3, 3]
    assert hits(azure) == 3


def test_a_fault_that_is_taken_back_does_not_happen(azure: SimulatedAzure) -> None:
    """Neither the first time nor again."""
    run(azure, "a")
    put(azure, {"name": "x", "what": "die", "after": 10})
    assert control(azure, "DELETE", "/faults/x").status == 204
    azure.advance(60)
    assert state(azure, "a") == ("Succeeded", "running")


@pytest.mark.parametrize("event", ["Freeze", "Reboot", "Redeploy", "Terminate"])
def test_maintenance_is_announced(azure: SimulatedAzure, event: str) -> None:
    """To the matching VM alone; it starts when its notice is over."""
    run(azure, "a", "b")
    put(azure, {"what": {"kind": "scheduled_event", "event": event, "notice": 60}, "vm": "a"})
    azure.advance(0)
    azure.advance(0)
    assert (events(azure, "a"), events(azure, "b")) == ([(event, "Scheduled")], [])
    azure.advance(62)
    assert state(azure, "b") == ("Succeeded", "running")
    assert event != "Terminate" or state(azure, "a") == ("Deleting", None)


def test_a_vm_vanishes(azure: SimulatedAzure) -> None:
    """Somebody deletes it: gone after the time that takes; nobody of ours has asked for it."""
    run(azure, "a", "b")
    azure.forget()
    put(azure, {"what": "vanish", "vm": "b"})
    azure.advance(0)
    azure.advance(31)
    assert [vm["name"] for vm in azure.vms()] == ["a"]
    assert "VirtualMachines_Delete" not in azure.counts()


def test_strangers_appear(azure: SimulatedAzure) -> None:
    """A VM with our tags, and an interface and a disk that belong to nobody: Azure shows them as it shows all others."""
    tags = {"slurm-azure-cluster": "mine"}
    put(
        azure, *({"what": {"kind": "stranger", "resource": kind, "name": kind, "tags": tags}} for kind in ("vm", "nic", "disk"))
    )
    azure.advance(60)
    (vm,) = arm(azure, "GET", vm_path(azure)).body["value"]
    assert (vm["name"], vm["tags"], vm["properties"]["provisioningState"]) == ("vm", tags, "Succeeded")
    group = f"{azure.group_path}/providers"
    nics = arm(azure, "GET", f"{group}/Microsoft.Network/networkInterfaces").body["value"]
    disks = arm(azure, "GET", f"{group}/Microsoft.Compute/disks").body["value"]
    assert sorted("virtualMachine" in nic["properties"] for nic in nics) == [False, True]
    assert sorted("managedBy" in disk for disk in disks) == [False, True]
    assert all(item["tags"] == tags for item in (*nics, *disks))


def test_a_stranger_that_azure_would_refuse_is_refused(azure: SimulatedAzure) -> None:
    """A name that is taken or cannot be is told in the counters, and nothing else happens."""
    put(azure, {"what": {"kind": "stranger", "size": "Standard_Nonsense"}})
    azure.advance(1)
    assert fault(azure)["last"][0].startswith("refused: ")
    assert azure.vms() == []


def test_capacity_is_limited_for_a_while(azure: SimulatedAzure) -> None:
    """One host in zone 2 for 100 s: the second VM's allocation fails, and after that none does."""
    put(azure, {"what": {"kind": "capacity", "hosts": 1, "zone": 2}, "until": 100})
    azure.advance(0)
    zone = {"zones": ["2"]}
    for name in "abc":
        create(azure, name, top=zone if name != "c" else {"zones": ["1"]})
    azure.advance(30)
    assert [state(azure, name) for name in "abc"] == [("Succeeded", "running"), ("Failed", None), ("Succeeded", "running")]
    azure.advance(80)
    create(azure, "d", top=zone)
    azure.advance(30)
    assert state(azure, "d") == ("Succeeded", "running")


def test_capacity_can_be_told_at_once(azure: SimulatedAzure) -> None:
    """`answer: SkuNotAvailable` refuses the create call itself, as Azure does for Spot."""
    put(azure, {"name": "full", "what": {"kind": "capacity", "hosts": 0, "priority": "Spot", "answer": "SkuNotAvailable"}})
    azure.advance(0)
    assert create(azure, "a", **SPOT).code == "SkuNotAvailable"
    assert create(azure, "b").status == 201
    control(azure, "DELETE", "/faults/full")
    assert create(azure, "c", **SPOT).status == 201


def test_quota_is_limited(azure: SimulatedAzure) -> None:
    """Three cores: one VM of two, not two; taken back, the old limit holds again."""
    put(azure, {"name": "q", "what": {"kind": "quota", "usage": "cores", "limit": 3}})
    azure.advance(0)
    assert create(azure, "a").status == 201
    refused = create(azure, "b")
    assert (refused.status, refused.code) == (409, "OperationNotAllowed")
    assert "Current Limit: 3" in refused.body["error"]["message"]
    control(azure, "DELETE", "/faults")
    assert create(azure, "b").status == 201


def test_a_price_changes_and_changes_back(azure: SimulatedAzure) -> None:
    """The Spot price of a size, for 60 s."""

    def price() -> float:
        path = (
            "/api/retail/prices?$filter=armSkuName%20eq%20%27Standard_D2s_v5%27%20and%20armRegionName%20eq%20%27westeurope%27"
            "%20and%20priceType%20eq%20%27Consumption%27"
        )
        rows = ask(azure.endpoint, "GET", path, ca_file=azure.ca_file).body["Items"]
        found = [r["retailPrice"] for r in rows if "Spot" in r["meterName"] and "Windows" not in r["productName"]]
        return float(found[0])

    before = price()
    put(azure, {"what": {"kind": "price", "size": "Standard_D2s_v5", "usd": 9.5}, "until": 60, "location": "westeurope"})
    azure.advance(0)
    assert price() == 9.5
    azure.advance(60)
    assert price() == before


def quota(name: str, limit: int, **more: Any) -> dict[str, Any]:
    """A fault: a quota of cores."""
    return {"name": name, "what": {"kind": "quota", "usage": "cores", "limit": limit}, **more}


@pytest.mark.parametrize(("gone", "left"), [("second", 4), ("first", 2), ("", 2)])
def test_of_two_limits_the_one_that_is_left_holds(azure: SimulatedAzure, gone: str, left: int) -> None:
    """The later of two counts; when either is taken back the other one does, whichever came first."""
    put(azure, quota("first", 4), quota("second", 2))
    if gone:
        assert control(azure, "DELETE", f"/faults/{gone}").status == 204
    assert _cores(azure) == left


def test_a_limit_whose_time_is_over_leaves_the_other_in_force() -> None:
    """And when both are gone, what the estate says holds."""
    with simulated_azure(clock=ManualClock(), offering={"quotas": [{"name": "cores", "limit": 77}]}) as azure:
        put(azure, quota("first", 4, until=100), quota("second", 2, after=10, until=20))
        found = [_cores(azure)]
        for seconds in (11, 10, 80):
            azure.advance(seconds)
            found.append(_cores(azure))
    assert found == [4, 2, 4, 77]


def test_hosts_and_prices_are_given_back_in_the_same_way(azure: SimulatedAzure) -> None:
    """The same with capacity and prices; a Spot price that was never set follows the price on demand again."""
    size = "Standard_D2s_v5"
    provisioning = azure.simulator._provisioning
    assert provisioning is not None
    prices = provisioning._world.prices
    usual = prices.spot(size, azure.location)
    for usd in (1.0, 2.0):
        control(azure, "POST", "/faults", {"name": f"{usd}", "what": {"kind": "price", "size": size, "usd": usd}})
    for hosts in (1, 0):
        control(azure, "POST", "/faults", {"name": f"{hosts}", "what": {"kind": "capacity", "hosts": hosts, "size": size}})
    found = []
    for name in ("2.0", "1.0"):
        found.append(prices.spot(size, azure.location))
        control(azure, "DELETE", f"/faults/{name}")
    assert [*found, prices.spot(size, azure.location)] == [2.0, 1.0, usual]
    assert prices.set_for(size, azure.location, True) is None
    states = []
    for number, name in enumerate(("0", "1")):
        create(azure, f"vm-{number}")
        azure.advance(30)
        states.append(azure.vms()[-1]["provisioningState"])
        control(azure, "DELETE", f"/faults/{name}")
    create(azure, "vm-2")
    azure.advance(30)
    assert [*states, azure.vms()[-1]["provisioningState"]] == ["Failed", "Succeeded", "Succeeded"]


def _cores(azure: SimulatedAzure) -> int:
    """The limit of a region's cores, as Azure tells it."""
    path = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/locations/{azure.location}/usages"
    usages = arm(azure, "GET", path).body["value"]
    return next(int(usage["limit"]) for usage in usages if usage["name"]["value"] == "cores")
