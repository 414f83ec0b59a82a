"""Interfaces and disks that come with a VM: what they show, and whether they go with it."""

from __future__ import annotations

import pytest

from tests.simulator.raw import Answer, arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, vm_body

INTERFACES = "Microsoft.Network/networkInterfaces"
DISKS = "Microsoft.Compute/disks"


def of_group(azure: SimulatedAzure, kind: str, name: str = "", method: str = "GET") -> Answer:
    path = f"{azure.group_path}/providers/{kind}"
    return arm(azure, method, f"{path}/{name}" if name else path)


def test_an_inline_interface_becomes_one_of_its_own(azure: SimulatedAzure) -> None:
    """The VM's answer names a generated interface; that one has the address, the MAC, the subnet and the VM."""
    made = arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure)).body
    profile = made["properties"]["networkProfile"]
    assert list(profile) == ["networkInterfaces"], "the inline configuration is not shown again"
    identity = profile["networkInterfaces"][0]["id"]
    interface = arm(azure, "GET", identity).body
    (configuration,) = interface["properties"]["ipConfigurations"]
    assert configuration["name"] == "ipc0"
    assert configuration["properties"]["privateIPAddress"] == "127.66.0.4"
    assert configuration["properties"]["subnet"]["id"] == azure.subnet_id
    assert interface["properties"]["virtualMachine"]["id"] == made["id"]
    assert interface["properties"]["macAddress"] == "52-54-7F-42-00-04"
    subnet = arm(azure, "GET", azure.subnet_id).body
    assert subnet["properties"]["ipConfigurations"] == [{"id": f"{identity}/ipConfigurations/ipc0"}]


def test_delete_takes_along_what_says_delete(azure: SimulatedAzure) -> None:
    """deleteOption Delete for interface, OS disk and data disk: nothing is left."""
    body = vm_body(azure)
    body["properties"]["storageProfile"]["dataDisks"] = [
        {"lun": 0, "createOption": "Empty", "diskSizeGB": 64, "deleteOption": "Delete"}
    ]
    arm(azure, "PUT", vm_path(azure, "vm-1"), body)
    assert len(of_group(azure, DISKS).body["value"]) == 2
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    assert of_group(azure, DISKS).body == of_group(azure, INTERFACES).body == {"value": []}


def test_what_does_not_say_delete_stays_and_is_detached(azure: SimulatedAzure) -> None:
    """The default is Detach: interface and disk outlive their VM, without it, and can then be deleted."""
    body = vm_body(azure)
    del body["properties"]["storageProfile"]["osDisk"]["deleteOption"]
    del body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"]["deleteOption"]
    arm(azure, "PUT", vm_path(azure, "vm-1"), body)
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    (disk,), (interface,) = (of_group(azure, kind).body["value"] for kind in (DISKS, INTERFACES))
    assert disk["properties"]["diskState"] == "Unattached"
    assert "virtualMachine" not in interface["properties"]
    assert arm(azure, "DELETE", disk["id"]).status == 202
    assert arm(azure, "DELETE", interface["id"]).status == 202
    assert of_group(azure, DISKS).body == of_group(azure, INTERFACES).body == {"value": []}


def test_a_detached_interface_can_be_given_to_another_vm(azure: SimulatedAzure) -> None:
    """A VM can be made with an interface that is there already; one that is in use is refused."""
    body = vm_body(azure)
    del body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"]["deleteOption"]
    made = arm(azure, "PUT", vm_path(azure, "vm-1"), body).body
    identity = made["properties"]["networkProfile"]["networkInterfaces"][0]["id"]
    reuse = vm_body(azure, networkProfile={"networkInterfaces": [{"id": identity, "properties": {"primary": True}}]})
    assert arm(azure, "PUT", vm_path(azure, "vm-2"), reuse).code == "NicInUse"
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    assert arm(azure, "PUT", vm_path(azure, "vm-2"), reuse).status == 201
    assert azure.vms()[0]["ip"] == "127.66.0.4"


@pytest.mark.parametrize(("kind", "status", "code"), [(INTERFACES, 400, "NicInUse"), (DISKS, 409, "OperationNotAllowed")])
def test_what_is_in_use_cannot_be_deleted(azure: SimulatedAzure, kind: str, status: int, code: str) -> None:
    """Interface and disk of a living VM are refused; absent ones are 204."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), vm_body(azure))
    (item,) = of_group(azure, kind).body["value"]
    refused = arm(azure, "DELETE", item["id"])
    assert (refused.status, refused.code) == (status, code)
    assert of_group(azure, kind, "absent", "DELETE").status == 204
    assert of_group(azure, kind, "absent").code == "ResourceNotFound"


def test_an_ephemeral_disk_always_goes_with_its_vm(azure: SimulatedAzure) -> None:
    """An ephemeral OS disk defaults to Delete, whereas others default to Detach."""
    body = vm_body(azure, hardwareProfile={"vmSize": "Standard_D2ds_v5"})
    body["properties"]["storageProfile"]["osDisk"] = {
        "createOption": "FromImage",
        "caching": "ReadOnly",
        "diffDiskSettings": {"option": "Local"},
    }
    made = arm(azure, "PUT", vm_path(azure, "vm-1"), body).body
    assert made["properties"]["storageProfile"]["osDisk"]["deleteOption"] == "Delete"
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    assert of_group(azure, DISKS).body == {"value": []}


def test_groups_and_networks_can_be_read(azure: SimulatedAzure) -> None:
    """Resource group, subscription, virtual network and subnets; what is absent is 404."""
    assert arm(azure, "GET", azure.group_path).body["location"] == "westeurope"
    assert arm(azure, "HEAD", azure.group_path).status == 204
    assert arm(azure, "GET", f"/subscriptions/{azure.subscription}").body["state"] == "Enabled"
    groups = arm(azure, "GET", f"/subscriptions/{azure.subscription}/resourcegroups").body["value"]
    assert [group["name"] for group in groups] == ["slurm-burst", "other", "net"]
    network = azure.subnet_id.partition("/subnets/")[0]
    assert len(arm(azure, "GET", network).body["properties"]["subnets"]) == 2
    assert len(arm(azure, "GET", f"{network}/subnets").body["value"]) == 2
    assert arm(azure, "GET", azure.subnet_id + "x").status == 404
    assert arm(azure, "GET", network + "x").code == "ResourceNotFound"
