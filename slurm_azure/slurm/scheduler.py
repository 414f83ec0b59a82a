"""The seam to Slurm: read all nodes, tell it things about some. scontrol.py implements it with Slurm's commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from slurm_azure.hostlist import expand
from slurm_azure.model import NodeName, SlurmNode


class Tell(StrEnum):
    """What can be said of a node: the `state=` of `scontrol update` (man scontrol, NODES)."""

    DOWN = "down"
    DRAIN = "drain"
    RESUME = "resume"
    POWER_UP = "power_up"
    POWER_DOWN = "power_down"
    POWER_DOWN_FORCE = "power_down_force"


@dataclass(frozen=True, slots=True)
class Job:
    """A job that has nodes allocated: `state` in squeue's long words (CONFIGURING, RUNNING, ...), `nodes` a hostlist."""

    id: int
    name: str
    user: str
    partition: str
    state: str
    nodes: str


def holding(jobs: Iterable[Job], names: Collection[NodeName]) -> dict[NodeName, tuple[int, ...]]:
    """Which jobs hold each of the named nodes, by node; nodes that none holds are missing."""
    wanted, found = frozenset(names), dict[NodeName, tuple[int, ...]]()
    for job in jobs:
        for name in map(NodeName, expand(job.nodes) if job.nodes else ()):
            if name in wanted:
                found[name] = (*found.get(name, ()), job.id)
    return found


class Scheduler(Protocol):
    """Slurm, as far as the daemon is concerned."""

    def nodes(self, names: Collection[NodeName]) -> Mapping[NodeName, SlurmNode]:
        """The state of the named nodes, one call for all; names Slurm does not know are missing from the answer.

        Raises SchedulerUnreachable; never returns a half answer.
        """
        ...

    def tell(self, what: Tell, names: Sequence[NodeName], reason: str = "") -> Mapping[NodeName, str]:
        """Say `what` of all `names`, in as few `scontrol` calls as Slurm allows; with `reason` where one is to be shown.

        Returns the nodes slurmctld refused, with its words: one bad node never stops the others.
        Raises SchedulerUnreachable.
        """
        ...

    def jobs(self, names: Collection[NodeName]) -> Sequence[Job]:
        """Jobs that hold any of the named nodes. Raises SchedulerUnreachable."""
        ...

    def tell_jobs(self, jobs: Collection[int], comment: str, delay: float = 0.0) -> Mapping[int, str]:
        """Put `comment` on these jobs as their AdminComment, where `scontrol show job` shows it to their owners; with a `delay`
        (seconds) those that wait are not started before that.

        Returns the jobs slurmctld refused, with its words (a job that is over is one). Raises SchedulerUnreachable.
        """
        ...

    def version(self) -> tuple[int, int]:
        """Slurm's release as (year, month), such as (22, 5). Raises SchedulerUnreachable."""
        ...
