"""Microsoft.Compute: resource SKUs, VM sizes and usages."""

from __future__ import annotations

from slurm_azure.simulator.routes import Route
from slurm_azure.simulator.world.world import World


class Skus:
    """Answers the requests on what there is to be had."""

    def __init__(self, world: World, page_size: int) -> None:
        self._world = world
        self._page_size = page_size

    def routes(self) -> list[Route]:
        """The operations."""
        return []
