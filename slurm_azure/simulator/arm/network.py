"""Microsoft.Network: virtual networks and subnets to read; network interfaces to read, list and delete."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slurm_azure.simulator.arm import asynchronous
from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal, resource_not_found
from slurm_azure.simulator.resource_id import NETWORK, resource_id, same, subnet_id
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.network import IpConfiguration, NetworkInterface, Subnet
from slurm_azure.simulator.world.operations import SUCCEEDED
from slurm_azure.simulator.world.world import ResourceGroup, World

_PROVIDER = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Network"
_INTERFACES = _PROVIDER + "/networkInterfaces"
_INTERFACE = _INTERFACES + "/{networkInterfaceName}"
_NETWORK = _PROVIDER + "/virtualNetworks/{virtualNetworkName}"
_SUBNETS = _NETWORK + "/subnets"
_KIND = "Microsoft.Network/networkInterfaces"


class Network:
    """Answers the requests on networks."""

    def __init__(self, world: World, page_size: int, retry_after: int) -> None:
        self._world = world
        self._page_size = page_size
        self._retry_after = retry_after

    def routes(self) -> list[Route]:
        """The operations."""
        networks, read = "Microsoft.Network/virtualNetworks", f"{_KIND}/read"
        everywhere = "/subscriptions/{subscriptionId}/providers/Microsoft.Network/networkInterfaces"
        return [
            Route("GET", _NETWORK, "VirtualNetworks_Get", f"{networks}/read", self.get_network),
            Route("GET", _SUBNETS, "Subnets_List", f"{networks}/subnets/read", self.list_subnets),
            Route("GET", _SUBNETS + "/{subnetName}", "Subnets_Get", f"{networks}/subnets/read", self.get_subnet),
            Route("GET", _INTERFACES, "NetworkInterfaces_List", read, self.list_group),
            Route("GET", everywhere, "NetworkInterfaces_ListAll", read, self.list_all),
            Route("GET", _INTERFACE, "NetworkInterfaces_Get", read, self.get),
            Route("DELETE", _INTERFACE, "NetworkInterfaces_Delete", f"{_KIND}/delete", self.delete),
        ]

    def get_network(self, call: Call) -> Reply:
        """A virtual network with its subnets."""
        name, group, subnets = self._subnets(call)
        identity = resource_id(group.subscription, group.name, NETWORK, "virtualNetworks", name)
        return Reply(
            200,
            {
                "name": name,
                "id": identity,
                "type": "Microsoft.Network/virtualNetworks",
                "location": group.location,
                "properties": {
                    "provisioningState": "Succeeded",
                    "addressSpace": {"addressPrefixes": [str(subnet.prefix) for subnet in subnets]},
                    "subnets": [_subnet(subnet) for subnet in subnets],
                },
            },
        )

    def list_subnets(self, call: Call) -> Reply:
        """The subnets of a virtual network."""
        return Reply(200, {"value": [_subnet(subnet) for subnet in self._subnets(call)[2]]})

    def get_subnet(self, call: Call) -> Reply:
        """One subnet."""
        network, group, subnets = self._subnets(call)
        wanted = call.parameters["subnetName"]
        for subnet in subnets:
            if same(subnet.name, wanted):
                return Reply(200, _subnet(subnet))
        identity = subnet_id(group.subscription, group.name, network, wanted)
        raise Refusal(404, "NotFound", f"Resource {identity} not found.")

    def _subnets(self, call: Call) -> tuple[str, ResourceGroup, list[Subnet]]:
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        wanted = call.parameters["virtualNetworkName"]
        prefix = subnet_id(group.subscription, group.name, wanted, "").lower()
        found = [subnet for key, subnet in self._world.subnets.items() if key.startswith(prefix)]
        if not found:
            raise resource_not_found("Microsoft.Network/virtualNetworks", wanted, group.name)
        return found[0].id.split("/")[8], group, found

    def list_group(self, call: Call) -> Reply:
        """The network interfaces of a resource group."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        return self._page(call, [group])

    def list_all(self, call: Call) -> Reply:
        """The network interfaces of a subscription."""
        return self._page(call, list(self._world.groups_of(call.parameters["subscriptionId"])))

    def _page(self, call: Call, groups: Sequence[ResourceGroup]) -> Reply:
        present = sorted((nic for group in groups for nic in group.interfaces.values()), key=lambda nic: nic.sequence)
        shown = self._world.history.seen(present, NetworkInterface, lambda nic: self._world.group_of(nic.id) in groups)
        return page(call, shown, lambda nic: nic.sequence, interface_json, self._page_size)

    def get(self, call: Call) -> Reply:
        """One network interface."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        name = call.parameters["networkInterfaceName"]
        interface = group.interfaces.get(name.lower())
        if interface is None:
            raise resource_not_found(_KIND, name, group.name)
        return Reply(200, interface_json(interface))

    def delete(self, call: Call) -> Reply:
        """Delete a network interface that no VM has; 204 if there is none of that name."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        interface = group.interfaces.get(call.parameters["networkInterfaceName"].lower())
        if interface is None:
            return Reply(204)
        if interface.vm is not None:
            raise Refusal(
                400,
                "NicInUse",
                f"Network Interface {interface.id} is used by existing resource {interface.vm}. In order to delete the network "
                "interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic.",
            )
        self._world.drop_interface(interface)
        operation = self._world.operations.begin(group.subscription, interface.location)
        self._world.operations.end(operation, SUCCEEDED)
        return Reply(202, None, asynchronous.headers(call, operation, self._retry_after, location=True, provider=NETWORK))


