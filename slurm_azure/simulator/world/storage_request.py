"""The storageProfile of a VM's PUT: which disks can be asked for, each refusal with its code.

Rules: texts of storageProfile, OSDisk and DataDisk in Microsoft.Compute's OpenAPI (computeRPCommon.json), "Ephemeral OS disks
for Azure VMs", "Azure confidential VMs", "Use Azure ultra disks". Codes and texts: "Understand common error messages when you
manage virtual machines in Azure"; a refusal that is not there is a plain InvalidParameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from slurm_azure.simulator.refusal import Refusal, invalid_parameter, missing_parameter

_SOURCES = ("Copy", "Restore")


def check(properties: Mapping[str, Any]) -> None:
    """Raises Refusal (400) unless `properties.storageProfile` of a clean body is one that Azure takes."""
    storage = properties.get("storageProfile")
    if storage is None:
        raise missing_parameter("storageProfile")
    disk = storage.get("osDisk")
    if disk is None:
        raise missing_parameter("osDisk")
    _check_os_disk(disk, storage)
    _check_confidential(properties, disk)
    seen: set[int] = set()
    for data_disk in storage.get("dataDisks", ()):
        if data_disk["lun"] in seen:
            raise invalid_parameter("dataDisk.lun", "The value of parameter dataDisk.lun is not unique.")
        seen.add(data_disk["lun"])
        _check_data_disk(data_disk, disk)
        _check_ultra(properties, data_disk)


def unmanaged(disk: Mapping[str, Any]) -> bool:
    """Whether a disk is a blob in a storage account and not a managed disk."""
    return "vhd" in disk


def _check_os_disk(disk: Mapping[str, Any], storage: Mapping[str, Any]) -> None:
    option = disk["createOption"]
    _check_place(disk, "osDisk")
    if option == "FromImage":
        if "image" not in disk:
            _check_image(storage.get("imageReference"))
    elif option == "Attach":
        if "imageReference" in storage:
            raise Refusal(400, "InvalidParameter", "Parameter 'imageReference' is not allowed.", "imageReference")
        _check_attached(disk, "osDisk")
    else:
        raise invalid_parameter("osDisk.createOption", "An OS disk is created from an image or attached.")
    if "diffDiskSettings" in disk:
        _check_ephemeral(disk)


def _check_place(disk: Mapping[str, Any], parameter: str) -> None:
    """A blob has an address, and a disk cannot be blob and managed disk at once."""
    for key in ("vhd", "image"):
        if key in disk and not disk[key].get("uri"):
            raise missing_parameter(f"{parameter}.{key}.uri")
    if "vhd" in disk and "managedDisk" in disk:
        raise invalid_parameter(
            parameter, f"Parameters '{parameter}.vhd' and '{parameter}.managedDisk' cannot be given together."
        )
    if "image" in disk and "vhd" not in disk:
        raise missing_parameter(f"{parameter}.vhd")


def _check_attached(disk: Mapping[str, Any], parameter: str) -> None:
    if not unmanaged(disk) and not disk.get("managedDisk", {}).get("id"):
        raise missing_parameter(f"{parameter}.managedDisk.id")


def _check_image(image: Mapping[str, Any] | None) -> None:
    if not image:
        raise missing_parameter("imageReference")
    if any(image.get(key) for key in ("id", "sharedGalleryImageId", "communityGalleryImageId")):
        return
    for key in ("publisher", "offer", "sku", "version"):
        if not image.get(key):
            raise missing_parameter(f"imageReference.{key}")


def _check_ephemeral(disk: Mapping[str, Any]) -> None:
    """Ephemeral OS disks for Azure VMs: only from an image, only with read-only caching, always deleted with the VM."""
    if disk["createOption"] != "FromImage":
        raise invalid_parameter("osDisk.createOption", "Ephemeral OS disks can only be created from an image.")
    if disk.get("caching") != "ReadOnly":
        raise invalid_parameter("osDisk.caching", "Ephemeral OS disks support only ReadOnly caching.")
    if disk.get("deleteOption") == "Detach":
        raise invalid_parameter("osDisk.deleteOption", "The delete option of an ephemeral OS disk cannot be changed.")
    if unmanaged(disk):
        raise invalid_parameter("osDisk.vhd", "Ephemeral OS disks are supported for VMs with managed disks only.")


def _check_confidential(properties: Mapping[str, Any], disk: Mapping[str, Any]) -> None:
    """VMDiskSecurityProfile is for confidential VMs alone; what it encrypts asks for a vTPM or for Secure Boot too."""
    security = disk.get("managedDisk", {}).get("securityProfile", {}).get("securityEncryptionType")
    profile = properties.get("securityProfile", {})
    confidential = profile.get("securityType") == "ConfidentialVM"
    uefi = profile.get("uefiSettings", {})
    target = "managedDisk.securityProfile.securityEncryptionType"
    if security is not None and not confidential:
        message = f"The property '{target}' can only be set for a VM with securityType 'ConfidentialVM'."
        raise invalid_parameter(target, message)
    if confidential and security is None:
        raise missing_parameter(target)
    if security is not None and not uefi.get("vTpmEnabled"):
        raise invalid_parameter("securityProfile.uefiSettings.vTpmEnabled", f"'{security}' requires vTpmEnabled to be true.")
    if security == "DiskWithVMGuestState" and not uefi.get("secureBootEnabled"):
        target = "securityProfile.uefiSettings.secureBootEnabled"
        raise invalid_parameter(target, f"'{security}' requires secureBootEnabled to be true.")


def _check_data_disk(disk: Mapping[str, Any], os_disk: Mapping[str, Any]) -> None:
    option = disk["createOption"]
    _check_place(disk, "dataDisk")
    if unmanaged(disk) != unmanaged(os_disk):
        kinds = ("blob based disk", "managed disks") if unmanaged(disk) else ("managed disk", "blob based disks")
        message = f"Addition of a {kinds[0]} to VM with {kinds[1]} is not supported."
        raise Refusal(409, "OperationNotAllowed", message, "dataDisk")
    if option == "Attach":
        _check_attached(disk, "dataDisk")
    elif option in _SOURCES and not disk.get("sourceResource", {}).get("id"):
        raise missing_parameter("dataDisk.sourceResource.id")
    elif option == "Empty" and "diskSizeGB" not in disk:
        raise missing_parameter("dataDisk.diskSizeGB")


def _check_ultra(properties: Mapping[str, Any], disk: Mapping[str, Any]) -> None:
    if disk.get("managedDisk", {}).get("storageAccountType") != "UltraSSD_LRS":
        return
    if not properties.get("additionalCapabilities", {}).get("ultraSSDEnabled"):
        target = "managedDisk.storageAccountType"
        message = "StorageAccountType UltraSSD_LRS can be used only when additionalCapabilities.ultraSSDEnabled is set."
        raise Refusal(400, "InvalidParameter", message, target)
