"""What a size allows: each rule with a request that breaks it and one that just does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.raw import Answer, arm, vm_path
from tests.support.simulated_azure import SimulatedAzure, simulated_azure, vm_body

SPOT = {"priority": "Spot", "evictionPolicy": "Delete"}


@pytest.fixture(scope="module")
def shared() -> Any:
    """One simulator for all: what is refused leaves nothing, and each test has VMs of its own name."""
    with simulated_azure() as azure:
        yield azure


def wanted(azure: SimulatedAzure, size: str, **changes: Any) -> dict[str, Any]:
    """A create call for a VM of that size."""
    return vm_body(azure, hardwareProfile={"vmSize": size, **changes.pop("hardware", {})}, **changes)


def put(azure: SimulatedAzure, body: dict[str, Any], name: str = "vm-1") -> Answer:
    """Create a VM and, if that was taken, delete it again."""
    answer = arm(azure, "PUT", vm_path(azure, name), body)
    if answer.status == 201:
        assert arm(azure, "DELETE", vm_path(azure, name)).status == 202
    return answer


def stored(os_disk: dict[str, Any], data_disks: int = 0, data_sku: str = "Standard_LRS") -> dict[str, Any]:
    """A storageProfile."""
    return {
        "imageReference": {"publisher": "p", "offer": "o", "sku": "s", "version": "latest"},
        "osDisk": {"createOption": "FromImage", "deleteOption": "Delete", **os_disk},
        "dataDisks": [
            {"lun": lun, "createOption": "Empty", "diskSizeGB": 4, "managedDisk": {"storageAccountType": data_sku}}
            for lun in range(data_disks)
        ],
    }


def local(gib: int | None = None, **settings: Any) -> dict[str, Any]:
    """A storageProfile with an ephemeral OS disk."""
    size = {} if gib is None else {"diskSizeGB": gib}
    return stored({"caching": "ReadOnly", "diffDiskSettings": {"option": "Local", **settings}, **size})


def test_an_unknown_size_is_refused_with_those_there_are(shared: SimulatedAzure) -> None:
    """400 InvalidParameter, and the list."""
    answer = put(shared, wanted(shared, "Standard_Imaginary_v9"))
    assert (answer.status, answer.code, answer.body["error"]["target"]) == (400, "InvalidParameter", "vmSize")
    message = answer.body["error"]["message"]
    assert message.startswith("The requested VM size Standard_Imaginary_v9 is not available in the current region. The sizes ")
    assert "Standard_D2s_v5," in message


def test_names_of_sizes_have_no_case(shared: SimulatedAzure) -> None:
    """A size is known in whatever case it is written."""
    assert put(shared, wanted(shared, "standard_d2S_V5")).status == 201


def test_a_zone_that_does_not_have_the_size(shared: SimulatedAzure) -> None:
    """409 SkuNotAvailable in zones without it, 201 in those with it."""
    answers = {zone: put(shared, wanted(shared, "Standard_NC24ads_A100_v4", top={"zones": [zone]})) for zone in "123"}
    assert {zone: answer.status for zone, answer in answers.items()} == {"1": 201, "2": 409, "3": 201}
    assert answers["2"].code == "SkuNotAvailable"
    assert "in location 'westeurope' zones '2'" in answers["2"].body["error"]["message"]


def test_a_region_that_has_no_zones(shared: SimulatedAzure) -> None:
    """A zone of a region that has none is refused; `location` of the VM counts, not that of its group."""
    answer = put(shared, wanted(shared, "Standard_D2s_v5", top={"zones": ["1"], "location": "West US"}))
    assert (answer.status, answer.code) == (400, "LocationNotSupportAvailabilityZones")


@pytest.mark.parametrize(("size", "status"), [("Standard_B2s", 400), ("Standard_A0", 400), ("Standard_D2s_v5", 201)])
def test_spot_only_with_sizes_that_can(shared: SimulatedAzure, size: str, status: int) -> None:
    """B and the smallest A sizes cannot be Spot."""
    answer = put(shared, wanted(shared, size, **SPOT))
    assert answer.status == status
    if status == 400:
        assert answer.code == "AzureSpotIsNotSupportedForThisVMSize"
        assert size in answer.body["error"]["message"]


TOO_LARGE = (
    "OS disk of Ephemeral VM with size greater than {} GB is not allowed for VM size {} when the DiffDiskPlacement is {}."
)
NOT_THERE = "The Diff Disk Placement of type '{}' is not supported for VM size {}."
TRUSTED = {"securityProfile": {"securityType": "TrustedLaunch"}}
EPHEMERAL: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("Standard_D2s_v5", local(), {}, "does not support ephemeral OS disks"),
    ("Standard_D2s_v3", local(50), {}, ""),
    ("Standard_D2s_v3", local(51), {}, TOO_LARGE.format(50, "Standard_D2s_v3", "CacheDisk")),
    ("Standard_D2s_v3", local(16, placement="ResourceDisk"), {}, ""),
    ("Standard_D2s_v3", local(placement="ResourceDisk"), {}, TOO_LARGE.format(16, "Standard_D2s_v3", "ResourceDisk")),
    ("Standard_D2ads_v5", local(75), {}, ""),
    ("Standard_D2ads_v5", local(75), TRUSTED, TOO_LARGE.format(74, "Standard_D2ads_v5", "ResourceDisk")),
    ("Standard_D2ads_v5", local(placement="CacheDisk"), {}, NOT_THERE.format("CacheDisk", "Standard_D2ads_v5")),
    ("Standard_D4ds_v6", local(220, placement="NvmeDisk"), {}, ""),
    ("Standard_D4ds_v6", local(220), {}, ""),
    ("Standard_D4ds_v6", local(221), {}, TOO_LARGE.format(220, "Standard_D4ds_v6", "NvmeDisk")),
    ("Standard_D2ds_v5", local(placement="NvmeDisk"), {}, NOT_THERE.format("NvmeDisk", "Standard_D2ds_v5")),
    ("Standard_E4d_v5", local(150), {}, ""),
]


@pytest.mark.parametrize(("size", "storage", "more", "message"), EPHEMERAL)
def test_ephemeral_os_disks(
    shared: SimulatedAzure, size: str, storage: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    """The disk has to be supported, there where it is to be, and to fit; Trusted Launch keeps 1 GiB for itself."""
    answer = put(shared, wanted(shared, size, storageProfile=storage, **more))
    assert (answer.status == 201) == (not message), answer.body
    if message:
        assert answer.status == 400
        assert message in answer.body["error"]["message"]
        assert answer.code == ("InvalidParameter" if "does not support" in message else "NotSupported")


@pytest.mark.parametrize(("size", "status"), [("Standard_D2as_v5", 201), ("Standard_B1s", 400)])
def test_accelerated_networking(shared: SimulatedAzure, size: str, status: int) -> None:
    """Refused, with the sizes that can, for one that cannot."""
    body = wanted(shared, size)
    interface = body["properties"]["networkProfile"]["networkInterfaceConfigurations"][0]["properties"]
    interface["enableAcceleratedNetworking"] = True
    answer = put(shared, body)
    assert answer.status == status
    if status == 400:
        assert answer.code == "VMSizeIsNotPermittedToEnableAcceleratedNetworking"
        assert "has size Standard_B1s, which is not compatible" in answer.body["error"]["message"]
        assert "Standard_D2as_v5" in answer.body["error"]["message"]


@pytest.mark.parametrize(("number", "status"), [(2, 201), (3, 400)])
def test_the_number_of_interfaces(shared: SimulatedAzure, number: int, status: int) -> None:
    """D2s v5 has room for two."""
    body = wanted(shared, "Standard_D2s_v5")
    profile = body["properties"]["networkProfile"]
    first = profile["networkInterfaceConfigurations"][0]
    others = [
        {**first, "name": f"nic{index}", "properties": {**first["properties"], "primary": False}} for index in range(1, number)
    ]
    profile["networkInterfaceConfigurations"] = [first, *others]
    answer = put(shared, body)
    assert answer.status == status, answer.body
    if status == 400:
        assert "The number of network interfaces is 3 and the maximum allowed is 2." in answer.body["error"]["message"]


@pytest.mark.parametrize(("number", "status"), [(4, 201), (5, 409)])
def test_the_number_of_data_disks(shared: SimulatedAzure, number: int, status: int) -> None:
    """D2s v5 has room for four; the code and the text are documented."""
    answer = put(shared, wanted(shared, "Standard_D2s_v5", storageProfile=stored({}, number)))
    assert answer.status == status
    if status == 409:
        assert answer.code == "OperationNotAllowed"
        text = "The maximum number of data disks allowed to be attached to a VM of this size is 4."
        assert answer.body["error"]["message"] == text


@pytest.mark.parametrize(
    ("size", "storage", "target"),
    [
        ("Standard_D2_v3", stored({"managedDisk": {"storageAccountType": "Premium_LRS"}}), "osDisk"),
        ("Standard_D2_v3", stored({}, 1, "Premium_LRS"), "dataDisk"),
        ("Standard_D2_v3", stored({"managedDisk": {"storageAccountType": "StandardSSD_LRS"}}, 1), ""),
        ("Standard_D2s_v3", stored({"managedDisk": {"storageAccountType": "Premium_LRS"}}), ""),
    ],
)
def test_premium_storage(shared: SimulatedAzure, size: str, storage: dict[str, Any], target: str) -> None:
    """Only sizes with an s can have it, for whichever disk."""
    answer = put(shared, wanted(shared, size, storageProfile=storage))
    assert (answer.status == 201) == (not target)
    if target:
        assert (answer.status, answer.code) == (400, "InvalidParameter")
        assert answer.body["error"]["target"] == f"{target}.managedDisk.storageAccountType"
        assert "the VM size Standard_D2_v3 does not support the storage account type Premium_LRS" in str(answer.body)


@pytest.mark.parametrize(("size", "status"), [("Standard_D2s_v5", 201), ("Standard_D2_v2", 400)])
def test_encryption_at_host(shared: SimulatedAzure, size: str, status: int) -> None:
    """Where the size does not support it, it is refused."""
    answer = put(shared, wanted(shared, size, securityProfile={"encryptionAtHost": True}))
    assert answer.status == status
    if status == 400:
        assert answer.body["error"]["target"] == "securityProfile.encryptionAtHost"


@pytest.mark.parametrize(
    ("properties", "target"),
    [
        ({"vCPUsAvailable": 4, "vCPUsPerCore": 1}, ""),
        ({"vCPUsPerCore": 2}, ""),
        ({"vCPUsAvailable": 9}, "vmSizeProperties.vCPUsAvailable"),
        ({"vCPUsAvailable": 0}, "vmSizeProperties.vCPUsAvailable"),
        ({"vCPUsPerCore": 4}, "vmSizeProperties.vCPUsPerCore"),
    ],
)
def test_customised_vcpus(shared: SimulatedAzure, properties: dict[str, int], target: str) -> None:
    """No more than the size has, of vCPUs and of vCPUs per core."""
    answer = put(shared, wanted(shared, "Standard_D8s_v5", hardware={"vmSizeProperties": properties}))
    assert (answer.status == 201) == (not target), answer.body
    assert answer.status == 201 or answer.body["error"]["target"] == target


def test_an_example_of_microsofts_goes_before_its_size_pages(shared: SimulatedAzure) -> None:
    """The OpenAPI files' examples make these VMs, though the size's capabilities, as listed, are against it."""
    premium = stored({"managedDisk": {"storageAccountType": "Premium_LRS"}})
    assert put(shared, wanted(shared, "Standard_D1_v2", storageProfile=premium)).status == 201
    assert put(shared, wanted(shared, "Standard_DS1_v2", storageProfile=local(placement="NvmeDisk"))).status == 201
    assert put(shared, wanted(shared, "Standard_DS1_v2", storageProfile=local(placement="ResourceDisk"))).status == 201


def test_rules_hold_when_a_vm_changes(azure: SimulatedAzure) -> None:
    """A VM cannot be given a size its disks do not go with, nor become one that is not there; it stays as it was."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), wanted(azure, "Standard_D4s_v5", storageProfile=stored({}, 5)))
    answers = [
        arm(azure, "PUT", vm_path(azure, "vm-1"), wanted(azure, size, storageProfile=stored({}, 5)))
        for size in ("Standard_D2s_v5", "Standard_Imaginary_v9", "Standard_D8s_v5")
    ]
    assert [answer.status for answer in answers] == [409, 400, 200]
    shown = arm(azure, "GET", vm_path(azure, "vm-1")).body
    assert shown["properties"]["hardwareProfile"]["vmSize"] == "Standard_D8s_v5"


def test_a_patch_may_resize(azure: SimulatedAzure) -> None:
    """A PATCH of the size is judged like a PUT."""
    arm(azure, "PUT", vm_path(azure, "vm-1"), wanted(azure, "Standard_D4s_v5"))
    bodies = [{"properties": {"hardwareProfile": {"vmSize": size}}} for size in ("Standard_D8s_v5", "Standard_Imaginary_v9")]
    assert [arm(azure, "PATCH", vm_path(azure, "vm-1"), body).status for body in bodies] == [200, 400]