def _subnet(subnet: Subnet) -> dict[str, Any]:
    return {
        "name": subnet.name,
        "id": subnet.id,
        "type": "Microsoft.Network/virtualNetworks/subnets",
        "properties": {
            "provisioningState": "Succeeded",
            "addressPrefix": str(subnet.prefix),
            "ipConfigurations": [{"id": _configuration_id(nic)} for nic in subnet.interfaces.values()],
        },
    }


def _configuration_id(interface: NetworkInterface) -> str:
    return f"{interface.id}/ipConfigurations/{interface.configuration}"


def _configuration(interface: NetworkInterface, configuration: IpConfiguration, etag: str) -> dict[str, Any]:
    return {
        "name": configuration.name,
        "id": f"{interface.id}/ipConfigurations/{configuration.name}",
        "etag": etag,
        "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
        "properties": {
            "provisioningState": "Succeeded",
            "privateIPAddress": configuration.ip,
            "privateIPAllocationMethod": "Dynamic",
            "privateIPAddressVersion": "IPv4",
            "primary": configuration.name == interface.configuration,
            "subnet": {"id": configuration.subnet.id},
            **configuration.settings,
        },
    }


def interface_json(interface: NetworkInterface) -> dict[str, Any]:
    """A network interface as the Network resource provider shows it."""
    etag = f'W/"{interface.guid}"'
    primary = IpConfiguration(interface.configuration, interface.subnet, interface.ip, interface.settings)
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "resourceGuid": interface.guid,
        "ipConfigurations": [
            _configuration(interface, configuration, etag) for configuration in (primary, *interface.secondary)
        ],
        "dnsSettings": {"dnsServers": list(interface.dns_servers), "appliedDnsServers": []},
        "enableAcceleratedNetworking": interface.accelerated,
        "enableIPForwarding": interface.forwarding,
        "primary": interface.primary,
        "nicType": "Standard",
    }
    if interface.vm is not None:
        properties["virtualMachine"] = {"id": interface.vm}
        properties["macAddress"] = interface.mac.upper().replace(":", "-")
    if interface.security_group is not None:
        properties["networkSecurityGroup"] = {"id": interface.security_group}
    return {
        "name": interface.name,
        "id": interface.id,
        "etag": etag,
        "type": _KIND,
        "location": interface.location,
        "tags": interface.tags,
        "properties": properties,
    }
