"""What a request is about, as far as throttling asks: where it is, which resource, and whether that exists."""

from __future__ import annotations

import json
from dataclasses import dataclass

from slurm_azure.simulator.call import Call
from slurm_azure.simulator.resource_id import location_name
from slurm_azure.simulator.world.world import ResourceGroup, World

# The parameter that names a single resource, by the names of the OpenAPI files, and where a group keeps those resources. For an
# operation it is the operation itself: which resource it is about only the resource provider knows.
_RESOURCES = {"vmName": "vms", "vmScaleSetName": "scale_sets", "networkInterfaceName": "interfaces", "operationId": ""}


@dataclass(frozen=True, slots=True)
class Subject:
    """`region` is where the budget counts; `resource` is '' if the request is about no single one; `exists` is told only for
    a PUT."""

    region: str
    resource: str = ""
    exists: bool = False


def subject(world: World, call: Call) -> Subject:
    """What `call` is about; `call.parameters` are known. A list of a resource group counts in the group's region, one of a
    subscription in the estate's: Microsoft does not say where lists over several regions count."""
    named = call.parameters
    key = (named.get("subscriptionId", "").lower(), named.get("resourceGroupName", "").lower())
    group = world.groups.get(key)
    parameter = next((name for name in _RESOURCES if name in named), "")
    resource = "/".join((*key, parameter, named[parameter].lower())) if parameter else ""
    found = _find(group, _RESOURCES.get(parameter, ""), named.get(parameter, ""))
    where = named.get("location") or getattr(found, "location", "")
    if not where and call.method == "PUT":
        where = _written(call)
    where = where or (group.location if group is not None else world.estate.location)
    return Subject(location_name(where), resource, call.method == "PUT" and found is not None)


def _find(group: ResourceGroup | None, collection: str, name: str) -> object | None:
    found: dict[str, object] = getattr(group, collection, {}) if collection else {}
    return found.get(name.lower())


def _written(call: Call) -> str:
    """The location of the body; what is wrong with a body is told when it is read for good."""
    try:
        body = json.loads(call.body)
    except ValueError:
        return ""
    where = body.get("location") if isinstance(body, dict) else None
    return where if isinstance(where, str) else ""
