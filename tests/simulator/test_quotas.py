"""Quotas: refused at once, counted whatever a VM's state, Spot apart, changed at any time."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_azure.simulator.offering import QuotaEntry
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.world.quotas import DEFAULT_CORES, DEFAULT_MACHINES, Quotas, Usage
from tests.simulator.judged import get
from tests.simulator.raw import Answer, arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, simulated_azure, vm_body
from tests.support.vms import SUBSCRIPTION, a_size, a_vm

FAMILY = "standardDSv5Family"
SPOT = {"priority": "Spot", "evictionPolicy": "Delete"}


def limited(**limits: int) -> Any:
    """A simulated Azure with these limits in all regions."""
    return simulated_azure(offering={"quotas": [{"name": name, "limit": limit} for name, limit in limits.items()]})


def put(azure: SimulatedAzure, name: str, size: str = "Standard_D2s_v5", **changes: Any) -> Answer:
    """Create a VM, or change it."""
    return arm(azure, "PUT", vm_path(azure, name), vm_body(azure, hardwareProfile={"vmSize": size}, **changes))


def used(azure: SimulatedAzure) -> dict[str, int]:
    """What is used of anything, by name."""
    path = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/locations/westeurope/usages"
    return {row["name"]["value"]: row["currentValue"] for row in get(azure, path).body["value"] if row["currentValue"]}


@pytest.mark.parametrize(
    ("name", "what", "changes"),
    [
        (FAMILY, f"{FAMILY} Cores", {}),
        ("cores", "Total Regional Cores", {}),
        ("lowPriorityCores", "LowPriorityCores", SPOT),
    ],
)
def test_cores_run_out(name: str, what: str, changes: dict[str, Any]) -> None:
    """409 OperationNotAllowed with the figures a client reads, one text for each kind of quota, and nothing left behind."""
    with limited(**{name: 5}) as azure:
        assert [put(azure, f"vm-{number}", **changes).status for number in range(2)] == [201, 201]
        before = used(azure)
        answer = put(azure, "vm-2", **changes)
        assert (answer.status, answer.code) == (409, "OperationNotAllowed")
        assert answer.body["error"]["message"].startswith(
            f"Operation could not be completed as it results in exceeding approved {what} quota. Additional details - "
            "Deployment Model: Resource Manager, Location: westeurope, Current Limit: 5, Current Usage: 4, "
            "Additional Required: 2, (Minimum) New Limit Required: 6. Submit a request for Quota increase at https://aka.ms/"
        )
        assert used(azure) == before
        assert arm(azure, "GET", vm_path(azure, "vm-2")).status == 404


def test_the_number_of_vms_is_limited() -> None:
    """One VM more than the region may have is refused, of whatever size."""
    with limited(virtualMachines=1) as azure:
        assert put(azure, "vm-1").status == 201
        answer = put(azure, "vm-2", "Standard_B1s")
        assert (answer.status, answer.code) == (409, "OperationNotAllowed")


def test_spot_is_a_pool_of_its_own() -> None:
    """A Spot VM needs no quota of family and region, and an ordinary one none of Spot's."""
    with limited(cores=2, lowPriorityCores=2) as azure:
        assert put(azure, "regular").status == 201
        assert put(azure, "spot", **SPOT).status == 201
        assert used(azure) == {"cores": 2, FAMILY: 2, "lowPriorityCores": 2, "virtualMachines": 2}


def test_a_deleted_vm_gives_back_its_quota_and_a_deallocated_one_does_not(azure: SimulatedAzure) -> None:
    """Cores count "both allocated and deallocated"."""
    put(azure, "vm-1", "Standard_D4s_v5")
    put(azure, "vm-2", "Standard_D2s_v5")
    assert arm(azure, "POST", vm_path(azure, "vm-1/deallocate")).status == 202
    assert used(azure) == {"cores": 6, FAMILY: 6, "virtualMachines": 2}
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    assert used(azure) == {"cores": 2, FAMILY: 2, "virtualMachines": 1}


def test_a_refused_create_costs_nothing(azure: SimulatedAzure) -> None:
    """What fails after the quota was charged gives it back."""
    body = vm_body(azure)
    interface = body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"]
    interface["ipConfigurations"][0]["properties"]["subnet"]["id"] = azure.subnet_id + "absent"
    assert arm(azure, "PUT", vm_path(azure, "vm-1"), body).status == 400
    assert used(azure) == {}


def test_another_size_is_charged_in_place_of_the_old_one() -> None:
    """A PUT that resizes needs what is missing and no more; refused, the VM stays as it was."""
    with limited(cores=8) as azure:
        put(azure, "vm-1", "Standard_D4s_v5")
        assert put(azure, "vm-1", "Standard_F8s_v2").status == 200
        assert used(azure) == {"cores": 8, "standardFSv2Family": 8, "virtualMachines": 1}
        answer = put(azure, "vm-1", "Standard_D16s_v5")
        assert (answer.status, answer.code) == (409, "OperationNotAllowed")
        assert "Current Usage: 8, Additional Required: 8, (Minimum) New Limit Required: 16" in answer.body["error"]["message"]
        assert used(azure) == {"cores": 8, "standardFSv2Family": 8, "virtualMachines": 1}
        shown = arm(azure, "GET", vm_path(azure, "vm-1")).body
        assert shown["properties"]["hardwareProfile"]["vmSize"] == "Standard_F8s_v2"
        assert put(azure, "vm-1", "Standard_D2s_v5").status == 200
        assert used(azure) == {"cores": 2, FAMILY: 2, "virtualMachines": 1}


