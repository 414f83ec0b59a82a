"""The seam to Slurm: read all nodes, tell it things about some. scontrol.py implements it with Slurm's commands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from slurm_azure.errors import HostlistError
from slurm_azure.hostlist import expand
from slurm_azure.model import NodeName, SlurmNode


class Tell(StrEnum):
    """What can be said of a node: the `state=` of `scontrol update` (man scontrol, NODES).

    A node without jobs is brought back with IDLE, one with jobs with RESUME. For RESUME sets NOT_RESPONDING: a node that is up
    gets no job until the next ping, and one that is powered down gets none ever again from the next restart of slurmctld on
    (seen with 22.05.8 and 24.11.5; 26.05.5 does so no more). IDLE leaves no trace, whether the node is down, drained or has
    NOT_RESPONDING; with jobs on the node it is refused. POWER_DOWN and POWER_DOWN_FORCE take a DRAIN away, whosever it is.
    """

    DOWN = "down"
    DRAIN = "drain"
    RESUME = "resume"
    IDLE = "idle"
    POWER_UP = "power_up"
    POWER_DOWN = "power_down"
    POWER_DOWN_FORCE = "power_down_force"


@dataclass(frozen=True, slots=True)
class Job:
    """A job that has nodes, or waits for some: `state` in squeue's long words (CONFIGURING, RUNNING, ...), `nodes` a hostlist.

    `id` is the one of SLURM_RESUME_FILE, of scontrol and of squeue's %A: a task of an array that has been started once has its
    own; those that have not are one job with the array's.
    """

    id: int
    name: str
    user: str
    partition: str
    state: str
    nodes: str


def holding(jobs: Iterable[Job], names: Collection[NodeName]) -> dict[NodeName, tuple[int, ...]]:
    """Which jobs hold each of the named nodes, by node; nodes that none holds are missing."""
    wanted, found = frozenset(names), dict[NodeName, list[int]]()
    for job in jobs:
        for name in nodes_of(job):
            if name in wanted:
                found.setdefault(name, []).append(job.id)
    return {name: tuple(ids) for name, ids in found.items()}


def nodes_of(job: Job) -> list[NodeName]:
    """The nodes a job holds; none if what squeue shows cannot be read."""
    try:
        return [NodeName(name) for name in expand(job.nodes)] if job.nodes else []
    except HostlistError:
        return []


def waiting(jobs: Iterable[Job]) -> frozenset[int]:
    """The jobs that wait for nodes or may be about to: a requeued job is COMPLETING, without the node it lost, until its other
    nodes have tidied up (seconds; up to UnkillableStepTimeout), and PENDING only then."""
    return frozenset(job.id for job in jobs if job.state in ("PENDING", "COMPLETING"))


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
        """Jobs that hold any of the named nodes, and all that are pending. Raises SchedulerUnreachable."""
        ...

    def tell_jobs(self, jobs: Collection[int], comment: str, delay: float = 0.0) -> Mapping[int, str]:
        """Put `comment` on these jobs as their AdminComment, where `scontrol show job` shows it to their owners; with a `delay`
        (seconds) those that wait, or are being requeued, are not started before that. Those that have started do not mind.
        It replaces Slurm's own delay after a node failed (121 s before 25.11), also if that were longer.

        Returns the jobs slurmctld refused, with its words (a job that is over is one). Raises SchedulerUnreachable.
        """
        ...

    def version(self) -> tuple[int, int]:
        """Slurm's release as (year, month), such as (22, 5). Raises SchedulerUnreachable."""
        ...
