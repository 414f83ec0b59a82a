"""Network interfaces made on their own, with an address that Azure chooses or one that the caller does.

PrivateIPAddressIsAllocated: text and status as in F5Networks/terraform-azure-bigip-module issue 63; the texts of the other
refusals are from memory.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from slurm_azure.simulator.refusal import Refusal, invalid_reference, malformed, not_simulated
from slurm_azure.simulator.resource_id import NETWORK, location_name, resource_id
from slurm_azure.simulator.world.members import flag, items, member, text, texts
from slurm_azure.simulator.world.network import IpConfiguration, NetworkInterface, Subnet
from slurm_azure.simulator.world.world import ResourceGroup, World

_SHOWN = (
    "applicationSecurityGroups", "applicationGatewayBackendAddressPools", "loadBalancerBackendAddressPools",
    "loadBalancerInboundNatRules", "publicIPAddress", "privateIPAddressPrefixLength",
    "gatewayLoadBalancer",
)  # fmt: skip


_BLOCK = 28


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One ip configuration of a body; `address` is None where Azure is to choose, `length` the prefix length of a
    block of addresses."""

    name: str
    subnet: Subnet
    address: ipaddress.IPv4Address | None
    settings: Mapping[str, Any]
    length: int | None = None


def put(world: World, group: ResourceGroup, name: str, body: Mapping[str, Any]) -> NetworkInterface:
    """Make the interface that a body describes, or change the one of that name. Raises Refusal, and then nothing was changed.

    One that stays in its subnet keeps the address that Azure chose for it.
    """
    known = group.interfaces.get(name.lower())
    identity = known.id if known else resource_id(group.subscription, group.name, NETWORK, "networkInterfaces", name)
    location = location_name(text(body, "location", "location") or (known.location if known else ""))
    properties = member(body, "properties")
    wanted = _read(world, identity, location, properties, known)
    if known is None:
        configurations = _take(identity, wanted)
        return _new(world, group, identity, name, location, body, configurations)
    world.history.changing(known)
    _replace(known, identity, wanted)
    _settle(world, known, body)
    return known


def _read(
    world: World, identity: str, location: str, properties: Mapping[str, Any], known: NetworkInterface | None
) -> list[_Wanted]:
    written = items(properties, "ipConfigurations")
    named = next((place for item in written if (place := _place(member(item, "properties")))), None)
    present = known.subnet.id if known else None
    found = [_configuration(world, identity, location, item, present, named) for item in written]
    if not found:
        message = f"Network interface {identity} must have one or more IP configurations."
        raise Refusal(400, "NetworkInterfaceMustHaveAtLeastOneIpConfiguration", message)
    primary = [item for item in written if member(item, "properties").get("primary") is True]
    if primary:
        first = str(primary[0].get("name"))
        found.sort(key=lambda one: one.name != first)
    if found[0].length is not None:
        message = f"The primary IP configuration of network interface {identity} cannot be a block of addresses."
        raise Refusal(400, "InvalidRequestFormat", message)
    _check_references(world, identity, properties)
    return found


def _configuration(
    world: World, identity: str, location: str, item: Mapping[str, Any], present: str | None, named: str | None
) -> _Wanted:
    """`present` is the id of the subnet that the interface has; `named` that of the first one named: a block comes from there
    unless it names another, as in Microsoft's example NetworkInterfaceCreate."""
    name, wanted = text(item, "name", "name"), member(item, "properties")
    if name is None:
        raise malformed("Required property 'name' not found in JSON. Path 'properties.ipConfigurations'")
    length = _length(wanted)
    place = _place(wanted) or present or (named if length else None)
    if place is None:
        message = f"Subnet reference in IP configuration {identity}/ipConfigurations/{name} is required."
        raise Refusal(400, "SubnetIsRequired", message)
    subnet = world.subnets.get(place.lower())
    if subnet is None or subnet.location != location:
        raise invalid_reference(place, identity)
    settings = {key: wanted[key] for key in _SHOWN if key in wanted}
    method = text(wanted, "privateIPAllocationMethod", "privateIPAllocationMethod") or "Dynamic"
    settings["privateIPAllocationMethod"] = method.title()
    address = _static(subnet, text(wanted, "privateIPAddress", "privateIPAddress")) if method.lower() == "static" else None
    return _Wanted(name, subnet, address, settings, length)


def _place(wanted: Mapping[str, Any]) -> str | None:
    return text(member(wanted, "subnet"), "id", "subnet.id")


def _length(wanted: Mapping[str, Any]) -> int | None:
    """The length that makes a block of an address; blocks are "IPv4: /28" ("Assign multiple IP addresses")."""
    length = wanted.get("privateIPAddressPrefixLength")
    if length is not None and (length != _BLOCK or str(wanted.get("privateIPAllocationMethod", "")).lower() == "static"):
        raise not_simulated(f"A block of addresses other than one of prefix length {_BLOCK} that Azure chooses")
    return length


def _static(subnet: Subnet, written: str | None) -> ipaddress.IPv4Address:
    if written is None:
        raise Refusal(400, "StaticPrivateIPAddressRequired", "A static private IP address has to be given: privateIPAddress.")
    try:
        address = ipaddress.IPv4Address(written)
    except ValueError:
        raise Refusal(400, "InvalidIPAddressFormat", f"The IP address {written} is not valid.") from None
    if address not in subnet.prefix:
        message = f"Private static IP address {address} does not belong to the range of subnet prefix {subnet.prefix}."
        raise Refusal(400, "PrivateIPAddressNotInSubnet", message)
    if not subnet.addresses.usable(address):
        message = f"Private static IP address {address} falls within reserved IP range of subnet prefix {subnet.prefix}."
        raise Refusal(400, "PrivateIPAddressInReservedRange", message)
    return address


