"""The grade `none`: a machine of which there is nothing but the time it takes to boot."""

from __future__ import annotations

import random

from slurm_azure.simulator.clock import Clock, Timer
from slurm_azure.simulator.machines.machine import Guest, Machine, MachineSpec
from slurm_azure.simulator.timing import Distribution


class NoMachine:
    """Says it is ready when its time has come, unless it was destroyed before."""

    __slots__ = ("_timer",)

    def __init__(self, timer: Timer) -> None:
        self._timer = timer

    async def destroy(self) -> None:
        """Nothing to take away but the timer."""
        self._timer.cancel()

    def console(self) -> bytes:
        """Nothing was ever written."""
        return b""


class NoHypervisor:
    """Boots nothing; takes as long as `boot` says (seconds from power-on to the guest agent's Ready)."""

    def __init__(self, clock: Clock, source: random.Random, boot: Distribution) -> None:
        self._clock = clock
        self._random = source
        self._boot = boot

    async def start(self) -> None:
        """Nothing is shared."""

    async def boot(self, spec: MachineSpec, guest: Guest) -> Machine:
        """Start the clock of one machine."""
        return NoMachine(self._clock.call_later(self._boot.sample(self._random), guest.ready))

    async def close(self) -> None:
        """Nothing to close."""
