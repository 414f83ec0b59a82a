"""The grade `none`: a machine of which there is nothing but the time it takes to boot, and what it would have written."""

from __future__ import annotations

import random
from dataclasses import replace

from slurm_azure.simulator.clock import Clock, Timer
from slurm_azure.simulator.machines.boot_log import boot_log
from slurm_azure.simulator.machines.machine import Guest, Machine, MachineSpec
from slurm_azure.simulator.timing import Distribution


class NoMachine:
    """Says it is ready, or that it failed, when its time has come, unless it was destroyed or halted before."""

    __slots__ = ("_began", "_clock", "_seconds", "_spec", "_timer")

    def __init__(self, spec: MachineSpec, clock: Clock, seconds: float, guest: Guest) -> None:
        self._spec = spec
        self._clock = clock
        self._began = clock.now()
        self._seconds = seconds
        self._timer: Timer | None = None if spec.silent else clock.call_later(seconds, lambda: _report(guest, spec.failure))

    async def destroy(self) -> None:
        """Nothing to take away but the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def console(self) -> bytes:
        """What a machine like this one would have written by now."""
        return boot_log(self._spec, self._began, self._seconds, self._clock.now())

    async def pause(self) -> None:
        """Nothing runs that could stop."""

    async def resume(self) -> None:
        """Nothing has stopped."""

    async def cut_off(self) -> None:
        """Nobody could reach it before."""


def _report(guest: Guest, failure: str | None) -> None:
    if failure is None:
        guest.ready()
    else:
        guest.failed(failure)


class NoHypervisor:
    """Boots nothing; takes as long as `boot` says (seconds from power-on to the guest agent's Ready)."""

    def __init__(self, clock: Clock, source: random.Random, boot: Distribution) -> None:
        self._clock = clock
        self._random = source
        self._boot = boot

    async def start(self) -> None:
        """Nothing is shared."""

    async def boot(self, spec: MachineSpec, guest: Guest) -> Machine:
        """Start the clock of one machine. Of its specification only what its console shows is kept."""
        kept = replace(spec, packed_custom_data=None, packed_user_data=None, ssh_keys=(), tags={})
        return NoMachine(kept, self._clock, self._boot.sample(self._random), guest)

    async def close(self) -> None:
        """Nothing to close."""
