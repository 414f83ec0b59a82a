"""Capacity reservation groups, the reservations in them, and the VMs that use them."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.raw import Answer, arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body

SIZE = "Standard_D2s_v5"


def path(azure: SimulatedAzure, *names: str) -> str:
    """The path of the groups, of a group, of a reservation in it."""
    found = f"{azure.group_path}/providers/Microsoft.Compute/capacityReservationGroups"
    for name, between in zip(names, ("/", "/capacityReservations/"), strict=False):
        found += between + name
    return found


def put_group(azure: SimulatedAzure, name: str = "kept", **top: Any) -> Answer:
    """Make a group."""
    return arm(azure, "PUT", path(azure, name), {"location": azure.location, **top})


def put(azure: SimulatedAzure, name: str = "r", group: str = "kept", size: str = SIZE, capacity: int = 1, **top: Any) -> Answer:
    """Make a reservation."""
    body = {"location": azure.location, "sku": {"name": size, "capacity": capacity}, **top}
    return arm(azure, "PUT", path(azure, group, name), body)


def put_vm(azure: SimulatedAzure, name: str, group: str = "kept", top: dict[str, Any] | None = None, **more: Any) -> Answer:
    """Make a VM under a group's reservation."""
    profile = {"capacityReservationGroup": {"id": path(azure, group)}}
    return arm(azure, "PUT", vm_path(azure, name), vm_body(azure, top=top or {}, capacityReservation=profile, **more))


def view(azure: SimulatedAzure) -> dict[str, Any]:
    """Who is associated with the reservation, who takes its room, and how much there is."""
    found = arm(azure, "GET", path(azure, "kept", "r") + "?$expand=instanceView").body["properties"]
    use = found["instanceView"]["utilizationInfo"]
    return {
        "associated": [item["id"].rsplit("/", 1)[1] for item in found.get("virtualMachinesAssociated", ())],
        "allocated": [item["id"].rsplit("/", 1)[1] for item in use["virtualMachinesAllocated"]],
        "capacity": use["currentCapacity"],
    }


def test_group_and_reservation_live_and_end(azure: SimulatedAzure) -> None:
    """201, 200, PATCH, both lists of groups and that of reservations; a group goes only when it is empty."""
    assert [put_group(azure, tags={"a": "b"}).status for _ in range(2)] == [201, 200]
    made = put(azure, capacity=2)
    assert (made.status, made.body["properties"]["provisioningState"]) == (201, "Creating")
    assert "Azure-AsyncOperation" in made.headers
    assert arm(azure, "PATCH", path(azure, "kept"), {"tags": {"c": "d"}}).body["tags"] == {"c": "d"}
    grown = arm(azure, "PATCH", path(azure, "kept", "r"), {"sku": {"name": SIZE, "capacity": 5}}).body
    assert (grown["sku"], grown["properties"]["provisioningState"]) == ({"name": SIZE, "capacity": 5}, "Succeeded")
    everywhere = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/capacityReservationGroups"
    for place in (path(azure), everywhere, everywhere + "?$expand=virtualMachines/$ref"):
        groups = arm(azure, "GET", place).body["value"]
        assert groups[0]["properties"]["capacityReservations"] == [{"id": path(azure, "kept", "r")}]
    assert [item["name"] for item in arm(azure, "GET", path(azure, "kept") + "/capacityReservations").body["value"]] == ["r"]
    assert arm(azure, "DELETE", path(azure, "kept")).code == "CannotDeleteResource"
    assert [arm(azure, "DELETE", path(azure, "kept", "r")).status for _ in range(2)] == [202, 204]
    assert [arm(azure, "DELETE", path(azure, "kept")).status for _ in range(2)] == [200, 204]


def test_ids_only(azure: SimulatedAzure) -> None:
    """`resourceIdsOnly` shows where groups are and no more; nobody shares any."""
    put_group(azure)
    everywhere = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/capacityReservationGroups"
    found = [
        [sorted(item) for item in arm(azure, "GET", f"{everywhere}?resourceIdsOnly={kind}").body["value"]]
        for kind in ("All", "CreatedInSubscription", "SharedWithSubscription")
    ]
    assert found == [[["id", "location", "type"]], [["id", "location", "type"]], []]
    assert arm(azure, "GET", f"{everywhere}?resourceIdsOnly=Some").status == 400


