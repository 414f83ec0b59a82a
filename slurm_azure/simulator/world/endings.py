"""How operations end that have nothing to wait for: at once and well, unless a fault says otherwise."""

from __future__ import annotations

from collections.abc import Callable

from slurm_azure.simulator.world.operations import FAILED, SUCCEEDED, Operation
from slurm_azure.simulator.world.trouble import Trouble
from slurm_azure.simulator.world.world import World


class Endings:
    """Ends the operations on scale sets and capacity reservations. `kind` is the operationId of the request that begins one,
    `resource` the id of what it is about."""

    def __init__(self, world: World, trouble: Trouble) -> None:
        self._world = world
        self._trouble = trouble

    def begin(
        self,
        kind: str,
        resource: str,
        location: str,
        succeed: Callable[[], None],
        fail: Callable[[], None],
        failure: tuple[str, str] | None = None,
    ) -> Operation:
        """Begin an operation; `succeed` or `fail` is called when it ends. It fails when and as a fault says, or with `failure`
        (code, message)."""
        failing = self.failing(kind, resource, location, fail, failure)
        if failing is not None:
            return failing
        operation = self._world.operations.begin(resource.split("/")[2], location, kind, resource)
        succeed()
        self._world.operations.end(operation, SUCCEEDED)
        return operation

    def failing(
        self, kind: str, resource: str, location: str, fail: Callable[[], None], failure: tuple[str, str] | None = None
    ) -> Operation | None:
        """An operation that is going to fail, or has failed; None if it does not."""
        fault = self._trouble.ending_of(kind, resource, location)
        error = failure if fault is None else (fault.code, fault.message)
        if error is None:
            return None
        operation = self._world.operations.begin(resource.split("/")[2], location, kind, resource)

        def end() -> None:
            fail()
            self._world.operations.end(operation, FAILED, error)

        if fault is not None and fault.seconds:
            self._world.clock.call_later(fault.seconds, end)
        else:
            end()
        return operation
