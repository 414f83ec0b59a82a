"""What capacity reservations take of quota and hosts, and what VMs in them take beside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from slurm_azure.simulator.timing import constant
from tests.simulator.faulty import create, put
from tests.simulator.raw import Answer, arm, vm_path
from tests.simulator.test_capacity_reservations import path, put_group, put_vm, view
from tests.simulator.test_capacity_reservations import put as reserve
from tests.support.simulated_azure import ManualClock, SimulatedAzure, simulated_azure

SIZE = "Standard_D2s_v5"
FOUR = {
    "quotas": [{"name": "standardDSv5Family", "limit": 8}],
    "capacity": [{"hosts": 4, "size": SIZE}],
}


@pytest.fixture
def azure() -> Iterator[SimulatedAzure]:
    """Quota and hosts for four VMs of two cores; everything happens at once."""
    with simulated_azure(offering=FOUR) as running:
        put_group(running)
        yield running


@pytest.fixture
def hosts() -> Iterator[SimulatedAzure]:
    """Four hosts, quota without end."""
    with simulated_azure(offering={"capacity": FOUR["capacity"]}) as running:
        put_group(running)
        yield running


def cores(azure: SimulatedAzure) -> tuple[int, int]:
    """Cores in use of the size's family, and of the region."""
    path = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/locations/{azure.location}/usages"
    used = {usage["name"]["value"]: usage["currentValue"] for usage in arm(azure, "GET", path).body["value"]}
    return used["standardDSv5Family"], used["cores"]


def outcome(azure: SimulatedAzure, begun: Answer) -> str:
    """How an operation ended: Succeeded, or the code of its error."""
    url = urlsplit(begun.headers["Azure-AsyncOperation"])
    found = arm(azure, "GET", f"{url.path}?{url.query}").body
    return str(found["error"]["code"] if found["status"] == "Failed" else found["status"])


def fate(azure: SimulatedAzure, name: str, **more: Any) -> str:
    """What becomes of a VM outside of reservations: its provisioning state, or the code of the refusal."""
    made = create(azure, name, **more)
    return _fate(azure, name, made)


def inside(azure: SimulatedAzure, name: str) -> str:
    """The same of a VM under the reservation."""
    return _fate(azure, name, put_vm(azure, name))


def _fate(azure: SimulatedAzure, name: str, made: Answer) -> str:
    return str(
        arm(azure, "GET", vm_path(azure, name)).body["properties"]["provisioningState"] if made.status == 201 else made.code
    )


def test_a_reservation_takes_quota_and_gives_it_back(azure: SimulatedAzure) -> None:
    """Made, grown, shrunk, deleted: its cores count as if its VMs were there; they are no VMs."""
    found = []
    for capacity in (3, 4, 1):
        assert reserve(azure, capacity=capacity).status in (200, 201)
        found.append(cores(azure))
    arm(azure, "DELETE", path(azure, "kept", "r"))
    assert [*found, cores(azure)] == [(6, 6), (8, 8), (2, 2), (0, 0)]


def test_a_reservation_beyond_the_quota_is_refused_and_takes_nothing(azure: SimulatedAzure) -> None:
    """In its entirety, with the words of VMs; one that is there stays as it was."""
    refused = reserve(azure, capacity=5)
    assert (refused.status, refused.code) == (409, "OperationNotAllowed")
    assert "Additional Required: 10" in refused.body["error"]["message"]
    assert (arm(azure, "GET", path(azure, "kept", "r")).status, cores(azure)) == (404, (0, 0))
    reserve(azure, capacity=3)
    assert reserve(azure, capacity=5).code == "OperationNotAllowed"
    assert (view(azure)["capacity"], cores(azure)) == (3, (6, 6))


def test_vms_use_what_is_reserved_and_nothing_beside(azure: SimulatedAzure) -> None:
    """With all quota and hosts reserved only VMs in the reservation can be made, and they cost nothing more."""
    reserve(azure, capacity=4)
    assert fate(azure, "outside") == "OperationNotAllowed"
    assert [inside(azure, f"vm-{number}") for number in range(4)] == ["Succeeded"] * 4
    assert cores(azure) == (8, 8)
    assert inside(azure, "vm-4") == "OperationNotAllowed"
    arm(azure, "DELETE", vm_path(azure, "vm-0"))
    assert (cores(azure), fate(azure, "outside")) == ((8, 8), "OperationNotAllowed")
    assert inside(azure, "vm-5") == "Succeeded"


def test_hosts_that_are_reserved_are_nobody_elses(hosts: SimulatedAzure) -> None:
    """Two of four are reserved: two VMs outside find one, the third does not; those inside do, and a deallocated one keeps
    its place."""
    reserve(hosts, capacity=2)
    assert [fate(hosts, f"out-{number}") for number in range(3)] == ["Succeeded", "Succeeded", "Failed"]
    assert [inside(hosts, f"in-{number}") for number in range(2)] == ["Succeeded"] * 2
    arm(hosts, "POST", vm_path(hosts, "in-0/deallocate"))
    assert fate(hosts, "late") == "Failed"
    begun = arm(hosts, "POST", vm_path(hosts, "in-0/start"))
    assert outcome(hosts, begun) == "Succeeded"


