"""Reading the body of a VM's PUT or PATCH: what Azure demands of it, each refusal with its code.

Rules and limits: OpenAPI of Microsoft.Compute 2024-07-01 (computeRPCommon.json, virtualMachine.json); texts:
"Understand common error messages when you manage virtual machines in Azure" and "Error codes for Azure Spot Virtual
Machines". Where Microsoft documents no text, the general one of InvalidParameter stands.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slurm_azure.simulator.refusal import Refusal, invalid_parameter, malformed, missing_parameter, not_simulated
from slurm_azure.simulator.world import network_request, os_request, storage_request
from slurm_azure.simulator.world.network_request import InterfaceRequest
from slurm_azure.simulator.world.os_request import check_data
from slurm_azure.simulator.world.regions import ZONES
from slurm_azure.simulator.world.vm_shapes import VIRTUAL_MACHINE

MAX_TAGS, MAX_TAG_NAME, MAX_TAG_VALUE = 50, 512, 256  # "Use tags to organize your Azure resources"

_VM_NAME = re.compile(r"(?![_.-])[^\s\\/\"\[\]:|<>+=;,?*@&#%^{}~`!$()']{1,64}(?<![.-])")
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?")
_NOT_HERE = ("host", "hostGroup", "flexProfile", "interconnectBlockProfile")
_TOP = ("extendedLocation", "placement")


@dataclass(frozen=True, slots=True)
class VmRequest:
    """A body that was found good. `properties` is as sent; customData and userData in base64, as sent; `top` holds the members
    beside `properties` that are shown as they came; `os_type` is Linux or Windows."""

    location: str
    zones: list[str] | None
    tags: dict[str, str]
    identity: Mapping[str, Any]
    plan: dict[str, Any] | None
    properties: dict[str, Any]
    interfaces: tuple[InterfaceRequest, ...]
    os_type: str
    top: dict[str, Any]

    @property
    def os_profile(self) -> dict[str, Any]:
        """properties.osProfile."""
        return dict(self.properties.get("osProfile") or {})

    @property
    def custom_data(self) -> str | None:
        """properties.osProfile.customData."""
        found: str | None = (self.properties.get("osProfile") or {}).get("customData")
        return found

    @property
    def user_data(self) -> str | None:
        """properties.userData."""
        return self.properties.get("userData")


def read(name: str, body: dict[str, Any]) -> VmRequest:
    """The request that a PUT of the VM `name` makes; raises Refusal (400)."""
    if not _VM_NAME.fullmatch(name):
        raise invalid_parameter("vmName", f"The value of parameter vmName is invalid: '{name}'.")
    return from_clean(name, VIRTUAL_MACHINE.body(body))


def clean(body: dict[str, Any]) -> dict[str, Any]:
    """A body (of a PATCH) without what is null or read-only, in the documented spelling; raises Refusal (400)."""
    return VIRTUAL_MACHINE.body(body)


def from_clean(name: str, body: dict[str, Any]) -> VmRequest:
    """The request of a PUT whose body has the right shape; raises Refusal (400)."""
    location = body.get("location")
    if not location:
        raise Refusal(400, "LocationRequired", "The location property is required for this definition.")
    properties = body.get("properties")
    if properties is None:
        raise missing_parameter("properties")
    _check_size(properties)
    storage_request.check(properties)
    os_request.check(properties)
    _check_priority(properties)
    _check_placement(properties)
    _check_durations(properties)
    check_data(properties.get("userData"), "userData", "User data")
    for key in _NOT_HERE:
        if key in properties:
            raise not_simulated(f"properties.{key}")
    return VmRequest(
        location=location,
        zones=_zones(name, body, location),
        tags=read_tags(body),
        identity=body.get("identity", {}),
        plan=body.get("plan") or None,
        properties=properties,
        interfaces=network_request.read(properties),
        os_type=os_request.os_type(properties),
        top={key: body[key] for key in _TOP if key in body},
    )


def read_tags(body: Mapping[str, Any]) -> dict[str, str]:
    """The `tags` of a body; raises Refusal (400)."""
    tags = body.get("tags") or {}
    if not isinstance(tags, dict):
        raise malformed("Error converting value: an object is expected. Path 'tags'")
    for name, value in tags.items():
        if not isinstance(value, str):
            raise malformed(f"Unexpected character encountered while parsing value of tag '{name}'. Path 'tags.{name}'")
        if len(name) > MAX_TAG_NAME or len(value) > MAX_TAG_VALUE:
            raise Refusal(400, "InvalidTag", f"The tag '{name}' is too long: at most {MAX_TAG_NAME} and {MAX_TAG_VALUE}.")
    if len(tags) > MAX_TAGS:
        raise Refusal(400, "TooManyTags", f"The resource has {len(tags)} tags; at most {MAX_TAGS} are allowed.")
    return dict(tags)


def _check_size(properties: Mapping[str, Any]) -> None:
    hardware = properties.get("hardwareProfile")
    if hardware is None:
        raise missing_parameter("hardwareProfile")
    if not hardware.get("vmSize"):
        raise missing_parameter("vmSize")


def _check_priority(properties: Mapping[str, Any]) -> None:
    """Codes and texts: "Error messages for Azure Spot Virtual Machines and scale sets", but for capacity reservations."""
    spot = properties.get("priority", "Regular") != "Regular"
    if "evictionPolicy" in properties and not spot:
        raise Refusal(
            400,
            "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines",
            "Eviction policy can be set only on Azure Spot Virtual Machines.",
        )
    price = properties.get("billingProfile", {}).get("maxPrice")
    if price is not None and price <= 0 and price != -1:
        message = (
            "Invalid max price value. The only supported values for max price are -1 or a decimal greater than zero. Max price "
            "value of -1 indicates the Azure Spot Virtual Machine won't be evicted for price reasons."
        )
        raise Refusal(400, "MaxPriceValueInvalid", message)
    if price is not None and not spot:
        message = "Max price is supported only for Azure Spot Virtual Machines."
        raise Refusal(400, "MaxPriceIsSupportedOnlyForAzureSpotVirtualMachines", message)
    if spot and "availabilitySet" in properties:
        message = "Azure Spot Virtual Machine isn't supported in Availability Set."
        raise Refusal(400, "AzureSpotVMNotSupportedInAvailabilitySet", message)
    if spot and "capacityReservation" in properties:
        message = "Azure Spot Virtual Machines cannot be associated with a capacity reservation group."
        raise invalid_parameter("capacityReservation.capacityReservationGroup.id", message)


def _check_placement(properties: Mapping[str, Any]) -> None:
    """What the body can already contradict itself in; what it names is looked for later."""
    for key in ("availabilitySet", "virtualMachineScaleSet", "proximityPlacementGroup"):
        if key in properties and not properties[key].get("id"):
            raise missing_parameter(f"{key}.id")
    if "capacityReservation" in properties and "id" not in properties["capacityReservation"].get(
        "capacityReservationGroup", {}
    ):
        raise missing_parameter("capacityReservation.capacityReservationGroup.id")
    if "availabilitySet" in properties and "virtualMachineScaleSet" in properties:
        message = "A virtual machine cannot be in an availability set and in a virtual machine scale set."
        raise invalid_parameter("virtualMachineScaleSet", message)
    if "platformFaultDomain" in properties and "virtualMachineScaleSet" not in properties:
        message = "platformFaultDomain can be set only for a virtual machine in a virtual machine scale set."
        raise invalid_parameter("platformFaultDomain", message)


def _check_durations(properties: Mapping[str, Any]) -> None:
    """Times in ISO 8601: from 15 to 120 minutes for extensions, from 5 to 15 for a notice of termination (OpenAPI texts)."""
    if "extensionsTimeBudget" in properties:
        _check_duration(properties["extensionsTimeBudget"], "extensionsTimeBudget", 15, 120)
    for kind, shortest in (("terminateNotificationProfile", 5), ("osImageNotificationProfile", 15)):
        notice = properties.get("scheduledEventsProfile", {}).get(kind, {}).get("notBeforeTimeout")
        if notice is not None:
            _check_duration(notice, f"scheduledEventsProfile.{kind}.notBeforeTimeout", shortest, 15)


def _check_duration(text: str, parameter: str, low: int, high: int) -> None:
    found = _DURATION.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
    if not low * 60 <= hours * 3600 + minutes * 60 + seconds <= high * 60:
        message = f"The value of parameter {parameter} is invalid. It has to be from PT{low}M to PT{high}M."
        raise invalid_parameter(parameter, message)


def _zones(name: str, body: Mapping[str, Any], location: str) -> list[str] | None:
    """The zone a VM is to be in: the one it names, or one that its `placement` leaves to Azure."""
    zones: list[str] | None = body.get("zones") or None
    placement = body.get("placement", {})
    if placement.get("zonePlacementPolicy"):
        if zones:
            raise invalid_parameter("placement", "zones and placement.zonePlacementPolicy cannot be given together.")
        left = [zone for zone in placement.get("includeZones") or ZONES if zone not in placement.get("excludeZones", ())]
        zones = left[:1]
    check_zones("virtualMachines", name, zones, location)
    if zones and len(zones) > 1:
        raise invalid_parameter("zones", "A virtual machine can be in one zone only.")
    if zones and "availabilitySet" in body["properties"]:
        raise invalid_parameter("zones", "A virtual machine in an availability set cannot be in a zone.")
    return zones


def check_zones(kind: str, name: str, zones: list[str] | None, location: str) -> None:
    """Raises Refusal (400) for a zone that no region has; `kind` such as virtualMachines."""
    if any(zone not in ZONES for zone in zones or ()):
        raise Refusal(
            400,
            "InvalidAvailabilityZone",
            f"The zone(s) '{','.join(zones or ())}' for resource 'Microsoft.Compute/{kind}/{name}' is not "
            f"supported. The supported zones for location '{location}' are '{','.join(ZONES)}'",
        )
