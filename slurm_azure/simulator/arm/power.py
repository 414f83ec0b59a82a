"""Microsoft.Compute/virtualMachines: the operations that do something to a VM that is there (OpenAPI, virtualMachine.json)."""

from __future__ import annotations

from collections.abc import Callable

from slurm_azure.simulator.arm import asynchronous
from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.refusal import invalid_parameter, resource_not_found
from slurm_azure.simulator.resource_id import COMPUTE
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.operations import Operation
from slurm_azure.simulator.world.provisioning import Provisioning
from slurm_azure.simulator.world.vm import VirtualMachine
from slurm_azure.simulator.world.world import World

_KIND = "Microsoft.Compute/virtualMachines"
ONE = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/" + _KIND + "/{vmName}"

_Work = Callable[[Call, VirtualMachine], Operation]


class PowerRequests:
    """Answers start, powerOff, deallocate, restart, redeploy, reapply (202 with the operation that was begun) and
    simulateEviction (204). `retry_after` (seconds, 0 = none) is a header's."""

    def __init__(self, world: World, provisioning: Provisioning, retry_after: int) -> None:
        self._world = world
        self._provisioning = provisioning
        self._retry_after = retry_after

    def routes(self) -> list[Route]:
        """The operations; the action of each is named like the last part of its path."""
        do = self._provisioning
        begun: dict[str, _Work] = {
            "start": lambda _, vm: do.start(vm),
            "powerOff": lambda call, vm: do.power_off(vm, flag(call, "skipShutdown")),
            "deallocate": lambda call, vm: do.deallocate(vm, flag(call, "hibernate")),
            "restart": lambda _, vm: do.restart(vm),
            "redeploy": lambda _, vm: do.redeploy(vm),
            "reapply": lambda _, vm: do.reapply(vm),
        }
        routes = [self._route(verb, self._begun(work)) for verb, work in begun.items()]
        return [*routes, self._route("simulateEviction", self.simulate_eviction)]

    def _route(self, verb: str, handler: Callable[[Call], Reply]) -> Route:
        operation = f"VirtualMachines_{verb[0].upper()}{verb[1:]}"
        return Route("POST", f"{ONE}/{verb}", operation, f"{_KIND}/{verb}/action", handler)

    def _begun(self, work: _Work) -> Callable[[Call], Reply]:
        def handle(call: Call) -> Reply:
            operation = work(call, find(self._world, call))
            headers = asynchronous.headers(call, operation, self._retry_after, location=True, provider=COMPUTE)
            return Reply(202, None, headers)

        return handle

    def simulate_eviction(self, call: Call) -> Reply:
        """Evict a Spot VM, some time later."""
        self._provisioning.simulate_eviction(find(self._world, call))
        return Reply(204)


def find(world: World, call: Call) -> VirtualMachine:
    """The VM that a path names; raises Refusal (404)."""
    group = world.group(call.parameters["subscriptionId"], call.parameters["resourceGroupName"])
    name = call.parameters["vmName"]
    vm = group.vms.get(name.lower())
    if vm is None:
        raise resource_not_found(_KIND, name, group.name)
    return vm


def flag(call: Call, name: str) -> bool:
    """A boolean of the query string, false unless given; raises Refusal (400)."""
    value = call.query.get(name, "false").lower()
    if value not in ("true", "false"):
        raise invalid_parameter(name, f"The value of parameter {name} is invalid: '{call.query[name]}'.")
    return value == "true"
