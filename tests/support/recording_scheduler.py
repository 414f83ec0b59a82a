"""A Scheduler that remembers what it is told and answers what a test has set: for the daemon's tests and benchmarks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from slurm_azure.errors import SchedulerUnreachable
from slurm_azure.model import NodeName, Power, SlurmNode
from slurm_azure.slurm.scheduler import Job, Tell
from tests.support.nodes import a_node


class RecordingScheduler:
    """Nodes are off until `set_power` says otherwise; `told` has every (what, nodes, reason)."""

    def __init__(self) -> None:
        self.states: dict[NodeName, SlurmNode] = {}
        self.told: list[tuple[Tell, tuple[NodeName, ...], str]] = []
        self.refuse: dict[NodeName, str] = {}
        self.reachable = True
        self.queue: list[Job] = []
        self.told_jobs: list[tuple[tuple[int, ...], str, float]] = []

    def set_power(self, power: Power, *names: str, reason: str = "", down: bool = False) -> None:
        """Show these nodes so from now on."""
        self.states.update({NodeName(name): a_node(power, name, reason, down=down) for name in names})

    def nodes(self, names: Collection[NodeName]) -> Mapping[NodeName, SlurmNode]:
        self._answer()
        return {name: self.states.get(name) or a_node(Power.OFF, name) for name in names}

    def tell(self, what: Tell, names: Sequence[NodeName], reason: str = "") -> Mapping[NodeName, str]:
        self._answer()
        self.told.append((what, tuple(names), reason))
        return {name: self.refuse[name] for name in names if name in self.refuse}

    def jobs(self, names: Collection[NodeName]) -> Sequence[Job]:
        self._answer()
        return tuple(self.queue)

    def tell_jobs(self, jobs: Collection[int], comment: str, delay: float = 0.0) -> Mapping[int, str]:
        self._answer()
        self.told_jobs.append((tuple(jobs), comment, delay))
        return {}

    def version(self) -> tuple[int, int]:
        self._answer()
        return (22, 5)

    def _answer(self) -> None:
        if not self.reachable:
            raise SchedulerUnreachable("slurmctld does not answer (the test says so)")
