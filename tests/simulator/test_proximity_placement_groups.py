"""Proximity placement groups and availability sets, and the VMs in them. (Shapes of answers: tests/contracts, all along.)"""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.raw import Answer, arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body

PPG, SETS = "proximityPlacementGroups", "availabilitySets"


def path(azure: SimulatedAzure, kind: str, name: str = "") -> str:
    """The path of a resource of Compute, or of the group's resources of that kind."""
    found = f"{azure.group_path}/providers/Microsoft.Compute/{kind}"
    return f"{found}/{name}" if name else found


def put(azure: SimulatedAzure, kind: str, name: str, top: dict[str, Any] | None = None, **properties: Any) -> Answer:
    """Make one."""
    return arm(azure, "PUT", path(azure, kind, name), {"location": azure.location, "properties": properties, **(top or {})})


def test_a_group_is_made_shown_changed_and_deleted(azure: SimulatedAzure) -> None:
    """201, 200, tags by PATCH, both lists, 200 on delete; the file knows no 204, so the absent is 404."""
    zoned = {"zones": ["1"]}
    assert put(azure, PPG, "near", zoned, intent={"vmSizes": ["Standard_D2s_v5"]}).status == 201
    assert put(azure, PPG, "near", zoned, intent={"vmSizes": ["Standard_D4s_v5"]}).status == 200
    patched = arm(azure, "PATCH", path(azure, PPG, "NEAR"), {"tags": {"a": "b"}}).body
    assert patched["tags"] == {"a": "b"}
    assert patched["properties"] == {"proximityPlacementGroupType": "Standard", "intent": {"vmSizes": ["Standard_D4s_v5"]}}
    everywhere = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/{PPG}"
    for place in (path(azure, PPG), everywhere):
        assert [item["name"] for item in arm(azure, "GET", place).body["value"]] == ["near"]
    assert [arm(azure, "DELETE", path(azure, PPG, "near")).status for _ in range(2)] == [200, 404]


@pytest.mark.parametrize(
    ("top", "properties", "code"),
    [
        ({"zones": ["1"]}, {}, "InvalidParameter"),
        ({"zones": ["1", "2"]}, {"intent": {"vmSizes": []}}, "InvalidParameter"),
        ({"zones": ["7"]}, {"intent": {"vmSizes": []}}, "InvalidAvailabilityZone"),
        ({}, {"proximityPlacementGroupType": "Loose"}, "InvalidParameter"),
        ({}, {"intent": {"vmSizes": "x"}}, "InvalidRequestContent"),
        ({"location": ""}, {}, "LocationRequired"),
    ],
)
def test_what_a_group_cannot_be_is_refused(
    azure: SimulatedAzure, top: dict[str, Any], properties: dict[str, Any], code: str
) -> None:
    """Each refusal with its code."""
    assert put(azure, PPG, "near", top, **properties).code == code


def test_vms_of_a_group_are_shown_and_keep_it(azure: SimulatedAzure) -> None:
    """A VM is listed in the group, with its colocation status if asked for; the group goes only after it."""
    put(azure, PPG, "near")
    body = vm_body(azure, proximityPlacementGroup={"id": path(azure, PPG, "NEAR")})
    made = arm(azure, "PUT", vm_path(azure, "vm-1"), body)
    assert (made.status, made.body["properties"]["proximityPlacementGroup"]["id"]) == (201, path(azure, PPG, "near"))
    plain = arm(azure, "GET", path(azure, PPG, "near")).body["properties"]
    assert plain["virtualMachines"] == [{"id": vm_path(azure, "vm-1")}]
    status = arm(azure, "GET", path(azure, PPG, "near") + "?includeColocationStatus=true").body["properties"]
    assert status["colocationStatus"] == status["virtualMachines"][0]["colocationStatus"]
    assert arm(azure, "DELETE", path(azure, PPG, "near")).code == "OperationNotAllowed"
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    assert arm(azure, "DELETE", path(azure, PPG, "near")).status == 200


def test_a_group_that_does_not_fit_is_refused(azure: SimulatedAzure) -> None:
    """Of another zone or region, or not there at all: refused, and no VM is left."""
    put(azure, PPG, "zone1", {"zones": ["1"]}, intent={"vmSizes": []})
    put(azure, PPG, "far", {"location": "northeurope"})
    for name, code in (("zone1", "InvalidParameter"), ("far", "InvalidParameter"), ("absent", "NotFound")):
        body = vm_body(azure, top={"zones": ["2"]}, proximityPlacementGroup={"id": path(azure, PPG, name)})
        assert arm(azure, "PUT", vm_path(azure, "vm-1"), body).code == code
    assert azure.vms() == []


