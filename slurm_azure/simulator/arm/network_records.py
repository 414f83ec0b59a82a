"""Microsoft.Network: network security groups and public IP addresses, as records in the documented shapes (OpenAPI files
networkSecurityGroup.json and publicIpAddress.json of 2024-01-01). No packet is filtered, no address is reachable.

Texts of the refusals are from memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from slurm_azure.simulator.arm import asynchronous
from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.arm.virtual_networks import location_not_available
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal, malformed, resource_not_found
from slurm_azure.simulator.resource_id import NETWORK, location_name, resource_id
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world import public_addresses
from slurm_azure.simulator.world.members import items, member, text, without_nulls
from slurm_azure.simulator.world.network import NetworkInterface
from slurm_azure.simulator.world.operations import SUCCEEDED
from slurm_azure.simulator.world.regions import all_regions
from slurm_azure.simulator.world.virtual_networks import NetworkRecord
from slurm_azure.simulator.world.world import ResourceGroup, World

_SUBSCRIPTION = "/subscriptions/{subscriptionId}"
_RULE = (
    "description", "protocol", "sourcePortRange", "destinationPortRange", "sourceAddressPrefix", "sourceAddressPrefixes",
    "sourceApplicationSecurityGroups", "destinationAddressPrefix", "destinationAddressPrefixes",
    "destinationApplicationSecurityGroups", "sourcePortRanges", "destinationPortRanges", "access", "priority", "direction",
)  # fmt: skip
# Name, description, source, destination, access, priority, direction: Microsoft's example NetworkSecurityGroupCreate.
_DEFAULT_RULES = (
    ("AllowVnetInBound", "Allow inbound traffic from all VMs in VNET", "VirtualNetwork", "VirtualNetwork", "Allow",
     65000, "In"),
    ("AllowAzureLoadBalancerInBound", "Allow inbound traffic from azure load balancer", "AzureLoadBalancer", "*", "Allow",
     65001, "In"),
    ("DenyAllInBound", "Deny all inbound traffic", "*", "*", "Deny", 65500, "In"),
    ("AllowVnetOutBound", "Allow outbound traffic from all VMs to all VMs in VNET", "VirtualNetwork", "VirtualNetwork", "Allow",
     65000, "Out"),
    ("AllowInternetOutBound", "Allow outbound traffic from all VMs to Internet", "*", "Internet", "Allow", 65001, "Out"),
    ("DenyAllOutBound", "Deny all outbound traffic", "*", "*", "Deny", 65500, "Out"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Kind:
    """One kind of record: its type, the group of its operations, its parameter, where a resource group has them, and how they
    are read and shown."""

    type: str
    operations: str
    parameter: str
    of: Callable[[ResourceGroup], dict[str, NetworkRecord]]
    read: Callable[[NetworkRecord, Mapping[str, Any]], dict[str, Any]]
    show: Callable[[NetworkRecord, World], dict[str, Any]]
    in_use: Callable[[NetworkRecord, World], Refusal | None]


class NetworkRecords:
    """Answers the requests on network security groups and public IP addresses."""

    def __init__(self, world: World, page_size: int, retry_after: int) -> None:
        self._world = world
        self._page_size = page_size
        self._retry_after = retry_after

    def routes(self) -> list[Route]:
        """The operations, the same for each kind."""
        return [route for kind in _KINDS for route in self._routes(kind)]

    def _routes(self, kind: _Kind) -> Iterator[Route]:
        full = f"Microsoft.Network/{kind.type}"
        group = f"{_SUBSCRIPTION}/resourceGroups/{{resourceGroupName}}/providers/{full}"
        one = f"{group}/{{{kind.parameter}}}"
        read, write, delete = f"{full}/read", f"{full}/write", f"{full}/delete"
        name = kind.operations
        yield Route("GET", f"{_SUBSCRIPTION}/providers/{full}", f"{name}_ListAll", read, lambda call: self.list_all(kind, call))
        yield Route("GET", group, f"{name}_List", read, lambda call: self.list_group(kind, call))
        yield Route("GET", one, f"{name}_Get", read, lambda call: self.get(kind, call))
        yield Route("PUT", one, f"{name}_CreateOrUpdate", write, lambda call: self.put(kind, call))
        yield Route("PATCH", one, f"{name}_UpdateTags", write, lambda call: self.patch(kind, call))
        yield Route("DELETE", one, f"{name}_Delete", delete, lambda call: self.delete(kind, call))

    def list_all(self, kind: _Kind, call: Call) -> Reply:
        """All of a subscription."""
        groups = self._world.groups_of(call.parameters["subscriptionId"])
        return self._page(kind, call, [record for group in groups for record in kind.of(group).values()])

    def list_group(self, kind: _Kind, call: Call) -> Reply:
        """All of a resource group."""
        return self._page(kind, call, list(kind.of(self._group(call)).values()))

    def _page(self, kind: _Kind, call: Call, records: list[NetworkRecord]) -> Reply:
        records.sort(key=lambda record: record.sequence)
        return page(call, records, lambda record: record.sequence, lambda record: self._show(kind, record), self._page_size)

    def get(self, kind: _Kind, call: Call) -> Reply:
        """One of them."""
        return Reply(200, self._show(kind, self._find(kind, call)))

    def put(self, kind: _Kind, call: Call) -> Reply:
        """Make (201) or change (200) one."""
        group, name = self._group(call), call.parameters[kind.parameter]
        body = without_nulls(call.json_object())
        known = kind.of(group).get(name.lower())
        location = location_name(text(body, "location", "location") or (known.location if known else ""))
        if location not in all_regions(self._world.locations):
            raise location_not_available(location, f"Microsoft.Network/{kind.type}", self._world)
        record = NetworkRecord(
            id=known.id if known else resource_id(group.subscription, group.name, NETWORK, kind.type, name),
            name=known.name if known else name,
            location=location,
            guid=known.guid if known else self._world.new_uuid(),
            properties={},
            top={key: body[key] for key in ("tags", "sku", "zones") if key in body},
            sequence=known.sequence if known else self._world.next_sequence(),
            version=known.version + 1 if known else 1,
        )
        record.properties = kind.read(record, member(body, "properties"))
        kind.of(group)[name.lower()] = record
        return self._done(call, group, 201 if known is None else 200, self._show(kind, record))

    def patch(self, kind: _Kind, call: Call) -> Reply:
        """Change the tags of one."""
        record = self._find(kind, call)
        record.top["tags"] = member(without_nulls(call.json_object()), "tags")
        record.version += 1
        return Reply(200, self._show(kind, record))

    def delete(self, kind: _Kind, call: Call) -> Reply:
        """Delete one that nothing uses; 204 if there is none of that name."""
        group = self._group(call)
        record = kind.of(group).get(call.parameters[kind.parameter].lower())
        if record is None:
            return Reply(204)
        refusal = kind.in_use(record, self._world)
        if refusal is not None:
            raise refusal
        del kind.of(group)[record.name.lower()]
        return self._done(call, group, 202)

    def _group(self, call: Call) -> ResourceGroup:
        return self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])

    def _find(self, kind: _Kind, call: Call) -> NetworkRecord:
        group, name = self._group(call), call.parameters[kind.parameter]
        record = kind.of(group).get(name.lower())
        if record is None:
            raise resource_not_found(f"Microsoft.Network/{kind.type}", name, group.name)
        return record

    def _show(self, kind: _Kind, record: NetworkRecord) -> dict[str, Any]:
        return {
            "name": record.name,
            "id": record.id,
            "etag": f'W/"{record.guid[:-4]}{record.version:04x}"',
            "type": f"Microsoft.Network/{kind.type}",
            "location": record.location,
            **record.top,
            "properties": {
                "provisioningState": "Succeeded",
                "resourceGuid": record.guid,
                **record.properties,
                **kind.show(record, self._world),
            },
        }

    def _done(self, call: Call, group: ResourceGroup, status: int, body: Any = None) -> Reply:
        operation = self._world.operations.begin(group.subscription, group.location)
        self._world.operations.end(operation, SUCCEEDED)
        headers = asynchronous.headers(call, operation, self._retry_after, location=status == 202, provider=NETWORK)
        return Reply(status, body, headers)


def _interfaces(world: World) -> Iterator[NetworkInterface]:
    return (nic for group in world.groups.values() for nic in group.interfaces.values())


# Network security groups


def _read_rules(record: NetworkRecord, properties: Mapping[str, Any]) -> dict[str, Any]:
    rules = [_rule(record, item) for item in items(properties, "securityRules")]
    return {"securityRules": rules, **({"flushConnection": True} if properties.get("flushConnection") is True else {})}


def _rule(record: NetworkRecord, item: Mapping[str, Any]) -> dict[str, Any]:
    name, wanted = text(item, "name", "name"), member(item, "properties")
    missing = [key for key in ("protocol", "access", "priority", "direction") if key not in wanted]
    if name is None or missing:
        path = f"properties.securityRules[{name or ''}]"
        raise malformed(f"Required property '{missing[0] if missing else 'name'}' not found in JSON. Path '{path}'")
    return {
        "name": name,
        "id": f"{record.id}/securityRules/{name}",
        "etag": f'W/"{record.guid}"',
        "type": "Microsoft.Network/networkSecurityGroups/securityRules",
        "properties": {"provisioningState": "Succeeded", **{key: wanted[key] for key in _RULE if key in wanted}},
    }


def _show_rules(record: NetworkRecord, world: World) -> dict[str, Any]:
    nics = [{"id": nic.id} for nic in _interfaces(world) if (nic.security_group or "").lower() == record.id.lower()]
    defaults = [
        {
            "name": name,
            "id": f"{record.id}/defaultSecurityRules/{name}",
            "etag": f'W/"{record.guid}"',
            "type": "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
            "properties": {
                "provisioningState": "Succeeded",
                "description": description,
                "protocol": "*",
                "sourcePortRange": "*",
                "destinationPortRange": "*",
                "sourceAddressPrefix": source,
                "destinationAddressPrefix": destination,
                "access": access,
                "priority": priority,
                "direction": f"{direction}bound",
            },
        }
        for name, description, source, destination, access, priority, direction in _DEFAULT_RULES
    ]
    return {"defaultSecurityRules": defaults, **({"networkInterfaces": nics} if nics else {})}


def _group_in_use(record: NetworkRecord, world: World) -> Refusal | None:
    users = [nic.id for nic in _interfaces(world) if (nic.security_group or "").lower() == record.id.lower()]
    for subnet in world.subnets.values():
        if str((subnet.settings.get("networkSecurityGroup") or {}).get("id", "")).lower() == record.id.lower():
            users.append(subnet.id)
    if not users:
        return None
    message = (
        f"Network security group {record.id} cannot be deleted because it is in use by the following resources: {users[0]}. In "
        "order to delete the Network security group, remove the association with the resource(s)."
    )
    return Refusal(400, "InUseNetworkSecurityGroupCannotBeDeleted", message)


# Public IP addresses


def _read_address(record: NetworkRecord, properties: Mapping[str, Any]) -> dict[str, Any]:
    record.top.setdefault("sku", {"name": "Standard", "tier": "Regional"})
    return public_addresses.properties(record.sequence, record.top["sku"], properties)


def _user_of(record: NetworkRecord, world: World) -> str | None:
    for nic in _interfaces(world):
        for name, settings in ((nic.configuration, nic.settings), *((one.name, one.settings) for one in nic.secondary)):
            if str((settings.get("publicIPAddress") or {}).get("id", "")).lower() == record.id.lower():
                return f"{nic.id}/ipConfigurations/{name}"
    return None


def _show_address(record: NetworkRecord, world: World) -> dict[str, Any]:
    user = _user_of(record, world)
    return {"ipConfiguration": {"id": user}} if user else {}


def _address_in_use(record: NetworkRecord, world: World) -> Refusal | None:
    user = _user_of(record, world)
    if user is None:
        return None
    message = (
        f"Public IP address {record.id} can not be deleted since it is still allocated to resource {user}. In order to delete "
        "the public IP, disassociate/detach the Public IP address from the resource."
    )
    return Refusal(400, "PublicIPAddressCannotBeDeleted", message)


_KINDS = (
    _Kind(
        "networkSecurityGroups",
        "NetworkSecurityGroups",
        "networkSecurityGroupName",
        lambda group: group.security_groups,
        _read_rules,
        _show_rules,
        _group_in_use,
    ),
    _Kind(
        "publicIPAddresses",
        "PublicIPAddresses",
        "publicIpAddressName",
        lambda group: group.public_addresses,
        _read_address,
        _show_address,
        _address_in_use,
    ),
)
