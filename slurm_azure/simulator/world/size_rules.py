"""What a VM's size allows it to ask for.

Each refusal's code and text with its source; those without one are InvalidParameter in words of our own. HTTP statuses are
documented for hardly any: 400 for what is wrong with the request, 409 for what the subscription or the size is out of.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from slurm_azure.simulator.refusal import Refusal, invalid_parameter
from slurm_azure.simulator.resource_id import same
from slurm_azure.simulator.world.capacity import sku_not_available
from slurm_azure.simulator.world.skus import Size, Skus

if TYPE_CHECKING:
    from slurm_azure.simulator.world.vm_request import VmRequest
    from slurm_azure.simulator.world.world import World

DEFAULT_OS_DISK_GB = 30  # of most Linux images, where the request does not say
_TRUSTED_LAUNCH_GIB = 1  # kept for the VM's guest state ("Ephemeral OS disks for Azure VMs")


def check(
    world: World,
    identity: str,
    location: str,
    zones: list[str] | None,
    request: VmRequest,
    present: Size | None = None,
) -> Size:
    """The size of the VM `identity` that `request` wants to have; raises Refusal where it is not to be had so. A VM keeps its
    `present` size, wherever that is offered by now."""
    properties = request.properties
    name = properties["hardwareProfile"]["vmSize"]
    if present is not None and same(name, present.name):
        size = present
    else:
        size = known(world.skus, name, location)
        check_zone(world.skus, size, identity, location, zones)
    _check_size_properties(size, properties["hardwareProfile"].get("vmSizeProperties") or {})
    if size.lenient:
        return size
    if properties.get("priority", "Regular") != "Regular":
        check_spot(size)
    _check_ephemeral(size, properties)
    _check_disks(size, properties)
    _check_interfaces(world, size, identity, location, request)
    if (properties.get("securityProfile") or {}).get("encryptionAtHost") and not size.has("EncryptionAtHostSupported"):
        target = "securityProfile.encryptionAtHost"
        raise invalid_parameter(target, f"The VM size '{size.name}' does not support encryption at host.")
    return size


def known(skus: Skus, name: str, location: str) -> Size:
    """The size of that name; raises Refusal (400) if the location does not have it ("Understand common error messages when you
    manage virtual machines in Azure")."""
    size = skus.find(name)
    if size is not None and skus.offers(size, location):
        return size
    names = ",".join(size.name for size in skus.in_location(location))
    raise invalid_parameter(
        "vmSize",
        f"The requested VM size {name} is not available in the current region. The sizes available in the current region are: "
        f"{names}. Find out more on the available VM sizes in each region at https://aka.ms/azure-regions.",
    )


def check_zone(skus: Skus, size: Size, identity: str, location: str, zones: list[str] | None) -> None:
    """Raises Refusal where the location has no zones (400), the size is not in that zone or the subscription may not have it
    there (409)."""
    subscription, zone = identity.split("/")[2], zones[0] if zones else None
    if zone is not None and not skus.has_zones(location):
        kind = "/".join(identity.split("/")[6:9])
        message = f"The resource '{kind}' does not support availability zones at location '{location}'."
        raise Refusal(400, "LocationNotSupportAvailabilityZones", message)
    absent = zone is not None and zone not in skus.zones(size, location)
    if absent or skus.restricted(size, location, subscription, zone):
        raise sku_not_available(identity, location, zones, subscription, spot=False)


def check_spot(size: Size) -> None:
    """Raises Refusal for a size that cannot be Spot ("Error codes for Azure Spot Virtual Machines")."""
    if not size.has("LowPriorityCapable"):
        message = f"Azure Spot Virtual Machine isn't supported for this VM size {size.name}."
        raise Refusal(400, "AzureSpotIsNotSupportedForThisVMSize", message)


def _check_size_properties(size: Size, wanted: Mapping[str, Any]) -> None:
    """Customising vCPUs and threads (OpenAPI, VMSizeProperties): "Setting this property to 1 also means that hyper-threading is
    disabled"; which values are refused is not documented."""
    vcpus, threads = wanted.get("vCPUsAvailable"), wanted.get("vCPUsPerCore")
    if vcpus is not None and not 1 <= vcpus <= size.vcpus:
        message = f"The VM size '{size.name}' has {size.vcpus} vCPUs; it cannot have {vcpus} available."
        raise invalid_parameter("vmSizeProperties.vCPUsAvailable", message)
    own = size.number("vCPUsPerCore") or 1
    if threads is not None and not 1 <= threads <= own:
        message = f"The VM size '{size.name}' has {own} vCPUs per core; it cannot have {threads}."
        raise invalid_parameter("vmSizeProperties.vCPUsPerCore", message)


def _check_ephemeral(size: Size, properties: Mapping[str, Any]) -> None:
    """Ephemeral OS disks. Default placement: "CacheDisk if one is configured for the VM size otherwise ResourceDisk or NvmeDisk
    is used" (OpenAPI, DiffDiskPlacement); texts: "Ephemeral OS disks for Azure VMs", bosh-azure-cpi-release 674, lisa 2289."""
    disk = properties["storageProfile"].get("osDisk") or {}
    local = disk.get("diffDiskSettings")
    if not local:
        return
    places = size.local_disks()
    placement = local.get("placement") or next(iter(places), None)
    if placement is None:
        message = f"The VM size '{size.name}' does not support ephemeral OS disks. See https://aka.ms/Ephemeral for details."
        raise invalid_parameter("osDisk.diffDiskSettings", message)
    if placement not in places:
        raise Refusal(
            400,
            "NotSupported",
            f"The Diff Disk Placement of type '{placement}' is not supported for VM size {size.name}. Please request "
            "with different DiffDiskPlacement or use a different VM Sku which supports the current DiffDiskPlacement in the "
            "request.",
        )
    trusted = (properties.get("securityProfile") or {}).get("securityType") == "TrustedLaunch"
    room = places[placement] - (_TRUSTED_LAUNCH_GIB if trusted else 0)
    if (disk.get("diskSizeGB") or DEFAULT_OS_DISK_GB) > room:
        raise Refusal(
            400,
            "NotSupported",
            f"OS disk of Ephemeral VM with size greater than {room} GB is not allowed for VM size {size.name} when the "
            f"DiffDiskPlacement is {placement}. Please refer to https://aka.ms/Ephemeral for more details.",
        )


def _check_disks(size: Size, properties: Mapping[str, Any]) -> None:
    """The number of data disks ("Understand common error messages..") and premium storage (the text as AKS users saw it)."""
    storage = properties["storageProfile"]
    number = len(storage.get("dataDisks") or ())
    if number > size.number("MaxDataDiskCount"):
        most = size.number("MaxDataDiskCount")
        message = f"The maximum number of data disks allowed to be attached to a VM of this size is {most}."
        raise Refusal(409, "OperationNotAllowed", message)
    if size.has("PremiumIO"):
        return
    for kind, disk in _managed(storage):
        sku = (disk.get("managedDisk") or {}).get("storageAccountType") or ""
        if sku.startswith("Premium"):
            name = f" of disk '{disk['name']}'" if disk.get("name") else ""
            raise invalid_parameter(
                f"{kind}.managedDisk.storageAccountType",
                f"Requested operation cannot be performed because the VM size {size.name} does not support the storage account "
                f"type {sku}{name}. Consider updating the VM to a size that supports Premium storage.",
            )


def _managed(storage: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    os_disk = storage.get("osDisk") or {}
    if not os_disk.get("diffDiskSettings"):  # the OS disk is on the host, whatever storage its image is on
        yield "osDisk", os_disk
    for disk in storage.get("dataDisks") or ():
        yield "dataDisk", disk


def _check_interfaces(world: World, size: Size, identity: str, location: str, request: VmRequest) -> None:
    """Their number (the text as bosh-azure-cpi-release has it) and accelerated networking (as control-up's scripts saw it)."""
    number, most = len(request.interfaces), size.number("MaxNetworkInterfaces")
    if number > most:
        raise invalid_parameter(
            "networkProfile.networkInterfaces",
            f"The number of network interfaces for virtual machine {identity} exceeds the maximum allowed for the virtual "
            f"machine size {size.name}. The number of network interfaces is {number} and the maximum allowed is {most}.",
        )
    if size.has("AcceleratedNetworkingEnabled"):
        return
    for wanted in request.interfaces:
        existing = world.interface_by_id(wanted.existing) if wanted.existing else None
        if existing.accelerated if existing else wanted.settings.get("enableAcceleratedNetworking"):
            others = world.skus.in_location(location)
            can = ", ".join(other.name for other in others if other.has("AcceleratedNetworkingEnabled"))
            raise Refusal(
                400,
                "VMSizeIsNotPermittedToEnableAcceleratedNetworking",
                f"Virtual machine {identity} has size {size.name}, which is not compatible with enabling accelerated "
                f"networking on network interface(s) on the VM. Compatible VM sizes: {can}.",
            )
