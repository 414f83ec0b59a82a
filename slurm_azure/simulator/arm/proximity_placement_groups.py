"""Microsoft.Compute/proximityPlacementGroups (OpenAPI: proximityPlacementGroup.json)."""

from __future__ import annotations

from typing import Any

from slurm_azure.simulator.arm.placements import Collection, check_tags, refuse_change, shown, top
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal, invalid_parameter
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.placement_resources import ProximityPlacementGroup
from slurm_azure.simulator.world.placement_shapes import PROXIMITY_PLACEMENT_GROUP
from slurm_azure.simulator.world.vm_request import check_zones
from slurm_azure.simulator.world.world import World

_TYPE = "proximityPlacementGroups"
_KIND = f"Microsoft.Compute/{_TYPE}"
_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + _KIND
_ONE = _GROUP + "/{proximityPlacementGroupName}"


class ProximityPlacementGroups:
    """Answers the requests on proximity placement groups."""

    def __init__(self, world: World, page_size: int) -> None:
        self._world = world
        self._all = Collection(world, _TYPE, "proximityPlacementGroupName", lambda group: group.proximity_groups, page_size)

    def routes(self) -> list[Route]:
        """The operations."""
        read, write = f"{_KIND}/read", f"{_KIND}/write"
        everywhere = "/subscriptions/{subscriptionId}/providers/" + _KIND
        return [
            Route("PUT", _ONE, "ProximityPlacementGroups_CreateOrUpdate", write, self.put),
            Route("PATCH", _ONE, "ProximityPlacementGroups_Update", write, self.patch),
            Route("GET", _ONE, "ProximityPlacementGroups_Get", read, self.get),
            Route("DELETE", _ONE, "ProximityPlacementGroups_Delete", f"{_KIND}/delete", self.delete),
            Route("GET", _GROUP, "ProximityPlacementGroups_ListByResourceGroup", read, self.list_group),
            Route("GET", everywhere, "ProximityPlacementGroups_ListBySubscription", read, self.list_all),
        ]

    def put(self, call: Call) -> Reply:
        """Create (201) or update (200)."""
        body = PROXIMITY_PLACEMENT_GROUP.body(call.json_object())
        present = self._all.find(call)
        location = self._all.location(call, body, present)
        check_tags(body)
        model = {"proximityPlacementGroupType": "Standard", **body.get("properties", {})}
        check_zones(_TYPE, call.parameters["proximityPlacementGroupName"], body.get("zones"), location)
        if len(body.get("zones", ())) > 1:
            raise invalid_parameter("zones", "A proximity placement group can be in one zone only.")
        if "zones" in body and "intent" not in model:
            message = "A zone can be given only together with an intent (vmSizes)."
            raise invalid_parameter("zones", message)
        if present is not None:
            return Reply(200, self._change(present, body, model))
        made = self._all.new(ProximityPlacementGroup, call, location, {**body, "properties": model})
        self._all.enter(call, made)
        return Reply(201, _json(made))

    def _change(self, present: ProximityPlacementGroup, body: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
        kind = "proximityPlacementGroupType"
        refuse_change(kind, present.model[kind], model[kind])
        if not present.empty:
            refuse_change("zones", present.zones, body.get("zones"))
        present.top = {**present.top, **top(body)}
        present.model = {**present.model, **model}
        return _json(present)

    def patch(self, call: Call) -> Reply:
        """Change the tags."""
        found = self._all.get(call)
        body = PROXIMITY_PLACEMENT_GROUP.body(call.json_object())
        check_tags(body)
        if "tags" in body:
            found.top = {**found.top, "tags": body["tags"]}
        return Reply(200, _json(found))

    def get(self, call: Call) -> Reply:
        """One group; with `includeColocationStatus=true` whether its members are together."""
        status = call.query.get("includeColocationStatus", "").lower() == "true"
        return Reply(200, _json(self._all.get(call), status))

    def delete(self, call: Call) -> Reply:
        """Delete a group that nothing names. The OpenAPI file knows no 204: where there is none, 404."""
        found = self._all.get(call)
        if not found.empty:
            # That it cannot be deleted is documented ("Proximity placement groups"), code and text are not.
            message = f"Proximity placement group '{found.name}' cannot be deleted: there are resources in it."
            raise Refusal(409, "OperationNotAllowed", message)
        del self._all.group(call).proximity_groups[found.name.lower()]
        return Reply(200)

    def list_group(self, call: Call) -> Reply:
        """The groups of a resource group."""
        return self._all.list_group(call, _json)

    def list_all(self, call: Call) -> Reply:
        """The groups of a subscription."""
        return self._all.list_all(call, _json)


def _json(found: ProximityPlacementGroup, status: bool = False) -> dict[str, Any]:
    properties = dict(found.model)
    for key, members in (
        ("virtualMachines", found.vms),
        ("virtualMachineScaleSets", found.scale_sets),
        ("availabilitySets", found.availability_sets),
    ):
        if members:
            properties[key] = [
                {"id": item.id, **({"colocationStatus": _ALIGNED} if status else {})} for item in members.values()
            ]
    if status:
        properties["colocationStatus"] = _ALIGNED
    return shown(found, _TYPE, properties)


# Here the VMs of a group are together always. The state Aligned is that of "Proximity placement groups", section on colocation
# status; the form of the code is that of other states, and has no source.
_ALIGNED = {"code": "ColocationStatus/Aligned", "level": "Info", "displayStatus": "Aligned"}