def test_usages_have_names_for_people(azure: SimulatedAzure) -> None:
    """All families are listed, used or not, with their limits."""
    path = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/locations/westeurope/usages"
    rows = get(azure, path).body["value"]
    texts = {row["name"]["value"]: row["name"]["localizedValue"] for row in rows}
    assert texts["standardDSv3Family"] == "Standard DSv3 Family vCPUs"
    assert texts["Standard NCASv3_T4 Family"] == "Standard NCASv3_T4 Family vCPUs"
    assert texts["lowPriorityCores"] == "Total Regional Low-priority vCPUs"
    assert {row["unit"] for row in rows} == {"Count"}
    assert len(rows) > 50


def test_the_most_particular_limit_holds() -> None:
    """A limit of one subscription in one region goes before one of the subscription, of the region, and of all; the default
    holds where none was set or it was lifted."""
    quotas = Quotas([QuotaEntry("Cores", 1)])
    assert quotas.limit_of("S", "westeurope", "cores") == 1
    quotas.limit(None, "westeurope", "cores", 2)
    quotas.limit("s", None, "cores", 3)
    quotas.limit("S", "westeurope", "cores", 4)
    places = (("S", "westeurope"), ("S", "uksouth"), ("T", "westeurope"), ("T", "uksouth"))
    assert [quotas.limit_of(*place, "cores") for place in places] == [4, 3, 2, 1]
    quotas.limit(None, None, "cores", None)
    assert quotas.limit_of("T", "uksouth", "cores") == DEFAULT_CORES
    assert quotas.limit_of("T", "uksouth", "virtualMachines") == DEFAULT_MACHINES


def test_regions_and_subscriptions_are_counted_apart() -> None:
    """What one has used is none of the other's business."""
    quotas = Quotas([QuotaEntry("cores", 2)])
    for place in ({"location": "westeurope"}, {"location": "uksouth"}, {"subscription": "other"}):
        quotas.take(a_vm(**place))
    with pytest.raises(Refusal):
        quotas.take(a_vm())


def test_a_limit_may_fall_below_what_is_used() -> None:
    """What is there stays, may become smaller, and nothing comes to it."""
    quotas, vm = Quotas(), a_vm("Standard_D8s_v5")
    quotas.take(vm)
    quotas.limit(None, None, "cores", 3)
    quotas.resize(vm, a_size("Standard_D4s_v5"))
    with pytest.raises(Refusal):
        quotas.take(a_vm("Standard_B1s"))
    with pytest.raises(Refusal):
        quotas.resize(vm, a_size("Standard_D8s_v5"))
    quotas.resize(vm, a_size("Standard_D8s_v5"), back=True)
    assert Usage("cores", 8, 3) in quotas.usages(SUBSCRIPTION, "westeurope", ())


SIZES = ("Standard_D2s_v5", "Standard_D8s_v5", "Standard_F4s_v2", "Standard_HB120-16rs_v3")
STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "give back", "resize"]), st.sampled_from(SIZES), st.booleans(), st.integers(0, 5)),
    max_size=60,
)


@given(STEPS)
def test_usage_is_what_there_is(steps: list[tuple[str, str, bool, int]]) -> None:
    """However VMs come, go and are resized, refusals included, usage is the sum over those that are there, within limits."""
    quotas = Quotas([QuotaEntry("cores", 300), QuotaEntry("lowPriorityCores", 130), QuotaEntry("standardFSv2Family", 9)])
    there: list[tuple[Any, str]] = []
    for step, size, spot, number in steps:
        with suppress(Refusal):
            if step == "take":
                vm = a_vm(size, priority="Spot" if spot else "Regular")
                quotas.take(vm)
                there.append((vm, size))
            elif there and step == "give back":
                vm, _ = there.pop(number % len(there))
                quotas.give_back(vm)
                quotas.give_back(vm)
            elif there:
                vm, _ = there[number % len(there)]
                quotas.resize(vm, a_size(size))
                there[number % len(there)] = (vm, size)
    expected: Counter[str] = Counter()
    for vm, size in there:
        cores = a_size(size).quota_vcpus
        expected["virtualMachines"] += 1
        expected.update({"lowPriorityCores": cores} if vm.spot else {"cores": cores, a_size(size).family: cores})
    families = {a_size(size).family for size in SIZES}
    found = {usage.name: usage for usage in quotas.usages(SUBSCRIPTION, "westeurope", families)}
    assert {name: usage.used for name, usage in found.items() if usage.used} == dict(expected)
    assert all(usage.used <= usage.limit for usage in found.values())
