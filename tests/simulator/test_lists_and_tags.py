"""Operations that nothing else asks for: lists of a whole group or subscription, tags of what belongs to the network."""

from __future__ import annotations

import pytest

from tests.simulator.raw import arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body


@pytest.mark.parametrize("kind", ["networkSecurityGroups", "publicIPAddresses"])
def test_network_resources_are_listed_and_tagged(azure: SimulatedAzure, kind: str) -> None:
    """One is made, gets a tag, and is in its group's list and in its subscription's."""
    provider = f"providers/Microsoft.Network/{kind}"
    one = f"{azure.group_path}/{provider}/one"
    assert arm(azure, "PUT", one, {"location": azure.location}).status == 201
    assert arm(azure, "PATCH", one, {"tags": {"a": "b"}}).body["tags"] == {"a": "b"}
    for path in (f"{azure.group_path}/{provider}", f"/subscriptions/{azure.subscription}/{provider}"):
        found = arm(azure, "GET", path)
        assert [(item["name"], item["tags"]) for item in found.body["value"]] == [("one", {"a": "b"})]


def test_what_a_vm_brings_along_is_listed_and_tagged(azure: SimulatedAzure) -> None:
    """Its interface can have tags, and its disk is in the subscription's list."""
    assert arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure)).status == 201
    (interface,) = arm(azure, "GET", f"{azure.group_path}/providers/Microsoft.Network/networkInterfaces").body["value"]
    assert arm(azure, "PATCH", interface["id"], {"tags": {"a": "b"}}).body["tags"] == {"a": "b"}
    (disk,) = arm(azure, "GET", f"/subscriptions/{azure.subscription}/providers/Microsoft.Compute/disks").body["value"]
    assert disk["managedBy"].endswith("/vm-1")


def test_networks_of_a_subscription(azure: SimulatedAzure) -> None:
    """All there are, whatever their group."""
    found = arm(azure, "GET", f"/subscriptions/{azure.subscription}/providers/Microsoft.Network/virtualNetworks").body["value"]
    assert [item["name"] for item in found] == ["vnet"]


def test_a_role_assignment_by_its_id(azure: SimulatedAzure) -> None:
    """What the list shows can be had one by one."""
    listed = arm(azure, "GET", f"/subscriptions/{azure.subscription}/providers/Microsoft.Authorization/roleAssignments")
    first = listed.body["value"][0]
    assert arm(azure, "GET", first["id"]).body == first
