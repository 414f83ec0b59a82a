"""The Azure Retail Prices API, which needs no token."""

from __future__ import annotations

from slurm_azure.simulator.call import Call, Reply
from slurm_azure.simulator.world.world import World


class Prices:
    """Answers at prices.azure.com."""

    def __init__(self, world: World) -> None:
        self._world = world

    def answer(self, call: Call) -> Reply | None:
        """The answer, or None where the path is not the price list's."""
        return None
