"""Microsoft.Network/networkInterfaces: OpenAPI file networkInterface.json of 2024-01-01."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from slurm_azure.simulator.arm import asynchronous
from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal, resource_not_found
from slurm_azure.simulator.resource_id import NETWORK
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world import interfaces
from slurm_azure.simulator.world.linked_actions import of_interface
from slurm_azure.simulator.world.members import member, without_nulls
from slurm_azure.simulator.world.network import IpConfiguration, NetworkInterface
from slurm_azure.simulator.world.operations import SUCCEEDED
from slurm_azure.simulator.world.world import ResourceGroup, World

_PROVIDER = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.Network"
_INTERFACES = _PROVIDER + "/networkInterfaces"
_INTERFACE = _INTERFACES + "/{networkInterfaceName}"
_KIND = "Microsoft.Network/networkInterfaces"


class Network:
    """Answers the requests on network interfaces."""

    def __init__(self, world: World, page_size: int, retry_after: int) -> None:
        self._world = world
        self._page_size = page_size
        self._retry_after = retry_after

    def routes(self) -> list[Route]:
        """The operations."""
        read, write = f"{_KIND}/read", f"{_KIND}/write"
        everywhere = "/subscriptions/{subscriptionId}/providers/Microsoft.Network/networkInterfaces"
        return [
            Route("PUT", _INTERFACE, "NetworkInterfaces_CreateOrUpdate", write, self.put, of_interface),
            Route("PATCH", _INTERFACE, "NetworkInterfaces_UpdateTags", write, self.patch),
            Route("GET", _INTERFACES, "NetworkInterfaces_List", read, self.list_group),
            Route("GET", everywhere, "NetworkInterfaces_ListAll", read, self.list_all),
            Route("GET", _INTERFACE, "NetworkInterfaces_Get", read, self.get),
            Route("DELETE", _INTERFACE, "NetworkInterfaces_Delete", f"{_KIND}/delete", self.delete),
        ]

    def put(self, call: Call) -> Reply:
        """Make (201) or change (200) a network interface."""
        group = self._group(call)
        name = call.parameters["networkInterfaceName"]
        known = name.lower() in group.interfaces
        interface = interfaces.put(self._world, group, name, without_nulls(call.json_object()))
        operation = self._world.operations.begin(group.subscription, interface.location)
        self._world.operations.end(operation, SUCCEEDED)
        headers = asynchronous.headers(call, operation, self._retry_after, location=False, provider=NETWORK)
        return Reply(200 if known else 201, interface_json(interface), headers)

    def patch(self, call: Call) -> Reply:
        """Change the tags of a network interface."""
        interface = self._find(call)
        self._world.history.changing(interface)
        tags = member(without_nulls(call.json_object()), "tags")
        interface.tags = {str(key): str(value) for key, value in tags.items()}
        return Reply(200, interface_json(interface))

    def _group(self, call: Call) -> ResourceGroup:
        return self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])

    def _find(self, call: Call) -> NetworkInterface:
        group, name = self._group(call), call.parameters["networkInterfaceName"]
        interface = group.interfaces.get(name.lower())
        if interface is None:
            raise resource_not_found(_KIND, name, group.name)
        return interface

    def list_group(self, call: Call) -> Reply:
        """The network interfaces of a resource group."""
        group = self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
        return self._page(call, [group])

    def list_all(self, call: Call) -> Reply:
        """The network interfaces of a subscription."""
        return self._page(call, list(self._world.groups_of(call.parameters["subscriptionId"])))

    def _page(self, call: Call, groups: Sequence[ResourceGroup]) -> Reply:
        present = sorted((nic for group in groups for nic in group.interfaces.values()), key=lambda nic: nic.sequence)
        shown = self._world.history.seen(present, NetworkInterface, lambda nic: self._world.is_in(nic.id, groups))
        return page(call, shown, lambda nic: nic.sequence, interface_json, self._page_size)

    def get(self, call: Call) -> Reply:
        """One network interface."""
        return Reply(200, interface_json(self._find(call)))

    def delete(self, call: Call) -> Reply:
        """Delete a network interface that no VM has; 204 if there is none of that name."""
        group = self._group(call)
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
