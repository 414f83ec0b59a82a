"""Microsoft.Compute/virtualMachineScaleSets in orchestration mode Flexible, whose VMs are made one by one
(OpenAPI: virtualMachineScaleSet.json; "Orchestration modes for Virtual Machine Scale Sets").

Scale sets that make instances by themselves (sku.capacity above 0, in either mode) are not simulated.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from slurm_azure.simulator.arm import asynchronous
from slurm_azure.simulator.arm.placements import Collection, check_tags, expanded, refuse_change, shown, top
from slurm_azure.simulator.arm.preconditions import check_conditions
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.clock import timestamp
from slurm_azure.simulator.refusal import Refusal, invalid_parameter, malformed, not_simulated
from slurm_azure.simulator.resource_id import COMPUTE, location_name
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world import placement
from slurm_azure.simulator.world.endings import Endings
from slurm_azure.simulator.world.operations import Operation
from slurm_azure.simulator.world.placement_resources import ScaleSet
from slurm_azure.simulator.world.placement_shapes import SCALE_SET
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.vm_request import check_zones
from slurm_azure.simulator.world.world import World

_TYPE = "virtualMachineScaleSets"
_KIND = f"Microsoft.Compute/{_TYPE}"
_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + _KIND
_ONE = _GROUP + "/{vmScaleSetName}"
_ALL = "/subscriptions/{subscriptionId}/providers/" + _KIND
_BY_LOCATION = "/subscriptions/{subscriptionId}/providers/Microsoft.Compute/locations/{location}/" + _TYPE
_FIXED = ("orchestrationMode", "platformFaultDomainCount", "singlePlacementGroup")
_HIDDEN = ("customData", "adminPassword")
_READY = [{"code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded"}]
_FILTER = re.compile(r"\s*'?virtualMachineScaleSet/id'?\s+eq\s+'?(?P<id>/[^']+?)'?\s*", re.IGNORECASE)


class ScaleSets:
    """Answers the requests on scale sets. `retry_after` as everywhere (seconds)."""

    def __init__(self, world: World, page_size: int, provisioning: Provisioning, retry_after: int, endings: Endings) -> None:
        self._world = world
        self._provisioning = provisioning
        self._retry_after = retry_after
        self._endings = endings
        self._all = Collection(world, _TYPE, "vmScaleSetName", lambda group: group.scale_sets, page_size)

    def routes(self) -> list[Route]:
        """The operations."""
        read, write = f"{_KIND}/read", f"{_KIND}/write"
        view = f"{_KIND}/instanceView/read"
        return [
            Route("PUT", _ONE, "VirtualMachineScaleSets_CreateOrUpdate", write, self.put),
            Route("PATCH", _ONE, "VirtualMachineScaleSets_Update", write, self.patch),
            Route("GET", _ONE, "VirtualMachineScaleSets_Get", read, self.get),
            Route("DELETE", _ONE, "VirtualMachineScaleSets_Delete", f"{_KIND}/delete", self.delete),
            Route("GET", _ONE + "/instanceView", "VirtualMachineScaleSets_GetInstanceView", view, self.view),
            Route("GET", _GROUP, "VirtualMachineScaleSets_List", read, self.list_group),
            Route("GET", _ALL, "VirtualMachineScaleSets_ListAll", read, self.list_all),
            Route("GET", _BY_LOCATION, "VirtualMachineScaleSets_ListByLocation", read, self.list_location),
        ]

    def put(self, call: Call) -> Reply:
        """Create (201) or update (200); asynchronous, and over at once."""
        present: ScaleSet | None = self._all.find(call)
        check_conditions(call, present)
        body = SCALE_SET.body(call.json_object())
        location = self._all.location(call, body, present)
        check_tags(body)
        check_zones(_TYPE, call.parameters["vmScaleSetName"], body.get("zones"), location)
        if present is not None:
            self._change(present, body)
            return self._begun(call, present, 200, _json(present))
        model = body.get("properties", {})
        _check(body, model)
        made = self._all.new(ScaleSet, call, location, body, unique_id=self._world.new_uuid())
        self._enter_group(made)
        self._all.enter(call, made)
        return self._begun(call, made, 201, _json(made, state="Creating"))

    def _enter_group(self, found: ScaleSet) -> None:
        if "proximityPlacementGroup" not in found.model:
            return
        identity = found.model["proximityPlacementGroup"].get("id", "")
        group = placement.proximity_group(self._world, identity)
        if group is None:
            raise Refusal(404, "NotFound", f"The Proximity Placement Group '{identity}' cannot be found.")
        group.scale_sets[found.id.lower()] = found
        found.model = {**found.model, "proximityPlacementGroup": {"id": group.id}}

    def _begun(self, call: Call, found: ScaleSet, status: int, body: dict[str, Any]) -> Reply:
        def ended(state: str) -> None:
            found.state = state

        found.state = "Creating" if status == 201 else "Updating"
        operation = self._endings.begin(
            "VirtualMachineScaleSets_CreateOrUpdate",
            found.id,
            found.location,
            lambda: ended("Succeeded"),
            lambda: ended("Failed"),
        )
        headers = asynchronous.headers(call, operation, self._retry_after, location=False, provider=COMPUTE)
        return Reply(status, body, headers)

    def _change(self, present: ScaleSet, body: dict[str, Any]) -> None:
        _refuse_deleting(present)
        model = body.get("properties", {})
        for key in _FIXED:
            refuse_change(key, _defaults(present.model)[key], model.get(key))
        if "zones" in body and present.vms:
            refuse_change("zones", present.zones, body["zones"])
        refuse_change(
            "proximityPlacementGroup", present.model.get("proximityPlacementGroup"), model.get("proximityPlacementGroup")
        )
        merged = {**present.model, **model}
        _check(body, merged)
        present.top = {**present.top, **top(body)}
        present.model = merged
        present.version += 1

    def patch(self, call: Call) -> Reply:
        """Change tags, and what of the properties may change."""
        found: ScaleSet = self._all.get(call)
        check_conditions(call, found)
        body = SCALE_SET.body(call.json_object())
        check_tags(body)
        self._change(found, body)
        return Reply(200, _json(found))

    def get(self, call: Call) -> Reply:
        """One scale set; with `$expand=userData` its profile's userData."""
        user_data = expanded(call, ("userData",)) == "userData"
        return Reply(200, _json(self._all.get(call), user_data=user_data))

    def view(self, call: Call) -> Reply:
        """How many VMs are in which state."""
        found: ScaleSet = self._all.get(call)
        counts = Counter(f"ProvisioningState/{vm.provisioning.lower()}" for vm in found.vms.values())
        counts.update(f"PowerState/{vm.power}" for vm in found.vms.values() if vm.power is not None)
        summary = [{"code": code, "count": count} for code, count in sorted(counts.items())]
        return Reply(200, {"virtualMachine": {"statusesSummary": summary}, "statuses": _READY})

    def delete(self, call: Call) -> Reply:
        """Delete (202); 204 if there is none. With VMs in it only with `forceDeletion=true`, and with them then.

        The OpenAPI file says no more than "force delete a VM scale set"; that an orchestrated set with VMs is deleted only so
        is what Terraform's azurerm provider relies on.
        """
        found: ScaleSet | None = self._all.find(call)
        if found is None:
            return Reply(204)
        force = call.query.get("forceDeletion", "").lower() == "true"
        if found.vms and not force:
            message = f"Virtual Machine Scale Set '{found.name}' cannot be deleted: there are virtual machines in it."
            raise Refusal(409, "OperationNotAllowed", message)
        operation = found.deleting or self._delete(found, force)
        return Reply(202, None, asynchronous.headers(call, operation, self._retry_after, location=True, provider=COMPUTE))

    def _delete(self, found: ScaleSet, force: bool) -> Operation:
        """Begin to delete a scale set with its VMs, unless a fault lets that fail: then nothing of it is touched."""
        kind = "VirtualMachineScaleSets_Delete"

        def failed() -> None:
            found.deleting, found.state = None, "Failed"

        refused = self._endings.failing(kind, found.id, found.location, failed)
        found.deleting = refused if refused is not None and refused.ended is None else None
        if refused is not None:
            return refused
        found.deleting = operation = self._world.operations.begin(found.id.split("/")[2], found.location, kind, found.id)
        for vm in list(found.vms.values()):
            self._provisioning.delete(vm, force)
        placement.drop_if_empty(self._world, found)
        return operation

    def list_group(self, call: Call) -> Reply:
        """The scale sets of a resource group."""
        return self._all.list_group(call, _json)

    def list_all(self, call: Call) -> Reply:
        """The scale sets of a subscription."""
        return self._all.list_all(call, _json)

    def list_location(self, call: Call) -> Reply:
        """The scale sets of a subscription in one region."""
        wanted = location_name(call.parameters["location"])
        return self._all.list_all(call, _json, lambda found: found.location == wanted)


