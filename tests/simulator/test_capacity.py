"""Capacity: hosts run out by size, zone and priority; which error that is, and when it is told."""

from __future__ import annotations

from typing import Any

import pytest

from slurm_azure.simulator.offering import CapacityEntry
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.timing import constant
from slurm_azure.simulator.world.capacity import Capacity
from tests.simulator.raw import Answer, arm, vm_path
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure, vm_body
from tests.support.vms import a_size, a_vm

SPOT = {"priority": "Spot", "evictionPolicy": "Delete"}
HERE = (
    "Allocation failed. We do not have sufficient capacity for the requested VM size in this {}. Read more about improving "
    "likelihood of allocation success at https://aka.ms/allocation-guidance"
)
ABOVE = (
    "Allocation failed. VM(s) with the following constraints cannot be allocated, because the condition is too restrictive. "
    "Please remove some constraints and try again. Constraints applied are:\n"
)
LOCAL = {"storageProfile": {"osDisk": {"diffDiskSettings": {"option": "Local"}}}}


def full(answer: Any = None) -> Capacity:
    """No hosts at all."""
    return Capacity([CapacityEntry(0, answer=answer)])


@pytest.mark.parametrize(
    ("vm", "code", "message"),
    [
        ({}, "AllocationFailed", HERE.format("region")),
        ({"zone": "2"}, "ZonalAllocationFailed", HERE.format("zone")),
        (LOCAL, "OverconstrainedAllocationRequest", ABOVE + "  - Differencing (Ephemeral) Disks\n  - VM Size\n"),
        (
            {"zone": "1", "priority": "Spot"},
            "OverconstrainedZonalAllocationRequest",
            ABOVE + "  - Low Priority VMs\n  - VM Size\n  - Availability Zone\n",
        ),
    ],
)
def test_what_a_vm_asks_for_decides_the_error(vm: dict[str, Any], code: str, message: str) -> None:
    """Nothing but a size: AllocationFailed; anything else: Overconstrained.., with the list; in a zone: the zonal forms."""
    assert full().allocate(a_vm(**vm)) == (code, message)


def test_the_error_may_be_told() -> None:
    """A test that wants a certain code gets it."""
    failure = full("ZonalAllocationFailed").allocate(a_vm())
    assert failure is not None
    assert failure[0] == "ZonalAllocationFailed"


def test_hosts_are_counted_by_what_the_limit_names() -> None:
    """A limit of a size, zone and priority strikes only those that it names, in whatever case the size is written."""
    capacity = Capacity([CapacityEntry(1, size="standard_D2S_v5", zone="1", priority="Regular", location="westeurope")])
    assert capacity.allocate(a_vm(zone="1")) is None
    assert capacity.allocate(a_vm(zone="1")) is not None
    others = (a_vm(zone="2"), a_vm(), a_vm("Standard_D4s_v5", zone="1"), a_vm(zone="1", priority="Spot"))
    assert [capacity.allocate(vm) for vm in (*others, a_vm(zone="1", location="uksouth"))] == [None] * 5


def test_a_vm_needs_a_host_in_every_limit_it_falls_under() -> None:
    """The smaller one decides."""
    capacity = Capacity([CapacityEntry(3), CapacityEntry(1, zone="1")])
    assert [capacity.allocate(a_vm(zone="1")) is None for _ in range(2)] == [True, False]
    assert [capacity.allocate(a_vm()) is None for _ in range(3)] == [True, True, False]


def test_a_host_is_had_and_given_back_once() -> None:
    """Asking again for a host one has costs nothing, giving it back twice gives back one."""
    capacity, vm = Capacity([CapacityEntry(1)]), a_vm()
    assert [capacity.allocate(vm), capacity.allocate(vm)] == [None, None]
    capacity.free(vm)
    capacity.free(vm)
    assert [capacity.allocate(a_vm()) is None for _ in range(2)] == [True, False]


def test_a_limit_that_comes_later_counts_those_that_are_there() -> None:
    """Hosts in use are taken; when the limit is lifted there are hosts again."""
    capacity = Capacity()
    for _ in range(3):
        capacity.allocate(a_vm())
    capacity.limit(4, size="Standard_D2s_v5")
    assert [capacity.allocate(a_vm()) is None for _ in range(2)] == [True, False]
    capacity.limit(1, size="Standard_D2s_v5")
    assert capacity.allocate(a_vm()) is not None
    capacity.limit(None, size="Standard_D2s_v5")
    assert capacity.allocate(a_vm()) is None