def _check_references(world: World, identity: str, properties: Mapping[str, Any]) -> None:
    """The security group and public addresses that are named have to be there."""
    named = [(member(properties, "networkSecurityGroup"), "security_groups")]
    for item in items(properties, "ipConfigurations"):
        named.append((member(member(item, "properties"), "publicIPAddress"), "public_addresses"))
    for reference, where in named:
        wanted = text(reference, "id", "id")
        if wanted is not None and not _there(world, wanted, where):
            raise invalid_reference(wanted, identity)


def _there(world: World, identity: str, where: str) -> bool:
    parts = identity.strip("/").split("/")
    group = world.groups.get((parts[1].lower(), parts[3].lower())) if len(parts) == 8 else None
    return group is not None and parts[7].lower() in getattr(group, where)


def _take(identity: str, wanted: Sequence[_Wanted]) -> tuple[IpConfiguration, ...]:
    """The addresses, all or (Refusal) none."""
    taken: list[IpConfiguration] = []
    try:
        for one in wanted:
            ip = _chosen(one) if one.address is None else _reserve(identity, one)
            taken.append(IpConfiguration(one.name, one.subnet, ip, one.settings))
    except Refusal:
        for configuration in taken:
            configuration.subnet.addresses.give_back(configuration.ip)
        raise
    return tuple(taken)


def _chosen(wanted: _Wanted) -> str:
    return wanted.subnet.take_address() if wanted.length is None else wanted.subnet.take_block(wanted.length)


def _reserve(identity: str, wanted: _Wanted) -> str:
    assert wanted.address is not None
    if wanted.subnet.addresses.reserve(wanted.address):
        return str(wanted.address)
    owner = next((one for one in wanted.subnet.interfaces.values() if str(wanted.address) in _addresses(one)), None)
    raise Refusal(
        400,
        "PrivateIPAddressIsAllocated",
        f"IP configuration {identity}/ipConfigurations/{wanted.name} is using the private IP address {wanted.address} which is "
        f"already allocated to resource {owner.id if owner else wanted.subnet.id}.",
    )


def _addresses(interface: NetworkInterface) -> dict[str, str]:
    """From each address of an interface to the name of its ip configuration."""
    return {interface.ip: interface.configuration} | {one.ip: one.name for one in interface.secondary}


def _new(
    world: World,
    group: ResourceGroup,
    identity: str,
    name: str,
    location: str,
    body: Mapping[str, Any],
    configurations: tuple[IpConfiguration, ...],
) -> NetworkInterface:
    first = configurations[0]
    interface = NetworkInterface(
        id=identity,
        name=name,
        location=location,
        guid=world.new_uuid(),
        subnet=first.subnet,
        ip=first.ip,
        configuration=first.name,
        tags={},
        sequence=world.next_sequence(),
        settings=first.settings,
        secondary=configurations[1:],
    )
    _settle(world, interface, body)
    for configuration in configurations:
        configuration.subnet.interfaces[identity.lower()] = interface
    group.interfaces[name.lower()] = interface
    world.history.made(interface)
    return interface


def _replace(known: NetworkInterface, identity: str, wanted: Sequence[_Wanted]) -> None:
    """Give an interface the configurations wanted, keeping the addresses that can stay."""
    had = (IpConfiguration(known.configuration, known.subnet, known.ip, known.settings), *known.secondary)
    kept = {one.name: _kept(one, had) for one in wanted}
    if known.vm is not None and [one.ip if one else None for one in kept.values()] != [one.ip for one in had]:
        raise not_simulated("Another address for an interface that a VM has")
    new = iter(_take(identity, [one for one in wanted if kept[one.name] is None]))
    configurations = tuple(kept[one.name] or next(new) for one in wanted)
    staying = {one.ip for one in configurations}
    for old in had:
        if old.ip not in staying:
            old.subnet.addresses.give_back(old.ip)
        old.subnet.interfaces.pop(identity.lower(), None)
    first, known.secondary = configurations[0], configurations[1:]
    known.subnet, known.ip, known.configuration, known.settings = first.subnet, first.ip, first.name, first.settings
    for configuration in configurations:
        configuration.subnet.interfaces[identity.lower()] = known


def _kept(wanted: _Wanted, had: Sequence[IpConfiguration]) -> IpConfiguration | None:
    for old in had:
        stays = wanted.address is None or str(wanted.address) == old.ip
        if old.name == wanted.name and old.subnet is wanted.subnet and stays and ("/" in old.ip) == (wanted.length is not None):
            return IpConfiguration(old.name, old.subnet, old.ip, wanted.settings)
    return None


def _settle(world: World, interface: NetworkInterface, body: Mapping[str, Any]) -> None:
    properties = member(body, "properties")
    interface.tags = {str(key): str(value) for key, value in member(body, "tags").items()}
    interface.accelerated = flag(properties, "enableAcceleratedNetworking")
    interface.forwarding = flag(properties, "enableIPForwarding")
    interface.security_group = text(member(properties, "networkSecurityGroup"), "id", "networkSecurityGroup.id")
    interface.dns_servers = tuple(texts(member(properties, "dnsSettings"), "dnsServers"))
