"""Public IP addresses: written down, shown and taken away; nothing is ever sent to them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slurm_azure.simulator.resource_id import NETWORK, resource_id
from slurm_azure.simulator.world.network import NetworkInterface
from slurm_azure.simulator.world.virtual_networks import NetworkRecord

if TYPE_CHECKING:
    from slurm_azure.simulator.world.vm import VirtualMachine
    from slurm_azure.simulator.world.world import World

_ADDRESSES = ipaddress.IPv4Network("198.18.0.0/15")  # RFC 2544: for benchmarks, nobody's addresses
_SETTINGS = (
    "publicIPAllocationMethod", "publicIPAddressVersion", "dnsSettings", "ddosSettings", "ipTags", "publicIPPrefix",
    "idleTimeoutInMinutes", "deleteOption",
)  # fmt: skip


def properties(sequence: int, sku: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The properties of a public IP address with what Azure fills in; the address itself where it is static."""
    static = str(sku.get("name", "")).lower() == "standard"
    found = {
        "publicIPAddressVersion": "IPv4",
        "publicIPAllocationMethod": "Static" if static else "Dynamic",
        "idleTimeoutInMinutes": 4,
        "ipTags": [],
        **{key: settings[key] for key in _SETTINGS if key in settings},
    }
    if found["publicIPAllocationMethod"] == "Static":
        found["ipAddress"] = str(_ADDRESSES[sequence % (_ADDRESSES.num_addresses - 2) + 1])
    return found


def make(world: World, vm: VirtualMachine, wanted: Mapping[str, Any]) -> NetworkRecord:
    """A public IP address made along with a VM, by its publicIPAddressConfiguration; the name has a suffix, as the interface's
    has."""
    guid, sequence = world.new_uuid(), world.next_sequence()
    name = f"{wanted['name']}-{guid[:8]}"
    sku = {"name": "Standard", "tier": "Regional", **wanted.get("sku", {})}
    settings = dict(wanted.get("properties", {}))
    scope = settings.get("dnsSettings", {})
    if scope:
        label = scope["domainNameLabel"]
        settings["dnsSettings"] = {**scope, "fqdn": f"{label}.{vm.location}.cloudapp.azure.com"}
    made = NetworkRecord(
        id=resource_id(vm.group.subscription, vm.group.name, NETWORK, "publicIPAddresses", name),
        name=name,
        location=vm.location,
        guid=guid,
        properties=properties(sequence, sku, settings),
        top={"sku": sku, **({"tags": dict(wanted["tags"])} if "tags" in wanted else {})},
        sequence=sequence,
    )
    vm.group.public_addresses[name.lower()] = made
    return made


def drop(world: World, interface: NetworkInterface, always: bool = False) -> None:
    """The VM of an interface is gone: its public IP addresses go along if their deleteOption says so, or `always`."""
    for settings in (interface.settings, *(other.settings for other in interface.secondary)):
        identity = (settings.get("publicIPAddress") or {}).get("id", "")
        name = identity.rsplit("/", 1)[-1].lower()
        addresses = world.group_of(identity).public_addresses if name else {}
        found = addresses.get(name)
        if found is not None and (always or found.properties.get("deleteOption") == "Delete"):
            del addresses[name]
