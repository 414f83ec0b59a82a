"""The document that the Instance Metadata Service shows of a VM, in each of its versions.

Members and the version that brought each: the OpenAPI files of Microsoft.InstanceMetadataService, 2018-02-01 to 2023-07-01, and
for what is older the table of "Azure Instance Metadata Service" (Microsoft Learn). 2021-08-01 is in neither: it is the version
that cloud-init asks for. All values are text; what a VM has not is an empty text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurm_azure.simulator.packing import unpacked
from slurm_azure.simulator.world.vm import VirtualMachine, part

VERSIONS = tuple(
    """
    2017-03-01 2017-04-02 2017-08-01 2017-10-01 2017-12-01 2018-02-01 2018-04-02 2018-10-01 2019-02-01 2019-03-11
    2019-04-30 2019-06-01 2019-06-04 2019-08-01 2019-08-15 2019-11-01 2020-06-01 2020-07-15 2020-09-01 2020-10-01
    2020-12-01 2021-01-01 2021-02-01 2021-03-01 2021-05-01 2021-08-01 2021-10-01 2021-11-01 2021-11-15 2021-12-13
    2023-07-01
    """.split()  # noqa: SIM905 - one version after the other
)

_SINCE = {
    "placementGroupId": "2017-08-01",
    "resourceGroupName": "2017-08-01",
    "subscriptionId": "2017-08-01",
    "tags": "2017-08-01",
    "vmScaleSetName": "2017-12-01",
    "zone": "2017-12-01",
    "plan": "2018-04-02",
    "publicKeys": "2018-04-02",
    "azEnvironment": "2018-10-01",
    "provider": "2018-10-01",
    "customData": "2019-02-01",
    "resourceId": "2019-03-11",
    "storageProfile": "2019-06-01",
    "tagsList": "2019-06-04",
    "storageProfile.osDisk.diffDiskSettings": "2019-08-01",
    "isHostCompatibilityLayerVm": "2020-06-01",
    "securityProfile": "2020-06-01",
    "osProfile": "2020-07-15",
    "licenseType": "2020-09-01",
    "osProfile.disablePasswordAuthentication": "2020-10-01",
    "evictionPolicy": "2020-12-01",
    "priority": "2020-12-01",
    "userData": "2021-01-01",
    "storageProfile.resourceDisk": "2021-02-01",
    "extendedLocation": "2021-03-01",
    "virtualMachineScaleSet": "2021-03-01",
    "storageProfile.dataDisks.bytesPerSecondThrottle": "2021-05-01",
    "storageProfile.dataDisks.diskCapacityBytes": "2021-05-01",
    "storageProfile.dataDisks.isSharedDisk": "2021-05-01",
    "storageProfile.dataDisks.isUltraDisk": "2021-05-01",
    "storageProfile.dataDisks.opsPerSecondThrottle": "2021-05-01",
    "platformSubFaultDomain": "2021-10-01",
    "additionalCapabilities": "2021-11-01",
    "securityProfile.encryptionAtHost": "2021-11-01",
    "host": "2021-11-15",
    "hostGroup": "2021-11-15",
    "securityProfile.securityType": "2021-12-13",
    "storageProfile.imageReference.communityGalleryImageId": "2023-07-01",
    "storageProfile.imageReference.exactVersion": "2023-07-01",
    "storageProfile.imageReference.sharedGalleryImageId": "2023-07-01",
}
_KEPT_SECRET = ("bytesPerSecondThrottle", "diskCapacityBytes", "isSharedDisk", "opsPerSecondThrottle")  # of Ultra disks alone


def document(vm: VirtualMachine, version: str) -> dict[str, Any]:
    """What the service shows of a VM in one of VERSIONS."""
    return {"compute": _of(version, compute(vm), ""), "network": network(vm)}


def _of(version: str, value: Any, place: str) -> Any:
    """A part of the document without what came after `version`; `place` is where it stands, members joined by dots."""
    if isinstance(value, list):
        return [_of(version, item, place) for item in value]
    if not isinstance(value, dict):
        return value
    places = {key: f"{place}.{key}" if place else key for key in value}
    return {
        key: _of(version, member, places[key]) for key, member in value.items() if _SINCE.get(places[key], version) <= version
    }


def compute(vm: VirtualMachine) -> dict[str, Any]:
    """The `compute` part, with all members of the newest version."""
    model, storage = vm.model, vm.model["storageProfile"]
    image = part(storage, "imageReference")
    linux = part(model, "osProfile", "linuxConfiguration")
    tags = sorted(vm.tags.items())
    return {
        "additionalCapabilities": {"hibernationEnabled": _flag(part(model, "additionalCapabilities"), "hibernationEnabled")},
        "azEnvironment": "AzurePublicCloud",
        "customData": "",
        "evictionPolicy": model.get("evictionPolicy", ""),
        "extendedLocation": {key: part(vm.top, "extendedLocation").get(key, "") for key in ("name", "type")},
        "host": {"id": part(model, "host").get("id", "")},
        "hostGroup": {"id": part(model, "hostGroup").get("id", "")},
        "isHostCompatibilityLayerVm": "false",
        "licenseType": model.get("licenseType", ""),
        "location": vm.location,
        "name": vm.name,
        "offer": image.get("offer", ""),
        "osProfile": _os_profile(vm),
        "osType": storage["osDisk"]["osType"],
        "placementGroupId": "",
        "plan": {key: (vm.plan or {}).get(key, "") for key in ("name", "product", "publisher")},
        "platformFaultDomain": str(vm.fault_domain or 0),
        "platformSubFaultDomain": "",
        "platformUpdateDomain": str(vm.update_domain or 0),
        "priority": model.get("priority", ""),
        "provider": "Microsoft.Compute",
        "publicKeys": part(linux, "ssh").get("publicKeys") or [],
        "publisher": image.get("publisher", ""),
        "resourceGroupName": vm.group.name,
        "resourceId": vm.id,
        "securityProfile": _security(part(model, "securityProfile")),
        "sku": image.get("sku", ""),
        "storageProfile": _storage(vm),
        "subscriptionId": vm.group.subscription,
        "tags": ";".join(f"{name}:{value}" for name, value in tags),
        "tagsList": [{"name": name, "value": value} for name, value in tags],
        "userData": unpacked(vm.user_data) or "",
        "version": image.get("version", ""),
        "virtualMachineScaleSet": {"id": _scale_set(vm)},
        "vmId": vm.vm_id,
        "vmScaleSetName": _scale_set(vm).rsplit("/", 1)[-1],
        "vmSize": model["hardwareProfile"]["vmSize"],
        "zone": vm.zones[0] if vm.zones else "",
    }


def _scale_set(vm: VirtualMachine) -> str:
    identity: str = part(vm.model, "virtualMachineScaleSet").get("id", "")
    return identity


def _flag(owner: Mapping[str, Any], name: str) -> str:
    return str(owner.get(name, False)).lower()


def _os_profile(vm: VirtualMachine) -> dict[str, str]:
    profile = part(vm.model, "osProfile")
    return {
        "adminUsername": profile.get("adminUsername", ""),
        "computerName": vm.computer_name,
        "disablePasswordAuthentication": _flag(part(profile, "linuxConfiguration"), "disablePasswordAuthentication"),
    }


def _storage(vm: VirtualMachine) -> dict[str, Any]:
    """Disks and image. The local disk is told in kilobytes, 0 where the size has none (the page named above)."""
    storage = vm.model["storageProfile"]
    image = part(storage, "imageReference")
    told = ("communityGalleryImageId", "exactVersion", "id", "offer", "publisher", "sharedGalleryImageId", "sku", "version")
    return {
        "dataDisks": [_data_disk(item) for item in storage["dataDisks"]],
        "imageReference": {key: image.get(key, "") for key in told},
        "osDisk": _os_disk(storage["osDisk"]),
        "resourceDisk": {"size": str(vm.size.number("MaxResourceVolumeMB") * 1024)},
    }


def _disk(disk: Mapping[str, Any]) -> dict[str, Any]:
    """What all disks show."""
    return {
        "caching": disk["caching"],
        "createOption": disk["createOption"],
        "diskSizeGB": str(disk.get("diskSizeGB", "")),
        "image": {"uri": part(disk, "image").get("uri", "")},
        "managedDisk": _managed(disk),
        "name": disk["name"],
        "vhd": {"uri": part(disk, "vhd").get("uri", "")},
        "writeAcceleratorEnabled": _flag(disk, "writeAcceleratorEnabled"),
    }


def _data_disk(disk: Mapping[str, Any]) -> dict[str, Any]:
    ultra = _managed(disk)["storageAccountType"] == "UltraSSD_LRS"
    return {
        **_disk(disk),
        **dict.fromkeys(_KEPT_SECRET, ""),
        "isUltraDisk": str(ultra).lower(),
        "lun": str(disk["lun"]),
    }


def _os_disk(disk: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_disk(disk),
        "diffDiskSettings": {"option": part(disk, "diffDiskSettings").get("option", "")},
        "encryptionSettings": {"enabled": _flag(part(disk, "encryptionSettings"), "enabled")},
        "osType": disk["osType"],
    }


def _security(profile: Mapping[str, Any]) -> dict[str, str]:
    uefi = part(profile, "uefiSettings")
    return {
        "encryptionAtHost": _flag(profile, "encryptionAtHost"),
        "secureBootEnabled": _flag(uefi, "secureBootEnabled"),
        "securityType": profile.get("securityType", ""),
        "virtualTpmEnabled": _flag(uefi, "vTpmEnabled"),
    }


def _managed(disk: Mapping[str, Any]) -> dict[str, str]:
    """The managed disk behind a disk; a blob in a storage account has none."""
    managed = part(disk, "managedDisk")
    return {key: managed.get(key, "") for key in ("id", "storageAccountType")}


def network(vm: VirtualMachine) -> dict[str, Any]:
    """The `network` part, the primary interface first; MAC addresses without separators, in upper case."""
    return {
        "interface": [
            {
                "ipv4": {
                    "ipAddress": [{"privateIpAddress": nic.ip, "publicIpAddress": ""}],
                    "subnet": [{"address": str(nic.subnet.prefix.network_address), "prefix": str(nic.subnet.prefix.prefixlen)}],
                },
                "ipv6": {"ipAddress": []},
                "macAddress": nic.mac.replace(":", "").upper(),
            }
            for nic in sorted(vm.interfaces, key=lambda nic: not nic.primary)
        ]
    }
