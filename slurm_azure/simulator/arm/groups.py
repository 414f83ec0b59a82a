"""Microsoft.Resources: subscriptions and resource groups, to read."""

from __future__ import annotations

from typing import Any

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.world import ResourceGroup, World

_SUBSCRIPTION = "/subscriptions/{subscriptionId}"
_READ = "Microsoft.Resources/subscriptions/resourceGroups/read"


class Groups:
    """Answers the requests on subscriptions and resource groups."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """The operations."""
        one = _SUBSCRIPTION + "/resourcegroups/{resourceGroupName}"
        return [
            Route("GET", _SUBSCRIPTION, "Subscriptions_Get", "Microsoft.Resources/subscriptions/read", self.subscription),
            Route("GET", _SUBSCRIPTION + "/resourcegroups", "ResourceGroups_List", _READ, self.list_groups),
            Route("GET", one, "ResourceGroups_Get", _READ, self.get),
            Route("HEAD", one, "ResourceGroups_CheckExistence", _READ, self.exists),
        ]

    def subscription(self, call: Call) -> Reply:
        """A subscription."""
        plan = self._world.subscription(call.parameters["subscriptionId"])
        return Reply(
            200,
            {
                "id": f"/subscriptions/{plan.id}",
                "subscriptionId": plan.id,
                "tenantId": self._world.estate.tenant,
                "displayName": plan.name,
                "state": "Enabled",
                "authorizationSource": "RoleBased",
            },
        )

    def list_groups(self, call: Call) -> Reply:
        """All resource groups of a subscription."""
        return Reply(200, {"value": [_group(g) for g in self._world.groups_of(call.parameters["subscriptionId"])]})

    def get(self, call: Call) -> Reply:
        """One resource group."""
        return Reply(200, _group(self._group(call)))

    def exists(self, call: Call) -> Reply:
        """204 if the resource group is there."""
        self._group(call)
        return Reply(204)

    def _group(self, call: Call) -> ResourceGroup:
        return self._world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])


def _group(group: ResourceGroup) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{group.subscription}/resourceGroups/{group.name}",
        "name": group.name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": group.location,
        "properties": {"provisioningState": "Succeeded"},
    }
