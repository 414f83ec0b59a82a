"""How operations end that have nothing to wait for: at once and well, unless a fault says otherwise."""

from __future__ import annotations

from collections.abc import Callable

from slurm_azure.simulator.faults.faults import Faults
from slurm_azure.simulator.world.operations import FAILED, SUCCEEDED, Operation
from slurm_azure.simulator.world.world import World


class Endings:
    """Ends the operations on scale sets and capacity reservations."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults

    def begin(
        self,
        kind: str,
        resource: str,
        location: str,
        succeed: Callable[[], None],
        fail: Callable[[], None],
        failure: tuple[str, str] | None = None,
    ) -> Operation:
        """Begin the operation `kind` (an operationId) on `resource` (its id); `succeed` or `fail` is called when it ends. It
        fails with `failure` (code, message), or when and as a fault says."""
        operation = self._world.operations.begin(resource.split("/")[2], location, kind, resource)
        fault = self._faults.ending_of(kind, resource, location)
        if fault is not None:
            failure = fault.code, fault.message

        def end() -> None:
            (succeed if failure is None else fail)()
            self._world.operations.end(operation, SUCCEEDED if failure is None else FAILED, failure)

        if fault is not None and fault.seconds:
            self._world.clock.call_later(fault.seconds, end)
        else:
            end()
        return operation