def filtered(world: World, text: str) -> ScaleSet:
    """The scale set that the `$filter` of a list of VMs names. Forms: 'virtualMachineScaleSet/id' eq '<id>', and the same
    with fewer quotes: the OpenAPI file and the SDK's documentation differ. Raises Refusal (400, 404)."""
    match = _FILTER.fullmatch(text)
    if match is None:
        raise invalid_parameter("$filter", f"The value of parameter $filter is invalid: '{text}'.")
    found = placement.scale_set(world, match["id"])
    if found is None:
        raise Refusal(404, "NotFound", f"The Virtual Machine Scale Set '{match['id']}' cannot be found.")
    return found


def _refuse_deleting(found: ScaleSet) -> None:
    """Text: microsoft/onefuzz 511."""
    if found.deleting is not None:
        raise Refusal(
            409,
            "OperationNotAllowed",
            f"Operation 'Update Virtual Machine Scale Set' is not allowed on Virtual Machine Scale Set '{found.name}' since it "
            "is marked for deletion. For more information on your operations, please refer to https://aka.ms/activitylog.",
        )


def _check(body: dict[str, Any], model: dict[str, Any]) -> None:
    """What a scale set may be; raises Refusal (400, or 501 for what is not simulated)."""
    if body.get("sku", {}).get("capacity", 0) > 0:
        raise not_simulated("A virtual machine scale set that makes instances by itself (sku.capacity above 0)")
    if "hostGroup" in model:
        raise not_simulated("properties.hostGroup")
    profile = model.get("virtualMachineProfile", {})
    if not isinstance(profile, dict):
        raise malformed("Error converting value: an object is expected. Path 'properties.virtualMachineProfile'")
    if model.get("orchestrationMode") == "Flexible" and model.get("singlePlacementGroup"):
        message = "singlePlacementGroup has to be false for a virtual machine scale set in orchestration mode Flexible."
        raise invalid_parameter("singlePlacementGroup", message)


