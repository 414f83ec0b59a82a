"""Microsoft.Network/virtualNetworks and their subnets: OpenAPI file virtualNetwork.json of 2024-01-01.

Codes and texts of refusals: InUseSubnetCannotBeDeleted as in kubernetes-sigs/cluster-api-provider-azure issue 172; the others
from memory. Two networks may overlap, as in Azure; a VM that asks its metadata service is then known by its address alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from slurm_azure.simulator.arm import asynchronous
from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal, malformed, resource_not_found
from slurm_azure.simulator.resource_id import NETWORK, location_name, resource_id
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.linked_actions import of_network, of_subnets
from slurm_azure.simulator.world.members import items, member, text, texts, without_nulls
from slurm_azure.simulator.world.network import Subnet, new_subnet
from slurm_azure.simulator.world.operations import SUCCEEDED
from slurm_azure.simulator.world.regions import all_regions
from slurm_azure.simulator.world.virtual_networks import VirtualNetwork
from slurm_azure.simulator.world.world import ResourceGroup, World

_KIND = "Microsoft.Network/virtualNetworks"
_SUBSCRIPTION = "/subscriptions/{subscriptionId}"
_ALL = _SUBSCRIPTION + "/resourceGroups/{resourceGroupName}/providers/" + _KIND
_ONE = _ALL + "/{virtualNetworkName}"
_SUBNETS = _ONE + "/subnets"
_SUBNET = _SUBNETS + "/{subnetName}"
_NETWORK_SETTINGS = (
    "dhcpOptions", "flowTimeoutInMinutes", "enableDdosProtection", "enableVmProtection", "ddosProtectionPlan",
    "bgpCommunities", "encryption", "ipAllocations",
)  # fmt: skip
_SUBNET_SETTINGS = (
    "networkSecurityGroup", "routeTable", "natGateway", "serviceEndpoints", "serviceEndpointPolicies", "delegations",
    "ipAllocations", "privateEndpointNetworkPolicies", "privateLinkServiceNetworkPolicies", "sharingScope",
    "defaultOutboundAccess", "addressPrefixes",
)  # fmt: skip


class VirtualNetworks:
    """Answers the requests on virtual networks and subnets."""

    def __init__(self, world: World, page_size: int, retry_after: int) -> None:
        self._world = world
        self._page_size = page_size
        self._retry_after = retry_after

    def routes(self) -> list[Route]:
        """The operations."""
        read, write, delete = f"{_KIND}/read", f"{_KIND}/write", f"{_KIND}/delete"
        subnets = f"{_KIND}/subnets"
        everywhere = f"{_SUBSCRIPTION}/providers/{_KIND}"
        return [
            Route("GET", everywhere, "VirtualNetworks_ListAll", read, self.list_all),
            Route("GET", _ALL, "VirtualNetworks_List", read, self.list_group),
            Route("GET", _ONE, "VirtualNetworks_Get", read, self.get),
            Route("PUT", _ONE, "VirtualNetworks_CreateOrUpdate", write, self.put, of_network),
            Route("PATCH", _ONE, "VirtualNetworks_UpdateTags", write, self.patch),
            Route("DELETE", _ONE, "VirtualNetworks_Delete", delete, self.delete),
            Route("GET", _SUBNETS, "Subnets_List", f"{subnets}/read", self.list_subnets),
            Route("GET", _SUBNET, "Subnets_Get", f"{subnets}/read", self.get_subnet),
            Route("PUT", _SUBNET, "Subnets_CreateOrUpdate", f"{subnets}/write", self.put_subnet, lambda b: of_subnets([b])),
            Route("DELETE", _SUBNET, "Subnets_Delete", f"{subnets}/delete", self.delete_subnet),
        ]

    # Networks

    def list_all(self, call: Call) -> Reply:
        """The virtual networks of a subscription."""
        groups = self._world.groups_of(call.parameters["subscriptionId"])
        return self._page(call, [network for group in groups for network in group.networks.values()])

    def list_group(self, call: Call) -> Reply:
        """The virtual networks of a resource group."""
        return self._page(call, list(self._group(call).networks.values()))

    def _page(self, call: Call, networks: list[VirtualNetwork]) -> Reply:
        networks.sort(key=lambda network: network.sequence)
        return page(call, networks, lambda network: network.sequence, network_json, self._page_size)

    def get(self, call: Call) -> Reply:
        """A virtual network with its subnets."""
        return Reply(200, network_json(self._network(call)))

    def put(self, call: Call) -> Reply:
        """Make (201) or change (200) a virtual network. Subnets that the body does not name go, as in Azure."""
        group, name = self._group(call), call.parameters["virtualNetworkName"]
        body = without_nulls(call.json_object())
        properties = member(body, "properties")
        known = group.networks.get(name.lower())
        identity = known.id if known else resource_id(group.subscription, group.name, NETWORK, "virtualNetworks", name)
        network = VirtualNetwork(
            id=identity,
            name=known.name if known else name,
            location=location_name(text(body, "location", "location") or (known.location if known else "")),
            guid=known.guid if known else self._world.new_uuid(),
            prefixes=_prefixes(texts(member(properties, "addressSpace"), "addressPrefixes"), identity),
            tags=_tags(body),
            settings={key: properties[key] for key in _NETWORK_SETTINGS if key in properties},
            sequence=known.sequence if known else self._world.next_sequence(),
            version=known.version + 1 if known else 1,
        )
        self._check_location(network.location)
        if not network.prefixes:
            raise Refusal(400, "MissingJsonReferenceId", f"The address space of virtual network {identity} is empty.")
        self._fill(network, known, items(properties, "subnets"))
        group.networks[name.lower()] = network
        return self._done(call, group, 201 if known is None else 200, network_json(network))

    def _fill(self, network: VirtualNetwork, known: VirtualNetwork | None, bodies: list[dict[str, Any]]) -> None:
        """Give a network the subnets of the bodies; those that were there keep their addresses. All or (Refusal) none."""
        before = dict(known.subnets) if known else {}
        for body in bodies:
            wanted = _subnet(network, text(body, "name", "name") or "", member(body, "properties"))
            kept = _same(before.get(wanted.name.lower()), wanted)
            network.subnets[wanted.name.lower()] = kept or wanted
        gone = [subnet for name, subnet in before.items() if name not in network.subnets]
        for subnet in gone:
            _check_unused(subnet)
        for subnet in gone:
            self._world.subnets.pop(subnet.id.lower(), None)
        for subnet in network.subnets.values():
            self._world.add_subnet(network, subnet)

    def patch(self, call: Call) -> Reply:
        """Change the tags of a virtual network."""
        network = self._network(call)
        network.tags = _tags(without_nulls(call.json_object()))
        network.version += 1
        return Reply(200, network_json(network))

    def delete(self, call: Call) -> Reply:
        """Delete a virtual network that nothing uses; 204 if there is none of that name."""
        group = self._group(call)
        network = group.networks.get(call.parameters["virtualNetworkName"].lower())
        if network is None:
            return Reply(204)
        for subnet in network.subnets.values():
            _check_unused(subnet)
        for subnet in list(network.subnets.values()):
            self._world.drop_subnet(network, subnet)
        del group.networks[network.name.lower()]
        return self._done(call, group, 202)

    # Subnets

    def list_subnets(self, call: Call) -> Reply:
        """The subnets of a virtual network."""
        return Reply(200, {"value": [subnet_json(subnet) for subnet in self._network(call).subnets.values()]})

    def get_subnet(self, call: Call) -> Reply:
        """One subnet."""
        network, wanted = self._network(call), call.parameters["subnetName"]
        subnet = network.subnets.get(wanted.lower())
        if subnet is None:
            raise Refusal(404, "NotFound", f"Resource {network.id}/subnets/{wanted} not found.")
        return Reply(200, subnet_json(subnet))

    def put_subnet(self, call: Call) -> Reply:
        """Make (201) or change (200) a subnet."""
        group, network = self._group(call), self._network(call)
        name = call.parameters["subnetName"]
        wanted = _subnet(network, name, member(without_nulls(call.json_object()), "properties"))
        known = network.subnets.get(name.lower())
        subnet = _same(known, wanted) or wanted
        self._world.add_subnet(network, subnet)
        return self._done(call, group, 201 if known is None else 200, subnet_json(subnet))

    def delete_subnet(self, call: Call) -> Reply:
        """Delete a subnet that nothing uses; 204 if there is none of that name."""
        group, network = self._group(call), self._network(call)
        subnet = network.subnets.get(call.parameters["subnetName"].lower())
        if subnet is None:
            return Reply(204)
        _check_unused(subnet)
        self._world.drop_subnet(network, subnet)
        return self._done(call, group, 202)

    def _group(self, call: Call) -> ResourceGroup:
        return self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])

    def _network(self, call: Call) -> VirtualNetwork:
        group, name = self._group(call), call.parameters["virtualNetworkName"]
        network = group.networks.get(name.lower())
        if network is None:
            raise resource_not_found(_KIND, name, group.name)
        return network

    def _check_location(self, location: str) -> None:
        if location not in all_regions(self._world.locations):
            raise location_not_available(location, _KIND, self._world)

    def _done(self, call: Call, group: ResourceGroup, status: int, body: Any = None) -> Reply:
        operation = self._world.operations.begin(group.subscription, group.location)
        self._world.operations.end(operation, SUCCEEDED)
        deleted = status == 202
        headers = asynchronous.headers(call, operation, self._retry_after, location=deleted, provider=NETWORK)
        return Reply(status, body, headers)


def location_not_available(location: str, kind: str, world: World) -> Refusal:
    """400 LocationNotAvailableForResourceType."""
    return Refusal(
        400,
        "LocationNotAvailableForResourceType",
        f"The provided location '{location}' is not available for resource type '{kind}'. List of available regions for the "
        f"resource type is '{','.join(sorted(all_regions(world.locations)))}'.",
    )


def network_json(network: VirtualNetwork) -> dict[str, Any]:
    """A virtual network as the Network resource provider shows it."""
    return {
        "name": network.name,
        "id": network.id,
        "etag": f'W/"{network.guid[:-4]}{network.version:04x}"',
        "type": _KIND,
        "location": network.location,
        "tags": network.tags,
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": network.guid,
            "addressSpace": {"addressPrefixes": [str(prefix) for prefix in network.prefixes]},
            "enableDdosProtection": False,
            **network.settings,
            "subnets": [subnet_json(subnet) for subnet in network.subnets.values()],
            "virtualNetworkPeerings": [],
        },
    }


def subnet_json(subnet: Subnet) -> dict[str, Any]:
    """A subnet as the Network resource provider shows it, with the interfaces in it."""
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "addressPrefix": str(subnet.prefix),
        "delegations": [],
        "privateEndpointNetworkPolicies": "Disabled",
        "privateLinkServiceNetworkPolicies": "Enabled",
        **subnet.settings,
    }
    if "addressPrefixes" in subnet.settings:  # one of the two is shown: the one that was sent
        del properties["addressPrefix"]
    used = [{"id": f"{nic.id}/ipConfigurations/{nic.configuration}"} for nic in subnet.interfaces.values()]
    if used:
        properties["ipConfigurations"] = used
    return {"name": subnet.name, "id": subnet.id, "type": f"{_KIND}/subnets", "properties": properties}


def _tags(body: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in member(body, "tags").items()}


def _prefixes(written: list[str], identity: str) -> tuple[ipaddress.IPv4Network, ...]:
    """IPv4 prefixes; those of IPv6 are left out: nothing here has such an address."""
    return tuple(_prefix(one, identity) for one in written if ":" not in one)


def _prefix(written: str, identity: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(written)
    except ValueError:
        message = (
            f"Address prefix {written} of resource {identity} is not formatted correctly. It should follow CIDR notation, for "
            "example 10.0.0.0/24."
        )
        raise Refusal(400, "InvalidAddressPrefixFormat", message) from None


def _subnet(network: VirtualNetwork, name: str, properties: Mapping[str, Any]) -> Subnet:
    """The subnet that a body describes; raises Refusal where it does not fit into its network."""
    if not name:
        raise malformed("Required property 'name' not found in JSON. Path 'properties.subnets'")
    written = [text(properties, "addressPrefix", "addressPrefix"), *texts(properties, "addressPrefixes")]
    found = _prefixes([one for one in written if one], f"{network.id}/subnets/{name}")
    if not found or not any(found[0].subnet_of(prefix) for prefix in network.prefixes):
        raise Refusal(400, "NetcfgInvalidSubnet", f"Subnet '{name}' is not valid in virtual network '{network.name}'.")
    for other in network.subnets.values():
        if other.name.lower() != name.lower() and other.prefix.overlaps(found[0]):
            message = (
                f"Subnet '{name}' is not valid because its IP address range overlaps with that of an existing subnet in "
                f"virtual network '{network.name}'."
            )
            raise Refusal(400, "NetcfgSubnetRangesOverlap", message)
    subnet = new_subnet(f"{network.id}/subnets/{name}", name, network.location, found[0])
    subnet.settings = {key: properties[key] for key in _SUBNET_SETTINGS if key in properties}
    return subnet


def _same(known: Subnet | None, wanted: Subnet) -> Subnet | None:
    """The subnet as it was, with the settings wanted, where its prefix stays; raises Refusal if it is used and shall have
    another."""
    if known is None:
        return None
    if known.prefix != wanted.prefix:
        if known.interfaces:
            message = f"IpPrefix {known.prefix} on Subnet {known.name} has active allocations and cannot be deleted."
            raise Refusal(400, "InUsePrefixCannotBeDeleted", message)
        return None
    known.settings = wanted.settings
    return known


def _check_unused(subnet: Subnet) -> None:
    for interface in subnet.interfaces.values():
        raise Refusal(
            400,
            "InUseSubnetCannotBeDeleted",
            f"Subnet {subnet.name} is in use by {interface.id}/ipConfigurations/{interface.configuration} and cannot be "
            "deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.",
        )
