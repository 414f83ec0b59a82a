"""What Azure does not take in a create call: each refusal with its code, and nothing left behind."""

from __future__ import annotations

import base64
import copy
from typing import Any

import pytest

from tests.simulator.raw import arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, simulated_azure, vm_body

REMOVED = object()

CASES: list[tuple[str, Any, int, str, str]] = [
    ("location", REMOVED, 400, "LocationRequired", ""),
    ("location", "atlantis", 400, "LocationNotAvailableForResourceType", ""),
    ("properties", REMOVED, 400, "InvalidParameter", "properties"),
    ("properties", [], 400, "InvalidRequestContent", ""),
    ("properties.hardwareProfile", REMOVED, 400, "InvalidParameter", "hardwareProfile"),
    ("properties.hardwareProfile.vmSize", "Nonsense", 400, "InvalidParameter", "vmSize"),
    ("properties.hardwareProfile.vmSize", 5, 400, "InvalidRequestContent", ""),
    ("properties.storageProfile.osDisk.createOption", REMOVED, 400, "InvalidParameter", "osDisk.createOption"),
    ("properties.storageProfile.osDisk.createOption", "Conjure", 400, "InvalidParameter", "osDisk.createOption"),
    ("properties.storageProfile.osDisk.diskSizeGB", "big", 400, "InvalidRequestContent", ""),
    ("properties.storageProfile.osDisk.diffDiskSettings", {"option": "Local"}, 400, "InvalidParameter", "osDisk.caching"),
    ("properties.storageProfile.imageReference", REMOVED, 400, "InvalidParameter", "imageReference"),
    ("properties.storageProfile.imageReference.sku", REMOVED, 400, "InvalidParameter", "imageReference.sku"),
    ("properties.osProfile", REMOVED, 400, "InvalidParameter", "osProfile"),
    ("properties.osProfile.computerName", REMOVED, 400, "InvalidParameter", "computerName"),
    ("properties.osProfile.computerName", "under_score", 400, "InvalidParameter", "computerName"),
    ("properties.osProfile.computerName", "x" * 65, 400, "InvalidParameter", "computerName"),
    ("properties.osProfile.adminUsername", "root", 400, "InvalidParameter", "adminUsername"),
    ("properties.osProfile.customData", "not base64!", 400, "InvalidParameter", "customData"),
    ("properties.osProfile.customData", base64.b64encode(bytes(65536)).decode(), 400, "InvalidParameter", "customData"),
    ("properties.osProfile.linuxConfiguration.ssh", REMOVED, 400, "InvalidParameter", "linuxConfiguration"),
    (
        "properties.osProfile.linuxConfiguration.ssh.publicKeys",
        [{"path": "/root/.ssh/authorized_keys", "keyData": "ssh-ed25519 A"}],
        400,
        "InvalidParameter",
        "linuxConfiguration.ssh.publicKeys.path",
    ),
    ("properties.networkProfile.networkApiVersion", REMOVED, 400, "InvalidParameter", "networkProfile.networkApiVersion"),
    (
        "properties.networkProfile.networkInterfaceConfigurations",
        REMOVED,
        400,
        "InvalidParameter",
        "networkProfile.networkInterfaces",
    ),
    ("properties.evictionPolicy", "Delete", 400, "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines", ""),
    ("properties.billingProfile", {"maxPrice": 0}, 400, "MaxPriceValueInvalid", ""),
    ("properties.billingProfile", {"maxPrice": 0.5}, 400, "MaxPriceIsSupportedOnlyForAzureSpotVirtualMachines", ""),
    ("properties.virtualMachineScaleSet", {"id": "/x"}, 404, "NotFound", ""),
    ("properties.storageProfile.osDisk.createOption", "Attach", 400, "InvalidParameter", "imageReference"),
    ("properties.host", {"id": "/x"}, 501, "NotImplemented", ""),
    ("zones", ["4"], 400, "InvalidAvailabilityZone", ""),
    ("tags", {"a": 1}, 400, "InvalidRequestContent", ""),
]

