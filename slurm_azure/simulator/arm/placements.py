"""What the requests on scale sets, proximity placement groups, capacity reservations and availability sets have in common."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal, invalid_parameter, resource_not_found
from slurm_azure.simulator.resource_id import COMPUTE, location_name, resource_id
from slurm_azure.simulator.world.placement_resources import Placement
from slurm_azure.simulator.world.vm_factory import check_location
from slurm_azure.simulator.world.vm_request import read_tags
from slurm_azure.simulator.world.world import ResourceGroup, World

P = TypeVar("P", bound=Placement)

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,78}[A-Za-z0-9_])?")


class Collection:
    """The resources of one kind. `kind` is their type after Microsoft.Compute/, `parameter` what paths call the name, and
    `of` tells where a resource group keeps them."""

    def __init__(
        self, world: World, kind: str, parameter: str, of: Callable[[ResourceGroup], dict[str, Any]], page_size: int
    ) -> None:
        self._world = world
        self._kind = kind
        self._parameter = parameter
        self._of = of
        self._page_size = page_size

    def group(self, call: Call) -> ResourceGroup:
        """The resource group that is asked for; raises Refusal (404)."""
        return self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])

    def find(self, call: Call) -> Any:
        """The resource that is asked for; None if it is not there."""
        return self._of(self.group(call)).get(call.parameters[self._parameter].lower())

    def get(self, call: Call) -> Any:
        """The resource that is asked for; raises Refusal (404)."""
        found = self.find(call)
        if found is None:
            raise resource_not_found(f"Microsoft.Compute/{self._kind}", call.parameters[self._parameter], self.group(call).name)
        return found

    def location(self, call: Call, body: Mapping[str, Any], present: Placement | None) -> str:
        """The location of a resource that is put; raises Refusal (400, or 409 where it is already somewhere else)."""
        if not body.get("location"):
            raise Refusal(400, "LocationRequired", "The location property is required for this definition.")
        location = location_name(body["location"])
        check_location(self._world, location, self._kind)
        if present is not None and present.location != location:
            raise Refusal(
                409,
                "InvalidResourceLocation",
                f"The resource '{present.name}' already exists in location '{present.location}' in resource group "
                f"'{self.group(call).name}'. A resource with the same name cannot be created in location '{location}'. "
                "Please select a new resource name.",
            )
        return location

    def name(self, call: Call) -> str:
        """The name that a new resource is given; raises Refusal (400) if it is none ("Naming rules and restrictions")."""
        name = call.parameters[self._parameter]
        if not _NAME.fullmatch(name):
            raise invalid_parameter(self._parameter, f"The value of parameter {self._parameter} is invalid: '{name}'.")
        return name

    def new(self, make: Callable[..., P], call: Call, location: str, body: Mapping[str, Any], **more: Any) -> P:
        """A resource that is not yet among the others: see `enter`; raises Refusal (400) for its name."""
        group, name = self.group(call), self.name(call)
        return make(
            sequence=self._world.next_sequence(),
            id=resource_id(group.subscription, group.name, COMPUTE, self._kind, name),
            name=name,
            location=location,
            created=self._world.clock.now(),
            top=top(body),
            model=body.get("properties", {}),
            **more,
        )

    def enter(self, call: Call, made: Placement) -> None:
        """Put a new resource among the others of its group."""
        self._of(self.group(call))[made.name.lower()] = made

    def list_group(self, call: Call, show: Callable[[Any], Any]) -> Reply:
        """Those of a resource group."""
        return self._page(call, self._of(self.group(call)).values(), show)

    def list_all(self, call: Call, show: Callable[[Any], Any], fits: Callable[[Any], bool] = lambda item: True) -> Reply:
        """Those of a subscription."""
        groups = self._world.groups_of(call.parameters["subscriptionId"])
        found = [item for group in groups for item in self._of(group).values() if fits(item)]
        return self._page(call, sorted(found, key=lambda item: item.sequence), show)

    def _page(self, call: Call, items: Iterable[Any], show: Callable[[Any], Any]) -> Reply:
        return page(call, items, lambda item: item.sequence, show, self._page_size)


def check_tags(body: Mapping[str, Any]) -> None:
    """Raises Refusal (400) for tags that are too many or too long."""
    read_tags(body)


def refuse_change(parameter: str, old: Any, new: Any) -> None:
    """Raises Refusal (409 PropertyChangeNotAllowed) where a value that cannot change is given another one."""
    if new is not None and new != old:
        raise Refusal(409, "PropertyChangeNotAllowed", f"Changing property '{parameter}' is not allowed.", parameter)


def references(placements: Iterable[Any]) -> list[dict[str, str]]:
    """The ids of VMs or other resources, as lists of sub-resources show them."""
    return [{"id": item.id} for item in placements]


def shown(placement: Placement, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    """A resource as Azure Resource Manager shows it."""
    return {
        "name": placement.name,
        "id": placement.id,
        "type": f"Microsoft.Compute/{kind}",
        "location": placement.location,
        **placement.top,
        "properties": properties,
    }


def expanded(call: Call, allowed: tuple[str, ...]) -> str:
    """The value of `$expand` in its documented spelling, '' for none; raises Refusal (400) for another one."""
    given = call.query.get("$expand", "")
    for value in allowed:
        if value.lower() == given.lower().replace("\\", "/"):
            return value
    if given:
        raise invalid_parameter("$expand", f"The value of parameter $expand is invalid: '{given}'.")
    return ""


def top(body: Mapping[str, Any]) -> dict[str, Any]:
    """What stands beside `properties` and is shown as it came."""
    return {key: value for key, value in body.items() if key not in ("location", "properties")}
