"""Reading the body of a VM's PUT: what Azure demands of it, each refusal with its code.

Rules and limits: OpenAPI of Microsoft.Compute 2024-07-01 (computeRPCommon.json, virtualMachine.json); texts:
"Understand common error messages when you manage virtual machines in Azure" and "Error codes for Azure Spot Virtual
Machines". Where Microsoft documents no text, the general one of InvalidParameter stands.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slurm_azure.simulator.refusal import Refusal, invalid_parameter, malformed, missing_parameter, not_simulated
from slurm_azure.simulator.world import sizes
from slurm_azure.simulator.world.members import flag, items, member, one_of, text, texts, without_nulls

MAX_DATA = 65535  # bytes of customData and of userData, decoded
MAX_TAGS, MAX_TAG_NAME, MAX_TAG_VALUE = 50, 512, 256  # "Use tags to organize your Azure resources"
ZONES = ("1", "2", "3")

_VM_NAME = re.compile(r"(?![_.-])[^\s\\/\"\[\]:|<>+=;,?*@&#%^{}~`!$()']{1,64}(?<![.-])")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,62}[A-Za-z0-9])?")
_FORBIDDEN_USERS = frozenset(
    """
    administrator admin user user1 test user2 test1 user3 admin1 1 123 a actuser adm admin2 aspnet backup console david guest
    john owner root server sql support support_388945a0 sys test2 test3 user4 user5
    """.split()  # noqa: SIM905 - one name after the other is how the source lists them
)
_KEY_KINDS = ("ssh-rsa ", "ssh-ed25519 ")


@dataclass(frozen=True, slots=True)
class InterfaceRequest:
    """A network interface to be made with the VM, or (with `existing`) one that is there already."""

    name: str
    subnet: str
    configuration: str
    primary: bool
    delete_with_vm: bool
    settings: Mapping[str, Any]
    existing: str | None = None


@dataclass(frozen=True, slots=True)
class VmRequest:
    """A body that was found good. `properties` is as sent; customData and userData in base64, as sent."""

    location: str
    zones: list[str] | None
    tags: dict[str, str]
    identity: Mapping[str, Any]
    plan: dict[str, Any] | None
    properties: dict[str, Any]
    interfaces: tuple[InterfaceRequest, ...]

    @property
    def os_profile(self) -> dict[str, Any]:
        """properties.osProfile."""
        return dict(self.properties.get("osProfile") or {})

    @property
    def custom_data(self) -> str | None:
        """properties.osProfile.customData."""
        return self.os_profile.get("customData")

    @property
    def user_data(self) -> str | None:
        """properties.userData."""
        return self.properties.get("userData")


def read(name: str, body: dict[str, Any]) -> VmRequest:
    """The request that a PUT of the VM `name` makes; raises Refusal (400)."""
    if not _VM_NAME.fullmatch(name):
        raise invalid_parameter("vmName", f"The value of parameter vmName is invalid: '{name}'.")
    body = without_nulls(body)
    location = text(body, "location", "location")
    if location is None:
        raise Refusal(400, "LocationRequired", "The location property is required for this definition.")
    properties = member(body, "properties", required=True)
    _check_size(properties)
    _check_storage(properties)
    _check_os(properties)
    _check_priority(properties)
    _check_simulated(properties)
    check_data(properties.get("userData"), "userData", "User data")
    zones = body.get("zones")
    _check_zones(name, zones, location)
    return VmRequest(
        location=location,
        zones=zones,
        tags=read_tags(body),
        identity=member(body, "identity"),
        plan=member(body, "plan") or None,
        properties=properties,
        interfaces=_interfaces(properties),
    )


def read_tags(body: Mapping[str, Any]) -> dict[str, str]:
    """The `tags` of a body; raises Refusal (400)."""
    tags = member(body, "tags")
    for name, value in tags.items():
        if not isinstance(value, str):
            raise malformed(f"Unexpected character encountered while parsing value of tag '{name}'. Path 'tags.{name}'")
        if len(name) > MAX_TAG_NAME or len(value) > MAX_TAG_VALUE:
            raise Refusal(400, "InvalidTag", f"The tag '{name}' is too long: at most {MAX_TAG_NAME} and {MAX_TAG_VALUE}.")
    if len(tags) > MAX_TAGS:
        raise Refusal(400, "TooManyTags", f"The resource has {len(tags)} tags; at most {MAX_TAGS} are allowed.")
    return dict(tags)


def check_data(value: Any, parameter: str, what: str) -> None:
    """customData and userData are base64 of at most 65,535 bytes; raises Refusal (400)."""
    if value is None:
        return
    try:
        if not isinstance(value, str):
            raise ValueError
        decoded = base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        decoded = None
    if decoded is None or len(decoded) > MAX_DATA:
        limit = (MAX_DATA + 2) // 3 * 4
        message = f"{what} in OSProfile must be in Base64 encoding and with a maximum length of {limit} characters."
        raise invalid_parameter(parameter, message)


def _check_size(properties: Mapping[str, Any]) -> None:
    size = text(member(properties, "hardwareProfile", required=True), "vmSize", "vmSize")
    if size is None:
        raise missing_parameter("vmSize")
    if not sizes.known(size):
        raise invalid_parameter(
            "vmSize",
            f"The requested VM size {size} is not available in the current region. The sizes available in the current region "
            f"are: {','.join(sizes.names())}. Find out more on the available VM sizes in each region at "
            "https://aka.ms/azure-regions.",
        )


def _check_storage(properties: Mapping[str, Any]) -> None:
    storage = member(properties, "storageProfile", required=True)
    disk = member(storage, "osDisk", required=True)
    option = text(disk, "createOption", "osDisk.createOption")
    if option is None:
        raise missing_parameter("osDisk.createOption")
    one_of(option, ("FromImage", "Attach", "Empty", "Copy", "Restore"), "osDisk.createOption")
    _check_disk(disk, "osDisk")
    image = member(storage, "imageReference")
    if option == "FromImage":
        _check_image(image)
    local = member(disk, "diffDiskSettings")
    if local:
        _check_ephemeral(local, disk)
    for data_disk in items(storage, "dataDisks"):
        if not isinstance(data_disk.get("lun"), int):
            raise missing_parameter("dataDisk.lun")
        _check_disk(data_disk, "dataDisk")
        if text(data_disk, "createOption", "dataDisk.createOption") is None:
            raise missing_parameter("dataDisk.createOption")
        one_of(data_disk.get("createOption"), ("Empty", "FromImage", "Attach", "Copy", "Restore"), "dataDisk.createOption")


def _check_disk(disk: Mapping[str, Any], parameter: str) -> None:
    text(disk, "name", f"{parameter}.name")
    text(member(disk, "managedDisk"), "storageAccountType", f"{parameter}.managedDisk.storageAccountType")
    one_of(disk.get("deleteOption"), ("Delete", "Detach"), f"{parameter}.deleteOption")
    one_of(disk.get("caching"), ("None", "ReadOnly", "ReadWrite"), f"{parameter}.caching")
    size = disk.get("diskSizeGB")
    if size is not None and (not isinstance(size, int) or not 1 <= size <= 65536):
        raise invalid_parameter(f"{parameter}.diskSizeGB", f"The value of parameter {parameter}.diskSizeGB is invalid.")


def _check_image(image: Mapping[str, Any]) -> None:
    if not image:
        raise missing_parameter("imageReference")
    if any([text(image, key, key) for key in ("id", "sharedGalleryImageId", "communityGalleryImageId")]):
        return
    for key in ("publisher", "offer", "sku", "version"):
        if not text(image, key, f"imageReference.{key}"):
            raise missing_parameter(f"imageReference.{key}")


def _check_ephemeral(local: Mapping[str, Any], disk: Mapping[str, Any]) -> None:
    """Ephemeral OS disks for Azure VMs: only from an image, only with read-only caching, always deleted with the VM."""
    one_of(local.get("option"), ("Local",), "osDisk.diffDiskSettings.option")
    one_of(local.get("placement"), ("CacheDisk", "ResourceDisk", "NvmeDisk"), "osDisk.diffDiskSettings.placement")
    if disk.get("createOption") != "FromImage":
        raise invalid_parameter("osDisk.createOption", "Ephemeral OS disks can only be created from an image.")
    if disk.get("caching") != "ReadOnly":
        raise invalid_parameter("osDisk.caching", "Ephemeral OS disks support only ReadOnly caching.")
    if disk.get("deleteOption") == "Detach":
        raise invalid_parameter("osDisk.deleteOption", "The delete option of an ephemeral OS disk cannot be changed.")


def _check_os(properties: Mapping[str, Any]) -> None:
    storage = properties["storageProfile"]
    profile = member(properties, "osProfile")
    if not profile:
        if storage["osDisk"]["createOption"] == "FromImage" and not (storage.get("imageReference") or {}).get("id"):
            raise missing_parameter("osProfile")  # only a specialised image of one's own boots without
        return
    name = text(profile, "computerName", "computerName")
    if name is None:
        raise missing_parameter("computerName")
    if not _HOST_NAME.fullmatch(name) or name.isdigit():
        raise invalid_parameter(
            "computerName",
            "Linux host name cannot exceed 64 characters in length or contain the following characters: "
            "` ~ ! @ # $ % ^ & * ( ) = + _ [ ] { } \\\\ | ; : ' \\\" , < > / ?.",
        )
    check_data(profile.get("customData"), "customData", "Custom data")
    _check_administrator(profile)


def _check_administrator(profile: Mapping[str, Any]) -> None:
    user = text(profile, "adminUsername", "adminUsername")
    if user is None:
        raise missing_parameter("adminUsername")
    if user.lower() in _FORBIDDEN_USERS or len(user) > 64:
        raise invalid_parameter("adminUsername", "The Admin Username specified is not allowed.")
    linux = member(profile, "linuxConfiguration")
    keys = items(member(linux, "ssh"), "publicKeys")
    for key in keys:
        _check_key(key, user)
    by_password = bool(profile.get("adminPassword")) and not flag(linux, "disablePasswordAuthentication")
    if not keys and not by_password:
        message = "Authentication using either SSH or by user name and password must be enabled in Linux profile."
        raise invalid_parameter("linuxConfiguration", message)


def _check_key(key: Mapping[str, Any], user: str) -> None:
    if not str(key.get("keyData", "")).startswith(_KEY_KINDS):
        parameter = "linuxConfiguration.ssh.publicKeys.keyData"
        raise invalid_parameter(parameter, f"The value of parameter {parameter} is invalid.")
    if key.get("path") not in (None, f"/home/{user}/.ssh/authorized_keys"):
        raise invalid_parameter(
            "linuxConfiguration.ssh.publicKeys.path",
            "Destination path for SSH public keys is currently limited to its default value "
            f"/home/{user}/.ssh/authorized_keys due to a known issue in Linux provisioning agent.",
        )


def _check_priority(properties: Mapping[str, Any]) -> None:
    priority = properties.get("priority")
    one_of(priority, ("Regular", "Low", "Spot", "SpotPlus"), "priority")
    one_of(properties.get("evictionPolicy"), ("Deallocate", "Delete"), "evictionPolicy")
    spot = priority in ("Spot", "Low", "SpotPlus")
    if properties.get("evictionPolicy") and not spot:
        raise Refusal(
            400,
            "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines",
            "Eviction policy can be set only on Azure Spot Virtual Machines.",
        )
    price = member(properties, "billingProfile").get("maxPrice")
    if price is not None and (not isinstance(price, int | float) or (price <= 0 and price != -1)):
        raise Refusal(400, "MaxPriceValueInvalid", "Max price value is invalid. Use -1 or a price above 0 USD.")


def _check_simulated(properties: Mapping[str, Any]) -> None:
    """What hangs on resources that cannot be made here is refused, not ignored."""
    for key in ("availabilitySet", "virtualMachineScaleSet", "proximityPlacementGroup", "capacityReservation", "host"):
        if properties.get(key):
            raise not_simulated(f"properties.{key}")
    storage = properties["storageProfile"]
    for disk in (storage["osDisk"], *items(storage, "dataDisks")):
        if disk["createOption"] not in ("FromImage", "Empty"):
            raise not_simulated(f"A disk with createOption '{disk['createOption']}'")


def _check_zones(name: str, zones: Any, location: str) -> None:
    if zones is None:
        return
    if not isinstance(zones, list) or len(zones) > 1:
        raise invalid_parameter("zones", "A virtual machine can be in one zone only.")
    if any(zone not in ZONES for zone in zones):
        raise Refusal(
            400,
            "InvalidAvailabilityZone",
            f"The zone(s) '{','.join(map(str, zones))}' for resource 'Microsoft.Compute/virtualMachines/{name}' is not "
            f"supported. The supported zones for location '{location}' are '{','.join(ZONES)}'",
        )


def _interfaces(properties: Mapping[str, Any]) -> tuple[InterfaceRequest, ...]:
    profile = member(properties, "networkProfile", required=True)
    inline = items(profile, "networkInterfaceConfigurations")
    existing = items(profile, "networkInterfaces")
    if not inline and not existing:
        raise missing_parameter("networkProfile.networkInterfaces")
    if inline and existing:
        message = "networkInterfaces and networkInterfaceConfigurations cannot be given together."
        raise invalid_parameter("networkProfile", message)
    if inline and not text(profile, "networkApiVersion", "networkProfile.networkApiVersion"):
        raise missing_parameter("networkProfile.networkApiVersion")
    found = tuple(map(_inline, inline)) if inline else tuple(map(_referenced, existing))
    if len(found) > 1 and sum(item.primary for item in found) != 1:
        message = "Exactly one network interface of a virtual machine has to be primary."
        raise invalid_parameter("networkProfile", message)
    return found


def _referenced(item: Mapping[str, Any]) -> InterfaceRequest:
    identity = text(item, "id", "networkInterfaces.id")
    if identity is None:
        raise missing_parameter("networkInterfaces.id")
    settings = member(item, "properties")
    delete = settings.get("deleteOption") == "Delete"
    return InterfaceRequest("", "", "", flag(settings, "primary", True), delete, settings, identity)


def _inline(item: Mapping[str, Any]) -> InterfaceRequest:
    name = text(item, "name", "networkInterfaceConfigurations.name")
    if name is None:
        raise missing_parameter("networkInterfaceConfigurations.name")
    settings = member(item, "properties", required=True)
    one_of(settings.get("deleteOption"), ("Delete", "Detach"), "networkInterfaceConfigurations.deleteOption")
    text(member(settings, "networkSecurityGroup"), "id", "networkSecurityGroup.id")
    texts(member(settings, "dnsSettings"), "dnsServers")
    read_tags(settings)
    for key in ("enableAcceleratedNetworking", "enableIPForwarding"):
        flag(settings, key)
    configurations = items(settings, "ipConfigurations")
    if not configurations:
        raise missing_parameter("networkInterfaceConfigurations.ipConfigurations")
    first = configurations[0]
    address = member(first, "properties")
    if address.get("publicIPAddressConfiguration"):
        raise not_simulated("A public IP address")
    for unknown in ("privateIPAddress", "privateIPAllocationMethod"):
        if unknown in address:
            kind = "VirtualMachineNetworkInterfaceIPConfigurationProperties"
            raise malformed(f"Could not find member '{unknown}' on object of type '{kind}'")
    subnet = text(member(address, "subnet"), "id", "subnet.id")
    if subnet is None:
        raise missing_parameter("networkInterfaceConfigurations.ipConfigurations.subnet")
    configuration = text(first, "name", "ipConfigurations.name")
    if configuration is None:
        raise missing_parameter("networkInterfaceConfigurations.ipConfigurations.name")
    delete = settings.get("deleteOption") == "Delete"
    return InterfaceRequest(name, subnet, configuration, flag(settings, "primary", True), delete, settings)
