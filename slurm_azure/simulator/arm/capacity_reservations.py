"""Microsoft.Compute/capacityReservationGroups and the capacityReservations in them (OpenAPI: capacityReservation.json).

What may be done when: "On-demand capacity reservation", "Modify a capacity reservation", "Overallocate a capacity reservation"
(Microsoft Learn). More VMs than a reservation has room for may be associated with it; the rest has no guarantee.
What a reservation takes of quota and hosts: world/reserved.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from slurm_azure.simulator.arm import asynchronous
from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.arm.placements import Collection, check_tags, expanded, references, refuse_change, shown, top
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.clock import timestamp
from slurm_azure.simulator.refusal import Refusal, invalid_parameter, missing_parameter, resource_not_found
from slurm_azure.simulator.resource_id import COMPUTE
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world import reserved
from slurm_azure.simulator.world.endings import Endings
from slurm_azure.simulator.world.placement_resources import CapacityReservation, CapacityReservationGroup
from slurm_azure.simulator.world.placement_shapes import CAPACITY_RESERVATION, CAPACITY_RESERVATION_GROUP
from slurm_azure.simulator.world.skus import Skus
from slurm_azure.simulator.world.vm_request import check_zones
from slurm_azure.simulator.world.world import World

_TYPE, _INNER = "capacityReservationGroups", "capacityReservations"
_KIND = f"Microsoft.Compute/{_TYPE}"
_GROUP = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + _KIND
_ONE = _GROUP + "/{capacityReservationGroupName}"
_RESERVATIONS = _ONE + f"/{_INNER}"
_RESERVATION = _RESERVATIONS + "/{capacityReservationName}"
_FAULT_DOMAINS = 3  # platformFaultDomainCount in all of Microsoft's examples
_ALLOCATED = ("starting", "running", "stopping", "stopped")
_EXPAND = ("virtualMachines/$ref", "virtualMachineScaleSetVMs/$ref")


class CapacityReservations:
    """Answers the requests on capacity reservation groups and capacity reservations. `retry_after` as everywhere (seconds)."""

    def __init__(self, world: World, page_size: int, endings: Endings, retry_after: int = 0) -> None:
        self._world = world
        self._endings = endings
        self._page_size = page_size
        self._retry_after = retry_after
        self._all = Collection(world, _TYPE, "capacityReservationGroupName", lambda group: group.reservation_groups, page_size)

    def routes(self) -> list[Route]:
        """The operations."""
        everywhere = "/subscriptions/{subscriptionId}/providers/" + _KIND
        read, inner = f"{_KIND}/read", f"{_KIND}/{_INNER}"
        return [
            Route("PUT", _ONE, "CapacityReservationGroups_CreateOrUpdate", f"{_KIND}/write", self.put_group),
            Route("PATCH", _ONE, "CapacityReservationGroups_Update", f"{_KIND}/write", self.patch_group),
            Route("GET", _ONE, "CapacityReservationGroups_Get", read, self.get_group),
            Route("DELETE", _ONE, "CapacityReservationGroups_Delete", f"{_KIND}/delete", self.delete_group),
            Route("GET", _GROUP, "CapacityReservationGroups_ListByResourceGroup", read, self.list_group),
            Route("GET", everywhere, "CapacityReservationGroups_ListBySubscription", read, self.list_all),
            Route("PUT", _RESERVATION, "CapacityReservations_CreateOrUpdate", f"{inner}/write", self.put),
            Route("PATCH", _RESERVATION, "CapacityReservations_Update", f"{inner}/write", self.patch),
            Route("GET", _RESERVATION, "CapacityReservations_Get", f"{inner}/read", self.get),
            Route("DELETE", _RESERVATION, "CapacityReservations_Delete", f"{inner}/delete", self.delete),
            Route(
                "GET",
                _RESERVATIONS,
                "CapacityReservations_ListByCapacityReservationGroup",
                f"{inner}/read",
                self.list_reservations,
            ),
        ]

    # Groups

    def put_group(self, call: Call) -> Reply:
        """Create (201) or update (200)."""
        body = CAPACITY_RESERVATION_GROUP.body(call.json_object())
        present = self._all.find(call)
        location = self._all.location(call, body, present)
        check_tags(body)
        check_zones(_TYPE, call.parameters["capacityReservationGroupName"], body.get("zones"), location)
        if present is not None:
            return Reply(200, self._change_group(present, body))
        made = self._all.new(CapacityReservationGroup, call, location, body)
        self._all.enter(call, made)
        return Reply(201, _group_json(made))

    def _change_group(self, present: CapacityReservationGroup, body: dict[str, Any]) -> dict[str, Any]:
        if "zones" in body:
            refuse_change("zones", present.zones, body["zones"])
        properties = body.get("properties", {})
        kind = "reservationType"
        refuse_change(kind, present.model.get(kind), properties.get(kind))
        present.top = {**present.top, **top(body)}
        present.model = {**present.model, **properties}
        return _group_json(present)

    def patch_group(self, call: Call) -> Reply:
        """Change tags and with whom the group is shared."""
        found = self._all.get(call)
        body = CAPACITY_RESERVATION_GROUP.body(call.json_object())
        check_tags(body)
        return Reply(200, self._change_group(found, body))

    def get_group(self, call: Call) -> Reply:
        """One group; with `$expand=instanceView` how full its reservations are."""
        view = expanded(call, ("instanceView",)) == "instanceView"
        return Reply(200, _group_json(self._all.get(call), view))

    def delete_group(self, call: Call) -> Reply:
        """Delete an empty group (200); 204 if there is none. Code and text for one that is not empty are Azure Resource
        Manager's for all nested resources (DefangLabs/pulumi-defang 245, azure-rest-api-specs 18767)."""
        found = self._all.find(call)
        if found is None:
            return Reply(204)
        if found.reservations:
            first = next(iter(found.reservations.values()))
            raise Refusal(
                409,
                "CannotDeleteResource",
                "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: "
                f"'{_KIND}/{found.name}/{_INNER}/{first.name}'. Please delete all nested resources before deleting "
                "this resource.",
            )
        del self._all.group(call).reservation_groups[found.name.lower()]
        return Reply(200)

    def list_group(self, call: Call) -> Reply:
        """The groups of a resource group; with `$expand=virtualMachines/$ref` the VMs that are associated."""
        expanded(call, _EXPAND)
        return self._all.list_group(call, _group_json)

    def list_all(self, call: Call) -> Reply:
        """The groups of a subscription; `resourceIdsOnly` shows no more than where they are, and which (nobody here shares
        groups with another subscription)."""
        expanded(call, _EXPAND)
        only = call.query.get("resourceIdsOnly")
        if only is None:
            return self._all.list_all(call, _group_json)
        kinds = {"createdinsubscription": True, "sharedwithsubscription": False, "all": True}
        if only.lower() not in kinds:
            raise invalid_parameter("resourceIdsOnly", f"The value of parameter resourceIdsOnly is invalid: '{only}'.")
        own = kinds[only.lower()]
        return self._all.list_all(call, lambda group: shown_briefly(group), lambda group: own)

    # Reservations

    def put(self, call: Call) -> Reply:
        """Create (201) or update (200); asynchronous, and over at once. Quota is refused at once, for want of hosts the
        operation fails."""
        group = self._all.get(call)
        body = CAPACITY_RESERVATION.body(call.json_object())
        name = call.parameters["capacityReservationName"]
        present = group.reservations.get(name.lower())
        location = self._all.location(call, body, present)
        check_tags(body)
        _check(self._world.skus, group, name, body, location)
        if present is not None:
            return self._change(call, present, body)
        same_kind = group.matching(body["sku"]["name"], body.get("zones", []))
        if same_kind is not None:
            message = f"Capacity reservation '{same_kind.name}' has the same VM size and zone."
            raise Refusal(409, "OperationNotAllowed", message)
        made = self._make(group, name, location, body)
        failure = reserved.reserve(self._world, made, made.capacity)
        group.reservations[name.lower()] = made
        shown_now = _json(made)
        return self._begun(call, made, 201, shown_now, lambda: reserved.release(self._world, made), failure)

    def _make(self, group: CapacityReservationGroup, name: str, location: str, body: dict[str, Any]) -> CapacityReservation:
        now = self._world.clock.now()
        return CapacityReservation(
            sequence=self._world.next_sequence(),
            id=f"{group.id}/{_INNER}/{name}",
            name=name,
            location=location,
            created=now,
            top=top({**body, "sku": {"capacity": 0, **body["sku"]}}),
            model=body.get("properties", {}),
            reservation_id=self._world.new_uuid(),
            provisioned=now,
        )

    def _begun(
        self,
        call: Call,
        found: CapacityReservation,
        status: int,
        body: dict[str, Any],
        undo: Callable[[], None],
        failure: tuple[str, str] | None,
    ) -> Reply:
        def failed() -> None:
            undo()
            _ended(found, "Failed")

        found.state = "Creating" if status == 201 else "Updating"
        kind = f"CapacityReservations_{'Update' if call.method == 'PATCH' else 'CreateOrUpdate'}"
        succeeded = partial(_ended, found, "Succeeded")
        operation = self._endings.begin(kind, found.id, found.location, succeeded, failed, failure)
        headers = asynchronous.headers(call, operation, self._retry_after, location=False, provider=COMPUTE)
        return Reply(status, body, headers)

    def _change(self, call: Call, present: CapacityReservation, body: dict[str, Any]) -> Reply:
        """Of a reservation only the number of VMs, the tags and with them nothing else can change."""
        sku = body.get("sku", {})
        if sku.get("name", present.size).lower() != present.size.lower():
            refuse_change("sku.name", present.size, sku["name"])
        if "zones" in body:
            refuse_change("zones", present.zones, body["zones"])
        before, old = present.reserved, dict(present.top["sku"])
        number = int(sku.get("capacity", present.capacity))
        failure = reserved.reserve(self._world, present, number)
        if number != present.capacity:
            present.provisioned = self._world.clock.now()
        present.top = {**present.top, **top(body), "sku": {**old, **sku, "name": present.size}}

        def undo() -> None:
            """What was there stays: "succeeds or fails in its entirety" (Create a capacity reservation)."""
            reserved.reserve(self._world, present, before)
            present.top = {**present.top, "sku": old}

        shown_now = {**_json(present)}
        shown_now["properties"] = {**shown_now["properties"], "provisioningState": "Updating" if failure else "Succeeded"}
        return self._begun(call, present, 200, shown_now, undo, failure)

    def patch(self, call: Call) -> Reply:
        """Change tags and the number of VMs."""
        found = self._find(call)
        body = CAPACITY_RESERVATION.body(call.json_object())
        check_tags(body)
        return self._change(call, found, body)

    def get(self, call: Call) -> Reply:
        """One reservation; with `$expand=instanceView` how full it is."""
        view = expanded(call, ("instanceView",)) == "instanceView"
        return Reply(200, _json(self._find(call), view))

    def delete(self, call: Call) -> Reply:
        """Delete a reservation with which no VM is associated (202); 204 if there is none. That VMs have to be disassociated
        first is documented (CapacityReservations_Delete), code and text are not."""
        group = self._all.find(call)
        found = group.reservations.get(call.parameters["capacityReservationName"].lower()) if group else None
        if group is None or found is None:
            return Reply(204)
        if found.vms:
            message = f"Capacity reservation '{found.name}' cannot be deleted: there are virtual machines associated with it."
            raise Refusal(409, "OperationNotAllowed", message)
        found.state = "Deleting"
        operation = self._endings.begin(
            "CapacityReservations_Delete",
            found.id,
            found.location,
            lambda: self._gone(group, found),
            lambda: _ended(found, "Failed"),
        )
        return Reply(202, None, asynchronous.headers(call, operation, self._retry_after, location=True, provider=COMPUTE))

    def _gone(self, group: CapacityReservationGroup, found: CapacityReservation) -> None:
        group.reservations.pop(found.name.lower(), None)
        reserved.release(self._world, found)

    def list_reservations(self, call: Call) -> Reply:
        """The reservations of a group."""
        expanded(call, _EXPAND)
        found = self._all.get(call).reservations.values()
        return page(call, found, lambda item: item.sequence, _json, self._page_size)

    def _find(self, call: Call) -> CapacityReservation:
        group: CapacityReservationGroup = self._all.get(call)
        name = call.parameters["capacityReservationName"]
        found = group.reservations.get(name.lower())
        if found is None:
            raise resource_not_found(f"{_KIND}/{_INNER}", f"{group.name}/{name}", self._all.group(call).name)
        return found


