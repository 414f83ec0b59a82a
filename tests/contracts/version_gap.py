"""What the SDK's api-version 2026-04-01 knows and the OpenAPI files (ComputeRP 2024-07-01) do not.

azure-mgmt-compute 39.0.0 sends api-version 2026-04-01 for all of Compute but the SKUs. Its OpenAPI file is not at hand, so the
judge reads the one of 2024-07-01, and everything newer stands here, entry by entry. A test holds that each entry is missing
from the files and known to the models of azure-mgmt-compute: what is neither must not be here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# What the SDK sends, and which of Microsoft's files is read for it.
JUDGED_AS = {"2026-04-01": "2024-07-01"}


@dataclass(frozen=True, slots=True)
class Member:
    """A member that definition `of` (FILE.Definition) has gained. `model` is the SDK's class for it, `since` the api-version
    that the SDK or the template schema of 2026-03-01 names ('' = neither does). `read_only`: never sent by a client."""

    of: str
    name: str
    schema: dict[str, Any]
    model: str
    since: str = ""
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """A value that an enum has gained; `enum` is its x-ms-enum name, `model` the SDK's class for it."""

    enum: str
    value: str
    model: str


_ANY: dict[str, Any] = {}
_BOOLEAN = {"type": "boolean"}
_STRING = {"type": "string"}
_TAGS = {"type": "object", "additionalProperties": _STRING}
_ZONES = {"type": "array", "items": _STRING}


def _object(**members: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": members, "additionalProperties": False}


def _enum(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


_ALIGNMENT = _enum("Aligned", "BestEffortAligned")
_PLACEMENT = _object(zonePlacementPolicy=_enum("Any", "Auto"), includeZones=_ZONES, excludeZones=_ZONES)
_ENDPOINT = _object(
    mode=_enum("Audit", "Enforce", "Disabled"), inVMAccessControlProfileReferenceId=_STRING, useLocalFileRules=_BOOLEAN
)
_RESERVED = _enum("NotEligible", "Targeted", "Open", "Disabled", "Block")
_SUB_RESOURCE = _object(id=_STRING)

_VM = "virtualMachine."
_SHARED = "computeRPCommon."

MEMBERS: tuple[Member, ...] = (
    Member(_VM + "VirtualMachine", "placement", _PLACEMENT, "VirtualMachine", "2024-11-01"),
    Member(_VM + "VirtualMachineProperties", "flexProfile", _object(preferredVMSize=_STRING), "VirtualMachineProperties"),
    Member(
        _VM + "VirtualMachineProperties",
        "interconnectBlockProfile",
        _object(interconnectBlock=_SUB_RESOURCE),
        "VirtualMachineProperties",
        "2026-03-01",
    ),
    Member(_VM + "VirtualMachineProperties", "resiliencyProfile", _object(zoneMovement=_ANY), "VirtualMachineProperties"),
    Member(_SHARED + "DiffDiskSettings", "enableFullCaching", _BOOLEAN, "DiffDiskSettings", "2025-04-01"),
    Member(_SHARED + "HardwareProfile", "processorMode", _enum("Deterministic", "Opportunistic"), "HardwareProfile"),
    Member(_SHARED + "StorageProfile", "alignRegionalDisksToVMZone", _BOOLEAN, "StorageProfile", "2024-11-01"),
    Member(_SHARED + "StorageProfile", "diskApiVersion", _enum("2025-01-02", "2026-03-02"), "StorageProfile"),
    Member(_SHARED + "OSDisk", "storageFaultDomainAlignment", _ALIGNMENT, "OSDisk"),
    Member(_SHARED + "DataDisk", "storageFaultDomainAlignment", _ALIGNMENT, "DataDisk"),
    Member(
        _SHARED + "ManagedDiskParameters",
        "additionalDiskProperties",
        _object(managedDiskProperties=_ANY),
        "ManagedDiskParameters",
    ),
    Member(
        _SHARED + "NetworkProfile",
        "interconnectGroupProfile",
        _object(interconnectGroup=_SUB_RESOURCE, subgroups=_ANY),
        "NetworkProfile",
        "2026-03-01",
    ),
    Member(_VM + "VirtualMachineNetworkInterfaceConfiguration", "tags", _TAGS, "VirtualMachineNetworkInterfaceConfiguration"),
    Member(_VM + "VirtualMachinePublicIPAddressConfiguration", "tags", _TAGS, "VirtualMachinePublicIPAddressConfiguration"),
    Member(
        _VM + "VirtualMachineNetworkInterfaceIPConfigurationProperties",
        "privateIPAddressPrefixLength",
        {"type": "integer"},
        "VirtualMachineNetworkInterfaceIPConfigurationProperties",
    ),
    Member(
        _SHARED + "CapacityReservationProfile",
        "disableCapacityReservationAssignment",
        _BOOLEAN,
        "CapacityReservationProfile",
    ),
    Member(_SHARED + "AdditionalCapabilities", "enableFips1403Encryption", _BOOLEAN, "AdditionalCapabilities"),
    Member(
        _SHARED + "ScheduledEventsPolicy", "allInstancesDown", _object(automaticallyApprove=_BOOLEAN), "ScheduledEventsPolicy"
    ),
    Member(_SHARED + "EventGridAndResourceGraph", "scheduledEventsApiVersion", _STRING, "EventGridAndResourceGraph"),
    Member(_SHARED + "ProxyAgentSettings", "addProxyAgentExtension", _BOOLEAN, "ProxyAgentSettings"),
    Member(_SHARED + "ProxyAgentSettings", "imds", _ENDPOINT, "ProxyAgentSettings"),
    Member(_SHARED + "ProxyAgentSettings", "wireServer", _ENDPOINT, "ProxyAgentSettings"),
    Member(
        _VM + "VirtualMachineInstanceView", "capacityReservationType", _RESERVED, "VirtualMachineInstanceView", read_only=True
    ),
    Member(
        _VM + "VirtualMachineInstanceView",
        "interconnectInstanceView",
        _object(interconnectSubgroupId=_STRING),
        "VirtualMachineInstanceView",
        read_only=True,
    ),
)

VALUES: tuple[Value, ...] = (
    Value("NetworkApiVersion", "2022-11-01", "NetworkApiVersion"),
    Value("SecurityTypes", "Standard", "SecurityTypes"),
    Value("VirtualMachinePriorityTypes", "SpotPlus", "VirtualMachinePriorityTypes"),
    Value("InstanceViewTypes", "resiliencyView", "InstanceViewTypes"),
)

# Enums whose list is not the whole: "The enum data type is currently deprecated and will be removed by December 23rd 2023.
# The recommended way to get the list of available sizes is using these APIs" (vmSize in computeRPCommon.json).
OPEN_ENUMS = frozenset({"VirtualMachineSizeTypes"})


@dataclass(frozen=True, slots=True)
class Additions:
    """All entries, by definition and by enum."""

    members: dict[str, list[Member]] = field(default_factory=dict)
    values: dict[str, list[str]] = field(default_factory=dict)


def additions() -> Additions:
    """The entries as the translation of schemas asks for them."""
    found = Additions()
    for member in MEMBERS:
        found.members.setdefault(member.of, []).append(member)
    for value in VALUES:
        found.values.setdefault(value.enum, []).append(value.value)
    return found
