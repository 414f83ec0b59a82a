"""The network interfaces of a VM: made with it, or attached to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from slurm_azure.simulator.refusal import Refusal, invalid_reference, missing_parameter
from slurm_azure.simulator.resource_id import NETWORK, resource_id, same
from slurm_azure.simulator.world import public_addresses
from slurm_azure.simulator.world.network import IpConfiguration, NetworkInterface, Subnet
from slurm_azure.simulator.world.network_request import AddressRequest, InterfaceRequest
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World

_SHOWN = ("applicationSecurityGroups", "loadBalancerBackendAddressPools", "applicationGatewayBackendAddressPools")


def make(world: World, vm: VirtualMachine, wanted: Sequence[InterfaceRequest]) -> tuple[NetworkInterface, ...]:
    """The VM's interfaces, all or (Refusal) none: an address that was taken is given back when the next one fails."""
    made: list[NetworkInterface] = []
    try:
        for item in wanted:
            made.append(_attach(world, vm, item) if item.existing else _new(world, vm, item))
    except Refusal:
        for interface, item in zip(made, wanted, strict=False):
            if item.existing:
                interface.vm = None
            else:
                public_addresses.drop(world, interface, always=True)
                world.drop_interface(interface)
        raise
    return tuple(made)


def check(world: World, vm: VirtualMachine, identity: str) -> NetworkInterface:
    """The interface of that id, if the VM may have it; raises Refusal (400)."""
    found = world.interface_by_id(identity)
    if found is None or found.location != vm.location:
        raise invalid_reference(identity, vm.id)
    if found.vm is not None and not same(found.vm, vm.id):
        raise Refusal(
            400,
            "NicInUse",
            f"Network Interface {found.id} is used by existing resource {found.vm}. "
            "A network interface can be attached to only one virtual machine.",
        )
    return found


def _attach(world: World, vm: VirtualMachine, wanted: InterfaceRequest) -> NetworkInterface:
    found = check(world, vm, str(wanted.existing))
    world.history.changing(found)
    found.vm, found.primary = vm.id, wanted.primary
    if wanted.delete_with_vm is not None:
        found.delete_with_vm = wanted.delete_with_vm
    return found


def _new(world: World, vm: VirtualMachine, wanted: InterfaceRequest) -> NetworkInterface:
    guid = world.new_uuid()
    name = f"{wanted.name}-{guid[:8]}"
    identity = resource_id(vm.group.subscription, vm.group.name, NETWORK, "networkInterfaces", name)
    subnets = [_subnet(world, vm, identity, address) for address in wanted.addresses]
    configurations = _configurations(world, vm, wanted.addresses, subnets)
    settings = wanted.settings
    first = configurations[0]
    interface = NetworkInterface(
        id=identity,
        name=name,
        location=vm.location,
        guid=guid,
        subnet=first.subnet,
        ip=first.ip,
        configuration=first.name,
        tags=dict(wanted.tags),
        primary=wanted.primary,
        delete_with_vm=wanted.delete_with_vm,
        accelerated=settings.get("enableAcceleratedNetworking", False),
        forwarding=settings.get("enableIPForwarding", False),
        security_group=settings.get("networkSecurityGroup", {}).get("id"),
        dns_servers=tuple(settings.get("dnsSettings", {}).get("dnsServers", ())),
        vm=vm.id,
        sequence=world.next_sequence(),
        settings=first.settings,
        secondary=configurations[1:],
    )
    for subnet in subnets:
        subnet.interfaces[identity.lower()] = interface
    vm.group.interfaces[name.lower()] = interface
    return interface


def _subnet(world: World, vm: VirtualMachine, identity: str, address: AddressRequest) -> Subnet:
    """The subnet an address is to come from. Where none is named, which Microsoft's example allows without saying what Azure
    does then, it is the first of the region."""
    if address.subnet is None:
        for subnet in world.subnets.values():
            if subnet.location == vm.location and subnet.id.lower().startswith(
                f"/subscriptions/{vm.group.subscription}".lower()
            ):
                return subnet
        raise missing_parameter("networkInterfaceConfigurations.ipConfigurations.subnet")
    found = world.subnets.get(address.subnet.lower())
    if found is None or found.location != vm.location:
        raise invalid_reference(address.subnet, identity)
    return found


def _configurations(
    world: World, vm: VirtualMachine, addresses: Sequence[AddressRequest], subnets: Sequence[Subnet]
) -> tuple[IpConfiguration, ...]:
    """One for each address, all or (Refusal) none."""
    found: list[IpConfiguration] = []
    try:
        for address, subnet in zip(addresses, subnets, strict=True):
            found.append(IpConfiguration(address.name, subnet, subnet.take_address(), {}))
    except Refusal:
        for configuration in found:
            configuration.subnet.addresses.give_back(configuration.ip)
        raise
    return tuple(
        replace(configuration, settings=_shown(world, vm, address.settings))
        for configuration, address in zip(found, addresses, strict=True)
    )


def _shown(world: World, vm: VirtualMachine, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What an ip configuration shows beside its address; a public IP address is made with it."""
    shown = {key: settings[key] for key in _SHOWN if key in settings}
    if "publicIPAddressConfiguration" in settings:
        shown["publicIPAddress"] = {"id": public_addresses.make(world, vm, settings["publicIPAddressConfiguration"]).id}
    return shown