INTERFACE = "properties.networkProfile.networkInterfaceConfigurations.0.properties"
ADDRESS = f"{INTERFACE}.ipConfigurations.0.properties"
CASES += [
    (f"{INTERFACE}.ipConfigurations", [], 400, "InvalidParameter", "networkInterfaceConfigurations.ipConfigurations"),
    (f"{ADDRESS}.subnet.id", "/subscriptions/x/y", 400, "InvalidResourceReference", ""),
    (f"{ADDRESS}.privateIPAddress", "127.66.0.9", 400, "InvalidRequestContent", ""),
]


def changed(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with one member set to something else, or taken out."""
    body = copy.deepcopy(body)
    owner: Any = body
    *way, last = path.split(".")
    for part in way:
        owner = owner[int(part)] if isinstance(owner, list) else owner[part]
    if value is REMOVED:
        del owner[last]
    else:
        owner[last] = value
    return body


@pytest.fixture(scope="module")
def shared() -> Any:
    """One simulator for all refusals: none of them may leave anything behind."""
    with simulated_azure() as azure:
        yield azure


@pytest.mark.parametrize(("path", "value", "status", "code", "target"), CASES)
def test_a_bad_create_is_refused_and_leaves_nothing(
    shared: SimulatedAzure, path: str, value: Any, status: int, code: str, target: str
) -> None:
    """One thing wrong in an otherwise good body: the documented code, and no VM, interface or disk."""
    answer = arm(shared, "PUT", vm_path(shared, "vm-1"), changed(vm_body(shared), path, value))
    assert (answer.status, answer.code) == (status, code), answer.body
    assert answer.body["error"].get("target", "") == target
    assert shared.vms() == []
    for kind in ("Microsoft.Network/networkInterfaces", "Microsoft.Compute/disks"):
        assert arm(shared, "GET", f"{shared.group_path}/providers/{kind}").body == {"value": []}


def test_the_body_that_the_cases_spoil_is_good(azure: SimulatedAzure) -> None:
    """Unchanged it is accepted, with customData of exactly the permitted length too."""
    body = changed(vm_body(azure), "properties.osProfile.customData", base64.b64encode(bytes(65535)).decode())
    assert arm(azure, "PUT", vm_path(azure, "vm-1"), body).status == 201


def test_null_is_as_good_as_not_given(azure: SimulatedAzure) -> None:
    """Clients send members they do not set as null."""
    body = changed(vm_body(azure), "properties.userData", None)
    body["zones"] = None
    assert arm(azure, "PUT", vm_path(azure, "vm-1"), body).status == 201


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"\xff"])
def test_a_body_that_is_no_object_is_refused(shared: SimulatedAzure, content: bytes) -> None:
    """Anything but a JSON object is 400 InvalidRequestContent."""
    answer = arm(shared, "PUT", vm_path(shared, "vm-1"), content)
    assert (answer.status, answer.code) == (400, "InvalidRequestContent")


@pytest.mark.parametrize("name", ["_vm", "vm-", "vm.", "v" * 65, "v m", "v@m"])
def test_a_bad_name_is_refused(shared: SimulatedAzure, name: str) -> None:
    """VM names follow Azure's naming rules."""
    answer = arm(shared, "PUT", vm_path(shared, name.replace(" ", "%20")), vm_body(shared))
    assert (answer.status, answer.code) == (400, "InvalidParameter")


def test_a_full_subnet_is_told_and_its_addresses_come_back(azure: SimulatedAzure) -> None:
    """A /29 has three addresses beside Azure's five; a deleted VM gives its own back."""
    body = vm_body(azure)
    address = "properties.networkProfile.networkInterfaceConfigurations.0.properties.ipConfigurations.0.properties"
    body = changed(body, f"{address}.subnet.id", azure.small_subnet_id)
    for number in range(3):
        assert arm(azure, "PUT", vm_path(azure, f"vm-{number}"), body).status == 201
    full = arm(azure, "PUT", vm_path(azure, "vm-3"), body)
    assert (full.status, full.code) == (400, "SubnetIsFull")
    assert sorted(vm["ip"] for vm in azure.vms()) == ["127.67.0.4", "127.67.0.5", "127.67.0.6"]
    arm(azure, "DELETE", vm_path(azure, "vm-1"))
    assert arm(azure, "PUT", vm_path(azure, "vm-3"), body).status == 201
