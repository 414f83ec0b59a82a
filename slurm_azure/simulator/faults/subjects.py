"""What of a request or a VM a fault can be matched with, and what its words can be filled with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from slurm_azure.simulator.call import Call
from slurm_azure.simulator.faults.plan import Request, VmFacts
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.resource_id import location_name
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import ResourceGroup, World


def of_vm(vm: VirtualMachine) -> VmFacts:
    """What can be said of a VM that is there."""
    return VmFacts(
        name=vm.name,
        node=vm.computer_name,
        tags=vm.tags,
        zones=tuple(vm.zones or ("",)),
        size=vm.size.name,
        priority=str(vm.model.get("priority") or "Regular"),
        location=vm.location,
    )


def of_body(name: str, value: Mapping[str, Any], fallback: str = "") -> VmFacts:
    """What can be said of a VM that is asked for. Whatever stands in the body, this does not fail: it is the resource
    provider's to refuse it."""
    properties = value.get("properties")
    tags, zones = value.get("tags"), value.get("zones")
    return VmFacts(
        name=name,
        node=str(_at(properties, "osProfile", "computerName") or name),
        tags={str(key): str(item) for key, item in tags.items()} if isinstance(tags, dict) else {},
        zones=tuple(map(str, zones)) if isinstance(zones, list) and zones else ("",),
        size=str(_at(properties, "hardwareProfile", "vmSize") or ""),
        priority=str(_at(properties, "priority") or "Regular"),
        location=location_name(str(value.get("location") or fallback)),
    )


def of_call(world: World, call: Call) -> Request:
    """What can be said of a request. The VM is the one it names or asks for, the one an interface or disk belongs to, or, at
    the metadata service and the wire server, the one that asks."""
    group = _group(world, call)
    vm = _polled(world, call) if call.operation == "Operations_Get" else _vm(world, call, group)
    if vm is not None:
        location = vm.location
    elif "location" in call.parameters:
        location = location_name(call.parameters["location"])
    else:
        location = group.location if group is not None else ""
    return Request(call.operation, call.method, _principal(world, call), location_name(location), vm)


def _polled(world: World, call: Call) -> VmFacts | None:
    """The VM that an operation is about, or was: of one that is gone the name is left."""
    operation = world.operations.find(call.parameters.get("operationId", "").lower())
    parts = operation.resource.split("/") if operation is not None else []
    if len(parts) != 9 or parts[7] != "virtualMachines":
        return None
    group = world.groups.get((parts[2].lower(), parts[4].lower()))
    vm = group.vms.get(parts[8].lower()) if group is not None else None
    return of_vm(vm) if vm is not None else VmFacts(parts[8])


def _vm(world: World, call: Call, group: ResourceGroup | None) -> VmFacts | None:
    name = call.parameters.get("vmName")
    if name is None and not call.operation.startswith(("Imds_", "Wire_")):
        return _owner(group, call)
    found = world.vms_by_address.get(call.remote) if name is None else group.vms.get(name.lower()) if group else None
    if name is not None and call.method == "PUT":
        asked = _body(call)
        if asked is not None:
            return of_body(name, asked, group.location if group else "")
    if found is not None:
        return of_vm(found)
    return VmFacts(name) if name is not None else None


def _owner(group: ResourceGroup | None, call: Call) -> VmFacts | None:
    if group is None:
        return None
    interface = group.interfaces.get(call.parameters.get("networkInterfaceName", "").lower())
    disk = group.disks.get(call.parameters.get("diskName", "").lower())
    part = interface or disk
    if part is None or part.vm is None:
        return None
    vm = group.vms.get(part.vm.rsplit("/", 1)[-1].lower())
    return of_vm(vm) if vm is not None else None


def _group(world: World, call: Call) -> ResourceGroup | None:
    subscription = call.parameters.get("subscriptionId", "").lower()
    return world.groups.get((subscription, call.parameters.get("resourceGroupName", "").lower()))


def _principal(world: World, call: Call) -> tuple[str, ...]:
    if call.principal is not None:
        return call.principal.name, call.principal.client_id, call.principal.object_id
    if call.operation != "Login_Token":
        return ()
    client = parse_qs(call.body.decode("utf-8", "replace")).get("client_id", [""])[0]
    known = world.principals.get(client)
    return (known.name, client, known.object_id) if known is not None else (client,)


def words_of_call(world: World, call: Call, request: Request) -> dict[str, str]:
    """What {vm}, {size}, {scope} and the like stand for in the words of a fault that strikes a request."""
    found = words_of_facts(world, request.vm) if request.vm is not None else {}
    subscription, group = call.parameters.get("subscriptionId"), call.parameters.get("resourceGroupName")
    given = {
        "operation": call.operation,
        "action": call.action,
        "scope": call.path,
        "id": call.path,
        "subscription": subscription,
        "group": group,
        "location": request.location,
        "client": call.principal.client_id if call.principal else None,
        "object": call.principal.object_id if call.principal else None,
    }
    given |= _network(world, call) if call.method == "PUT" else {}
    return found | {key: text for key, text in given.items() if text}


def words_of_vm(world: World, vm: VirtualMachine) -> dict[str, str]:
    """The same for a fault that strikes a VM."""
    found = words_of_facts(world, of_vm(vm))
    return found | {"id": vm.id, "group": vm.group.name, "subscription": vm.group.subscription}


def words_of_facts(world: World, vm: VmFacts) -> dict[str, str]:
    """What a VM's facts alone give. The figures of quotas are those of a quota that is used up to the last core."""
    spot = vm.priority.lower() != "regular"
    size = world.skus.find(vm.size)
    cores = size.quota_vcpus if size is not None else 1
    return {
        "vm": vm.name,
        "node": vm.node,
        "size": vm.size,
        "location": vm.location,
        "zone": vm.zones[0],
        "zones": ",".join(vm.zones),
        "priority": vm.priority,
        "tier": "tier" if spot else "size",
        "family": size.family if size is not None else vm.size,
        "cores": str(cores),
        "limit": "100",
        "usage": "100",
        "needed": str(100 + cores),
        "maxprice": "0.00001",
        "spotprice": "0.1",
    }


def _network(world: World, call: Call) -> dict[str, str]:
    interfaces = _at(_body(call), "properties", "networkProfile", "networkInterfaceConfigurations")
    configurations = _at(_first(interfaces), "properties", "ipConfigurations")
    identity = _at(_first(configurations), "properties", "subnet", "id")
    subnet = world.subnets.get(identity.lower()) if isinstance(identity, str) else None
    return {} if subnet is None else {"subnet": subnet.name, "prefix": str(subnet.prefix), "subnetid": subnet.id}


def _body(call: Call) -> dict[str, Any] | None:
    try:
        return call.json_object()
    except Refusal:
        return None


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else None


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
