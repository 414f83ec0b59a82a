"""Microsoft.Compute/availabilitySets (OpenAPI: availabilitySet.json)."""

from __future__ import annotations

from typing import Any

from slurm_azure.simulator.arm.placements import Collection, check_tags, expanded, references, refuse_change, shown, top
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world import placement
from slurm_azure.simulator.world.placement_resources import AvailabilitySet
from slurm_azure.simulator.world.placement_shapes import AVAILABILITY_SET
from slurm_azure.simulator.world.world import World

_TYPE = "availabilitySets"
_KIND = f"Microsoft.Compute/{_TYPE}"
_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + _KIND
_ONE = _GROUP + "/{availabilitySetName}"


class AvailabilitySets:
    """Answers the requests on availability sets."""

    def __init__(self, world: World, page_size: int) -> None:
        self._world = world
        self._all = Collection(world, _TYPE, "availabilitySetName", lambda group: group.availability_sets, page_size)

    def routes(self) -> list[Route]:
        """The operations."""
        read, write = f"{_KIND}/read", f"{_KIND}/write"
        everywhere = "/subscriptions/{subscriptionId}/providers/" + _KIND
        return [
            Route("PUT", _ONE, "AvailabilitySets_CreateOrUpdate", write, self.put),
            Route("PATCH", _ONE, "AvailabilitySets_Update", write, self.patch),
            Route("GET", _ONE, "AvailabilitySets_Get", read, self.get),
            Route("DELETE", _ONE, "AvailabilitySets_Delete", f"{_KIND}/delete", self.delete),
            Route("GET", _GROUP, "AvailabilitySets_List", read, self.list_group),
            Route("GET", everywhere, "AvailabilitySets_ListBySubscription", read, self.list_all),
        ]

    def put(self, call: Call) -> Reply:
        """Create or update: 200 either way, as the OpenAPI file has it."""
        body = AVAILABILITY_SET.body(call.json_object())
        present = self._all.find(call)
        location = self._all.location(call, body, present)
        check_tags(body)
        model = body.get("properties", {})
        if present is not None:
            return Reply(200, self._change(present, body, model))
        made = self._all.new(AvailabilitySet, call, location, {"sku": {"name": "Classic"}, **body})
        made.model = {
            **model,
            "platformUpdateDomainCount": made.update_domains,
            "platformFaultDomainCount": made.fault_domains,
        }
        self._enter_group(made, model)
        self._all.enter(call, made)
        return Reply(200, _json(made))

    def _enter_group(self, found: AvailabilitySet, model: dict[str, Any]) -> None:
        if "proximityPlacementGroup" not in model:
            return
        identity = model["proximityPlacementGroup"].get("id", "")
        group = placement.proximity_group(self._world, identity)
        if group is None:
            raise Refusal(404, "NotFound", f"The Proximity Placement Group '{identity}' cannot be found.")
        group.availability_sets[found.id.lower()] = found
        found.model["proximityPlacementGroup"] = {"id": group.id}

    def _change(self, present: AvailabilitySet, body: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
        for key in ("platformFaultDomainCount", "platformUpdateDomainCount", "proximityPlacementGroup"):
            refuse_change(key, present.model.get(key), model.get(key))
        present.top = {**present.top, **top(body)}
        present.model = {**present.model, **model}
        return _json(present)

    def patch(self, call: Call) -> Reply:
        """Change tags, sku and what of the properties may change."""
        found = self._all.get(call)
        body = AVAILABILITY_SET.body(call.json_object())
        check_tags(body)
        return Reply(200, self._change(found, body, body.get("properties", {})))

    def get(self, call: Call) -> Reply:
        """One availability set."""
        return Reply(200, _json(self._all.get(call)))

    def delete(self, call: Call) -> Reply:
        """Delete a set without VMs; 204 if there is none."""
        found = self._all.find(call)
        if found is None:
            return Reply(204)
        if found.vms:
            # Documented only as a rule ("Availability sets overview"); the words follow those of other refusals.
            message = f"Availability Set '{found.name}' cannot be deleted. There are virtual machines in it."
            raise Refusal(409, "OperationNotAllowed", message)
        del self._all.group(call).availability_sets[found.name.lower()]
        group = placement.proximity_group(self._world, found.model.get("proximityPlacementGroup", {}).get("id", ""))
        if group is not None:
            group.availability_sets.pop(found.id.lower(), None)
        return Reply(200)

    def list_group(self, call: Call) -> Reply:
        """The sets of a resource group."""
        return self._all.list_group(call, _json)

    def list_all(self, call: Call) -> Reply:
        """The sets of a subscription; `$expand=virtualMachines/$ref` adds nothing, VMs are shown anyway."""
        expanded(call, ("virtualMachines/$ref",))
        return self._all.list_all(call, _json)


def _json(found: AvailabilitySet) -> dict[str, Any]:
    properties = dict(found.model)
    if found.vms:
        properties["virtualMachines"] = references(found.vms.values())
    return shown(found, _TYPE, properties)