def _check(skus: Skus, group: CapacityReservationGroup, name: str, body: dict[str, Any], location: str) -> None:
    size = body.get("sku", {}).get("name")
    if not size:
        raise missing_parameter("sku.name")
    found = skus.find(size)
    if found is None or not skus.offers(found, location):
        raise invalid_parameter("sku.name", f"The requested VM size {size} is not available in the current region.")
    if location != group.location:
        message = f"Capacity reservation group '{group.name}' is in location '{group.location}'."
        raise invalid_parameter("location", message)
    zones = body.get("zones", [])
    check_zones(_INNER, name, zones, location)
    if len(zones) > 1:
        raise invalid_parameter("zones", "A capacity reservation can be in one zone only.")
    if bool(zones) != bool(group.zones) or not set(zones) <= set(group.zones):
        theirs = f"zones '{','.join(group.zones)}'" if group.zones else "no zone"
        message = f"Capacity reservation group '{group.name}' is in {theirs}: its reservations have to be there too."
        raise invalid_parameter("zones", message)


def shown_briefly(group: CapacityReservationGroup) -> dict[str, Any]:
    """A group as `resourceIdsOnly` lists it."""
    return {"id": group.id, "type": _KIND, "location": group.location}


def _group_json(group: CapacityReservationGroup, view: bool = False) -> dict[str, Any]:
    properties = dict(group.model)
    if group.reservations:
        properties["capacityReservations"] = references(group.reservations.values())
    if group.vms:
        properties["virtualMachinesAssociated"] = references(group.vms.values())
    if view:
        properties["instanceView"] = {
            "capacityReservations": [{"name": item.name, **_view(item)} for item in group.reservations.values()]
        }
        sharing = group.model.get("sharingProfile", {}).get("subscriptionIds")
        if sharing:
            properties["instanceView"]["sharedSubscriptionIds"] = sharing
    return shown(group, _TYPE, properties)


