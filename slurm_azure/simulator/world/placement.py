"""What a VM is placed by: its scale set, proximity placement group and capacity reservation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from slurm_azure.simulator.world.vm import VirtualMachine

if TYPE_CHECKING:
    from slurm_azure.simulator.world.world import World


def join(world: World, vm: VirtualMachine) -> None:
    """Enter a new VM into what its model names; raises Refusal, and then nothing was entered."""


def leave(world: World, vm: VirtualMachine) -> None:
    """A VM is gone."""