def test_beyond_the_reservation_vms_are_as_any_other(hosts: SimulatedAzure) -> None:
    """Overallocation: the third VM in a reservation for two gets an ordinary host while there is one, and fails after."""
    reserve(hosts, capacity=2)
    assert fate(hosts, "out") == "Succeeded"
    assert [inside(hosts, f"in-{number}") for number in range(4)] == ["Succeeded", "Succeeded", "Succeeded", "Failed"]
    assert len(view(hosts)["allocated"]) == 3
    arm(hosts, "DELETE", vm_path(hosts, "in-0"))
    assert fate(hosts, "out-2") == "Succeeded"  # in-2 has taken the place of in-0: an ordinary host is free


def test_without_hosts_the_operation_fails(hosts: SimulatedAzure) -> None:
    """The code of allocations, zonal in a zone; what was reserved before stays, and shrinking and deleting free hosts."""
    begun = reserve(hosts, capacity=5)
    assert (begun.status, outcome(hosts, begun)) == (201, "AllocationFailed")
    found = arm(hosts, "GET", path(hosts, "kept", "r")).body
    assert (found["properties"]["provisioningState"], view(hosts)["capacity"]) == ("Failed", 0)
    assert outcome(hosts, reserve(hosts, capacity=4)) == "Succeeded"
    assert (fate(hosts, "vm-0"), outcome(hosts, reserve(hosts, capacity=6))) == ("Failed", "AllocationFailed")
    kept = arm(hosts, "GET", path(hosts, "kept", "r")).body
    assert (kept["sku"]["capacity"], view(hosts)["capacity"]) == (4, 4)
    assert outcome(hosts, arm(hosts, "PATCH", path(hosts, "kept", "r"), {"sku": {"name": SIZE, "capacity": 3}})) == "Succeeded"
    assert [fate(hosts, "vm-1"), fate(hosts, "vm-2")] == ["Succeeded", "Failed"]
    arm(hosts, "DELETE", path(hosts, "kept", "r"))
    assert fate(hosts, "vm-3") == "Succeeded"


def test_a_vm_that_is_moved_into_a_reservation_frees_what_it_had(azure: SimulatedAzure) -> None:
    """Deallocated, associated, started: in the end there is quota for the others again, as the documents advise."""
    for name in ("vm-0", "vm-1"):
        create(azure, name)
    reserve(azure, capacity=2)
    assert (cores(azure), fate(azure, "vm-2")) == ((8, 8), "OperationNotAllowed")
    arm(azure, "POST", vm_path(azure, "vm-0/deallocate"))
    group = {"capacityReservationGroup": {"id": path(azure, "kept")}}
    assert arm(azure, "PATCH", vm_path(azure, "vm-0"), {"properties": {"capacityReservation": group}}).status == 200
    assert (cores(azure), fate(azure, "vm-2")) == ((6, 6), "Succeeded")
    arm(azure, "PATCH", vm_path(azure, "vm-0"), {"properties": {"capacityReservation": {"capacityReservationGroup": None}}})
    arm(azure, "POST", vm_path(azure, "vm-0/start"))
    assert azure.control("/vms/vm-0")["powerState"] == "running"


def test_a_refused_vm_leaves_the_reservation_whole(azure: SimulatedAzure) -> None:
    """Refused after quota and placement were looked at (its interface is not there): nothing of the reservation is gone."""
    reserve(azure, capacity=4)
    body: Any = {"networkInterfaces": [{"id": f"{azure.group_path}/providers/Microsoft.Network/networkInterfaces/none"}]}
    assert put_vm(azure, "vm-1", networkProfile=body).status in (400, 404)
    assert (cores(azure), view(azure)["associated"], fate(azure, "vm-2")) == ((8, 8), [], "OperationNotAllowed")


def test_a_deleted_resource_group_takes_its_reservations_along(azure: SimulatedAzure) -> None:
    """Quota and hosts are free again."""
    reserve(azure, capacity=4)
    arm(azure, "DELETE", azure.group_path)
    assert cores(azure) == (0, 0)


@pytest.mark.parametrize("seconds", [0, 5])
def test_faults_let_operations_on_reservations_and_scale_sets_fail(seconds: int) -> None:
    """Created, changed and deleted in vain: Failed with the code, after the time asked for, and nothing is kept or gone."""
    with simulated_azure(clock=ManualClock(), offering=FOUR, delete_seconds=constant(0.0)) as azure:
        put_group(azure)
        scale_set = f"{azure.group_path}/providers/Microsoft.Compute/virtualMachineScaleSets/set"
        body = {"location": azure.location, "properties": {"orchestrationMode": "Flexible", "platformFaultDomainCount": 1}}
        reserve(azure, capacity=1)
        arm(azure, "PUT", scale_set, body)
        patterns = ["CapacityReservations_*", "VirtualMachineScaleSets_*"]
        what = {"kind": "error", "code": "InternalExecutionError", "when": "async", "seconds": seconds}
        put(azure, {"what": what, "operation": patterns})
        begun = [
            reserve(azure, capacity=3),
            arm(azure, "PUT", scale_set, body),
            arm(azure, "DELETE", scale_set),
        ]
        assert [outcome(azure, one) for one in begun] == ["InternalExecutionError" if not seconds else "InProgress"] * 3
        azure.advance(6)
        begun.append(arm(azure, "DELETE", path(azure, "kept", "r")))
        azure.advance(6)
        assert [outcome(azure, one) for one in begun] == ["InternalExecutionError"] * 4
        assert (view(azure)["capacity"], cores(azure)) == (1, (2, 2))
        for one in (path(azure, "kept", "r"), scale_set):
            assert arm(azure, "GET", one).body["properties"]["provisioningState"] == "Failed"
