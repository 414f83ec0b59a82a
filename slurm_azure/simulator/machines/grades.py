"""Which grade of machine stands behind which VM."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from slurm_azure.simulator.machines.machine import Guest, Hypervisor, Machine, MachineSpec

GRADES = ("none", "namespace")


class Grades:
    """A hypervisor that hands each machine to the hypervisor of its grade, made when the grade is first used.

    `rules` are (pattern of the computer name, grade), the first match counts; `default` is for the rest.
    """

    def __init__(self, default: str, rules: Sequence[tuple[str, str]], makers: dict[str, Callable[[], Hypervisor]]) -> None:
        self._default = default
        self._rules = tuple(rules)
        self._makers = makers
        self._made: dict[str, Hypervisor] = {}

    def grade(self, computer_name: str) -> str:
        """The grade of a machine of this name."""
        return next((grade for pattern, grade in self._rules if fnmatchcase(computer_name, pattern)), self._default)

    async def start(self) -> None:
        """Start the hypervisor of each grade that a machine can have."""
        for grade in {self._default, *(grade for _, grade in self._rules)}:
            self._made[grade] = self._makers[grade]()
            await self._made[grade].start()

    async def boot(self, spec: MachineSpec, guest: Guest) -> Machine:
        """Boot a machine of the grade its name asks for."""
        return await self._made[self.grade(spec.computer_name)].boot(spec, guest)

    async def close(self) -> None:
        """Close every hypervisor that was used."""
        await asyncio.gather(*(hypervisor.close() for hypervisor in self._made.values()))
