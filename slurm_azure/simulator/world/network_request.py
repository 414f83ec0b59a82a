"""The networkProfile of a VM's PUT: interfaces that are there, or that are to be made with the VM.

Rules: texts of NetworkProfile in Microsoft.Compute's OpenAPI (virtualMachine.json, computeRPCommon.json).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slurm_azure.simulator.refusal import invalid_parameter, missing_parameter, not_simulated

_PARAMETER = "networkInterfaceConfigurations.ipConfigurations"


@dataclass(frozen=True, slots=True)
class AddressRequest:
    """An address of an interface. `subnet` is None where the body names none: Microsoft's example
    VirtualMachine_Create_WithNetworkInterfaceConfiguration does not."""

    name: str
    subnet: str | None
    primary: bool
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InterfaceRequest:
    """A network interface to be made with the VM (the first of its `addresses` is the primary one), or (with `existing`) one
    that is there already."""

    name: str
    addresses: tuple[AddressRequest, ...]
    primary: bool
    delete_with_vm: bool | None
    settings: Mapping[str, Any]
    tags: Mapping[str, str]
    existing: str | None = None


def read(properties: Mapping[str, Any]) -> tuple[InterfaceRequest, ...]:
    """The interfaces that a clean body asks for; raises Refusal (400)."""
    profile = properties.get("networkProfile")
    if profile is None:
        raise missing_parameter("networkProfile")
    inline = profile.get("networkInterfaceConfigurations", ())
    existing = profile.get("networkInterfaces", ())
    if not inline and not existing:
        raise missing_parameter("networkProfile.networkInterfaces")
    if inline and existing:
        message = "networkInterfaces and networkInterfaceConfigurations cannot be given together."
        raise invalid_parameter("networkProfile", message)
    if inline and "networkApiVersion" not in profile:
        raise missing_parameter("networkProfile.networkApiVersion")
    found = tuple(map(_inline, inline)) if inline else tuple(map(_referenced, existing))
    if len(found) > 1 and sum(item.primary for item in found) != 1:
        message = "Exactly one network interface of a virtual machine has to be primary."
        raise invalid_parameter("networkProfile", message)
    return found


def _referenced(item: Mapping[str, Any]) -> InterfaceRequest:
    identity = item.get("id")
    if not identity:
        raise missing_parameter("networkInterfaces.id")
    settings = item.get("properties", {})
    return InterfaceRequest("", (), settings.get("primary", True), _delete(settings), settings, {}, identity)


def _inline(item: Mapping[str, Any]) -> InterfaceRequest:
    settings = item.get("properties")
    if settings is None:
        raise missing_parameter("networkInterfaceConfigurations.properties")
    addresses = _addresses(settings["ipConfigurations"])
    primary = settings.get("primary", True)
    return InterfaceRequest(item["name"], addresses, primary, _delete(settings), settings, item.get("tags", {}))


def _delete(settings: Mapping[str, Any]) -> bool | None:
    option = settings.get("deleteOption")
    return None if option is None else option == "Delete"


def _addresses(items: Sequence[Mapping[str, Any]]) -> tuple[AddressRequest, ...]:
    if not items:
        raise missing_parameter(_PARAMETER)
    found = [_address(item, len(items) == 1) for item in items]
    if sum(item.primary for item in found) != 1:
        raise invalid_parameter(_PARAMETER, "Exactly one ip configuration of a network interface has to be primary.")
    if len({item.name.lower() for item in found}) != len(found):
        raise invalid_parameter(f"{_PARAMETER}.name", "The names of ip configurations have to differ.")
    return tuple(sorted(found, key=lambda item: not item.primary))


def _address(item: Mapping[str, Any], alone: bool) -> AddressRequest:
    settings = item.get("properties", {})
    if settings.get("privateIPAddressVersion") == "IPv6":
        raise not_simulated("An IPv6 address")
    subnet = settings.get("subnet")
    if subnet is not None and not subnet.get("id"):
        raise missing_parameter(f"{_PARAMETER}.subnet.id")
    primary = settings.get("primary", alone)
    return AddressRequest(item["name"], subnet["id"] if subnet else None, primary, settings)
