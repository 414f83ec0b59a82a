"""The headers and the status requests of asynchronous operations ("Track asynchronous Azure operations", Microsoft Learn)."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import Refusal
from slurm_azure.simulator.resource_id import COMPUTE, NETWORK
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.operations import IN_PROGRESS, SUCCEEDED, Operation
from slurm_azure.simulator.world.world import World

_PLACE = "/subscriptions/{subscriptionId}/providers/%s/locations/{location}/operations/{operationId}"


def headers(call: Call, operation: Operation, retry_after: int, location: bool, provider: str) -> dict[str, str]:
    """The headers of an answer that begins `operation`; `location` adds the older Location form; 0 seconds leave
    Retry-After out."""
    place = f"/subscriptions/{operation.subscription}/providers/{provider}/locations/{operation.location}/operations/"
    url = f"{call.base}{place}{operation.id}?p={operation.id}&api-version={call.api_version}"
    found = {"Azure-AsyncOperation": url}
    if location:
        found["Location"] = url.replace("?p=", "?monitor=true&p=", 1)
    if retry_after:
        found["Retry-After"] = str(retry_after)
    return found


class OperationRequests:
    """Answers the status requests. `retry_after` (seconds) is sent while an operation runs, unless 0."""

    def __init__(self, world: World, retry_after: int) -> None:
        self._world = world
        self._retry_after = retry_after

    def routes(self) -> list[Route]:
        """One route for each resource provider that has asynchronous operations. No action is asked for: who has a role in one
        resource group alone can follow the operations that it began, whose paths are the subscription's."""
        return [Route("GET", _PLACE % provider, "Operations_Get", "", self.get) for provider in (COMPUTE, NETWORK)]

    def get(self, call: Call) -> Reply:
        """The state of an operation: 200 with a body, whatever the state; with `monitor` 202 until it ended."""
        operation = self._world.operations.find(call.parameters["operationId"].lower())
        if operation is None:
            name = call.parameters["operationId"]
            raise Refusal(404, "NotFound", f"The entity was not found: operation '{name}' does not exist or is long over.")
        running = operation.status == IN_PROGRESS
        found = {"Retry-After": str(self._retry_after)} if running and self._retry_after else {}
        if "monitor" not in call.query:
            return Reply(200, operation.as_json(), found)
        if running:
            return Reply(202, None, {**found, "Location": f"{call.base}{quote(call.path)}?{urlencode(call.query)}"})
        if operation.status == SUCCEEDED:
            return Reply(200)
        code, message = operation.error or ("OperationFailed", "The operation failed.")
        raise Refusal(409, code, message)
