"""Microsoft.Authorization: role definitions and role assignments."""

from __future__ import annotations

from slurm_azure.simulator.authorization import Authorization
from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.world import World


class Roles:
    """Answers the requests on role definitions and role assignments."""

    def __init__(self, world: World, authorization: Authorization) -> None:
        self._world = world
        self._authorization = authorization

    def routes(self) -> list[Route]:
        """The operations."""
        return []