def _ended(found: CapacityReservation, state: str) -> None:
    found.state = state


def _json(found: CapacityReservation, view: bool = False) -> dict[str, Any]:
    properties = {
        **found.model,
        "reservationId": found.reservation_id,
        "platformFaultDomainCount": _FAULT_DOMAINS,
        "provisioningTime": timestamp(found.provisioned),
        "provisioningState": found.state,
        "timeCreated": timestamp(found.created),
    }
    if found.vms:
        properties["virtualMachinesAssociated"] = references(found.vms.values())
    if view:
        properties["instanceView"] = _view(found)
    return shown(found, f"{_TYPE}/{_INNER}", properties)


def _view(found: CapacityReservation) -> dict[str, Any]:
    """How full a reservation is: a VM takes room from when it gets a host until it is deallocated."""
    allocated = [vm for vm in found.vms.values() if vm.power in _ALLOCATED]
    return {
        "utilizationInfo": {"currentCapacity": found.reserved, "virtualMachinesAllocated": references(allocated)},
        "statuses": _statuses(found.state),
    }


def _statuses(state: str) -> list[dict[str, str]]:
    level = "Error" if state == "Failed" else "Info"
    return [{"code": f"ProvisioningState/{state.lower()}", "level": level, "displayStatus": f"Provisioning {state.lower()}"}]