def test_a_vm_changes_its_group_only_while_it_is_deallocated(azure: SimulatedAzure) -> None:
    """Documented: "Move a VM to a proximity placement group"; it leaves the old one and enters the new one."""
    put(azure, PPG, "near")
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    change = {"properties": {"proximityPlacementGroup": {"id": path(azure, PPG, "near")}}}
    assert arm(azure, "PATCH", vm_path(azure, "vm-1"), change).code == "OperationNotAllowed"
    arm(azure, "POST", vm_path(azure, "vm-1/deallocate"))
    assert arm(azure, "PATCH", vm_path(azure, "vm-1"), change).status == 200
    assert "virtualMachines" in arm(azure, "GET", path(azure, PPG, "near")).body["properties"]


def test_the_sdk_drives_a_group(azure: SimulatedAzure) -> None:
    """Unmodified azure-mgmt-compute: create, get, update, lists, delete."""
    with azure.compute() as typed:
        client: Any = typed  # its models are typed, and it takes plain objects as well
        groups = client.proximity_placement_groups
        made = groups.create_or_update(azure.resource_group, "near", {"location": azure.location})
        assert groups.get(azure.resource_group, "near", include_colocation_status="true").id == made.id
        assert groups.update(azure.resource_group, "near", {"tags": {"a": "b"}}).tags == {"a": "b"}
        assert [item.name for item in groups.list_by_resource_group(azure.resource_group)] == ["near"]
        assert [item.name for item in groups.list_by_subscription()] == ["near"]
        groups.delete(azure.resource_group, "near")
        assert list(groups.list_by_subscription()) == []


def test_an_availability_set_spreads_its_vms(azure: SimulatedAzure) -> None:
    """Fault and update domains in turn, told in the instance view; the set goes only after its VMs."""
    assert put(azure, SETS, "apart", platformFaultDomainCount=2, platformUpdateDomainCount=5).status == 200
    for number in range(3):
        body = vm_body(azure, availabilitySet={"id": path(azure, SETS, "apart")})
        assert arm(azure, "PUT", vm_path(azure, f"vm-{number}"), body).status == 201
    views = [arm(azure, "GET", vm_path(azure, f"vm-{number}/instanceView")).body for number in range(3)]
    assert [(view["platformFaultDomain"], view["platformUpdateDomain"]) for view in views] == [(0, 0), (1, 1), (0, 2)]
    assert len(arm(azure, "GET", path(azure, SETS, "apart")).body["properties"]["virtualMachines"]) == 3
    assert arm(azure, "DELETE", path(azure, SETS, "apart")).code == "OperationNotAllowed"
    for number in range(3):
        arm(azure, "DELETE", vm_path(azure, f"vm-{number}"))
    assert [arm(azure, "DELETE", path(azure, SETS, "apart")).status for _ in range(2)] == [200, 204]


def test_an_availability_set_in_a_proximity_placement_group(azure: SimulatedAzure) -> None:
    """The group shows it, and goes only after it; the set's counts never change."""
    put(azure, PPG, "near")
    put(azure, SETS, "apart", proximityPlacementGroup={"id": path(azure, PPG, "near")})
    assert arm(azure, "DELETE", path(azure, PPG, "near")).status == 409
    assert put(azure, SETS, "apart", platformFaultDomainCount=3).code == "PropertyChangeNotAllowed"
    assert arm(azure, "PATCH", path(azure, SETS, "apart"), {"tags": {"a": "b"}}).body["tags"] == {"a": "b"}
    everywhere = f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/{SETS}"
    for place in (path(azure, SETS), everywhere, everywhere + "?$expand=virtualMachines/$ref"):
        assert [item["name"] for item in arm(azure, "GET", place).body["value"]] == ["apart"]
    arm(azure, "DELETE", path(azure, SETS, "apart"))
    assert arm(azure, "DELETE", path(azure, PPG, "near")).status == 200


@pytest.mark.parametrize(
    ("top", "properties", "code"),
    [
        ({"zones": ["1"]}, {}, "InvalidParameter"),
        ({}, {"priority": "Spot"}, "AzureSpotVMNotSupportedInAvailabilitySet"),
    ],
)
def test_vms_that_cannot_be_in_an_availability_set(
    azure: SimulatedAzure, top: dict[str, Any], properties: dict[str, Any], code: str
) -> None:
    """No zone and no Spot; a set that is not there is 404 with the documented text."""
    put(azure, SETS, "apart")
    body = vm_body(azure, top=top, availabilitySet={"id": path(azure, SETS, "apart")}, **properties)
    assert arm(azure, "PUT", vm_path(azure, "vm-1"), body).code == code
    missing = vm_body(azure, availabilitySet={"id": path(azure, SETS, "absent")})
    answer = arm(azure, "PUT", vm_path(azure, "vm-1"), missing)
    assert (answer.status, answer.code) == (404, "NotFound")