def test_a_resized_vm_frees_the_host_of_its_old_size() -> None:
    """Its host is one of the new size from then on."""
    capacity, vm = Capacity([CapacityEntry(1, size="Standard_D2s_v5")]), a_vm()
    capacity.allocate(vm)
    vm.size = a_size("Standard_D4s_v5")
    capacity.resize(vm)
    assert [capacity.allocate(a_vm()) is None for _ in range(2)] == [True, False]


def test_shortage_told_at_once_takes_the_host_at_once() -> None:
    """With SkuNotAvailable as the answer as many creates are admitted as there are hosts, and each of them gets its own."""
    capacity, first = Capacity([CapacityEntry(1, priority="Spot", answer="SkuNotAvailable")]), a_vm(priority="Spot")
    capacity.admit(first)
    with pytest.raises(Refusal) as refused:
        capacity.admit(a_vm(priority="Spot", zone="3"))
    assert (refused.value.status, refused.value.code) == (409, "SkuNotAvailable")
    assert "The requested tier for resource" in refused.value.message
    assert "location 'westeurope' zones '3'" in refused.value.message
    assert capacity.allocate(first) is None
    capacity.admit(a_vm())


def put(azure: SimulatedAzure, name: str, **changes: Any) -> Answer:
    """Create a VM."""
    return arm(azure, "PUT", vm_path(azure, name), vm_body(azure, **changes))


def test_an_operation_fails_for_want_of_a_host() -> None:
    """The create is taken (201); its operation ends Failed with status 200; the VM stays behind, and deleted makes no room."""
    clock, create = ManualClock(), constant(2.0)
    offering = {"capacity": [{"hosts": 1, "zone": "1"}]}
    with simulated_azure(clock=clock, create_seconds=create, offering=offering) as azure:
        answers = [put(azure, f"vm-{number}", top={"zones": ["1"]}) for number in range(2)]
        assert [answer.status for answer in answers] == [201, 201]
        azure.advance(3)
        address = answers[1].headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).split("&api-version")[0]
        operation = arm(azure, "GET", address)
        assert (operation.status, operation.body["status"]) == (200, "Failed")
        assert operation.body["error"] == {"code": "ZonalAllocationFailed", "message": HERE.format("zone")}
        state = arm(azure, "GET", vm_path(azure, "vm-1")).body["properties"]["provisioningState"]
        assert state == "Failed"
        arm(azure, "DELETE", vm_path(azure, "vm-1"))
        put(azure, "vm-2", top={"zones": ["1"]})
        azure.advance(3)
        assert arm(azure, "GET", vm_path(azure, "vm-2")).body["properties"]["provisioningState"] == "Failed"
        arm(azure, "DELETE", vm_path(azure, "vm-0"))
        azure.advance(3)
        put(azure, "vm-3", top={"zones": ["1"]})
        azure.advance(3)
        assert arm(azure, "GET", vm_path(azure, "vm-3")).body["properties"]["provisioningState"] == "Succeeded"


def test_spot_shortage_refuses_the_create() -> None:
    """SkuNotAvailable at once, and nothing is left of the VM; a deleted one makes room."""
    entry = {"hosts": 1, "priority": "Spot", "answer": "SkuNotAvailable"}
    with simulated_azure(offering={"capacity": [entry]}) as azure:
        assert put(azure, "vm-0", **SPOT).status == 201
        refused = put(azure, "vm-1", **SPOT)
        assert (refused.status, refused.code) == (409, "SkuNotAvailable")
        assert arm(azure, "GET", vm_path(azure, "vm-1")).status == 404
        assert put(azure, "vm-2").status == 201
        arm(azure, "DELETE", vm_path(azure, "vm-0"))
        assert put(azure, "vm-1", **SPOT).status == 201


def test_a_deallocated_vm_may_not_get_a_host_again() -> None:
    """Deallocated it gives its host to others, and its start fails while they have it."""
    with simulated_azure(offering={"capacity": [{"hosts": 1}]}) as azure:
        put(azure, "vm-0")
        arm(azure, "POST", vm_path(azure, "vm-0/deallocate"))
        put(azure, "vm-1")
        started = arm(azure, "POST", vm_path(azure, "vm-0/start"))
        assert started.status == 202
        address = started.headers["Azure-AsyncOperation"].removeprefix(azure.endpoint).split("&api-version")[0]
        assert arm(azure, "GET", address).body["error"]["code"] == "AllocationFailed"
