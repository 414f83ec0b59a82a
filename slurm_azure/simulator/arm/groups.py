"""Microsoft.Resources: resource groups, and lists of resources of all types (OpenAPI file resources.json of 2024-07-01).

InvalidResourceGroupLocation: text as in Azure/azure-cli issue 23043; those of the other refusals are from memory.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from slurm_azure.simulator.arm import filters
from slurm_azure.simulator.arm.paging import page
from slurm_azure.simulator.authorization import Authorization
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal, malformed
from slurm_azure.simulator.resource_id import location_name
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.demolition import Demolition
from slurm_azure.simulator.world.inventory import Resource, resources
from slurm_azure.simulator.world.members import member, text, without_nulls
from slurm_azure.simulator.world.operations import IN_PROGRESS, SUCCEEDED
from slurm_azure.simulator.world.regions import all_regions
from slurm_azure.simulator.world.world import ResourceGroup, World

_SUBSCRIPTION = "/subscriptions/{subscriptionId}"
_GROUPS = _SUBSCRIPTION + "/resourcegroups"
_ONE = _GROUPS + "/{resourceGroupName}"
_KIND = "Microsoft.Resources/subscriptions/resourceGroups"
_NAME = re.compile(r"[\w().-]{0,89}[\w()-]")  # "Naming rules and restrictions for Azure resources"
_COMPARED = {"resourcetype": "type", "name": "name", "location": "location"}


class Groups:
    """Answers the requests on resource groups and on resources in general."""

    def __init__(
        self, world: World, authorization: Authorization, demolition: Demolition, page_size: int, retry_after: int
    ) -> None:
        self._world = world
        self._authorization = authorization
        self._demolition = demolition
        self._page_size = page_size
        self._retry_after = retry_after

    def routes(self) -> list[Route]:
        """The operations. The list of groups shows those that the caller has a role in, and needs no right of its own."""
        results = _SUBSCRIPTION + "/operationresults/{operationId}"
        read = "Microsoft.Resources/subscriptions/resources/read"
        return [
            Route("GET", _GROUPS, "ResourceGroups_List", "", self.list_groups),
            Route("GET", _ONE, "ResourceGroups_Get", f"{_KIND}/read", self.get),
            Route("HEAD", _ONE, "ResourceGroups_CheckExistence", f"{_KIND}/read", self.exists),
            Route("PUT", _ONE, "ResourceGroups_CreateOrUpdate", f"{_KIND}/write", self.put),
            Route("PATCH", _ONE, "ResourceGroups_Update", f"{_KIND}/write", self.patch),
            Route("DELETE", _ONE, "ResourceGroups_Delete", f"{_KIND}/delete", self.delete),
            Route("GET", results, "ResourceGroups_DeleteResult", "", self.result),
            Route("GET", _ONE + "/resources", "Resources_ListByResourceGroup", f"{_KIND}/resources/read", self.list_in_group),
            Route("GET", _SUBSCRIPTION + "/resources", "Resources_List", read, self.list_all),
        ]

    def list_groups(self, call: Call) -> Reply:
        """The resource groups of a subscription in which the caller has any role; `$filter` by tagName and tagValue."""
        principal = call.principal
        assert principal is not None
        wanted = filters.parse(call.query.get("$filter"))
        seen = [
            group
            for group in self._world.groups_of(call.parameters["subscriptionId"])
            if self._authorization.sees(principal, group.id)
            and filters.fits(wanted, lambda clause, group=group: _tagged(group.tags, clause))  # type: ignore[misc]
        ]
        return self._page(call, [group_json(group) for group in seen])

    def get(self, call: Call) -> Reply:
        """One resource group."""
        return Reply(200, group_json(self._group(call)))

    def exists(self, call: Call) -> Reply:
        """204 if the resource group is there, 404 without a body if not (the OpenAPI file)."""
        key = (call.parameters["subscriptionId"].lower(), call.parameters["resourceGroupName"].lower())
        return Reply(204 if key in self._world.groups else 404)

    def put(self, call: Call) -> Reply:
        """Make (201) or change (200) a resource group."""
        subscription = self._world.subscription(call.parameters["subscriptionId"])
        name = call.parameters["resourceGroupName"]
        if not _NAME.fullmatch(name):
            message = (
                f"The provided resource group name '{name}' has invalid characters, ends with a period or is longer than 90. "
                "The name can only be a letter, digit, '-', '.', '(', ')' or '_'."
            )
            raise Refusal(400, "InvalidResourceGroupName", message)
        body = without_nulls(call.json_object())
        written = text(body, "location", "location")
        if written is None:
            raise Refusal(400, "LocationRequired", "The location property is required for this definition.")
        location = location_name(written)
        key = (subscription.id.lower(), name.lower())
        known = self._world.groups.get(key)
        self._check_location(location, written, known)
        group = known or ResourceGroup(subscription.id, name, location)
        group.tags, group.managed_by = _tags(body), text(body, "managedBy", "managedBy")
        self._world.groups[key] = group
        return Reply(201 if known is None else 200, group_json(group))

    def _check_location(self, location: str, written: str, known: ResourceGroup | None) -> None:
        if known is not None and location != location_name(known.location):
            message = (
                f"Invalid resource group location '{written}'. The Resource group already exists in location "
                f"'{known.location}'."
            )
            raise Refusal(409, "InvalidResourceGroupLocation", message)
        available = all_regions(self._world.locations)
        if location not in available:
            message = (
                f"The provided location '{written}' is not available for resource group. List of available regions is "
                f"'{','.join(sorted(available))}'."
            )
            raise Refusal(400, "LocationNotAvailableForResourceGroup", message)

    def patch(self, call: Call) -> Reply:
        """Change the tags of a resource group."""
        group, body = self._group(call), without_nulls(call.json_object())
        if "tags" in body:
            group.tags = _tags(body)
        if "managedBy" in body:
            group.managed_by = text(body, "managedBy", "managedBy")
        return Reply(200, group_json(group))

    def delete(self, call: Call) -> Reply:
        """Begin to delete a resource group and what is in it (202 with Location); 404 if there is none."""
        operation = self._demolition.begin(self._group(call))
        return Reply(202, None, self._location(call, operation.id))

    def result(self, call: Call) -> Reply:
        """How a deletion went: 202 while it goes on, 200 after it."""
        operation = self._world.operations.find(call.parameters["operationId"].lower())
        if operation is None:
            raise Refusal(404, "NotFound", "The operation does not exist or is long over.")
        if operation.status == IN_PROGRESS:
            return Reply(202, None, self._location(call, operation.id))
        if operation.status == SUCCEEDED:
            return Reply(200)
        code, message = operation.error or ("OperationFailed", "The operation failed.")
        raise Refusal(409, code, message)

    def _location(self, call: Call, operation: str) -> dict[str, str]:
        place = f"/subscriptions/{call.parameters['subscriptionId']}/operationresults/{operation}"
        found = {"Location": f"{call.base}{place}?api-version={call.api_version}"}
        return found | ({"Retry-After": str(self._retry_after)} if self._retry_after else {})

    def list_in_group(self, call: Call) -> Reply:
        """The resources of a resource group; `$filter`, `$top` and `$expand` as the OpenAPI file has them."""
        return self._resources(call, [self._group(call)])

    def list_all(self, call: Call) -> Reply:
        """The resources of a subscription."""
        return self._resources(call, self._world.groups_of(call.parameters["subscriptionId"]))

    def _resources(self, call: Call, groups: Iterable[ResourceGroup]) -> Reply:
        wanted = filters.parse(call.query.get("$filter"))
        by_tag = any(clause.arguments[:1] == ("tagname",) for clauses in wanted for clause in clauses)
        shown = [
            resource_json(resource, with_tags=not by_tag)
            for group in groups
            for resource in resources(self._world, group)
            if filters.fits(wanted, lambda clause, r=resource, g=group: _holds(r, g, clause))  # type: ignore[misc]
        ]
        return self._page(call, shown)

    def _page(self, call: Call, shown: list[dict[str, Any]]) -> Reply:
        top = call.query.get("$top", "")
        size = min(int(top), self._page_size) if top.isdigit() and int(top) else self._page_size
        numbered = list(enumerate(shown, 1))
        return page(call, numbered, lambda item: item[0], lambda item: item[1], size)

    def _group(self, call: Call) -> ResourceGroup:
        return self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])


def group_json(group: ResourceGroup) -> dict[str, Any]:
    """A resource group as Azure Resource Manager shows it."""
    shown: dict[str, Any] = {
        "id": group.id,
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "properties": {"provisioningState": "Succeeded" if group.deleting is None else "Deleting"},
    }
    if group.tags:
        shown["tags"] = group.tags
    if group.managed_by:
        shown["managedBy"] = group.managed_by
    return shown


def resource_json(resource: Resource, with_tags: bool = True) -> dict[str, Any]:
    """A resource in a list of all types; one that was asked for by tag is shown without its tags (the OpenAPI file)."""
    shown = {"id": resource.id, "name": resource.name, "type": resource.type, "location": resource.location}
    return {**shown, **resource.further, **({"tags": dict(resource.tags)} if with_tags and resource.tags else {})}


def _holds(resource: Resource, group: ResourceGroup, clause: filters.Clause) -> bool:
    if clause.verb == "substringof" and len(clause.arguments) == 2:
        part, key = clause.arguments
        value = {"name": resource.name, "resourcegroup": group.name}.get(key.lower())
        if value is None:
            raise filters.unknown(clause)
        return part.lower() in value.lower()
    if clause.verb in ("eq", "ne") and clause.arguments[0] in (*_COMPARED, "resourcegroup"):
        key, value = clause.arguments
        own = group.name if key == "resourcegroup" else str(getattr(resource, _COMPARED[key]))
        return (own.lower() == value.lower()) is (clause.verb == "eq")
    return _tagged(resource.tags, clause)


def _tagged(tags: Any, clause: filters.Clause) -> bool:
    """Whether tags fit a clause on them. A name and a value of one filter are looked for apart: no page says otherwise."""
    if clause.verb == "eq" and clause.arguments[0] == "tagname":
        return clause.arguments[1].lower() in (name.lower() for name in tags)
    if clause.verb == "eq" and clause.arguments[0] == "tagvalue":
        return clause.arguments[1] in tags.values()
    if clause.verb == "startswith" and clause.arguments[:1] and clause.arguments[0].lower() == "tagname":
        return any(name.lower().startswith(clause.arguments[-1].lower()) for name in tags)
    raise filters.unknown(clause)


def _tags(body: dict[str, Any]) -> dict[str, str]:
    tags = member(body, "tags")
    if not all(isinstance(value, str) for value in tags.values()):
        raise malformed("The value of a tag has to be a string. Path 'tags'")
    return dict(tags)