def _defaults(model: dict[str, Any]) -> dict[str, Any]:
    """The properties with what holds where they say nothing."""
    flexible = model.get("orchestrationMode") == "Flexible"
    count = 1 if flexible else 5
    found = {"singlePlacementGroup": not flexible, "platformFaultDomainCount": count, **model}
    found.setdefault("orchestrationMode", "Uniform")
    return found


def _json(found: ScaleSet, state: str = "", user_data: bool = False) -> dict[str, Any]:
    properties = {
        **_defaults(found.model),
        "provisioningState": "Deleting" if found.deleting is not None else state or found.state,
        "uniqueId": found.unique_id,
        "timeCreated": timestamp(found.created),
    }
    profile = properties.get("virtualMachineProfile")
    if profile is not None:
        properties["virtualMachineProfile"] = _without_secrets(profile, user_data)
    return {**shown(found, _TYPE, properties), "etag": found.etag}


def _without_secrets(profile: dict[str, Any], user_data: bool) -> dict[str, Any]:
    found = {key: value for key, value in profile.items() if key != "userData" or user_data}
    system = found.get("osProfile")
    if isinstance(system, dict):
        found["osProfile"] = {key: value for key, value in system.items() if key not in _HIDDEN}
    extensions = found.get("extensionProfile")
    if isinstance(extensions, dict):
        found["extensionProfile"] = _unprotected(extensions)
    return found


def _unprotected(value: Any) -> Any:
    """Extensions without their protectedSettings."""
    if isinstance(value, dict):
        return {key: _unprotected(item) for key, item in value.items() if key != "protectedSettings"}
    return [_unprotected(item) for item in value] if isinstance(value, list) else value