def test_vms_use_a_reservation_and_may_be_more_than_it_has_room_for(azure: SimulatedAzure) -> None:
    """Over-allocation is allowed; a deallocated VM stays associated and gives its room back; a deleted one leaves."""
    put_group(azure)
    put(azure, capacity=1)
    assert [put_vm(azure, f"vm-{number}").status for number in range(2)] == [201, 201]
    both = ["vm-0", "vm-1"]
    assert view(azure) == {"associated": both, "allocated": both, "capacity": 1}
    group = arm(azure, "GET", path(azure, "kept") + "?$expand=instanceView").body["properties"]
    assert len(group["virtualMachinesAssociated"]) == 2
    assert group["instanceView"]["capacityReservations"][0]["name"] == "r"
    arm(azure, "POST", vm_path(azure, "vm-0/deallocate"))
    assert view(azure) == {"associated": both, "allocated": ["vm-1"], "capacity": 1}
    assert arm(azure, "DELETE", path(azure, "kept", "r")).code == "OperationNotAllowed"
    for number in range(2):
        arm(azure, "DELETE", vm_path(azure, f"vm-{number}"))
    assert arm(azure, "DELETE", path(azure, "kept", "r")).status == 202


@pytest.mark.parametrize(
    ("group", "top", "more", "status", "code"),
    [
        ("absent", {}, {}, 404, "NotFound"),
        ("kept", {}, {"hardwareProfile": {"vmSize": "Standard_D4s_v5"}}, 400, "InvalidParameter"),
        ("kept", {"zones": ["1"]}, {}, 400, "InvalidParameter"),
        ("kept", {}, {"priority": "Spot"}, 400, "InvalidParameter"),
        ("far", {}, {}, 400, "InvalidParameter"),
    ],
)
def test_a_vm_without_a_matching_reservation_is_refused(
    azure: SimulatedAzure, group: str, top: dict[str, Any], more: dict[str, Any], status: int, code: str
) -> None:
    """Size, zone and region have to match, and Spot VMs have no reservation: refused, and nothing is left."""
    put_group(azure)
    put_group(azure, "far", location="northeurope")
    put(azure)
    answer = put_vm(azure, "vm-1", group, top, **more)
    assert (answer.status, answer.code) == (status, code)
    assert azure.vms() == []
    assert view(azure)["associated"] == []


@pytest.mark.parametrize(
    ("name", "changes", "status", "code"),
    [
        ("other", {}, 409, "OperationNotAllowed"),
        ("r2", {"size": "Nonsense"}, 400, "InvalidParameter"),
        ("r2", {"zones": ["1"]}, 400, "InvalidParameter"),
        ("r2", {"location": "northeurope"}, 400, "InvalidParameter"),
        ("r2", {"capacity": -1}, 400, "InvalidParameter"),
        ("r2", {"sku": {}}, 400, "InvalidParameter"),
        ("r", {"size": "Standard_D4s_v5"}, 409, "PropertyChangeNotAllowed"),
    ],
)
def test_what_a_reservation_cannot_be_is_refused(
    azure: SimulatedAzure, name: str, changes: dict[str, Any], status: int, code: str
) -> None:
    """One per size and zone, of a size that there is, where its group is; the size never changes."""
    put_group(azure)
    put(azure)
    answer = put(azure, name, **changes)
    assert (answer.status, answer.code) == (status, code)


def test_zonal_reservations(azure: SimulatedAzure) -> None:
    """A VM falls under the reservation of its zone."""
    put_group(azure, zones=["1", "2"])
    for zone in ("1", "2"):
        assert put(azure, f"r{zone}", zones=[zone]).status == 201
    assert put_vm(azure, "vm-1", top={"zones": ["2"]}).status == 201
    found = arm(azure, "GET", path(azure, "kept", "r2")).body["properties"]
    assert found["virtualMachinesAssociated"] == [{"id": vm_path(azure, "vm-1")}]
    assert "virtualMachinesAssociated" not in arm(azure, "GET", path(azure, "kept", "r1")).body["properties"]


def test_the_sdk_drives_groups_and_reservations(azure: SimulatedAzure) -> None:
    """Unmodified azure-mgmt-compute with its pollers."""
    name = azure.resource_group
    with azure.compute() as typed:
        client: Any = typed  # its models are typed, and it takes plain objects as well
        client.capacity_reservation_groups.create_or_update(name, "kept", {"location": azure.location})
        body = {"location": azure.location, "sku": {"name": SIZE, "capacity": 2}}
        made = client.capacity_reservations.begin_create_or_update(name, "kept", "r", body).result()
        assert (made.sku.capacity, made.provisioning_state) == (2, "Succeeded")
        change = {"sku": {"name": SIZE, "capacity": 3}}
        assert client.capacity_reservations.begin_update(name, "kept", "r", change).result().sku.capacity == 3
        found = client.capacity_reservations.get(name, "kept", "r", expand="instanceView")
        assert found.instance_view.utilization_info.current_capacity == 3
        client.capacity_reservations.begin_delete(name, "kept", "r").result()
        client.capacity_reservation_groups.begin_delete(name, "kept").result()
        assert list(client.capacity_reservation_groups.list_by_subscription()) == []
